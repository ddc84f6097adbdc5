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
}

impl Raw for Cache {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held> {
        Cache::look_up(self, key, now).map(|entry| Held { entry, fresh: false })
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
}
