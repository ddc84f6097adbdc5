//! Servers behind TLS: DNS over TLS, over HTTPS and, where it is built, over QUIC.

mod trust;

#[cfg(test)]
pub(super) use trust::tests::authority;
pub use trust::{Peer, Trust, TrustError};
