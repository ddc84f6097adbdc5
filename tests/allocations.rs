//! A fast reply allocates nothing: every kind that the core answers on the spot, counted by the allocator itself. And what
//! many views hold, in octets that were allocated and not given back.
//!
//! A binary of its own, since the allocator counts for the whole process.
#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

#[path = "../benches/kinds/mod.rs"]
mod kinds;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

use hubdns::config::{ClientDetail, QueryLevel};
use hubdns::load;
use hubdns::query_log::Settings;
use hubdns::resolve::Outcome;
use hubdns::view::Snapshot;
use kinds::{KINDS, World};

thread_local! {
    /// Allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Octets that this thread allocated, without those that it gave back.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        HELD.with(|held| held.set(held.get() + layout.size() as i64));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get() - layout.size() as i64));
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

/// Views of a zone each, or all of one zone; each zone has so many names.
fn views(count: usize, zones: usize, names: usize) -> String {
    let mut text =
        "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.2\"]\n"
            .to_owned();
    for zone in 0..zones {
        let records = (0..names).map(|name| format!("\"h{name}\" = [\"10.{}.{}.4\"]", name / 256 % 256, name % 256));
        let records = records.collect::<Vec<_>>().join(", ");
        write!(text, "[[zone]]\nname = \"z{zone}\"\napex = \"z{zone}.example\"\nrecords = {{ {records} }}\n").unwrap();
    }
    for view in 0..count {
        let (net, zone) = (format!("10.{}.{}.0/24", view / 256, view % 256), view % zones);
        write!(text, "[[view]]\nname = \"view-{view}\"\nnetworks = [\"{net}\"]\nzones = [\"z{zone}\"]\n").unwrap();
    }
    text
}

/// Octets that a configuration holds once it is loaded: its snapshot, and the plan that is kept beside it.
fn held(text: &str) -> i64 {
    let before = HELD.with(Cell::get);
    let (config, plan, _) = load::from_text("hub.toml", text).into_parts().expect("a sound file");
    let snapshot = Snapshot::build(plan.clone());
    let held = HELD.with(Cell::get) - before;
    drop((config, plan, snapshot));
    assert!(HELD.with(Cell::get) - before < 4_096, "all of it is given back");
    held
}

#[test]
fn a_view_that_shares_its_zone_costs_little() {
    held(&views(1, 1, 10));
    let (one, many) = (held(&views(1, 1, 1_000)), held(&views(1_000, 1, 1_000)));
    let each = (many - one) / 999;
    assert!((100..1_024).contains(&each), "{each} octets a view");
}

#[test]
fn views_with_names_of_their_own_hold_hardly_more_than_one_view_with_all_names() {
    let empty = held(&views(1, 1, 1));
    let (one, many) = (held(&views(1, 1, 20_000)) - empty, held(&views(200, 200, 100)) - empty);
    assert!(one > 20_000 * 40, "{one} octets: names are counted");
    assert!(many * 5 <= one * 6, "{many} octets in place of {one}");
}
