//! Reverse names (R17): which addresses they mean, and which of their zones are nobody's on the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{NameRef, WireName};

/// The zones that a resolver answers itself: RFC 6303 §4 and RFC 7793 §2.2.
const LOCAL_ZONES: &[&str] = &[
    "0.in-addr.arpa",
    "10.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "168.192.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
];

/// The reverse name of an address (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> WireName {
    let text = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    };
    WireName::from_presentation(&text).unwrap_or(WireName::ROOT)
}

/// All zones that are answered here unless a view says otherwise.
pub fn local_zones() -> impl Iterator<Item = WireName> {
    let shared = (64..128).map(|octet| format!("{octet}.100.in-addr.arpa"));
    let private = (16..32).map(|octet| format!("{octet}.172.in-addr.arpa"));
    let texts = LOCAL_ZONES.iter().map(|zone| (*zone).to_owned()).chain(shared).chain(private);
    texts.filter_map(|zone| WireName::from_presentation(&zone).ok())
}

/// Whether a name is at or below `in-addr.arpa` or `ip6.arpa`.
pub fn is_reverse(name: NameRef<'_>) -> bool {
    const V4: &[u8] = b"\x07in-addr\x04arpa\0";
    const V6: &[u8] = b"\x03ip6\x04arpa\0";
    // Every reverse name ends so; the whole labels are compared only then.
    if !name.octets().ends_with(b"\x04arpa\0") {
        return false;
    }
    name.suffixes().any(|suffix| suffix.octets() == V4 || suffix.octets() == V6)
}

/// The addresses whose reverse names are at or below `name`: a network and its bits, all of them for one address. None
/// for what is no reverse name as [`reverse_name`] writes it.
pub fn network_of(name: NameRef<'_>) -> Option<(IpAddr, u8)> {
    const MOST: usize = 32;
    let mut labels = [&[][..]; MOST + 2];
    let mut count = 0_usize;
    for label in name.labels() {
        *labels.get_mut(count)? = label;
        count = count.saturating_add(1);
    }
    let count = count.checked_sub(2)?;
    let (parts, zone) = labels.get(..count.saturating_add(2))?.split_at(count);
    match zone {
        [b"in-addr", b"arpa"] if count <= 4 => {
            let mut octets = [0; 4];
            for (place, label) in octets.iter_mut().zip(parts.iter().rev()) {
                *place = decimal(label)?;
            }
            Some((Ipv4Addr::from(octets).into(), u8::try_from(count).ok()?.saturating_mul(8)))
        }
        [b"ip6", b"arpa"] => {
            let mut bits = 0_u128;
            for (place, label) in parts.iter().rev().enumerate() {
                let [digit @ (b'0'..=b'9' | b'a'..=b'f')] = label else { return None };
                let digit = char::from(*digit).to_digit(16)?;
                bits |= u128::from(digit) << (124_usize.saturating_sub(place.saturating_mul(4)));
            }
            Some((Ipv6Addr::from_bits(bits).into(), u8::try_from(count).ok()?.saturating_mul(4)))
        }
        _ => None,
    }
}

/// A number up to 255 without zeros in front.
fn decimal(label: &[u8]) -> Option<u8> {
    let plain = label.len() == 1 || label.first() != Some(&b'0');
    let text =
        std::str::from_utf8(label).ok().filter(|text| plain && text.bytes().all(|octet| octet.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_reverse_names_mean_networks() {
        let network = |text: &str| {
            let name = WireName::from_presentation(text).unwrap();
            network_of(name.as_ref()).map(|(network, bits)| format!("{network}/{bits}"))
        };
        for address in ["10.1.2.3", "0.0.0.0", "255.100.9.10", "fd00::1", "2001:db8:ffff::abcd"] {
            let parsed: IpAddr = address.parse().unwrap();
            let bits = if parsed.is_ipv4() { 32 } else { 128 };
            assert_eq!(network(&reverse_name(parsed).to_string()), Some(format!("{address}/{bits}")));
        }
        for (text, wanted) in [
            ("2.1.10.in-addr.arpa", Some("10.1.2.0/24")),
            ("10.in-addr.arpa", Some("10.0.0.0/8")),
            ("in-addr.arpa", Some("0.0.0.0/0")),
            ("d.f.ip6.arpa", Some("fd00::/8")),
            ("ip6.arpa", Some("::/0")),
            ("5.4.3.2.10.in-addr.arpa", None),
            ("03.2.1.10.in-addr.arpa", None),
            ("256.2.1.10.in-addr.arpa", None),
            ("x.2.1.10.in-addr.arpa", None),
            ("+1.2.1.10.in-addr.arpa", None),
            ("dd.f.ip6.arpa", None),
            ("g.f.ip6.arpa", None),
            ("10.in-addr.example", None),
            ("arpa", None),
            (".", None),
        ] {
            assert_eq!(network(text).as_deref(), wanted, "{text}");
        }
        let long = format!("1.{}", reverse_name("fd00::1".parse().unwrap()));
        assert_eq!(network(&long), None);
    }

    #[test]
    fn r17_addresses_have_reverse_names() {
        assert_eq!(reverse_name("10.1.2.3".parse().unwrap()).to_string(), "3.2.1.10.in-addr.arpa");
        let six = reverse_name("fd00::1".parse().unwrap()).to_string();
        assert!(six.starts_with("1.0.0.0") && six.ends_with("0.0.d.f.ip6.arpa"), "{six}");
        assert!(is_reverse(reverse_name("fd00::1".parse().unwrap()).as_ref()));
        assert!(!is_reverse(WireName::from_presentation("xin-addr.arpa").unwrap().as_ref()));
        assert_eq!(local_zones().count(), LOCAL_ZONES.len() + 64 + 16);
    }
}
