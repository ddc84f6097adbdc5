//! Names on the wire: case, octets that are no host name's, and the limits of RFC 1035 (D-05).

use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Public, Query, Script};

#[test]
fn d_05a_mixed_case_finds_the_record_and_comes_back_as_sent() {
    let world = Small::default().start(public());
    // `repeats` in the client asserts that the question's octets are those of the query.
    for reply in world.spoke_a().ask_both("hP1.pRiVaTeLiNk.AvD.eXaMpLe", kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
    }
    for reply in world.spoke_a().ask_both("HP1.aVd.ExAmPlE", kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
        assert_eq!(reply.targets(), ["hp1.privatelink.avd.example"]);
    }
    for reply in world.spoke_a().ask_both("RdWeb.AVD.example", kind::AAAA) {
        assert!(reply.is_nodata());
    }
}

#[test]
fn d_05b_case_variants_share_one_cache_entry() {
    let world = Small::default().start(public());
    let variants =
        ["www.public.example", "WWW.public.example", "www.PUBLIC.example", "wWw.PuBlIc.ExAmPlE", "www.public.EXAMPLE"];
    for name in variants {
        for reply in world.spoke_a().ask_both(name, kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
        }
    }
    assert_eq!(world.asked("www.public.example"), 1);
}

#[test]
fn d_05c_underscores_are_octets_like_others() {
    let names = Public::new([Rr::srv("_ldap._tcp.public.example", 300, 389, "dc1.public.example")]);
    let world = Small::default().start(names);
    for reply in world.spoke_a().ask_both("_ldap._tcp.public.example", kind::SRV) {
        assert_eq!(reply.answers().len(), 1, "{:?}", reply.message);
        assert_eq!(reply.answers()[0].kind, kind::SRV);
    }
}

#[test]
fn d_05c_a_zone_file_holds_srv_records() {
    let (u1, zone) = (
        crate::harness::Upstream::start(|_| Script::nxdomain("example")),
        "$ORIGIN privatelink.avd.example.\n$TTL 300\n@ IN SOA ns.invalid. host.invalid. 1 3600 600 86400 10\n\
         hp1 IN A 10.10.4.4\n_rdp._tcp IN SRV 0 0 443 hp1\n",
    );
    let text = format!(
        "[[upstream]]\nname = \"public\"\nservers = [\"{}\"]\n[[zone]]\nname = \"avd\"\n\
         apex = \"privatelink.avd.example\"\nfile = \"zones/avd.zone\"\n[[view]]\nname = \"spoke-a\"\n\
         networks = [\"127.0.10.0/24\"]\nzones = [\"avd\"]\n",
        u1.server()
    );
    let server = crate::harness::Setup::new(text).file("zones/avd.zone", zone).start();
    for reply in server.client("127.0.10.9").ask_both("_rdp._tcp.privatelink.avd.example", kind::SRV) {
        let mut data = vec![0, 0, 0, 0, 1, 187];
        data.extend(wire_name("hp1.privatelink.avd.example"));
        assert_eq!(reply.answers()[0].data, data);
        assert!(reply.aa());
    }
}

/// A name of 255 octets on the wire.
fn longest() -> String {
    let label = "n".repeat(63);
    format!("{label}.{label}.{label}.{}.public.example", "m".repeat(255 - 3 * 64 - 1 - 16))
}

#[test]
fn d_05d_names_at_the_limits() {
    let long = "h".repeat(63);
    let forwarded = longest();
    assert_eq!(wire_name(&forwarded).len(), 255);
    let names = Public::new([
        Rr::host(&forwarded, 300, "198.51.100.63"),
        Rr::host("hp1\\.privatelink.avd.example", 300, "198.51.100.64"),
    ]);
    let world = Small { records: format!("\"{long}\" = [\"10.10.4.63\"], "), ..Small::default() }.start(names);
    for reply in world.spoke_a().ask_both(&format!("{long}.privatelink.avd.example"), kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.63");
    }
    for reply in world.spoke_a().ask_both(&forwarded, kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "198.51.100.63");
    }
    for reply in world.spoke_a().ask_both("hp1\\.privatelink.avd.example", kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "198.51.100.64", "a dot inside a label is no separator");
    }
}

#[test]
fn d_05d_a_label_of_64_octets_is_a_formerr() {
    let world = Small::default().start(public());
    let client = world.spoke_a();
    for length in [64usize, 65, 127, 191] {
        let mut octets = Query::new("x", kind::A).header([1, 0, 0, 0]);
        octets.push(u8::try_from(length).unwrap());
        octets.extend(vec![b'l'; length]);
        octets.extend(wire_name("avd.example"));
        octets.extend_from_slice(&[0, 1, 0, 1]);
        let reply = client.datagram(&octets, crate::harness::client::PATIENCE).expect("a reply");
        assert_eq!(reply[3] & 0x0f, u8::try_from(rcode::FORMERR).unwrap(), "{length}: {reply:02x?}");
        assert_eq!(reply[..2], octets[..2]);
    }
    // 256 octets in all.
    let mut octets = Query::new("x", kind::A).header([1, 0, 0, 0]);
    octets.extend(wire_name(&format!("n{}", longest())));
    octets.extend_from_slice(&[0, 1, 0, 1]);
    let reply = client.datagram(&octets, crate::harness::client::PATIENCE);
    // The first label is then 64 octets long, or the name too long by one: both are FORMERR.
    assert_eq!(reply.expect("a reply")[3] & 0x0f, 1);
    assert_eq!(world.asked_in_all(), 0);
}
