//! Reverse names (R17; D-15a): PTR out of the view's own data, a route of their own, or a denial made here.

use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Public, Script, Setup, Upstream};

#[test]
fn d_15a_r17_private_addresses_are_reversed_from_the_views_data() {
    let world = Small::default().start(public());
    for reply in world.spoke_a().ask_both("4.4.10.10.in-addr.arpa", kind::PTR) {
        assert_eq!(reply.answers().len(), 1, "{:?}", reply.message);
        assert_eq!(reply.answers()[0].data, wire_name("hp1.privatelink.avd.example"));
        assert!(reply.aa());
    }
    for reply in world.spoke_a().ask_both("7.4.10.10.in-addr.arpa", kind::PTR) {
        assert_eq!(reply.answers()[0].data, wire_name("rdweb.avd.example"));
    }
    assert!(world.spoke_a().ask("4.4.10.10.in-addr.arpa", kind::A).is_nodata());
    assert!(world.spoke_a().ask("4.10.10.in-addr.arpa", kind::PTR).is_nodata(), "an ancestor");
    for reply in world.spoke_a().ask_both("7.7.77.10.in-addr.arpa", kind::PTR) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
        assert!(reply.soa_owner().is_some());
    }
    for client in [world.spoke_b(), world.other()] {
        let reply = client.ask("4.4.10.10.in-addr.arpa", kind::PTR);
        assert_eq!(reply.rcode(), rcode::NXDOMAIN, "another view's PTR is never shown: {:?}", reply.message);
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_15a_public_reverse_names_are_forwarded() {
    let world = Small::default().start(Public::new([Rr::new(
        "1.1.1.1.in-addr.arpa",
        kind::PTR,
        300,
        wire_name("one.example"),
    )]));
    assert_eq!(world.spoke_a().ask("1.1.1.1.in-addr.arpa", kind::PTR).answers().len(), 1);
}

#[test]
fn d_15a_a_reverse_route_is_asked() {
    let inside = Upstream::start(|seen| match &*seen.name {
        "7.7.77.10.in-addr.arpa" => {
            Script::records(vec![Rr::new(&seen.name, kind::PTR, 300, wire_name("pc7.corp.example"))])
        }
        _ => Script::nxdomain("10.in-addr.arpa"),
    });
    let outside = Upstream::start(|_| Script::nxdomain("example"));
    for view in ["forward = [{ suffix = \"77.10.in-addr.arpa\", upstream = \"inside\" }]", "reverse = \"inside\""] {
        let world = Small {
            view: view.to_owned(),
            more: format!("[[upstream]]\nname = \"inside\"\nservers = [\"{}\"]", inside.server()),
            ..Small::default()
        };
        let server = Setup::new(world.text(&[outside.server()])).start();
        let client = server.client("127.0.10.9");
        let reply = client.ask("7.7.77.10.in-addr.arpa", kind::PTR);
        assert_eq!(reply.answers()[0].data, wire_name("pc7.corp.example"), "{view}");
        let reply = client.ask("4.4.10.10.in-addr.arpa", kind::PTR);
        assert_eq!(reply.answers()[0].data, wire_name("hp1.privatelink.avd.example"), "own data first: {view}");
    }
    assert_eq!(outside.total(), 0, "no query to the public upstream");
}

#[test]
fn r17_one_pointer_an_address_by_the_first_name_of_all_zones_and_endpoints() {
    let more = r#"
[[zone]]
name = "m"
apex = "m.example"
ttl = "7m"
records = { "host" = ["10.9.9.9", "fd00::9"], "*.w" = ["10.9.9.8"] }
[[zone]]
name = "b"
apex = "privatelink.b.example"
public = "b.example"
missing = "forward"
records = { "z" = ["10.9.9.9"], "a" = ["10.9.9.9"] }
[[endpoint]]
name = "late"
kind = "other"
records = { "z.example" = ["10.9.9.9"], "y.example" = ["10.9.9.7"] }
"#;
    let small =
        Small { zones: ", \"m\", \"b\"".into(), endpoints: ", \"late\"".into(), more: more.into(), ..Small::default() };
    let world = small.start(public());
    let client = world.spoke_a();
    let six = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    // Twice: the record is made for the first of them.
    for _ in 0..2 {
        for (name, target, ttl) in [
            ("9.9.9.10.in-addr.arpa", "a.b.example", 300),
            ("7.9.9.10.in-addr.arpa", "y.example", 10),
            (six, "host.m.example", 420),
        ] {
            for reply in client.ask_both(name, kind::PTR) {
                assert_eq!(reply.answers(), [Rr::new(name, kind::PTR, ttl, wire_name(target))]);
            }
        }
    }
    for ancestor in ["9.9.10.in-addr.arpa", "10.in-addr.arpa", &six[2..], &six[32..]] {
        assert!(client.ask(ancestor, kind::PTR).is_nodata(), "{ancestor}");
    }
    // A wildcard's address has no name, and other spellings of a number are other names.
    for name in ["8.9.9.10.in-addr.arpa", "09.9.9.10.in-addr.arpa", "9.10.in-addr.arpa.10.in-addr.arpa"] {
        assert_eq!(client.ask(name, kind::PTR).rcode(), rcode::NXDOMAIN, "{name}");
    }
    assert_eq!(world.asked_in_all(), 0);
}
