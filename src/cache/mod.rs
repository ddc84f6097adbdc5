//! The cache: raw upstream answers by [`Key`] and nothing else (R2), bounded in octets, keys and bookkeeping included.
//!
//! An entry lives for its lowest TTL (R32); what one leads to in a view is worked out on every exit.

mod entry;

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache as Sharded;

pub use entry::{Entry, Limits};

use crate::wire::{Key, Moment, RawAnswer};

/// Octets that an entry costs beside its own: the slab's and the index's share, the `Arc`, allocator slack.
const BOOKKEEPING_OCTETS: usize = 160;
/// An answer larger than this is passed on but not kept.
const MAX_ANSWER_OCTETS: usize = 64 * 1024;
/// Likewise one of more records than this.
const MAX_ANSWER_RECORDS: u16 = 256;

type Entries = Sharded<Box<[u8]>, Arc<Entry>, Weight, foldhash::fast::RandomState>;

/// Raw answers, shared by all threads.
pub struct Cache {
    entries: Option<Entries>,
    /// Failures apart: one never replaces an answer that may yet serve stale (R33).
    failures: Option<Entries>,
    limits: Limits,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Entry>> for Weight {
    fn weight(&self, key: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        octets_of(key, entry) as u64
    }
}

fn octets_of(key: &[u8], entry: &Entry) -> usize {
    key.len() + size_of::<Entry>() + entry.raw().heap_octets() + BOOKKEEPING_OCTETS
}

/// One of so many octets is for failures.
const FAILURES_SHARE: u64 = 16;

fn entries(octets: u64) -> Entries {
    let expected = usize::try_from(octets / 512).unwrap_or(usize::MAX).clamp(64, 1 << 20);
    let options = quick_cache::OptionsBuilder::new()
        .weight_capacity(octets)
        .estimated_items_capacity(expected)
        .build()
        .unwrap_or_else(|_| unreachable!("both capacities are set"));
    Sharded::with_options(options, Weight, foldhash::fast::RandomState::default(), Default::default())
}

impl Cache {
    /// A cache of at most `octets`; with 0 nothing is kept.
    pub fn new(octets: u64, limits: Limits) -> Self {
        let failures = octets / FAILURES_SHARE;
        let entries = |octets| (octets > 0).then(|| entries(octets));
        Self { entries: entries(octets - failures), failures: entries(failures), limits }
    }

    /// What entries are limited to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The live entry of a key. At `now` it has at least a second left.
    pub fn look_up(&self, key: &Key, now: Moment) -> Option<Arc<Entry>> {
        let live = |entries: &Option<Entries>| entries.as_ref()?.get(key.octets()).filter(|entry| entry.is_live(now));
        live(&self.entries).or_else(|| live(&self.failures))
    }

    /// A positive answer that is past its life and may serve in place of a failure (R33).
    pub fn look_up_stale(&self, key: &Key, now: Moment) -> Option<Arc<Entry>> {
        let entry = self.entries.as_ref().filter(|_| !self.limits.serve_stale.is_zero())?.get(key.octets())?;
        entry.is_stale(now, self.limits.serve_stale).then_some(entry)
    }

    /// Makes an entry of an exchange's outcome and keeps it, where it may be kept. The entry serves those who wait for
    /// it in either case.
    pub fn insert(&self, key: &Key, raw: RawAnswer, now: Moment) -> Arc<Entry> {
        let entry = Arc::new(Entry::new(raw, now, &self.limits));
        let small = entry.raw().octets().len() <= MAX_ANSWER_OCTETS && entry.raw().answers() <= MAX_ANSWER_RECORDS;
        let kept = if entry.is_failure() { &self.failures } else { &self.entries };
        if let Some(entries) = kept.as_ref().filter(|_| small && entry.is_live(now)) {
            entries.insert(key.octets().into(), Arc::clone(&entry));
        }
        entry
    }

    /// Octets held, by the same account as the bound.
    pub fn octets(&self) -> u64 {
        [&self.entries, &self.failures].into_iter().flatten().map(|entries| entries.weight()).sum()
    }

    /// Entries held, dead ones that were not yet replaced among them.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, |entries| entries.len())
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops everything.
    pub fn clear(&self) {
        for entries in [&self.entries, &self.failures].into_iter().flatten() {
            entries.clear();
        }
    }
}

#[cfg(test)]
mod tests;
