//! Asking upstreams: who they are, tries and failures, sockets, equal questions once (R27–R31).
//!
//! An exchange belongs to a [`crate::wire::Key`], never to a client or a view. [`Exchanges`] is one worker's share of
//! them, driven by that worker's event loop: no task, no allocation and no lock but the one of [`Pending`] a query.
//! What is not a datagram (TCP after a truncated reply, encrypted servers) runs on tokio and comes back through a
//! [`Mailbox`].

mod case;
mod cookies;
mod datagram;
mod encrypted;
mod exchange;
mod group;
mod judge;
mod mailbox;
mod pending;
mod servers;
mod stream;

pub use encrypted::{Peer, Trust, TrustError};
pub use exchange::{Asked, Exchanges, Finished, Messages};
pub use group::{CaseMixing, Group, Policy, Server, Transport};
pub use mailbox::Mailbox;
pub use pending::{Pending, Ticket, Waiter};
pub use servers::{Health, ServerState, Servers};
pub use stream::{StreamReply, Streams};

/// UDP payload size that upstreams are offered, in octets; larger replies are not taken (DNS flag day 2020).
pub const PAYLOAD_OCTETS: usize = 1_232;
