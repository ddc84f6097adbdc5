//! The 12-octet header (RFC 1035 §4.1.1): read and written.

use super::{Error, HEADER_OCTETS, u16_at};

/// Bits of the header's second 16-bit word (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
pub mod flags {
    /// This is a response.
    pub const QR: u16 = 0x8000;
    /// The four bits of the opcode.
    pub const OPCODE: u16 = 0x7800;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// Recursion available.
    pub const RA: u16 = 0x0080;
    /// Authentic data.
    pub const AD: u16 = 0x0020;
    /// Checking disabled.
    pub const CD: u16 = 0x0010;
    /// The four bits of the RCODE.
    pub const RCODE: u16 = 0x000f;
}

/// Response codes (RFC 1035 §4.1.1, RFC 6891 §9); those above 15 need an OPT record.
#[allow(missing_docs, reason = "each is the RCODE of that name")]
pub mod rcode {
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const YXDOMAIN: u16 = 6;
    pub const NOTAUTH: u16 = 9;
    pub const BADVERS: u16 = 16;
    pub const BADCOOKIE: u16 = 23;

    /// The code's mnemonic, or `other`: a bounded set, fit for a metric label.
    pub fn name(code: u16) -> &'static str {
        match code {
            NOERROR => "NOERROR",
            FORMERR => "FORMERR",
            SERVFAIL => "SERVFAIL",
            NXDOMAIN => "NXDOMAIN",
            NOTIMP => "NOTIMP",
            REFUSED => "REFUSED",
            YXDOMAIN => "YXDOMAIN",
            NOTAUTH => "NOTAUTH",
            BADVERS => "BADVERS",
            BADCOOKIE => "BADCOOKIE",
            _ => "other",
        }
    }
}

/// A header's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Copied from a query into its response.
    pub id: u16,
    /// QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE.
    pub flags: u16,
    /// QDCOUNT.
    pub questions: u16,
    /// ANCOUNT.
    pub answers: u16,
    /// NSCOUNT.
    pub authorities: u16,
    /// ARCOUNT.
    pub additionals: u16,
}

impl Header {
    /// Reads the first 12 octets.
    ///
    /// # Errors
    /// [`Error::Short`] when there are fewer.
    pub fn read(message: &[u8]) -> Result<Self, Error> {
        if message.len() < HEADER_OCTETS {
            return Err(Error::Short);
        }
        Ok(Self {
            id: u16_at(message, 0)?,
            flags: u16_at(message, 2)?,
            questions: u16_at(message, 4)?,
            answers: u16_at(message, 6)?,
            authorities: u16_at(message, 8)?,
            additionals: u16_at(message, 10)?,
        })
    }

    /// The same fields as octets.
    pub fn octets(&self) -> [u8; HEADER_OCTETS] {
        let [a, b] = self.id.to_be_bytes();
        let [c, d] = self.flags.to_be_bytes();
        let [e, f] = self.questions.to_be_bytes();
        let [g, h] = self.answers.to_be_bytes();
        let [i, j] = self.authorities.to_be_bytes();
        let [k, l] = self.additionals.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Whether all bits of `mask` are set.
    pub fn has(&self, mask: u16) -> bool {
        self.flags & mask == mask
    }

    /// The opcode, still at its place in the flags.
    pub fn opcode(&self) -> u16 {
        self.flags & flags::OPCODE
    }

    /// The four RCODE bits.
    pub fn rcode(&self) -> u16 {
        self.flags & flags::RCODE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_as_it_was_read() {
        let octets: Vec<u8> = (1..=12).collect();
        let header = Header::read(&octets).unwrap();
        assert_eq!(header.octets().as_slice(), octets);
        assert_eq!(Header::read(&octets[..11]), Err(Error::Short));
    }
}
