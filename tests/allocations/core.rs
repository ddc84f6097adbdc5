//! Every kind that the core answers on the spot, with what a worker counts and logs.

use hubdns::config::{ClientDetail, QueryLevel};
use hubdns::query_log::Settings;
use hubdns::resolve::Outcome;

use crate::counting;
use crate::kinds::{KINDS, World};

#[test]
fn a_fast_reply_allocates_nothing() {
    let world = World::new();
    for kind in KINDS {
        let (message, client) = kind.question();
        let mut out = [0; 1_232];
        // The core alone, and with what a worker counts.
        for serves in [false, true] {
            let mut ask = || match serves {
                false => world.ask(&message, &client, &mut out),
                true => world.serve(&message, &client, &mut out),
            };
            // The first answer judges the entry for this snapshot, and builds what is built once.
            ask();
            let before = counting::by_this_thread();
            for _ in 0..1_000 {
                let outcome = ask();
                assert!(matches!(outcome, Outcome::Reply(_)) || kind.is_miss(), "{}: {outcome:?}", kind.name);
            }
            // A miss is no reply yet: the key that it needs is boxed.
            let owed = if kind.is_miss() { 1_000 } else { 0 };
            assert_eq!(counting::by_this_thread() - before, owed, "{}, served: {serves}", kind.name);
        }
    }
    // Every query logged.
    let file = Some("/dev/null".into());
    world.log(&Settings { queries: QueryLevel::All, sample: 1, clients: ClientDetail::Whole, file });
    for kind in KINDS {
        let (message, client) = kind.question();
        let mut out = [0; 1_232];
        world.serve(&message, &client, &mut out);
        let before = counting::by_this_thread();
        for _ in 0..5_000 {
            world.serve(&message, &client, &mut out);
        }
        let owed = if kind.is_miss() { 5_000 } else { 0 };
        assert_eq!(counting::by_this_thread() - before, owed, "{}, logged", kind.name);
    }
    let boxed = counting::by_this_thread();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(counting::by_this_thread() - boxed, 1, "the allocator counts");
}
