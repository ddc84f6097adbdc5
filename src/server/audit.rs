//! What a serving core's events become: counters, and audit lines at a bounded rate.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::metrics::{Carrier, Counters, NO_VIEW, Origin, Process, Source, ViewIndex};
use crate::query_log::{Draft, Left};
use crate::resolve::{Client, Event, Observer, Outcome, Raw, contained};
use crate::view::{Blocked, Route, Snapshot, Verdict};
use crate::wire::{Key, Moment, NameRef};
use crate::zone::avd::Kind;

/// Audit lines a second of one kind; the rest is counted and said with the next line.
const LINES_PER_SECOND: u64 = 20;

/// Bounds one kind of line.
#[derive(Debug, Default)]
pub(super) struct Rate {
    second: AtomicU64,
    lines: AtomicU64,
    skipped: AtomicU64,
}

impl Rate {
    /// How many lines were left out before this one; none when this one is left out too.
    pub(super) fn take(&self, now: Moment) -> Option<u64> {
        let second = now.millis() / 1_000;
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        if self.lines.fetch_add(1, Relaxed) < LINES_PER_SECOND {
            return Some(self.skipped.swap(0, Relaxed));
        }
        self.skipped.fetch_add(1, Relaxed);
        None
    }
}

/// The rates of all threads.
static WITHHELD: Rate = Rate { second: AtomicU64::new(0), lines: AtomicU64::new(0), skipped: AtomicU64::new(0) };
static FOREIGN: Rate = Rate { second: AtomicU64::new(0), lines: AtomicU64::new(0), skipped: AtomicU64::new(0) };

/// What a pass showed of its query, for the counts.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The view's place in the snapshot.
    pub(super) view: ViewIndex,
    pub(super) origin: Origin,
    /// Octets of QNAME; 0 where it came to no verdict.
    pub(super) qname_octets: u16,
    /// Whether there is something in `rare`.
    pub(super) is_rare: bool,
    pub(super) rare: Rare,
}

/// What is counted by view and seldom happens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rare {
    pub(super) withheld: u8,
    pub(super) watched: u8,
    pub(super) foreign: u8,
}

impl Seen {
    /// Nothing yet.
    pub(super) const NOTHING: Self = Self {
        view: NO_VIEW,
        origin: Origin::START,
        qname_octets: 0,
        is_rare: false,
        rare: Rare { withheld: 0, watched: 0, foreign: 0 },
    };

    /// A reply that leaves, for the log.
    pub fn left<'l>(
        &self,
        snapshot: &'l Snapshot,
        client: &'l Client,
        carrier: Carrier,
        begun: Instant,
        reply: &'l [u8],
    ) -> Left<'l> {
        Left { snapshot, client, carrier, view: self.view, source: self.origin.source(), begun, reply }
    }

    /// The same with another source.
    pub(super) fn by(self, source: Source) -> Self {
        Self { origin: self.origin.with(source), ..self }
    }

    /// The same with what earlier passes alone told: a name is told as foreign once.
    pub(super) fn after(mut self, earlier: &Self) -> Self {
        self.rare.foreign = self.rare.foreign.saturating_add(earlier.rare.foreign);
        self.is_rare |= earlier.rare.foreign > 0;
        self
    }

    /// The same in the view that the client has in another snapshot.
    pub(super) fn in_view_of(self, snapshot: &Snapshot, client: &Client) -> Self {
        let view = snapshot.select(client.address(), client.local());
        Self { view: view.map_or(NO_VIEW, |(_, selected)| selected.view as ViewIndex), ..self }
    }
}

/// Observes one pass of one answer.
pub struct Audit<'a> {
    counters: &'a Counters,
    client: &'a Client,
    /// What it is over.
    pub(super) snapshot: &'a Snapshot,
    now: Moment,
    /// What it showed so far.
    pub seen: Seen,
    /// Verdicts that this pass told, and how many of its first ones earlier passes told.
    pub(super) verdicts: u16,
    known: u16,
    /// A cached answer that was used near its end, to be fetched anew.
    pub(super) refresh: Option<(Key, Route)>,
}

impl<'a> Audit<'a> {
    /// `known` is how many verdicts earlier passes over the same query told, up to a raw answer that it needed.
    pub fn new(counters: &'a Counters, client: &'a Client, snapshot: &'a Snapshot, now: Moment, known: u16) -> Self {
        Self { counters, client, snapshot, now, seen: Seen::NOTHING, verdicts: 0, known, refresh: None }
    }

    fn view(&self) -> &str {
        self.snapshot.views.get(self.seen.view as usize).map_or("", |view| &view.name)
    }
}

impl Observer for Audit<'_> {
    #[inline]
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::View(_, selected) => self.seen.view = selected.view as ViewIndex,
            Event::Verdict(name, verdict) => {
                if self.verdicts == 0 {
                    self.seen.qname_octets = name.octets().len() as u16;
                }
                self.verdicts = self.verdicts.saturating_add(1);
                match verdict {
                    // An alias that ends at an endpoint tells what QNAME did not.
                    Verdict::Endpoint { endpoint, .. } => self.seen.origin.set_process(process_of(endpoint.kind)),
                    Verdict::Forward { foreign, avd, .. } => {
                        if *avd && self.verdicts == 1 {
                            self.seen.origin.set_process(process_by_name(self.snapshot, name));
                        }
                        if *foreign {
                            self.foreign(name, "forwarded");
                        }
                    }
                    Verdict::Blocked(blocked) => self.blocked(name, *blocked),
                    _ => {}
                }
            }
            Event::Raw(key, held, route) => {
                if held.fresh {
                    self.seen.origin.came_from(Source::Upstream);
                } else {
                    self.counters.hits.increment();
                    self.seen.origin.came_from(Source::Cache);
                    if held.entry.take_refresh(self.now) {
                        self.refresh = Some((*key, route));
                    }
                }
            }
            Event::Cut(_) => {}
            Event::Stale(..) => {
                self.seen.origin.came_from(Source::Stale);
                self.counters.stale.increment();
            }
            Event::Need(..) => self.counters.misses.increment(),
            Event::NoView => self.counters.no_view.increment(),
            Event::Malformed(_) => self.counters.malformed.increment(),
            Event::Withheld { name, address, watch } => self.withheld(name, address, watch),
            Event::Mate(_) => self.counters.guard_mates.increment(),
            Event::HintsRemoved(_) => self.counters.hints_removed.increment(),
            Event::Ancestor(_) => self.counters.ancestors.increment(),
            Event::Truncated => self.counters.truncated.increment(),
            Event::Error(_) => {}
            Event::Panicked => self.counters.panics.increment(),
        }
    }
}

impl Audit<'_> {
    /// Answers a message by [`contained`], observed by this and, where the query is logged, by its draft.
    #[inline]
    pub fn answer<R: Raw>(&mut self, message: &[u8], raw: &R, out: &mut [u8], draft: Option<&mut Draft>) -> Outcome {
        let (client, snapshot, now) = (self.client, self.snapshot, self.now);
        match draft {
            None => contained(message, client, snapshot, raw, now, out, self),
            Some(draft) => {
                let mut both = Both { audit: self, draft };
                contained(message, client, snapshot, raw, now, out, &mut both)
            }
        }
    }

    #[cold]
    fn blocked(&mut self, name: NameRef<'_>, why: Blocked) {
        self.seen.origin.came_from(Source::Policy);
        self.seen.origin.set_process(process_by_name(self.snapshot, name));
        if why == Blocked::Unlisted {
            self.foreign(name, "blocked");
        }
    }

    #[cold]
    fn foreign(&mut self, name: NameRef<'_>, fate: &str) {
        if self.verdicts <= self.known {
            return;
        }
        self.seen.is_rare = true;
        self.seen.rare.foreign = self.seen.rare.foreign.saturating_add(1);
        if let Some(skipped) = FOREIGN.take(self.now) {
            tracing::info!(
                action = "foreign", view = self.view(), client = %self.client.address(), name = %name, fate, skipped,
                "an AVD resource that is neither here nor known"
            );
        }
    }

    #[cold]
    fn withheld(&mut self, name: NameRef<'_>, address: Option<std::net::IpAddr>, watch: bool) {
        self.seen.is_rare = true;
        let rare = &mut self.seen.rare;
        if watch {
            rare.watched = rare.watched.saturating_add(1);
        } else {
            rare.withheld = rare.withheld.saturating_add(1);
            self.seen.origin.came_from(Source::Policy);
        }
        if let Some(skipped) = WITHHELD.take(self.now) {
            let address = address.map(|address| address.to_string());
            tracing::warn!(
                action = "withheld", view = self.view(), client = %self.client.address(), name = %name, address, watch, skipped,
                "an address that the view does not hold for a guarded name"
            );
        }
    }
}

/// Counts and takes notes.
struct Both<'b, 'a> {
    audit: &'b mut Audit<'a>,
    draft: &'b mut Draft,
}

impl Observer for Both<'_, '_> {
    fn note(&mut self, event: Event<'_>) {
        self.draft.note(&event, self.audit.snapshot);
        self.audit.note(event);
    }
}

/// The process that an endpoint carries.
fn process_of(kind: Kind) -> Process {
    match kind {
        Kind::Global => Process::Discovery,
        Kind::Workspace => Process::Feed,
        Kind::HostPool => Process::Connection,
        Kind::Other => Process::Other,
    }
}

/// The process of an AVD name without a record here, as far as its labels tell: web front ends with a GUID serve the
/// feed first.
#[cold]
fn process_by_name(snapshot: &Snapshot, name: NameRef<'_>) -> Process {
    let Some(avd) = snapshot.clouds.classify(name) else { return Process::Other };
    match snapshot.clouds.kind_by_name(name) {
        Some(kind) => process_of(kind),
        None if avd.guid.is_some() => Process::Feed,
        None if name.labels().next().is_some_and(|label| label == b"rdweb") => Process::Discovery,
        None => Process::Other,
    }
}
