//! S-07: an OPT record that is malformed or misplaced is a FORMERR, and whatever a client's OPT holds, the upstream sees
//! the one that we wrote (R3, R6).

use crate::harness::client::PATIENCE;
use crate::harness::message::{Opt, kind, wire_name};
use crate::harness::small::{Small, public};
use crate::harness::{Query, Reply};

/// An OPT record of 1232 octets with this RDATA, and with what it claims to be the length of it.
fn opt_claiming(length: u16, data: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 0, 41, 4, 208, 0, 0, 0, 0];
    octets.extend(length.to_be_bytes());
    octets.extend(data);
    octets
}

fn opt(data: &[u8]) -> Vec<u8> {
    opt_claiming(u16::try_from(data.len()).expect("short RDATA"), data)
}

/// The same at another owner.
fn owned_by(owner: &[u8]) -> Vec<u8> {
    [owner, &opt(&[])[1..]].concat()
}

/// A query with these records behind its question.
fn query(counts: [u16; 3], records: &[&[u8]]) -> Vec<u8> {
    let query = Query::new("smuggled.public.example", kind::A);
    let [answers, authorities, additionals] = counts;
    let mut octets = query.header([1, answers, authorities, additionals]);
    octets.extend(query.question());
    octets.extend(records.concat());
    octets
}

/// Every layout: what is wrong with it, and the message.
fn layouts() -> Vec<(String, Vec<u8>)> {
    let plain = opt(&[]);
    // A cookie, which would leave if the client's OPT did.
    let cookie = opt(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let address = [wire_name("x.example"), vec![0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]].concat();
    let one = |what: &str, record: Vec<u8>| (what.to_owned(), query([0, 0, 1], &[&record]));
    let mut all = vec![
        ("two".to_owned(), query([0, 0, 2], &[&plain, &cookie])),
        ("two, a record between".to_owned(), query([0, 0, 3], &[&plain, &address, &cookie])),
        ("three".to_owned(), query([0, 0, 3], &[&cookie, &plain, &cookie])),
        ("in the answer section".to_owned(), query([1, 0, 0], &[&cookie])),
        ("in the authority section".to_owned(), query([0, 1, 0], &[&cookie])),
        ("in the answer section too".to_owned(), query([1, 0, 1], &[&cookie, &plain])),
        ("in the authority section too".to_owned(), query([0, 1, 1], &[&cookie, &plain])),
        ("in all sections".to_owned(), query([1, 1, 1], &[&cookie, &plain, &plain])),
        ("behind a record in the answer section".to_owned(), query([2, 0, 0], &[&address, &cookie])),
        ("that no count accounts for".to_owned(), query([0, 0, 0], &[&cookie])),
        ("of two that one count accounts for".to_owned(), query([0, 0, 1], &[&plain, &cookie])),
        ("of one where two are counted".to_owned(), query([0, 0, 2], &[&cookie])),
        ("of one where 65535 are counted".to_owned(), query([0, 0, 65_535], &[&cookie])),
        one("at a name", owned_by(&wire_name("x.example"))),
        one("at a label", owned_by(&[1, b'x', 0])),
        one("at a pointer to the question", owned_by(&[0xc0, 12])),
        one("at a pointer to itself", owned_by(&[0xc0, 41])),
        one("at a pointer ahead", owned_by(&[0xc0, 60])),
        one("at a pointer into the header", owned_by(&[0xc0, 0])),
        one("at a label of 64 octets", owned_by(&[64])),
        one("at an extended label", owned_by(&[0x41, 0])),
        one("at a reserved label", owned_by(&[0x80, 0])),
        one("with an octet for an option", opt(&[0])),
        one("with a code for an option", opt(&[0, 10])),
        one("with half a length for an option", opt(&[0, 10, 0])),
        one("with an option longer than it by one", opt(&[0, 10, 0, 5, 1, 2, 3, 4])),
        one("with an option of 65535 octets", opt(&[0, 10, 255, 255, 1])),
        one("with a second option that is too long", opt(&[0, 10, 0, 1, 7, 0, 8, 0, 200, 1])),
        one("with an octet behind an option", opt(&[0, 10, 0, 1, 7, 0])),
        one("with three octets behind an option", opt(&[0, 10, 0, 1, 7, 0, 8, 0])),
        one("with 33 options", opt(&[0, 10, 0, 0].repeat(33))),
        one("with 1,000 options", opt(&[253, 233, 0, 1, 7].repeat(1_000))),
        one("that claims an octet more", opt_claiming(13, &cookie[11..])),
        one("that claims an octet less", opt_claiming(11, &cookie[11..])),
        one("that claims no data before an option", opt_claiming(0, &cookie[11..])),
        one("that claims 65535 octets", opt_claiming(65_535, &cookie[11..])),
    ];
    // Cut behind each octet of its fixed part, and inside of its option.
    all.extend((1..cookie.len()).map(|length| one(&format!("cut behind octet {length}"), cookie[..length].to_vec())));
    all
}

#[test]
fn s_07_malformed_opt_records_are_formerr_and_nothing_of_a_client_leaves() {
    let mut world = Small::default().start(public());
    let layouts = layouts();
    assert!(layouts.len() >= 40, "{}", layouts.len());
    for (what, octets) in &layouts {
        let mut session = world.spoke_a().connect();
        session.send(octets);
        for reply in [world.spoke_a().datagram(octets, PATIENCE), session.receive(PATIENCE)] {
            let reply = reply.unwrap_or_else(|| panic!("no reply to an OPT {what}"));
            assert_eq!((&reply[..2], reply[3] & 0x0f), (&octets[..2], 1), "FORMERR to an OPT {what}: {reply:02x?}");
            assert_eq!(Reply::decode(reply).answers(), [], "an OPT {what}");
        }
    }
    assert_eq!(world.asked_in_all(), 0, "a malformed query was forwarded");

    // Options that are well formed: none leaves, whatever it is, and the upstream's OPT is the same for all.
    let all_codes = (0..32).map(|number| (number * 2_048, vec![0xa5; 7])).collect();
    let opts = [
        Opt::default(),
        Opt { options: vec![(8, vec![0, 1, 24, 0, 10, 20, 0])], ..Opt::default() },
        Opt { options: vec![(10, vec![0xa5; 8]), (3, vec![]), (12, vec![0; 40]), (11, vec![0, 9])], ..Opt::default() },
        Opt { options: all_codes, size: 65_535, z: 0x7fff, ..Opt::default() },
        Opt { size: 0, ..Opt::default() },
    ];
    for (number, opt) in opts.into_iter().enumerate() {
        for reply in world.spoke_a().both(&Query::new(&format!("n{number}.public.example"), kind::A).opt(opt)) {
            assert!(reply.options().is_empty(), "{:?}", reply.options());
        }
    }
    let seen = [world.u1.seen(), world.u2.seen()].concat();
    assert_eq!(seen.len(), 5, "{seen:?}");
    for one in &seen {
        let mut without = one.additional().to_vec();
        if let Some(cookie) = one.cookie() {
            assert!(!cookie.windows(4).any(|octets| octets == [0xa5; 4]), "no client's");
            without.truncate(11);
            without[10] = 0;
        }
        assert_eq!(without, opt(&[]), "the OPT that we write, without an option of a client");
    }
    assert!(world.server.is_alive());
    println!("{} malformed layouts over UDP and TCP", layouts.len());
}
