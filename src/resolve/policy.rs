//! Who may ask what (R6, R10): duties that need no data.

use crate::wire::{CLASS_IN, Query, rcode, rtype};

/// The RCODE of a query that is answered without looking at its name; none where the name matters.
pub(super) fn refusal(query: &Query) -> Option<u16> {
    if query.edns.is_some_and(|edns| edns.version > 0) {
        return Some(rcode::BADVERS);
    }
    // Class ANY and CHAOS among them: no data of one class may answer for another.
    if query.question.qclass != CLASS_IN {
        return Some(rcode::REFUSED);
    }
    match query.question.qtype {
        rtype::AXFR | rtype::IXFR | rtype::TKEY | rtype::TSIG | rtype::MAILA | rtype::MAILB => Some(rcode::REFUSED),
        rtype::OPT => Some(rcode::FORMERR),
        _ => None,
    }
}
