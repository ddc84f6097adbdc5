//! Resource records where they stand in a message (RFC 1035 §4.1.3): offsets, never copies.

use std::borrow::Cow;

use super::types::{Part, layout};
use super::{Error, Ttl, WireName, rtype, u16_at, u32_at};

/// A record's place in its message. All offsets were checked to lie inside the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where the owner's name begins.
    pub owner_at: usize,
    /// The type.
    pub rtype: u16,
    /// The class; for an OPT record the sender's payload size.
    pub class: u16,
    /// The time to live; for an OPT record extended RCODE, version and flags.
    pub ttl_bits: u32,
    /// Where the TTL's four octets stand.
    pub ttl_at: usize,
    /// Where the RDATA begins.
    pub rdata_at: usize,
    /// Where the RDATA and the record end.
    pub end: usize,
}

impl Record {
    /// Reads the record at `at`; its RDATA is not looked into.
    ///
    /// # Errors
    /// [`Error::Short`] where it does not fit into the message, or what is wrong with its owner.
    pub fn read(message: &[u8], at: usize) -> Result<Self, Error> {
        let fixed = skip_name(message, at)?;
        let ttl_at = fixed.saturating_add(4);
        let rdata_at = fixed.saturating_add(10);
        let end = rdata_at.saturating_add(usize::from(u16_at(message, fixed.saturating_add(8))?));
        if end > message.len() {
            return Err(Error::Short);
        }
        Ok(Self {
            owner_at: at,
            rtype: u16_at(message, fixed)?,
            class: u16_at(message, fixed.saturating_add(2))?,
            ttl_bits: u32_at(message, ttl_at)?,
            ttl_at,
            rdata_at,
            end,
        })
    }

    /// The TTL as RFC 2181 §8 reads it.
    pub fn ttl(&self) -> Ttl {
        Ttl::from_wire(self.ttl_bits)
    }

    /// The owner, lower-cased.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn owner(&self, message: &[u8]) -> Result<WireName, Error> {
        name_at(message, self.owner_at)
    }

    /// The RDATA's octets.
    pub fn rdata<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(self.rdata_at..self.end).unwrap_or(&[])
    }

    /// The RDATA with names whole and in lower case, so that equal records have equal octets (RFC 2181 §5). Allocates
    /// for types whose RDATA may hold compressed names alone.
    pub fn plain_rdata<'m>(&self, message: &'m [u8]) -> Cow<'m, [u8]> {
        let parts = layout(self.rtype);
        if parts.is_empty() {
            return Cow::Borrowed(self.rdata(message));
        }
        let (mut plain, mut at) = (Vec::new(), self.rdata_at);
        for part in parts {
            let end = match part {
                Part::Octets(count) => at.saturating_add(*count),
                Part::Text => at.saturating_add(1).saturating_add(usize::from(message.get(at).copied().unwrap_or(0))),
                Part::Name => match WireName::read(message, at) {
                    Ok((name, end)) => {
                        plain.extend_from_slice(name.octets());
                        at = end;
                        continue;
                    }
                    Err(_) => self.end,
                },
                Part::Rest => self.end,
            };
            plain.extend_from_slice(message.get(at..end).unwrap_or(&[]));
            at = end;
        }
        Cow::Owned(plain)
    }

    /// The type that an RRSIG covers (RFC 4034 §3.1.1); zero for any other record.
    pub fn covered(&self, message: &[u8]) -> u16 {
        if self.rtype == rtype::RRSIG { u16_at(self.rdata(message), 0).unwrap_or(0) } else { 0 }
    }

    /// Checks that names in the RDATA are whole and end where the RDATA does (RFC 9267 §4), and fixed sizes of
    /// addresses.
    ///
    /// # Errors
    /// [`Error::Rdata`], or what is wrong with a name.
    pub fn check_rdata(&self, message: &[u8]) -> Result<(), Error> {
        let length = self.end.saturating_sub(self.rdata_at);
        match self.rtype {
            rtype::A if length != 4 => return Err(Error::Rdata),
            rtype::AAAA if length != 16 => return Err(Error::Rdata),
            _ => {}
        }
        let parts = layout(self.rtype);
        let mut at = self.rdata_at;
        for part in parts {
            at = match part {
                Part::Octets(count) => at.saturating_add(*count),
                Part::Text => at.saturating_add(1).saturating_add(usize::from(*message.get(at).ok_or(Error::Rdata)?)),
                Part::Name => WireName::read(message, at)?.1,
                Part::Rest => self.end,
            };
            if at > self.end {
                return Err(Error::Rdata);
            }
        }
        if parts.is_empty() || at == self.end { Ok(()) } else { Err(Error::Rdata) }
    }
}

/// The name at `at`, lower-cased.
///
/// # Errors
/// What is wrong with it.
pub fn name_at(message: &[u8], at: usize) -> Result<WireName, Error> {
    WireName::read(message, at).map(|(name, _)| name)
}

/// Where the name at `at` ends; pointers are not followed.
///
/// # Errors
/// [`Error::Short`], [`Error::Label`], [`Error::LongName`].
pub fn skip_name(message: &[u8], at: usize) -> Result<usize, Error> {
    let mut from = at;
    loop {
        let length = *message.get(from).ok_or(Error::Short)?;
        from = match length {
            0 => return Ok(from.saturating_add(1)),
            1..=63 => from.saturating_add(usize::from(length)).saturating_add(1),
            0xc0.. => return Ok(from.saturating_add(2)),
            _ => return Err(Error::Label),
        };
        if from.saturating_sub(at) > super::MAX_NAME_OCTETS {
            return Err(Error::LongName);
        }
    }
}

/// The records of a section, one after another. Ends after the first error.
pub struct Records<'a> {
    message: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Records<'a> {
    /// `count` records from `at` on. A count that the octets left cannot hold ends in [`Error::Short`]: nothing is
    /// reserved by it.
    pub fn new(message: &'a [u8], at: usize, count: u16) -> Self {
        Self { message, at, left: count }
    }

    /// Where the next record begins: after the last one, the end of the section.
    pub fn at(&self) -> usize {
        self.at
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = Record::read(self.message, self.at);
        match &record {
            Ok(record) => self.at = record.end,
            Err(_) => self.left = 0,
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_04_a_count_that_cannot_be_true_ends_at_the_octets() {
        let message = [0; 40];
        let found: Vec<_> = Records::new(&message, 12, 65_535).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], Err(Error::Short));
    }

    #[test]
    fn a_signature_without_rdata_covers_nothing() {
        let mut message = vec![0; 12];
        message.extend([0, 0, 46, 0, 1, 0, 0, 0, 9, 0, 0]);
        // What stands behind it is another's.
        message.extend([0, 1]);
        let record = Record::read(&message, 12).unwrap();
        assert_eq!(record.covered(&message), 0);
    }

    #[test]
    fn rdata_must_end_where_its_names_do() {
        let mut message = vec![0; 12];
        message.extend([0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'a', 0, 0]);
        let record = Record::read(&message, 12).unwrap();
        assert_eq!(record.check_rdata(&message), Err(Error::Rdata));
        message[22] = 3;
        message.pop();
        let record = Record::read(&message, 12).unwrap();
        assert_eq!(record.check_rdata(&message), Ok(()));
    }
}
