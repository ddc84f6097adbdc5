//! The file of `hubdns test`: which client gets which answer. Read through the same kind of section tables as the
//! configuration, so that its faults come all at once with their places.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::codes;
use super::place::{Place, Spanned};
use super::sections::Default::{Required, Value, Words};
use super::sections::{Key, Kind, Section};
use super::value::name::DnsName;
use super::value::{self, Fault};

/// The file itself.
pub static EXPECTATIONS: Section = Section {
    name: "expectations",
    title: "the file",
    doc: "A table of expectations for one configuration.",
    keys: &[
        Key {
            name: "config",
            kind: Kind::Path,
            default: Words("the file that `-c` names"),
            example: "\"hub.toml\"",
            doc: "The configuration, relative to this file; `-c` wins over it.",
        },
        Key {
            name: "expect",
            kind: Kind::Tables(&EXPECT),
            default: Required,
            example: "[[expect]]",
            doc: "One question and its answer a table.",
        },
    ],
};

/// `[[expect]]`.
pub static EXPECT: Section = Section {
    name: "expect",
    title: "[[expect]]",
    doc: "One question and the answer that leaves for it. Nothing is sent: a name that goes upstream is answered out of \
          `upstream`, or the expectation is that it is forwarded.",
    keys: &[
        Key {
            name: "client",
            kind: Kind::Address,
            default: Required,
            example: "\"10.20.1.4\"",
            doc: "The address that asks; it chooses the view.",
        },
        Key {
            name: "local",
            kind: Kind::SocketAddress(53),
            default: Words("the first address of `listen`"),
            example: "\"10.0.0.5:53\"",
            doc: "The address that is asked, for views with `listeners`.",
        },
        Key {
            name: "name",
            kind: Kind::Name,
            default: Required,
            example: "\"rdweb.wvd.microsoft.com\"",
            doc: "QNAME.",
        },
        Key { name: "type", kind: Kind::Text, default: Value("\"A\""), example: "\"AAAA\"", doc: "QTYPE." },
        Key {
            name: "answer",
            kind: Kind::Answer,
            default: Required,
            example: "[\"10.10.1.4\"]",
            doc: "What leaves: the data of all records of the type asked, in any order and behind whatever aliases; or \
                  `nodata`, `nxdomain`, `refused`, `servfail`; or `forward`, with or without the upstream that is asked \
                  for the last name.",
        },
        Key {
            name: "upstream",
            kind: Kind::Tables(&SCRIPTED),
            default: Value("[]"),
            example: "[{ name = \"a.example\", type = \"CNAME\", data = \"b.example\" }]",
            doc: "What the upstream would say, aliases and all. A name without a row is not answered.",
        },
    ],
};

/// A row of `upstream`.
pub static SCRIPTED: Section = Section {
    name: "upstream",
    title: "a scripted record",
    doc: "A record that the upstream has, or how it ends at a name.",
    keys: &[
        Key { name: "name", kind: Kind::Name, default: Required, example: "\"a.example\"", doc: "The owner." },
        Key {
            name: "type",
            kind: Kind::Text,
            default: Value("\"A\""),
            example: "\"CNAME\"",
            doc: "The record's type.",
        },
        Key {
            name: "ttl",
            kind: Kind::Duration(Duration::from_secs(1), Duration::from_secs(86_400)),
            default: Value("\"1m\""),
            example: "\"10s\"",
            doc: "The record's TTL.",
        },
        Key {
            name: "data",
            kind: Kind::Text,
            default: Words("none; then `end` is needed"),
            example: "\"192.0.2.4\"",
            doc: "The record's data as a zone file has them, names whole.",
        },
        Key {
            name: "end",
            kind: Kind::Choice(ENDS),
            default: Words("none"),
            example: "\"nxdomain\"",
            doc: "Instead of a record: the upstream's answer ends so at this name.",
        },
    ],
};

/// The words of `end`.
pub static ENDS: &[&str] = &["nodata", "nxdomain", "servfail"];

/// The sections in the order of the documentation.
pub static TABLES: &[&Section] = &[&EXPECTATIONS, &EXPECT, &SCRIPTED];

/// An expected answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The data of all records of the type asked.
    Records(Vec<Spanned<String>>),
    /// No such name.
    NxDomain,
    /// No record of the type.
    NoData,
    /// The client is in no view, or the question is not taken.
    Refused,
    /// A failure.
    ServFail,
    /// It is asked upstream: of any, or of this one.
    Forward(Option<String>),
}

impl Answer {
    /// Reads a word.
    ///
    /// # Errors
    /// When it is none of the words.
    pub(super) fn word(text: &str) -> Result<Self, Fault> {
        match text {
            "nxdomain" => Ok(Self::NxDomain),
            "nodata" => Ok(Self::NoData),
            "refused" => Ok(Self::Refused),
            "servfail" => Ok(Self::ServFail),
            "forward" => Ok(Self::Forward(None)),
            _ => match text.strip_prefix("forward:") {
                Some(upstream) => value::label(upstream).map(|name| Self::Forward(Some(name))),
                None => {
                    let message = format!("{:?} is not one of the words allowed here", value::shorten(text));
                    let hint = format!("allowed: {}; or a list: [{:?}]", Kind::Answer.describe(), value::shorten(text));
                    Err(Fault::new(&codes::BAD_CHOICE, message).hint(hint))
                }
            },
        }
    }
}

/// How a scripted upstream's answer ends at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No record of the type.
    NoData,
    /// No such name.
    NxDomain,
    /// A failure.
    ServFail,
}

/// The file with its types.
#[derive(Clone, Debug, Default)]
pub struct ExpectationsSpec {
    /// The configuration, where written.
    pub config: Option<Spanned<String>>,
    /// The expectations, in order.
    pub expect: Vec<ExpectSpec>,
}

/// `[[expect]]`. What is required and `None` is unsound or missing.
#[derive(Clone, Debug)]
pub struct ExpectSpec {
    /// The address that asks.
    pub client: Option<Spanned<IpAddr>>,
    /// The address that is asked, where written.
    pub local: Option<Spanned<SocketAddr>>,
    /// QNAME.
    pub name: Option<Spanned<DnsName>>,
    /// QTYPE's name.
    pub rtype: Option<Spanned<String>>,
    /// The answer.
    pub answer: Option<Spanned<Answer>>,
    /// What the upstream says.
    pub upstream: Vec<ScriptedSpec>,
    /// Whether something of it could not be read.
    pub faulty: bool,
    /// The key path of the table.
    pub path: String,
    /// The table's place.
    pub place: Place,
}

/// A row of `upstream`.
#[derive(Clone, Debug)]
pub struct ScriptedSpec {
    /// The owner.
    pub name: Spanned<DnsName>,
    /// The type's name.
    pub rtype: Spanned<String>,
    /// The TTL.
    pub ttl: Spanned<Duration>,
    /// The data, where written.
    pub data: Option<Spanned<String>>,
    /// The end, where written.
    pub end: Option<Spanned<End>>,
    /// Whether something of it could not be read.
    pub faulty: bool,
    /// The key path of the row.
    pub path: String,
    /// The row's place.
    pub place: Place,
}
