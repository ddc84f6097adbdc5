//! A server over UDP on loopback: its workers allocate nothing for a reply on the spot, before a reload and after.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use hubdns::metrics::Board;
use hubdns::reload::{canary, prepare};
use hubdns::run;
use hubdns::server::Server;
use tokio::runtime::Runtime;

use crate::kinds::{CONFIGURATION, KINDS, Kind, reply};
use crate::{counting, port};

/// Datagrams of one kind while the workers are watched.
const DATAGRAMS: usize = 100_000;
/// Datagrams of it before, for what is built once a snapshot and worker.
const FIRST: usize = 640;
/// Sockets of the clients, so that all workers have some, and datagrams on the way on each.
const SOCKETS: usize = 8;
const EACH: usize = 4;

const NOERROR: u8 = 0;
const FORMERR: u8 = 1;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// What the upstream gives for every name.
const PUBLIC: [u8; 4] = [192, 0, 2, 1];

/// The owned addresses of a name of the endpoint and of the zone.
struct Data {
    endpoint: [u8; 4],
    zone: [u8; 4],
}

const BEFORE: Data = Data { endpoint: [10, 10, 1, 4], zone: [10, 10, 4, 4] };
const AFTER: Data = Data { endpoint: [10, 10, 1, 14], zone: [10, 10, 4, 14] };

impl Data {
    /// RCODE and address of the right reply.
    fn expected(&self, kind: &Kind) -> (u8, Option<[u8; 4]>) {
        match kind.name {
            "endpoint" => (NOERROR, Some(self.endpoint)),
            // The upstream's alias leads to the zone's name: its address beside the alias is not used.
            "zone" | "alias" => (NOERROR, Some(self.zone)),
            "hit" | "miss" => (NOERROR, Some(PUBLIC)),
            "nodata" => (NOERROR, None),
            "nxdomain" => (NXDOMAIN, None),
            "refused" => (REFUSED, None),
            "formerr" => (FORMERR, None),
            other => panic!("nothing is expected of {other}"),
        }
    }
}

/// A server of names below `fwd.example`; an empty datagram ends it.
struct Upstream {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("it is bound");
        let thread = std::thread::spawn(move || {
            let mut query = [0; 1_232];
            while let Ok((length @ 1.., peer)) = socket.recv_from(&mut query) {
                let _ = socket.send_to(&answer(&query[..length]), peer);
            }
        });
        Self { address, thread: Some(thread) }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let end = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        if let Some(thread) = self.thread.take().filter(|_| end.is_ok()) {
            let _ = thread.join();
        }
    }
}

/// The upstream's answer, with the id and the question as they were asked.
fn answer(query: &[u8]) -> Vec<u8> {
    let labels = std::iter::successors(Some(12), |at| Some(at + 1 + usize::from(query[*at])));
    let root = labels.into_iter().find(|at| query[*at] == 0).expect("a root label");
    let label = &query[13..13 + usize::from(query[12])];
    let name = [&str::from_utf8(label).unwrap_or("?").to_ascii_lowercase(), "fwd.example"].join(".");
    let mut message = reply(&name, name.starts_with("al1.").then_some("hp1.priv.example"));
    if message.get(12..root + 5).is_some_and(|own| own.eq_ignore_ascii_case(&query[12..root + 5])) {
        message[12..root + 5].copy_from_slice(&query[12..root + 5]);
    } else {
        // The question by which loops are found, which nobody knows.
        message = [&[0, 0, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0], &query[12..root + 5]].concat();
    }
    message[..2].copy_from_slice(&query[..2]);
    message
}

/// The clients' sockets, in the view and outside of it.
struct Clients {
    inside: Vec<UdpSocket>,
    outside: Vec<UdpSocket>,
}

impl Clients {
    fn new(server: SocketAddr) -> Self {
        let bound = |address: &str| {
            let socket = UdpSocket::bind((address, 0)).expect("a socket");
            socket.connect(server).expect("an address");
            socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            socket
        };
        let sockets = |address: &str| (0..SOCKETS).map(|_| bound(address)).collect();
        Self { inside: sockets("127.0.10.1"), outside: sockets("127.0.99.1") }
    }

    /// Asks for one kind that often, some at once, and holds every reply against what is right.
    fn ask(&self, kind: &Kind, data: &Data, count: usize) {
        let (rcode, address) = data.expected(kind);
        let sockets = if kind.inside { &self.inside } else { &self.outside };
        let mut message = kind.message();
        let mut octets = [0; 1_232];
        let mut id = 0_u16;
        for _ in 0..count / (SOCKETS * EACH) {
            let first = id;
            for socket in sockets {
                for _ in 0..EACH {
                    message[..2].copy_from_slice(&id.to_be_bytes());
                    assert_eq!(socket.send(&message).expect("it is sent"), message.len());
                    id = id.wrapping_add(1);
                }
            }
            let mut awaited = first;
            for socket in sockets {
                // One socket's queries go to one worker, which answers in order.
                for _ in 0..EACH {
                    let length = socket.recv(&mut octets).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
                    let reply = &octets[..length];
                    assert_eq!(reply[..2], awaited.to_be_bytes(), "{}", kind.name);
                    assert_eq!((reply[2] >> 7, reply[3] & 15), (1, rcode), "{}: {reply:?}", kind.name);
                    assert_eq!(reply[7] > 0, address.is_some(), "{}: {reply:?}", kind.name);
                    let has = |address: [u8; 4]| reply.windows(4).any(|octets| octets == address);
                    assert!(address.is_none_or(has), "{}: {reply:?}", kind.name);
                    assert_eq!(has(PUBLIC), address == Some(PUBLIC), "{}: {reply:?}", kind.name);
                    awaited = awaited.wrapping_add(1);
                }
            }
        }
    }
}

/// Replies that were counted, by RCODE and source.
fn counted(board: &Board) -> HashMap<(u8, &'static str), u64> {
    let mut sums = HashMap::new();
    for ((_, labels), count) in board.tallied() {
        if labels.what() == hubdns::metrics::What::Query {
            *sums.entry((labels.rcode(), labels.words()[3])).or_default() += count;
        }
    }
    sums
}

/// Asks for every kind that is answered on the spot.
fn nothing_is_allocated(server: &Server, clients: &Clients, data: &Data) {
    for kind in KINDS.iter().filter(|kind| !kind.is_miss()) {
        clients.ask(kind, data, FIRST);
        let before: u64 = counted(server.board()).values().sum();
        let allocations = counting::by_workers(|| clients.ask(kind, data, DATAGRAMS));
        assert_eq!(allocations, 0, "{}: allocations for {DATAGRAMS} replies", kind.name);
        let counted: u64 = counted(server.board()).values().sum();
        // The reply leaves before its count is seen, by a batch at most.
        let missing = DATAGRAMS.abs_diff((counted - before) as usize);
        assert!(missing <= SOCKETS * EACH, "{}: {missing} replies were not counted", kind.name);
    }
}

fn write(folder: &Path, listen: SocketAddr, upstream: SocketAddr, data: &Data) -> std::path::PathBuf {
    let text = |address: [u8; 4]| std::net::Ipv4Addr::from(address).to_string();
    let configuration = CONFIGURATION
        .replace("127.0.0.1:5300", &listen.to_string())
        .replace("127.0.0.1:5301", &upstream.to_string())
        .replace("[server]", "[server]\nworkers = 2")
        .replace("10.10.1.4", &text(data.endpoint))
        .replace("10.10.4.4", &text(data.zone));
    let path = folder.join("hub.toml");
    std::fs::write(&path, configuration).expect("a file");
    path
}

#[test]
fn a_servers_workers_allocate_nothing_for_a_fast_reply_before_a_reload_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let listen = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let runtime: Runtime = run::runtime().expect("a runtime");
    // As `serve` starts it.
    let path = write(folder.path(), listen, upstream.address, &BEFORE);
    let prepared = prepare(&path, 1).expect("it can be served");
    let settings = run::settings(&prepared.config);
    let mut server = Server::start(&settings, prepared.snapshot, runtime.handle().clone()).expect("a server");
    server.set_log(&run::log_settings(&path, &prepared.config));
    let clients = Clients::new(listen);
    nothing_is_allocated(&server, &clients, &BEFORE);

    // As a reload serves another configuration.
    let path = write(folder.path(), listen, upstream.address, &AFTER);
    let prepared = prepare(&path, 2).expect("it can be served");
    canary::check(&prepared.snapshot, &prepared.config.listen).expect("it answers as its data say");
    server.replace(&prepared.config.listen, prepared.snapshot).expect("it is served");
    nothing_is_allocated(&server, &clients, &AFTER);

    // The workers are watched: a miss needs memory.
    let miss = KINDS.iter().find(|kind| kind.is_miss()).expect("a kind");
    assert!(counting::by_workers(|| clients.ask(miss, &AFTER, SOCKETS * EACH)) > 0, "a miss was not seen");
    runtime.block_on(server.stop(Duration::from_secs(1)));
}
