//! Times that run down: TTLs of records, and the moments that they are counted from.

use std::time::Duration;

/// A time to live in seconds, at most 2^31 - 1 (RFC 2181 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ttl(u32);

impl Ttl {
    /// No time at all: the record is for this transaction only (RFC 1035 §3.2.1).
    pub const ZERO: Self = Self(0);

    /// `seconds` as an operator gave them; more than 2^31 - 1 are cut to that.
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(if seconds > i32::MAX as u32 { i32::MAX as u32 } else { seconds })
    }

    /// The 32 bits of a record; with the highest bit set they mean zero (RFC 2181 §8).
    pub const fn from_wire(bits: u32) -> Self {
        Self(if bits > i32::MAX as u32 { 0 } else { bits })
    }

    /// Seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// What is left at this age, never below zero; 30 s for a stale record (RFC 8767 §4).
    pub const fn aged(self, age: Age) -> Self {
        match age {
            Age::Seconds(seconds) => Self(self.0.saturating_sub(seconds)),
            Age::Stale => Self(30),
        }
    }

    /// The same as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// How long ago an upstream's records were had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Whole seconds; their TTLs have run down by as many.
    Seconds(u32),
    /// Longer than they may live: they serve in place of a failure (R33).
    Stale,
}

/// A point of the monotonic clock, in milliseconds since some start that all of a process shares.
///
/// The core never reads a clock: whoever calls it passes `now`, so that a test can step it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// `milliseconds` after the start.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the start.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment and `duration` more, rounded up to a millisecond.
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This moment less `duration`, rounded down to a millisecond; none before the start.
    pub fn before(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(u64::try_from(duration.as_millis()).ok()?).map(Self)
    }

    /// From `earlier` to this; zero when it is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r32_a_ttl_with_its_highest_bit_set_is_zero() {
        assert_eq!(Ttl::from_wire(0x8000_0000), Ttl::ZERO);
        assert_eq!(Ttl::from_wire(0x7fff_ffff).seconds(), 0x7fff_ffff);
        assert_eq!(Ttl::from_seconds(u32::MAX).seconds(), 0x7fff_ffff);
    }

    #[test]
    fn moments_count_whole_milliseconds_upwards() {
        let start = Moment::from_millis(5);
        assert_eq!(start.after(Duration::from_micros(1)).millis(), 6);
        assert_eq!(start.since(Moment::from_millis(9)), Duration::ZERO);
    }
}
