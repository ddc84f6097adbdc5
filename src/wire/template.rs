//! `Template`: an RRset in wire form, built once at load time and copied into many answers.
//!
//! Its records' owner is a pointer, so it depends on neither the name nor the view: equal RRsets are one template.
//! The TTLs of owned records are fixed: they leave as the operator gave them. (Those of upstream's records run down:
//! [`super::RawAnswer`].)

use super::{CLASS_IN, Full, NameRef, Ttl, Writer};

/// Octets of a record in front of its RDATA when its owner is a pointer.
const HEAD: usize = 12;

/// A set of records of one owner and type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    octets: Box<[u8]>,
    /// Where each record begins.
    starts: Box<[u16]>,
    rtype: u16,
    ttl: Ttl,
}

impl Template {
    /// Puts an RRset into wire form. RDATA hold uncompressed names.
    ///
    /// Returns none when there are no records, or they are more than a message can hold.
    pub fn new<'r>(rtype: u16, ttl: Ttl, rdata: impl IntoIterator<Item = &'r [u8]>) -> Option<Self> {
        let (mut octets, mut starts) = (Vec::new(), Vec::new());
        for rdata in rdata {
            starts.push(u16::try_from(octets.len()).ok()?);
            octets.extend([0xc0, 0x0c]);
            octets.extend(rtype.to_be_bytes());
            octets.extend(CLASS_IN.to_be_bytes());
            octets.extend(ttl.seconds().to_be_bytes());
            octets.extend(u16::try_from(rdata.len()).ok()?.to_be_bytes());
            octets.extend(rdata);
        }
        u16::try_from(octets.len()).ok().filter(|octets| *octets > 0)?;
        Some(Self { octets: octets.into(), starts: starts.into(), rtype, ttl })
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
        u16::try_from(self.starts.len()).unwrap_or(u16::MAX)
    }

    /// Octets that it takes in a message when its owner is written as a pointer.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// The RDATA, one after another.
    pub fn rdata(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.starts.iter().skip(1).map(|start| usize::from(*start)).chain([self.octets.len()]);
        self.starts
            .iter()
            .zip(ends)
            .filter_map(|(start, end)| self.octets.get(usize::from(*start).saturating_add(HEAD)..end))
    }

    /// Writes the records with the owner that stands at the offset `owner_at` of the message.
    ///
    /// # Errors
    /// [`Full`]; the writer is then as before.
    #[inline]
    pub fn write(&self, writer: &mut Writer<'_>, owner_at: u16) -> Result<(), Full> {
        let start = writer.len();
        writer.octets(&self.octets)?;
        if owner_at != 12 {
            let pointer = (0xc000 | owner_at).to_be_bytes();
            for record in &self.starts {
                writer.patch(start.saturating_add(usize::from(*record)), &pointer);
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
