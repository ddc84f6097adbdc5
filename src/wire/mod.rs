//! Bytes: DNS messages in wire form (RFC 1035 §4), read and written without a clock, a socket or a setting.
//!
//! Every function here takes octets that a peer chose, so every read is checked, every loop over a message has a
//! bound, and nothing panics. Names are parsed once into [`WireName`] or [`Name`]; the rest of the program compares
//! those. Called by every floor above.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "tests may fail loudly"
    )
)]

mod cookie;
mod edns;
mod encode;
mod header;
mod key;
mod name;
mod normalise;
mod query;
mod raw;
mod record;
mod template;
mod ttl;
mod types;

pub use cookie::{CLIENT_COOKIE_OCTETS, Cookie, reply_cookie};
pub use edns::{Ede, Edns};
pub use encode::{Full, Mark, Writer};
pub use header::{Header, flags, rcode};
pub use key::{Key, RouteId};
pub use name::{Labels, MAX_NAME_OCTETS, Name, NameRef, Suffixes, WireName};
pub use query::{Query, Question};
pub use raw::{End, Failure, RawAnswer, Step};
pub use record::{Record, Records, name_at, skip_name};
pub use template::Template;
pub use ttl::{Age, Moment, Ttl};
pub(crate) use types::layout;
pub use types::{RecordType, rtype};

/// Octets of a message header (RFC 1035 §4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// The class Internet (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;
/// Most aliases in one finished answer (R21).
pub const MAX_ALIASES: usize = 16;

/// What is wrong with octets that should have been a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message ends before what it announces.
    #[error("the message ends early")]
    Short,
    /// A label longer than 63 octets, or of a reserved type (RFC 1035 §2.3.4, RFC 6891 §5).
    #[error("a label is too long or of a reserved type")]
    Label,
    /// A name of more than 255 octets (RFC 1035 §2.3.4).
    #[error("a name is longer than 255 octets")]
    LongName,
    /// A compression pointer that does not point strictly backwards, or too many of them (RFC 9267 §2).
    #[error("a compression pointer does not point backwards")]
    Pointer,
    /// QDCOUNT is not one (RFC 9619).
    #[error("not exactly one question")]
    QuestionCount,
    /// A second OPT record, or one whose owner is not the root or outside the additional section (RFC 6891 §6.1.1).
    #[error("a misplaced OPT record")]
    Opt,
    /// Octets after the last record.
    #[error("octets after the last record")]
    Trailing,
    /// RDATA that does not fit its type.
    #[error("malformed RDATA")]
    Rdata,
}

impl Error {
    /// A fixed word for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Label => "label",
            Self::LongName => "long-name",
            Self::Pointer => "pointer",
            Self::QuestionCount => "question-count",
            Self::Opt => "opt",
            Self::Trailing => "trailing",
            Self::Rdata => "rdata",
        }
    }
}

/// The 16-bit number at `at` (network order).
#[inline]
pub fn u16_at(message: &[u8], at: usize) -> Result<u16, Error> {
    let octets = message.get(at..at.saturating_add(2)).ok_or(Error::Short)?;
    Ok(u16::from_be_bytes(octets.try_into().map_err(|_| Error::Short)?))
}

/// The 32-bit number at `at` (network order).
#[inline]
pub fn u32_at(message: &[u8], at: usize) -> Result<u32, Error> {
    let octets = message.get(at..at.saturating_add(4)).ok_or(Error::Short)?;
    Ok(u32::from_be_bytes(octets.try_into().map_err(|_| Error::Short)?))
}

/// Overwrites the octets at `at`; nothing is written where they do not fit.
#[inline]
pub fn put(message: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = message.get_mut(at..at.saturating_add(octets.len())) {
        place.copy_from_slice(octets);
    }
}

pub use encode::{opt_octets, upstream_query};
