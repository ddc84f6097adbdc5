//! A worker's side: notes while a query is answered, and a record for the writer when its reply leaves.
//!
//! Records are made once and go round: empty ones come from the writer, full ones go to it. Where there is no empty one
//! the query is counted and not logged. Nothing here waits or allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;
use std::time::Instant;

use super::draft::Draft;
use super::record::{Action, Record, told};
use crate::config::{ClientDetail, QueryLevel};
use crate::metrics::{Carrier, Counters, Source, ViewIndex};
use crate::resolve::Client;
use crate::view::Snapshot;

/// After how many records the writer is woken, where it sleeps.
const WAKE_AFTER: u32 = 128;

/// A worker's ends of its ring.
pub(super) struct Ends {
    pub(super) free: Receiver<Box<Record>>,
    pub(super) full: SyncSender<Box<Record>>,
}

/// What all taps look at.
#[derive(Default)]
pub(super) struct Switch {
    /// Whether any view's queries are logged.
    pub(super) on: AtomicBool,
    /// Level, client detail and sample, packed.
    settings: AtomicU64,
    /// The rings' ends, each until its tap takes it.
    pub(super) ends: Mutex<Vec<Option<Ends>>>,
    pub(super) writer: OnceLock<Thread>,
}

const LEVELS: [QueryLevel; 4] = [QueryLevel::Off, QueryLevel::Decisions, QueryLevel::Sampled, QueryLevel::All];
const DETAILS: [ClientDetail; 3] = [ClientDetail::Whole, ClientDetail::Cut, ClientDetail::None];

impl Switch {
    pub(super) fn set(&self, level: QueryLevel, detail: ClientDetail, sample: u32) {
        self.settings.store(u64::from(sample) << 8 | (detail as u64) << 4 | level as u64, Relaxed);
    }

    fn settings(&self) -> (QueryLevel, ClientDetail, u32) {
        let own = self.settings.load(Relaxed);
        let level = LEVELS.get((own & 15) as usize).copied().unwrap_or(QueryLevel::Off);
        let detail = DETAILS.get((own >> 4 & 15) as usize).copied().unwrap_or(ClientDetail::None);
        (level, detail, (own >> 8) as u32)
    }
}

/// A reply that leaves.
pub struct Left<'l> {
    /// What it was made by.
    pub snapshot: &'l Snapshot,
    /// The client.
    pub client: &'l Client,
    /// How it came.
    pub carrier: Carrier,
    /// The view's place in the snapshot.
    pub view: ViewIndex,
    /// What the answer is made of.
    pub source: Source,
    /// When the query came.
    pub begun: Instant,
    /// The reply's octets.
    pub reply: &'l [u8],
}

/// One writer of records.
pub struct Tap {
    switch: Arc<Switch>,
    index: usize,
    counters: Arc<Counters>,
    ends: Option<Ends>,
    draft: Draft,
    /// Whether the notes are of the query at work.
    is_drafted: bool,
    sampler: Sampler,
    /// Records since the writer was woken.
    sent: u32,
}

impl Tap {
    pub(super) fn new(switch: &Arc<Switch>, index: usize, counters: Arc<Counters>) -> Self {
        Self {
            switch: Arc::clone(switch),
            index,
            counters,
            ends: None,
            draft: Draft::default(),
            is_drafted: false,
            sampler: Sampler::new(rand::random()),
            sent: 0,
        }
    }

    /// Whether anything is logged.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.switch.on.load(Relaxed)
    }

    /// Room for the notes of a pass that begins now; none where nothing is logged.
    #[inline]
    pub fn draft(&mut self) -> Option<&mut Draft> {
        self.is_drafted = self.is_on();
        if !self.is_drafted {
            return None;
        }
        self.draft.clear();
        Some(&mut self.draft)
    }

    /// Whether the draft is of the query at work.
    #[inline]
    pub fn is_drafted(&self) -> bool {
        self.is_drafted
    }

    /// A reply leaves whose query the draft is of.
    #[cold]
    pub fn leaves(&mut self, left: &Left<'_>) {
        self.log(None, left);
    }

    /// The same with notes from elsewhere.
    pub fn leaves_with(&mut self, draft: &Draft, left: &Left<'_>) {
        self.log(Some(draft), left);
    }

    fn log(&mut self, draft: Option<&Draft>, left: &Left<'_>) {
        let draft = draft.unwrap_or(&self.draft);
        let (mut level, mut detail, sample) = self.switch.settings();
        if let Some(view) = left.snapshot.views.get(left.view as usize) {
            level = view.log_queries.unwrap_or(level);
            detail = view.log_clients.unwrap_or(detail);
        }
        let code = left.reply.get(3).map_or(0, |octet| u16::from(octet & 15));
        let action = Action::of(draft, left.source, code);
        let wanted = match level {
            QueryLevel::Off => false,
            QueryLevel::Decisions => action.is_decision(draft),
            QueryLevel::Sampled => self.sampler.takes(sample),
            QueryLevel::All => true,
        };
        if !wanted {
            return;
        }
        if self.ends.is_none()
            && let Ok(mut ends) = self.switch.ends.try_lock()
        {
            self.ends = ends.get_mut(self.index).and_then(Option::take);
        }
        let free = self.ends.as_ref().and_then(|ends| Some((ends, ends.free.try_recv().ok()?)));
        let Some((ends, mut record)) = free else {
            // TCP's tap is written by several threads, one at a time.
            self.counters.query_log_full.add_shared(1);
            return;
        };
        record.begun = left.begun;
        record.took = left.begun.elapsed();
        record.client = told(left.client.address(), left.client.port(), detail);
        record.local = left.client.local();
        (record.carrier, record.source, record.action) = (left.carrier, left.source, action);
        record.draft.copy(draft);
        record.set_reply(left.reply);
        // There is room for every record that exists.
        let _ = ends.full.try_send(record);
        self.sent += 1;
        if self.sent >= WAKE_AFTER {
            self.sent = 0;
            if let Some(writer) = self.switch.writer.get() {
                writer.unpark();
            }
        }
    }
}

/// Takes one of each so many, at a place that is drawn anew each time, so that no rhythm of clients' is met.
struct Sampler {
    state: u64,
    at: u32,
    chosen: u32,
    of: u32,
}

impl Sampler {
    fn new(seed: u64) -> Self {
        Self { state: seed, at: 0, chosen: 0, of: 0 }
    }

    fn takes(&mut self, of: u32) -> bool {
        if self.at >= self.of || self.of != of {
            self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (self.at, self.of) = (0, of.max(1));
            self.chosen = (((self.state >> 32) * u64::from(self.of)) >> 32) as u32;
        }
        self.at += 1;
        self.at - 1 == self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_so_many_is_taken_and_no_rhythm_decides_which() {
        for of in [1, 2, 7, 100] {
            let mut sampler = Sampler::new(7);
            let taken: Vec<u32> = (0..of * 50).filter(|_| sampler.takes(of)).collect();
            assert_eq!(taken.len(), 50, "{of}");
            assert!(taken.iter().enumerate().all(|(block, at)| at / of == block as u32), "{of}: {taken:?}");
            let odd = taken.iter().filter(|at| *at % 2 == 1).count();
            assert!(of == 1 || (10..40).contains(&odd), "{of}: {odd}");
        }
    }

    #[test]
    fn settings_are_read_as_they_were_set() {
        let switch = Switch::default();
        for level in LEVELS {
            for detail in DETAILS {
                switch.set(level, detail, 1_000_000);
                assert_eq!(switch.settings(), (level, detail, 1_000_000));
            }
        }
    }
}
