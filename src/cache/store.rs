//! Where entries are held: S3-FIFO in shards, bounded in octets.
//!
//! A new entry waits in a small queue; one that is asked there moves to the main queue, the others make room. So names
//! that are asked once, however many, only pass through a tenth of the cache. What left the small queue is remembered by
//! a fingerprint for a while: when it comes again it goes to the main queue at once (Yang et al., "FIFO queues are all
//! you need for cache eviction", SOSP 2023).

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use super::Entry;
use crate::wire::{Key, Moment};

/// Octets that an entry costs beside its own: its slot, its share of the index and the queues, two allocations' slack.
const BOOKKEEPING_OCTETS: u64 = 128;
/// One of so many octets is for entries that were not asked again.
const SMALL_SHARE: u64 = 10;
/// Octets of a shard at least; smaller caches have fewer shards.
const SHARD_OCTETS: u64 = 1 << 20;
/// Shards at most.
const MAX_SHARDS: u64 = 64;
/// Octets of an entry that the number of fingerprints supposes.
const TYPICAL_OCTETS: u64 = 512;
/// Fingerprints in one bucket.
const BUCKET: usize = 8;

struct Slot {
    hash: u64,
    /// None where the slot is free.
    entry: Option<Kept>,
    octets: u64,
    is_main: bool,
}

impl Slot {
    fn entry(&self) -> Option<&Arc<Entry>> {
        self.entry.as_ref().map(|kept| &kept.0)
    }

    fn is_of(&self, key: &[u8]) -> bool {
        self.entry().is_some_and(|entry| entry.key() == key)
    }
}

/// An entry that a shard keeps. Whatever makes it leave, it is marked as gone for who holds it yet.
struct Kept(Arc<Entry>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.set_gone();
    }
}

/// Fingerprints of what left the small queue, four for each entry that the shard may hold: a bucket forgets its oldest
/// first.
struct Ghosts {
    /// None until something has left: a shard that is not full needs no memory for it.
    buckets: Box<[[u16; BUCKET]]>,
    /// How many there are then, a power of two.
    count: usize,
}

impl Ghosts {
    fn new(octets: u64) -> Self {
        let entries = usize::try_from(octets / TYPICAL_OCTETS).unwrap_or(usize::MAX).clamp(BUCKET, 1 << 24);
        Self { buckets: Box::default(), count: (entries * 4 / BUCKET).next_power_of_two() }
    }

    /// Octets once something has left.
    fn octets_at_most(&self) -> u64 {
        (self.count * BUCKET * size_of::<u16>()) as u64
    }

    fn octets(&self) -> u64 {
        size_of_val(&*self.buckets) as u64
    }

    fn place(&mut self, hash: u64) -> Option<(&mut [u16; BUCKET], u16)> {
        let fingerprint = ((hash >> 20) as u16).max(1);
        let index = (hash >> 36) as usize & (self.count - 1);
        self.buckets.get_mut(index).map(|bucket| (bucket, fingerprint))
    }

    fn remember(&mut self, hash: u64) {
        if self.buckets.is_empty() {
            self.buckets = vec![[0; BUCKET]; self.count].into();
        }
        if let Some((bucket, fingerprint)) = self.place(hash) {
            bucket.rotate_right(1);
            bucket[0] = fingerprint;
        }
    }

    /// Whether a hash was remembered; it is forgotten then.
    fn take(&mut self, hash: u64) -> bool {
        let Some((bucket, fingerprint)) = self.place(hash) else { return false };
        match bucket.iter_mut().find(|known| **known == fingerprint) {
            Some(known) => {
                *known = 0;
                true
            }
            None => false,
        }
    }
}

struct Shard {
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    small_octets: u64,
    octets: u64,
    bound: u64,
    ghosts: Ghosts,
    /// Entries dropped to make room.
    evictions: u64,
}

/// Entries by key.
pub(super) struct Store {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

impl Store {
    /// An empty one of at most `octets`.
    pub(super) fn new(octets: u64) -> Self {
        let shards = (octets / SHARD_OCTETS).clamp(1, MAX_SHARDS).next_power_of_two().min(MAX_SHARDS);
        let shard = |_| Mutex::new(Shard::new(octets / shards));
        Self { shards: (0..shards).map(shard).collect(), hasher: foldhash::fast::RandomState::default() }
    }

    /// What a key is found by.
    pub(super) fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key.octets())
    }

    /// The entry of a key, which counts as asked.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.get_by(self.hash(key), key)
    }

    /// The same with the key's hash.
    pub(super) fn get_by(&self, hash: u64, key: &Key) -> Option<Arc<Entry>> {
        self.shard(hash).get(hash, key.octets())
    }

    /// Keeps an entry in place of an older one of its key.
    pub(super) fn insert(&self, entry: Arc<Entry>, now: Moment) {
        let hash = self.hasher.hash_one(entry.key());
        self.shard(hash).insert(hash, entry, now);
    }

    /// Drops the entries of keys that `is_meant` says, and returns how many.
    pub(super) fn remove(&self, is_meant: impl Fn(&[u8]) -> bool) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).remove(&is_meant)).sum()
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            *shard = Shard { evictions: shard.evictions, ..Shard::new(shard.bound_given()) };
        }
    }

    /// Calls `each` with all keys and entries, a shard at a time, those that were asked again first.
    pub(super) fn for_each(&self, mut each: impl FnMut(&[u8], &Arc<Entry>)) {
        for shard in &self.shards {
            let shard = lock(shard);
            for slot in shard.main.iter().rev().chain(shard.small.iter().rev()) {
                if let Some(entry) = shard.slots.get(*slot as usize).and_then(Slot::entry) {
                    each(entry.key(), entry);
                }
            }
        }
    }

    /// Octets held, fingerprints among them where there are any.
    pub(super) fn octets(&self) -> u64 {
        self.shards.iter().map(lock).map(|shard| shard.octets + shard.ghosts.octets()).sum()
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).index.len()).sum()
    }

    /// Entries dropped to make room so far.
    pub(super) fn evictions(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).evictions).sum()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The highest bits: the index uses the lowest, the fingerprints those between.
        let index = (hash >> 58) as usize & (self.shards.len() - 1);
        lock(&self.shards[index])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn new(octets: u64) -> Self {
        let ghosts = Ghosts::new(octets);
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            small_octets: 0,
            octets: 0,
            bound: octets.saturating_sub(ghosts.octets_at_most()),
            ghosts,
            evictions: 0,
        }
    }

    /// The octets that the shard was made for.
    fn bound_given(&self) -> u64 {
        self.bound + self.ghosts.octets_at_most()
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let slots = &self.slots;
        let is_key = |slot: &u32| slots.get(*slot as usize).is_some_and(|slot| slot.hash == hash && slot.is_of(key));
        self.index.find(hash, is_key).copied()
    }

    fn get(&self, hash: u64, key: &[u8]) -> Option<Arc<Entry>> {
        let slot = self.slots.get(self.find(hash, key)? as usize)?;
        let entry = slot.entry()?;
        entry.ask();
        Some(Arc::clone(entry))
    }

    fn insert(&mut self, hash: u64, entry: Arc<Entry>, now: Moment) {
        let octets = entry.octets() + BOOKKEEPING_OCTETS;
        // One that would push out a good part of the shard is not worth it.
        if octets > self.bound / 4 {
            return;
        }
        if let Some(index) = self.find(hash, entry.key())
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            let before = std::mem::replace(&mut slot.octets, octets);
            entry.set_asked(slot.entry().map_or(0, |before| before.asked()));
            slot.entry = Some(Kept(entry));
            self.octets = self.octets + octets - before;
            if !slot.is_main {
                self.small_octets = self.small_octets + octets - before;
            }
            return self.make_room(now);
        }
        let is_main = self.ghosts.take(hash);
        let slot = Slot { hash, entry: Some(Kept(entry)), octets, is_main };
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.slots.get_mut(index as usize) {
                    *place = slot;
                }
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.index.insert_unique(hash, index, |slot| slots.get(*slot as usize).map_or(0, |slot| slot.hash));
        self.octets += octets;
        if is_main {
            self.main.push_back(index);
        } else {
            self.small_octets += octets;
            self.small.push_back(index);
        }
        self.make_room(now);
    }

    /// Drops entries until the bound holds. Each turn drops one or lowers a count that is at most a handful.
    fn make_room(&mut self, now: Moment) {
        while self.octets > self.bound {
            let from_small = self.small_octets > self.bound / SMALL_SHARE || self.main.is_empty();
            let queue = if from_small { &mut self.small } else { &mut self.main };
            let Some(index) = queue.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(index as usize) else { continue };
            let asked = slot.entry().filter(|entry| entry.is_of_use(now)).map_or(0, |entry| entry.asked());
            if asked > 0
                && let Some(Kept(entry)) = &slot.entry
            {
                if from_small {
                    self.small_octets -= slot.octets;
                    slot.is_main = true;
                    entry.set_asked(0);
                } else {
                    entry.set_asked(asked - 1);
                }
                self.main.push_back(index);
            } else {
                if from_small {
                    self.ghosts.remember(slot.hash);
                }
                self.drop_slot(index);
                self.evictions += 1;
            }
        }
    }

    /// Takes a slot that is in no queue any more out of the index.
    fn drop_slot(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        self.octets -= slot.octets;
        if !slot.is_main {
            self.small_octets -= slot.octets;
        }
        let hash = slot.hash;
        (slot.entry, slot.octets) = (None, 0);
        if let Ok(found) = self.index.find_entry(hash, |slot| *slot == index) {
            found.remove();
        }
        self.free.push(index);
    }

    fn remove(&mut self, is_meant: &impl Fn(&[u8]) -> bool) -> usize {
        let mut removed = 0;
        for is_main in [false, true] {
            let queue = std::mem::take(if is_main { &mut self.main } else { &mut self.small });
            let mut kept = VecDeque::with_capacity(queue.len());
            for index in queue {
                if self.slots.get(index as usize).and_then(Slot::entry).is_some_and(|entry| is_meant(entry.key())) {
                    self.drop_slot(index);
                    removed += 1;
                } else {
                    kept.push_back(index);
                }
            }
            *(if is_main { &mut self.main } else { &mut self.small }) = kept;
        }
        removed
    }
}
