//! The observer that takes note of everything, and the values that it leaves.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::{Question, reply};
use crate::resolve::{Event, Observer};
use crate::view::{Blocked, GuardMode, Override, Selected, Snapshot, Special, Verdict, View, Why};
use crate::wire::{End, Failure, Key, NameRef, RecordType};
use crate::zone::{Match, Origin};

/// A word of a closed set; owned where it was read from JSON.
pub type Word = Cow<'static, str>;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file as the operator named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl From<&Origin> for Place {
    fn from(origin: &Origin) -> Self {
        Self { file: origin.file.to_string(), line: origin.line }
    }
}

/// The client's view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenView {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// The prefix that holds the client; none: the view takes every client of its listener.
    pub prefix: Option<String>,
    /// Whether the view names the listener that was asked.
    pub by_listener: bool,
    /// Overrides that hold in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Overridden>,
}

/// An endpoint whose names are answered otherwise for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overridden {
    /// The endpoint.
    pub endpoint: String,
    /// What is done with its names.
    pub state: Word,
    /// When it ends, in seconds since 1970.
    pub until: u64,
}

impl From<&Override> for Overridden {
    fn from(own: &Override) -> Self {
        let until = own.until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { endpoint: own.endpoint.to_string(), state: own.state.word().into(), until }
    }
}

/// What a name is in the view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum What {
    /// An endpoint's name.
    Endpoint {
        /// The endpoint.
        endpoint: String,
        /// Its kind.
        kind: Word,
        /// The AVD process that it carries.
        process: Word,
        /// Where the record was written.
        place: Place,
        /// The zone that the name is a node of, if any.
        zone: Option<String>,
    },
    /// A zone's name.
    Zone {
        /// The zone.
        zone: String,
        /// Its apex.
        apex: String,
        /// `record`, `wildcard`, `empty` (a name without records above others) or `missing`.
        found: Word,
        /// Whether it was found under the zone's public suffix.
        public: bool,
        /// Where the record was written, or the zone where it is not known.
        place: Place,
    },
    /// A PTR record made from the view's own addresses.
    Pointer,
    /// A name without records above owned ones: NODATA.
    Empty,
    /// NXDOMAIN by the operator's will.
    Blocked {
        /// `unlisted` or `state`.
        by: Word,
    },
    /// A name of special use, answered here.
    Special {
        /// `loopback`, `nxdomain` or `nodata`.
        answer: Word,
    },
    /// Asked upstream.
    Forward {
        /// The upstream group.
        upstream: String,
        /// Its servers.
        servers: Vec<String>,
        /// What chose the route.
        route: String,
        /// Where that was written.
        place: Option<Place>,
        /// Whether it is an AVD name of a resource that is neither here nor known.
        foreign: bool,
    },
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The query is malformed.
    Malformed {
        /// How.
        error: String,
    },
    /// QNAME or an alias target, and what it is.
    Name {
        /// The name.
        name: String,
        /// What it is.
        what: What,
    },
    /// A raw answer is used.
    Raw {
        /// The name that was asked.
        name: String,
        /// `upstream` for one fetched just now, else `cache`.
        source: Word,
        /// The RCODE's name, or what failed.
        outcome: String,
        /// How many aliases it holds.
        aliases: usize,
    },
    /// The rest of a raw answer's chain is dropped, since the view has its own word on this alias target.
    Cut {
        /// The target.
        name: String,
    },
    /// An address behind a guarded name.
    Withheld {
        /// The name.
        name: String,
        /// The address; none where the data are no address at all.
        address: Option<IpAddr>,
        /// Whether the guard only watches, so that it left all the same.
        watch: bool,
    },
    /// A name with a resource's GUID passed the guard, since its chain crossed no private-link suffix.
    Mate {
        /// The name.
        name: String,
    },
    /// Address hints were taken out of an HTTPS or SVCB record.
    HintsRemoved {
        /// Its owner.
        name: String,
    },
    /// An NXDOMAIN left as NODATA, since the view owns a name below.
    Ancestor {
        /// The name.
        name: String,
    },
    /// The answer did not fit.
    Truncated,
    /// The core failed.
    Panicked,
}

/// What has to be asked before there is an answer, and what will be made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asks {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub qtype: String,
    /// The upstream group.
    pub upstream: String,
    /// Its servers.
    pub servers: Vec<String>,
    /// How long the client waits at most, in milliseconds.
    pub reply_within_ms: u64,
    /// The view's guard: `own`, `all`, `watch` or `off`.
    pub guard: Word,
    /// Whether the guard holds the name: `yes`, `no`, or `crossing` where it does once the chain crosses a private-link
    /// suffix.
    pub guarded: Word,
    /// Endpoints and zones of the view: an alias to one of their names is cut there.
    pub endpoints: usize,
    /// See `endpoints`.
    pub zones: usize,
}

/// What a [`Trail`] leaves.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    /// The client's view.
    pub view: Option<ChosenView>,
    /// What happened.
    pub steps: Vec<Step>,
    /// What is missing.
    pub asks: Option<Asks>,
}

/// Observes one pass of an answer. A new pass starts over.
pub struct Trail<'a> {
    snapshot: &'a Snapshot,
    question: Question,
    /// Index of the view.
    view: Option<usize>,
    noted: &'a Mutex<Noted>,
}

impl<'a> Trail<'a> {
    /// An observer of a pass over `snapshot` that leaves its notes in `noted`.
    pub fn new(snapshot: &'a Snapshot, question: &Question, noted: &'a Mutex<Noted>) -> Self {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Noted::default();
        Self { snapshot, question: *question, view: None, noted }
    }

    fn step(&self, step: Step) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).steps.push(step);
    }

    fn chosen(&mut self, view: &View, selected: Selected) {
        self.view = Some(selected.view);
        let client = self.question.client.to_canonical();
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).view = Some(ChosenView {
            name: view.name.to_string(),
            place: (&view.origin).into(),
            prefix: view.prefix(client, selected.prefix).map(|prefix| prefix.to_string()),
            by_listener: !view.listeners.is_empty(),
            overrides: view.overrides.iter().map(Overridden::from).collect(),
        });
    }

    fn forward(&self, verdict: &Verdict<'_>) -> What {
        let Verdict::Forward { route, why, foreign, .. } = verdict else { return What::Empty };
        let group = self.snapshot.group(*route);
        let (route, place) = match why {
            Why::Default => ("the view's upstream".to_owned(), None),
            Why::Suffix(suffix, origin) => (format!("the view's route for {suffix}"), Some((*origin).into())),
            Why::Reverse => ("the view's reverse".to_owned(), None),
            Why::Public(endpoint) => {
                (format!("endpoint {} is public", endpoint.name), Some(Place::from(&endpoint.origin)))
            }
        };
        What::Forward {
            upstream: group.map_or_else(String::new, |group| group.name.to_string()),
            servers: group.iter().flat_map(|group| &group.servers).map(ToString::to_string).collect(),
            route,
            place,
            foreign: *foreign,
        }
    }

    fn what(&self, verdict: &Verdict<'_>) -> What {
        match verdict {
            Verdict::Endpoint { endpoint, record, zone } => What::Endpoint {
                endpoint: endpoint.name.to_string(),
                kind: endpoint.kind.word().into(),
                process: endpoint.kind.process().into(),
                place: (&record.origin).into(),
                zone: zone.map(|zone| zone.name.to_string()),
            },
            Verdict::Zone { zone, found, public } => {
                let (found, line) = match found {
                    Match::Missing => ("missing", 0),
                    Match::Node(node) if node.is_empty() => ("empty", 0),
                    Match::Node(node) => ("record", node.line()),
                    Match::Wildcard(node) => ("wildcard", node.line()),
                };
                let mut place = Place::from(&zone.origin);
                if line > 0 {
                    place.line = line;
                }
                let apex = zone.apex().to_string();
                What::Zone { zone: zone.name.to_string(), apex, found: found.into(), public: *public, place }
            }
            Verdict::Pointer(_) => What::Pointer,
            Verdict::Empty(_) => What::Empty,
            Verdict::Blocked(Blocked::Unlisted) => What::Blocked { by: "unlisted".into() },
            Verdict::Blocked(Blocked::State) => What::Blocked { by: "state".into() },
            Verdict::Special(Special::Localhost) => What::Special { answer: "loopback".into() },
            Verdict::Special(Special::NxDomain(_)) => What::Special { answer: "nxdomain".into() },
            Verdict::Special(Special::NoData(_)) => What::Special { answer: "nodata".into() },
            Verdict::Forward { .. } => self.forward(verdict),
        }
    }

    fn asks(&self, key: &Key, route: crate::view::Route) {
        let (Some(view), Some(group)) =
            (self.view.and_then(|view| self.snapshot.views.get(view)), self.snapshot.group(route))
        else {
            return;
        };
        let name = key.name();
        let held = |crossed| view.guarded(self.snapshot, name.as_ref(), crossed).is_some();
        let guarded = match (held(false), held(true)) {
            (true, _) => "yes",
            (false, true) => "crossing",
            (false, false) => "no",
        };
        let asks = Asks {
            name: name.to_string(),
            qtype: RecordType(key.qtype()).to_string(),
            upstream: group.name.to_string(),
            servers: group.servers.iter().map(ToString::to_string).collect(),
            reply_within_ms: u64::try_from(view.deadline(group).as_millis()).unwrap_or(u64::MAX),
            guard: match view.guard {
                GuardMode::Own => "own",
                GuardMode::All => "all",
                GuardMode::Watch => "watch",
                GuardMode::Off => "off",
            }
            .into(),
            guarded: guarded.into(),
            endpoints: view.endpoints.len(),
            zones: view.zones.len(),
        };
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).asks = Some(asks);
    }
}

impl Observer for Trail<'_> {
    fn note(&mut self, event: Event<'_>) {
        let text = |name: NameRef<'_>| name.to_string();
        match event {
            Event::View(view, selected) => self.chosen(view, selected),
            Event::Malformed(error) => self.step(Step::Malformed { error: error.to_string() }),
            Event::Verdict(name, verdict) => self.step(Step::Name { name: text(name), what: self.what(verdict) }),
            Event::Raw(key, held, _) => {
                let raw = held.entry.raw();
                let outcome = match raw.end() {
                    End::Failed(failure) => failed(failure).to_owned(),
                    End::Loop => "an alias loop".to_owned(),
                    End::Data | End::Negative | End::Dangling => reply::rcode_name(raw.rcode()),
                };
                let source = if held.fresh { "upstream" } else { "cache" };
                let (name, source) = (key.name().to_string(), source.into());
                self.step(Step::Raw { name, source, outcome, aliases: raw.steps().len() });
            }
            Event::Stale(key, held) => {
                let (name, aliases) = (key.name().to_string(), held.entry.raw().steps().len());
                let outcome = reply::rcode_name(held.entry.raw().rcode());
                self.step(Step::Raw { name, source: "cache, stale".into(), outcome, aliases });
            }
            Event::Need(key, route) => self.asks(key, route),
            Event::Cut(name) => self.step(Step::Cut { name: text(name) }),
            Event::Withheld { name, address, watch } => self.step(Step::Withheld { name: text(name), address, watch }),
            Event::Mate(name) => self.step(Step::Mate { name: text(name) }),
            Event::HintsRemoved(name) => self.step(Step::HintsRemoved { name: text(name) }),
            Event::Ancestor(name) => self.step(Step::Ancestor { name: text(name) }),
            Event::Truncated => self.step(Step::Truncated),
            Event::Panicked => self.step(Step::Panicked),
            // The reply tells both.
            Event::NoView | Event::Error(_) => {}
        }
    }
}

fn failed(failure: Failure) -> &'static str {
    match failure {
        Failure::Silent => "no server replied in time",
        Failure::Network => "a network error",
        Failure::Refused => "every server failed",
        Failure::Capped => "too many questions are open",
        Failure::Full => "a queue is full",
        Failure::Loop => "the query came from the only server to ask",
    }
}
