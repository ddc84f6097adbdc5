//! What it takes to listen below port 1024 without being root: CAP_NET_BIND_SERVICE, for the moment of the bind alone.
//!
//! Linux keeps capabilities by thread, and a new thread starts with its maker's. [`renounce`] runs while there is one
//! thread, so all later ones hold what it leaves: nothing effective, and this one capability permitted where the process
//! was started with it. [`with_bind_service`] raises it on a thread of its own, which ends behind the bind.

use std::io;
use std::panic::resume_unwind;
use std::thread;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Gives every capability up but the right to bind low ports, and that one until it is raised. To be called while the
/// process has one thread.
///
/// # Errors
/// When the kernel, or a filter before it, does not let a thread change its capabilities.
pub fn renounce() -> io::Result<()> {
    let permitted = capabilities(None)?.permitted & CapabilitySet::NET_BIND_SERVICE;
    // What is not inheritable is not ambient either (capabilities(7)).
    let kept = CapabilitySets { effective: CapabilitySet::empty(), permitted, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, kept)?)
}

/// Runs `bind` on a thread of its own that may bind low ports, where the process may at all. Waits for its end.
///
/// # Errors
/// When the thread cannot be had.
pub fn with_bind_service<T: Send>(bind: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let binder = thread::Builder::new().name("binder".to_owned()).spawn_scoped(scope, || {
            let _raised = Raised::new();
            bind()
        })?;
        Ok(binder.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// The capability while it is effective on this thread.
struct Raised {
    before: CapabilitySets,
}

impl Raised {
    /// None where it is not permitted, or effective already: the bind itself tells whether it was needed.
    fn new() -> Option<Self> {
        let before = capabilities(None).ok()?;
        let wanted = CapabilitySet::NET_BIND_SERVICE;
        if before.effective.contains(wanted) || !before.permitted.contains(wanted) {
            return None;
        }
        set_capabilities(None, CapabilitySets { effective: before.effective | wanted, ..before }).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        // Lowering what is one's own cannot be denied, and the thread is at its end.
        let _ = set_capabilities(None, self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This thread's, for tests that may run with or without any.
    fn own() -> CapabilitySets {
        capabilities(None).unwrap()
    }

    #[test]
    fn a_thread_that_renounces_keeps_the_right_to_bind_unused_and_its_binder_has_it() {
        let permitted = own().permitted & CapabilitySet::NET_BIND_SERVICE;
        // Not on the test's own thread: what is given up there stays given up.
        let (after, binder, later) = thread::spawn(|| {
            renounce().unwrap();
            (own(), with_bind_service(own).unwrap(), own())
        })
        .join()
        .unwrap();
        assert_eq!((after.effective, after.permitted), (CapabilitySet::empty(), permitted));
        assert_eq!(after.inheritable, CapabilitySet::empty());
        assert_eq!((binder.effective, binder.permitted), (permitted, permitted));
        assert_eq!(later, after);
    }

    #[test]
    fn what_the_binder_brings_or_panics_with_comes_back() {
        assert_eq!(with_bind_service(|| 7).unwrap(), 7);
        let panicked = std::panic::catch_unwind(|| with_bind_service(|| panic!("bound too far")));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"bound too far"));
    }
}
