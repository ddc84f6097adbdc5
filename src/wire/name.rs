//! Names: lower-cased, uncompressed, in wire form (RFC 1035 §3.1, RFC 4343).
//!
//! [`WireName`] lives on the stack and is what a message's name is parsed into; [`Name`] is the boxed form that data
//! keep; [`NameRef`] is the view on either. All three hold a whole name: labels, then the root's zero octet. A label's
//! length octet is at most 63 and thus never a letter, so lower-casing all octets leaves the lengths alone.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Error, HEADER_OCTETS};

/// Most octets of a name, the root's zero included (RFC 1035 §2.3.4).
pub const MAX_NAME_OCTETS: usize = 255;
/// Most compression pointers followed for one name; each must point further back.
const MAX_JUMPS: usize = 64;

/// A name on the stack. Comparing, hashing and looking up use its octets.
#[derive(Clone, Copy)]
pub struct WireName {
    octets: [u8; MAX_NAME_OCTETS],
    len: u8,
}

impl WireName {
    /// The root.
    pub const ROOT: Self = Self { octets: [0; MAX_NAME_OCTETS], len: 1 };

    /// Reads the uncompressed name at `at`, as in a query's question, and returns it with where it ends.
    ///
    /// # Errors
    /// [`Error::Pointer`] for a compressed name; [`Error::Short`], [`Error::Label`], [`Error::LongName`].
    pub fn read_plain(message: &[u8], at: usize) -> Result<(Self, usize), Error> {
        let mut name = Self::ROOT;
        let end = name.fill(message, at)?;
        Ok((name, end))
    }

    /// The same into a name that is there already: nothing is moved.
    #[inline]
    pub(super) fn fill(&mut self, message: &[u8], at: usize) -> Result<usize, Error> {
        let mut end = at;
        loop {
            let length = *message.get(end).ok_or(Error::Short)?;
            end = end.saturating_add(usize::from(length)).saturating_add(1);
            match length {
                0 => break,
                1..=63 => {}
                0xc0.. => return Err(Error::Pointer),
                _ => return Err(Error::Label),
            }
            if end.saturating_sub(at) >= MAX_NAME_OCTETS {
                return Err(Error::LongName);
            }
        }
        let source = message.get(at..end).ok_or(Error::Short)?;
        let place = self.octets.get_mut(..source.len()).ok_or(Error::LongName)?;
        place.copy_from_slice(source);
        self.len = u8::try_from(source.len()).map_err(|_| Error::LongName)?;
        self.lower();
        Ok(end)
    }

    /// Reads the name at `at`, following compression pointers, and returns it with where its own octets end.
    ///
    /// # Errors
    /// As [`WireName::read_plain`]; [`Error::Pointer`] for one that does not point strictly backwards, points into the
    /// header, or is one of more than 64.
    pub fn read(message: &[u8], at: usize) -> Result<(Self, usize), Error> {
        let mut name = Self::ROOT;
        let end = name.fill_compressed(message, at)?;
        Ok((name, end))
    }

    /// The same into a name that is there already.
    #[inline]
    pub(super) fn fill_compressed(&mut self, message: &[u8], at: usize) -> Result<usize, Error> {
        let end = self.fill_spelled(message, at)?;
        self.lower();
        Ok(end)
    }

    /// [`WireName::read`] without lower-casing, for copying a name from one message to another as its server spelled it.
    pub(super) fn read_spelled(message: &[u8], at: usize) -> Result<(Self, usize), Error> {
        let mut name = Self::ROOT;
        let end = name.fill_spelled(message, at)?;
        Ok((name, end))
    }

    /// Labels that stand together are copied together: those in front of each pointer, and those in front of the root.
    fn fill_spelled(&mut self, message: &[u8], at: usize) -> Result<usize, Error> {
        self.len = 0;
        let (mut start, mut from, mut end, mut jumps) = (at, at, None, 0_usize);
        loop {
            let length = *message.get(from).ok_or(Error::Short)?;
            match length {
                0 => {
                    let behind = from.saturating_add(1);
                    self.push(message.get(start..behind).ok_or(Error::Short)?)?;
                    return Ok(end.unwrap_or(behind));
                }
                1..=63 => {
                    from = from.saturating_add(usize::from(length)).saturating_add(1);
                    if from.saturating_sub(start) >= MAX_NAME_OCTETS {
                        return Err(Error::LongName);
                    }
                }
                0xc0.. => {
                    let low = *message.get(from.saturating_add(1)).ok_or(Error::Short)?;
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    jumps = jumps.saturating_add(1);
                    if target >= from || target < HEADER_OCTETS || jumps > MAX_JUMPS {
                        return Err(Error::Pointer);
                    }
                    self.push(message.get(start..from).ok_or(Error::Short)?)?;
                    end.get_or_insert(from.saturating_add(2));
                    (start, from) = (target, target);
                }
                _ => return Err(Error::Label),
            }
        }
    }

    /// Lower-cases the name. In whole steps, which goes on into octets that are no part of it: those are overwritten
    /// before they become one.
    #[inline]
    fn lower(&mut self) {
        const STEP: usize = 32;
        let whole = usize::from(self.len).next_multiple_of(STEP).min(MAX_NAME_OCTETS);
        self.octets.get_mut(..whole).unwrap_or(&mut []).make_ascii_lowercase();
    }

    /// Reads a name in presentation form: labels between dots, `\.` and `\DDD` escapes, a final dot or none.
    ///
    /// # Errors
    /// [`Error::Label`] for an empty or overlong label or a bad escape, [`Error::LongName`].
    pub fn from_presentation(text: &str) -> Result<Self, Error> {
        let mut name = Self { octets: [0; MAX_NAME_OCTETS], len: 0 };
        if text != "." {
            let (mut start, mut rest) = (0, text.bytes());
            // The length octet is written when the label ends.
            name.push(&[0])?;
            while let Some(octet) = rest.next() {
                match octet {
                    b'.' => {
                        name.end_label(start)?;
                        start = usize::from(name.len);
                        name.push(&[0])?;
                    }
                    b'\\' => name.push(&[escaped(&mut rest)?.to_ascii_lowercase()])?,
                    _ => name.push(&[octet.to_ascii_lowercase()])?,
                }
            }
            match start.checked_add(1) {
                // The octet behind a final dot is the root's.
                Some(end) if end == usize::from(name.len) && start > 0 => return Ok(name),
                _ => name.end_label(start)?,
            }
        }
        name.push(&[0])?;
        Ok(name)
    }

    /// The name's octets, the root's zero last.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[0])
    }

    /// A view on it.
    #[inline]
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef { octets: self.octets() }
    }

    /// Copies whole octets that are known to be a name.
    #[inline]
    fn from_checked(source: &[u8]) -> Option<Self> {
        let mut octets = [0; MAX_NAME_OCTETS];
        let place = octets.get_mut(..source.len())?;
        place.copy_from_slice(source);
        place.make_ascii_lowercase();
        Some(Self { octets, len: u8::try_from(source.len()).ok()? })
    }

    /// Writes the length of the label that began at `start` and ends here.
    fn end_label(&mut self, start: usize) -> Result<(), Error> {
        let octets = usize::from(self.len).saturating_sub(start).saturating_sub(1);
        let length = u8::try_from(octets).ok().filter(|length| (1..=63).contains(length)).ok_or(Error::Label)?;
        *self.octets.get_mut(start).ok_or(Error::LongName)? = length;
        Ok(())
    }

    fn push(&mut self, octets: &[u8]) -> Result<(), Error> {
        let start = usize::from(self.len);
        let end = start.saturating_add(octets.len());
        self.octets.get_mut(start..end).ok_or(Error::LongName)?.copy_from_slice(octets);
        self.len = u8::try_from(end).map_err(|_| Error::LongName)?;
        Ok(())
    }
}

/// What stands behind a backslash: three digits, or one octet.
fn escaped(rest: &mut std::str::Bytes<'_>) -> Result<u8, Error> {
    let first = rest.next().ok_or(Error::Label)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first.wrapping_sub(b'0'));
    for _ in 0..2 {
        let digit = rest.next().filter(u8::is_ascii_digit).ok_or(Error::Label)?;
        value = value.saturating_mul(10).saturating_add(u16::from(digit.wrapping_sub(b'0')));
    }
    u8::try_from(value).map_err(|_| Error::Label)
}

impl Borrow<[u8]> for WireName {
    fn borrow(&self) -> &[u8] {
        self.octets()
    }
}

impl PartialEq for WireName {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for WireName {}

impl Hash for WireName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.octets().hash(state);
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl fmt::Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

/// A name that data keep: one allocation of just its octets. Maps of it are asked with `&[u8]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    octets: Box<[u8]>,
}

impl Name {
    /// Reads a name in presentation form; see [`WireName::from_presentation`].
    ///
    /// # Errors
    /// As there.
    pub fn from_presentation(text: &str) -> Result<Self, Error> {
        Ok(WireName::from_presentation(text)?.as_ref().to_owned())
    }

    /// The name's octets, the root's zero last.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// A view on it.
    #[inline]
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef { octets: &self.octets }
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.octets
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl From<WireName> for Name {
    fn from(name: WireName) -> Self {
        name.as_ref().to_owned()
    }
}

/// A view on a whole name. Shown in presentation form without the final dot, the root as `.`; octets that are not
/// printable ASCII as `\DDD`, so that no name can disturb a terminal or a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameRef<'a> {
    octets: &'a [u8],
}

impl<'a> NameRef<'a> {
    /// The root.
    pub const ROOT: NameRef<'static> = NameRef { octets: &[0] };

    /// The name's octets, the root's zero last.
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// Whether this is the root.
    pub fn is_root(self) -> bool {
        self.octets.len() <= 1
    }

    /// The name without its first label; none for the root.
    #[inline]
    pub fn parent(self) -> Option<NameRef<'a>> {
        let first = usize::from(*self.octets.first()?);
        if first == 0 {
            return None;
        }
        self.octets.get(first.saturating_add(1)..).map(|octets| NameRef { octets })
    }

    /// The first label's octets, empty for the root.
    pub fn first_label(self) -> &'a [u8] {
        let first = self.octets.first().map_or(0, |length| usize::from(*length));
        self.octets.get(1..first.saturating_add(1)).unwrap_or(&[])
    }

    /// The name itself, its parent, and so on to the root: the longest suffix first.
    #[inline]
    pub fn suffixes(self) -> Suffixes<'a> {
        Suffixes { next: Some(self) }
    }

    /// The labels from the left, the root's not among them.
    pub fn labels(self) -> Labels<'a> {
        Labels { rest: self }
    }

    /// How many labels it has, the root's not counted.
    pub fn label_count(self) -> usize {
        self.labels().count()
    }

    /// The labels in front of `suffix` in wire form, without a final zero; none when the name is not at or below it.
    /// The comparison is by whole labels from the right (RFC 1034 §3.1).
    #[inline]
    pub fn relative_to(self, suffix: NameRef<'_>) -> Option<&'a [u8]> {
        let ahead = self.octets.len().checked_sub(suffix.octets.len())?;
        let (front, back) = self.octets.split_at_checked(ahead)?;
        if back != suffix.octets {
            return None;
        }
        let mut at = 0_usize;
        while at < ahead {
            at = at.saturating_add(usize::from(*front.get(at)?)).saturating_add(1);
        }
        (at == ahead).then_some(front)
    }

    /// Whether the name is `suffix` or below it.
    pub fn is_at_or_below(self, suffix: NameRef<'_>) -> bool {
        self.relative_to(suffix).is_some()
    }

    /// Whether the name is below `suffix` and not it.
    pub fn is_below(self, suffix: NameRef<'_>) -> bool {
        self.octets.len() > suffix.octets.len() && self.is_at_or_below(suffix)
    }

    /// A boxed copy.
    pub fn to_owned(self) -> Name {
        Name { octets: self.octets.into() }
    }

    /// A copy on the stack.
    pub fn to_wire(self) -> WireName {
        WireName::from_checked(self.octets).unwrap_or(WireName::ROOT)
    }

    /// `relative` (labels in wire form without a final zero) in front of this name; none when that is too long.
    pub fn prefixed(self, relative: &[u8]) -> Option<WireName> {
        let mut name = WireName { octets: [0; MAX_NAME_OCTETS], len: 0 };
        name.push(relative).ok()?;
        name.push(self.octets).ok()?;
        Some(name)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", char::from(*octet))?,
                    0x21..=0x7e => write!(f, "{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

/// See [`NameRef::suffixes`].
#[derive(Clone)]
pub struct Suffixes<'a> {
    next: Option<NameRef<'a>>,
}

impl<'a> Iterator for Suffixes<'a> {
    type Item = NameRef<'a>;

    fn next(&mut self) -> Option<NameRef<'a>> {
        let name = self.next?;
        self.next = name.parent();
        Some(name)
    }
}

/// See [`NameRef::labels`].
#[derive(Clone)]
pub struct Labels<'a> {
    rest: NameRef<'a>,
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let label = self.rest.first_label();
        self.rest = self.rest.parent()?;
        Some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> WireName {
        WireName::from_presentation(text).unwrap()
    }

    #[test]
    fn presentation_form_is_read_and_shown() {
        for text in ["example", "a.b.example", ".", "x\\.y.example", "sp\\032ce.example", "\\255.example"] {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("WWW.Example.").to_string(), "www.example");
        for bad in ["", "..", "a..b", ".a", "a\\", "a\\25", "a\\999.b"] {
            assert_eq!(WireName::from_presentation(bad), Err(Error::Label), "{bad}");
        }
        assert_eq!(WireName::from_presentation(&"a".repeat(64)), Err(Error::Label));
        assert_eq!(WireName::from_presentation(&"a.".repeat(128)), Err(Error::LongName));
        assert_eq!(name(&"a.".repeat(127)).octets().len(), 255);
    }

    #[test]
    fn d_05d_names_at_the_limits_are_read_and_beyond_them_refused() {
        let mut wire = Vec::new();
        for _ in 0..3 {
            wire.push(63);
            wire.extend([b'x'; 63]);
        }
        let mut longest = wire.clone();
        longest.push(61);
        longest.extend([b'y'; 61]);
        longest.push(0);
        assert_eq!(longest.len(), 255);
        assert!(WireName::read_plain(&longest, 0).is_ok());
        let mut beyond = wire.clone();
        beyond.push(62);
        beyond.extend([b'y'; 62]);
        beyond.push(0);
        assert_eq!(WireName::read_plain(&beyond, 0), Err(Error::LongName));
        assert_eq!(WireName::read_plain(&[64, 0], 0), Err(Error::Label));
        assert_eq!(WireName::read_plain(&[3, b'a'], 0), Err(Error::Short));
        assert_eq!(WireName::read_plain(&[0xc0, 0x0c], 0), Err(Error::Pointer));
    }

    #[test]
    fn pointers_go_strictly_backwards_and_never_into_the_header() {
        let mut message = vec![0; 12];
        message.extend(b"\x03WwW\x07Example\0");
        let pointer = message.len();
        message.extend([0xc0, 16]);
        let (found, end) = WireName::read(&message, pointer).unwrap();
        assert_eq!((found.to_string(), end), ("example".to_owned(), pointer + 2));
        for (high, low) in [(0xc0, 0), (0xc0, 11), (0xc0, pointer as u8), (0xff, 0xff)] {
            let mut bad = message.clone();
            bad[pointer] = high;
            bad[pointer + 1] = low;
            assert_eq!(WireName::read(&bad, pointer), Err(Error::Pointer));
        }
    }

    #[test]
    fn s_03_suffixes_are_matched_by_whole_labels() {
        let zone = name("wvd.example");
        assert!(name("a.wvd.example").as_ref().is_at_or_below(zone.as_ref()));
        assert!(zone.as_ref().is_at_or_below(zone.as_ref()));
        assert!(!zone.as_ref().is_below(zone.as_ref()));
        assert!(!name("xwvd.example").as_ref().is_at_or_below(zone.as_ref()));
        // A label whose content looks like labels: one octet of length 16 that spells the suffix.
        assert!(!name("x\\003wvd.example").as_ref().is_at_or_below(name("wvd.example").as_ref()));
        assert_eq!(name("a.b.wvd.example").as_ref().relative_to(zone.as_ref()), Some(b"\x01a\x01b".as_slice()));
        let all: Vec<String> = name("a.b.c").as_ref().suffixes().map(|suffix| suffix.to_string()).collect();
        assert_eq!(all, ["a.b.c", "b.c", "c", "."]);
        assert_eq!(zone.as_ref().prefixed(b"\x01a").unwrap(), name("a.wvd.example"));
    }
}
