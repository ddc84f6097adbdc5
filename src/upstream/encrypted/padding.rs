//! Padding of queries (RFC 7830): on the wire all names of a resolver's clients look alike in length.

/// What a query's length is a multiple of, in octets (RFC 8467 §4.1).
pub(super) const BLOCK: usize = 128;
/// The option's code.
const PADDING: u16 = 12;
/// An option's code and length, in octets.
const OPTION: usize = 4;
/// An OPT record without options, in octets.
const OPT: usize = 11;

/// A query of ours, padded. One without an OPT record at its end, or with options in it, stays as it is.
pub(super) fn padded(query: &[u8]) -> Vec<u8> {
    let mut out = query.to_vec();
    let opt = query.len().checked_sub(OPT).and_then(|at| query.get(at..));
    if !matches!(opt, Some([0, 0, 41, .., 0, 0])) {
        return out;
    }
    let whole = (query.len() + OPTION).next_multiple_of(BLOCK);
    let zeros = whole - query.len() - OPTION;
    out.truncate(query.len() - 2);
    for number in [(OPTION + zeros) as u16, PADDING, zeros as u16] {
        out.extend(number.to_be_bytes());
    }
    out.resize(whole, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Key, Query, RouteId, WireName, upstream_query};
    use hickory_net::proto::op::Message;
    use hickory_net::proto::rr::rdata::opt::EdnsCode;

    fn query(name: &str, with_opt: bool) -> Vec<u8> {
        let name = WireName::from_presentation(name).unwrap();
        let key = Key::new(RouteId(1), name.as_ref(), 1, true, true);
        let mut out = [0; 512];
        let length = upstream_query(&mut out, 0x1234, &key, 1_232, with_opt, None).unwrap();
        out[..length].to_vec()
    }

    #[test]
    fn queries_of_all_lengths_are_whole_blocks() {
        for length in 1..=60 {
            let labels = format!("{0}.{0}.{0}.{0}.example", "x".repeat(length));
            for name in [&labels[..length], labels.as_str()].into_iter().filter(|name| !name.ends_with('.')) {
                let plain = query(name, true);
                let padded = padded(&plain);
                assert_eq!(padded.len() % BLOCK, 0, "{name}");
                assert!(padded.len() < plain.len() + OPTION + BLOCK, "no block more than it needs: {name}");
                let read = Query::read(&padded).unwrap();
                assert!(read.edns.is_some_and(|edns| edns.dnssec_ok && edns.payload == 1_232), "{name}");
            }
        }
        assert_eq!(padded(&query("a.example", false)), query("a.example", false), "nothing to carry it");
    }

    #[test]
    fn the_encoder_that_sends_it_keeps_every_octet() {
        let mut spelled = query("a-long.NAME.example", true);
        spelled[13..19].copy_from_slice(b"A-loNG");
        let padded = padded(&spelled);
        let message = Message::from_vec(&padded).unwrap();
        let option = message.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Padding)).unwrap();
        assert!(!Vec::<u8>::try_from(option).unwrap().is_empty());
        assert_eq!(message.to_vec().unwrap(), padded);
    }
}
