//! Clients by the view that they had and the view that they have.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hashbrown::HashMap;
use ipnet::IpNet;

use super::super::plan::ListenerMatch;
use super::super::select::Selected;
use super::super::snapshot::Snapshot;

/// All clients of one old and one new view.
#[derive(Debug)]
pub(super) struct Class {
    /// Index of the old view; none: refused.
    pub(super) old: Option<usize>,
    /// Index of the new view.
    pub(super) new: Option<usize>,
    /// Who they are: of two prefixes that choose the longer one.
    pub(super) networks: Vec<IpNet>,
}

/// Every class that has a view in at least one of the snapshots, in the order of the new views.
///
/// The snapshots' selectors lay prefixes flat; between two neighbouring starts of either nothing changes, so one client
/// of each such range stands for all of it.
pub(super) fn classes(old: &Snapshot, new: &Snapshot) -> Vec<Class> {
    let starts: BTreeSet<IpAddr> = old.selector.starts().chain(new.selector.starts()).collect();
    let mut found: Vec<Class> = Vec::new();
    let mut places: HashMap<(Option<usize>, Option<usize>), usize> = HashMap::new();
    for local in locals(old, new) {
        for client in &starts {
            let (before, after) = (old.selector.select(*client, local), new.selector.select(*client, local));
            let pair = (before.map(|own| own.view), after.map(|own| own.view));
            if pair == (None, None) {
                continue;
            }
            let place = *places.entry(pair).or_insert_with(|| {
                found.push(Class { old: pair.0, new: pair.1, networks: Vec::new() });
                found.len() - 1
            });
            let network = [prefix(old, *client, before), prefix(new, *client, after)];
            let longest = network.into_iter().flatten().max_by_key(IpNet::prefix_len);
            if let (Some(class), Some(network)) = (found.get_mut(place), longest)
                && !class.networks.contains(&network)
            {
                class.networks.push(network);
            }
        }
    }
    found.sort_by_key(|class| (class.new.unwrap_or(usize::MAX), class.old));
    found
}

/// The addresses that clients send to, as far as views tell them apart; one that none names is among them.
fn locals(old: &Snapshot, new: &Snapshot) -> Vec<SocketAddr> {
    let mut locals = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))];
    for listener in old.views.iter().chain(&new.views).flat_map(|view| &view.listeners) {
        let local = match listener {
            ListenerMatch::Address(address) => SocketAddr::new(*address, 53),
            ListenerMatch::Socket(socket) => *socket,
        };
        if !locals.contains(&local) {
            locals.push(local);
        }
    }
    locals
}

fn prefix(snapshot: &Snapshot, client: IpAddr, selected: Option<Selected>) -> Option<IpNet> {
    let selected = selected?;
    snapshot.views.get(selected.view)?.prefix(client, selected.prefix)
}
