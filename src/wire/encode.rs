//! Records → octets: the only encoder. It writes into a caller's buffer, compresses names (RFC 1035 §4.1.4), and can
//! go back to an earlier state when an RRset does not fit (R9). No allocation.

use super::record::Record;
use super::types::{Part, layout};
use super::{CLASS_IN, Ede, Error, NameRef, Ttl, WireName, rtype};

/// Most names remembered for compression; more are written whole.
const MAX_SPOTS: usize = 48;
/// Pointers have 14 bits.
const MAX_POINTER: usize = 0x3fff;

/// The buffer's limit is reached; what was being written is to be taken back with [`Writer::rewind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A message being written.
pub struct Writer<'b> {
    out: &'b mut [u8],
    len: usize,
    limit: usize,
    /// Where names and suffixes of names begin that a pointer may name.
    spots: [u16; MAX_SPOTS],
    spot_count: usize,
}

/// A state to go back to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// A message has fewer than 2^16 octets.
    len: u16,
    spot_count: u8,
}

impl<'b> Writer<'b> {
    /// Writes into `out`, at most `limit` octets of it.
    pub fn new(out: &'b mut [u8], limit: usize) -> Self {
        let limit = limit.min(out.len());
        Self { out, len: 0, limit, spots: [0; MAX_SPOTS], spot_count: 0 }
    }

    /// Octets written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets that still fit.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.len)
    }

    /// Sets how many octets may be written in all.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(self.out.len());
    }

    /// What is written so far.
    pub fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or(&[])
    }

    /// Overwrites octets written earlier.
    #[inline]
    pub fn patch(&mut self, at: usize, octets: &[u8]) {
        super::put(self.out, at, octets);
    }

    /// The present state.
    pub fn mark(&self) -> Mark {
        self.mark_of(self.len, self.spot_count)
    }

    fn mark_of(&self, len: usize, spot_count: usize) -> Mark {
        Mark { len: u16::try_from(len).unwrap_or(u16::MAX), spot_count: u8::try_from(spot_count).unwrap_or(u8::MAX) }
    }

    /// The state when `len` octets were written, without the names that may be pointed at.
    pub fn mark_at(&self, len: usize) -> Mark {
        self.mark_of(len, 0)
    }

    /// Takes back all that was written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.len = usize::from(mark.len).min(self.len);
        self.spot_count = usize::from(mark.spot_count).min(self.spot_count);
    }

    /// Writes octets as they are.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn octets(&mut self, octets: &[u8]) -> Result<(), Full> {
        if octets.len() > self.room() {
            return Err(Full);
        }
        super::put(self.out, self.len, octets);
        self.len = self.len.saturating_add(octets.len());
        Ok(())
    }

    /// Writes a 16-bit number.
    ///
    /// # Errors
    /// [`Full`].
    pub fn number(&mut self, number: u16) -> Result<(), Full> {
        self.octets(&number.to_be_bytes())
    }

    /// Lets later names point at the uncompressed name that stands at `at`, and at its suffixes.
    pub fn remember(&mut self, at: usize) {
        let mut at = at;
        while let Some(length) = self.written().get(at).copied() {
            if length == 0 || length > 63 || at > MAX_POINTER || self.spot_count >= MAX_SPOTS {
                return;
            }
            if let (Some(spot), Ok(place)) = (self.spots.get_mut(self.spot_count), u16::try_from(at)) {
                *spot = place;
                self.spot_count = self.spot_count.saturating_add(1);
            }
            at = at.saturating_add(usize::from(length)).saturating_add(1);
        }
    }

    /// Writes a name, compressed where it or a suffix of it was written before.
    ///
    /// # Errors
    /// [`Full`].
    pub fn name(&mut self, name: NameRef<'_>) -> Result<(), Full> {
        let start = self.len;
        for suffix in name.suffixes() {
            if suffix.is_root() {
                self.octets(&[0])?;
                break;
            }
            if let Some(spot) = self.spot_of(suffix) {
                self.number(0xc000 | spot)?;
                break;
            }
            let label = suffix.first_label();
            self.octets(&[u8::try_from(label.len()).unwrap_or(0)])?;
            self.octets(label)?;
        }
        self.remember(start);
        Ok(())
    }

    fn spot_of(&self, name: NameRef<'_>) -> Option<u16> {
        self.spots.get(..self.spot_count)?.iter().copied().find(|spot| spells(self.written(), usize::from(*spot), name))
    }

    /// Writes a record's fields in front of its RDATA, with the owner at the offset `owner` or by name.
    ///
    /// # Errors
    /// [`Full`].
    pub fn record_head(&mut self, owner: NameRef<'_>, rtype: u16, ttl: Ttl, rdata_octets: u16) -> Result<(), Full> {
        self.name(owner)?;
        self.number(rtype)?;
        self.number(CLASS_IN)?;
        self.octets(&ttl.seconds().to_be_bytes())?;
        self.number(rdata_octets)
    }

    /// Writes a copy of another message's record with the TTL `ttl`: names anew, all other octets as they are. Names
    /// are compressed only in types where RFC 3597 §4 lets a sender do so. Returns where the record's TTL stands and
    /// where its RDATA begins.
    ///
    /// # Errors
    /// [`Full`]; the source's names were checked when it was put in order, and a bad one counts as [`Full`] too.
    pub fn copy(&mut self, source: &[u8], record: &Record, ttl: Ttl) -> Result<(usize, usize), Full> {
        let (owner, _) = WireName::read_spelled(source, record.owner_at).map_err(|_| Full)?;
        self.record_head(owner.as_ref(), record.rtype, ttl, 0)?;
        let rdata_at = self.len;
        let compress = matches!(record.rtype, 2..=9 | 12 | 14 | 15);
        let parts = layout(record.rtype);
        if parts.is_empty() {
            self.octets(record.rdata(source))?;
        }
        let mut at = record.rdata_at;
        for part in parts {
            let end = match part {
                Part::Octets(count) => at.saturating_add(*count),
                Part::Text => at.saturating_add(1).saturating_add(usize::from(*source.get(at).ok_or(Full)?)),
                Part::Rest => record.end,
                Part::Name => {
                    let (name, end) = WireName::read_spelled(source, at).map_err(|_| Full)?;
                    if compress {
                        self.name(name.as_ref())?
                    } else {
                        self.octets(name.octets())?
                    }
                    at = end;
                    continue;
                }
            };
            self.octets(source.get(at..end).ok_or(Full)?)?;
            at = end;
        }
        let length = u16::try_from(self.len.saturating_sub(rdata_at)).map_err(|_| Full)?;
        self.patch(rdata_at.saturating_sub(2), &length.to_be_bytes());
        Ok((rdata_at.saturating_sub(6), rdata_at))
    }

    /// Writes our OPT record: version 0, our payload size, the client's DO, and errors.
    ///
    /// # Errors
    /// [`Full`].
    pub fn opt(&mut self, payload: u16, extended_rcode: u8, dnssec_ok: bool, errors: &[Ede]) -> Result<(), Full> {
        let octets: usize = errors.iter().map(Ede::octets).sum();
        self.opt_head(payload, extended_rcode, dnssec_ok, octets)?;
        for error in errors {
            self.number(15)?;
            self.number(u16::try_from(error.text.len().saturating_add(2)).map_err(|_| Full)?)?;
            self.number(error.code)?;
            self.octets(error.text.as_bytes())?;
        }
        Ok(())
    }

    /// An OPT record of version 0 with a COOKIE option (RFC 7873 §4).
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    pub fn opt_with_cookie(&mut self, payload: u16, dnssec_ok: bool, cookie: &super::Cookie) -> Result<(), Full> {
        let data = cookie.octets();
        self.opt_head(payload, 0, dnssec_ok, data.len().saturating_add(4))?;
        self.number(super::cookie::OPTION_COOKIE)?;
        self.number(u16::try_from(data.len()).map_err(|_| Full)?)?;
        self.octets(data)
    }

    /// An OPT record up to its options, which take so many octets.
    #[inline]
    fn opt_head(&mut self, payload: u16, extended_rcode: u8, dnssec_ok: bool, options: usize) -> Result<(), Full> {
        let flags = if dnssec_ok { 0x80 } else { 0 };
        let length = u16::try_from(options).map_err(|_| Full)?;
        let [[a, b], [c, d], [e, f]] = [rtype::OPT, payload, length].map(u16::to_be_bytes);
        self.octets(&[0, a, b, c, d, extended_rcode, 0, flags, 0, e, f])
    }
}

/// Octets of an OPT record with these errors.
pub fn opt_octets(errors: &[Ede]) -> usize {
    errors.iter().map(Ede::octets).sum::<usize>().saturating_add(11)
}

/// Whether the name at `at` is `name`, compared without case; pointers are followed, each strictly backwards.
fn spells(message: &[u8], at: usize, name: NameRef<'_>) -> bool {
    let mut at = at;
    for suffix in name.suffixes() {
        let mut length = message.get(at).copied().unwrap_or(0);
        while length >= 0xc0 {
            let target = super::u16_at(message, at).map_or(usize::MAX, |pointer| usize::from(pointer & 0x3fff));
            if target >= at {
                return false;
            }
            at = target;
            length = message.get(at).copied().unwrap_or(0);
        }
        let label = suffix.first_label();
        let start = at.saturating_add(1);
        let end = start.saturating_add(usize::from(length));
        if usize::from(length) != label.len()
            || !message.get(start..end).is_some_and(|own| own.eq_ignore_ascii_case(label))
        {
            return false;
        }
        at = end;
    }
    true
}

/// The query that an upstream is asked (R3): RD=1, AD=1, CD as the key says, our OPT, nothing of a client. `case` gets
/// the name's octets in order and may change their case (RFC draft-vixie-dnsext-dns0x20).
///
/// # Errors
/// [`Error::Short`] where `out` cannot hold it; 512 octets always can.
pub fn upstream_query(
    out: &mut [u8],
    id: u16,
    key: &super::Key,
    payload: u16,
    with_opt: bool,
    cookie: Option<&super::Cookie>,
) -> Result<usize, Error> {
    use super::{Header, flags};
    let checking = if key.checking_disabled() { flags::CD } else { 0 };
    let header = Header {
        id,
        flags: flags::RD | flags::AD | checking,
        questions: 1,
        additionals: u16::from(with_opt),
        ..Header::default()
    };
    let limit = out.len();
    let mut writer = Writer::new(out, limit);
    let write = |writer: &mut Writer<'_>| -> Result<(), Full> {
        writer.octets(&header.octets())?;
        writer.octets(key.name_octets())?;
        writer.number(key.qtype())?;
        writer.number(CLASS_IN)?;
        match (with_opt, cookie) {
            (false, _) => Ok(()),
            (true, None) => writer.opt(payload, 0, key.dnssec_ok(), &[]),
            (true, Some(cookie)) => writer.opt_with_cookie(payload, key.dnssec_ok(), cookie),
        }
    };
    write(&mut writer).map_err(|Full| Error::Short)?;
    Ok(writer.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compressed_by_their_longest_written_suffix() {
        let mut out = [0; 128];
        let mut writer = Writer::new(&mut out, 128);
        writer.octets(&[0; 12]).unwrap();
        let name = |text| WireName::from_presentation(text).unwrap();
        writer.name(name("a.priv.example").as_ref()).unwrap();
        writer.name(name("b.priv.example").as_ref()).unwrap();
        writer.name(name("x.b.priv.example").as_ref()).unwrap();
        writer.name(name(".").as_ref()).unwrap();
        let tail = &writer.written()[12..];
        assert_eq!(tail, b"\x01a\x04priv\x07example\0\x01b\xc0\x0e\x01x\xc0\x1c\0".as_slice());
        assert_eq!(super::super::name_at(writer.written(), 32).unwrap(), name("x.b.priv.example"));
    }

    #[test]
    fn a_full_buffer_is_said_and_can_be_rewound() {
        let mut out = [0; 20];
        let mut writer = Writer::new(&mut out, 16);
        writer.octets(&[1; 10]).unwrap();
        let mark = writer.mark();
        assert_eq!(writer.octets(&[2; 7]), Err(Full));
        assert_eq!(writer.name(WireName::from_presentation("a.bcdef").unwrap().as_ref()), Err(Full));
        writer.rewind(mark);
        assert_eq!(writer.written(), [1; 10]);
    }
}
