//! The file of `hubdns test` → questions, answers and what the upstream would say, all checked.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Unreadable;
use super::files::{self, Disk, Files, LARGEST_CONFIG};
use super::names::{name_of, ttl_of};
use crate::config::expect::{Answer, End, ExpectSpec, ScriptedSpec};
use crate::config::{Finding, Place, Source, Spanned, codes, read_expectations, sort};
use crate::wire::{Name, RecordType, Ttl, WireName};
use crate::zone::master;

/// What a table of expectations comes to.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// The configuration that it names.
    pub config: Option<PathBuf>,
    /// The expectations, in order; with errors among the findings some are missing.
    pub cases: Vec<Case>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One question and its answer.
#[derive(Debug, Clone)]
pub struct Case {
    /// Who asks.
    pub client: IpAddr,
    /// Where, if written.
    pub local: Option<SocketAddr>,
    /// QNAME.
    pub name: WireName,
    /// QTYPE.
    pub qtype: u16,
    /// What should leave.
    pub expected: Expected,
    /// What the upstream would say.
    pub script: Vec<Scripted>,
    /// Where it stands.
    pub place: Place,
}

/// What should leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// All records of the type asked: RDATA with whole names.
    Records(Vec<Box<[u8]>>),
    /// NOERROR without a record of the type.
    NoData,
    /// NXDOMAIN.
    NxDomain,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    ServFail,
    /// It is asked upstream, of this group where one is named.
    Forward(Option<Spanned<String>>),
}

/// Something that the upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripted {
    /// The owner.
    pub owner: WireName,
    /// A record, or how it ends there.
    pub what: What,
}

/// What a scripted upstream has at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A record.
    Record {
        /// Its type.
        rtype: u16,
        /// Its TTL.
        ttl: Ttl,
        /// Its RDATA, names whole.
        rdata: Box<[u8]>,
    },
    /// No record of any further type.
    NoData,
    /// No such name.
    NxDomain,
    /// A failure.
    ServFail,
}

/// Reads a table of expectations.
///
/// # Errors
/// When the file cannot be read; every other fault is a finding.
pub fn expectations(path: &Path) -> Result<Expectations, Unreadable> {
    let text = Disk
        .read(path, LARGEST_CONFIG)
        .map_err(|error| Unreadable { path: path.to_owned(), message: error.to_string() })?;
    Ok(expectations_of_text(&files::shown(path), &text))
}

/// Reads a table of expectations out of a text.
pub fn expectations_of_text(name: &str, text: &str) -> Expectations {
    let source = Source::new(name, text);
    let mut findings = Vec::new();
    let spec = read_expectations(&source, &mut findings);
    let cases = spec.expect.iter().filter_map(|row| case(row, &mut findings)).collect();
    sort(&mut findings, &[name]);
    Expectations { config: spec.config.map(|own| files::beside(&own.place, &own.value)), cases, findings }
}

/// One expectation, or its faults: those of its values too where some of them are missing.
fn case(spec: &ExpectSpec, findings: &mut Vec<Finding>) -> Option<Case> {
    let before = findings.len();
    let qtype = spec.rtype.as_ref().and_then(|text| question_type(text, &spec.path, findings));
    let expected = spec.answer.as_ref().map(|answer| match &answer.value {
        Answer::NoData => Expected::NoData,
        Answer::NxDomain => Expected::NxDomain,
        Answer::Refused => Expected::Refused,
        Answer::ServFail => Expected::ServFail,
        Answer::Forward(upstream) => {
            Expected::Forward(upstream.clone().map(|upstream| Spanned::new(upstream, answer.place.clone())))
        }
        Answer::Records(list) => {
            let key = format!("{}.answer", spec.path);
            let rdata = |data| Some(record(qtype?, Ttl::ZERO, data, &key, findings)?.2);
            Expected::Records(list.iter().filter_map(rdata).collect())
        }
    });
    let script = spec.upstream.iter().filter_map(|row| scripted(row, findings)).collect();
    if spec.faulty || findings.len() > before {
        return None;
    }
    Some(Case {
        client: spec.client.as_ref()?.value.to_canonical(),
        local: spec.local.as_ref().map(|local| local.value),
        name: name_of(&spec.name.as_ref()?.value).as_ref().to_wire(),
        qtype: qtype?,
        expected: expected?,
        script,
        place: spec.place.clone(),
    })
}

/// A type that can be asked for.
fn question_type(text: &Spanned<String>, path: &str, findings: &mut Vec<Finding>) -> Option<u16> {
    let found = text.value.parse().ok().map(|RecordType(number)| number);
    if found.is_none() {
        let message = format!("{:?} is not a record type", text.value);
        findings.push(Finding::new(&codes::BAD_RECORD_TYPE, text.place.clone(), format!("{path}.type"), message));
    }
    found
}

/// A row of the script.
fn scripted(spec: &ScriptedSpec, findings: &mut Vec<Finding>) -> Option<Scripted> {
    let owner = name_of(&spec.name.value).as_ref().to_wire();
    let what = match (&spec.data, &spec.end) {
        (None, Some(end)) => match end.value {
            End::NoData => What::NoData,
            End::NxDomain => What::NxDomain,
            End::ServFail => What::ServFail,
        },
        (Some(data), None) => {
            let rtype = question_type(&spec.rtype, &spec.path, findings)?;
            let ttl = ttl_of(spec.ttl.value);
            let key = format!("{}.data", spec.path);
            let (rtype, ttl, rdata) = record(rtype, ttl, data, &key, findings)?;
            What::Record { rtype, ttl, rdata }
        }
        (None, None) if spec.faulty => return None,
        _ => {
            let message = "a scripted row has either `data` or `end`";
            findings.push(
                Finding::new(&codes::BAD_RECORD, spec.place.clone(), &*spec.path, message)
                    .hint("write data = \"192.0.2.4\" for a record, end = \"nxdomain\" for none"),
            );
            return None;
        }
    };
    Some(Scripted { owner, what })
}

/// A record read as a master file's entry; names in its data are whole without a final dot too.
fn record(
    rtype: u16,
    ttl: Ttl,
    data: &Spanned<String>,
    key: &str,
    findings: &mut Vec<Finding>,
) -> Option<(u16, Ttl, Box<[u8]>)> {
    let root = Name::from(WireName::ROOT);
    let line = format!(". {} IN {} {}", ttl.seconds(), RecordType(rtype), data.value);
    let mut parsed = master::parse(&line, Some(&root));
    if let (Some(entry), true) = (parsed.entries.pop(), parsed.entries.is_empty() && parsed.faults.is_empty()) {
        return Some((entry.rtype, entry.ttl, entry.rdata));
    }
    let why = parsed.faults.first().map_or("nothing is left of it", |fault| &fault.message);
    let message = format!("{:?} is no data of {}: {why}", data.value, RecordType(rtype));
    findings.push(Finding::new(&codes::BAD_RECORD, data.place.clone(), key, message));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_its_script() {
        let text = "
config = \"../hub.toml\"
[[expect]]
client = \"10.20.1.4\"
name = \"a.example\"
answer = [\"192.0.2.4\"]
upstream = [
  { name = \"a.example\", type = \"CNAME\", ttl = \"10s\", data = \"b.example\" },
  { name = \"b.example\", data = \"192.0.2.4\" },
  { name = \"c.example\", end = \"nxdomain\" },
]
[[expect]]
client = \"::ffff:10.20.1.4\"
local = \"10.0.0.4\"
name = \"a.example\"
type = \"mx\"
answer = \"forward:azure\"
";
        let read = expectations_of_text("tests/a.toml", text);
        assert!(read.findings.is_empty(), "{:?}", read.findings);
        assert_eq!(read.config, Some(PathBuf::from("tests/../hub.toml")));
        let [first, second] = &read.cases[..] else { panic!("{:?}", read.cases) };
        assert_eq!(first.expected, Expected::Records(vec![[192, 0, 2, 4].into()]));
        let alias = What::Record { rtype: 5, ttl: Ttl::from_seconds(10), rdata: (*b"\x01b\x07example\0").into() };
        assert_eq!(first.script[0].what, alias);
        assert_eq!(first.script[2].what, What::NxDomain);
        assert_eq!(second.client, first.client);
        assert_eq!((second.qtype, second.local.map(|own| own.port())), (15, Some(53)));
        assert!(matches!(&second.expected, Expected::Forward(Some(name)) if name.value == "azure"));
    }

    #[test]
    fn all_faults_come_at_once_with_their_places() {
        let text = "\
confg = \"x\"
[[expect]]
client = \"10.20.1\"
name = \"a..b\"
answer = \"nodat\"
[[expect]]
client = \"10.20.1.4\"
name = \"a.example\"
type = \"A6A\"
answer = [\"10.0.0.4\", \"x\"]
upstream = [{ name = \"a.example\" }, { name = \"a.example\", data = \"y\" }, { name = \"a.example\", end = \"z\" }]
[[expect]]
name = \"a.example\"
answer = []
[[expect]]
client = \"10.20.1.4\"
name = \"a.example\"
answer = [\"x\"]
upstream = [{ name = \"a.example\" }, { name = \"a.example\", data = \"y\" }]
";
        let read = expectations_of_text("t.toml", text);
        let found: Vec<String> =
            read.findings.iter().map(|own| format!("{} {} {}", own.code, own.place.line(), own.key)).collect();
        let expected = [
            "H0102 1 confg",
            "H0117 3 expect[0].client",
            "H0119 4 expect[0].name",
            "H0108 5 expect[0].answer",
            "H0126 9 expect[1].type",
            "H0127 11 expect[1].upstream[0]",
            "H0127 11 expect[1].upstream[1].data",
            "H0108 11 expect[1].upstream[2].end",
            "H0104 12 expect[2].client",
            "H0105 14 expect[2].answer",
            "H0127 18 expect[3].answer",
            "H0127 19 expect[3].upstream[0]",
            "H0127 19 expect[3].upstream[1].data",
        ];
        assert_eq!(found, expected);
        assert!(read.cases.is_empty());
    }
}
