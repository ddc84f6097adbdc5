//! Work beside answering: on threads that yield the processor to those that answer.
//!
//! A reload of much data takes a good part of a second. On a core of its own nobody notices; where it shares one with a
//! worker, the scheduler is told which of the two is to wait.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use rustix::process::setpriority_process;

/// How nice such threads are (setpriority(2)): beside a worker that never sleeps they get about a tenth of its core, so
/// that a reload ends in any case.
const NICENESS: i32 = 10;

/// Runs `work` in the background and waits for it. Where no thread can be had it runs here.
pub fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = Mutex::new(Some(work));
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let outcome = thread::scope(|scope| {
        let start = thread::Builder::new().name("background".to_owned());
        let thread = start.spawn_scoped(scope, || {
            yields();
            take().map(|work| work())
        });
        thread.ok().and_then(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match (outcome, take()) {
        (Some(outcome), _) => outcome,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("whoever took the work has its outcome"),
    }
}

/// Frees something large in the background, without waiting.
pub fn discard<T: Send + 'static>(thing: T) {
    let start = thread::Builder::new().name("background".to_owned());
    // Where no thread can be had it is freed here.
    let _ = start.spawn(move || {
        yields();
        drop(thing);
    });
}

/// Lowers the priority of this thread, which Linux keeps by thread. To be lower is always allowed, and where a filter of
/// system calls forbids it the work is done all the same.
fn yields() {
    let _ = setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[test]
    fn work_is_done_at_a_lower_priority_and_its_outcome_comes_back() {
        let here = getpriority_process(None).unwrap();
        let mut seen = Vec::new();
        let niceness = run(|| {
            seen.push(7);
            getpriority_process(None).unwrap()
        });
        assert_eq!((niceness, seen), (here.max(NICENESS), vec![7]));
        assert_eq!(getpriority_process(None).unwrap(), here, "this thread is as it was");
    }

    #[test]
    fn a_panic_comes_back_too() {
        let panicked = std::panic::catch_unwind(|| run(|| -> u8 { panic!("of the work") }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"of the work"));
    }

    #[test]
    fn what_is_discarded_is_freed_elsewhere() {
        struct Large(std::sync::mpsc::Sender<thread::ThreadId>);
        impl Drop for Large {
            fn drop(&mut self) {
                let _ = self.0.send(thread::current().id());
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        discard(Large(sender));
        assert_ne!(receiver.recv().unwrap(), thread::current().id());
    }
}
