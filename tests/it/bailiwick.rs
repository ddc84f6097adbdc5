//! What rides along in an upstream's reply and is not of the question's chain (S-14; R22, R24): it never leaves, is never
//! kept, and no later question meets it.

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{SPOKE_A, Small, public};
use crate::harness::{Client, Query, Reply, Script, Seen, Setup, Upstream};

/// The address of every lie.
const EVIL: &str = "203.0.113.66";
/// What the public DNS says of every name that a lie is about.
const HONEST: &str = "198.51.100.10";
/// What the upstream of the route `corp.example` says.
const INSIDE: &str = "10.1.0.80";

struct Case {
    what: &'static str,
    /// What the public upstream says to the question for `q.CASE.public.example`; `{}` stands for that name.
    answers: &'static [Record],
    authority: &'static [Record],
    additional: &'static [Record],
    /// What leaves: the targets of the aliases, then the addresses; with a denial, its RCODE.
    leaves: (&'static [&'static str], &'static [&'static str], u16),
    /// Questions that follow, and the addresses that they get.
    follow: &'static [(&'static str, &'static str)],
}

/// Owner, type, and an address, a target or nothing.
type Record = (&'static str, u16, &'static str);

/// The question's own, honest address.
const OWN: Record = ("{}", kind::A, HONEST);

const CASES: [Case; 24] = [
    Case {
        what: "NS of the parent, with glue",
        answers: &[OWN],
        authority: &[("public.example", kind::NS, "ns.evil.example")],
        additional: &[("ns.evil.example", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[("one.public.example", HONEST), ("ns.evil.example", HONEST)],
    },
    Case {
        what: "NS of the root",
        answers: &[OWN],
        authority: &[(".", kind::NS, "ns.evil.example")],
        additional: &[("ns.evil.example", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[("two.public.example", HONEST)],
    },
    Case {
        what: "NS of another route's suffix",
        answers: &[OWN],
        authority: &[("corp.example", kind::NS, "ns.corp.example")],
        additional: &[("ns.corp.example", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[("ns.corp.example", INSIDE), ("app.corp.example", INSIDE)],
    },
    Case {
        what: "a DNAME of the parent beside the answer",
        answers: &[OWN, ("public.example", kind::DNAME, "evil.example")],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("three.public.example", HONEST)],
    },
    Case {
        what: "a DNAME of another route's suffix",
        answers: &[("{}", kind::CNAME, "a1.corp.example"), ("corp.example", kind::DNAME, "evil.example")],
        authority: &[],
        additional: &[],
        leaves: (&["a1.corp.example"], &[INSIDE], 0),
        follow: &[("a1.corp.example", INSIDE), ("a2.corp.example", INSIDE)],
    },
    Case {
        what: "a DNAME of a local zone",
        answers: &[OWN, ("privatelink.avd.example", kind::DNAME, "evil.example")],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("hp1.privatelink.avd.example", "10.10.4.4")],
    },
    Case {
        what: "an additional address of another route",
        answers: &[OWN],
        authority: &[],
        additional: &[("b1.corp.example", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[("b1.corp.example", INSIDE)],
    },
    Case {
        what: "an additional address of a local zone",
        answers: &[OWN],
        authority: &[],
        additional: &[("ws1.privatelink.avd.example", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[("ws1.privatelink.avd.example", "10.10.4.5")],
    },
    Case {
        what: "an extra answer of another route",
        answers: &[OWN, ("b2.corp.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("b2.corp.example", INSIDE)],
    },
    Case {
        what: "an extra answer of a local zone",
        answers: &[("hp1.privatelink.avd.example", kind::A, EVIL), OWN],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("hp1.privatelink.avd.example", "10.10.4.4")],
    },
    Case {
        what: "an extra answer of an endpoint",
        answers: &[OWN, ("rdweb.avd.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("rdweb.avd.example", "10.10.4.7")],
    },
    Case {
        what: "an extra answer of the same upstream",
        answers: &[OWN, ("victim1.public.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("victim1.public.example", HONEST)],
    },
    Case {
        what: "an extra alias of another name",
        answers: &[OWN, ("victim2.public.example", kind::CNAME, "evil.example")],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("victim2.public.example", HONEST)],
    },
    Case {
        what: "an alias into another route, with an address",
        answers: &[("{}", kind::CNAME, "c1.corp.example"), ("c1.corp.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&["c1.corp.example"], &[INSIDE], 0),
        follow: &[("c1.corp.example", INSIDE)],
    },
    Case {
        what: "an alias through another route and back, with an address",
        answers: &[
            ("{}", kind::CNAME, "back.corp.example"),
            ("back.corp.example", kind::CNAME, "victim3.public.example"),
            ("victim3.public.example", kind::A, EVIL),
        ],
        authority: &[],
        additional: &[],
        leaves: (&["back.corp.example"], &[INSIDE], 0),
        follow: &[("back.corp.example", INSIDE), ("victim3.public.example", HONEST)],
    },
    Case {
        what: "an alias into a local zone, with an address",
        answers: &[("{}", kind::CNAME, "hp1.privatelink.avd.example"), ("hp1.privatelink.avd.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&["hp1.privatelink.avd.example"], &["10.10.4.4"], 0),
        follow: &[("hp1.privatelink.avd.example", "10.10.4.4")],
    },
    Case {
        what: "an alias of the same upstream, with an address: it serves this question and no other",
        answers: &[("{}", kind::CNAME, "victim4.public.example"), ("victim4.public.example", kind::A, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&["victim4.public.example"], &[EVIL], 0),
        follow: &[("victim4.public.example", HONEST)],
    },
    Case {
        what: "another type of the same name",
        answers: &[OWN, ("{}", kind::NS, "ns.evil.example")],
        authority: &[],
        additional: &[("{}", kind::A, EVIL)],
        leaves: (&[], &[HONEST], 0),
        follow: &[],
    },
    Case {
        what: "a SOA beside an answer",
        answers: &[OWN],
        authority: &[("public.example", kind::SOA, "")],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[("four.public.example", HONEST)],
    },
    Case {
        what: "a denial with NS and addresses",
        answers: &[],
        authority: &[
            ("public.example", kind::SOA, ""),
            ("public.example", kind::NS, "ns.evil.example"),
            ("victim5.public.example", kind::A, EVIL),
        ],
        additional: &[("victim5.public.example", kind::A, EVIL)],
        leaves: (&[], &[], rcode::NXDOMAIN),
        follow: &[("victim5.public.example", HONEST)],
    },
    Case {
        what: "a denial with an extra answer",
        answers: &[("victim6.public.example", kind::A, EVIL)],
        authority: &[("public.example", kind::SOA, "")],
        additional: &[],
        leaves: (&[], &[], rcode::NXDOMAIN),
        follow: &[("victim6.public.example", HONEST)],
    },
    Case {
        what: "a denial of an alias's target in another route",
        answers: &[("{}", kind::CNAME, "d1.corp.example")],
        authority: &[("corp.example", kind::SOA, "")],
        additional: &[],
        leaves: (&["d1.corp.example"], &[INSIDE], 0),
        follow: &[("d1.corp.example", INSIDE)],
    },
    Case {
        what: "a denial of an alias's target in a local zone",
        answers: &[("{}", kind::CNAME, "ws1.privatelink.avd.example")],
        authority: &[("avd.example", kind::SOA, "")],
        additional: &[],
        leaves: (&["ws1.privatelink.avd.example"], &["10.10.4.5"], 0),
        follow: &[("ws1.privatelink.avd.example", "10.10.4.5")],
    },
    Case {
        what: "an address of another class",
        answers: &[OWN, ("{}", CHAOS, EVIL)],
        authority: &[],
        additional: &[],
        leaves: (&[], &[HONEST], 0),
        follow: &[],
    },
];

/// Stands for an A record of class CHAOS.
const CHAOS: u16 = 0xff01;

fn record((owner, kind, data): Record, question: &str) -> Rr {
    let owner = owner.replace("{}", question);
    match kind {
        kind::A => Rr::host(&owner, 300, data),
        kind::CNAME => Rr::cname(&owner, 300, data),
        kind::DNAME => Rr::dname(&owner, 300, data),
        kind::NS => Rr::ns(&owner, 300, data),
        kind::SOA => Rr::soa(&owner, 300, 60),
        // Its class is changed once it is written.
        CHAOS => Rr { kind: kind::A, ..Rr::host(&owner, 299, data) },
        other => unreachable!("type {other}"),
    }
}

/// The name that a case's question is for.
fn question(case: usize) -> String {
    format!("q.case{case}.public.example")
}

/// The public upstream.
fn lying(seen: &Seen) -> Script {
    let case = (0..CASES.len()).find(|case| question(*case) == seen.name);
    let Some(case) = case.filter(|_| seen.kind == kind::A) else {
        return match seen.kind {
            kind::A => Script::records(vec![Rr::host(&seen.name, 300, HONEST)]),
            _ => public().answer(&seen.name, seen.kind),
        };
    };
    let Case { answers, authority, additional, leaves, .. } = &CASES[case];
    let records = |of: &[Record]| of.iter().map(|one| record(*one, &seen.name)).collect::<Vec<_>>();
    let denies = leaves.2 == rcode::NXDOMAIN
        || authority.iter().any(|(_, kind, _)| *kind == kind::SOA) && answers.len() == 1 && answers[0].1 == kind::CNAME;
    let script = Script {
        rcode: if denies { 3 } else { 0 },
        answers: records(answers),
        authority: records(authority),
        additional: records(additional),
        ..Script::default()
    };
    if !answers.iter().any(|(_, kind, _)| *kind == CHAOS) {
        return script;
    }
    let mut octets = script.encode(seen);
    let ttl = octets.windows(8).position(|window| window == [0, 1, 0, 1, 0, 0, 1, 43]).expect("the record");
    octets[ttl + 3] = 3;
    Script { garbage: Some(octets.split_off(2)), ..Script::default() }
}

/// The reply has the chain and nothing else.
fn assert_leaves(case: &Case, reply: &Reply) {
    let (targets, addresses, rcode) = case.leaves;
    let got: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
    let what = case.what;
    assert_eq!((reply.targets(), got, reply.rcode()), (owned(targets), owned(addresses), rcode), "{what}");
    assert_eq!(reply.answers().len(), targets.len() + addresses.len(), "{what}: {:?}", reply.message);
    let authority: Vec<_> = reply.authority().iter().map(|rr| rr.kind).collect();
    let wanted = if addresses.is_empty() { vec![kind::SOA] } else { Vec::new() };
    assert_eq!(authority, wanted, "{what}: {:?}", reply.message);
    assert!(reply.message.additionals.is_empty(), "{what}: {:?}", reply.message);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Asks the questions that follow, of all cases or one.
fn assert_follow<'a>(cases: impl IntoIterator<Item = &'a Case>, client: &Client) {
    for case in cases {
        for (name, wanted) in case.follow {
            let reply = client.ask(name, kind::A);
            let got: Vec<_> = reply.addresses().iter().map(ToString::to_string).collect();
            assert_eq!(got, [*wanted], "{}: {name}", case.what);
        }
    }
}

#[test]
fn s_14_only_the_chain_of_the_question_leaves_and_stays() {
    let outside = Upstream::start(lying);
    let inside = Upstream::start(|seen| match seen.kind {
        kind::A => Script::records(vec![Rr::host(&seen.name, 300, INSIDE)]),
        _ => Script::nodata("corp.example"),
    });
    let small = Small {
        view: "forward = [{ suffix = \"corp.example\", upstream = \"inside\" }]".to_owned(),
        more: format!("[[upstream]]\nname = \"inside\"\nservers = [\"{}\"]", inside.server()),
        ..Small::default()
    };
    let server = Setup::new(small.text(&[outside.server()])).start();
    let client = server.client(SPOKE_A);
    for (number, case) in CASES.iter().enumerate() {
        // Fresh, cached, with DO (a key of its own), over TCP.
        let query = Query::new(&question(number), kind::A);
        for query in [&query, &query, &query.clone().dnssec_ok()] {
            client.both(query).iter().for_each(|reply| assert_leaves(case, reply));
        }
        assert_follow([case], &client);
    }
    // Once more, when all lies were told.
    assert_follow(&CASES, &client);
    let apex = client.ask("public.example", kind::NS);
    assert!(apex.answers().is_empty(), "no NS of a lie: {:?}", apex.message);
    // What a lie said of another route's names was asked of that route's server alone.
    assert!(outside.seen().iter().all(|seen| !seen.name.ends_with("corp.example")));
}

#[test]
fn s_14_a_soa_that_is_not_above_the_name_denies_nothing_for_long() {
    // A denial whose SOA belongs to somebody else: it is no negative answer of the question's zone (RFC 2308 §2.1).
    let outside = Upstream::start(|seen| match seen.earlier {
        0 => Script::nxdomain("corp.example"),
        _ => Script::records(vec![Rr::host(&seen.name, 300, HONEST)]),
    });
    let server = Setup::new(Small::default().text(&[outside.server()])).start();
    let client = server.client(SPOKE_A);
    let reply = client.ask("q.public.example", kind::A);
    assert_ne!(reply.soa_owner().as_deref(), Some("corp.example"), "{:?}", reply.message);
    let reply = client.ask("q.public.example", kind::A);
    assert_eq!(reply.addresses().len(), 1, "it was not kept: {:?}", reply.message);
}
