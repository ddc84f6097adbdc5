//! ISC's compliance reporter re-stated: the same 99 questions and the same expectations, from
//! its documentation and RFC 8906, sent to the running server and judged octet by octet without any DNS library.
//!
//! A forwarded zone is judged as the reporter does a resolver (RD=1 always, AA must be clear), owned names as it does
//! an authoritative server (RD as the check says, AA must be set).

use crate::harness::client::PATIENCE;
use crate::harness::message::{Opt, Rr, kind, wire_name};
use crate::harness::{Client, Query, Script, Seen, Setup, Upstream};
use std::fmt::Write;

/// Checks that may miss, with the RFC or rule that demands it. The reporter's own count is 99, so every row costs one.
/// None at present.
const CHOSEN: [(&str, &str); 0] = [];

const DNSKEY: u16 = 48;
const FORWARDED: &str = "signed.example";
/// The apex of an owned zone, and a flat endpoint name, which is its own apex (R13).
const OWNED: [&str; 2] = ["corp.example", "rdweb.avd.example"];

/// The reporter's types in its order.
const TYPES: [(&str, u16); 65] = [
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("SRV", 33),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("SPF", 99),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("DOA", 259),
    ("DLV", 32769),
    ("TYPE1000", 1000),
];

/// Header bits of a query: the third and fourth octet.
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const Z: u16 = 0x0040;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;

/// One question of the reporter.
struct Check {
    name: &'static str,
    kind: u16,
    flags: u16,
    opcode: u8,
    opt: Option<Opt>,
    tcp: bool,
    /// A truncated reply is judged as it is instead of being asked again over TCP.
    ignore_tc: bool,
}

impl Check {
    fn new(name: &'static str, kind: u16) -> Self {
        Self { name, kind, flags: 0, opcode: 0, opt: None, tcp: false, ignore_tc: false }
    }

    fn soa(name: &'static str, flags: u16) -> Self {
        Self { flags, ..Self::new(name, kind::SOA) }
    }

    fn edns(name: &'static str, version: u8, options: &[(u16, &[u8])]) -> Self {
        let options = options.iter().map(|(code, value)| (*code, value.to_vec())).collect();
        let opt = Opt { size: 4096, version, options, ..Opt::default() };
        Self { opt: Some(opt), ..Self::new(name, kind::SOA) }
    }

    fn dnssec_ok(mut self) -> Self {
        self.opt.get_or_insert_default().dnssec_ok = true;
        self
    }

    fn opcode(mut self) -> Self {
        self.opcode = 15;
        self
    }

    fn version(&self) -> u8 {
        self.opt.as_ref().map_or(0, |opt| opt.version)
    }

    fn has_do(&self) -> bool {
        self.opt.as_ref().is_some_and(|opt| opt.dnssec_ok)
    }

    /// The query for a zone; an opcode other than QUERY comes as a header alone.
    fn query(&self, zone: &str, id: u16, recursive: bool) -> Vec<u8> {
        let mut query = Query::new(zone, self.kind).id(id).rd(false).opcode(self.opcode);
        query.opt = self.opt.clone();
        let mut octets = if self.opcode == 0 { query.to_octets() } else { query.header([0; 4]) };
        let bits = (self.flags | if recursive { RD } else { 0 }).to_be_bytes();
        octets[2] |= bits[0];
        octets[3] |= bits[1];
        octets
    }
}

/// The 31 checks of the reporter's full set; `signed` is read off `do`, as there.
fn full() -> Vec<Check> {
    const NSID: (u16, &[u8]) = (3, &[]);
    const SUBNET: (u16, &[u8]) = (8, &[0, 1, 0, 0]);
    const EXPIRE: (u16, &[u8]) = (9, &[]);
    const COOKIE: (u16, &[u8]) = (10, &[1, 2, 3, 4, 5, 6, 7, 8]);
    const UNKNOWN: (u16, &[u8]) = (100, &[]);
    let all_flags = AA | TC | RD | RA | Z | AD | CD;
    let small = Opt { size: 512, ..Opt::default() };
    let mut flags = Check::edns("ednsflags", 0, &[]);
    flags.opt.as_mut().expect("an OPT").z = 0x80;
    let mut docd = Check::edns("docd", 0, &[]).dnssec_ok();
    docd.flags = CD;
    let mut at_512 = Check::new("edns@512", DNSKEY);
    (at_512.opt, at_512.ignore_tc) = (Some(small.clone()), true);
    let mut tcp = Check::soa("tcp", 0);
    tcp.tcp = true;
    let mut edns_tcp = Check::new("ednstcp", DNSKEY);
    (edns_tcp.opt, edns_tcp.tcp) = (Some(small), true);
    vec![
        Check::soa("dns", 0),
        Check::soa("aa", AA),
        Check::soa("ad", AD),
        Check::soa("cd", CD),
        Check::soa("ra", RA),
        Check::soa("rd", RD),
        Check::soa("tc", TC),
        Check::soa("zflag", Z),
        Check::soa("opcode", 0).opcode(),
        Check::soa("opcodeflg", all_flags).opcode(),
        Check::new("type666", 666),
        tcp,
        Check::edns("edns", 0, &[]),
        Check::edns("edns1", 1, &[]),
        at_512,
        Check::edns("ednsopt", 0, &[UNKNOWN]),
        Check::edns("edns1opt", 1, &[UNKNOWN]),
        Check::edns("do", 0, &[]).dnssec_ok(),
        docd,
        Check::edns("edns1do", 1, &[]).dnssec_ok(),
        flags,
        Check::edns("optlist", 0, &[NSID, SUBNET, EXPIRE, COOKIE]),
        Check::edns("ednsnsid", 0, &[NSID]),
        Check::edns("ednscookie", 0, &[COOKIE]),
        Check::edns("ednsexpire", 0, &[EXPIRE]),
        Check::edns("ednssubnet", 0, &[SUBNET]),
        Check::edns("edns1nsid", 1, &[NSID]),
        Check::edns("edns1cookie", 1, &[COOKIE]),
        Check::edns("edns1expire", 1, &[EXPIRE]),
        Check::edns("edns1subnet", 1, &[SUBNET]),
        edns_tcp.dnssec_ok(),
    ]
}

/// What BIND 9.11 and its dig send.
fn common() -> Vec<Check> {
    let cookie: (u16, &[u8]) = (10, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let mut dig = Check::edns("dig11", 0, &[cookie]);
    dig.flags = RD | AD;
    vec![Check::edns("bind11", 0, &[cookie]).dnssec_ok(), dig]
}

/// A reply taken apart.
struct Parts {
    flags: u16,
    question: Option<(String, u16)>,
    /// Owner and type of each record of answer, authority and additional section but OPT.
    records: [Vec<(String, u16)>; 3],
    /// Extended flags (the TTL field) and options of the OPT record.
    opt: Option<(u32, Vec<u16>)>,
}

impl Parts {
    /// `None` for what is malformed: names, counts, lengths, octets left over, two OPTs.
    fn read(octets: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]));
        let mut at = 12;
        let question = match word(4)? {
            0 => None,
            1 => {
                let name = name(octets, &mut at)?;
                at += 4;
                Some((name, word(at - 4)?))
            }
            _ => return None,
        };
        let mut parts = Self { flags: word(2)?, question, records: Default::default(), opt: None };
        for section in 0..3 {
            for _ in 0..word(6 + 2 * section)? {
                let owner = name(octets, &mut at)?;
                let (rtype, length) = (word(at)?, usize::from(word(at + 8)?));
                let ttl = (u32::from(word(at + 4)?) << 16) | u32::from(word(at + 6)?);
                at += 10;
                let data = octets.get(at..at + length)?;
                at += length;
                if rtype != kind::OPT {
                    parts.records[section].push((owner, rtype));
                } else if section == 2 && owner.is_empty() && parts.opt.is_none() {
                    parts.opt = Some((ttl, options(data)?));
                } else {
                    return None;
                }
            }
        }
        (at == octets.len()).then_some(parts)
    }

    fn rcode(&self) -> u32 {
        let high = self.opt.as_ref().map_or(0, |(flags, _)| flags >> 24);
        (high << 4) | u32::from(self.flags & 0x0f)
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn answers(&self, kind: u16) -> bool {
        self.records[0].iter().any(|(_, rtype)| *rtype == kind)
    }
}

/// Codes of the options of an OPT record.
fn options(mut data: &[u8]) -> Option<Vec<u16>> {
    let mut codes = Vec::new();
    while !data.is_empty() {
        let [code_high, code_low, high, low, rest @ ..] = data else { return None };
        codes.push(u16::from_be_bytes([*code_high, *code_low]));
        data = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    Some(codes)
}

/// A name at `at`, which moves behind it; pointers must point backwards.
fn name(octets: &[u8], at: &mut usize) -> Option<String> {
    let (mut text, mut place, mut jumped) = (String::new(), *at, false);
    loop {
        let length = usize::from(*octets.get(place)?);
        place += 1;
        if length >= 0xc0 {
            let target = ((length & 0x3f) << 8) | usize::from(*octets.get(place)?);
            if !jumped {
                *at = place + 1;
            }
            jumped = true;
            if target >= place - 1 {
                return None;
            }
            place = target;
            continue;
        }
        if length == 0 {
            break;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(octets.get(place..place + length)?.iter().map(|octet| char::from(octet.to_ascii_lowercase())));
        place += length;
    }
    if !jumped {
        *at = place;
    }
    Some(text)
}

/// What is wrong with a reply, in the reporter's words; empty for `ok`.
fn judge(check: &Check, zone: &str, recursive: bool, octets: &[u8]) -> Vec<String> {
    let Some(parts) = Parts::read(octets) else { return vec!["malformed".to_owned()] };
    let mut faults = Vec::new();
    let mut fault = |is: bool, what: &str| {
        if is {
            faults.push(what.to_owned());
        }
    };
    let (query, rcode) = (check.opcode == 0, parts.rcode());
    let opcode = (parts.flags >> 11) & 0x0f;
    fault(!parts.has(0x8000), "qr");
    fault(opcode != u16::from(check.opcode), "opcode");
    let wanted = query.then(|| (zone.to_owned(), check.kind));
    fault(parts.question != wanted, "question");
    fault(!query && parts.records.iter().any(|records| !records.is_empty()), "sections not empty");
    let code = match (query, check.version()) {
        (false, _) => 4,
        (true, 0) => 0,
        (true, _) => 16,
    };
    fault(rcode != code, &format!("rcode {rcode}"));
    fault(parts.opt.is_some() != (check.opt.is_some() && query), if parts.opt.is_some() { "opt" } else { "noopt" });
    if let Some((extended, options)) = &parts.opt {
        fault((extended >> 16) & 0xff != 0, "version not zero");
        fault(extended & 0x7fff != 0, "mbz");
        fault(options.contains(&100), "echoed");
        // RFC 6891 §6.1.1, RFC 3225 §3: DO comes back as it was asked.
        fault((extended & 0x8000 != 0) != check.has_do(), "nodo");
        // RFC 7871 §7.2.2, 7314, 5001, 7873: none of them is supported, so none comes back.
        fault(options.iter().any(|code| matches!(code, 3 | 8 | 9 | 10)), "option echoed");
    }
    let soa = parts.answers(kind::SOA);
    fault(query && check.kind == kind::SOA && check.version() == 0 && !soa, "nosoa");
    fault(check.version() != 0 && parts.records.iter().any(|records| !records.is_empty()), "data with BADVERS");
    let authoritative = query && !recursive && rcode == 0;
    fault(authoritative && !parts.has(AA), "noaa");
    fault(parts.has(AA) && !authoritative, "aa");
    fault(parts.has(RA) != query, if query { "nora" } else { "ra" });
    let asked_rd = recursive || check.flags & RD != 0;
    fault(query && parts.has(RD) != asked_rd, "rd not copied");
    fault(parts.has(AD) && (!query || !(check.flags & AD != 0 || check.has_do())), "ad");
    fault(parts.has(CD) != (query && check.flags & CD != 0), "cd");
    fault(parts.has(Z), "z");
    fault(check.ignore_tc && octets.len() > 512, "too big");
    fault(parts.has(TC) && (check.tcp || !check.ignore_tc), "tc");
    let signed = recursive && check.has_do() && check.version() == 0;
    fault(signed && !parts.answers(kind::RRSIG), "no signature");
    faults
}

/// One check as the reporter runs it: over UDP, over TCP where that says TC.
fn ask(client: Client, check: &Check, zone: &str, id: u16, recursive: bool) -> Option<Vec<u8>> {
    let query = check.query(zone, id, recursive);
    let over_tcp = || {
        let mut session = client.connect();
        session.send(&query);
        session.receive(PATIENCE)
    };
    if check.tcp {
        return over_tcp();
    }
    let reply = client.datagram(&query, PATIENCE)?;
    if reply.get(2)? & 0x02 != 0 && !check.ignore_tc { over_tcp() } else { Some(reply) }
}

/// Runs all of it for one zone; gives the misses, each with what is wrong.
fn report(client: Client, zone: &str, recursive: bool, what: &str) -> String {
    let types = TYPES.map(|(name, number)| Check::new(name, number));
    let groups = [("full", full()), ("common", common()), ("types", types.into_iter().collect())];
    let (mut passed, mut count, mut misses, mut id) = (0, 0, String::new(), 0x4d00);
    for (group, checks) in groups {
        for check in checks {
            id += 1;
            let faults = match ask(client, &check, zone, id, recursive) {
                Some(reply) if reply[..2] == u16::to_be_bytes(id) => judge(&check, zone, recursive, &reply),
                Some(_) => vec!["id".to_owned()],
                None => vec!["no reply".to_owned()],
            };
            // The reporter counts `do` once more as `signed`.
            let weight = if check.name == "do" { 2 } else { 1 };
            count += weight;
            if faults.is_empty() {
                passed += weight;
            } else if let Some((_, reason)) = CHOSEN.iter().find(|(name, _)| *name == check.name) {
                println!("compliance, {what}: {group} {} misses by choice: {reason}", check.name);
            } else {
                let _ = writeln!(misses, "{what}: {group} {}: {}", check.name, faults.join(", "));
            }
        }
    }
    assert_eq!(count, 99);
    println!("compliance, {what} ({zone}): {passed} of {count}");
    misses
}

/// The signed zone behind the server, with its parent for DS. It sets AA and AD on everything, to see them cleared.
fn signed_zone(seen: &Seen) -> Script {
    let signed = matches!(seen.additional(), [0, 0, 41, _, _, _, _, flags, ..] if flags & 0x80 != 0);
    let mut script = Script { aa: true, ad: true, ..Script::default() };
    let soa = Rr::soa(FORWARDED, 300, 60);
    match seen.kind {
        kind::SOA => script.answers.push(soa),
        kind::NS => script.answers.push(Rr::ns(FORWARDED, 300, "ns.example")),
        kind::RRSIG => script.answers.push(signature(kind::SOA)),
        // Four keys of 2,048 bits do not fit into 512 octets.
        DNSKEY => script.answers.extend((0..4).map(|key| {
            let data = [&[1, 0, 3, 8][..], &[key; 260]].concat();
            Rr::new(FORWARDED, DNSKEY, 300, data)
        })),
        kind::DS => script.authority.push(Rr::soa("example", 300, 60)),
        _ => script.authority.push(soa),
    }
    if signed && !script.answers.is_empty() && seen.kind != kind::RRSIG {
        script.answers.push(signature(seen.kind));
    }
    script
}

/// An RRSIG over a type; nobody here validates it.
fn signature(covered: u16) -> Rr {
    let mut data = covered.to_be_bytes().to_vec();
    data.extend([13, 2, 0, 0, 1, 44, 0x7f, 0, 0, 0, 0x60, 0, 0, 0, 0x12, 0x34]);
    data.extend(wire_name(FORWARDED));
    data.extend([7; 64]);
    Rr::new(FORWARDED, kind::RRSIG, 300, data)
}

#[test]
fn compliance_99_of_99_for_forwarded_and_for_owned_names() {
    let upstream = Upstream::start(signed_zone);
    let text = format!(
        r#"
[[upstream]]
name = "public"
servers = ["{}"]
[[zone]]
name = "corp"
apex = "{}"
records = {{ "@" = ["10.10.4.1", "fd00::1"], "www" = ["10.10.4.2"] }}
[[endpoint]]
name = "rdweb"
kind = "other"
records = {{ "{}" = ["10.10.4.7"] }}
[[view]]
name = "spoke"
networks = ["127.0.10.0/24"]
zones = ["corp"]
endpoints = ["rdweb"]
"#,
        upstream.server(),
        OWNED[0],
        OWNED[1]
    );
    let server = Setup::new(text).start();
    let client = server.client("127.0.10.9");
    let mut misses = String::new();
    for state in ["forwarded, fresh", "forwarded, cached"] {
        misses += &report(client, FORWARDED, true, state);
    }
    for zone in OWNED {
        misses += &report(client, zone, false, "owned");
    }
    assert!(misses.is_empty(), "checks that miss:\n{misses}");
}
