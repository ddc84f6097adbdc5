//! The layer `cache`: look-ups and inserts by key, with room and without.

mod kinds;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hubdns::cache::{Cache, Limits};
use hubdns::wire::{Key, RawAnswer, RouteId};
use kinds::{FILLED, NOW, fetched};

/// Names: all fit into the large cache, a tenth at most into the small one.
const NAMES: usize = 20_000;
const LARGE: u64 = 1 << 26;
const SMALL: u64 = 1 << 19;

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
}

criterion_group!(benches, caches);
criterion_main!(benches);
