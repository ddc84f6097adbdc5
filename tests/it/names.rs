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

/// A fixed sequence of numbers below a bound.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    /// So many labels, the last one given. Some are the beginning or the end of others, one holds a dot.
    fn labels(&mut self, count: usize, last: &'static str) -> Vec<&'static str> {
        const LABELS: [&str; 9] = ["a", "b", "aa", "ab", "ba", "a\\.b", "b\\.a", "test", "a-b"];
        (0..count).map(|_| LABELS[self.below(LABELS.len())]).chain([last]).collect()
    }
}

#[test]
fn s_03_a_hundred_thousand_names_are_in_the_zone_that_a_naive_matcher_finds() {
    use hubdns::view::{Snapshot, Verdict};
    use hubdns::wire::WireName;
    const SEED: u64 = 3;
    let (mut draw, mut found, mut compared) = (Draw(SEED), 0, 0);
    for _ in 0..1_000 {
        let mut zones: Vec<Vec<&str>> = (0..1 + draw.below(12))
            .map(|_| {
                let count = 1 + draw.below(3);
                draw.labels(count, "test")
            })
            .collect();
        zones.sort();
        zones.dedup();
        let mut text = "version = 1\nserver = { listen = [\"127.0.0.1:5300\"] }\n[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:5301\"]\n".to_owned();
        for (number, zone) in zones.iter().enumerate() {
            text += &format!("[[zone]]\nname = \"z{number}\"\napex = '{}'\nrecords = {{}}\n", zone.join("."));
        }
        text += "[[view]]\nname = \"v\"\nnetworks = [\"10.0.0.0/8\"]\nzones = [\"z*\"]\n";
        let loaded = hubdns::load::from_text("s03.toml", &text).into_parts();
        let (_, plan, _) = loaded.unwrap_or_else(|findings| panic!("{text}\n{findings:#?}"));
        let snapshot = Snapshot::build(plan);
        for _ in 0..100 {
            let name = match draw.below(2) {
                // At or below a zone, or below where one would be.
                0 => {
                    let zone = &zones[draw.below(zones.len())];
                    let ahead = draw.below(4);
                    let cut = draw.below(2);
                    [&draw.labels(ahead, "a")[..ahead], &zone[cut..]].concat()
                }
                _ => {
                    let last = ["test", "test", "xtest", "tes\\.test"][draw.below(4)];
                    let count = draw.below(6);
                    draw.labels(count, last)
                }
            };
            let shown = if draw.below(2) == 0 { name.join(".") } else { name.join(".").to_uppercase() };
            let wire = WireName::from_presentation(&shown).expect("a name");
            let got = match snapshot.look_up(&snapshot.views[0], wire.as_ref(), kind::TXT) {
                Verdict::Zone { zone, .. } => Some(zone.apex().to_string()),
                Verdict::Forward { .. } => None,
                other => panic!("{shown}: {other:?}"),
            };
            let holding =
                zones.iter().filter(|zone| name.len() >= zone.len() && name[name.len() - zone.len()..] == zone[..]);
            let wanted = holding.max_by_key(|zone| zone.len()).map(|zone| zone.join("."));
            assert_eq!(got, wanted, "seed {SEED}: {shown} in {zones:?}");
            found += usize::from(wanted.is_some());
            compared += 1;
        }
    }
    println!("{compared} pairs compared, {found} names are in a zone, seed {SEED}");
    assert!(compared == 100_000 && found > 20_000 && found < 80_000, "{compared}, {found}");
}
