//! Client and listener → view (R7): a view that names the listener first, then the longest prefix; never file order.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::plan::{ListenerMatch, ViewPlan};

/// A chosen view and the length of the prefix that chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// Index of the view.
    pub view: usize,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

/// Disjoint ranges of one address family: each start with the view from there to the next start.
#[derive(Debug, Default)]
struct Ranges<A> {
    starts: Vec<A>,
    found: Vec<Option<Selected>>,
}

impl<A: Copy + Ord + Default> Ranges<A> {
    /// Lays nested prefixes flat. `prefixes` are (first, last, selected).
    fn new(mut prefixes: Vec<(A, A, Selected)>, next: impl Fn(A) -> Option<A>) -> Self {
        // Prefixes nest or are disjoint, so with the wider one first a stack holds those that are still open.
        prefixes.sort_by_key(|(first, _, selected)| (*first, selected.prefix));
        let mut ranges = Self { starts: vec![A::default()], found: vec![None] };
        let mut open: Vec<(A, Selected)> = Vec::new();
        for (first, last, selected) in prefixes {
            ranges.close(&mut open, Some(first), &next);
            ranges.push(first, Some(selected));
            open.push((last, selected));
        }
        ranges.close(&mut open, None, &next);
        ranges
    }

    /// Ends the open prefixes that do not reach `until`.
    fn close(&mut self, open: &mut Vec<(A, Selected)>, until: Option<A>, next: &impl Fn(A) -> Option<A>) {
        while let Some((last, _)) = open.last().copied().filter(|(last, _)| until.is_none_or(|until| *last < until)) {
            open.pop();
            if let Some(behind) = next(last) {
                self.push(behind, open.last().map(|(_, selected)| *selected));
            }
        }
    }

    fn push(&mut self, start: A, selected: Option<Selected>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.found.pop();
        }
        self.starts.push(start);
        self.found.push(selected);
    }

    fn find(&self, address: A) -> Option<Selected> {
        let behind = self.starts.partition_point(|start| *start <= address);
        self.found.get(behind.checked_sub(1)?).copied().flatten()
    }
}

/// The prefixes of the views of one listener, or of those that name none.
#[derive(Debug, Default)]
struct Prefixes {
    four: Ranges<u32>,
    six: Ranges<u128>,
}

impl Prefixes {
    fn new<'v>(views: impl Iterator<Item = (usize, &'v Arc<ViewPlan>)>) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (view, plan) in views {
            let all = [IpNet::V4(Default::default()), IpNet::V6(Default::default())];
            let networks = if plan.networks.is_empty() { &all } else { plan.networks.as_slice() };
            for network in networks {
                let selected = Selected { view, prefix: network.prefix_len() };
                match network {
                    IpNet::V4(net) => four.push((net.network().to_bits(), net.broadcast().to_bits(), selected)),
                    IpNet::V6(net) => six.push((net.network().to_bits(), net.broadcast().to_bits(), selected)),
                }
            }
        }
        Self { four: Ranges::new(four, |last| last.checked_add(1)), six: Ranges::new(six, |last| last.checked_add(1)) }
    }

    fn starts(&self) -> impl Iterator<Item = IpAddr> {
        let four = self.four.starts.iter().map(|start| IpAddr::from(start.to_be_bytes()));
        four.chain(self.six.starts.iter().map(|start| IpAddr::from(start.to_be_bytes())))
    }

    fn find(&self, client: IpAddr) -> Option<Selected> {
        match client {
            IpAddr::V4(address) => self.four.find(address.to_bits()),
            IpAddr::V6(address) => self.six.find(address.to_bits()),
        }
    }
}

/// Chooses views. Built once a snapshot; a choice costs a binary search and no allocation.
#[derive(Debug, Default)]
pub struct Selector {
    bound: Vec<(ListenerMatch, Prefixes)>,
    any: Prefixes,
}

impl Selector {
    /// Builds the tables of all views.
    pub fn new(views: &[Arc<ViewPlan>]) -> Self {
        let mut listeners: Vec<ListenerMatch> = views.iter().flat_map(|view| view.listeners.iter().copied()).collect();
        listeners.sort_by_key(|listener| format!("{listener:?}"));
        listeners.dedup();
        let of = |listener: &ListenerMatch| {
            let views = views.iter().enumerate().filter(|(_, view)| view.listeners.contains(listener));
            (*listener, Prefixes::new(views))
        };
        let unbound = views.iter().enumerate().filter(|(_, view)| view.listeners.is_empty());
        Self { bound: listeners.iter().map(of).collect(), any: Prefixes::new(unbound) }
    }

    /// Where the choice may change: the first address of every stretch of addresses that are chosen for alike.
    pub(super) fn starts(&self) -> impl Iterator<Item = IpAddr> {
        self.bound.iter().map(|(_, prefixes)| prefixes).chain([&self.any]).flat_map(Prefixes::starts)
    }

    /// The view of a client that sent to `local`. Both addresses are canonical: an IPv4 address mapped into IPv6 is
    /// IPv4 here.
    pub fn select(&self, client: IpAddr, local: SocketAddr) -> Option<Selected> {
        let named = self.bound.iter().filter(|(listener, _)| match listener {
            ListenerMatch::Address(address) => *address == local.ip(),
            ListenerMatch::Socket(socket) => *socket == local,
        });
        let named = named.filter_map(|(_, prefixes)| prefixes.find(client)).max_by_key(|selected| selected.prefix);
        named.or_else(|| self.any.find(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{GuardMode, Snapshot, SnapshotPlan, Unlisted};
    use crate::zone::Origin;

    fn view(name: &str, networks: &[&str], listeners: &[&str]) -> Arc<ViewPlan> {
        Arc::new(ViewPlan {
            name: name.into(),
            origin: Origin::new("test", 1),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            listeners: listeners.iter().map(|at| ListenerMatch::Socket(at.parse().unwrap())).collect(),
            upstream: 0,
            forwards: Vec::new(),
            reverse: None,
            endpoints: Vec::new(),
            zones: Vec::new(),
            private: Vec::new(),
            unlisted: Unlisted::Forward,
            guard: GuardMode::Own,
            must_be_private: Vec::new(),
            private_ranges: Vec::new(),
            reply_within: None,
            keep_warm: Vec::new(),
            overrides: Vec::new(),
            log_queries: None,
            log_clients: None,
        })
    }

    #[test]
    fn r07_d_06a_d_06b_the_longest_prefix_wins_whatever_the_order() {
        let mut views = vec![
            view("seven", &["10.0.0.0/7"], &[]),
            view("guest", &["10.10.99.0/24"], &[]),
            view("spoke", &["10.10.0.0/16", "fd00:10::/48"], &[]),
            view("all", &["0.0.0.0/0"], &[]),
            view("edge", &["255.255.255.255/32"], &[]),
        ];
        for _ in 0..views.len() {
            let selector = Selector::new(&views);
            let chosen = |client: &str| {
                let selected = selector.select(client.parse().unwrap(), "127.0.0.1:53".parse().unwrap());
                selected.map(|selected| views[selected.view].name.to_string())
            };
            for (client, expected) in [
                ("10.10.99.5", "guest"),
                ("10.10.98.255", "spoke"),
                ("10.10.100.0", "spoke"),
                ("10.11.0.0", "seven"),
                ("11.255.255.255", "seven"),
                ("12.0.0.0", "all"),
                ("0.0.0.0", "all"),
                ("255.255.255.255", "edge"),
                ("fd00:10::9", "spoke"),
            ] {
                assert_eq!(chosen(client).as_deref(), Some(expected), "{client}");
            }
            assert_eq!(chosen("fd00:11::9"), None);
            views.rotate_left(1);
        }
    }

    #[test]
    fn r07_a_view_that_names_the_listener_comes_first() {
        let views = [view("plain", &["10.10.0.0/24"], &[]), view("site", &[], &["127.0.0.1:5353"])];
        let selector = Selector::new(&views);
        let at = |port| selector.select("10.10.0.1".parse().unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(at(5353).map(|selected| selected.view), Some(1));
        assert_eq!(at(53).map(|selected| selected.view), Some(0));
    }

    #[test]
    fn a_client_is_found_for_every_view_that_has_one() {
        let views = vec![
            view("outer", &["10.0.0.0/8"], &[]),
            view("inner", &["10.0.0.0/9"], &[]),
            view("hidden", &["10.64.0.0/10"], &[]),
            view("first", &["10.64.0.0/11"], &[]),
            view("second", &["10.96.0.0/11"], &[]),
            view("site", &[], &["127.0.0.1:5353"]),
            view("one", &["192.0.2.255/32"], &[]),
        ];
        let snapshot = Snapshot::build(SnapshotPlan { views, ..SnapshotPlan::default() });
        let listen = |_| SocketAddr::from(([127, 0, 0, 1], 53));
        let found = |view| snapshot.client_of(view, listen).map(|(client, local)| (client.to_string(), local.port()));
        for (view, client, port) in [
            (0, "10.128.0.1", 53),
            (1, "10.0.0.1", 53),
            (3, "10.64.0.1", 53),
            (4, "10.96.0.1", 53),
            (5, "0.0.0.1", 5353),
            (6, "192.0.2.255", 53),
        ] {
            assert_eq!(found(view), Some((client.to_owned(), port)));
        }
        assert_eq!(found(2), None, "other views take all of its clients");
        assert_eq!(found(9), None);
    }
}
