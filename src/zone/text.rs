//! RDATA as people write them.

use hickory_proto::rr::{RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::wire::CLASS_IN;

/// RDATA with whole names in presentation form; in the form of RFC 3597 §5 where the type is unknown.
pub fn rdata_text(rtype: u16, rdata: &[u8]) -> String {
    let length = u16::try_from(rdata.len()).unwrap_or(u16::MAX);
    // A whole record of the root, for the decoder.
    let mut record = vec![0];
    record.extend(rtype.to_be_bytes());
    record.extend(CLASS_IN.to_be_bytes());
    record.extend([0; 4]);
    record.extend(length.to_be_bytes());
    record.extend(rdata);
    match Record::<RData>::read(&mut BinDecoder::new(&record)) {
        Ok(Record { data: RData::Unknown { .. }, .. }) | Err(_) => {
            let hex: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("\\# {} {hex}", rdata.len())
        }
        Ok(known) => known.data.to_string().chars().flat_map(printable).collect(),
    }
}

/// Control characters as escapes: text must not disturb a terminal.
pub fn printable(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Name, rtype};

    #[test]
    fn rdata_are_shown_by_type() {
        assert_eq!(rdata_text(rtype::A, &[10, 0, 0, 1]), "10.0.0.1");
        let target = Name::from_presentation("a.example").unwrap();
        assert_eq!(rdata_text(rtype::CNAME, target.octets()), "a.example.");
        assert_eq!(rdata_text(65_280, &[1, 255]), "\\# 2 01ff");
        assert_eq!(rdata_text(rtype::A, &[10]), "\\# 1 0a");
    }
}
