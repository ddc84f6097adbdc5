//! The COOKIE option of a message (RFC 7873 §4).

use super::edns::options;
use super::record::Records;
use super::{Error, HEADER_OCTETS, Header, Question, rtype};

/// The option's code.
pub(super) const OPTION_COOKIE: u16 = 10;
/// Octets of the client's part.
pub const CLIENT_COOKIE_OCTETS: usize = 8;
/// Octets of both parts at most.
const COOKIE_OCTETS: usize = 40;
/// Octets of both parts at least.
const WHOLE_OCTETS: usize = 16;

/// A client's cookie, with or without the server's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    octets: [u8; COOKIE_OCTETS],
    len: u8,
}

impl Cookie {
    /// The client's part alone.
    pub fn of_client(client: [u8; CLIENT_COOKIE_OCTETS]) -> Self {
        let mut octets = [0; COOKIE_OCTETS];
        if let Some(part) = octets.first_chunk_mut() {
            *part = client;
        }
        Self { octets, len: CLIENT_COOKIE_OCTETS as u8 }
    }

    /// Both parts as a server sends them; none where they are too short or too long for that.
    pub fn read(data: &[u8]) -> Option<Self> {
        if !(WHOLE_OCTETS..=COOKIE_OCTETS).contains(&data.len()) {
            return None;
        }
        let mut octets = [0; COOKIE_OCTETS];
        octets.get_mut(..data.len())?.copy_from_slice(data);
        Some(Self { octets, len: u8::try_from(data.len()).ok()? })
    }

    /// The client's part.
    pub fn client(&self) -> [u8; CLIENT_COOKIE_OCTETS] {
        self.octets.first_chunk().copied().unwrap_or_default()
    }

    /// The option's data.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// A response's cookie, where it has a whole one, and its RCODE with the upper bits of its OPT record.
pub fn reply_cookie(message: &[u8]) -> (Option<Cookie>, u16) {
    read(message).unwrap_or_else(|_| (None, Header::read(message).map_or(0, |header| header.rcode())))
}

fn read(message: &[u8]) -> Result<(Option<Cookie>, u16), Error> {
    let header = Header::read(message)?;
    let mut at = if header.questions == 0 { HEADER_OCTETS } else { Question::read(message)?.end };
    for count in [header.answers, header.authorities] {
        let mut records = Records::new(message, at, count);
        records.by_ref().try_for_each(|record| record.map(|_| ()))?;
        at = records.at();
    }
    for record in Records::new(message, at, header.additionals) {
        let record = record?;
        if record.rtype != rtype::OPT {
            continue;
        }
        let code = u16::from(record.ttl_bits.to_be_bytes()[0]) << 4 | header.rcode();
        for option in options(message, &record) {
            if let (OPTION_COOKIE, data) = option? {
                return Ok((Cookie::read(data), code));
            }
        }
        return Ok((None, code));
    }
    Ok((None, header.rcode()))
}
