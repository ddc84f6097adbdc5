//! The OPT record (RFC 6891) and extended DNS errors (RFC 8914).

use super::record::Record;
use super::{Error, u16_at};

/// Most options in one OPT record that are looked at; a message with more is malformed to us.
const MAX_OPTIONS: usize = 32;
/// The option code of an extended error (RFC 8914 §2).
const OPTION_EDE: u16 = 15;

/// What an OPT record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The sender's UDP payload size in octets, as sent.
    pub payload: u16,
    /// The upper eight bits of the RCODE.
    pub extended_rcode: u8,
    /// The version; we speak 0.
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub dnssec_ok: bool,
    /// The first two extended errors of a response.
    pub errors: [Option<u16>; 2],
}

impl Edns {
    /// Reads an OPT record, options included.
    ///
    /// # Errors
    /// [`Error::Opt`] when the owner is not the root or an option does not fit.
    pub fn read(message: &[u8], record: &Record) -> Result<Self, Error> {
        if message.get(record.owner_at) != Some(&0) {
            return Err(Error::Opt);
        }
        let [extended_rcode, version, high, _] = record.ttl_bits.to_be_bytes();
        let mut edns =
            Self { payload: record.class, extended_rcode, version, dnssec_ok: high & 0x80 != 0, errors: [None; 2] };
        for option in options(message, record) {
            let (code, data) = option?;
            if code == OPTION_EDE
                && let Ok(info) = u16_at(data, 0)
                && let Some(free) = edns.errors.iter_mut().find(|error| error.is_none())
            {
                *free = Some(info);
            }
        }
        Ok(edns)
    }
}

/// The options of an OPT record, code and data, up to the first that does not fit or is one too many.
pub(super) fn options<'m>(
    message: &'m [u8],
    record: &Record,
) -> impl Iterator<Item = Result<(u16, &'m [u8]), Error>> + use<'m> {
    let (mut left, mut count) = (record.rdata(message), 0);
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        count = usize::saturating_add(count, 1);
        let option = first_option(left).filter(|_| count <= MAX_OPTIONS);
        left = option.map_or(&[], |(_, _, rest)| rest);
        Some(option.map(|(code, data, _)| (code, data)).ok_or(Error::Opt))
    })
}

fn first_option(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (code, length) = (u16_at(octets, 0).ok()?, u16_at(octets, 2).ok()?);
    let (data, rest) = octets.get(4..)?.split_at_checked(usize::from(length))?;
    Some((code, data, rest))
}

/// An extended DNS error: a code of RFC 8914 §5.2 and a text of ours, which may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ede {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT.
    pub text: &'static str,
}

impl Ede {
    /// Other Error, with a text: our own caps and full queues (R26).
    pub const fn other(text: &'static str) -> Self {
        Self { code: 0, text }
    }

    /// A code without a text.
    pub const fn bare(code: u16) -> Self {
        Self { code, text: "" }
    }

    /// The data are stale (R33).
    pub const STALE: Self = Self::bare(3);
    /// A cached failure.
    pub const CACHED_ERROR: Self = Self::bare(13);
    /// Withheld by the guard or blocked by the view.
    pub const BLOCKED: Self = Self::bare(15);
    /// The client is in no view.
    pub const PROHIBITED: Self = Self::bare(18);
    /// No server answered.
    pub const NO_REACHABLE_AUTHORITY: Self = Self::bare(22);
    /// A socket or ICMP error.
    pub const NETWORK_ERROR: Self = Self::bare(23);

    /// Octets that the option takes in an OPT record.
    pub fn octets(&self) -> usize {
        self.text.len().saturating_add(6)
    }
}
