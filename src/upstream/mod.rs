//! Asking upstreams: who they are, tries and failures, sockets, equal questions once (R27–R31).
//!
//! An exchange belongs to a [`crate::wire::Key`], never to a client or a view.

mod group;

pub use group::{CaseMixing, Group, Policy, Server, Transport};
