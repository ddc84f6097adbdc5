//! The image, built from the Dockerfile and run by podman: hardened, fed with bad input, and as the two servers of a hub
//! whose spokes, sites and upstreams are network namespaces that the test makes. README.md has how to run it.
//!
//! It is not part of `cargo test`. Where podman cannot run, every test says SKIPPED and why.

#![expect(clippy::print_stdout, reason = "figures and reasons to skip are what it is for")]

mod bad_input;
mod container;
mod expected;
mod hardened;
#[path = "../it/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the integration tests, which use all of it")]
mod harness;
mod hub;
mod image;
mod namespace;
mod operations;
mod tools;
mod world;
