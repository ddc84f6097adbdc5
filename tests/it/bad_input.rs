//! Odd and broken messages (B-01, B-02): the process lives, responses and stumps are never answered, and no reply
//! holds another view's data. The packets are ISC's (see tests/data/README.md).

use crate::harness::client::receive;
use crate::harness::message::kind;
use crate::harness::small::{Running, Small, public};
use crate::harness::{Query, Script};
use std::net::UdpSocket;
use std::time::Duration;

/// The longest payload of a datagram over IPv4.
const LONGEST: usize = 65_507;

/// The 300 packets, as they are framed in the file.
fn packets() -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bind-seeds.bin");
    let octets = std::fs::read(path).expect("the packets");
    let mut rest = octets.as_slice();
    let mut found = Vec::new();
    while let [high, low, tail @ ..] = rest {
        let (packet, next) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        found.push(packet.to_vec());
        rest = next;
    }
    assert_eq!(found.len(), 300);
    found
}

/// A packet as a query: the QR bit cleared.
fn as_query(packet: &[u8]) -> Vec<u8> {
    let mut query = packet.to_vec();
    query[2] &= 0x7f;
    query
}

fn world() -> Running {
    Small { upstream: "timeout = \"1s\"".to_owned(), ..Small::default() }.start_with(|_| Script::nxdomain("."))
}

/// Waits until what was sent before has been handled: control queries over every worker.
fn settle(world: &Running) {
    for _ in 0..8 {
        let reply = world.spoke_a().ask("hp1.privatelink.avd.example", kind::A);
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
    }
}

/// What may be answered at all (R6).
fn may_be_answered(packet: &[u8]) -> bool {
    packet.len() >= 12 && packet[2] & 0x80 == 0
}

/// A reply has to be a response with the id of its query and no private data of `spoke-a`.
fn assert_sane(query: &[u8], reply: &[u8]) {
    assert!(reply.len() >= 12, "{reply:02x?}");
    assert_eq!(reply[..2], query[..2], "the id");
    assert!(reply[2] & 0x80 != 0, "QR");
    assert!(!reply.windows(4).any(|window| window == [10, 10, 4, 4]), "another view's data: {reply:02x?}");
}

#[test]
fn b_02_packets_over_udp() {
    let mut world = world();
    for change in [|packet: &[u8]| packet.to_vec(), as_query] {
        let mut sockets: Vec<(Vec<u8>, UdpSocket)> = Vec::new();
        for (number, packet) in packets().iter().filter(|packet| packet.len() <= LONGEST).enumerate() {
            let packet = change(packet);
            let socket = world.other().socket();
            socket.send(&packet).expect("sent");
            sockets.push((packet, socket));
            if number % 50 == 49 {
                settle(&world);
            }
        }
        settle(&world);
        for (packet, socket) in sockets {
            socket.set_nonblocking(true).expect("non-blocking");
            let mut octets = [0; 4096];
            if let Ok(length) = socket.recv(&mut octets) {
                assert!(may_be_answered(&packet), "{packet:02x?} was answered: {:02x?}", &octets[..length]);
                assert_sane(&packet, &octets[..length]);
            }
        }
    }
    assert!(world.server.is_alive(), "{}", world.server.log());
}

#[test]
fn b_02_packets_over_tcp() {
    let mut world = world();
    for change in [|packet: &[u8]| packet.to_vec(), as_query] {
        for packet in packets() {
            let packet = change(&packet);
            let mut session = world.other().connect();
            session.send(&packet);
            // A query that is surely answered follows on the same connection, where that stays open.
            let control = Query::new("none.invalid", kind::A).id(0xbeef);
            let _ =
                std::io::Write::write_all(&mut session.stream, &crate::harness::client::framed(&control.to_octets()));
            while let Some(reply) = session.receive(Duration::from_secs(2)) {
                if reply[..2] == control.id.to_be_bytes() && packet[..2] != control.id.to_be_bytes() {
                    break;
                }
                assert!(may_be_answered(&packet), "{packet:02x?} was answered");
                assert_sane(&packet, &reply);
            }
        }
    }
    settle(&world);
    assert!(world.server.is_alive(), "{}", world.server.log());
}

/// A small generator with a seed, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound.max(1)
    }
}

#[test]
fn b_02_seeded_changes_of_the_packets() {
    const SEED: u64 = 20_261_125;
    println!("seed {SEED}");
    let mut random = Random(SEED);
    let mut world = world();
    let all = packets();
    let socket = world.other().socket();
    socket.set_nonblocking(true).expect("non-blocking");
    let mut octets = [0; 4096];
    let mut sent = 0;
    for packet in all.iter().filter(|packet| packet.len() <= 4096) {
        for _ in 0..12 {
            let mut changed = as_query(packet);
            match random.below(3) {
                0 => changed.truncate(random.below(changed.len())),
                1 => {
                    for _ in 0..=random.below(4) {
                        let at = random.below(changed.len());
                        changed[at] ^= 1 << random.below(8);
                    }
                }
                _ => {
                    let other = &all[random.below(all.len())];
                    let (from, at) = (random.below(other.len()), random.below(changed.len()));
                    changed.truncate(at);
                    changed.extend_from_slice(&other[from..other.len().min(from + 400)]);
                }
            }
            let _ = socket.send(&changed);
            sent += 1;
            while let Ok(length) = socket.recv(&mut octets) {
                assert!(length >= 12 && octets[2] & 0x80 != 0);
            }
            if sent % 100 == 0 {
                settle(&world);
            }
        }
    }
    assert!(sent > 2_000);
    settle(&world);
    assert!(world.server.is_alive(), "{}", world.server.log());
}

#[test]
fn b_01_every_octet_of_a_query_changed() {
    let mut world = Small::default().start(public());
    let base = Query::new("hp1.privatelink.avd.example", kind::A).with_opt().to_octets();
    let socket = world.other().socket();
    let mut sent = 0u32;
    for at in 0..base.len() {
        for change in (0..8).map(|bit| base[at] ^ (1 << bit)).chain([0x00, 0xff]) {
            let mut octets = base.clone();
            octets[at] = change;
            socket.send(&octets).expect("sent");
            sent += 1;
            if sent.is_multiple_of(50) {
                settle(&world);
                while let Some(reply) = receive(&socket, Duration::from_millis(1)) {
                    assert!(reply.len() >= 12 && reply[2] & 0x80 != 0);
                    assert!(!reply.windows(4).any(|window| window == [10, 10, 4, 4]), "{reply:02x?}");
                }
            }
        }
    }
    settle(&world);
    assert!(world.server.is_alive(), "{}", world.server.log());
}
