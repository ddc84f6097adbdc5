//! 0x20: the case of QNAME's letters as further bits that a spoofer has to guess (R30, draft-vixie-dnsext-dns0x20).

use crate::wire::{Key, MAX_NAME_OCTETS};

/// One bit for each octet of a name: set where a letter is upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case([u64; 4]);

/// A name as it is sent.
pub(super) struct Spelled {
    octets: [u8; MAX_NAME_OCTETS],
    len: usize,
}

impl Spelled {
    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

impl Case {
    /// All letters in lower case.
    pub(super) const LOWER: Self = Self([0; 4]);

    /// Random bits.
    pub(super) fn new(bits: [u64; 4]) -> Self {
        Self(bits)
    }

    /// Spells a lower-cased name. Length octets are no letters.
    pub(super) fn spell(self, name: &mut [u8]) {
        if self == Self::LOWER {
            return;
        }
        for (index, octet) in name.iter_mut().enumerate() {
            let bit = self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1);
            if bit && octet.is_ascii_lowercase() {
                octet.make_ascii_uppercase();
            }
        }
    }

    /// A key's QNAME, spelled.
    pub(super) fn spelled(self, key: &Key) -> Spelled {
        let name = key.name_octets();
        let mut spelled = Spelled { octets: [0; MAX_NAME_OCTETS], len: name.len() };
        if let Some(place) = spelled.octets.get_mut(..name.len()) {
            place.copy_from_slice(name);
            self.spell(place);
        }
        spelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_change_case_and_nothing_else_does() {
        let mut name = *b"\x03a-1\x02bz\0";
        Case::new([u64::MAX; 4]).spell(&mut name);
        assert_eq!(&name, b"\x03A-1\x02BZ\0");
        Case::LOWER.spell(&mut name);
        assert_eq!(&name, b"\x03A-1\x02BZ\0");
    }
}
