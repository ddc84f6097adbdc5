//! Who may ask what: ANY, RD=0 and their like (R10; D-15b, D-15c).

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, inline_alias, public};
use crate::harness::{Public, Query};

#[test]
fn d_15b_any_is_one_hinfo_and_asks_nobody() {
    let mut names = public();
    names.add(Rr::txt("www.public.example", 300, &["x".repeat(200)]));
    let world = Small::default().start(names);
    for name in ["hp1.privatelink.avd.example", "www.public.example", "rdweb.avd.example"] {
        for reply in world.spoke_a().ask_both(name, kind::ANY) {
            let answers = reply.answers();
            assert_eq!(answers.len(), 1, "{name}: {:?}", reply.message);
            assert_eq!(answers[0].kind, kind::HINFO);
            assert_eq!(answers[0].data, b"\x07RFC8482\x00", "RFC 8482 §4.2");
            assert_eq!(answers[0].name, name);
        }
    }
    for reply in world.spoke_a().ask_both("none.privatelink.avd.example", kind::ANY) {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN, "owned NXDOMAIN stands");
        assert_eq!(reply.soa_owner().as_deref(), Some("privatelink.avd.example"));
    }
    assert_eq!(world.asked_in_all(), 0);
}

#[test]
fn d_15b_any_at_an_empty_non_terminal_is_nodata() {
    let world = Small { records: "\"a.b\" = [\"10.10.4.8\"], ".to_owned(), ..Small::default() }.start(public());
    assert!(world.spoke_a().ask("b.privatelink.avd.example", kind::ANY).is_nodata());
}

#[test]
fn d_15c_without_rd_only_owned_data_is_answered() {
    let records = inline_alias("portal", "www.public.example") + &inline_alias("near", "hp1.privatelink.avd.example");
    let world = Small { records, ..Small::default() }.start(public());
    world.spoke_a().ask("www.public.example", kind::A);
    assert_eq!(world.asked_in_all(), 1);
    let ask = |name| world.spoke_a().both(&Query::new(name, kind::A).rd(false));
    for reply in ask("hp1.privatelink.avd.example") {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
        assert!(!reply.rd() && reply.aa());
    }
    for reply in ask("www.public.example") {
        assert_eq!(reply.rcode(), rcode::REFUSED, "neither cache nor upstream");
        assert!(reply.answers().is_empty());
    }
    for reply in ask("hp1.avd.example") {
        assert_eq!(reply.rcode(), rcode::REFUSED);
    }
    for reply in ask("portal.privatelink.avd.example") {
        assert_eq!(reply.rcode(), rcode::NOERROR);
        assert_eq!(reply.answers().len(), 1, "an owned alias to the outside alone: {:?}", reply.message);
        assert_eq!(reply.targets(), ["www.public.example"]);
    }
    for reply in ask("near.privatelink.avd.example") {
        assert_eq!(reply.answers().len(), 2, "an owned alias to owned data: {:?}", reply.message);
    }
    for reply in ask("none.privatelink.avd.example") {
        assert_eq!(reply.rcode(), rcode::NXDOMAIN);
    }
    assert_eq!(world.asked_in_all(), 1);
}

#[test]
fn r18_must_be_private_names_never_yield_a_public_address() {
    let names = Public::new([
        Rr::host("acct1.file.store.example", 300, "203.0.113.9"),
        Rr::host("acct2.file.store.example", 300, "10.9.9.9"),
        Rr::cname("k1.vault.store.example", 300, "k1.front.example"),
        Rr::host("k1.front.example", 300, "203.0.113.10"),
    ]);
    let view =
        "must-be-private = [\"acct1.file.store.example\", \"acct2.file.store.example\", \"*.vault.store.example\"]";
    let world = Small { view: view.to_owned(), ..Small::default() }.start(names);
    for _ in 0..2 {
        for name in ["acct1.file.store.example", "k1.vault.store.example"] {
            for reply in world.spoke_a().both(&Query::new(name, kind::A).with_opt()) {
                assert!(reply.addresses().is_empty(), "{name}: {:?}", reply.message);
                assert_eq!((reply.rcode(), reply.ede()), (rcode::NOERROR, Some(15)));
                assert!(reply.soa_owner().is_some());
            }
            assert_eq!(world.spoke_b().ask(name, kind::A).addresses().len(), 1);
        }
        assert_eq!(world.spoke_a().ask("acct2.file.store.example", kind::A).addresses().len(), 1);
    }
}
