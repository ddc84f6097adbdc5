//! Counts by label: each writer has a table of the label sets that it has met, readers sum the tables.
//!
//! A table holds what occurs, not what could: a view that nobody asks costs nothing. To count is one look-up and one
//! store; a label set that is met for the first time may make the table grow.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::labels::{Labels, NO_VIEW, ViewIndex};

/// Upper bounds of the histogram's buckets in microseconds; a last bucket holds what took longer.
pub const BUCKETS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];
/// Slots of a new table: it holds what a view or two bring, whatever bucket a slow moment falls into, and grows for more.
const SLOTS: usize = 256;

#[derive(Debug, Default)]
struct Slot {
    /// 0: empty.
    labels: AtomicU64,
    count: AtomicU64,
}

fn empty(slots: usize) -> Arc<[Slot]> {
    (0..slots).map(|_| Slot::default()).collect()
}

/// The names of a snapshot's views, in its order.
type Names = Arc<[Arc<str>]>;

/// What readers see of a writer's table.
#[derive(Debug)]
pub(super) struct Published(Mutex<(Names, Arc<[Slot]>)>);

impl Published {
    /// Calls `each` with the view's name, empty where there is none, every label set and its count.
    pub(super) fn for_each(&self, mut each: impl FnMut(&Arc<str>, Labels, u64)) {
        let (names, slots) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let none: Arc<str> = "".into();
        for slot in slots.iter() {
            let labels = slot.labels.load(Acquire);
            if labels != 0 {
                let labels = Labels::from_number(labels);
                let name = names.get(labels.view() as usize).unwrap_or(&none);
                each(name, labels, slot.count.load(Relaxed));
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
    names: Names,
    /// The generation that `names` is of.
    generation: u64,
}

impl Tally {
    pub(super) fn new() -> (Self, Arc<Published>) {
        let (slots, names) = (empty(SLOTS), Names::default());
        let published = Arc::new(Published(Mutex::new((Arc::clone(&names), Arc::clone(&slots)))));
        let own = Self { slots, used: 0, published: Arc::clone(&published), names, generation: u64::MAX };
        (own, published)
    }

    /// Counts by the views of a snapshot from now on. To be called whenever another one may be at work; what was counted
    /// of a view that it lacks is dropped.
    #[inline]
    pub fn follow<'n>(&mut self, generation: u64, names: impl Iterator<Item = &'n Arc<str>>) {
        if self.generation != generation {
            self.renew(generation, names.map(Arc::clone).collect());
        }
    }

    #[cold]
    fn renew(&mut self, generation: u64, names: Names) {
        let places: HashMap<&str, ViewIndex> =
            names.iter().enumerate().map(|(index, name)| (&**name, index as ViewIndex)).collect();
        let moved: Vec<Option<ViewIndex>> = self.names.iter().map(|name| places.get(&**name).copied()).collect();
        let place = |labels: Labels| match labels.view() {
            NO_VIEW => Some(labels),
            view => Some(labels.in_view(moved.get(view as usize).copied().flatten()?)),
        };
        let fresh = self.rebuilt(self.slots.len(), place);
        (self.generation, self.names) = (generation, names);
        self.publish(fresh);
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
            let fresh = self.rebuilt(self.slots.len() * 2, Some);
            self.publish(fresh);
        }
        put(&self.slots, labels, count);
        self.used += 1;
    }

    /// A table of so many slots with what there is, each label set in its new place.
    fn rebuilt(&mut self, slots: usize, place: impl Fn(Labels) -> Option<Labels>) -> Arc<[Slot]> {
        let fresh = empty(slots);
        self.used = 0;
        for slot in self.slots.iter().filter(|slot| slot.labels.load(Relaxed) != 0) {
            if let Some(labels) = place(Labels::from_number(slot.labels.load(Relaxed))) {
                put(&fresh, labels, slot.count.load(Relaxed));
                self.used += 1;
            }
        }
        fresh
    }

    fn publish(&mut self, fresh: Arc<[Slot]>) {
        self.slots = fresh;
        let own = (Arc::clone(&self.names), Arc::clone(&self.slots));
        *self.published.0.lock().unwrap_or_else(PoisonError::into_inner) = own;
    }
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
    use super::super::labels::{Carrier, Origin, What};
    use super::*;
    use std::collections::BTreeMap;

    fn labels(view: ViewIndex, qtype: u16) -> Labels {
        Labels::query(view, Carrier::Udp, Origin::START, qtype, 0)
    }

    fn follow(tally: &mut Tally, generation: u64, names: &[&str]) {
        let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        tally.follow(generation, names.iter());
    }

    fn seen(published: &Published) -> BTreeMap<(String, Labels), u64> {
        let mut seen = BTreeMap::new();
        published.for_each(|name, labels, count| *seen.entry((name.to_string(), labels)).or_default() += count);
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
        assert!((0..1_000).all(|view| seen[&(String::new(), labels(view, 1))] == u64::from(view) * 3 + 3));
    }

    #[test]
    fn a_view_keeps_its_counts_wherever_it_stands_and_one_that_goes_takes_them_with_it() {
        let (mut tally, published) = Tally::new();
        follow(&mut tally, 1, &["one", "two"]);
        for view in [0, 1, NO_VIEW] {
            tally.add(labels(view, 28), 5);
        }
        follow(&mut tally, 2, &["three", "two"]);
        follow(&mut tally, 3, &["two", "three"]);
        tally.add(labels(0, 28), 1);
        let expected = [(("".to_owned(), labels(NO_VIEW, 28)), 5), (("two".to_owned(), labels(0, 28)), 6)];
        assert_eq!(seen(&published), BTreeMap::from(expected));
    }

    #[test]
    fn durations_fall_into_their_buckets() {
        let (mut tally, published) = Tally::new();
        let own = labels(1, 1).durations();
        let count = |labels: Labels| seen(&published)[&(String::new(), labels)];
        for (micros, bucket) in [(0, 0), (100, 0), (101, 1), (5_000_000, 14), (5_000_001, 15)] {
            tally.took(own, Duration::from_micros(micros), 2);
            assert!(count(own.bucket(bucket)) >= 2, "{micros}");
        }
        assert_eq!(count(own.sum()), 2 * (100 + 101 + 5_000_000 + 5_000_001));
        assert!(seen(&published).keys().all(|(_, own)| matches!(own.what(), What::Duration | What::Microseconds)));
    }
}
