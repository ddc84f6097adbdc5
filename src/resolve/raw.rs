//! Where raw answers come from: the cache, and a query's own scratch for those that may not be cached.

use std::sync::Arc;

use crate::cache::{Cache, Entry};
use crate::wire::{Key, Moment};

/// A raw answer at hand.
#[derive(Debug, Clone)]
pub struct Held {
    /// The answer.
    pub entry: Arc<Entry>,
    /// Whether it was fetched for this very query, rather than found in the cache.
    pub fresh: bool,
}

/// Looks up raw answers.
pub trait Raw {
    /// The answer of a key, if there is one.
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held>;

    /// An answer that has outlived its TTL and may serve in place of a failure (R33).
    fn stale(&self, _: &Key, _: Moment) -> Option<Held> {
        None
    }
}

impl Raw for Cache {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held> {
        Cache::look_up(self, key, now).map(|entry| Held { entry, fresh: false })
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held> {
        self.look_up_stale(key, now).map(|entry| Held { entry, fresh: false })
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
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held> {
        let own = self.fetched.iter().find(|(fetched, _)| fetched == key);
        match own {
            Some((_, entry)) => Some(Held { entry: Arc::clone(entry), fresh: true }),
            None => Raw::look_up(self.cache, key, now),
        }
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held> {
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
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held> {
        let own = self.scratch.look_up(key, now);
        own.or_else(|| Some(Held { entry: Arc::clone(self.failure), fresh: true }))
    }

    fn stale(&self, key: &Key, now: Moment) -> Option<Held> {
        self.scratch.stale(key, now)
    }
}
