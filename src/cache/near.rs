//! What one worker holds on to of the cache: the answers that it gives most, found without a lock and without writing
//! to memory that other workers write to.
//!
//! It says nothing that the cache does not say: an entry that the cache keeps no more is marked as gone, so that a
//! refresh, a flush and an eviction hold for every worker at once.

use std::ops::Deref;
use std::sync::Arc;

use super::{Cache, Entry};
use crate::wire::{Key, Moment};

/// How many entries a worker holds on to at most.
const PLACES: usize = 4_096;
/// Places that an entry may have by its hash: what is found anew takes the first, and what stood there the next.
const WAYS: usize = 2;
/// A larger entry is not held: what has left the cache and is held yet stays below 4 MiB a worker.
const MAX_OCTETS: u64 = 1_024;
/// Places that are looked through in one go for entries that are gone.
const SWEPT: usize = 64;

/// A worker's hold on entries of a cache, always of the same one.
pub struct Near {
    places: Box<[Option<Place>]>,
    swept: usize,
}

/// An entry and what it is found by.
#[derive(Debug)]
pub struct Place {
    hash: u64,
    entry: Arc<Entry>,
}

/// A live entry.
#[derive(Debug, Clone)]
pub enum Hold<'n> {
    /// That somebody holds.
    Near(&'n Entry),
    /// By a count of its own.
    Own(Arc<Entry>),
}

impl Deref for Hold<'_> {
    type Target = Entry;

    #[inline]
    fn deref(&self) -> &Entry {
        match self {
            Self::Near(entry) => entry,
            Self::Own(entry) => entry,
        }
    }
}

impl Default for Near {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| None).collect(), swept: 0 }
    }
}

impl Near {
    #[inline]
    fn get(&self, hash: u64, key: &Key) -> Option<&Entry> {
        let mut places = self.places.get(places_of(hash))?.iter().flatten();
        let place = places.find(|place| place.hash == hash)?;
        (place.entry.key() == key.octets() && !place.entry.is_gone()).then_some(&*place.entry)
    }

    /// Holds on to an entry that was found, in place of another.
    pub fn keep(&mut self, found: Place) {
        if found.entry.octets() <= MAX_OCTETS
            && let Some([first, next]) = self.places.get_mut(places_of(found.hash))
        {
            // One of the same key is gone, or dead: it makes room first.
            if first.as_ref().is_some_and(|place| place.hash != found.hash) {
                *next = first.take();
            }
            *first = Some(found);
        }
    }

    /// Lets go of what is gone in the next few places; to be called now and then.
    pub fn sweep(&mut self) {
        let places = self.places.iter_mut().skip(self.swept).take(SWEPT);
        for place in places.filter(|place| place.as_ref().is_some_and(|place| place.entry.is_gone())) {
            *place = None;
        }
        self.swept = (self.swept + SWEPT) % PLACES;
    }
}

/// By the bits that neither the shard nor its index is chosen by.
fn places_of(hash: u64) -> std::ops::Range<usize> {
    let first = (hash >> 32) as usize % (PLACES / WAYS) * WAYS;
    first..first + WAYS
}

impl Cache {
    /// [`Cache::look_up`] for who holds on to entries. With an entry that was not held comes its place, to be kept.
    #[inline]
    pub fn look_up_near<'n>(&self, near: &'n Near, key: &Key, now: Moment) -> Option<(Hold<'n>, Option<Place>)> {
        let Some(answers) = &self.answers else { return None };
        let hash = answers.hash(key);
        if let Some(entry) = near.get(hash, key).filter(|entry| entry.is_live(now)) {
            entry.ask();
            return Some((Hold::Near(entry), None));
        }
        self.look_up_far(hash, key, now)
    }

    #[cold]
    fn look_up_far<'n>(&self, hash: u64, key: &Key, now: Moment) -> Option<(Hold<'n>, Option<Place>)> {
        let found = self.answers.as_ref()?.get_by(hash, key).filter(|entry| entry.is_live(now));
        match found {
            Some(entry) => Some((Hold::Own(Arc::clone(&entry)), Some(Place { hash, entry }))),
            None => self.look_up_failure(key, now).map(|entry| (Hold::Own(entry), None)),
        }
    }
}
