//! Owned data: zones, endpoints and what AVD's names mean. Immutable once built; shared between views.
//!
//! A [`Zone`] answers for the names at and below its apex by RFC 1034 §4.3.2 and RFC 4592; an [`Endpoint`] is a
//! private endpoint's records. Neither knows a view, a client or an upstream.

mod addresses;
pub mod avd;
mod endpoint;
pub mod master;
mod nodes;
pub mod reverse;
mod soa;
mod store;
mod text;

pub use addresses::ByAddress;
pub(crate) use endpoint::address_of;
pub use endpoint::{Endpoint, EndpointRecord, State};
pub use nodes::Node;
pub use soa::{negative_soa, synthetic_soa};
pub use store::{Fault, Match, Missing, Zone, ZoneBuilder};
pub use text::{printable, rdata_text};

use std::fmt;
use std::sync::Arc;

/// Where in the operator's files something was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl Origin {
    /// A place in a file.
    pub fn new(file: &str, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
