//! An [`Entry`]: a raw answer, when it was had, and whether any view of the present snapshot shapes it (R4).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::wire::{End, Failure, Key, Moment, RawAnswer, Ttl};

/// Bounds on how long answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The highest TTL; higher ones are lowered to it.
    pub max_ttl: Ttl,
    /// The same for negative answers (RFC 2308 §5).
    pub max_negative_ttl: Ttl,
    /// How long after its end a positive answer may serve in place of a failure (R33); zero is off.
    pub serve_stale: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_ttl: Ttl::from_seconds(86_400),
            max_negative_ttl: Ttl::from_seconds(300),
            serve_stale: Duration::from_secs(86_400),
        }
    }
}

/// How long a failure is remembered (RFC 9520 §3.2: at least one second).
const FAILURE: Duration = Duration::from_secs(1);
/// The last one of so many parts of its life is when an answer that is asked is fetched anew …
const REFRESH_SHARE: u32 = 10;
/// … but this long at least, since the last second is a miss.
const REFRESH_LEAST: Duration = Duration::from_secs(2);
/// How often an entry counts as asked at most.
const MAX_ASKED: u8 = 3;
/// Answers that live for less are not fetched anew.
const REFRESH_LIFETIME: Duration = Duration::from_secs(5);

/// A raw answer as it is held.
#[derive(Debug)]
pub struct Entry {
    raw: RawAnswer,
    stored: Moment,
    dies: Moment,
    /// Until when it may serve, stale or not.
    useful_until: Moment,
    /// From when on a client that asks has it fetched anew.
    refresh_at: Moment,
    /// Somebody has it fetched anew.
    refreshing: AtomicBool,
    /// The cache keeps it no more: it was replaced, flushed, or made room for another.
    gone: AtomicBool,
    /// How often it was asked of late.
    asked: AtomicU8,
    /// Twice the generation of the snapshot that was asked last, plus one if no view of it shapes this answer.
    plain: AtomicU64,
}

impl Entry {
    /// An entry of the outcome of an exchange that ended at `now`.
    pub fn new(mut raw: RawAnswer, now: Moment, limits: &Limits) -> Self {
        let lifetime = match raw.end() {
            End::Failed(Failure::Capped | Failure::Full | Failure::Loop) => Duration::ZERO,
            End::Failed(_) => FAILURE,
            End::Negative if !raw.has_soa() => Duration::ZERO,
            End::Negative => raw.lower_ttls(limits.max_ttl.min(limits.max_negative_ttl)).duration(),
            End::Data | End::Dangling | End::Loop => raw.lower_ttls(limits.max_ttl).duration(),
        };
        Self::living(raw, now, lifetime, limits)
    }

    /// An entry of an answer that has so many seconds left at `now`, or has been past its end for as many; none where
    /// it is older than the clock.
    pub(super) fn revived(mut raw: RawAnswer, left: i64, now: Moment, limits: &Limits) -> Option<Self> {
        let most =
            if raw.end() == End::Negative { limits.max_ttl.min(limits.max_negative_ttl) } else { limits.max_ttl };
        let lifetime = raw.lower_ttls(most).duration();
        let left = left.min(i64::try_from(lifetime.as_secs()).ok()?);
        let age = i64::try_from(lifetime.as_secs()).ok()?.checked_sub(left)?;
        let stored = now.before(Duration::from_secs(u64::try_from(age).ok()?))?;
        Some(Self::living(raw, stored, lifetime, limits))
    }

    fn living(raw: RawAnswer, stored: Moment, lifetime: Duration, limits: &Limits) -> Self {
        let dies = stored.after(lifetime);
        let is_positive = matches!(raw.end(), End::Data | End::Dangling);
        let early = (lifetime / REFRESH_SHARE).max(REFRESH_LEAST);
        // What lives too briefly is not worth it, and failures are to be had again as they come.
        let refreshes = lifetime >= REFRESH_LIFETIME && !matches!(raw.end(), End::Failed(_));
        Self {
            stored,
            dies,
            useful_until: if is_positive { dies.after(limits.serve_stale) } else { dies },
            refresh_at: if refreshes {
                stored.after(lifetime.saturating_sub(early))
            } else {
                Moment::from_millis(u64::MAX)
            },
            refreshing: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            asked: AtomicU8::new(0),
            plain: AtomicU64::new(0),
            raw,
        }
    }

    /// The same as what a cache keeps under a key.
    pub(super) fn of(self, key: &Key) -> Self {
        Self { raw: self.raw.under(key), ..self }
    }

    /// The octets of its key; none for an entry that no cache keeps.
    pub(super) fn key(&self) -> &[u8] {
        self.raw.key()
    }

    /// Whether the cache keeps it no more.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(super) fn set_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// How often it was asked of late, [`MAX_ASKED`] at most.
    pub(super) fn asked(&self) -> u8 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn set_asked(&self, asked: u8) {
        self.asked.store(asked, Ordering::Relaxed);
    }

    /// Counts one question more. What is asked often is only read: its line stays with every worker.
    #[inline]
    pub(super) fn ask(&self) {
        let asked = self.asked();
        if asked < MAX_ASKED {
            self.set_asked(asked + 1);
        }
    }

    /// An exchange that brought nothing.
    pub fn failed(failure: Failure, now: Moment) -> Self {
        Self::new(RawAnswer::failed(failure), now, &Limits::default())
    }

    /// The answer.
    pub fn raw(&self) -> &RawAnswer {
        &self.raw
    }

    /// Whether it has a second left (R32). A failure lives as long as it is remembered.
    pub fn is_live(&self, now: Moment) -> bool {
        let left = self.dies.millis().saturating_sub(now.millis());
        left >= 1_000 || left > 0 && matches!(self.raw.end(), End::Failed(_))
    }

    /// Whether it is past its life and may serve in place of a failure (R33). Positive answers only: a stale NXDOMAIN is
    /// final for Windows.
    pub fn is_stale(&self, now: Moment) -> bool {
        matches!(self.raw.end(), End::Data | End::Dangling) && !self.is_live(now) && now < self.useful_until
    }

    /// Whether it may serve at all.
    pub(super) fn is_of_use(&self, now: Moment) -> bool {
        now < self.useful_until
    }

    /// Whether its end is near and nobody has it fetched anew yet. The caller has then taken that upon itself.
    pub fn take_refresh(&self, now: Moment) -> bool {
        now >= self.refresh_at && now < self.dies && !self.refreshing.swap(true, Ordering::Relaxed)
    }

    /// Octets in memory.
    pub fn octets(&self) -> u64 {
        (size_of::<Self>() + 2 * size_of::<usize>() + self.raw.heap_octets()) as u64
    }

    /// Whether it is a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self.raw.end(), End::Failed(_))
    }

    /// Whole seconds since it was had.
    pub fn age(&self, now: Moment) -> u32 {
        u32::try_from(now.millis().saturating_sub(self.stored.millis()) / 1_000).unwrap_or(u32::MAX)
    }

    /// Whole seconds that it has left, or has been past its end.
    pub(super) fn seconds_left(&self, now: Moment) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        if now < self.dies { seconds(self.dies.since(now)) } else { -1 - seconds(now.since(self.dies)) }
    }

    /// How long it lives from `now`.
    pub fn left(&self, now: Moment) -> Duration {
        self.dies.since(now)
    }

    /// Whether no view of the snapshot `generation` shapes this answer; `judge` is asked once a generation (R4).
    pub fn is_plain(&self, generation: u64, judge: impl FnOnce(&RawAnswer) -> bool) -> bool {
        let known = self.plain.load(Ordering::Relaxed);
        if known >> 1 == generation && generation != 0 {
            return known & 1 == 1;
        }
        let plain = judge(&self.raw);
        // Two threads may judge at once; both write the same. A thread of an older snapshot only costs a judgement.
        self.plain.store(generation << 1 | u64::from(plain), Ordering::Relaxed);
        plain
    }
}
