//! Shapes of upstream answers that the random tables lack: more types, odd TTLs, large sets, DNAMEs, failures,
//! denials without a SOA, and records that nobody asked for. Both upstreams serve them alike.

use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::{Public, Script};
use crate::oracle::name::{is_below, is_within, swap};

/// Where all of them live.
pub(crate) const SUFFIX: &str = "shapes.example";

/// DNAMEs: owner, target, and whether the upstream makes the CNAME too. The second leads into a zone that some views
/// own.
const DNAMES: [(&str, &str, bool); 3] = [
    ("d1.shapes.example", "plain.shapes.example", true),
    ("d2.shapes.example", "internal.example", true),
    ("d3.shapes.example", "plain.shapes.example", false),
];

/// Names that yield an RCODE and nothing else.
const FAILURES: [(&str, u8); 5] = [
    ("formerr.shapes.example", 1),
    ("servfail.shapes.example", 2),
    ("notimp.shapes.example", 4),
    ("refused.shapes.example", 5),
    ("notauth.shapes.example", 9),
];

/// More names to ask for, beside those that own a record.
const ASKED: [&str; 17] = [
    "signed.shapes.example",
    "unsigned.shapes.example",
    LONG_DENIAL,
    "a.d1.shapes.example",
    "alias.d1.shapes.example",
    "x.y.d1.shapes.example",
    "www.d2.shapes.example",
    "none.d2.shapes.example",
    "a.d3.shapes.example",
    "d1.shapes.example",
    "nothing.shapes.example",
    "no-soa.shapes.example",
    "denied-no-soa.shapes.example",
    "plain.shapes.example",
    "a\\.b.shapes.example",
    "x.mx.shapes.example",
    "extra.shapes.example",
];

/// Aliases from here into everything else.
const ALIASES: [(&str, u32, &str); 9] = [
    ("alias.plain.shapes.example", 300, "a.plain.shapes.example"),
    ("to-endpoint.shapes.example", 600, "rdweb.wvd.microsoft.com"),
    ("to-app.shapes.example", 3_600, "app.corp.example"),
    ("to-zone.shapes.example", 60, "www.internal.example"),
    ("to-missing.shapes.example", 900, "none.internal.example"),
    ("to-file.shapes.example", 300, "host.filed.example"),
    ("to-file-alias.shapes.example", 300, "out.filed.example"),
    ("to-file-missing.shapes.example", 300, "none.filed.example"),
    ("to-failing.shapes.example", 300, "servfail.shapes.example"),
];

/// Every name worth asking for.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = records().into_iter().map(|rr| rr.name).collect();
    names.dedup();
    names.extend(ASKED.map(str::to_owned));
    names.extend(FAILURES.map(|(name, _)| name.to_owned()));
    names
}

/// Adds the plain ones to a table.
pub(crate) fn add(table: &mut Public) {
    for record in records() {
        table.add(record);
    }
}

fn records() -> Vec<Rr> {
    let at = |label: &str| format!("{label}.{SUFFIX}");
    let mut all = vec![
        Rr::soa(SUFFIX, 3_600, 60),
        Rr::ns(SUFFIX, 3_600, "ns.shapes.example"),
        Rr::host(&at("a.plain"), 300, "198.51.100.1"),
        Rr::host(&at("a.plain"), 300, "2001:db8::1"),
        Rr::txt(&at("a.plain"), 120, &["one".to_owned(), "two".to_owned()]),
        Rr::new(&at("mx"), kind::MX, 300, [&[0, 10][..], &wire_name("mail.shapes.example")].concat()),
        Rr::new(&at("mx"), kind::MX, 300, [&[0, 20][..], &wire_name("mail.elsewhere.example")].concat()),
        Rr::srv("_sip._tcp.shapes.example", 300, 5_060, "sip.shapes.example"),
        Rr::new(&at("caa"), 257, 300, b"\x00\x05issueca.example".to_vec()),
        Rr::new(
            &at("naptr"),
            35,
            300,
            [&b"\x00\x0a\x00\x14\x01s\x07SIP+D2U\x00"[..], &wire_name("_sip._udp.shapes.example")].concat(),
        ),
        Rr::new(&at("unknown"), kind::UNKNOWN, 300, vec![0xc0, 0x0c, 0, 255]),
        Rr::service(&at("https"), kind::HTTPS, 300, ".", &[(1, b"\x02h2".to_vec()), (4, vec![198, 51, 100, 3])]),
        Rr::service(&at("svcb"), kind::SVCB, 300, "a.plain.shapes.example", &[(3, vec![1, 187])]),
        Rr::host(&at("zero"), 0, "198.51.100.4"),
        Rr::host(&at("week"), 604_800, "198.51.100.5"),
        Rr::host(&at("msb"), 0x8000_0010, "198.51.100.6"),
        Rr::host(&at("uneven"), 300, "198.51.100.7"),
        Rr::host(&at("uneven"), 200, "198.51.100.8"),
        Rr::host(&at("twice"), 300, "198.51.100.9"),
        Rr::host(&at("twice"), 300, "198.51.100.9"),
        Rr::host(&at("x\\.y"), 300, "198.51.100.10"),
        Rr::host(&at("\\000\\255"), 300, "198.51.100.11"),
        Rr::host(&at("*"), 300, "198.51.100.12"),
        Rr::host(&at(&format!("{0}.{0}.{0}", "l".repeat(63))), 300, "198.51.100.13"),
        Rr::new("4.3.2.1.shapes.example", kind::PTR, 300, wire_name("a.plain.shapes.example")),
    ];
    all.extend((0..20).map(|number| Rr::txt(&at("large"), 300, &[format!("{number:0200}")])));
    all.extend((0..60).map(|number| Rr::host(&at("many"), 300, &format!("198.51.100.{number}"))));
    all.extend((0..26).map(|number| Rr::host(&at("medium"), 300, &format!("198.51.100.{number}"))));
    all.extend(ALIASES.map(|(name, ttl, target)| Rr::cname(name, ttl, target)));
    all
}

/// What an upstream with this table says: the shapes that need a script, else the table. The SOA of a denial has the
/// TTL that RFC 2308 §3 gives it, but for one name.
pub(crate) fn answer(table: &Public, name: &str, kind: u16) -> Script {
    let mut script = written(table, name, kind);
    for soa in script.authority.iter_mut().filter(|rr| rr.kind == kind::SOA && name != LONG_DENIAL) {
        soa.ttl = soa.ttl.min(60);
    }
    script
}

/// Its denial's SOA has a TTL above its MINIMUM.
pub(crate) const LONG_DENIAL: &str = "long-denial.shapes.example";

/// Whether a DNAME stands above a name.
pub(crate) fn is_below_dname(name: &str) -> bool {
    DNAMES.into_iter().any(|(owner, ..)| is_below(name, owner))
}

/// Whether what is said of a name is more than the table has.
pub(crate) fn is_scripted(name: &str) -> bool {
    let failing = FAILURES.into_iter().any(|(failing, _)| name == failing);
    failing
        || DNAMES.into_iter().any(|(owner, ..)| is_within(name, owner))
        || ["\\000\\255", "msb", "no-soa", "denied-no-soa", "to-failing", "extra", "signed", "unsigned"]
            .into_iter()
            .any(|label| name == format!("{label}.{SUFFIX}"))
}

const NSEC: u16 = 47;

/// A signature that nobody checks. It is sent whether or not it was asked for.
fn signature(owner: &str, covered: u16) -> Rr {
    let mut data = covered.to_be_bytes().to_vec();
    data.extend_from_slice(&[13, 3, 0, 0, 1, 44, 0x7f, 0, 0, 0, 0x60, 0, 0, 0, 0x30, 0x39]);
    data.extend(wire_name(SUFFIX));
    data.extend_from_slice(&[7; 64]);
    Rr::new(owner, kind::RRSIG, if covered == kind::A { 300 } else { 60 }, data)
}

fn written(table: &Public, name: &str, kind: u16) -> Script {
    if let Some((owner, target, with_cname)) = DNAMES.into_iter().find(|(owner, ..)| is_below(name, owner)) {
        let target_name = swap(name, owner, target).expect("it lies below the owner");
        // The second's target belongs to another upstream in some views: BIND would keep what this one says of it.
        let mut script = if kind == kind::CNAME || owner == "d2.shapes.example" {
            Script::default()
        } else {
            written(table, &target_name, kind)
        };
        let mut chain = vec![Rr::dname(owner, 240, target)];
        chain.extend(with_cname.then(|| Rr::cname(name, 240, &target_name)));
        chain.append(&mut script.answers);
        script.answers = chain;
        return script;
    }
    if let Some((owner, target, _)) = DNAMES.into_iter().find(|(owner, ..)| name == *owner) {
        return match kind {
            kind::DNAME => Script::records(vec![Rr::dname(owner, 240, target)]),
            _ => Script::nodata(SUFFIX),
        };
    }
    if let Some((_, rcode)) = FAILURES.into_iter().find(|(failing, _)| name == *failing) {
        return Script::rcode(rcode);
    }
    match name {
        // BIND asks for ANY where hubdns does not, and would take a denial of it for one of every type.
        _ if kind == kind::ANY => Script::rcode(4),
        "no-soa.shapes.example" => Script::default(),
        "denied-no-soa.shapes.example" => Script::rcode(3),
        "to-failing.shapes.example" if kind != kind::CNAME => Script::rcode(2),
        "signed.shapes.example" if kind == kind::A => {
            Script::records(vec![Rr::host(name, 300, "198.51.100.15"), signature(name, kind)])
        }
        "signed.shapes.example" | "unsigned.shapes.example" => Script {
            rcode: if name.starts_with('u') { 3 } else { 0 },
            authority: vec![
                Rr::soa(SUFFIX, 60, 60),
                signature(SUFFIX, kind::SOA),
                Rr::new(
                    "signed.shapes.example",
                    NSEC,
                    60,
                    [&wire_name("zero.shapes.example")[..], b"\x00\x01\x40"].concat(),
                ),
                signature("signed.shapes.example", NSEC),
            ],
            ..Script::default()
        },
        "extra.shapes.example" if kind == kind::A => Script {
            answers: vec![
                Rr::host("other.shapes.example", 300, "192.0.2.66"),
                Rr::host(name, 300, "198.51.100.14"),
                Rr::txt(name, 300, &["not asked for".to_owned()]),
            ],
            authority: vec![Rr::ns(SUFFIX, 300, "ns.shapes.example")],
            additional: vec![Rr::host("ns.shapes.example", 300, "192.0.2.67")],
            ..Script::default()
        },
        "extra.shapes.example" => Script::nodata(SUFFIX),
        _ => table.answer(name, kind),
    }
}
