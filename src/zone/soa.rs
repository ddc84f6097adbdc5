//! SOA records made here (R14): they end negative answers about names that have no SOA of their own.

use crate::wire::{Name, Template, Ttl, rtype};

/// TTL and MINIMUM of a synthetic SOA, in seconds, as Azure's private zones have it.
const NEGATIVE_TTL: u32 = 10;

/// The synthetic SOA: MNAME `hubdns.invalid.` and RNAME `nobody.invalid.` lead nowhere, since an MNAME that resolves
/// would draw dynamic updates; 1 3600 1200 604800 10, TTL 10.
pub fn synthetic_soa() -> Template {
    let mut rdata = Vec::with_capacity(64);
    for name in ["hubdns.invalid", "nobody.invalid"] {
        if let Ok(name) = Name::from_presentation(name) {
            rdata.extend_from_slice(name.octets());
        }
    }
    for number in [1_u32, 3_600, 1_200, 604_800, NEGATIVE_TTL] {
        rdata.extend(number.to_be_bytes());
    }
    Template::new(rtype::SOA, Ttl::from_seconds(NEGATIVE_TTL), [rdata.as_slice()])
        .unwrap_or_else(|| unreachable!("one short record"))
}

/// The SOA of a negative answer: its TTL is the lesser of the record's TTL and MINIMUM (RFC 2308 §5).
pub fn negative_soa(soa: &Template) -> Option<Template> {
    let rdata = soa.rdata().next()?;
    let minimum = rdata.last_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))?;
    Template::new(rtype::SOA, soa.ttl().min(Ttl::from_wire(minimum)), [rdata])
}
