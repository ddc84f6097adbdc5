//! R24 on values: what is kept of an upstream's message, and in which order.

use super::*;
use crate::wire::{Name, RecordType, RouteId};

/// A record as a test writes it: owner, type, TTL, RDATA.
type Row<'a> = (&'a str, u16, u32, Vec<u8>);

fn name(text: &str) -> Vec<u8> {
    Name::from_presentation(text).unwrap().octets().to_vec()
}

fn a(last: u8) -> Vec<u8> {
    vec![192, 0, 2, last]
}

fn soa(minimum: u32) -> Vec<u8> {
    let mut rdata = [name("ns.example"), name("host.example")].concat();
    for number in [1, 2, 3, 4, minimum] {
        rdata.extend(number.to_be_bytes());
    }
    rdata
}

fn rrsig(covered: u16) -> Vec<u8> {
    let mut rdata = covered.to_be_bytes().to_vec();
    rdata.extend([8, 2, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    rdata.extend(name("example"));
    rdata.extend([7; 8]);
    rdata
}

fn key(qname: &str, qtype: u16, dnssec_ok: bool) -> Key {
    Key::new(RouteId(1), Name::from_presentation(qname).unwrap().as_ref(), qtype, dnssec_ok, false)
}

fn message(
    qname: &str,
    qtype: u16,
    code: u16,
    answers: &[Row<'_>],
    authorities: &[Row<'_>],
    additionals: &[Row<'_>],
) -> Vec<u8> {
    let count = |rows: &[Row<'_>]| rows.len() as u16;
    let header = Header {
        id: 9,
        flags: flags::QR | flags::RA | flags::AD | code,
        questions: 1,
        answers: count(answers),
        authorities: count(authorities),
        additionals: count(additionals),
    };
    let mut octets = header.octets().to_vec();
    octets.extend(name(qname));
    octets.extend(qtype.to_be_bytes());
    octets.extend([0, 1]);
    for (owner, kind, ttl, rdata) in answers.iter().chain(authorities).chain(additionals) {
        octets.extend(name(owner));
        octets.extend(kind.to_be_bytes());
        octets.extend([0, 1]);
        octets.extend(ttl.to_be_bytes());
        octets.extend((rdata.len() as u16).to_be_bytes());
        octets.extend(rdata);
    }
    octets
}

/// The kept records: `owner TYPE ttl`, answer section first.
fn kept(raw: &RawAnswer) -> Vec<String> {
    let records = Records::new(raw.octets(), raw.question_end(), raw.answers() + raw.authorities());
    let shown = records.map(|record| {
        let record = record.unwrap();
        record.check_rdata(raw.octets()).unwrap();
        let owner = record.owner(raw.octets()).unwrap();
        format!("{owner} {} {}", RecordType(record.rtype), record.ttl().seconds())
    });
    shown.collect()
}

#[test]
fn r24_a_message_in_order_is_kept_as_it_is() {
    let answers = [("a.example", 5, 300, name("b.example")), ("b.example", 1, 60, a(1)), ("b.example", 1, 60, a(2))];
    let whole = message("a.example", 1, 0, &answers, &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("a.example", 1, false)).unwrap();
    assert_eq!(raw.octets()[12..], whole[12..]);
    assert_eq!(kept(&raw), ["a.example CNAME 300", "b.example A 60", "b.example A 60"]);
    assert_eq!((raw.end(), raw.lifetime().seconds(), raw.is_authentic()), (End::Data, 60, true));
    assert_eq!(raw.target(&raw.steps()[0]).unwrap().to_string(), "b.example");
    assert_eq!(raw.least_ttl_from(raw.question_end(), crate::wire::Age::Seconds(10)), Some(Ttl::from_seconds(50)));
}

#[test]
fn a_record_that_stands_twice_is_kept_once() {
    let twice = [("a.example", 1, 60, a(1)), ("a.example", 1, 60, a(2)), ("a.example", 1, 60, a(1))];
    let raw = RawAnswer::from_upstream(&message("a.example", 1, 0, &twice, &[], &[]), &key("a.example", 1, false));
    assert_eq!(kept(&raw.unwrap()), ["a.example A 60"; 2]);
    // The same exchange in other letters and behind a pointer.
    let exchange = |host: &[u8]| [&[0, 10], host].concat();
    let twice =
        [("a.example", 15, 60, exchange(b"\x04MAIL\xc0\x0e")), ("a.example", 15, 60, exchange(&name("mail.example")))];
    let raw = RawAnswer::from_upstream(&message("a.example", 15, 0, &twice, &[], &[]), &key("a.example", 15, false));
    assert_eq!(kept(&raw.unwrap()), ["a.example MX 60"]);
    let behind = [("a.example", 5, 300, name("b.example")), ("b.example", 1, 60, a(1)), ("b.example", 1, 60, a(1))];
    let raw = RawAnswer::from_upstream(&message("a.example", 1, 0, &behind, &[], &[]), &key("a.example", 1, false));
    assert_eq!(kept(&raw.unwrap()), ["a.example CNAME 300", "b.example A 60"]);
}

#[test]
fn r24_d_12b_the_chain_is_put_in_order_and_the_rest_dropped() {
    let answers = [
        ("bank.example", 1, 60, a(66)),
        ("b.example", 1, 90, a(1)),
        ("a.example", 5, 300, name("b.example")),
        ("b.example", 28, 60, vec![0; 16]),
        ("b.example", 1, 60, a(2)),
    ];
    let authorities = [("example", 2, 60, name("ns.example"))];
    let additionals = [("ns.example", 1, 60, a(53))];
    let whole = message("a.example", 1, 0, &answers, &authorities, &additionals);
    let raw = RawAnswer::from_upstream(&whole, &key("a.example", 1, false)).unwrap();
    assert_eq!(kept(&raw), ["a.example CNAME 300", "b.example A 60", "b.example A 60"]);
    assert_eq!((raw.answers(), raw.authorities(), raw.steps().len()), (3, 0, 1));
    assert_eq!(raw.target(&raw.steps()[0]).unwrap().to_string(), "b.example");
    assert_eq!(usize::from(raw.steps()[0].end), Record::read(raw.octets(), raw.question_end()).unwrap().end);
}

#[test]
fn d_10b_a_negative_answer_keeps_its_soa_with_the_lesser_ttl() {
    let authorities = [("example", 2, 60, name("ns.example")), ("example", 6, 300, soa(60))];
    let whole = message("no.example", 1, rcode::NXDOMAIN, &[], &authorities, &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("no.example", 1, false)).unwrap();
    assert_eq!(kept(&raw), ["example SOA 60"]);
    assert_eq!((raw.rcode(), raw.end(), raw.has_soa(), raw.lifetime().seconds()), (3, End::Negative, true, 60));
    let plain = [("example", 6, 60, soa(300))];
    let whole = message("no.example", 1, 0, &[], &plain, &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("no.example", 1, false)).unwrap();
    assert_eq!((kept(&raw), raw.end()), (vec!["example SOA 60".to_owned()], End::Negative));
    let foreign = message("no.example", 1, 0, &[], &[("other.test", 6, 60, soa(60))], &[]);
    let raw = RawAnswer::from_upstream(&foreign, &key("no.example", 1, false)).unwrap();
    assert!(!raw.has_soa() && raw.authorities() == 0);
}

#[test]
fn r22_an_alias_without_data_and_soa_is_left_dangling() {
    let whole = message("a.example", 1, 0, &[("a.example", 5, 60, name("b.test"))], &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("a.example", 1, false)).unwrap();
    assert_eq!(raw.end(), End::Dangling);
    let cname = message("a.example", 5, 0, &[("a.example", 5, 60, name("b.test"))], &[], &[]);
    let raw = RawAnswer::from_upstream(&cname, &key("a.example", 5, false)).unwrap();
    assert_eq!((raw.end(), raw.steps().len()), (End::Data, 0));
}

#[test]
fn d_02b_d_02c_loops_and_long_chains_are_loops() {
    let itself = message("a.example", 1, 0, &[("a.example", 5, 60, name("a.example"))], &[], &[]);
    assert_eq!(RawAnswer::from_upstream(&itself, &key("a.example", 1, false)).unwrap().end(), End::Loop);
    // Back to a name in the middle: the rows are in order up to there.
    let inner = ["a.example", "b.example", "c.example", "b.example"];
    let rows: Vec<Row<'_>> = inner.windows(2).map(|pair| (pair[0], 5, 60, name(pair[1]))).collect();
    let inner = message("a.example", 1, 0, &rows, &[], &[]);
    assert_eq!(RawAnswer::from_upstream(&inner, &key("a.example", 1, false)).unwrap().end(), End::Loop);
    let chain = |aliases: usize| {
        let names: Vec<String> = (0..=aliases).map(|number| format!("n{number}.example")).collect();
        let rows: Vec<Row<'_>> = names.windows(2).map(|pair| (pair[0].as_str(), 5, 60, name(&pair[1]))).collect();
        let last = (names[aliases].as_str(), 1, 60, a(1));
        let whole = message("n0.example", 1, 0, &[rows, vec![last]].concat(), &[], &[]);
        RawAnswer::from_upstream(&whole, &key("n0.example", 1, false)).unwrap().end()
    };
    assert_eq!((chain(16), chain(17), chain(40)), (End::Data, End::Loop, End::Loop));
}

#[test]
fn d_14b_signatures_are_kept_with_do_alone() {
    let answers = [("s.example", 1, 60, a(1)), ("s.example", 46, 60, rrsig(1)), ("s.example", 46, 60, rrsig(28))];
    let authorities =
        [("example", 47, 60, name("example")), ("example", 46, 60, rrsig(47)), ("example", 46, 60, rrsig(2))];
    let whole = message("s.example", 1, 0, &answers, &authorities, &[]);
    let with = RawAnswer::from_upstream(&whole, &key("s.example", 1, true)).unwrap();
    assert_eq!(kept(&with), ["s.example A 60", "s.example RRSIG 60", "example NSEC 60", "example RRSIG 60"]);
    let without = RawAnswer::from_upstream(&whole, &key("s.example", 1, false)).unwrap();
    assert_eq!(kept(&without), ["s.example A 60"]);
    let asked = message("s.example", 46, 0, &answers[1..], &[], &[]);
    let asked = RawAnswer::from_upstream(&asked, &key("s.example", 46, false)).unwrap();
    assert_eq!(asked.answers(), 2);
}

#[test]
fn d_14c_a_dname_redirects_names_below_it_and_not_itself() {
    let dname = ("d.example", 39, 90, name("e.example"));
    let rows = [dname.clone(), ("x.e.example", 1, 60, a(21))];
    let whole = message("x.d.example", 1, 0, &rows, &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("x.d.example", 1, false)).unwrap();
    assert_eq!(kept(&raw), ["d.example DNAME 90", "x.d.example CNAME 90", "x.e.example A 60"]);
    assert_eq!(raw.steps()[0].count, 2);
    let with_cname = [dname.clone(), ("x.d.example", 5, 90, name("x.e.example")), ("x.e.example", 1, 60, a(21))];
    let whole = message("x.d.example", 1, 0, &with_cname, &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("x.d.example", 1, false)).unwrap();
    assert_eq!(kept(&raw), ["d.example DNAME 90", "x.d.example CNAME 90", "x.e.example A 60"]);
    // A DNAME that is met twice stands once.
    let twice = [dname.clone(), ("x.e.example", 5, 60, name("y.d.example")), ("y.e.example", 1, 60, a(22))];
    let whole = message("x.d.example", 1, 0, &twice, &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("x.d.example", 1, false)).unwrap();
    let chain = [
        "d.example DNAME 90",
        "x.d.example CNAME 90",
        "x.e.example CNAME 60",
        "y.d.example CNAME 90",
        "y.e.example A 60",
    ];
    assert_eq!(kept(&raw), chain);
    // The CNAME itself is asked for: made here or not, it is the answer behind its DNAME and no step (R21).
    for rows in [&rows[..1], &with_cname[..2]] {
        let whole = message("x.d.example", 5, 0, rows, &[], &[]);
        let raw = RawAnswer::from_upstream(&whole, &key("x.d.example", 5, false)).unwrap();
        assert_eq!(kept(&raw), ["d.example DNAME 90", "x.d.example CNAME 90"]);
        assert_eq!((raw.end(), raw.steps().len()), (End::Data, 0));
    }
    let own = message("d.example", 1, 0, &[dname, ("d.example", 1, 60, a(20))], &[], &[]);
    let raw = RawAnswer::from_upstream(&own, &key("d.example", 1, false)).unwrap();
    assert_eq!(kept(&raw), ["d.example A 60"]);
}

#[test]
fn ttls_with_the_highest_bit_are_written_as_zero() {
    let whole = message("a.example", 1, 0, &[("a.example", 1, 0x8000_0001, a(1))], &[], &[]);
    let raw = RawAnswer::from_upstream(&whole, &key("a.example", 1, false)).unwrap();
    assert_eq!((kept(&raw), raw.lifetime()), (vec!["a.example A 0".to_owned()], Ttl::ZERO));
}

#[test]
fn malformed_and_foreign_messages_are_refused() {
    let good = message("a.example", 1, 0, &[("a.example", 1, 60, a(1))], &[], &[]);
    assert!(RawAnswer::from_upstream(&good, &key("b.example", 1, false)).is_err());
    assert!(RawAnswer::from_upstream(&good, &key("a.example", 28, false)).is_err());
    for length in 0..good.len() {
        assert!(RawAnswer::from_upstream(&good[..length], &key("a.example", 1, false)).is_err(), "{length}");
    }
    let short = message("a.example", 1, 0, &[("a.example", 1, 60, vec![1, 2, 3])], &[], &[]);
    assert_eq!(RawAnswer::from_upstream(&short, &key("a.example", 1, false)), Err(Error::Rdata));
}

#[test]
fn b_01_no_changed_octet_makes_it_panic() {
    let answers = [("a.example", 5, 300, name("b.example")), ("b.example", 1, 60, a(1))];
    let authorities = [("example", 6, 300, soa(60))];
    let whole = message("a.example", 1, 0, &answers, &authorities, &[(".", 41, 0, vec![0, 15, 0, 2, 0, 3])]);
    for at in 0..whole.len() {
        for value in [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            for dnssec_ok in [false, true] {
                if let Ok(raw) = RawAnswer::from_upstream(&changed, &key("a.example", 1, dnssec_ok)) {
                    assert_eq!(kept(&raw).len(), usize::from(raw.answers() + raw.authorities()));
                }
            }
        }
    }
}
