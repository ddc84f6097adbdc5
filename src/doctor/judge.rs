//! One name as one view's client gets it, and whether that is right.

use std::net::IpAddr;

use serde::Serialize;

use super::questions::Subject;
use crate::explain::{Explained, Reply, Step, What};
use crate::view::{Snapshot, Verdict, View};
use crate::wire::RecordType;
use crate::zone::State;

/// Where an answer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// To the addresses that the view holds for the name.
    Private,
    /// To public addresses.
    Public,
    /// To private addresses that the view does not hold for it.
    Elsewhere,
    /// To no address.
    Nowhere,
    /// It is blocked.
    Blocked,
    /// It has to be asked upstream, and was not.
    Unasked,
}

impl Reach {
    /// A word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Elsewhere => "elsewhere",
            Self::Nowhere => "nowhere",
            Self::Blocked => "blocked",
            Self::Unasked => "not asked",
        }
    }
}

/// What should come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The view's own addresses.
    Private,
    /// Public addresses.
    Public,
    /// NXDOMAIN by the view's `unlisted`.
    Blocked,
    /// An address of any kind.
    Address,
    /// Its route; what comes does not matter.
    Forwarded,
}

impl Expected {
    /// A word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Blocked => "blocked",
            Self::Address => "an address",
            Self::Forwarded => "forwarded",
        }
    }
}

/// One name in one view.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The view.
    pub view: String,
    /// The client that asked.
    pub client: IpAddr,
    /// The AVD process, or what else the name is for.
    pub process: String,
    /// Who needs it; empty where the process says so.
    pub who: &'static str,
    /// The name.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub qtype: String,
    /// Where the name is from.
    pub source: String,
    /// The addresses that came.
    pub answer: Vec<IpAddr>,
    /// The answer in words: addresses, how it ended, or who would be asked.
    pub outcome: String,
    /// The upstream that was or would be asked for the name itself.
    pub upstream: Option<String>,
    /// Where it leads.
    pub reach: Reach,
    /// What should come.
    pub expected: Expected,
    /// Whether it does; none where that is not known.
    pub as_expected: Option<bool>,
    /// What is to be said of it.
    pub note: Option<String>,
}

/// Judges an explanation.
pub(super) fn judge(snapshot: &Snapshot, view: &View, subject: &Subject, explained: &Explained) -> Row {
    let answer: Vec<IpAddr> = explained.reply.iter().flat_map(Reply::addresses).collect();
    let what = explained.trail.iter().find_map(|step| match step {
        Step::Name { what, .. } => Some(what),
        _ => None,
    });
    let upstream = match what {
        Some(What::Forward { upstream, .. }) => Some(upstream.clone()),
        _ => None,
    };
    let reach = reach(snapshot, view, subject, explained, what, &answer);
    let as_expected = match (subject.expected, reach) {
        (Expected::Private, Reach::Private) | (Expected::Public, Reach::Public) => Some(true),
        (Expected::Blocked, reach) => Some(reach == Reach::Blocked),
        (Expected::Forwarded, _) => Some(upstream.is_some()),
        (Expected::Public | Expected::Address, Reach::Unasked) => None,
        (Expected::Address, _) if !answer.is_empty() => Some(true),
        (Expected::Address, _) if subject.optional => None,
        _ => Some(false),
    };
    Row {
        view: view.name.to_string(),
        client: explained.client,
        process: subject.process.clone(),
        who: subject.who,
        name: subject.shown.clone().unwrap_or_else(|| subject.name.to_string()),
        qtype: RecordType(subject.qtype).to_string(),
        source: subject.source.clone(),
        outcome: outcome(explained, &answer, upstream.as_deref(), subject),
        answer,
        note: note(snapshot, view, subject, reach, explained, as_expected),
        upstream,
        reach,
        expected: subject.expected,
        as_expected,
    }
}

fn reach(
    snapshot: &Snapshot,
    view: &View,
    subject: &Subject,
    explained: &Explained,
    what: Option<&What>,
    answer: &[IpAddr],
) -> Reach {
    if matches!(what, Some(What::Blocked { .. })) {
        return Reach::Blocked;
    }
    if explained.reply.is_none() {
        return Reach::Unasked;
    }
    if answer.is_empty() {
        return Reach::Nowhere;
    }
    let held: Vec<IpAddr> = match snapshot.look_up(view, subject.name.as_ref(), subject.qtype) {
        Verdict::Endpoint { record, .. } => record.addresses().collect(),
        // A zone's addresses are the operator's.
        Verdict::Zone { .. } => answer.iter().copied().filter(|own| view.is_private_address(*own)).collect(),
        _ => Vec::new(),
    };
    if answer.iter().all(|own| held.contains(own)) {
        Reach::Private
    } else if answer.iter().any(|own| view.is_private_address(*own)) {
        Reach::Elsewhere
    } else {
        Reach::Public
    }
}

fn outcome(explained: &Explained, answer: &[IpAddr], upstream: Option<&str>, subject: &Subject) -> String {
    let Some(reply) = &explained.reply else {
        let asked = explained.asks.as_ref().map(|asks| &*asks.upstream).or(upstream).unwrap_or("nobody");
        return if subject.is_sent { format!("asks upstream {asked}") } else { format!("by upstream {asked}") };
    };
    if !answer.is_empty() {
        return answer.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    }
    let ended = if reply.rcode == "NOERROR" { "NODATA" } else { &*reply.rcode };
    let errors: Vec<String> = reply.errors.iter().map(|error| format!("EDE {}", error.code)).collect();
    if errors.is_empty() { ended.to_owned() } else { format!("{ended} ({})", errors.join(", ")) }
}

/// What lies behind an answer that is not as expected, or is and should be looked at.
fn note(
    snapshot: &Snapshot,
    view: &View,
    subject: &Subject,
    reach: Reach,
    explained: &Explained,
    as_expected: Option<bool>,
) -> Option<String> {
    if as_expected == Some(true) {
        let private = matches!(reach, Reach::Private | Reach::Elsewhere) && subject.expected == Expected::Address;
        return private.then(|| "a private address".to_owned());
    }
    if as_expected.is_none() {
        return (reach != Reach::Unasked).then(|| "optional".to_owned());
    }
    let withheld = explained.trail.iter().find_map(|step| match step {
        Step::Withheld { address: Some(address), watch: false, .. } => Some(address),
        _ => None,
    });
    let text = match (subject.expected, reach) {
        (_, Reach::Nowhere) if withheld.is_some() => {
            let address = withheld.map(ToString::to_string).unwrap_or_default();
            format!(
                "the guard withheld {address}: a name of this view's resources without a record here; import it again"
            )
        }
        (Expected::Private, Reach::Public | Reach::Unasked | Reach::Nowhere) => {
            match snapshot.look_up(view, subject.name.as_ref(), subject.qtype) {
                Verdict::Forward { why: crate::view::Why::Public(endpoint), .. } => {
                    format!("endpoint {} has state = {:?}", endpoint.name, State::Public.word())
                }
                Verdict::Forward { .. } => "no record here: import the endpoint's network interface again".to_owned(),
                _ => "it has no address here".to_owned(),
            }
        }
        (_, Reach::Elsewhere) => {
            "a private address that the view does not hold: a zone linked to the upstream's network?".to_owned()
        }
        (Expected::Public, Reach::Private) => {
            "its kind is not in the view's `private`, yet an endpoint answers".to_owned()
        }
        (Expected::Public, Reach::Blocked) => "its endpoint is blocked".to_owned(),
        (Expected::Private, Reach::Blocked) => "its endpoint is blocked".to_owned(),
        (Expected::Forwarded | Expected::Address, Reach::Blocked) => "it is blocked".to_owned(),
        (Expected::Forwarded, _) => "a zone of the view denies it".to_owned(),
        (_, Reach::Nowhere) => "no address came".to_owned(),
        _ => return None,
    };
    Some(text)
}
