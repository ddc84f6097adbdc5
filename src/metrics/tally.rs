//! Counts by label: each writer has a table of the label sets that it has met, readers sum the tables.
//!
//! A table holds what occurs, not what could: a view that nobody asks costs nothing. To count is one look-up and one
//! store; a label set that is met for the first time may make the table grow.

use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::labels::{Labels, ViewId};

/// Upper bounds of the histogram's buckets in microseconds; a last bucket holds what took longer.
pub const BUCKETS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];
/// Slots of a new table.
const SLOTS: usize = 64;

#[derive(Debug, Default)]
struct Slot {
    /// 0: empty.
    labels: AtomicU64,
    count: AtomicU64,
}

fn empty(slots: usize) -> Arc<[Slot]> {
    (0..slots).map(|_| Slot::default()).collect()
}

/// What readers see of a writer's table.
#[derive(Debug)]
pub(super) struct Published(Mutex<Arc<[Slot]>>);

impl Published {
    /// Calls `each` with every label set and its count.
    pub(super) fn for_each(&self, mut each: impl FnMut(Labels, u64)) {
        let slots = Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots.iter() {
            let labels = slot.labels.load(Acquire);
            if labels != 0 {
                each(Labels::from_number(labels), slot.count.load(Relaxed));
            }
        }
    }
}

/// One writer's table.
#[derive(Debug)]
pub struct Tally {
    slots: Arc<[Slot]>,
    used: usize,
    published: Arc<Published>,
    /// Of each view of the snapshot its number.
    views: Vec<ViewId>,
    /// The generation that `views` is of.
    generation: u64,
}

impl Tally {
    pub(super) fn new() -> (Self, Arc<Published>) {
        let slots = empty(SLOTS);
        let published = Arc::new(Published(Mutex::new(Arc::clone(&slots))));
        let own = Self { slots, used: 0, published: Arc::clone(&published), views: Vec::new(), generation: u64::MAX };
        (own, published)
    }

    /// Whether the numbers of views are those of a snapshot.
    #[inline]
    pub fn is_of(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// Takes the numbers of a snapshot's views. What was counted of views that `is_gone` is dropped.
    pub(super) fn renew(&mut self, generation: u64, views: Vec<ViewId>, is_gone: impl Fn(ViewId) -> bool) {
        (self.generation, self.views) = (generation, views);
        if self.slots.iter().any(|slot| slot.labels.load(Relaxed) != 0 && is_gone(labels_of(slot).view())) {
            self.rebuild(self.slots.len(), |labels| !is_gone(labels.view()));
        }
    }

    /// The number of a view by its place in the snapshot; 0 for a place that there is not.
    #[inline]
    pub fn view(&self, index: usize) -> ViewId {
        self.views.get(index).copied().unwrap_or(0)
    }

    /// Counts.
    #[inline]
    pub fn add(&mut self, labels: Labels, more: u64) {
        let mut at = hash(labels);
        loop {
            let Some(slot) = self.slots.get(at & (self.slots.len() - 1)) else { return };
            let own = slot.labels.load(Relaxed);
            if own == labels.number() {
                slot.count.store(slot.count.load(Relaxed).wrapping_add(more), Relaxed);
                return;
            }
            if own == 0 {
                return self.enter(labels, more);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Counts `queries` that took as long; `labels` are those of their durations.
    #[inline]
    pub fn took(&mut self, labels: Labels, took: Duration, queries: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().filter(|bound| **bound < micros).count();
        self.add(labels.bucket(bucket as u8), queries);
        self.add(labels.sum(), micros.saturating_mul(queries));
    }

    /// A label set that was not met before.
    #[cold]
    fn enter(&mut self, labels: Labels, count: u64) {
        // Half of the slots stay empty, so that a look-up ends soon.
        if (self.used + 1) * 2 > self.slots.len() {
            self.rebuild(self.slots.len() * 2, |_| true);
        }
        put(&self.slots, labels, count);
        self.used += 1;
    }

    fn rebuild(&mut self, slots: usize, is_kept: impl Fn(Labels) -> bool) {
        let fresh = empty(slots);
        self.used = 0;
        for slot in self.slots.iter().filter(|slot| slot.labels.load(Relaxed) != 0) {
            if is_kept(labels_of(slot)) {
                put(&fresh, labels_of(slot), slot.count.load(Relaxed));
                self.used += 1;
            }
        }
        self.slots = fresh;
        *self.published.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&self.slots);
    }
}

fn labels_of(slot: &Slot) -> Labels {
    Labels::from_number(slot.labels.load(Relaxed))
}

#[inline]
fn hash(labels: Labels) -> usize {
    // The labels are ours and the operator's, never a client's: no secret is needed.
    (labels.number().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// Puts a label set that is not there into an empty slot; there is one.
fn put(slots: &[Slot], labels: Labels, count: u64) {
    let mut at = hash(labels);
    while let Some(slot) = slots.get(at & (slots.len() - 1)) {
        if slot.labels.load(Relaxed) == 0 {
            // The count first: a reader that sees the labels sees it too, or a moment's less.
            slot.count.store(count, Relaxed);
            slot.labels.store(labels.number(), Release);
            return;
        }
        at = at.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::{Carrier, Process, Source, What};
    use super::*;
    use std::collections::BTreeMap;

    fn labels(view: ViewId, qtype: u16) -> Labels {
        Labels::query(view, Carrier::Udp, Process::Other, qtype, 0, Source::Cache)
    }

    fn seen(published: &Published) -> BTreeMap<Labels, u64> {
        let mut seen = BTreeMap::new();
        published.for_each(|labels, count| *seen.entry(labels).or_default() += count);
        seen
    }

    #[test]
    fn what_is_counted_is_read_also_after_the_table_has_grown() {
        let (mut tally, published) = Tally::new();
        for round in 0..3 {
            for view in 0..1_000 {
                tally.add(labels(view, 1), u64::from(view) + round);
            }
        }
        let seen = seen(&published);
        assert_eq!(seen.len(), 1_000);
        assert!((0..1_000).all(|view| seen[&labels(view, 1)] == u64::from(view) * 3 + 3));
    }

    #[test]
    fn a_view_that_goes_takes_its_counts_with_it() {
        let (mut tally, published) = Tally::new();
        tally.renew(1, vec![1, 2], |_| false);
        for index in 0..2 {
            tally.add(labels(tally.view(index), 28), 5);
        }
        tally.renew(2, vec![2], |view| view == 1);
        assert_eq!((tally.view(0), tally.view(1)), (2, 0));
        assert_eq!(seen(&published), BTreeMap::from([(labels(2, 28), 5)]));
    }

    #[test]
    fn durations_fall_into_their_buckets() {
        let (mut tally, published) = Tally::new();
        let own = labels(1, 1).durations();
        for (micros, bucket) in [(0, 0), (100, 0), (101, 1), (5_000_000, 14), (5_000_001, 15)] {
            tally.took(own, Duration::from_micros(micros), 2);
            assert!(seen(&published)[&own.bucket(bucket)] >= 2, "{micros}");
        }
        assert_eq!(seen(&published)[&own.sum()], 2 * (100 + 101 + 5_000_000 + 5_000_001));
        assert!(seen(&published).keys().all(|labels| matches!(labels.what(), What::Duration | What::Microseconds)));
    }
}
