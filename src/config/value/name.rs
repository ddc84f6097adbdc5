//! DNS names as they are written in the file: presentation form in, lower-cased wire form kept.
//!
//! These types check a name once; floors above turn the octets into their own name type.

use std::fmt;

use super::Fault;
use crate::config::codes;

/// The greatest length of a label in octets (RFC 1035 §2.3.4).
const LABEL_OCTETS: usize = 63;
/// The greatest length of a name in octets, root label included (RFC 1035 §2.3.4).
const NAME_OCTETS: usize = 255;

/// A name in lower-cased wire form, the root label included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Box<[u8]>);

impl DnsName {
    /// The root.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Reads a full name; the final dot may be left out. `*` labels are refused.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (name, _absolute) = read(text)?;
        no_asterisk(&name, text)?;
        Ok(name)
    }

    /// The octets: length-prefixed lower-cased labels and the root's zero.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from the left, the root's left out.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            if length == 0 {
                return None;
            }
            let (label, tail) = tail.split_at_checked(length as usize)?;
            rest = tail;
            Some(label)
        })
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether the name is `other` or below it, label by label.
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        let mut rest = &self.0[..];
        loop {
            if rest == &other.0[..] {
                return true;
            }
            match rest.split_first() {
                Some((&length, tail)) if length > 0 => {
                    rest = tail.get(length as usize..).unwrap_or(&[]);
                }
                _ => return false,
            }
        }
    }

    /// This name below `apex`.
    ///
    /// # Errors
    /// When the whole is longer than 255 octets.
    pub fn below(&self, apex: &Self) -> Result<Self, Fault> {
        let own = self.0.len() - 1;
        if own + apex.0.len() > NAME_OCTETS {
            return Err(too_long());
        }
        let mut wire = Vec::with_capacity(own + apex.0.len());
        wire.extend_from_slice(&self.0[..own]);
        wire.extend_from_slice(&apex.0);
        Ok(Self(wire.into_boxed_slice()))
    }
}

impl fmt::Display for DnsName {
    /// Presentation form without the final dot; the root is `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", octet as char)?;
                    }
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name or, with a leftmost `*` label, all names below one (R15).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// Whether it was written with a leftmost `*`.
    pub wildcard: bool,
    /// The name without the `*`.
    pub name: DnsName,
}

impl Pattern {
    /// Reads a full name that may begin with a `*` label.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let (name, _absolute) = read(text)?;
        let pattern = Self::split(name);
        no_asterisk(&pattern.name, text)?;
        Ok(pattern)
    }

    /// Takes a leftmost `*` label off.
    fn split(name: DnsName) -> Self {
        match name.0.strip_prefix(&[1, b'*']) {
            Some(rest) => Self { wildcard: true, name: DnsName(rest.into()) },
            None => Self { wildcard: false, name },
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.wildcard, self.name.is_root()) {
            (true, true) => f.write_str("*"),
            (true, false) => write!(f, "*.{}", self.name),
            (false, _) => write!(f, "{}", self.name),
        }
    }
}

/// An owner in a zone's `records`: `@`, relative to the apex, or absolute with a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The name as written, `@` being the empty relative name; a `*` label is kept in it.
    pub name: DnsName,
    /// Whether it had a final dot.
    pub absolute: bool,
}

impl Owner {
    /// Reads an owner.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text == "@" {
            return Ok(Self { name: DnsName::root(), absolute: false });
        }
        let (name, absolute) = read(text)?;
        no_asterisk(&Pattern::split(name.clone()).name, text)?;
        Ok(Self { name, absolute })
    }

    /// The full name in a zone.
    ///
    /// # Errors
    /// When the whole is longer than 255 octets.
    pub fn under(&self, apex: &DnsName) -> Result<DnsName, Fault> {
        if self.absolute { Ok(self.name.clone()) } else { self.name.below(apex) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.absolute, self.name.is_root()) {
            (false, true) => f.write_str("@"),
            (true, false) => write!(f, "{}.", self.name),
            _ => write!(f, "{}", self.name),
        }
    }
}

/// Reads presentation form (RFC 1035 §5.1) into lower-cased wire form, and whether a final dot
/// was there.
fn read(text: &str) -> Result<(DnsName, bool), Fault> {
    if text == "." {
        return Ok((DnsName::root(), true));
    }
    if text.is_empty() {
        return Err(bad("an empty name").hint("the root is written \".\""));
    }
    let mut wire = vec![0_u8];
    let mut label_at = 0;
    let mut octets = text.bytes();
    let mut absolute = false;
    while let Some(octet) = octets.next() {
        absolute = false;
        let octet = match octet {
            b'.' => {
                end_label(&mut wire, label_at, text)?;
                label_at = wire.len();
                wire.push(0);
                absolute = true;
                continue;
            }
            b'\\' => escaped(&mut octets, text)?,
            0x21..=0x7e => octet,
            0x80.. => {
                return Err(bad(format!("{text:?} has a character outside ASCII"))
                    .hint("write an international name in its `xn--` form"));
            }
            _ => return Err(bad(format!("{text:?} has a blank or a control character"))),
        };
        wire.push(octet.to_ascii_lowercase());
        if wire.len() > NAME_OCTETS {
            return Err(too_long());
        }
    }
    if !absolute {
        end_label(&mut wire, label_at, text)?;
        wire.push(0);
    }
    if wire.len() > NAME_OCTETS {
        return Err(too_long());
    }
    Ok((DnsName(wire.into_boxed_slice()), absolute))
}

/// Reads what follows a backslash: three digits or one character.
fn escaped(octets: &mut std::str::Bytes<'_>, text: &str) -> Result<u8, Fault> {
    let wrong = || {
        bad(format!("{text:?} has an unfinished escape"))
            .hint("write `\\DDD` with three decimal digits up to 255, or `\\.`")
    };
    let first = octets.next().ok_or_else(wrong)?;
    if !first.is_ascii_digit() {
        return if first.is_ascii_graphic() { Ok(first) } else { Err(wrong()) };
    }
    let mut number = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or_else(wrong)?;
        number = number * 10 + u16::from(digit - b'0');
    }
    u8::try_from(number).map_err(|_| wrong())
}

/// Writes the length of the label that ends here.
fn end_label(wire: &mut [u8], label_at: usize, text: &str) -> Result<(), Fault> {
    let length = wire.len() - label_at - 1;
    if length == 0 {
        return Err(bad(format!("{text:?} has an empty label")));
    }
    if length > LABEL_OCTETS {
        return Err(bad(format!("{text:?} has a label of {length} octets; at most 63 are allowed")));
    }
    if let Some(octet) = wire.get_mut(label_at) {
        *octet = u8::try_from(length).unwrap_or(0);
    }
    Ok(())
}

/// Refuses `*` as a label: what is meant there cannot be told.
fn no_asterisk(name: &DnsName, text: &str) -> Result<(), Fault> {
    if name.labels().any(|label| label == b"*") {
        return Err(Fault::new(&codes::BAD_WILDCARD, format!("{text:?} has a `*` label here"))
            .hint("a wildcard is the whole leftmost label, in records and `must-be-private` only"));
    }
    Ok(())
}

/// A malformed name.
fn bad(message: impl Into<String>) -> Fault {
    Fault::new(&codes::BAD_DNS_NAME, message)
}

/// A name over the limit.
fn too_long() -> Fault {
    bad("the name is longer than 255 octets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_the_final_dot_is_optional() {
        let name = DnsName::parse("rdWeb.WVD.microsoft.com").unwrap();
        assert_eq!(name, DnsName::parse("rdweb.wvd.microsoft.com.").unwrap());
        assert_eq!(name.to_string(), "rdweb.wvd.microsoft.com");
        assert_eq!(&name.wire()[..7], b"\x05rdweb\x03");
        assert_eq!(DnsName::parse(".").unwrap(), DnsName::root());
    }

    #[test]
    fn escapes_make_any_octet() {
        let name = DnsName::parse(r"hp1\.privatelink\065\000.example").unwrap();
        assert_eq!(name.labels().count(), 2);
        assert_eq!(name.labels().next().unwrap(), b"hp1.privatelinka\0");
        assert_eq!(name.to_string(), r"hp1\.privatelinka\000.example");
        assert_eq!(DnsName::parse(&name.to_string()).unwrap(), name);
    }

    #[test]
    fn limits_are_63_and_255_octets() {
        let label = "a".repeat(63);
        assert!(DnsName::parse(&format!("{label}.example")).is_ok());
        assert!(DnsName::parse(&format!("{label}a.example")).is_err());
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(DnsName::parse(&longest).unwrap().wire().len(), 255);
        assert!(DnsName::parse(&format!("{longest}a")).is_err());
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in ["", "a..b", ".a", "a b", "ü.example", r"a\", r"a\25", r"a\256", "a.*.b"] {
            assert!(DnsName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_leftmost_asterisk_is_a_wildcard() {
        let pattern = Pattern::parse("*.vault.azure.net").unwrap();
        assert!(pattern.wildcard);
        assert_eq!(pattern.name.to_string(), "vault.azure.net");
        assert_eq!(pattern.to_string(), "*.vault.azure.net");
        assert!(Pattern::parse("a.*.net").is_err());
        assert!(!Pattern::parse(r"\*x.net").unwrap().wildcard);
        assert!(DnsName::parse("*.net").is_err());
    }

    #[test]
    fn owners_are_relative_without_a_final_dot() {
        let apex = DnsName::parse("a.example").unwrap();
        let full = |text| Owner::parse(text).unwrap().under(&apex).unwrap().to_string();
        assert_eq!(full("@"), "a.example");
        assert_eq!(full("www"), "www.a.example");
        assert_eq!(full("*.x"), "*.x.a.example");
        assert_eq!(full("b.example."), "b.example");
    }

    #[test]
    fn below_goes_by_whole_labels() {
        let name = |text| DnsName::parse(text).unwrap();
        assert!(name("a.b.c").is_at_or_below(&name("b.c")));
        assert!(name("b.c").is_at_or_below(&name("b.c")));
        assert!(name("b.c").is_at_or_below(&DnsName::root()));
        assert!(!name("ab.c").is_at_or_below(&name("b.c")));
        assert!(!name("c").is_at_or_below(&name("b.c")));
    }
}
