//! hubdns: a private DNS resolver for Azure Virtual Desktop over Private Link.
//!
//! The modules stand in floor order; a floor uses lower floors only (docs/ARCHITECTURE.md).

// Floor 0: bytes, sockets, threads, counters, the configuration's text.
pub mod background;
pub mod config;
pub mod metrics;
pub mod socket;
pub mod wire;

// Floor 1: data and exchanges.
pub mod azure;
pub mod cache;
pub mod stub;
pub mod upstream;
pub mod zone;

// Floor 2: who sees what.
pub mod view;

// Floor 3: files to snapshots, queries to replies.
pub mod load;
pub mod resolve;

// Floor 4: why; what others have; who asked what.
pub mod explain;
pub mod import;
pub mod query_log;

// Floor 5: transports.
pub mod server;

// Floor 6: what is told of a running server over HTTP.
pub mod admin;

// Top: all of it wired together.
pub mod asker;
pub mod cli;
pub mod demo;
pub mod doctor;
pub mod reload;
pub mod run;
