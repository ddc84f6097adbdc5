//! `ByAddress`: something for each of many addresses, asked by address or by prefix. Two sorted lists: a few octets an
//! address, and the ancestors of reverse names (R17) need no entries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Values by address.
#[derive(Debug)]
pub struct ByAddress<T> {
    four: Box<[(u32, T)]>,
    six: Box<[(u128, T)]>,
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self { four: Box::default(), six: Box::default() }
    }
}

impl<T> ByAddress<T> {
    /// Sorts the values; of several for one address the one that comes first by `precedes` is kept.
    pub fn new(values: impl Iterator<Item = (IpAddr, T)>, precedes: impl Fn(&T, &T) -> bool) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (address, value) in values {
            match address {
                IpAddr::V4(address) => four.push((address.to_bits(), value)),
                IpAddr::V6(address) => six.push((address.to_bits(), value)),
            }
        }
        Self { four: sorted(four, &precedes), six: sorted(six, &precedes) }
    }

    /// The value of an address.
    pub fn get(&self, address: IpAddr) -> Option<&T> {
        match address {
            IpAddr::V4(address) => found(&self.four, address.to_bits()),
            IpAddr::V6(address) => found(&self.six, address.to_bits()),
        }
    }

    /// Whether an address of the prefix has a value. `bits` beyond the address's own count as all of them.
    pub fn has_any(&self, network: IpAddr, bits: u8) -> bool {
        match network {
            IpAddr::V4(first) => {
                let last = Ipv4Addr::from_bits(first.to_bits() | u32::MAX.checked_shr(bits.into()).unwrap_or(0));
                holds(&self.four, first.to_bits(), last.to_bits())
            }
            IpAddr::V6(first) => {
                let last = Ipv6Addr::from_bits(first.to_bits() | u128::MAX.checked_shr(bits.into()).unwrap_or(0));
                holds(&self.six, first.to_bits(), last.to_bits())
            }
        }
    }
}

fn sorted<K: Ord + Copy, T>(mut list: Vec<(K, T)>, precedes: impl Fn(&T, &T) -> bool) -> Box<[(K, T)]> {
    list.sort_unstable_by_key(|(address, _)| *address);
    list.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same && precedes(&later.1, &kept.1) {
            std::mem::swap(later, kept);
        }
        same
    });
    list.into()
}

fn found<K: Ord, T>(list: &[(K, T)], address: K) -> Option<&T> {
    let place = list.binary_search_by(|(own, _)| own.cmp(&address)).ok()?;
    list.get(place).map(|(_, value)| value)
}

fn holds<K: Ord, T>(list: &[(K, T)], first: K, last: K) -> bool {
    let place = list.partition_point(|(own, _)| *own < first);
    list.get(place).is_some_and(|(own, _)| *own <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_address_and_by_prefix() {
        let values = [("10.1.2.3", 5), ("10.1.2.3", 2), ("10.1.2.3", 9), ("fd00::1", 1), ("9.0.0.0", 7)];
        let map = ByAddress::new(values.iter().map(|(text, value)| (text.parse().unwrap(), *value)), |a, b| a < b);
        let get = |text: &str| map.get(text.parse().unwrap()).copied();
        assert_eq!([get("10.1.2.3"), get("10.1.2.4"), get("fd00::1"), get("fd00::")], [Some(2), None, Some(1), None]);
        for (network, bits, wanted) in [
            ("10.1.2.0", 24, true),
            ("10.1.3.0", 24, false),
            ("10.0.0.0", 8, true),
            ("8.0.0.0", 8, false),
            ("0.0.0.0", 0, true),
            ("10.1.2.3", 32, true),
            ("10.1.2.2", 32, false),
            ("fd00::", 8, true),
            ("fe00::", 8, false),
            ("fd00::1", 128, true),
            ("::", 0, true),
        ] {
            assert_eq!(map.has_any(network.parse().unwrap(), bits), wanted, "{network}/{bits}");
        }
    }
}
