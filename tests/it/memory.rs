//! What a started server takes of memory, by the kernel's account. What is held, to the octet, is counted in
//! `tests/allocations.rs`.

use crate::harness::message::kind;
use crate::harness::{Server, Setup};
use std::fmt::Write;

/// One zone of a thousand names and so many views of it, with the clients 127.1.0.0/24, 127.1.1.0/24 and so on.
fn start(views: usize) -> Server {
    let records: Vec<_> = (0..1_000).map(|at| format!("\"h{at}\" = [\"10.0.{}.{}\"]", at / 250, at % 250)).collect();
    let mut text = format!(
        "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.2\"]\n[[zone]]\nname = \"z\"\napex = \"z.example\"\nrecords = {{ {} }}\n",
        records.join(", ")
    );
    for view in 0..views {
        let net = format!("127.{}.{}.0/24", 1 + view / 250, view % 250);
        write!(text, "[[view]]\nname = \"v{view}\"\nnetworks = [\"{net}\"]\nzones = [\"z\"]\n").expect("a text");
    }
    let server = Setup::new(text).server("workers = 2").start();
    for view in 0..views {
        let reply = server.client(&format!("127.{}.{}.1", 1 + view / 250, view % 250)).ask("h7.z.example", kind::A);
        assert_eq!(reply.answers().len(), 1);
    }
    server
}

#[test]
fn a_small_server_takes_little_and_a_thousand_views_4_kib_each() {
    const MIB: u64 = 1 << 20;
    let one = start(1).resident_octets();
    assert!(one < 6 * MIB, "{one} octets with one view; the cache has the size that it has by default");
    let many = start(1_000).resident_octets();
    assert!(many < one + 999 * 4_096, "{} octets a view", many.saturating_sub(one) / 999);
}
