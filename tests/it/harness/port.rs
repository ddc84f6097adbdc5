//! Free ports for the server, below the range from which the system draws ephemeral ones, so that no client's or
//! upstream's socket takes one between the test of it and its use.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port handed out and the count of ports to turn through.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// How many were handed out by this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on which nothing listens over UDP or TCP, on any local address.
///
/// # Panics
/// When none of the range is free.
pub(crate) fn free() -> u16 {
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(97) + step) % COUNT;
        let port = u16::try_from(port).expect("the range lies below 65536");
        if TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
