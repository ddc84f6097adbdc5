//! The system's allocator, counting: by thread, and for all of a server's workers together.
#![allow(unsafe_code, reason = "an allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

thread_local! {
    /// Allocations of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Octets that this thread allocated, without those that it gave back.
    static HELD: Cell<i64> = const { Cell::new(0) };
    /// Whether this thread is a worker, once that was asked.
    static IS_WORKER: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether the workers are watched, and what they allocated meanwhile.
static WATCHED: AtomicBool = AtomicBool::new(false);
static BY_WORKERS: AtomicU64 = AtomicU64::new(0);

/// Allocations of the caller's thread so far.
pub(crate) fn by_this_thread() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Octets that the caller's thread holds.
pub(crate) fn held() -> i64 {
    HELD.with(Cell::get)
}

/// How often workers allocate while something is done. Their threads must have been at work before.
pub(crate) fn by_workers(during: impl FnOnce()) -> u64 {
    let before = BY_WORKERS.load(Relaxed);
    WATCHED.store(true, Relaxed);
    during();
    WATCHED.store(false, Relaxed);
    BY_WORKERS.load(Relaxed) - before
}

/// Whether the caller's thread is a worker, by its name. A thread has its name soon after its first allocations.
fn is_worker() -> bool {
    IS_WORKER.with(|known| {
        known.get().unwrap_or_else(|| {
            // The name is allocated too: by no worker, for the time being.
            known.set(Some(false));
            let is_worker = rustix::thread::name().is_ok_and(|name| name.to_bytes().starts_with(b"worker-"));
            known.set(Some(is_worker));
            is_worker
        })
    })
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        HELD.with(|held| held.set(held.get() + layout.size() as i64));
        if WATCHED.load(Relaxed) && is_worker() {
            BY_WORKERS.fetch_add(1, Relaxed);
        }
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
