//! A fast reply allocates nothing: every kind that the core answers on the spot, counted by the allocator itself.
//!
//! A binary of its own, since the allocator counts for the whole process.
#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

#[path = "../benches/kinds/mod.rs"]
mod kinds;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use hubdns::config::{ClientDetail, QueryLevel};
use hubdns::query_log::Settings;
use hubdns::resolve::Outcome;
use kinds::{KINDS, World};

thread_local! {
    /// Allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_fast_reply_allocates_nothing() {
    let world = World::new();
    for (kind, name, inside) in KINDS {
        let (message, client) = World::question(name, inside);
        let mut out = [0; 1_232];
        // The core alone, and with what a worker counts.
        for serves in [false, true] {
            let mut ask = || match serves {
                false => world.ask(&message, &client, &mut out),
                true => world.serve(&message, &client, &mut out),
            };
            // The first answer judges the entry for this snapshot, and builds what is built once.
            ask();
            let before = ALLOCATIONS.with(Cell::get);
            for _ in 0..1_000 {
                let outcome = ask();
                assert!(matches!(outcome, Outcome::Reply(_)) || kind == "miss", "{kind}: {outcome:?}");
            }
            // A miss is no reply yet: the key that it needs is boxed.
            let owed = if kind == "miss" { 1_000 } else { 0 };
            assert_eq!(ALLOCATIONS.with(Cell::get) - before, owed, "{kind}, served: {serves}");
        }
    }
    // Every query logged.
    let file = Some("/dev/null".into());
    world.log(&Settings { queries: QueryLevel::All, sample: 1, clients: ClientDetail::Whole, file });
    for (kind, name, inside) in KINDS {
        let (message, client) = World::question(name, inside);
        let mut out = [0; 1_232];
        world.serve(&message, &client, &mut out);
        let before = ALLOCATIONS.with(Cell::get);
        for _ in 0..5_000 {
            world.serve(&message, &client, &mut out);
        }
        let owed = if kind == "miss" { 5_000 } else { 0 };
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, owed, "{kind}, logged");
    }
    let boxed = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.with(Cell::get) - boxed, 1, "the allocator counts");
}
