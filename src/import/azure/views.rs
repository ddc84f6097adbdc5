//! Virtual networks and views: one view a network, or as the operator puts networks together.

use std::collections::BTreeSet;
use std::str::FromStr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::Request;
use super::found::Found;
use super::zones::{ZoneFound, apex_of};
use crate::azure::{Link, Vnet};
use crate::config::{Finding, Place, codes};
use crate::import::View;
use crate::import::names::{Names, label};
use crate::load::Inventory;

/// The most networks that are searched for the one that holds an address; a subscription has at most 1,000.
const MOST_NETWORKS: usize = 1_000;
/// The most entries of zones in views.
const MOST_ENTRIES: usize = 1_000_000;

/// A view as the operator wants it: `NAME=MEMBER,…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRule {
    /// Its name.
    pub name: String,
    /// Who belongs to it.
    pub members: Vec<Member>,
}

/// A member of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// Virtual networks by id, by name, or by a glob over names.
    Networks(String),
    /// Clients.
    Prefix(IpNet),
    /// Endpoints of no known virtual network: `-`.
    Rest,
}

impl FromStr for ViewRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, members) = text.split_once('=').ok_or("write NAME=MEMBER,…")?;
        if name.is_empty() || label(name) != name {
            return Err(format!("{name:?} cannot name a view: 1 to 63 letters, digits, -, _ or ."));
        }
        let member = |text: &str| match text.trim() {
            "" => Err("a member is empty".to_owned()),
            "-" => Ok(Member::Rest),
            text => match text.parse::<IpNet>() {
                Ok(net) if net.trunc() == net => Ok(Member::Prefix(net)),
                Ok(net) => Err(format!("{net} has host bits set: write {}", net.trunc())),
                Err(_) if text.starts_with('/') => Ok(Member::Networks(text.to_ascii_lowercase())),
                Err(_) if glob::Pattern::new(text).is_err() => Err(format!("{text:?} is no pattern")),
                Err(_) => Ok(Member::Networks(text.to_ascii_lowercase())),
            },
        };
        Ok(Self { name: name.to_owned(), members: members.split(',').map(member).collect::<Result<_, _>>()? })
    }
}

/// A virtual network.
#[derive(Debug)]
pub(super) struct Network {
    /// Its id; none for the endpoints of no known network.
    pub(super) id: Option<String>,
    /// Its name.
    pub(super) name: String,
    /// Its address space; empty where it is not known.
    pub(super) prefixes: Vec<IpNet>,
    /// Where it is told.
    pub(super) place: Option<Place>,
    /// Whether endpoints are in it.
    pub(super) is_used: bool,
    /// The view that it belongs to.
    pub(super) view: Option<usize>,
}

impl Network {
    /// The comment above its endpoints.
    pub(super) fn heading(&self) -> Vec<String> {
        let Some(id) = &self.id else { return vec!["No virtual network is known for these.".to_owned()] };
        let prefixes: Vec<String> = self.prefixes.iter().map(ToString::to_string).collect();
        let prefixes = if prefixes.is_empty() { String::new() } else { format!(" ({})", prefixes.join(", ")) };
        vec![format!("Virtual network {}{prefixes}", self.name), id.clone()]
    }
}

/// A view.
#[derive(Debug, Default)]
pub(super) struct ViewFound {
    /// Its name.
    pub(super) name: String,
    /// Its clients.
    pub(super) networks: BTreeSet<IpNet>,
    /// Its endpoints, indexes into what was found, by kind and name.
    pub(super) endpoints: Vec<usize>,
    /// Its zones: name, and whether to forward what the zone lacks where that differs from the zone.
    zones: Vec<(String, Option<bool>)>,
    /// Comments.
    remarks: Vec<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Views {
    networks: Vec<Network>,
    /// Networks by id.
    by_id: HashMap<String, usize>,
    /// The network of each endpoint that was found.
    of: Vec<usize>,
    /// The views, by name.
    pub(super) views: Vec<ViewFound>,
}

impl Views {
    /// Puts endpoints into networks and networks into views.
    pub(super) fn new(
        inventory: &Inventory,
        found: &[Found],
        zones: &[ZoneFound],
        request: &Request,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let networks = networks(inventory, found);
        let ids = networks.iter().enumerate().filter_map(|(index, own)| Some((own.id.clone()?, index)));
        let by_id = ids.collect();
        let mut all = Self { networks, by_id, of: Vec::new(), views: Vec::new() };
        all.of = found.iter().map(|own| all.home(inventory, own)).collect();
        for index in &all.of {
            if let Some(network) = all.networks.get_mut(*index) {
                network.is_used = true;
            }
        }
        let linked: BTreeSet<&str> = inventory.links.iter().map(|link| &*link.vnet).collect();
        let mut told = Vec::new();
        all.by_rules(request, &mut told);
        all.by_network(&linked, &mut told);
        if !request.options.no_views {
            findings.append(&mut told);
        }
        for (index, network) in all.of.iter().enumerate() {
            let view = all.networks.get(*network).and_then(|network| network.view);
            if let Some(view) = view.and_then(|view| all.views.get_mut(view)) {
                view.endpoints.push(index);
            }
        }
        for view in &mut all.views {
            view.endpoints.sort_by_cached_key(|index| found.get(*index).map(|own| (own.kind, own.name.clone())));
        }
        if zones.len().saturating_mul(all.views.len()) > MOST_ENTRIES {
            let message = format!("{} zones in {} views are too many", zones.len(), all.views.len());
            findings.push(Finding::new(&codes::TOO_LARGE, Place::at("command line", 1, 1), "", message));
            return all;
        }
        let mut links: HashMap<&str, Vec<&Link>> = HashMap::new();
        for link in &inventory.links {
            links.entry(apex_of(&link.zone)).or_default().push(link);
        }
        for zone in zones {
            all.add_zone(zone, links.get(&*zone.apex).map_or(&[], Vec::as_slice));
        }
        all
    }

    /// The networks, by name.
    pub(super) fn networks(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter()
    }

    /// The network of an endpoint.
    pub(super) fn network_of(&self, endpoint: usize) -> usize {
        self.of.get(endpoint).copied().unwrap_or_default()
    }

    /// The network that an endpoint is in: by its subnet, else the only one that holds all its addresses.
    fn home(&self, inventory: &Inventory, own: &Found) -> usize {
        let endpoint = inventory.endpoints.get(own.index);
        let by_id = endpoint.and_then(|endpoint| endpoint.vnet());
        if let Some(index) = by_id.and_then(|id| self.by_id.get(id)) {
            return *index;
        }
        let last = self.networks.len().saturating_sub(1); // it has no id
        if self.networks.len() > MOST_NETWORKS {
            return last;
        }
        let holds = |network: &&(usize, &Network)| {
            let addresses = own.records.iter().flat_map(|record| &record.addresses);
            let inside = |address| network.1.prefixes.iter().any(|net| net.contains(address));
            own.records.iter().any(|record| !record.addresses.is_empty()) && addresses.into_iter().all(inside)
        };
        let all: Vec<(usize, &Network)> = self.networks.iter().enumerate().collect();
        let mut fitting = all.iter().filter(holds);
        match (fitting.next(), fitting.next()) {
            (Some((index, _)), None) => *index,
            _ => last,
        }
    }

    /// The views that the operator wants.
    fn by_rules(&mut self, request: &Request, findings: &mut Vec<Finding>) {
        for rule in &request.views {
            let position = self.views.iter().position(|view| view.name == rule.name);
            let index = position.unwrap_or_else(|| {
                self.views.push(ViewFound { name: rule.name.clone(), ..ViewFound::default() });
                self.views.len() - 1
            });
            for member in &rule.members {
                let mut any = false;
                match member {
                    Member::Prefix(net) => {
                        any = true;
                        if let Some(view) = self.views.get_mut(index) {
                            view.networks.insert(*net);
                        }
                    }
                    Member::Rest => {
                        any = true;
                        if let Some(rest) = self.networks.last_mut() {
                            rest.view.get_or_insert(index);
                        }
                    }
                    Member::Networks(pattern) => {
                        let glob = glob::Pattern::new(pattern).ok();
                        let fits = |network: &Network| {
                            network.id.as_ref() == Some(pattern)
                                || glob.as_ref().is_some_and(|glob| glob.matches(&network.name.to_ascii_lowercase()))
                        };
                        for network in self.networks.iter_mut().filter(|own| own.id.is_some() && fits(own)) {
                            any = true;
                            network.view.get_or_insert(index);
                        }
                    }
                }
                if !any {
                    let message = format!("--view {}: no virtual network of these files fits {member:?}", rule.name);
                    let message = message.replace("Networks(", "").replace(')', "");
                    findings.push(Finding::new(&codes::MEMBER_UNKNOWN, Place::at("command line", 1, 1), "", message));
                }
            }
        }
    }

    /// A view for each network that has something and belongs to none yet.
    fn by_network(&mut self, linked: &BTreeSet<&str>, findings: &mut Vec<Finding>) {
        let mut names = Names::default();
        for view in &self.views {
            names.take(&view.name, "");
        }
        let mut fresh = Vec::new();
        for network in self.networks.iter_mut().filter(|own| own.view.is_none()) {
            let Some(id) = &network.id else { continue };
            if !network.is_used && !linked.contains(&**id) {
                let prefixes: Vec<String> = network.prefixes.iter().map(ToString::to_string).collect();
                let message = format!(
                    "virtual network {} ({}) has no endpoint and is in no view: its clients get REFUSED",
                    network.name,
                    prefixes.join(", ")
                );
                let place = network.place.clone().unwrap_or_else(|| Place::at("", 1, 1));
                findings.push(
                    Finding::new(&codes::NETWORK_IN_NO_VIEW, place, "", message)
                        .hint("join it to the networks whose endpoints it uses: --view NAME=NETWORK,NETWORK"),
                );
                continue;
            }
            let group = id.split("/resourcegroups/").nth(1).and_then(|rest| rest.split('/').next());
            network.view = Some(self.views.len() + fresh.len());
            fresh
                .push(ViewFound { name: names.take(&network.name, group.unwrap_or_default()), ..ViewFound::default() });
        }
        self.views.append(&mut fresh);
        let only = self.views.len() == 1;
        if let Some(rest) = self.networks.last_mut().filter(|own| own.is_used && own.view.is_none()) {
            if only {
                rest.view = Some(0);
            } else {
                rest.view = Some(self.views.len());
                self.views.push(ViewFound { name: names.take("imported", ""), ..ViewFound::default() });
            }
        }
        if self.views.is_empty() {
            self.views.push(ViewFound { name: "imported".to_owned(), ..ViewFound::default() });
        }
        for network in &self.networks {
            let Some(view) = network.view.and_then(|view| self.views.get_mut(view)) else { continue };
            view.networks.extend(&network.prefixes);
            if let Some(id) = &network.id {
                view.remarks.push(format!("virtual network {} {id}", network.name));
            }
        }
    }

    /// Gives a zone to the views whose networks it is linked to, or to all where no link is known.
    fn add_zone(&mut self, zone: &ZoneFound, links: &[&Link]) {
        // a zone without an id is any of its name
        let of = |link: &&&Link| zone.id == link.zone || !zone.id.contains('/');
        let links: Vec<&&Link> = links.iter().filter(of).collect();
        let mut here: HashMap<usize, bool> = HashMap::new();
        for link in &links {
            let network = self.by_id.get(&link.vnet).and_then(|index| self.networks.get(*index));
            if let Some(view) = network.and_then(|network| network.view) {
                *here.entry(view).or_insert(true) &= link.fallback;
            }
        }
        for (index, view) in self.views.iter_mut().enumerate() {
            match here.get(&index) {
                Some(fallback) => {
                    let differs = (*fallback != zone.forward).then_some(*fallback);
                    view.zones.push((zone.name.clone(), differs));
                }
                None if links.is_empty() => view.zones.push((zone.name.clone(), None)),
                None => {}
            }
        }
    }

    /// Leaves endpoints out of views: (view, endpoint) and why.
    pub(super) fn leave_out(&mut self, conflicts: &[(usize, usize, String)]) {
        for (view, endpoint, why) in conflicts {
            let Some(view) = self.views.get_mut(*view) else { continue };
            view.endpoints.retain(|own| own != endpoint);
            view.remarks.push(format!("left out: {why}"));
        }
    }

    /// The tables, by name.
    pub(super) fn tables(&self, found: &[Found]) -> Vec<View> {
        let mut tables: Vec<View> = self.views.iter().map(|view| table(view, found)).collect();
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        tables
    }
}

/// One view's table.
fn table(view: &ViewFound, found: &[Found]) -> View {
    let endpoints: Vec<&Found> = view.endpoints.iter().filter_map(|index| found.get(*index)).collect();
    let kinds: BTreeSet<_> = endpoints.iter().map(|own| own.kind).collect();
    let missing = view.zones.iter().filter_map(|(name, differs)| Some((name.clone(), (*differs)?)));
    let mut comments = view.remarks.clone();
    comments.sort();
    View {
        comments,
        name: view.name.clone(),
        networks: view.networks.iter().copied().collect(),
        endpoints: endpoints.iter().map(|own| own.name.clone()).collect(),
        zones: view.zones.iter().map(|(name, _)| name.clone()).collect(),
        private: Some(kinds.into_iter().filter(|kind| *kind != crate::zone::avd::Kind::Other).collect()),
        missing: missing.collect(),
        ..View::default()
    }
}

/// The networks of the files, of the endpoints and of links, by name; the last one stands for none.
fn networks(inventory: &Inventory, found: &[Found]) -> Vec<Network> {
    let mut by_id: HashMap<String, Network> = HashMap::new();
    let network = |own: &Vnet| Network {
        id: own.id.clone(),
        name: own.name.clone(),
        prefixes: own.prefixes.clone(),
        place: Some(inventory.place(&own.at)),
        is_used: false,
        view: None,
    };
    for own in &inventory.vnets {
        let Some(id) = &own.id else { continue };
        by_id.entry(id.clone()).or_insert_with(|| network(own));
    }
    let of_endpoints = found.iter().filter_map(|own| inventory.endpoints.get(own.index)?.vnet());
    for id in of_endpoints.chain(inventory.links.iter().map(|link| &*link.vnet)) {
        by_id.entry_ref(id).or_insert_with(|| Network {
            id: Some(id.to_owned()),
            name: id.rsplit('/').next().unwrap_or(id).to_owned(),
            prefixes: Vec::new(),
            place: None,
            is_used: false,
            view: None,
        });
    }
    let mut networks: Vec<Network> = by_id.into_values().collect();
    networks.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    let none = Network { id: None, name: String::new(), prefixes: Vec::new(), place: None, is_used: false, view: None };
    networks.push(none);
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let rule: ViewRule = "all=vnet-*,10.0.0.0/8,-,/Subscriptions/X".parse().unwrap();
        assert_eq!(rule.name, "all");
        let expected = [
            Member::Networks("vnet-*".to_owned()),
            Member::Prefix("10.0.0.0/8".parse().unwrap()),
            Member::Rest,
            Member::Networks("/subscriptions/x".to_owned()),
        ];
        assert_eq!(rule.members, expected);
        for wrong in ["all", "=x", "a b=x", "a=", "a=x,,y", "a=10.0.0.1/8", "a=x["] {
            assert!(wrong.parse::<ViewRule>().is_err(), "{wrong}");
        }
    }
}
