//! Rules that no other module has by their number: what ANY and RD=0 get, what a zone owns, and the synthetic SOA.

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

#[test]
fn s_01_a_client_has_the_same_view_as_ipv4_and_mapped_into_ipv6() {
    use hubdns::resolve::{Client, Transport};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    // A fixed sequence: 200 prefixes of 8 to 32 bits below 10.0.0.0/8, each once.
    let mut state = 7_u32;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    let mut prefixes = std::collections::BTreeSet::new();
    while prefixes.len() < 200 {
        let length = 8 + draw() % 25;
        let address = (10 << 24 | draw()) & (u32::MAX << (32 - length));
        prefixes.insert((address, length));
    }
    let mut text = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.1:5301\"]\n".to_owned();
    for (index, (address, length)) in prefixes.iter().enumerate() {
        text += &format!("[[view]]\nname = \"v{index}\"\nnetworks = [\"{}/{length}\"]\n", Ipv4Addr::from(*address));
    }
    let loaded = hubdns::load::from_text("s01.toml", &text);
    let snapshot = hubdns::view::Snapshot::build(loaded.plan.expect("a plan"));
    let local = SocketAddr::from(([127, 0, 0, 1], 5300));
    for (address, length) in &prefixes {
        for client in [*address, address | (u32::MAX >> length.min(&31)), address ^ 1] {
            let four = Ipv4Addr::from(client);
            let of = |ip: IpAddr| {
                let client = Client::new(SocketAddr::new(ip, 4_000), local, Transport::Udp);
                snapshot.select(client.address(), client.local()).map(|(view, _)| view.name.to_string())
            };
            let holding =
                prefixes.iter().enumerate().filter(|(_, (net, bits))| client & (u32::MAX << (32 - bits)) == *net);
            let expected = holding.max_by_key(|(_, (_, bits))| *bits).map(|(index, _)| format!("v{index}"));
            assert_eq!(of(four.into()), expected, "{four}");
            assert_eq!(of(four.to_ipv6_mapped().into()), expected, "::ffff:{four}");
        }
    }
}

/// 10,000 labels that a careless log would break on: quotes, line ends, braces, escapes, octets beyond ASCII.
pub(crate) fn hostile_labels() -> Vec<Vec<u8>> {
    const PARTS: [&[u8]; 20] = [
        b"\"",
        b"\n",
        b"\r",
        b"{",
        b"}",
        b"\xff",
        b"\0",
        b"\x1b[31m",
        b"\\",
        b"\\\"",
        b"\t",
        b"%s%n",
        b"\xc3\x28",
        b"\xe2\x80\xa8",
        b"</script>",
        b"\x7f",
        b"'",
        b" ",
        b"=",
        b"\x85",
    ];
    let part = |number: usize| PARTS[number % PARTS.len()];
    let label =
        |number: usize| [part(number), part(number / 20), b"x", part(number / 400), part(number / 8_000)].concat();
    (0..10_000).map(label).collect()
}

#[test]
fn s_09_hostile_names_in_the_log_are_json_without_control_octets() {
    use crate::harness::client::{PATIENCE, receive};
    use crate::harness::message::wire_name;
    let world = Small::default().start(public());
    // A foreign AVD name: each is told in an audit line, at a bounded rate.
    let suffix = wire_name("0d4f2c6e-1111-4222-8333-944455556666.rdbroker.wvd.microsoft.com");
    let labels = hostile_labels();
    let socket = world.spoke_a().socket();
    for window in labels.chunks(50) {
        for label in window {
            let mut query = Query::new(".", kind::A);
            query.name = [&[u8::try_from(label.len()).expect("a short label")], label.as_slice(), &suffix].concat();
            socket.send(&query.to_octets()).expect("sent");
        }
        for _ in window {
            receive(&socket, PATIENCE).expect("a reply");
        }
    }
    // The rest of what the rate held back is counted in a later line.
    let told = |line: &str| line.contains("foreign");
    world.server.wait_for_log(told);
    let log = world.server.log();
    let foreign = log.lines().filter(|line| told(line)).count();
    println!("{} hostile names, {foreign} lines of {} tell of them", labels.len(), log.lines().count());
    assert!(foreign >= 20, "{log}");
    for line in log.lines() {
        assert!(line.is_ascii() && !line.chars().any(char::is_control), "{line:?}");
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(object.is_object());
    }
}
