//! Network namespaces. A closure runs inside one on a thread of its own, and every socket that it opens stays there:
//! nothing of the test's traffic is in the namespace that the test was started in.

use std::fs::File;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::tools::{must, run};

/// A namespace. It goes when dropped, with all that is plugged into it.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// A new one, in which loopback works and nothing else is.
    pub(crate) fn new(word: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hubdns-{}-{}-{word}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        must("ip", &["netns", "add", &name]);
        let own = Self { name };
        own.ip(&["link", "set", "lo", "up"]);
        own
    }

    /// Runs `ip` for it.
    pub(crate) fn ip(&self, arguments: &[&str]) -> String {
        must("ip", &[&["-n", &self.name][..], arguments].concat())
    }

    /// What podman joins it by.
    pub(crate) fn network(&self) -> String {
        format!("ns:/var/run/netns/{}", self.name)
    }

    /// Runs `work` inside. Threads that it starts are inside as well.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let link = File::open(format!("/var/run/netns/{}", self.name)).expect("the namespace");
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network)).expect("it can be entered");
                work()
            });
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}
