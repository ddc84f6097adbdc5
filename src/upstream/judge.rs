//! What a message is to an open question (R29, R30).

use crate::wire::{HEADER_OCTETS, Header, Key, Question, RawAnswer, Records, flags, rcode, rtype};

/// A judgement.
pub(super) enum Judged {
    /// An answer, in order.
    Answer(Box<RawAnswer>),
    /// TC is set.
    Truncated,
    /// FORMERR: the server may not know OPT.
    FormErr,
    /// The server failed, or is lame.
    Failed,
    /// It matches in all but the case of QNAME's letters.
    OtherCase,
    /// It lacks the cookie that this server is known to echo.
    Unproven,
    /// The server wants the cookie that came with it.
    BadCookie,
    /// It does not answer this question, or cannot be parsed: dropped, and the wait goes on.
    Mismatch,
}

/// Judges a message that came with a matching id from the right address and port. `spelled` is QNAME as it was sent.
pub(super) fn judge(message: &[u8], key: &Key, spelled: &[u8]) -> Judged {
    let Ok(header) = Header::read(message) else { return Judged::Mismatch };
    if !header.has(flags::QR) || header.opcode() != 0 {
        return Judged::Mismatch;
    }
    // Some servers answer what they cannot parse with the header alone.
    if header.questions == 0 && header.rcode() == rcode::FORMERR && message.len() == HEADER_OCTETS {
        return Judged::FormErr;
    }
    let matches = header.questions == 1
        && Question::read(message).is_ok_and(|question| {
            question.name.octets() == key.name_octets() && question.qtype == key.qtype() && question.qclass == 1
        });
    if !matches {
        return Judged::Mismatch;
    }
    if message.get(HEADER_OCTETS..HEADER_OCTETS + spelled.len()) != Some(spelled) {
        return Judged::OtherCase;
    }
    content(message, &header, key)
}

/// Judges what a matching message says.
pub(super) fn content(message: &[u8], header: &Header, key: &Key) -> Judged {
    match header.rcode() {
        _ if header.has(flags::TC) => Judged::Truncated,
        rcode::FORMERR => Judged::FormErr,
        rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN => match RawAnswer::from_upstream(message, key) {
            Ok(raw) if raw.rcode() > 15 => Judged::Failed,
            Ok(raw) if is_lame(&raw, header, message) => Judged::Failed,
            Ok(raw) => Judged::Answer(Box::new(raw)),
            Err(_) => Judged::Mismatch,
        },
        _ => Judged::Failed,
    }
}

/// NOERROR without answer and SOA, but with NS or without RA (R29).
fn is_lame(raw: &RawAnswer, header: &Header, message: &[u8]) -> bool {
    if header.rcode() != rcode::NOERROR || raw.answers() > 0 || raw.has_soa() {
        return false;
    }
    let records = Records::new(message, raw.question_end(), header.answers.saturating_add(header.authorities));
    !header.has(flags::RA) || records.map_while(Result::ok).any(|record| record.rtype == rtype::NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{RouteId, WireName};

    fn reply(flags: u16, name: &str, tail: &[u8], counts: [u16; 3]) -> Vec<u8> {
        let [answers, authorities, additionals] = counts;
        let header = Header { id: 1, flags: 0x8000 | flags, questions: 1, answers, authorities, additionals };
        let mut message = header.octets().to_vec();
        message.extend(name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()));
        message.extend([0, 0, 1, 0, 1]);
        message.extend(tail);
        message
    }

    fn judged(message: &[u8]) -> &'static str {
        let name = WireName::from_presentation("a.example").unwrap();
        let key = Key::new(RouteId(1), name.as_ref(), 1, false, false);
        match judge(message, &key, b"\x01A\x07exAmple\0") {
            Judged::Answer(_) => "answer",
            Judged::Truncated => "truncated",
            Judged::FormErr => "formerr",
            Judged::Failed => "failed",
            Judged::OtherCase => "other case",
            Judged::Unproven | Judged::BadCookie => "not judged by the message alone",
            Judged::Mismatch => "mismatch",
        }
    }

    #[test]
    fn r29_r30_messages_are_told_apart() {
        let ns = [0xc0, 14, 0, 2, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 14];
        let a = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1];
        let none = [0; 3];
        for (message, expected) in [
            (reply(0x80, "A.exAmple", &a, [1, 0, 0]), "answer"),
            (reply(0x83, "A.exAmple", &[], none), "answer"),
            (reply(0x80, "A.exAmple", &[], none), "answer"),
            (reply(0, "A.exAmple", &[], none), "failed"),
            (reply(0x80, "A.exAmple", &ns, [0, 1, 0]), "failed"),
            (reply(0x82, "A.exAmple", &[], none), "failed"),
            (reply(0x85, "A.exAmple", &[], none), "failed"),
            (reply(0x81, "A.exAmple", &[], none), "formerr"),
            (reply(0x280, "A.exAmple", &[], none), "truncated"),
            (reply(0x80, "a.example", &a, [1, 0, 0]), "other case"),
            (reply(0x80, "b.example", &a, [1, 0, 0]), "mismatch"),
            (reply(0x80, "A.exAmple", &a, [2, 0, 0]), "mismatch"),
            (reply(0x2880, "A.exAmple", &a, [1, 0, 0]), "mismatch"),
        ] {
            assert_eq!(judged(&message), expected, "{message:02x?}");
        }
    }
}
