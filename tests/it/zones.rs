//! Zones, endpoint wildcards and routes side by side: who wins (R12), both spellings (R13, R16), wildcards (R15), and
//! what a view inherits (R8).

use crate::harness::message::{Rr, kind, presentation};
use crate::harness::reply::rcode;
use crate::harness::{Client, Public, Reply, Script, Server, Setup, Upstream};

const CLIENT: &str = "127.0.10.9";

/// Two upstreams whose answers tell which of them was asked.
fn upstreams() -> [Upstream; 2] {
    [1u8, 2].map(|number| {
        Upstream::start(move |seen| match seen.kind {
            kind::A => Script::records(vec![Rr::host(&seen.name, 300, &format!("198.51.100.{number}"))]),
            _ => Script::nodata(&seen.name),
        })
    })
}

/// A server with one view `v` of the given lines, and tables.
fn start(upstreams: &[Upstream; 2], view: &str, tables: &str) -> Server {
    let [one, two] = upstreams;
    Setup::new(format!(
        "[[upstream]]\nname = \"one\"\nservers = [\"{}\"]\n[[upstream]]\nname = \"two\"\nservers = [\"{}\"]\n\
         {tables}\n[[view]]\nname = \"v\"\nnetworks = [\"127.0.10.0/24\"]\nupstream = \"one\"\n{view}\n",
        one.server(),
        two.server()
    ))
    .start()
}

fn first_address(reply: &Reply) -> String {
    reply.addresses().first().map_or_else(|| format!("none: {:?}", reply.message), ToString::to_string)
}

/// Asserts the address of each name, over both transports.
fn assert_addresses(client: Client, wanted: &[(&str, &str)]) {
    for (name, address) in wanted {
        for reply in client.ask_both(name, kind::A) {
            assert_eq!(&first_address(&reply), address, "{name}");
        }
    }
}

#[test]
fn r12_the_exact_record_then_the_longest_suffix() {
    let upstreams = upstreams();
    let tables = r#"
[[zone]]
name = "zone"
apex = "corp.example"
records = { "www" = ["10.0.0.1"], "a.routed" = ["10.0.0.2"], "in.wild" = ["10.0.0.3"] }
[[endpoint]]
name = "exact"
kind = "other"
records = { "pin.routed.corp.example" = ["10.0.0.4"], "*.free.example" = ["10.0.0.5"] }
"#;
    // The guard is off: what is below a wildcard but not covered by it would be guarded (R15).
    let view = r#"
guard = "off"
zones = ["zone"]
endpoints = ["exact"]
forward = [
  { suffix = "routed.corp.example", upstream = "two" },
  { suffix = "corp.example", upstream = "two" },
  { suffix = "example", upstream = "two" },
  { suffix = "r.free.example", upstream = "two" },
]
"#;
    let server = start(&upstreams, view, tables);
    let client = server.client(CLIENT);
    assert_addresses(
        client,
        &[
            ("www.corp.example", "10.0.0.1"),
            ("pin.routed.corp.example", "10.0.0.4"),
            // The route's suffix is longer than the zone's.
            ("a.routed.corp.example", "198.51.100.2"),
            ("x.routed.corp.example", "198.51.100.2"),
            ("in.wild.corp.example", "10.0.0.3"),
            // The wildcard is longer than the route `example`, and shorter than `r.free.example`.
            ("x.free.example", "10.0.0.5"),
            ("x.y.free.example", "10.0.0.5"),
            ("r.free.example", "198.51.100.2"),
            ("x.r.free.example", "198.51.100.2"),
            ("free.example", "198.51.100.2"),
            ("other.example", "198.51.100.2"),
            ("other.test", "198.51.100.1"),
        ],
    );
    // A tie goes to the zone: it denies what it lacks.
    assert_eq!(client.ask("none.corp.example", kind::A).rcode(), rcode::NXDOMAIN);
}

#[test]
fn r15_a_wildcard_stops_at_what_exists() {
    let upstreams = upstreams();
    let tables = r#"
[[endpoint]]
name = "wild"
kind = "other"
records = { "*.wild.example" = ["10.0.0.5"], "a.b.wild.example" = ["10.0.0.6"], "*.deep.wild.example" = ["10.0.0.7"] }
"#;
    let server = start(&upstreams, "guard = \"off\"\nendpoints = [\"wild\"]", tables);
    let client = server.client(CLIENT);
    assert_addresses(
        client,
        &[
            ("x.wild.example", "10.0.0.5"),
            ("x.y.wild.example", "10.0.0.5"),
            ("a.b.wild.example", "10.0.0.6"),
            ("x.deep.wild.example", "10.0.0.7"),
            // Below names that exist, and at empty non-terminals, no wildcard stands (RFC 4592).
            ("c.b.wild.example", "198.51.100.1"),
            ("b.wild.example", "198.51.100.1"),
            ("deep.wild.example", "198.51.100.1"),
            ("wild.example", "198.51.100.1"),
        ],
    );
    for reply in client.ask_both("x.wild.example", kind::AAAA) {
        assert!(reply.is_nodata(), "{:?}", reply.message);
    }
    assert_eq!(client.ask("5.0.0.10.in-addr.arpa", kind::PTR).rcode(), rcode::NXDOMAIN, "no PTR of a wildcard");
}

#[test]
fn r15_a_wildcard_of_an_avd_endpoint_has_both_spellings() {
    let upstreams = upstreams();
    let tables = r#"
[[endpoint]]
name = "gateway"
kind = "host-pool"
resource = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f"
records = { "*.fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.afdfp-rdgateway.wvd.microsoft.com" = ["10.0.0.9"] }
"#;
    let server = start(&upstreams, "endpoints = [\"gateway\"]", tables);
    let guid = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
    for suffix in ["wvd.microsoft.com", "privatelink.wvd.microsoft.com"] {
        let name = format!("x.{guid}.afdfp-rdgateway.{suffix}");
        assert_addresses(server.client(CLIENT), &[(&name, "10.0.0.9")]);
    }
}

#[test]
fn r16_a_zone_owns_its_names_in_the_public_spelling_too() {
    let upstreams = upstreams();
    for missing in ["nxdomain", "forward"] {
        let tables = format!(
            "[[zone]]\nname = \"blob\"\napex = \"privatelink.store.example\"\npublic = \"store.example\"\n\
             missing = \"{missing}\"\nrecords = {{ \"acct1\" = [\"10.0.2.4\"] }}\n"
        );
        let server = start(&upstreams, "zones = [\"blob\"]", &tables);
        let client = server.client(CLIENT);
        assert_addresses(
            client,
            &[
                ("acct1.privatelink.store.example", "10.0.2.4"),
                ("acct1.store.example", "10.0.2.4"),
                // Own names, never the whole public zone.
                ("acct2.store.example", "198.51.100.1"),
                ("store.example", "198.51.100.1"),
            ],
        );
        for reply in client.ask_both("acct1.store.example", kind::AAAA) {
            assert!(reply.is_nodata() && reply.aa(), "{:?}", reply.message);
        }
        let denied = client.ask("acct2.privatelink.store.example", kind::A);
        match missing {
            "nxdomain" => assert_eq!(denied.rcode(), rcode::NXDOMAIN),
            _ => assert_eq!(first_address(&denied), "198.51.100.1"),
        }
    }
}

#[test]
fn r16_a_view_may_change_a_zones_fallback() {
    let upstreams = upstreams();
    let tables =
        "[[zone]]\nname = \"z\"\napex = \"z.example\"\nmissing = \"forward\"\nrecords = { \"a\" = [\"10.0.0.1\"] }\n";
    let server = start(&upstreams, "zones = [\"z\"]\nmissing = { z = \"nxdomain\" }", tables);
    assert_eq!(server.client(CLIENT).ask("b.z.example", kind::A).rcode(), rcode::NXDOMAIN);
}

#[test]
fn r13_an_endpoint_inside_a_zone_is_a_node_of_it() {
    let upstreams = upstreams();
    let tables = r#"
[[zone]]
name = "zone"
apex = "corp.example"
records = { "www" = ["10.0.0.1"], "pin" = ["10.0.0.2"] }
[[endpoint]]
name = "pinned"
kind = "other"
records = { "pin.corp.example" = ["10.0.0.3"], "x.gap.corp.example" = ["10.0.0.4"] }
"#;
    let server = start(&upstreams, "zones = [\"zone\"]\nendpoints = [\"pinned\"]", tables);
    let client = server.client(CLIENT);
    assert_addresses(client, &[("pin.corp.example", "10.0.0.3"), ("x.gap.corp.example", "10.0.0.4")]);
    assert!(client.ask("gap.corp.example", kind::A).is_nodata(), "an empty non-terminal of the zone");
    let reply = client.ask("pin.corp.example", kind::TXT);
    assert!(reply.is_nodata(), "{:?}", reply.message);
    assert_eq!(reply.soa_owner().as_deref(), Some("corp.example"), "a node of that zone");
}

#[test]
fn r08_a_view_inherits_all_but_its_clients() {
    let upstreams = upstreams();
    let tables = r#"
[[zone]]
name = "base-zone"
apex = "corp.example"
records = { "www" = ["10.0.0.1"] }
[[zone]]
name = "own-zone"
apex = "corp.example"
records = { "www" = ["10.0.0.2"] }
[[zone]]
name = "gone"
apex = "gone.example"
records = { "www" = ["10.0.0.3"] }
[[endpoint]]
name = "e"
kind = "other"
records = { "pin.example" = ["10.0.0.4"] }
[[view]]
name = "base"
upstream = "two"
zones = ["base-zone", "gone"]
endpoints = ["e"]
forward = [{ suffix = "f.example", upstream = "one" }]
[[view]]
name = "child"
networks = ["127.0.20.0/24"]
extends = "base"
zones = ["own-zone"]
without = ["gone"]
"#;
    let server = start(&upstreams, "", tables);
    assert_addresses(
        server.client("127.0.20.9"),
        &[
            ("www.corp.example", "10.0.0.2"),
            ("pin.example", "10.0.0.4"),
            ("www.gone.example", "198.51.100.2"),
            ("x.f.example", "198.51.100.1"),
            ("other.example", "198.51.100.2"),
        ],
    );
}

#[test]
fn an_endpoint_may_be_public_or_blocked() {
    let names =
        Public::new([Rr::host("open.example", 300, "203.0.113.1"), Rr::host("shut.example", 300, "203.0.113.2")]);
    let upstream = Upstream::start(move |seen| names.answer(&seen.name, seen.kind));
    let text = format!(
        "[[upstream]]\nname = \"one\"\nservers = [\"{}\"]\n\
         [[endpoint]]\nname = \"open\"\nkind = \"other\"\nstate = \"public\"\nrecords = {{ \"open.example\" = [\"10.0.0.1\"] }}\n\
         [[endpoint]]\nname = \"shut\"\nkind = \"other\"\nstate = \"blocked\"\nrecords = {{ \"shut.example\" = [\"10.0.0.2\"] }}\n\
         [[view]]\nname = \"v\"\nnetworks = [\"127.0.10.0/24\"]\nendpoints = [\"open\", \"shut\"]\n",
        upstream.server()
    );
    let server = Setup::new(text).start();
    assert_eq!(first_address(&server.client(CLIENT).ask("open.example", kind::A)), "203.0.113.1", "break-glass");
    assert_eq!(server.client(CLIENT).ask("shut.example", kind::A).rcode(), rcode::NXDOMAIN);
    assert_eq!(upstream.count("shut.example"), 0);
}

/// What S-05 asks for: a name, its type, and what the answer has to hold.
const OWNED: [(&str, u16, &str); 9] = [
    ("fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.wvd.microsoft.com", kind::A, "10.0.0.1"),
    ("fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.privatelink.wvd.microsoft.com", kind::A, "10.0.0.1"),
    ("pin.deep.inner.test", kind::A, "10.0.0.3"),
    ("a.wild.inner.test", kind::A, "10.0.0.4"),
    ("www.z.sub.example.test", kind::A, "10.0.0.2"),
    ("x.y.z.sub.example.test", kind::A, "10.0.0.5"),
    ("acct1.privatelink.blob.core.windows.net", kind::A, "10.0.0.6"),
    ("acct1.blob.core.windows.net", kind::A, "10.0.0.6"),
    ("1.0.0.10.in-addr.arpa", kind::PTR, "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.wvd.microsoft.com"),
];
const ROUTED: [(&str, &str); 2] = [("x.routed.example", "10.9.9.9"), ("a.b.more.corp.example", "10.9.9.9")];

const S_05: &str = r#"
[[endpoint]]
name = "hp"
kind = "host-pool"
resource = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f"
records = { "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.wvd.microsoft.com" = ["10.0.0.1"] }
[[endpoint]]
name = "pins"
kind = "other"
records = { "pin.deep.inner.test" = ["10.0.0.3"], "*.wild.inner.test" = ["10.0.0.4"] }
[[zone]]
name = "z"
apex = "z.sub.example.test"
records = { "www" = ["10.0.0.2"], "x.y" = ["10.0.0.5"] }
[[zone]]
name = "blob"
apex = "privatelink.blob.core.windows.net"
public = "blob.core.windows.net"
missing = "forward"
records = { "acct1" = ["10.0.0.6"] }
"#;

/// The names above a name, from the top down.
fn above(name: &str) -> Vec<&str> {
    let mut names: Vec<_> = name.match_indices('.').map(|(at, _)| &name[at + 1..]).collect();
    names.reverse();
    names
}

#[test]
fn s_05_an_ancestors_denial_hides_nothing() {
    let outside = Upstream::start(|_| Script::nxdomain("."));
    let inside = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 300, "10.9.9.9")]));
    let view = "endpoints = [\"hp\", \"pins\"]\nzones = [\"z\", \"blob\"]\n\
                forward = [{ suffix = \"routed.example\", upstream = \"two\" }, { suffix = \"more.corp.example\", upstream = \"two\" }]";
    let upstreams = [outside, inside];
    let server = start(&upstreams, view, S_05);
    let client = server.client(CLIENT);
    let mut denied = 0;
    for round in 0..2 {
        let asked = upstreams[0].total();
        for (name, kind, wanted) in OWNED {
            for ancestor in above(name) {
                for reply in [kind::TXT, kind::A].map(|kind| client.ask_both(ancestor, kind)).concat() {
                    // A single label's address is denied here, not by the upstream (R20).
                    let here = !ancestor.contains('.') && reply.rcode() == rcode::NXDOMAIN;
                    assert!(
                        reply.is_nodata() || here && reply.message.queries[0].query_type() == 1.into(),
                        "{ancestor} above {name}: {:?}",
                        reply.message
                    );
                    if !reply.aa() {
                        let soa = reply.authority().remove(0);
                        assert_eq!((soa.name.as_str(), &soa.data), (".", &Rr::soa(".", 300, 60).data), "{ancestor}");
                        denied += 1;
                    }
                }
            }
            for reply in client.ask_both(name, kind) {
                let answers = reply.answers();
                let held = |rr: &Rr| rr.to_address().map_or_else(|| presentation(&rr.data).0, |held| held.to_string());
                assert!(answers.len() == 1 && held(&answers[0]) == wanted, "{name}: {:?}", reply.message);
            }
        }
        for (name, wanted) in ROUTED {
            for ancestor in above(name) {
                client.ask_both(ancestor, kind::TXT);
            }
            assert_addresses(client, &[(name, wanted)]);
        }
        assert!(round == 0 || upstreams[0].total() == asked, "the denials were not cached");
    }
    assert_eq!(client.ask("corp.example", kind::TXT).rcode(), rcode::NXDOMAIN, "only routed, not owned: it stays");
    println!("{denied} denials of ancestors left as NODATA");
    assert!(denied > 100, "{denied}");
}
