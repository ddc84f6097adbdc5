//! A fast reply allocates nothing, counted by the allocator itself: the core alone, and a whole server over UDP; and what
//! many views hold.
//!
//! A binary of its own, since the allocator counts for the whole process.

#[path = "../../benches/kinds/mod.rs"]
mod kinds;
#[path = "../it/harness/port.rs"]
mod port;

mod core;
mod counting;
mod held;
mod served;
