//! What a raw answer is kept, asked and shared under (R2, R3).

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{MAX_NAME_OCTETS, NameRef, RecordType, WireName};

/// A route's identity: a hash of all that can change the bytes of its answers (R3): servers, transports, source
/// address, options sent. Two upstream groups of one RouteId share their raw answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

const FIXED: usize = 11;

/// (RouteId, lower-cased QNAME, QTYPE, DO, CD) as flat octets on the stack, so that a map of boxed octets can be asked
/// without an allocation. It holds nothing of a client or a view.
#[derive(Clone, Copy)]
pub struct Key {
    octets: [u8; FIXED + MAX_NAME_OCTETS],
    len: u16,
}

impl Key {
    /// Puts the parts together. No allocation.
    pub fn new(route: RouteId, name: NameRef<'_>, qtype: u16, dnssec_ok: bool, checking_disabled: bool) -> Self {
        let mut octets = [0; FIXED + MAX_NAME_OCTETS];
        super::put(&mut octets, 0, &route.0.to_be_bytes());
        super::put(&mut octets, 8, &qtype.to_be_bytes());
        super::put(&mut octets, 10, &[u8::from(dnssec_ok) | u8::from(checking_disabled) << 1]);
        super::put(&mut octets, FIXED, name.octets());
        let len = u16::try_from(name.octets().len().saturating_add(FIXED)).unwrap_or(0);
        Self { octets, len }
    }

    /// A key out of its octets; none where they are not one's.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (name, end) = WireName::read_plain(octets, FIXED).ok()?;
        let mut key = Self { octets: [0; FIXED + MAX_NAME_OCTETS], len: u16::try_from(octets.len()).ok()? };
        let is_one = end == octets.len() && name.octets() == Self::name_of(octets);
        key.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        is_one.then_some(key)
    }

    /// The route of a key's octets.
    pub fn route_of(octets: &[u8]) -> Option<RouteId> {
        octets.first_chunk::<8>().map(|route| RouteId(u64::from_be_bytes(*route)))
    }

    /// QNAME in a key's octets, lower-cased.
    pub fn name_of(octets: &[u8]) -> &[u8] {
        octets.get(FIXED..).unwrap_or(&[0])
    }

    /// The key as a map holds it.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// The route.
    pub fn route(&self) -> RouteId {
        let octets = self.octets.first_chunk::<8>().copied().unwrap_or_default();
        RouteId(u64::from_be_bytes(octets))
    }

    /// QNAME, lower-cased.
    pub fn name(&self) -> WireName {
        WireName::read_plain(self.octets(), FIXED).map_or(WireName::ROOT, |(name, _)| name)
    }

    /// QNAME's octets, lower-cased.
    pub fn name_octets(&self) -> &[u8] {
        Self::name_of(self.octets())
    }

    /// QTYPE.
    pub fn qtype(&self) -> u16 {
        super::u16_at(&self.octets, 8).unwrap_or(0)
    }

    /// DO (RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.octets.get(10).is_some_and(|bits| bits & 1 != 0)
    }

    /// CD (RFC 4035 §3.2.2).
    pub fn checking_disabled(&self) -> bool {
        self.octets.get(10).is_some_and(|bits| bits & 2 != 0)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.octets().hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dnssec = if self.dnssec_ok() { " DO" } else { "" };
        let checking = if self.checking_disabled() { " CD" } else { "" };
        write!(f, "{} {}{dnssec}{checking} by {:016x}", self.name(), RecordType(self.qtype()), self.route().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_its_parts() {
        let name = WireName::from_presentation("Hp1.Example").unwrap();
        let key = Key::new(RouteId(7), name.as_ref(), 65, true, false);
        assert_eq!((key.route(), key.name(), key.qtype()), (RouteId(7), name, 65));
        assert!(key.dnssec_ok() && !key.checking_disabled());
        assert_ne!(key, Key::new(RouteId(7), name.as_ref(), 65, true, true));
        assert_ne!(key, Key::new(RouteId(8), name.as_ref(), 65, true, false));
    }
}
