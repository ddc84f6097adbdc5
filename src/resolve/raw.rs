//! Where raw answers come from: the cache, and a query's own scratch for those that may not be cached.

use std::cell::Cell;
use std::sync::Arc;

use crate::cache::{Cache, Entry, Hold, Near, Place};
use crate::wire::{Key, Moment};

/// A raw answer at hand.
#[derive(Debug, Clone)]
pub struct Held<'r> {
    /// The answer.
    pub entry: Hold<'r>,
    /// Whether it was fetched for this very query, rather than found in the cache.
    pub fresh: bool,
}

/// Looks up raw answers.
pub trait Raw {
    /// The answer of a key, if there is one.
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>>;

    /// An answer that has outlived its TTL and may serve in place of a failure (R33).
    fn stale(&self, _: &Key, _: Moment) -> Option<Held<'_>> {
        None
    }
}

/// What the cache has.
fn cached(entry: Arc<Entry>) -> Held<'static> {
    Held { entry: Hold::Own(entry), fresh: false }
}

impl Raw for Cache {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        Cache::look_up(self, key, now).map(cached)
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        self.look_up_stale(key, now).map(cached)
    }
}

/// The cache as a worker asks it, which holds on to what it finds.
pub struct Nearby<'a> {
    cache: &'a Cache,
    near: &'a Near,
    /// What was found last that is not held yet.
    found: Cell<Option<Place>>,
}

impl<'a> Nearby<'a> {
    /// A cache behind what is held of it.
    pub fn new(cache: &'a Cache, near: &'a Near) -> Self {
        Self { cache, near, found: Cell::new(None) }
    }

    /// What is to be held from now on.
    pub fn found(self) -> Option<Place> {
        self.found.into_inner()
    }
}

impl Raw for Nearby<'_> {
    #[inline]
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        let (entry, found) = self.cache.look_up_near(self.near, key, now)?;
        if found.is_some() {
            self.found.set(found);
        }
        Some(Held { entry, fresh: false })
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        Raw::stale(self.cache, key, now)
    }
}

/// The cache behind what was fetched for one query. What was fetched comes first: the same query is not asked twice.
pub struct Scratch<'a> {
    /// The cache.
    pub cache: &'a Cache,
    /// What was fetched; at most one for each alias and QNAME.
    pub fetched: &'a [(Key, Arc<Entry>)],
}

impl Raw for Scratch<'_> {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        let own = self.fetched.iter().find(|(fetched, _)| fetched == key);
        match own {
            Some((_, entry)) => Some(Held { entry: Hold::Near(entry), fresh: true }),
            None => Raw::look_up(self.cache, key, now),
        }
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        Raw::stale(self.cache, key, now)
    }
}

/// A scratch at the client's timer (R33): what is not at hand counts as failed, so that something stale may serve.
pub struct Overdue<'a> {
    /// What is at hand.
    pub scratch: Scratch<'a>,
    /// The failure that stands for the rest.
    pub failure: &'a Arc<Entry>,
}

impl Raw for Overdue<'_> {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        let own = self.scratch.look_up(key, now);
        own.or_else(|| Some(Held { entry: Hold::Near(self.failure), fresh: true }))
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        self.scratch.stale(key, now)
    }
}
