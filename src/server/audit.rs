//! What a serving core's events become: counters, and audit lines at a bounded rate.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::metrics::Counters;
use crate::resolve::{Client, Event, Observer};
use crate::view::{Blocked, Route, Snapshot, Verdict};
use crate::wire::{Key, Moment, NameRef};

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

/// Observes one pass of one answer.
pub struct Audit<'a> {
    counters: &'a Counters,
    client: &'a Client,
    snapshot: &'a Snapshot,
    now: Moment,
    view: usize,
    /// Verdicts that this pass told, and how many of its first ones earlier passes told.
    pub(super) verdicts: u16,
    known: u16,
    /// A cached answer that was used near its end, to be fetched anew.
    pub(super) refresh: Option<(Key, Route)>,
}

impl<'a> Audit<'a> {
    /// `known` is how many verdicts earlier passes over the same query told, up to a raw answer that it needed.
    pub fn new(counters: &'a Counters, client: &'a Client, snapshot: &'a Snapshot, now: Moment, known: u16) -> Self {
        Self { counters, client, snapshot, now, view: usize::MAX, verdicts: 0, known, refresh: None }
    }

    fn view(&self) -> &str {
        self.snapshot.views.get(self.view).map_or("", |view| &view.name)
    }
}

impl Observer for Audit<'_> {
    #[inline]
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::View(_, selected) => self.view = selected.view,
            Event::Verdict(name, verdict) => {
                self.verdicts = self.verdicts.saturating_add(1);
                match verdict {
                    _ if self.verdicts <= self.known => {}
                    Verdict::Forward { foreign: true, .. } => self.foreign(name, "forwarded"),
                    Verdict::Blocked(Blocked::Unlisted) => self.foreign(name, "blocked"),
                    _ => {}
                }
            }
            Event::Raw(key, held, route) => {
                if !held.fresh && held.entry.take_refresh(self.now) {
                    self.refresh = Some((*key, route));
                }
            }
            Event::Cut(_) => {}
            Event::Stale(..) => self.counters.stale.increment(),
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
    #[cold]
    fn foreign(&mut self, name: NameRef<'_>, fate: &str) {
        self.counters.avd_foreign.increment();
        if let Some(skipped) = FOREIGN.take(self.now) {
            tracing::info!(
                action = "foreign", view = self.view(), client = %self.client.address(), name = %name, fate, skipped,
                "an AVD resource that is neither here nor known"
            );
        }
    }

    #[cold]
    fn withheld(&mut self, name: NameRef<'_>, address: Option<std::net::IpAddr>, watch: bool) {
        if watch {
            self.counters.guard_watched.increment()
        } else {
            self.counters.guard_withheld.increment()
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
