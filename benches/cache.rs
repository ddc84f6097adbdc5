//! The layer `cache`: look-ups and inserts by key, with room and without; what a worker finds near and what it finds far,
//! alone and while another worker asks for the same names.

mod kinds;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubdns::cache::{Cache, Limits, Near};
use hubdns::resolve::{Nearby, Raw};
use hubdns::wire::{Key, RawAnswer, RouteId};
use kinds::{FILLED, NOW, fetched};

/// Names: all fit into the large cache, a tenth at most into the small one.
const NAMES: usize = 20_000;
const LARGE: u64 = 1 << 26;
const SMALL: u64 = 1 << 19;
/// Names that workers ask for all the time.
const HOT: usize = 1_000;

fn caches(criterion: &mut Criterion) {
    let answers: Vec<(Key, RawAnswer)> =
        (0..NAMES).map(|number| fetched(RouteId(1), &format!("n{number}.fwd.example"), None)).collect();
    let filled = |octets| {
        let cache = Cache::new(octets, Limits::default());
        for (key, raw) in &answers {
            cache.insert(key, raw.clone(), FILLED);
        }
        cache
    };
    let (large, small) = (filled(LARGE), filled(SMALL));
    assert_eq!((large.len(), large.evictions()), (NAMES, 0), "all fit");
    assert!(small.len() < NAMES / 10, "few fit");

    let mut group = criterion.benchmark_group("cache");
    let mut turn = answers.iter().cycle();
    let mut next = || turn.next().expect("there are names");
    group.bench_function("hit", |bencher| {
        bencher.iter(|| large.look_up(black_box(&next().0), NOW).expect("it is held"));
    });
    let (never, _) = fetched(RouteId(1), "never.fwd.example", None);
    group.bench_function("miss", |bencher| bencher.iter(|| large.look_up(black_box(&never), NOW)));
    for (name, cache) in [("insert", &large), ("eviction", &small)] {
        let before = cache.evictions();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| next().clone(), |(key, raw)| cache.insert(&key, raw, NOW), BatchSize::SmallInput);
        });
        assert!(name == "eviction" || cache.evictions() == before, "{name}");
    }
    group.finish();
    hot_names(criterion, &large, &answers);
}

/// Asks for the hot ones of `answers` in no order.
fn hot_names(criterion: &mut Criterion, cache: &Cache, answers: &[(Key, RawAnswer)]) {
    // A step that is prime to their number visits all of them.
    let hot: Vec<Key> = (0..HOT).map(|index| answers[index * 619 % HOT].0).collect();
    let mut group = criterion.benchmark_group("cache, hot names");
    let ways: [(&str, Ask); 2] =
        [("far", |worker, cache, key| worker.asks_far(cache, key)), ("near", Worker::asks_near)];
    for (way, ask) in ways {
        for others in [0, 1] {
            let ends = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..others {
                    scope.spawn(|| {
                        let mut worker = Worker::default();
                        for key in hot.iter().rev().cycle().take_while(|_| !ends.load(Ordering::Relaxed)) {
                            assert!(ask(&mut worker, cache, key));
                        }
                    });
                }
                let mut worker = Worker::default();
                let mut turn = hot.iter().cycle();
                group.bench_function(format!("{way}, beside {others} more"), |bencher| {
                    bencher.iter(|| assert!(ask(&mut worker, cache, black_box(turn.next().expect("there are names")))));
                });
                ends.store(true, Ordering::Relaxed);
            });
        }
    }
    group.finish();
}

/// Looks a key up; whether it was found.
type Ask = fn(&mut Worker, &Cache, &Key) -> bool;

#[derive(Default)]
struct Worker(Near);

impl Worker {
    fn asks_far(&self, cache: &Cache, key: &Key) -> bool {
        cache.look_up(key, NOW).is_some_and(|entry| entry.raw().answers() > 0)
    }

    fn asks_near(&mut self, cache: &Cache, key: &Key) -> bool {
        let raw = Nearby::new(cache, &self.0);
        let is_held = Raw::look_up(&raw, key, NOW).is_some_and(|held| held.entry.raw().answers() > 0);
        if let Some(found) = raw.found() {
            self.0.keep(found);
        }
        is_held
    }
}

criterion_group!(benches, caches);
criterion_main!(benches);
