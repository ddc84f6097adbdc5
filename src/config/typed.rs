//! Rows of checked values into the types of [`super::spec`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::codes;
use super::expect::{self, Answer, End, ExpectSpec, ExpectationsSpec, ScriptedSpec};
use super::finding::Finding;
use super::place::{Place, Source, Spanned};
use super::reader::{self, Read, Row, ZoneValue};
use super::sections;
use super::spec::{
    CacheSpec, CaseMode, ClientDetail, CloudSpec, EndpointKind, EndpointSpec, EndpointState, GuardMode, KnownSpec,
    LogSpec, Missing, Policy, QueryLevel, RecordSpec, RouteSpec, ServerSpec, SetSpec, Spec, Unlisted, UpstreamSpec,
    ViewSpec, ZoneSpec,
};
use super::value::name::{DnsName, Owner, Pattern};
use super::value::{Listener, Server};

impl Default for CacheSpec {
    fn default() -> Self {
        let mut row = reader::empty_row(&sections::CACHE);
        CacheSpec::from_row(&mut row, None)
    }
}

impl Default for LogSpec {
    fn default() -> Self {
        LogSpec::from_row(&mut reader::empty_row(&sections::LOG))
    }
}

/// Reads the main file.
pub fn read_main(source: &Arc<Source>, findings: &mut Vec<Finding>) -> Spec {
    read(source, &sections::FILE, findings)
}

/// Reads an included file.
pub fn read_included(source: &Arc<Source>, findings: &mut Vec<Finding>) -> Spec {
    read(source, &sections::INCLUDED, findings)
}

/// Reads a table of expectations.
pub fn read_expectations(source: &Arc<Source>, findings: &mut Vec<Finding>) -> ExpectationsSpec {
    let (mut file, _) = reader::read_file(source, &expect::EXPECTATIONS, findings);
    ExpectationsSpec {
        config: file.optional("config"),
        expect: file.rows("expect").into_iter().map(ExpectSpec::from_row).collect(),
    }
}

/// Reads a file through its section and reports tables of one kind with one name.
fn read(source: &Arc<Source>, section: &'static sections::Section, findings: &mut Vec<Finding>) -> Spec {
    let (mut file, syntax_faults) = reader::read_file(source, section, findings);
    let main = section.name.is_empty();
    let mut spec = Spec { incomplete: syntax_faults || file.lacking, ..Spec::default() };
    if main {
        spec.include = file.list("include");
        spec.watch = file.setting("watch").map(|watch| watch.value).unwrap_or_default();
        spec.server = file.rows("server").pop().and_then(ServerSpec::from_row);
        if let Some(mut row) = file.rows("cache").pop() {
            let place = row.place.clone();
            spec.cache = CacheSpec::from_row(&mut row, Some(place));
        }
        if let Some(mut row) = file.rows("log").pop() {
            spec.log = LogSpec::from_row(&mut row);
        }
    }
    let incomplete = &mut spec.incomplete;
    spec.upstreams = rows(&mut file, "upstream", UpstreamSpec::from_row, incomplete);
    spec.endpoints = rows(&mut file, "endpoint", EndpointSpec::from_row, incomplete);
    spec.endpoint_sets = rows(&mut file, "endpoints", SetSpec::from_row, incomplete);
    spec.zones = rows(&mut file, "zone", ZoneSpec::from_row, incomplete);
    spec.zone_sets = rows(&mut file, "zones", SetSpec::from_row, incomplete);
    spec.known = rows(&mut file, "known", KnownSpec::from_row, incomplete);
    spec.clouds = rows(&mut file, "cloud", CloudSpec::from_row, incomplete);
    spec.views = rows(&mut file, "view", ViewSpec::from_row, incomplete);
    spec
}

/// The tables under a key; one that cannot be named makes the whole incomplete.
fn rows<T>(file: &mut Row, name: &str, make: impl Fn(Row) -> Option<T>, incomplete: &mut bool) -> Vec<T> {
    let rows = file.rows(name);
    let count = rows.len();
    let made: Vec<T> = rows.into_iter().filter_map(make).collect();
    *incomplete |= made.len() < count;
    made
}

/// Reports tables of one kind that have one name, over all files of a configuration.
pub fn duplicate_names<'s>(
    title: &str,
    names: impl Iterator<Item = (&'s Spanned<String>, &'s str)>,
    findings: &mut Vec<Finding>,
) {
    let mut seen = std::collections::HashMap::new();
    for (name, path) in names {
        if let Some(first) = seen.get(&name.value) {
            let message = format!("{title} {:?} exists already", name.value);
            let place = name.place.clone();
            findings.push(
                Finding::new(&codes::DUPLICATE_NAME, place, format!("{path}.name"), message)
                    .hint("names are unique within a kind, over all files")
                    .see(Place::clone(first), "first defined here"),
            );
        } else {
            seen.insert(&name.value, name.place.clone());
        }
    }
}

impl ServerSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self {
            listen: row.list("listen"),
            workers: row.setting("workers")?.map(|number: i64| usize::try_from(number).unwrap_or(0)),
            health: row.optional("health"),
            admin: row.optional("admin"),
            token_file: row.optional("token-file"),
            lameduck: row.setting("lameduck")?,
            place: row.place,
        })
    }
}

impl CacheSpec {
    /// Out of its row; the table's defaults are sound, which a test holds.
    fn from_row(row: &mut Row, place: Option<Place>) -> Self {
        let zero = Duration::ZERO;
        let value = |found: Option<Spanned<Duration>>| found.map_or(zero, |found| found.value);
        let Octets(size_octets) = row.setting("size").map_or(Octets(0), |size| size.value);
        let negative = row.setting("max-negative-ttl");
        let place = negative.as_ref().filter(|_| place.is_some()).map(|at| at.place.clone()).or(place);
        Self {
            size_octets,
            serve_stale: value(row.setting("serve-stale")),
            max_ttl: value(row.setting("max-ttl")),
            max_negative_ttl: value(negative),
            file: row.optional("file").map(|file: Spanned<String>| file.value),
            place,
        }
    }
}

impl LogSpec {
    /// Out of its row; what is unsound has been reported.
    fn from_row(row: &mut Row) -> Self {
        let sample = row.setting("sample").map_or(1, |sample: Spanned<i64>| sample.value);
        Self {
            queries: row.setting("queries").map_or(QueryLevel::Off, |level| level.value),
            sample: u32::try_from(sample).unwrap_or(1),
            clients: row.setting("clients").map_or(ClientDetail::None, |detail| detail.value),
            file: row.optional("file").map(|file: Spanned<String>| file.value),
        }
    }
}

impl UpstreamSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Self {
            name: row.optional("name")?,
            servers: row.list("servers"),
            policy: row.setting("policy")?,
            timeout: row.setting("timeout")?,
            max_in_flight: row.optional("max-in-flight").map(|cap| cap.map(small)),
            max_qps: row.optional("max-qps").map(|cap| cap.map(small)),
            case: row.setting("case")?,
            ca: row.optional("ca"),
            path: row.path,
        })
    }
}

impl EndpointSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self {
            name: row.optional("name")?,
            kind: row.optional("kind"),
            resource: row.optional("resource"),
            ttl: row.setting("ttl")?,
            state: row.setting("state")?,
            records: row.optional("records").map(|records| records.value).unwrap_or_default(),
            from: row.list("from"),
            faulty: row.faulty,
            path: row.path,
        })
    }
}

impl SetSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self { from: row.list("from"), path: row.path, place: row.place })
    }
}

impl ZoneSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self {
            name: row.optional("name")?,
            apex: row.optional("apex")?,
            public: row.optional("public"),
            file: row.optional("file"),
            records: row.optional("records"),
            ttl: row.setting("ttl")?,
            missing: row.setting("missing")?,
            faulty: row.faulty,
            path: row.path,
        })
    }
}

impl KnownSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self { name: row.optional("name")?, guids: row.list("guids") })
    }
}

impl CloudSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self {
            name: row.optional("name")?,
            public: row.optional("public")?,
            one_zone: row.setting("one-zone")?.value,
            path: row.path,
        })
    }
}

impl ViewSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        let routes = row.rows("forward").into_iter().filter_map(RouteSpec::from_row).collect();
        Some(Self {
            name: row.optional("name")?,
            networks: row.list("networks"),
            listeners: row.list("listeners"),
            extends: row.optional("extends"),
            without: row.list("without"),
            upstream: row.optional("upstream"),
            forward: routes,
            reverse: row.optional("reverse"),
            endpoints: row.list("endpoints"),
            zones: row.list("zones"),
            private: row.optional("private"),
            unlisted: row.optional("unlisted"),
            guard: row.optional("guard"),
            must_be_private: row.optional("must-be-private").map(|list| list.value),
            private_ranges: row.optional("private-ranges").map(|list| list.value),
            reply_within: row.optional("reply-within"),
            keep_warm: row.optional("keep-warm").map(|list| list.value),
            missing: row.optional("missing").map(|words| words.value).unwrap_or_default(),
            log_queries: row.optional("log-queries"),
            log_clients: row.optional("log-clients"),
            faulty: row.faulty,
            path: row.path,
        })
    }
}

impl RouteSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self { suffix: row.optional("suffix")?, upstream: row.optional("upstream")? })
    }
}

impl ExpectSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Self {
        let script = row.rows("upstream").into_iter().filter_map(ScriptedSpec::from_row).collect();
        Self {
            client: row.optional("client"),
            local: row.optional("local"),
            name: row.optional("name"),
            rtype: row.setting("type"),
            answer: row.optional("answer"),
            upstream: script,
            faulty: row.faulty,
            path: row.path,
            place: row.place,
        }
    }
}

impl ScriptedSpec {
    /// Out of its row.
    fn from_row(mut row: Row) -> Option<Self> {
        Some(Self {
            name: row.optional("name")?,
            rtype: row.setting("type")?,
            ttl: row.setting("ttl")?,
            data: row.optional("data"),
            end: row.optional("end"),
            faulty: row.faulty,
            path: row.path,
            place: row.place,
        })
    }
}

/// The typed getters of a row.
impl Row {
    /// A value that was written and is sound.
    fn optional<T: FromRead>(&mut self, name: &str) -> Option<Spanned<T>> {
        let Spanned { value, place } = self.take(name)?;
        let value = T::from_read(value);
        debug_assert!(value.is_some(), "{name} has another kind than the spec expects");
        Some(Spanned::new(value?, place))
    }

    /// A value that was written, or the table's default.
    fn setting<T: FromRead>(&mut self, name: &str) -> Option<Spanned<T>> {
        let Spanned { value, place } = self.take_or_default(name)?;
        let value = T::from_read(value);
        debug_assert!(value.is_some(), "{name} has another kind than the spec expects");
        Some(Spanned::new(value?, place))
    }

    /// A list that was written; else an empty one.
    fn list<T: FromRead>(&mut self, name: &str) -> Vec<Spanned<T>> {
        self.optional(name).map(|list| list.value).unwrap_or_default()
    }

    /// Tables that were written.
    fn rows(&mut self, name: &str) -> Vec<Row> {
        match self.take(name) {
            Some(Spanned { value: Read::Rows(rows), .. }) => rows,
            _ => Vec::new(),
        }
    }
}

/// A size in octets.
struct Octets(u64);

/// A type that a checked value can become.
trait FromRead: Sized {
    /// `None` where the table's kind and this type do not go together: a fault of this program.
    fn from_read(read: Read) -> Option<Self>;
}

/// Types that are one variant of [`Read`].
macro_rules! from_read {
    ($($variant:ident($value:ident) => $type:ty = $make:expr;)+) => {$(
        impl FromRead for $type {
            fn from_read(read: Read) -> Option<Self> {
                match read {
                    Read::$variant($value) => $make,
                    _ => None,
                }
            }
        }
    )+};
}

from_read! {
    Integer(value) => i64 = Some(value);
    Boolean(value) => bool = Some(value);
    Text(value) => String = Some(value);
    Duration(value) => Duration = Some(value);
    Octets(value) => Octets = Some(Octets(value));
    Socket(value) => SocketAddr = Some(value);
    Listener(value) => Listener = Some(value);
    Address(value) => IpAddr = Some(value);
    Answer(value) => Answer = Some(value);
    Prefix(value) => IpNet = Some(value);
    Server(value) => Server = Some(value);
    Name(value) => DnsName = Some(value);
    Pattern(value) => Pattern = Some(value);
    Records(value) => Vec<RecordSpec> = Some(value);
    ZoneRecords(value) => Vec<(Spanned<Owner>, ZoneValue)> = Some(value);
    Word(word) => Policy = match word {
        "ordered" => Some(Self::Ordered),
        "round-robin" => Some(Self::RoundRobin),
        "fastest" => Some(Self::Fastest),
        "race" => Some(Self::Race),
        _ => None,
    };
    Word(word) => CaseMode = match word {
        "auto" => Some(Self::Auto),
        "on" => Some(Self::On),
        "off" => Some(Self::Off),
        _ => None,
    };
    Word(word) => End = match word {
        "nodata" => Some(Self::NoData),
        "nxdomain" => Some(Self::NxDomain),
        "servfail" => Some(Self::ServFail),
        _ => None,
    };
    Word(word) => EndpointKind = match word {
        "global" => Some(Self::Global),
        "workspace" | "feed" => Some(Self::Workspace),
        "host-pool" | "connection" => Some(Self::HostPool),
        "other" => Some(Self::Other),
        _ => None,
    };
    Word(word) => EndpointState = match word {
        "private" => Some(Self::Private),
        "public" => Some(Self::Public),
        "blocked" => Some(Self::Blocked),
        _ => None,
    };
    Word(word) => Missing = match word {
        "nxdomain" => Some(Self::NxDomain),
        "forward" => Some(Self::Forward),
        _ => None,
    };
    Word(word) => QueryLevel = match word {
        "off" => Some(Self::Off),
        "decisions" => Some(Self::Decisions),
        "sampled" => Some(Self::Sampled),
        "all" => Some(Self::All),
        _ => None,
    };
    Word(word) => ClientDetail = match word {
        "whole" => Some(Self::Whole),
        "cut" => Some(Self::Cut),
        "none" => Some(Self::None),
        _ => None,
    };
    Word(word) => Unlisted = match word {
        "forward" => Some(Self::Forward),
        "nxdomain" => Some(Self::NxDomain),
        _ => None,
    };
    Word(word) => GuardMode = match word {
        "own" => Some(Self::Own),
        "all" => Some(Self::All),
        "watch" => Some(Self::Watch),
        "off" => Some(Self::Off),
        _ => None,
    };
}

impl<T: FromRead> FromRead for Vec<Spanned<T>> {
    fn from_read(read: Read) -> Option<Self> {
        let Read::List(list) = read else { return None };
        list.into_iter().map(|item| Some(Spanned::new(T::from_read(item.value)?, item.place))).collect()
    }
}

impl FromRead for Vec<(Spanned<String>, Missing)> {
    fn from_read(read: Read) -> Option<Self> {
        let Read::Choices(choices) = read else {
            return None;
        };
        choices.into_iter().map(|(name, word)| Some((name, Missing::from_read(Read::Word(word.value))?))).collect()
    }
}
