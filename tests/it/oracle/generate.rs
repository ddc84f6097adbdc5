//! Random worlds, public tables and queries, drawn from a small universe of names so that everything meets
//! everything: chains over routes, owned targets, foreign GUIDs, gaps, wildcards, loops.
//!
//! A world is a function of a list of small numbers, which proptest draws and shrinks: fewer and smaller numbers mean
//! fewer and plainer things.

use super::name::{depth, parent};
use super::sight::reverse;
use super::world::{Data, Endpoint, Guard, Kind, View, World, Zone, spellings};
use crate::harness::message::{Opt, Query, Rr, kind};
use crate::harness::public::{Chains, Public};
use std::net::IpAddr;

/// Numbers that decide; 0 when they are used up.
pub(crate) struct Choices<'a> {
    numbers: &'a [u16],
    at: usize,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(numbers: &'a [u16]) -> Self {
        Self { numbers, at: 0 }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == chances - 1
    }

    pub(crate) fn pick<'b, T: ?Sized>(&mut self, of: &[&'b T]) -> &'b T {
        of[self.below(of.len())]
    }
}

/// Two host pools, a workspace, a stranger and a known stranger.
const POOLS: [&str; 2] = ["fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f", "aaaaaaaa-0001-4000-8000-00000000000a"];
const WORKSPACE: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";
const FOREIGN: &str = "0d4f2c6e-1111-4222-8333-944455556666";
const KNOWN: &str = "77777777-2222-4222-8222-777777777777";

/// Services of a pool; the last is in no endpoint: a name that Microsoft added without us.
const SERVICES: [&str; 3] = ["rdbroker", "rdgateway-r0", "rdnew-r9"];

/// Plain names: inside and outside of zones and routes, with room for aliases among them.
const PLAIN: [&str; 18] = [
    "www.public.example",
    "cdn.public.example",
    "a.public.example",
    "b.public.example",
    "app.corp.example",
    "api.corp.example",
    "x.sub.corp.example",
    "www.internal.example",
    "a.b.internal.example",
    "b.internal.example",
    "none.internal.example",
    "n.deep.internal.example",
    "acct1.store.example",
    "acct9.store.example",
    "acct1.privatelink.store.example",
    "m.wild.example",
    "x.y.wild.example",
    "must.guard.example",
];

/// Names that are rarely drawn: special use, the edges of zones, the root.
const RARE: [&str; 16] = [
    ".",
    "example",
    "internal.example",
    "deep.internal.example",
    "corp.example",
    "wild.example",
    "privatelink.store.example",
    "localhost",
    "x.local",
    "printer",
    "x.home.arpa",
    "privatelink.wvd.microsoft.com",
    "wvd.microsoft.com",
    "rdweb.wvd.microsoft.com",
    "rdweb.privatelink-global.wvd.microsoft.com",
    "rdweb-r5.privatelink-global.wvd.microsoft.com",
];

/// Every AVD name of the universe in its public spelling, with the kind that its pair goes by.
fn avd_names() -> Vec<(Kind, String)> {
    let mut names = vec![
        (Kind::Global, "rdweb.wvd.microsoft.com".to_owned()),
        (Kind::Global, "rdweb-r5.wvd.microsoft.com".to_owned()),
        (Kind::Workspace, format!("{WORKSPACE}.wvd.microsoft.com")),
        (Kind::HostPool, format!("{FOREIGN}.rdbroker.wvd.microsoft.com")),
        (Kind::HostPool, format!("{FOREIGN}.rdbroker.wvd.azure.us")),
        (Kind::HostPool, format!("{KNOWN}.rdbroker.wvd.microsoft.com")),
    ];
    for pool in POOLS {
        names.extend(SERVICES.map(|service| (Kind::HostPool, format!("{pool}.{service}.wvd.microsoft.com"))));
    }
    names
}

/// A step of the long chain that every table has: its length is around the most that is followed (R21).
fn step(number: usize) -> String {
    format!("s{number}.steps.example")
}

/// A name of the universe.
fn name(choices: &mut Choices<'_>) -> String {
    if choices.one_in(20) {
        return step(choices.below(8));
    }
    match choices.below(8) {
        0..=3 => choices.pick(&PLAIN).to_owned(),
        4..=6 => {
            let all = avd_names();
            let (kind, name) = &all[choices.below(all.len())];
            let mut both = spellings(*kind, name);
            both.swap_remove(choices.below(both.len()))
        }
        _ => choices.pick(&RARE).to_owned(),
    }
}

/// Addresses of a view's own data.
fn private_addresses(choices: &mut Choices<'_>, net: u8) -> Vec<IpAddr> {
    let mut list = vec![IpAddr::from([10, net, 0, u8::try_from(choices.below(40)).expect("small")])];
    if choices.one_in(3) {
        list.push(IpAddr::from([10, net, 1, u8::try_from(choices.below(40)).expect("small")]));
    }
    if choices.one_in(4) {
        let last = u16::try_from(choices.below(40)).expect("small");
        list.push(IpAddr::from([0xfd00, u16::from(net), 0, 0, 0, 0, 0, last]));
    }
    list
}

/// A world of two to four views over two public tables.
pub(crate) fn world(choices: &mut Choices<'_>) -> World {
    let mut world = World {
        upstreams: vec![0, 1, 0],
        endpoints: Vec::new(),
        zones: Vec::new(),
        known: Vec::new(),
        views: Vec::new(),
    };
    if choices.one_in(2) {
        world.known.push(KNOWN.to_owned());
    }
    let views = 2 + choices.below(3);
    for number in 0..views {
        let net = u8::try_from(10 * (number + 1)).expect("few views");
        let view = view(choices, &mut world, net);
        world.views.push(view);
    }
    world
}

/// A view with its own endpoints and zones, or with some of an earlier view's.
fn view(choices: &mut Choices<'_>, world: &mut World, net: u8) -> View {
    let (mut endpoints, mut zones) = (Vec::new(), Vec::new());
    let shared = choices.one_in(3) && !world.views.is_empty();
    if shared {
        let other = &world.views[choices.below(world.views.len())];
        (endpoints, zones) = (other.endpoints.clone(), other.zones.clone());
    } else {
        for endpoint in own_endpoints(choices, net) {
            endpoints.push(world.endpoints.len());
            world.endpoints.push(endpoint);
        }
        for zone in own_zones(choices, net) {
            zones.push(world.zones.len());
            world.zones.push(zone);
        }
    }
    let mut forward = Vec::new();
    for suffix in ["corp.example", "sub.corp.example", "internal.example", "x.wild.example", "y.wild.example"] {
        if choices.one_in(3) {
            forward.push((suffix.to_owned(), choices.below(3)));
        }
    }
    let guard = [Guard::Own, Guard::Own, Guard::All, Guard::Watch, Guard::Off][choices.below(5)];
    let mut must_be_private = Vec::new();
    if choices.one_in(3) {
        must_be_private = vec!["must.guard.example".to_owned(), "*.public.example".to_owned()];
        must_be_private.truncate(1 + choices.below(2));
    }
    View {
        name: format!("v{net}"),
        network: (IpAddr::from([127, 0, net, 0]), 24),
        upstream: choices.below(3),
        forward,
        reverse: choices.one_in(4).then(|| choices.below(3)),
        endpoints,
        zones,
        unlisted_is_blocked: choices.one_in(2),
        guard,
        must_be_private,
    }
}

fn own_endpoints(choices: &mut Choices<'_>, net: u8) -> Vec<Endpoint> {
    let mut found = Vec::new();
    let mut add = |choices: &mut Choices<'_>, kind, resource: Option<&str>, names: Vec<String>| {
        let number = found.len();
        let ttl = [10, 60, 300][choices.below(3)];
        let records = names
            .into_iter()
            .map(|name| {
                let both = spellings(kind, &name);
                let name = both[choices.below(both.len())].clone();
                (name, private_addresses(choices, net))
            })
            .collect();
        let name = format!("e{net}-{number}");
        found.push(Endpoint { name, kind, resource: resource.map(str::to_owned), ttl, records });
    };
    if choices.one_in(2) {
        add(choices, Kind::Global, None, vec!["rdweb.wvd.microsoft.com".to_owned()]);
    }
    if choices.one_in(2) {
        let names = vec![format!("{WORKSPACE}.wvd.microsoft.com")];
        add(choices, Kind::Workspace, Some(WORKSPACE), names);
    }
    for pool in POOLS {
        if choices.one_in(2) {
            let count = 1 + choices.below(2);
            let names = SERVICES[..count].iter().map(|service| format!("{pool}.{service}.wvd.microsoft.com"));
            add(choices, Kind::HostPool, Some(pool), names.collect());
        }
    }
    if choices.one_in(2) {
        add(choices, Kind::Other, None, vec!["app.corp.example".to_owned()]);
    }
    if choices.one_in(3) {
        add(choices, Kind::Other, None, vec!["*.wild.example".to_owned(), "x.y.wild.example".to_owned()]);
    }
    if choices.one_in(3) {
        add(choices, Kind::Other, None, vec!["e.internal.example".to_owned()]);
    }
    found
}

fn own_zones(choices: &mut Choices<'_>, net: u8) -> Vec<Zone> {
    let mut found = Vec::new();
    let candidates: [(&str, Option<&str>, &[&str]); 3] = [
        ("internal.example", None, &["www", "a.b", "*", "*.w", "c.d.e", "deep"]),
        ("deep.internal.example", None, &["n", "*", "k.l"]),
        ("privatelink.store.example", Some("store.example"), &["acct1", "acct2"]),
    ];
    for (number, (apex, public, names)) in candidates.into_iter().enumerate() {
        if !choices.one_in(2) {
            continue;
        }
        let mut records = Vec::new();
        for (place, relative) in names.iter().enumerate() {
            if place == 0 || choices.one_in(2) {
                let is_plain = public.is_some() || relative.contains('*') || !choices.one_in(3);
                let data = if is_plain {
                    Data::Addresses(private_addresses(choices, net))
                } else {
                    Data::Alias(alias_target(choices))
                };
                records.push(((*relative).to_owned(), data));
            }
        }
        found.push(Zone {
            name: format!("z{net}-{number}"),
            apex: apex.to_owned(),
            public: public.map(str::to_owned),
            strict: choices.one_in(2),
            ttl: [30, 300][choices.below(2)],
            records,
        });
    }
    found
}

/// A target for an alias: any name but the root.
fn alias_target(choices: &mut Choices<'_>) -> String {
    let target = name(choices);
    if target == "." { "www.public.example".to_owned() } else { target }
}

/// The tables of the two public DNS: the AVD pairs as Azure has them, and aliases at will among the plain names.
pub(crate) fn tables(choices: &mut Choices<'_>) -> Vec<Public> {
    (0..2u8).map(|number| table(choices, number)).collect()
}

fn table(choices: &mut Choices<'_>, number: u8) -> Public {
    let mut table = Public::new([]);
    table.chains = if choices.one_in(3) { Chains::Single } else { Chains::Whole };
    table.ad = choices.one_in(2);
    for (place, (kind, public)) in avd_names().into_iter().enumerate() {
        let private = spellings(kind, &public).swap_remove(1);
        let front = format!("f{place}.front.example");
        let last = u8::try_from(place).expect("few names");
        match choices.below(8) {
            // Not known to this upstream.
            0 => {}
            // Public only: no private link in the chain.
            1 => table.add(Rr::cname(&public, 60, &front)),
            2 => {
                table.add(Rr::cname(&public, 120, &private));
                table.add(Rr::host(&private, 60, &format!("203.0.113.{last}")));
            }
            _ => {
                table.add(Rr::cname(&public, 600, &private));
                table.add(Rr::cname(&private, 60, &front));
            }
        }
        ending(choices, &mut table, &front, number, last);
    }
    for (place, plain) in PLAIN.iter().enumerate() {
        match choices.below(5) {
            0 => {}
            1 | 2 => {
                let target = alias_target(choices);
                table.add(Rr::cname(plain, [60, 300, 3600][choices.below(3)], &target));
            }
            _ => ending(choices, &mut table, plain, number, 100 + u8::try_from(place).expect("few names")),
        }
    }
    let length = 12 + choices.below(10);
    for number in 0..length {
        table.add(Rr::cname(&step(number), 300, &step(number + 1)));
    }
    match choices.below(3) {
        0 => {}
        1 => table.add(Rr::cname(&step(length), 300, &alias_target(choices))),
        _ => ending(choices, &mut table, &step(length), number, 90),
    }
    if choices.one_in(3) {
        table.fail(choices.pick(&PLAIN));
    }
    table
}

/// Data at the end of a chain: addresses, mostly public, and services with hints.
fn ending(choices: &mut Choices<'_>, table: &mut Public, name: &str, number: u8, last: u8) {
    let net = if choices.one_in(5) { [10, 99, number] } else { [203, 0, 113] };
    table.add(Rr::address(name, 300, IpAddr::from([net[0], net[1], net[2], last])));
    if choices.one_in(3) {
        table.add(Rr::address(name, 200, IpAddr::from([203, 0, 113, 200])));
    }
    if choices.one_in(2) {
        table.add(Rr::host(name, 300, &format!("2001:db8::{last:x}")));
    }
    if choices.one_in(2) {
        let target = match choices.below(3) {
            0 => ".".to_owned(),
            1 => "cdn.elsewhere.example".to_owned(),
            _ => alias_target(choices),
        };
        let parameters = [(1, b"\x02h2".to_vec()), (4, vec![203, 0, 113, 9]), (65400, vec![1, 2])];
        table.add(Rr::service(name, kind::HTTPS, 300, &target, &parameters));
    }
    if choices.one_in(3) {
        table.add(Rr::txt(name, 300, &["text".to_owned()]));
        table.add(Rr::new(name, kind::UNKNOWN, 300, vec![0xc0, 0x0c, 1]));
    }
}

/// A client of one of the world's views, or of none.
pub(crate) fn client(choices: &mut Choices<'_>, world: &World) -> IpAddr {
    if choices.one_in(20) {
        return IpAddr::from([127, 0, 99, 9]);
    }
    let view = &world.views[choices.below(world.views.len())];
    let IpAddr::V4(network) = view.network.0 else { unreachable!("the generator makes IPv4 networks") };
    let [a, b, c, _] = network.octets();
    IpAddr::from([a, b, c, 1 + u8::try_from(choices.below(200)).expect("small")])
}

/// A query: mostly for addresses of names that mean something.
pub(crate) fn query(choices: &mut Choices<'_>, world: &World) -> Query {
    let mut qname = name(choices);
    match choices.below(16) {
        0 => qname = format!("x.{qname}").trim_end_matches('.').to_owned(),
        1 => qname = parent(&qname).unwrap_or(".").to_owned(),
        2 => qname = format!("x{qname}").trim_end_matches('.').to_owned(),
        3 => {
            let zone = ["internal.example", "deep.internal.example", "w.internal.example", "wild.example"];
            qname = format!("{}.{}", choices.pick(&["a", "b", "d", "e", "w", "k", "q.r"]), choices.pick(&zone));
        }
        4 => {
            let net = 10 * u8::try_from(1 + choices.below(world.views.len())).expect("few views");
            let address = IpAddr::from([10, net, 0, u8::try_from(choices.below(40)).expect("small")]);
            qname = reverse(address);
        }
        5..=7 => {
            // A name of an own pool, often one that no endpoint lists.
            let name = format!("{}.{}.wvd.microsoft.com", choices.pick(&POOLS), choices.pick(&SERVICES));
            let mut both = spellings(Kind::HostPool, &name);
            qname = both.swap_remove(choices.below(2));
        }
        _ => {}
    }
    let kinds = [
        kind::A,
        kind::A,
        kind::A,
        kind::A,
        kind::AAAA,
        kind::AAAA,
        kind::HTTPS,
        kind::HTTPS,
        kind::CNAME,
        kind::SVCB,
        kind::TXT,
        kind::PTR,
        kind::SOA,
        kind::NS,
        kind::DS,
        kind::ANY,
        kind::UNKNOWN,
    ];
    let kind =
        if qname.ends_with("arpa") && !choices.one_in(3) { kind::PTR } else { kinds[choices.below(kinds.len())] };
    dressed(choices, &qname, kind)
}

/// A question as some client sends it: letters in either case, with or without OPT, flags as they fall.
pub(crate) fn dressed(choices: &mut Choices<'_>, qname: &str, kind: u16) -> Query {
    let spelling = if choices.one_in(4) { mixed(qname) } else { qname.to_owned() };
    debug_assert!(depth(&spelling) < 40);
    let mut query = Query::new(&spelling, kind);
    if choices.one_in(2) {
        query.opt = Some(Opt { size: [1232, 4096, 512][choices.below(3)], ..Opt::default() });
        if choices.one_in(3) {
            query = query.dnssec_ok();
        }
        if choices.one_in(25) {
            query.opt.as_mut().expect("an OPT").version = 1;
        }
    }
    query.ad = choices.one_in(3);
    query.cd = choices.one_in(6);
    query.rd = !choices.one_in(8);
    query.z = choices.one_in(8);
    if choices.one_in(40) {
        query.class = 3;
    }
    if choices.one_in(40) {
        query.opcode = 5;
    }
    query
}

/// The same name with every other letter in upper case.
fn mixed(name: &str) -> String {
    let upper = |(at, c): (usize, char)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c };
    name.chars().enumerate().map(upper).collect()
}
