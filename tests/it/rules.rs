//! Rules that no other module has by their number: what ANY and RD=0 get, what a zone owns, the synthetic SOA.

use crate::harness::Query;
use crate::harness::message::kind;
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};

#[test]
fn r10_without_rd_only_owned_names_are_answered() {
    let world = Small::default().start(public());
    let owned = Query { rd: false, ..Query::new("hp1.privatelink.avd.example", kind::A) };
    let forwarded = Query { rd: false, ..Query::new("www.public.example", kind::A) };
    for reply in world.spoke_a().both(&owned) {
        assert_eq!((reply.rcode(), reply.addresses().len(), reply.rd()), (rcode::NOERROR, 1, false));
    }
    let before = world.asked("www.public.example");
    for reply in world.spoke_a().both(&forwarded) {
        assert_eq!((reply.rcode(), reply.answers().len()), (rcode::REFUSED, 0));
    }
    assert_eq!(world.asked("www.public.example"), before, "neither cache nor upstream");
}

#[test]
fn r11_a_strict_zone_owns_what_it_lacks_and_a_fallback_zone_does_not() {
    let world = Small::default().start(public());
    let strict = world.spoke_a().ask("none.privatelink.avd.example", kind::A);
    assert_eq!((strict.rcode(), strict.aa()), (rcode::NXDOMAIN, true));
    assert_eq!(world.asked("none.privatelink.avd.example"), 0);
    let fallback = world.spoke_a().ask("none.privatelink-global.avd.example", kind::A);
    assert!(!fallback.aa(), "{:?}", fallback.message);
    assert_eq!(world.asked("none.privatelink-global.avd.example"), 1);
}

#[test]
fn r14_a_negative_answer_of_ours_ends_in_the_synthetic_soa() {
    let world = Small::default().start(public());
    for reply in world.spoke_a().ask_both("rdweb.avd.example", kind::AAAA) {
        assert!(reply.is_nodata());
        assert_eq!(reply.soa_owner().as_deref(), Some("rdweb.avd.example"), "an endpoint's name is its own apex");
        let soa = reply.authority().remove(0);
        assert_eq!(soa.ttl, 10);
        let shown = format!("{:?}", reply.message.authorities);
        assert!(shown.contains("hubdns.invalid") && shown.contains("nobody.invalid"), "{shown}");
    }
}
