//! hubdns: a private DNS resolver for Azure Virtual Desktop over Private Link.
//!
//! The modules stand in floor order; a floor uses lower floors only (docs/ARCHITECTURE.md).

pub mod azure;
pub mod cache;
pub mod cli;
pub mod config;
pub mod load;
pub mod metrics;
pub mod reload;
pub mod resolve;
pub mod run;
pub mod server;
pub mod upstream;
pub mod view;
pub mod wire;
pub mod zone;
