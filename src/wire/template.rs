//! `Template`: an RRset in wire form, built once at load time and copied into many answers.
//!
//! Its records' owner is a pointer, so it depends on neither the name nor the view: equal RRsets are one template.
//! The TTLs of owned records are fixed: they leave as the operator gave them. (Those of upstream's records run down:
//! [`super::RawAnswer`].)

use super::{CLASS_IN, Full, NameRef, Ttl, Writer};

/// Octets of a record in front of its RDATA when its owner is a pointer.
const HEAD: usize = 12;

/// Octets that stand in the struct itself: one A record, the most usual set by far.
const FEW: usize = 22;

/// A set of records of one owner and type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    octets: Octets,
    ttl: Ttl,
    rtype: u16,
    count: u16,
}

/// The records, one after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Octets {
    Few(u8, [u8; FEW]),
    Many(Box<[u8]>),
}

impl Octets {
    fn new(octets: &[u8]) -> Self {
        let mut few = [0; FEW];
        match (few.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(octets);
                Self::Few(length, few)
            }
            _ => Self::Many(octets.into()),
        }
    }

    #[inline]
    fn get(&self) -> &[u8] {
        match self {
            Self::Few(length, octets) => octets.get(..usize::from(*length)).unwrap_or(&[]),
            Self::Many(octets) => octets,
        }
    }
}

impl Template {
    /// Puts an RRset into wire form. RDATA hold uncompressed names.
    ///
    /// Returns none when there are no records, or they are more than a message can hold.
    pub fn new<'r>(rtype: u16, ttl: Ttl, rdata: impl IntoIterator<Item = &'r [u8]>) -> Option<Self> {
        let (mut rest, mut few) = (Vec::new(), [0; FEW]);
        let (mut count, mut length) = (0_u16, 0_usize);
        for rdata in rdata {
            let mut head = [0xc0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            super::put(&mut head, 2, &rtype.to_be_bytes());
            super::put(&mut head, 4, &CLASS_IN.to_be_bytes());
            super::put(&mut head, 6, &ttl.seconds().to_be_bytes());
            super::put(&mut head, 10, &u16::try_from(rdata.len()).ok()?.to_be_bytes());
            let end = length.saturating_add(HEAD).saturating_add(rdata.len());
            if end <= FEW {
                super::put(&mut few, length, &head);
                super::put(&mut few, length.saturating_add(HEAD), rdata);
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(few.get(..length).unwrap_or(&[]));
                }
                rest.extend_from_slice(&head);
                rest.extend_from_slice(rdata);
            }
            (length, count) = (end, count.checked_add(1)?);
        }
        u16::try_from(length).ok().filter(|octets| *octets > 0)?;
        let octets = if rest.is_empty() { few.get(..length).unwrap_or(&[]) } else { &rest };
        Some(Self { octets: Octets::new(octets), ttl, rtype, count })
    }

    /// The type of its records.
    pub fn rtype(&self) -> u16 {
        self.rtype
    }

    /// The TTL of its records; it does not run down.
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// How many records it has, at least one.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Octets that it takes in a message when its owner is written as a pointer.
    pub fn octets(&self) -> usize {
        self.octets.get().len()
    }

    /// Where each record begins, and where its RDATA does.
    fn starts(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let (octets, mut at) = (self.octets.get(), 0_usize);
        std::iter::from_fn(move || {
            let start = at;
            let rdata_at = start.saturating_add(HEAD);
            let length = usize::from(super::u16_at(octets, rdata_at.saturating_sub(2)).ok()?);
            at = rdata_at.saturating_add(length);
            Some((start, octets.get(rdata_at..at)?))
        })
    }

    /// The RDATA, one after another.
    pub fn rdata(&self) -> impl Iterator<Item = &[u8]> {
        self.starts().map(|(_, rdata)| rdata)
    }

    /// Writes the records with the owner that stands at the offset `owner_at` of the message.
    ///
    /// # Errors
    /// [`Full`]; the writer is then as before.
    #[inline]
    pub fn write(&self, writer: &mut Writer<'_>, owner_at: u16) -> Result<(), Full> {
        let start = writer.len();
        writer.octets(self.octets.get())?;
        if owner_at != 12 {
            let pointer = (0xc000 | owner_at).to_be_bytes();
            for (record, _) in self.starts() {
                writer.patch(start.saturating_add(record), &pointer);
            }
        }
        Ok(())
    }

    /// Writes the records with an owner that may not have been written yet.
    ///
    /// # Errors
    /// [`Full`]; the caller rewinds.
    pub fn write_owned_by(&self, writer: &mut Writer<'_>, owner: NameRef<'_>) -> Result<(), Full> {
        for rdata in self.rdata() {
            writer.record_head(owner, self.rtype, self.ttl, u16::try_from(rdata.len()).map_err(|_| Full)?)?;
            writer.octets(rdata)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_allocation_of_its_own() {
        assert_eq!(size_of::<Template>(), 32);
        let one = Template::new(1, Ttl::from_seconds(10), [[10, 0, 0, 4].as_slice()]).unwrap();
        assert!(matches!(one.octets, Octets::Few(16, _)));
        assert_eq!(one.rdata().collect::<Vec<_>>(), [[10, 0, 0, 4]]);
        let six = Template::new(28, Ttl::from_seconds(10), [[7; 16].as_slice()]).unwrap();
        assert_eq!((six.octets(), six.rdata().next()), (28, Some([7; 16].as_slice())));
        assert!(Template::new(16, Ttl::ZERO, [vec![0; 65_524].as_slice()]).is_none());
        assert!(Template::new(16, Ttl::ZERO, [vec![0; 65_523].as_slice()]).is_some());
    }

    #[test]
    fn a_template_is_written_for_any_owner() {
        let template = Template::new(1, Ttl::from_seconds(10), [[10, 0, 0, 4].as_slice(), &[10, 0, 0, 5]]).unwrap();
        assert_eq!((template.count(), template.octets()), (2, 32));
        assert_eq!(template.rdata().collect::<Vec<_>>(), [[10, 0, 0, 4], [10, 0, 0, 5]]);
        let mut out = [0; 64];
        let mut writer = Writer::new(&mut out, 40);
        writer.octets(&[7; 4]).unwrap();
        template.write(&mut writer, 0x123).unwrap();
        assert_eq!(&writer.written()[..8], [7, 7, 7, 7, 0xc1, 0x23, 0, 1]);
        assert_eq!(writer.written()[20..22], [0xc1, 0x23]);
        assert_eq!(template.write(&mut writer, 12), Err(Full));
        assert!(Template::new(1, Ttl::ZERO, []).is_none());
    }
}
