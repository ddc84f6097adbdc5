//! Counters as data: each worker writes its own, whoever wants a figure sums them. No exporter here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares the counters once: the fields, their names and the sum.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One writer's counters. Readers may be any thread.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
        }

        impl Counters {
            /// (name, value) of every counter, in a fixed order.
            pub fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages received.
    queries,
    /// Replies sent.
    replies,
    /// Messages that no reply is owed to (R6).
    discards,
    /// Malformed queries (FORMERR).
    malformed,
    /// Queries of clients in no view (REFUSED).
    no_view,
    /// Queries that needed an upstream's answer.
    misses,
    /// Cached answers fetched anew before their end, those that are kept warm among them.
    refreshes,
    /// Stale answers used in place of a failure (R33).
    stale,
    /// Queries that met a full queue of ours.
    full,
    /// Queries whose deadline came before their answer.
    late,
    /// Answers withheld by the guard (R25).
    guard_withheld,
    /// Answers that a watching guard would have withheld.
    guard_watched,
    /// Names that share a resource's GUID and passed (R25).
    guard_mates,
    /// Records that lost their hints.
    hints_removed,
    /// AVD names of resources that are neither here nor known (R18).
    avd_foreign,
    /// NXDOMAIN turned into NODATA above an owned name (R19).
    ancestors,
    /// Replies with TC.
    truncated,
    /// Datagrams that a socket did not take.
    unsent,
    /// Panics in a query, answered with SERVFAIL.
    panics,
}

/// A counter with one writer: an increment is a load and a store, not a locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `more`; only the owner may.
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Adds one; only the owner may.
    pub fn increment(&self) {
        self.add(1);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
