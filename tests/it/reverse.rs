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
