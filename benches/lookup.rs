//! The layer `lookup`: a client's view, and what a name is in it, by kind of answer. No message is read or written.

mod kinds;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hubdns::wire::WireName;
use kinds::{KINDS, World};

fn look_ups(criterion: &mut Criterion) {
    let World { snapshot, .. } = &World::new();
    let mut group = criterion.benchmark_group("lookup");
    for (name, inside) in [("view", true), ("no view", false)] {
        let kind = KINDS.iter().find(|kind| kind.inside == inside).expect("a kind");
        let (_, client) = kind.question();
        group.bench_function(name, |bencher| {
            bencher.iter(|| snapshot.select(black_box(client.address()), client.local()).map(|(view, _)| &view.name));
        });
    }
    // Those that come to the question what a name is.
    for kind in KINDS.iter().filter(|kind| kind.inside && kind.is_whole()) {
        let name = WireName::from_presentation(kind.qname).expect("a name");
        let view = &snapshot.views[0];
        group.bench_function(kind.name, |bencher| {
            bencher.iter(|| snapshot.look_up(view, black_box(name.as_ref()), kind.qtype.into()));
        });
    }
    group.finish();
}

criterion_group!(benches, look_ups);
criterion_main!(benches);
