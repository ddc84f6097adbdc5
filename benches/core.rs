//! The layer `core`: bytes in, bytes out, without a socket. `resolve::answer` alone, and with what a worker counts; one
//! figure a kind of answer.

mod kinds;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hubdns::resolve::{Client, Outcome};
use kinds::{KINDS, World};

fn answers(criterion: &mut Criterion) {
    measure(criterion, "core", World::ask);
    measure(criterion, "core, counted", World::serve);
}

type Ask = fn(&World, &[u8], &Client, &mut [u8]) -> Outcome;

fn measure(criterion: &mut Criterion, name: &str, ask: Ask) {
    let world = World::new();
    let mut group = criterion.benchmark_group(name);
    for kind in KINDS {
        let (message, client) = kind.question();
        let mut out = [0; 1_232];
        group.bench_function(kind.name, |bencher| {
            bencher.iter(|| {
                let outcome = ask(&world, black_box(&message), &client, &mut out);
                assert!(matches!(outcome, Outcome::Reply(_)) || kind.is_miss());
                outcome
            });
        });
    }
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
