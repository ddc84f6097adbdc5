//! The cache: raw upstream answers by [`Key`] and nothing else (R2), bounded in octets, keys and bookkeeping included.
//!
//! An entry lives for its lowest TTL (R32); what one leads to in a view is worked out on every exit.

mod entry;
mod file;
mod near;
mod store;

use std::sync::Arc;

pub use entry::{Entry, Limits};
pub use file::{Kept, LoadError};
pub use near::{Hold, Near, Place};

use crate::wire::{Key, Moment, NameRef, RawAnswer, RouteId, WireName};
use store::Store;

/// An answer larger than this is passed on but not kept.
const MAX_ANSWER_OCTETS: usize = 64 * 1024;
/// Likewise one of more records than this.
const MAX_ANSWER_RECORDS: u16 = 256;
/// One of so many octets is for failures.
const FAILURES_SHARE: u64 = 16;

/// Raw answers, shared by all threads.
pub struct Cache {
    answers: Option<Store>,
    /// Failures apart: one never replaces an answer that may yet serve stale (R33).
    failures: Option<Store>,
    limits: Limits,
}

/// Which entries are flushed.
#[derive(Debug, Clone, Copy)]
pub enum Flush<'a> {
    /// All.
    All,
    /// Those of one route.
    Route(RouteId),
    /// Those of one name, every type and route.
    Name(NameRef<'a>),
    /// Those of a name and all names below it.
    Subtree(NameRef<'a>),
}

impl Flush<'_> {
    fn is_meant(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Route(route) => Key::route_of(key) == Some(*route),
            Self::Name(name) => Key::name_of(key) == name.octets(),
            Self::Subtree(name) => WireName::read_plain(Key::name_of(key), 0)
                .is_ok_and(|(own, _)| own.as_ref().suffixes().any(|suffix| suffix.octets() == name.octets())),
        }
    }
}

impl Cache {
    /// A cache of at most `octets`; with 0 nothing is kept.
    pub fn new(octets: u64, limits: Limits) -> Self {
        let failures = octets / FAILURES_SHARE;
        let store = |octets| (octets > 0).then(|| Store::new(octets));
        Self { answers: store(octets - failures), failures: store(failures), limits }
    }

    /// What entries are limited to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The live entry of a key. At `now` it has at least a second left.
    pub fn look_up(&self, key: &Key, now: Moment) -> Option<Arc<Entry>> {
        let answer = self.answers.as_ref()?.get(key).filter(|entry| entry.is_live(now));
        answer.or_else(|| self.look_up_failure(key, now))
    }

    fn look_up_failure(&self, key: &Key, now: Moment) -> Option<Arc<Entry>> {
        self.failures.as_ref()?.get(key).filter(|entry| entry.is_live(now))
    }

    /// A positive answer that is past its life and may serve in place of a failure (R33).
    pub fn look_up_stale(&self, key: &Key, now: Moment) -> Option<Arc<Entry>> {
        let entry = self.answers.as_ref().filter(|_| !self.limits.serve_stale.is_zero())?.get(key)?;
        entry.is_stale(now).then_some(entry)
    }

    /// Makes an entry of an exchange's outcome and keeps it, where it may be kept. The entry serves those who wait for
    /// it in either case.
    pub fn insert(&self, key: &Key, raw: RawAnswer, now: Moment) -> Arc<Entry> {
        let entry = Arc::new(Entry::new(raw, now, &self.limits).of(key));
        let small = entry.raw().octets().len() <= MAX_ANSWER_OCTETS && entry.raw().answers() <= MAX_ANSWER_RECORDS;
        let store = if entry.is_failure() { &self.failures } else { &self.answers };
        if let Some(store) = store.as_ref().filter(|_| small && entry.is_live(now)) {
            store.insert(Arc::clone(&entry), now);
        }
        entry
    }

    /// Drops entries and returns how many.
    pub fn flush(&self, what: Flush<'_>) -> usize {
        let stores = [&self.answers, &self.failures].into_iter().flatten();
        stores.map(|store| store.remove(|key| what.is_meant(key))).sum()
    }

    /// Calls `each` with the keys and entries that are meant, failures among them; a shard is locked at a time.
    pub fn for_each(&self, what: Flush<'_>, mut each: impl FnMut(&[u8], &Entry)) {
        for store in [&self.answers, &self.failures].into_iter().flatten() {
            store.for_each(|key, entry| {
                if what.is_meant(key) {
                    each(key, entry);
                }
            });
        }
    }

    /// Octets held, by the same account as the bound.
    pub fn octets(&self) -> u64 {
        [&self.answers, &self.failures].into_iter().flatten().map(Store::octets).sum()
    }

    /// Entries dropped to make room so far.
    pub fn evictions(&self) -> u64 {
        [&self.answers, &self.failures].into_iter().flatten().map(Store::evictions).sum()
    }

    /// Entries held, dead ones that were not yet replaced among them.
    pub fn len(&self) -> usize {
        self.answers.as_ref().map_or(0, Store::len)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops everything.
    pub fn clear(&self) {
        for store in [&self.answers, &self.failures].into_iter().flatten() {
            store.clear();
        }
    }
}

#[cfg(test)]
mod tests;
