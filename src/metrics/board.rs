//! All counters of a process in one place: who writes registers here, who reads sums.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Counters;
use super::labels::{GONE, Labels, ViewId};
use super::tally::{Published, Tally};

/// The counters of all writers.
#[derive(Debug, Default)]
pub struct Board {
    /// The event loops' counters, then those of streams.
    counters: Mutex<Vec<(Arc<Counters>, bool)>>,
    tallies: Mutex<Vec<Arc<Published>>>,
    views: Mutex<Views>,
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

/// The views of the newest snapshot by name.
#[derive(Debug, Default)]
struct Views {
    generation: u64,
    last: ViewId,
    ids: HashMap<Arc<str>, ViewId>,
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

    /// Gives a writer the numbers of a snapshot's views, in the snapshot's order.
    #[cold]
    pub fn renew<'n>(&self, tally: &mut Tally, generation: u64, names: impl Iterator<Item = &'n Arc<str>> + Clone) {
        let mut views = lock(&self.views);
        if generation > views.generation {
            let old = std::mem::take(&mut views.ids);
            for name in names.clone() {
                let id = old.get(name).copied().unwrap_or_else(|| {
                    views.last += 1;
                    views.last
                });
                views.ids.insert(Arc::clone(name), id);
            }
            views.generation = generation;
        }
        let own = names.map(|name| views.ids.get(name).copied().unwrap_or(GONE)).collect();
        let current: HashSet<ViewId> = views.ids.values().copied().collect();
        tally.renew(generation, own, |view| view != 0 && !current.contains(&view));
    }

    /// The names of the views by number.
    pub fn views(&self) -> HashMap<ViewId, Arc<str>> {
        lock(&self.views).ids.iter().map(|(name, id)| (*id, Arc::clone(name))).collect()
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

    /// The sums of all tables.
    pub fn tallied(&self) -> BTreeMap<Labels, u64> {
        let mut sums = BTreeMap::new();
        for published in lock(&self.tallies).iter() {
            published.for_each(|labels, count| *sums.entry(labels).or_default() += count);
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
    use super::super::labels::{Carrier, Process, Source};
    use super::*;

    #[test]
    fn a_view_keeps_its_number_over_reloads_and_readers_sum() {
        let board = Board::default();
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let ((one, mut first), (two, mut second)) = (board.event_loop(), board.streams());
        for tally in [&mut first, &mut second] {
            board.renew(tally, 1, names(&["a", "b"]).iter());
            let labels = Labels::query(tally.view(1), Carrier::Udp, Process::Other, 1, 0, Source::Local);
            tally.add(labels, 2);
        }
        one.queries.add(3);
        two.queries.add(4);
        board.renew(&mut first, 2, names(&["b", "c"]).iter());
        let of_b = first.view(0);
        assert_eq!(board.views()[&of_b].as_ref(), "b");
        assert_eq!(
            board.tallied().into_iter().map(|(labels, sum)| (labels.view(), sum)).collect::<Vec<_>>(),
            [(of_b, 4)]
        );
        assert!(board.sums().contains(&("queries", 7)));
        one.turns.increment();
        assert_eq!(board.turns(), [1, 0], "one event loop, and the general path");
        // A pass on an older snapshot counts views that are still there, and drops the rest.
        board.renew(&mut second, 1, names(&["a", "b"]).iter());
        assert_eq!((second.view(0), second.view(1)), (GONE, of_b));
    }
}
