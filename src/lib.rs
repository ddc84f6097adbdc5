//! hubdns: a private DNS resolver for Azure Virtual Desktop over Private Link.
//!
//! The modules stand in floor order; a floor uses lower floors only (docs/ARCHITECTURE.md).

pub mod metrics;
pub mod wire;
pub mod config;
pub mod azure;
pub mod cache;
pub mod zone;
pub mod upstream;
pub mod view;
pub mod load;
pub mod resolve;
pub mod explain;
pub mod server;
pub mod demo;
pub mod cli;
