//! Bytes in, bytes out: the core alone, without a socket. One figure a kind of answer.

mod kinds;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hubdns::resolve::Outcome;
use kinds::{KINDS, World};

fn answers(criterion: &mut Criterion) {
    let world = World::new();
    let mut group = criterion.benchmark_group("answer");
    for (kind, name, inside) in KINDS {
        let (message, client) = World::question(name, inside);
        let mut out = [0; 1_232];
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                let outcome = world.ask(black_box(&message), &client, &mut out);
                assert!(matches!(outcome, Outcome::Reply(_)) || kind == "miss");
                outcome
            });
        });
    }
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
