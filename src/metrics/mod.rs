//! Counters as data: each worker writes its own, whoever wants a figure sums them. No exporter here.

mod board;
mod labels;
mod tally;

pub use board::{Board, SocketFigures, SocketSums};
pub use labels::{BADVERS, Carrier, Labels, NO_VIEW, Origin, Process, Source, ViewIndex, What};
pub use tally::{BUCKETS, Tally};

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

            /// Adds what another set holds. Several threads may do so at once.
            pub fn absorb(&self, other: &Self) {
                $(self.$name.add_shared(other.$name.get());)*
            }
        }
    };
}

counters! {
    /// Turns of the event loop.
    turns,
    /// Queries that wait for an upstream at present: a gauge.
    held,
    /// Messages that no reply is owed to (R6): fewer than 12 octets,
    discarded_short,
    /// a response,
    discarded_response,
    /// from a port that answers whatever it gets.
    discarded_port,
    /// Malformed queries (FORMERR).
    malformed,
    /// Queries of clients in no view (REFUSED).
    no_view,
    /// Cached answers used.
    hits,
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
    /// Names that share a resource's GUID and passed (R25).
    guard_mates,
    /// Records that lost their hints.
    hints_removed,
    /// NXDOMAIN turned into NODATA above an owned name (R19).
    ancestors,
    /// Replies with TC.
    truncated,
    /// Datagrams that a socket did not take.
    unsent,
    /// Panics in a query, answered with SERVFAIL.
    panics,
    /// Queries missing in the query log since a ring was full,
    query_log_full,
    /// or since they could not be written.
    query_log_unwritten,
    /// Connections accepted,
    tcp_accepted,
    /// closed again,
    tcp_closed,
    /// refused since their client has too many,
    tcp_rejected,
    /// idle ones that made room.
    tcp_evicted,
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

    /// Adds `more`, also where several threads do.
    pub fn add_shared(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Relaxed);
        }
    }

    /// Sets a gauge; only the owner may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
