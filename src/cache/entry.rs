//! An [`Entry`]: a raw answer, when it was had, and whether any view of the present snapshot shapes it (R4).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::wire::{End, Failure, Moment, RawAnswer, Ttl};

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

/// A raw answer as it is held.
#[derive(Debug)]
pub struct Entry {
    raw: RawAnswer,
    stored: Moment,
    dies: Moment,
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
        Self { raw, stored: now, dies: now.after(lifetime), plain: AtomicU64::new(0) }
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
        let left = self.dies.since(now);
        left >= Duration::from_secs(1) || matches!(self.raw.end(), End::Failed(_)) && !left.is_zero()
    }

    /// Whether it is past its life and may serve in place of a failure for `serve_stale` more. Positive answers only: a
    /// stale NXDOMAIN is final for Windows.
    pub fn is_stale(&self, now: Moment, serve_stale: Duration) -> bool {
        matches!(self.raw.end(), End::Data | End::Dangling) && !self.is_live(now) && now.since(self.dies) < serve_stale
    }

    /// Whether it is a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self.raw.end(), End::Failed(_))
    }

    /// Whole seconds since it was had.
    pub fn age(&self, now: Moment) -> u32 {
        u32::try_from(now.since(self.stored).as_secs()).unwrap_or(u32::MAX)
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
