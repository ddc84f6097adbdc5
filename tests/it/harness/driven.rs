//! One worker's exchanges in this process, with real sockets and a clock that a test steps: what takes an hour, or has to
//! be exact to the millisecond, without a child process.

use super::message::kind;
use hubdns::upstream::{
    Asked, CaseMixing, Exchanges, Finished, Group, Mailbox, Messages, Policy, Server, ServerState, Servers, Streams,
    Transport,
};
use hubdns::wire::{Key, Moment, WireName};
use mio::{Events, Poll, Token, Waker};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MAIL: Token = Token(0);
const FIRST_SOCKET: usize = 16;

/// The exchanges with one group.
pub(crate) struct Driven {
    poll: Poll,
    exchanges: Exchanges<()>,
    mailbox: Arc<Mailbox<Messages<()>>>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) group: Arc<Group>,
    pub(crate) now: Moment,
    /// Where the exchanges' streams live.
    _runtime: tokio::runtime::Runtime,
}

impl Driven {
    /// A group of these servers with a timeout of five seconds.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let poll = Poll::new().expect("an event loop");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let waker = Arc::new(Waker::new(poll.registry(), MAIL).expect("a waker"));
        let mailbox = Mailbox::new(waker, 1_024);
        let states = Arc::new(Servers::default());
        let streams = Arc::new(Streams::new(runtime.handle().clone()));
        let exchanges = Exchanges::new(FIRST_SOCKET, Arc::clone(&states), streams, Arc::clone(&mailbox));
        let group = Group {
            name: "driven".into(),
            servers: servers.iter().map(|address| Server { address: *address, transport: Transport::Plain }).collect(),
            policy: Policy::Ordered,
            timeout: Duration::from_secs(5),
            max_in_flight: None,
            max_qps: None,
            case: CaseMixing::Auto,
        };
        // As the product's own clock: far from zero.
        let now = Moment::from_millis(86_400_000);
        Self { poll, exchanges, mailbox, servers: states, group: Arc::new(group), now, _runtime: runtime }
    }

    /// What is known of the group's first server.
    pub(crate) fn state(&self) -> Arc<ServerState> {
        self.servers.state(self.group.servers[0].address)
    }

    /// How many exchanges are open or linger.
    pub(crate) fn open(&self) -> usize {
        self.exchanges.len()
    }

    /// Asks for a name's A records, on behalf of a client; gives what ended at once.
    pub(crate) fn ask_for(&mut self, name: &str, client: &str) -> Option<Finished> {
        let name = WireName::from_presentation(name).expect("a name");
        let key = Key::new(self.group.route_id(), name.as_ref(), kind::A, false, false);
        let asker = Some(client.parse().expect("an address"));
        let asked = self.exchanges.ask(self.poll.registry(), &key, &self.group, asker, self.now);
        let mut ended = Vec::new();
        if let Asked::Ended(finished) = asked {
            ended.push(*finished);
        }
        self.exchanges.flush(self.poll.registry(), self.now, &mut ended);
        ended.pop()
    }

    /// As [`Driven::ask_for`], for some client.
    pub(crate) fn ask(&mut self, name: &str) -> Option<Finished> {
        self.ask_for(name, "127.0.10.9")
    }

    /// Takes what comes within `patience` of real time, at the present moment; ends sooner once something has ended.
    pub(crate) fn receive(&mut self, patience: Duration) -> Vec<Finished> {
        let deadline = Instant::now() + patience;
        let mut events = Events::with_capacity(64);
        let (mut ended, mut mail) = (Vec::new(), Vec::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(left)).expect("the event loop runs");
            for event in &events {
                if event.token() != MAIL {
                    while self.exchanges.readable(self.poll.registry(), event.token(), self.now, &mut ended) {}
                    continue;
                }
                self.mailbox.take(&mut mail);
                for message in mail.drain(..) {
                    let Messages::Stream(reply) = message else { panic!("no other worker is here: {message:?}") };
                    ended.extend(self.exchanges.streamed(self.poll.registry(), reply, self.now));
                }
            }
            self.exchanges.flush(self.poll.registry(), self.now, &mut ended);
            if !ended.is_empty() || left.is_zero() {
                return ended;
            }
        }
    }

    /// Steps the clock, from timer to timer.
    pub(crate) fn step(&mut self, time: Duration) -> Vec<Finished> {
        let end = self.now.after(time);
        let mut ended = Vec::new();
        while let Some(timer) = self.exchanges.next_timer().filter(|timer| *timer <= end) {
            self.now = timer.max(self.now);
            self.exchanges.expire(self.poll.registry(), self.now, &mut ended);
            self.exchanges.flush(self.poll.registry(), self.now, &mut ended);
        }
        self.now = end;
        ended
    }
}
