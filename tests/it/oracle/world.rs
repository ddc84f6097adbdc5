//! A configuration as plain data, and as the text that the product reads.

use super::name::{private_suffixes, public_suffixes, swap};
use std::fmt::Write;
use std::net::IpAddr;

/// What a private endpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Global,
    Workspace,
    HostPool,
    Other,
}

/// One `[[endpoint]]`.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The GUID of its resource.
    pub(crate) resource: Option<String>,
    pub(crate) ttl: u32,
    pub(crate) records: Vec<(String, Vec<IpAddr>)>,
}

/// The data of a zone's node.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Addresses(Vec<IpAddr>),
    Alias(String),
}

/// One `[[zone]]`.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) apex: String,
    pub(crate) public: Option<String>,
    pub(crate) strict: bool,
    pub(crate) ttl: u32,
    /// Names relative to the apex.
    pub(crate) records: Vec<(String, Data)>,
}

/// A view's `guard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Own,
    All,
    Watch,
    Off,
}

/// One `[[view]]`. Endpoints, zones and upstreams are places in the world's lists.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    /// Address and prefix length.
    pub(crate) network: (IpAddr, u8),
    pub(crate) upstream: usize,
    pub(crate) forward: Vec<(String, usize)>,
    pub(crate) reverse: Option<usize>,
    pub(crate) endpoints: Vec<usize>,
    pub(crate) zones: Vec<usize>,
    pub(crate) unlisted_is_blocked: bool,
    pub(crate) guard: Guard,
    pub(crate) must_be_private: Vec<String>,
}

/// The whole.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// For each upstream group, which of the world's public tables its one server serves: groups with one server are
    /// one route (R3).
    pub(crate) upstreams: Vec<usize>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) known: Vec<String>,
    pub(crate) views: Vec<View>,
}

/// The spellings of a record's name (R13): the pair for an AVD name, else the name alone.
pub(crate) fn spellings(kind: Kind, name: &str) -> Vec<String> {
    if kind == Kind::Other {
        return vec![name.to_owned()];
    }
    let global = kind == Kind::Global;
    for (public, private) in public_suffixes().zip(private_suffixes(global)) {
        if let Some(other) = swap(name, &private, &public) {
            return vec![other, name.to_owned()];
        }
    }
    for (public, private) in public_suffixes().zip(private_suffixes(global)) {
        if let Some(other) = swap(name, &public, &private) {
            return vec![name.to_owned(), other];
        }
    }
    vec![name.to_owned()]
}

impl World {
    /// The view of a client (R7): the longest prefix that holds it.
    pub(crate) fn view_of(&self, client: IpAddr) -> Option<&View> {
        let holding = self.views.iter().filter(|view| holds(view.network, client));
        holding.max_by_key(|view| view.network.1)
    }

    /// The configuration's text without `version` and `[server]`; `servers` holds one address a public table.
    pub(crate) fn render(&self, servers: &[String]) -> String {
        let mut text = String::new();
        for (number, &table) in self.upstreams.iter().enumerate() {
            let server = &servers[table];
            writeln!(text, "[[upstream]]\nname = \"u{number}\"\nservers = [\"{server}\"]\ntimeout = \"5s\"").unwrap();
        }
        for endpoint in &self.endpoints {
            let kind = match endpoint.kind {
                Kind::Global => "global",
                Kind::Workspace => "workspace",
                Kind::HostPool => "host-pool",
                Kind::Other => "other",
            };
            writeln!(
                text,
                "[[endpoint]]\nname = \"{}\"\nkind = \"{kind}\"\nttl = \"{}s\"",
                endpoint.name, endpoint.ttl
            )
            .unwrap();
            if let Some(resource) = &endpoint.resource {
                writeln!(text, "resource = \"{resource}\"").unwrap();
            }
            let records: Vec<_> =
                endpoint.records.iter().map(|(name, list)| format!("\"{name}\" = {}", addresses(list))).collect();
            writeln!(text, "records = {{ {} }}", records.join(", ")).unwrap();
        }
        for zone in &self.zones {
            writeln!(text, "[[zone]]\nname = \"{}\"\napex = \"{}\"\nttl = \"{}s\"", zone.name, zone.apex, zone.ttl)
                .unwrap();
            if let Some(public) = &zone.public {
                writeln!(text, "public = \"{public}\"").unwrap();
            }
            writeln!(text, "missing = \"{}\"", if zone.strict { "nxdomain" } else { "forward" }).unwrap();
            let records: Vec<_> = zone
                .records
                .iter()
                .map(|(name, data)| match data {
                    Data::Addresses(list) => format!("\"{name}\" = {}", addresses(list)),
                    Data::Alias(target) => {
                        crate::harness::small::inline_alias(name, target).trim_end_matches(", ").to_owned()
                    }
                })
                .collect();
            writeln!(text, "records = {{ {} }}", records.join(", ")).unwrap();
        }
        if !self.known.is_empty() {
            writeln!(text, "[[known]]\nname = \"known\"\nguids = {:?}", self.known).unwrap();
        }
        for view in &self.views {
            self.render_view(view, &mut text);
        }
        text
    }

    fn render_view(&self, view: &View, text: &mut String) {
        let (address, length) = view.network;
        writeln!(text, "[[view]]\nname = \"{}\"\nnetworks = [\"{address}/{length}\"]", view.name).unwrap();
        writeln!(text, "upstream = \"u{}\"", view.upstream).unwrap();
        let forward: Vec<_> = view
            .forward
            .iter()
            .map(|(suffix, upstream)| format!("{{ suffix = \"{suffix}\", upstream = \"u{upstream}\" }}"))
            .collect();
        if !forward.is_empty() {
            writeln!(text, "forward = [{}]", forward.join(", ")).unwrap();
        }
        if let Some(upstream) = view.reverse {
            writeln!(text, "reverse = \"u{upstream}\"").unwrap();
        }
        let endpoints: Vec<_> = view.endpoints.iter().map(|&at| &self.endpoints[at].name).collect();
        let zones: Vec<_> = view.zones.iter().map(|&at| &self.zones[at].name).collect();
        writeln!(text, "endpoints = {endpoints:?}\nzones = {zones:?}").unwrap();
        if view.unlisted_is_blocked {
            text.push_str("unlisted = \"nxdomain\"\n");
        }
        let guard = match view.guard {
            Guard::Own => "own",
            Guard::All => "all",
            Guard::Watch => "watch",
            Guard::Off => "off",
        };
        writeln!(text, "guard = \"{guard}\"").unwrap();
        if !view.must_be_private.is_empty() {
            writeln!(text, "must-be-private = {:?}", view.must_be_private).unwrap();
        }
    }
}

fn addresses(list: &[IpAddr]) -> String {
    let list: Vec<_> = list.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", list.join(", "))
}

/// Whether a prefix holds an address: bit by bit.
pub(crate) fn holds((network, length): (IpAddr, u8), address: IpAddr) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        octets.into_iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
    };
    network.is_ipv4() == address.is_ipv4()
        && bits(network).iter().zip(bits(address)).take(usize::from(length)).all(|(one, other)| *one == other)
}

/// The default of `private-ranges`.
pub(crate) fn is_private(address: IpAddr) -> bool {
    let ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
    ranges.iter().any(|range| {
        let (network, length) = range.split_once('/').expect("a prefix");
        holds((network.parse().expect("an address"), length.parse().expect("a length")), address)
    })
}
