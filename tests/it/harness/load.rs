//! Load: queries at a rate, each from the next of many source addresses, over UDP, with the time that each reply took.
//! Paced by the clock, bounded in count; one thread sends and receives.
//!
//! Beside the queries the same thread sends a few datagrams a second to an echo: what these take is the machine's own
//! delay, and a figure in milliseconds that a test holds the product to has that on top. On a quiet machine it is next to
//! nothing; on a busy one it keeps other processes' work from failing the test.

use super::client::PATIENCE;
use super::message::{Query, kind};
use super::reply::Reply;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Queries that leave at most before replies are looked at.
const BURST: usize = 32;

/// A load to be.
pub(crate) struct Load {
    server: SocketAddr,
    sources: Vec<String>,
    per_second: u32,
}

/// What became of one query.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// When it left, from the beginning of the load.
    pub(crate) at: Duration,
    /// How long its reply took; none where none came.
    pub(crate) took: Option<Duration>,
    /// The reply.
    octets: Vec<u8>,
}

impl Outcome {
    /// NOERROR with an answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.octets.len() > 12 && self.octets[3] & 0x0f == 0 && self.octets[6..8] != [0, 0]
    }

    /// SERVFAIL without one.
    pub(crate) fn is_servfail(&self) -> bool {
        self.octets.len() > 12 && self.octets[3] & 0x0f == 2 && self.octets[6..8] == [0, 0]
    }

    /// # Panics
    /// When there is no reply, or none that decodes.
    pub(crate) fn reply(&self) -> Reply {
        assert!(self.took.is_some(), "no reply to the query sent at {:?}", self.at);
        Reply::decode(self.octets.clone())
    }
}

/// What came of a load: the outcome of every query, in order.
#[derive(Debug)]
pub(crate) struct Outcomes {
    outcomes: Vec<Outcome>,
    /// What datagrams to the echo took, in order.
    echoes: Vec<Duration>,
}

impl Outcomes {
    /// The machine's own delay: the time within which so many of a thousand datagrams came back from the echo.
    pub(crate) fn floor(&self, share: usize) -> Duration {
        share_of(&self.echoes, share)
    }
}

impl std::ops::Deref for Outcomes {
    type Target = [Outcome];

    fn deref(&self) -> &[Outcome] {
        &self.outcomes
    }
}

/// Sends back whatever it gets, on a thread of its own, until it is dropped.
struct Echo {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start() -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("its address");
        let thread = std::thread::spawn(move || {
            let mut octets = [0; 64];
            while let Ok((length @ 1.., from)) = socket.recv_from(&mut octets) {
                let _ = socket.send_to(&octets[..length], from);
            }
        });
        Self { address, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // An empty datagram ends it.
        let sent = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        if let (Ok(_), Some(thread)) = (sent, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// How often the echo is asked.
const ECHO_EVERY: Duration = Duration::from_millis(10);

/// One source address and what it waits for: by id, the query's number, when it left, and its question.
struct Source {
    socket: UdpSocket,
    next_id: u16,
    waiting: HashMap<u16, (usize, Instant, Vec<u8>)>,
}

impl Load {
    /// So many queries a second, from these addresses in turn.
    pub(crate) fn new(server: SocketAddr, sources: impl IntoIterator<Item = String>, per_second: u32) -> Self {
        Self { server, sources: sources.into_iter().collect(), per_second }
    }

    /// From 64 clients of the network that view `spoke-a` of the small world has: a client has 256 waiting queries at
    /// most.
    pub(crate) fn of_spoke_a(server: SocketAddr, per_second: u32) -> Self {
        Self::new(server, (1..=64).map(|host| format!("127.0.10.{host}")), per_second)
    }

    /// Sends `count` queries that `make` makes of their numbers, and waits for what is owed.
    ///
    /// # Panics
    /// When a reply is to another question.
    pub(crate) fn run(&self, count: usize, mut make: impl FnMut(usize) -> Query) -> Outcomes {
        let mut poll = Poll::new().expect("an event loop");
        let mut sources: Vec<_> = self.sources.iter().map(|source| Source::new(source, self.server)).collect();
        for (index, source) in sources.iter_mut().enumerate() {
            poll.registry().register(&mut source.socket, Token(index), Interest::READABLE).expect("it is watched");
        }
        let echo = Echo::start();
        let mut mirror = open("127.0.0.1", echo.address);
        poll.registry().register(&mut mirror, MIRROR, Interest::READABLE).expect("it is watched");
        let (mut echoes, mut asked) = (Vec::new(), None);
        let mut events = Events::with_capacity(256);
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(count);
        let (mut answered, begun) = (0, Instant::now());
        let due = |number: usize| Duration::from_secs(1).mul_f64(number as f64 / f64::from(self.per_second));
        let mut last = begun;
        while answered < count && last.elapsed() < PATIENCE {
            for _ in 0..BURST {
                let number = outcomes.len();
                if number == count || begun.elapsed() < due(number) {
                    break;
                }
                let index = number % sources.len();
                sources[index].send(&make(number), number);
                last = Instant::now();
                outcomes.push(Outcome { at: last - begun, took: None, octets: Vec::new() });
            }
            let next = match outcomes.len() {
                sent if sent == count => Duration::from_millis(20),
                sent => due(sent).saturating_sub(begun.elapsed()),
            };
            // A datagram to the echo, while queries leave and none is under way.
            if outcomes.len() < count
                && asked.is_none_or(|(at, back): (Instant, bool)| back && at.elapsed() >= ECHO_EVERY)
            {
                asked = mirror.send(&[1]).ok().map(|_| (Instant::now(), false));
            }
            poll.poll(&mut events, Some(next)).expect("the event loop runs");
            for event in &events {
                match (event.token(), &mut asked) {
                    (MIRROR, Some((at, back))) => {
                        while mirror.recv(&mut [0; 2]).is_ok() {
                            echoes.push(at.elapsed());
                            *back = true;
                        }
                    }
                    (MIRROR, None) => {}
                    (Token(source), _) => answered += sources[source].receive(&mut outcomes),
                }
            }
        }
        Outcomes { outcomes, echoes }
    }
}

/// The echo's token, behind those of all sources.
const MIRROR: Token = Token(usize::MAX);

fn open(source: &str, server: SocketAddr) -> UdpSocket {
    let address = SocketAddr::new(source.parse().expect("a source address"), 0);
    let socket = UdpSocket::bind(address).expect("a source address of this machine");
    socket.connect(server).expect("a route on loopback");
    socket
}

impl Source {
    fn new(source: &str, server: SocketAddr) -> Self {
        Self { socket: open(source, server), next_id: 0, waiting: HashMap::new() }
    }

    fn send(&mut self, query: &Query, number: usize) {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let query = query.clone().id(id);
        let at = Instant::now();
        // The news that a port is closed comes with the next datagram, which does not leave then.
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        if self.socket.send(&query.to_octets()).is_err_and(|error| refused(&error)) {
            let _ = self.socket.send(&query.to_octets());
        }
        self.waiting.insert(id, (number, at, query.question()));
    }

    /// Takes what has come; gives how many.
    fn receive(&mut self, outcomes: &mut [Outcome]) -> usize {
        let mut octets = [0; 2048];
        let mut count = 0;
        while let Ok(length) = self.socket.recv(&mut octets) {
            let reply = &octets[..length];
            let id = u16::from_be_bytes([reply[0], reply[1]]);
            let (number, at, question) = self.waiting.remove(&id).expect("a reply to an open query, and only one");
            assert_eq!(reply.get(12..12 + question.len()), Some(&*question), "the question is the query's");
            outcomes[number].took = Some(at.elapsed());
            outcomes[number].octets = reply.to_vec();
            count += 1;
        }
        count
    }
}

/// An A query with an OPT record, as a load sends it.
pub(crate) fn ask(name: &str) -> Query {
    Query::new(name, kind::A).with_opt()
}

/// The time within which so many of a thousand replies came; the longest for 1,000.
///
/// # Panics
/// When there is none.
pub(crate) fn per_mille<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, share: usize) -> Duration {
    let times: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.took).collect();
    share_of(&times, share)
}

fn share_of(times: &[Duration], share: usize) -> Duration {
    assert!(!times.is_empty(), "there are replies");
    let mut times = times.to_vec();
    times.sort_unstable();
    times[(times.len() * share).div_ceil(1000).clamp(1, times.len()) - 1]
}

/// Keeps tests of great load apart from each other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static LOAD: Mutex<()> = Mutex::new(());
    LOAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures until `meets` says that a figure is met, three times at most, for a busy machine may spoil one run; whatever
/// must hold in every run is asserted in `measure`.
pub(crate) fn best_of_three<T: std::fmt::Debug>(mut measure: impl FnMut() -> T, meets: impl Fn(&T) -> bool) {
    let mut missed = Vec::new();
    for _ in 0..3 {
        let figure = measure();
        println!("measured: {figure:?}");
        if meets(&figure) {
            return;
        }
        missed.push(figure);
    }
    panic!("the figure is not met in three runs: {missed:?}");
}
