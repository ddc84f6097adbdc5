//! Load: queries at a rate, each from the next of many source addresses, over UDP, with the time that each reply took.
//! Paced by the clock, bounded in count; one thread sends and receives.

use super::client::PATIENCE;
use super::message::{Query, kind};
use super::reply::Reply;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    pub(crate) fn run(&self, count: usize, mut make: impl FnMut(usize) -> Query) -> Vec<Outcome> {
        let mut poll = Poll::new().expect("an event loop");
        let mut sources: Vec<_> = self.sources.iter().map(|source| self.open(source)).collect();
        for (index, source) in sources.iter_mut().enumerate() {
            poll.registry().register(&mut source.socket, Token(index), Interest::READABLE).expect("it is watched");
        }
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
            poll.poll(&mut events, Some(next)).expect("the event loop runs");
            for event in &events {
                answered += sources[event.token().0].receive(&mut outcomes);
            }
        }
        outcomes
    }

    fn open(&self, source: &str) -> Source {
        let address = SocketAddr::new(source.parse().expect("a source address"), 0);
        let socket = UdpSocket::bind(address).expect("a source address of this machine");
        socket.connect(self.server).expect("a route on loopback");
        Source { socket, next_id: 0, waiting: HashMap::new() }
    }
}

impl Source {
    fn send(&mut self, query: &Query, number: usize) {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let query = query.clone().id(id);
        let at = Instant::now();
        self.socket.send(&query.to_octets()).expect("loopback takes it");
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

/// The times of those that have a reply, in order.
fn times<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Vec<Duration> {
    let mut times: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.took).collect();
    times.sort_unstable();
    times
}

/// The time within which so many of a thousand replies came; the longest for 1,000.
///
/// # Panics
/// When there is none.
pub(crate) fn per_mille<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, share: usize) -> Duration {
    let times = times(outcomes);
    assert!(!times.is_empty(), "there are replies");
    times[(times.len() * share).div_ceil(1000).clamp(1, times.len()) - 1]
}

/// Keeps the tests that measure times under load apart from each other.
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
