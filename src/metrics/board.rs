//! All counters of a process in one place: who writes registers here, who reads sums.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Counters;
use super::labels::{Labels, NO_VIEW};
use super::tally::{Published, Tally};

/// The counters of all writers.
#[derive(Debug, Default)]
pub struct Board {
    /// The event loops' counters, then those of streams.
    counters: Mutex<Vec<(Arc<Counters>, bool)>>,
    tallies: Mutex<Vec<Arc<Published>>>,
    sockets: Mutex<Vec<(SocketAddr, Weak<SocketFigures>)>>,
    /// Turns of the general path: it steps once a second at least.
    pub general_turns: AtomicU64,
}

/// What the kernel says of one worker's socket.
#[derive(Debug, Default)]
pub struct SocketFigures {
    /// Datagrams dropped since the socket was full.
    pub overflows: AtomicU64,
    /// Its receive buffer in octets, as granted.
    pub buffer_octets: AtomicU64,
}

/// The same of all workers' sockets of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketSums {
    /// Datagrams dropped.
    pub overflows: u64,
    /// The least receive buffer in octets.
    pub buffer_octets: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// The counters and the table of a new event loop, which has to step `turns` once a second at least.
    pub fn event_loop(&self) -> (Arc<Counters>, Tally) {
        self.writer(true)
    }

    /// The counters and the table of a writer that is no event loop.
    pub fn streams(&self) -> (Arc<Counters>, Tally) {
        self.writer(false)
    }

    fn writer(&self, has_turns: bool) -> (Arc<Counters>, Tally) {
        let counters = Arc::new(Counters::default());
        let (tally, published) = Tally::new();
        lock(&self.counters).push((Arc::clone(&counters), has_turns));
        lock(&self.tallies).push(published);
        (counters, tally)
    }

    /// The figures of a new socket of a listener; they are gone when the socket's owner drops them.
    pub fn socket(&self, listener: SocketAddr) -> Arc<SocketFigures> {
        let figures = Arc::new(SocketFigures::default());
        let mut sockets = lock(&self.sockets);
        sockets.retain(|(_, figures)| figures.strong_count() > 0);
        sockets.push((listener, Arc::downgrade(&figures)));
        figures
    }

    /// What the kernel says of each listener's sockets.
    pub fn sockets(&self) -> BTreeMap<SocketAddr, SocketSums> {
        let mut sums: BTreeMap<SocketAddr, SocketSums> = BTreeMap::new();
        for (listener, figures) in lock(&self.sockets).iter() {
            let Some(figures) = figures.upgrade() else { continue };
            let sum = sums.entry(*listener).or_insert(SocketSums { overflows: 0, buffer_octets: u64::MAX });
            sum.overflows += figures.overflows.load(Relaxed);
            sum.buffer_octets = sum.buffer_octets.min(figures.buffer_octets.load(Relaxed));
        }
        sums
    }

    /// The sums of all tables by the view's name, which is empty where there is none; the label sets are without views.
    pub fn tallied(&self) -> BTreeMap<(Arc<str>, Labels), u64> {
        let mut sums = BTreeMap::new();
        for published in lock(&self.tallies).iter() {
            published.for_each(|name, labels, count| {
                *sums.entry((Arc::clone(name), labels.in_view(NO_VIEW))).or_default() += count;
            });
        }
        sums
    }

    /// The sum of each counter, in a fixed order.
    pub fn sums(&self) -> Vec<(&'static str, u64)> {
        let mut sums: Vec<(&'static str, u64)> = Counters::default().values().collect();
        for (counters, _) in lock(&self.counters).iter() {
            for (sum, (_, value)) in sums.iter_mut().zip(counters.values()) {
                sum.1 += value;
            }
        }
        sums
    }

    /// The turns of each event loop, and of the general path behind them.
    pub fn turns(&self) -> Vec<u64> {
        let counters = lock(&self.counters);
        let loops = counters.iter().filter(|(_, has_turns)| *has_turns).map(|(counters, _)| counters.turns.get());
        loops.chain([self.general_turns.load(Relaxed)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::{Carrier, Origin};
    use super::*;

    #[test]
    fn readers_sum_what_all_writers_count() {
        let board = Board::default();
        let ((one, mut first), (two, mut second)) = (board.event_loop(), board.streams());
        // They may have seen different snapshots.
        for (tally, generation, names) in [(&mut first, 1, ["a", "b"]), (&mut second, 2, ["c", "a"])] {
            let names = names.map(Arc::from);
            tally.follow(generation, names.iter());
            let at = names.iter().position(|name| &**name == "a").unwrap() as u32;
            tally.add(Labels::query(at, Carrier::Udp, Origin::START, 1, 0), generation);
        }
        one.late.add(3);
        two.late.add(4);
        one.turns.increment();
        let own = Labels::query(NO_VIEW, Carrier::Udp, Origin::START, 1, 0);
        assert_eq!(board.tallied(), BTreeMap::from([(("a".into(), own), 3)]));
        assert!(board.sums().contains(&("late", 7)));
        assert_eq!(board.turns(), [1, 0], "one event loop, and the general path");
    }

    #[test]
    fn the_figures_of_sockets_are_summed_by_listener_and_go_with_their_sockets() {
        let board = Board::default();
        let listener = "127.0.0.1:53".parse().unwrap();
        let [one, two] = [board.socket(listener), board.socket(listener)];
        one.overflows.store(3, Relaxed);
        one.buffer_octets.store(9, Relaxed);
        two.overflows.store(4, Relaxed);
        two.buffer_octets.store(8, Relaxed);
        assert_eq!(board.sockets(), BTreeMap::from([(listener, SocketSums { overflows: 7, buffer_octets: 8 })]));
        drop((one, two));
        assert!(board.sockets().is_empty());
    }
}
