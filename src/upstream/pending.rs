//! Open questions and who waits for them: equal questions are asked once, over all workers (R5, RFC 5452 §5).

use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::wire::Key;

/// A query that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Index of the worker.
    pub worker: usize,
    /// Its slot there.
    pub slot: u32,
    /// Tells a slot's queries apart.
    pub serial: u32,
}

/// Who waits for a key, and gets a `T` when it is closed.
#[derive(Debug)]
pub enum Waiter<T> {
    /// A worker's query.
    Held(Ticket),
    /// A task of the general path.
    Task(tokio::sync::oneshot::Sender<T>),
    /// Nobody: an answer is fetched anew before its end.
    Nobody,
}

/// The first waiter beside the rest, so that a question of one asker allocates nothing for it.
#[derive(Debug)]
struct Waiting<T> {
    first: Waiter<T>,
    more: Vec<Waiter<T>>,
}

const SHARDS: usize = 16;

type Shard<T> = Mutex<HashMap<Box<[u8]>, Waiting<T>, foldhash::fast::RandomState>>;

/// All open questions of the process.
pub struct Pending<T> {
    shards: [Shard<T>; SHARDS],
    hasher: foldhash::fast::RandomState,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: foldhash::fast::RandomState::default() }
    }
}

impl<T> Pending<T> {
    /// Waits for a key. True when it was not open: the caller has it asked.
    pub fn join(&self, key: &Key, waiter: Waiter<T>) -> bool {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        match shard.entry_ref(key.octets()) {
            EntryRef::Occupied(mut waiting) => {
                waiting.get_mut().more.push(waiter);
                false
            }
            EntryRef::Vacant(place) => {
                place.insert_with_key(key.octets().into(), Waiting { first: waiter, more: Vec::new() });
                true
            }
        }
    }

    /// Whether a key is open.
    pub fn is_open(&self, key: &Key) -> bool {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).contains_key(key.octets())
    }

    /// Closes a key and hands out all who wait for it.
    pub fn close(&self, key: &Key, mut each: impl FnMut(Waiter<T>)) {
        let waiting = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).remove(key.octets());
        if let Some(waiting) = waiting {
            each(waiting.first);
            waiting.more.into_iter().for_each(each);
        }
    }

    /// How many keys are open.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &Key) -> &Shard<T> {
        let hash = self.hasher.hash_one(key);
        // The highest bits: the map uses the lowest.
        &self.shards[(hash >> 60) as usize % SHARDS]
    }
}
