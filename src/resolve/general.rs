//! The general path: what a stream's query needs is fetched by a worker's exchange, and the core run again (R1, R27).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::{Client, Observer, Outcome, Scratch, Waiting, contained, servfail};
use crate::cache::{Cache, Entry};
use crate::upstream::{Group, Mailbox, Messages, Pending, Servers, Waiter};
use crate::view::Snapshot;
use crate::wire::{Ede, Failure, Key, MAX_ALIASES, Moment, WireName};

/// The process's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        // A day ahead of zero, so that no moment of a fresh process is mistaken for "never".
        let start = Instant::now();
        Self { start: start.checked_sub(Duration::from_secs(86_400)).unwrap_or(start) }
    }
}

impl Clock {
    /// Now.
    pub fn now(&self) -> Moment {
        Moment::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// What all threads that answer share.
pub struct Shared {
    /// The snapshot that answers leave by.
    pub snapshot: ArcSwap<Snapshot>,
    /// Raw answers.
    pub cache: Cache,
    /// Open questions.
    pub pending: Pending<Arc<Entry>>,
    /// The workers' mailboxes, one at least.
    pub workers: Vec<Arc<Mailbox<Messages<Arc<Entry>>>>>,
    /// What is known of the upstream servers.
    pub servers: Arc<Servers>,
    /// Queries that wait, by client.
    pub waiting: Waiting,
    /// The clock.
    pub clock: Clock,
    /// A name that nobody else knows: a query for it that reaches us has gone in a circle (R31).
    pub mark: WireName,
}

/// Draws a name of two random labels, as no zone has it.
pub fn draw_mark() -> WireName {
    let label = || format!("{:016x}", rand::random::<u64>());
    WireName::from_presentation(&format!("{}.{}", label(), label())).unwrap_or(WireName::ROOT)
}

/// How long a client waits before something stale serves it (R33, RFC 8767 §5).
const STALE_TIMER: Duration = Duration::from_millis(1_800);
/// How long before its deadline at the latest.
const STALE_AHEAD: Duration = Duration::from_millis(200);

impl Shared {
    /// Whether a key asks for our own mark.
    pub fn is_mark(&self, key: &Key) -> bool {
        key.name_octets() == self.mark.octets()
    }

    /// The raw answer of a key, by an exchange that may be shared with others; none when the deadline came first.
    async fn fetch(&self, key: &Key, group: &Arc<Group>, asker: IpAddr, deadline: Moment) -> Option<Arc<Entry>> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        if self.pending.join(key, Waiter::Task(sender)) {
            // An exchange may have ended between the look-up and the joining.
            match self.cache.look_up(key, self.clock.now()) {
                Some(entry) => self.close(key, &entry),
                None => self.hand_over(key, group, asker),
            }
        }
        let left = deadline.since(self.clock.now());
        tokio::time::timeout(left, receiver).await.ok()?.ok()
    }

    /// When a query that was received then and needs `key` may be served stale; none where nothing is (R33).
    pub fn stale_at(
        &self,
        key: &Key,
        group: &Group,
        received: Moment,
        deadline: Moment,
        now: Moment,
    ) -> Option<Moment> {
        self.cache.look_up_stale(key, now)?;
        if self.servers.are_down(group, now) {
            return Some(now);
        }
        let wait = deadline.since(received).saturating_sub(STALE_AHEAD).min(STALE_TIMER);
        Some(received.after(wait))
    }

    /// Leaves the question with a worker: the same one for equal keys.
    fn hand_over(&self, key: &Key, group: &Arc<Group>, asker: IpAddr) {
        let sum =
            key.octets().iter().fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(usize::from(*octet)));
        let worker = self.workers.get(sum.checked_rem(self.workers.len()).unwrap_or(0));
        let message = Messages::Fetch(Box::new(*key), Arc::clone(group), Some(asker));
        if worker.is_none_or(|worker| worker.post(message).is_err()) {
            self.close(key, &Arc::new(Entry::failed(Failure::Full, self.clock.now())));
        }
    }

    /// Closes a key that no worker asks.
    fn close(&self, key: &Key, entry: &Arc<Entry>) {
        self.pending.close(key, |waiter| self.deliver(waiter, key, entry));
    }

    /// Hands an entry to one who waits for it.
    pub fn deliver(&self, waiter: Waiter<Arc<Entry>>, key: &Key, entry: &Arc<Entry>) {
        match waiter {
            Waiter::Nobody => {}
            // A client that left does not mind.
            Waiter::Task(task) => drop(task.send(Arc::clone(entry))),
            Waiter::Held(ticket) => {
                if let Some(worker) = self.workers.get(ticket.worker) {
                    // Its mailbox is full: the query's deadline answers it.
                    let _ = worker.post(Messages::Done(ticket, Box::new(*key), Arc::clone(entry)));
                }
            }
        }
    }

    /// Answers a message from anywhere but a UDP worker. The reply is in `out`; its length is 0 where none is owed.
    /// `observe` makes the observer of each pass.
    pub async fn answer(&self, message: &[u8], client: &Client, out: &mut [u8], observe: &impl Observe) -> usize {
        let received = self.clock.now();
        let mut fetched: Vec<(Key, Arc<Entry>)> = Vec::new();
        loop {
            let snapshot = self.snapshot.load_full();
            let raw = Scratch { cache: &self.cache, fetched: &fetched };
            let now = self.clock.now();
            let outcome =
                contained(message, client, &snapshot, &raw, now, out, &mut observe.observer(client, &snapshot, now));
            let (key, route) = match outcome {
                Outcome::Reply(length) => return length,
                Outcome::Discard(_) => return 0,
                Outcome::Need(key, _) if self.is_mark(&key) => {
                    self.servers.mark_returned(client.address());
                    return servfail(message, client.transport(), Ede::other("a loop of forwarders"), out);
                }
                Outcome::Need(key, route) => (key, route),
            };
            let view = snapshot.select(client.address(), client.local());
            let (Some(group), Some((view, _))) = (snapshot.group(route), view) else { return 0 };
            let deadline = received.after(view.deadline(group));
            let stale_at = self.stale_at(&key, group, received, deadline, now);
            let until = stale_at.unwrap_or(deadline);
            let entry =
                if fetched.len() > MAX_ALIASES { None } else { self.fetch(&key, group, client.address(), until).await };
            match entry {
                Some(entry) => fetched.push((*key, entry)),
                None if stale_at.is_some() => fetched.push((*key, Arc::new(Entry::failed(Failure::Silent, now)))),
                None => return servfail(message, client.transport(), Ede::NO_REACHABLE_AUTHORITY, out),
            }
        }
    }
}

/// Makes the observer of each pass of a query.
pub trait Observe: Sync {
    /// The observer of a pass over `snapshot` at `now`.
    fn observer<'s>(&'s self, client: &'s Client, snapshot: &'s Snapshot, now: Moment) -> Box<dyn Observer + 's>;
}
