//! The canary of a reload: what each view owns is asked through the new snapshot before anybody is served by it.
//!
//! It asks the function that serves, over a cache that holds nothing. An endpoint's name has to give the endpoint's
//! addresses and no other; a zone's name has to be answered without an internal error. A fault that it finds is one of
//! this program, not of the file: what is served stays.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::cache::{Cache, Limits};
use crate::explain::{Question, Reply, listener};
use crate::resolve::{Event, MAX_OCTETS, Observer, Outcome, Transport, contained};
use crate::view::{Snapshot, View};
use crate::wire::{Moment, Name, NameRef, RecordType, WireName, rcode, rtype};
use crate::zone::{Endpoint, EndpointRecord, State};

/// Names that one canary asks for; of larger data it is every so-manieth.
const MOST_NAMES: usize = 50_000;
/// A name below each wildcard.
const BELOW_WILDCARD: &[u8] = b"\x06canary";

/// A name that the new snapshot answers otherwise than its data say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("view {view} answers {name} {} with {actual} in place of {expected}", RecordType(*qtype))]
pub struct Mismatch {
    /// The view.
    pub view: String,
    /// The name.
    pub name: String,
    /// The type.
    pub qtype: u16,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
}

/// Asks for what the views of a snapshot own. How many questions there were.
///
/// # Errors
/// The first answer that is not as it should be.
pub fn check(snapshot: &Snapshot, listen: &[SocketAddr]) -> Result<usize, Box<Mismatch>> {
    let mut asked = 0;
    let most = (MOST_NAMES / snapshot.views.len().max(1)).max(8);
    for (index, view) in snapshot.views.iter().enumerate() {
        // One that other views take all clients from is asked by nobody.
        let Some((client, local)) = snapshot.client_of(index, |client| listener(listen, client)) else { continue };
        let (cache, out) = (Cache::new(0, Limits::default()), vec![0; MAX_OCTETS]);
        let mut canary = Canary { snapshot, view, client, local, cache, out, asked: 0 };
        canary.endpoints(most)?;
        canary.zones(most)?;
        asked += canary.asked;
    }
    Ok(asked)
}

/// One view and a client of it.
struct Canary<'s> {
    snapshot: &'s Snapshot,
    view: &'s View,
    client: IpAddr,
    local: SocketAddr,
    cache: Cache,
    out: Vec<u8>,
    asked: usize,
}

/// What came of a question.
enum Came {
    Reply(Reply),
    Upstream,
    Panic,
    Nothing,
}

impl fmt::Display for Came {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => {
                let addresses: Vec<String> = reply.addresses().map(|own| own.to_string()).collect();
                write!(out, "{} [{}]", reply.rcode, addresses.join(", "))
            }
            Self::Upstream => out.write_str("a question to an upstream"),
            Self::Panic => out.write_str("an internal error"),
            Self::Nothing => out.write_str("nothing"),
        }
    }
}

impl Canary<'_> {
    fn endpoints(&mut self, most: usize) -> Result<(), Box<Mismatch>> {
        let view = self.view;
        let names =
            || view.endpoints.iter().flat_map(|own| own.records.iter().flat_map(move |record| names(own, record)));
        let step = step(names().count(), most);
        for (endpoint, record, name) in names().step_by(step) {
            let Some(name) = asked_as(record, name) else { continue };
            for qtype in [rtype::A, rtype::AAAA] {
                self.endpoint(endpoint, record, name, qtype)?;
            }
        }
        Ok(())
    }

    fn endpoint(
        &mut self,
        endpoint: &Endpoint,
        record: &EndpointRecord,
        name: WireName,
        qtype: u16,
    ) -> Result<(), Box<Mismatch>> {
        let came = self.ask(name, qtype);
        let own: BTreeSet<IpAddr> = record.addresses().filter(|own| own.is_ipv4() == (qtype == rtype::A)).collect();
        let (is_right, expected) = match (endpoint.state, &came) {
            // Its names take their way as anybody's.
            (State::Public, came) => (!matches!(came, Came::Panic | Came::Nothing), "an answer".to_owned()),
            (State::Blocked, Came::Reply(reply)) => {
                (reply.rcode == rcode::name(rcode::NXDOMAIN), "NXDOMAIN".to_owned())
            }
            (State::Private, Came::Reply(reply)) => (
                reply.rcode == rcode::name(rcode::NOERROR) && reply.addresses().collect::<BTreeSet<_>>() == own,
                format!("NOERROR {own:?}"),
            ),
            (state, _) => (false, format!("the answer of a {} endpoint", state.word())),
        };
        if is_right { Ok(()) } else { Err(self.mismatch(&name, qtype, expected, &came)) }
    }

    fn zones(&mut self, most: usize) -> Result<(), Box<Mismatch>> {
        let view = self.view;
        let names = || view.zones.iter().flat_map(|(zone, _)| zone.nodes().map(move |(relative, _)| (zone, relative)));
        let step = step(names().count(), most);
        for (zone, relative) in names().step_by(step) {
            let Some(name) = zone.apex().prefixed(relative) else { continue };
            let came = self.ask(name, rtype::A);
            if matches!(came, Came::Panic | Came::Nothing) {
                return Err(self.mismatch(&name, rtype::A, "an answer".to_owned(), &came));
            }
        }
        Ok(())
    }

    fn ask(&mut self, name: WireName, qtype: u16) -> Came {
        self.asked += 1;
        let question = Question { client: self.client, local: self.local, name, qtype };
        let client = question.client(Transport::Stream);
        let out = &mut self.out;
        let mut panicked = Panicked(false);
        let now = Moment::from_millis(0);
        let outcome = contained(&question.message(), &client, self.snapshot, &self.cache, now, out, &mut panicked);
        match outcome {
            _ if panicked.0 => Came::Panic,
            Outcome::Reply(length) => self.out.get(..length).and_then(Reply::read).map_or(Came::Nothing, Came::Reply),
            Outcome::Need(..) => Came::Upstream,
            Outcome::Discard(_) => Came::Nothing,
        }
    }

    fn mismatch(&self, name: &WireName, qtype: u16, expected: String, came: &Came) -> Box<Mismatch> {
        let (view, name) = (self.view.name.to_string(), name.to_string());
        Box::new(Mismatch { view, name, qtype, expected, actual: came.to_string() })
    }
}

/// An endpoint's names, each with its record.
fn names<'e>(
    endpoint: &'e Endpoint,
    record: &'e EndpointRecord,
) -> impl Iterator<Item = (&'e Endpoint, &'e EndpointRecord, &'e Name)> {
    record.names.iter().map(move |name| (endpoint, record, name))
}

/// The name that is asked for a record.
fn asked_as(record: &EndpointRecord, name: &Name) -> Option<WireName> {
    let name: NameRef<'_> = name.as_ref();
    name.prefixed(if record.wildcard { BELOW_WILDCARD } else { &[] })
}

fn step(names: usize, most: usize) -> usize {
    names.div_ceil(most).max(1)
}

/// Whether the core panicked.
struct Panicked(bool);

impl Observer for Panicked {
    fn note(&mut self, event: Event<'_>) {
        self.0 |= matches!(event, Event::Panicked);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::load;

    const HUB: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:5300"]
[[upstream]]
name = "u"
servers = ["127.0.0.2"]
[[endpoint]]
name = "one"
kind = "other"
records = { "one.example" = ["10.0.0.1", "fd00::1"], "*.below.example" = ["10.0.0.3"] }
[[endpoint]]
name = "two"
kind = "other"
records = { "two.example" = ["10.0.0.2"], "other.example" = ["10.0.0.4"] }
[[endpoint]]
name = "open"
kind = "other"
state = "public"
records = { "open.example" = ["10.0.0.5"] }
[[endpoint]]
name = "shut"
kind = "other"
state = "blocked"
records = { "shut.example" = ["10.0.0.6"] }
[[zone]]
name = "z"
apex = "corp.example"
records = { "@" = ["10.0.1.1"], "alias" = { cname = "www.elsewhere.example" }, "*.wild" = ["10.0.1.2"] }
[[view]]
name = "v"
upstream = "u"
networks = ["10.1.0.0/16"]
endpoints = ["one", "two", "open", "shut"]
zones = ["z"]
"#;

    fn snapshot(text: &str) -> Snapshot {
        let (_, plan, _) = load::from_text("hub.toml", text).into_parts().expect("a sound file");
        Snapshot::build(plan)
    }

    #[test]
    fn data_that_are_served_as_they_are_pass() {
        // 6 names of endpoints by two types, 3 of the zone by one.
        assert_eq!(check(&snapshot(HUB), &["127.0.0.1:5300".parse().unwrap()]), Ok(15));
    }

    #[test]
    fn an_endpoint_that_answers_with_the_addresses_of_another_is_found() {
        let mut broken = snapshot(HUB);
        Arc::make_mut(&mut broken.views[0].plan).endpoints.swap(0, 1);
        let found = check(&broken, &[]).unwrap_err();
        let told = found.to_string();
        assert_eq!(told, "view v answers other.example A with NOERROR [10.0.0.3] in place of NOERROR {10.0.0.4}");
    }

    #[test]
    fn an_endpoint_that_lets_its_names_through_is_found() {
        let mut broken = snapshot(HUB);
        let shut = broken.views[0].endpoints[3].as_ref().clone();
        Arc::make_mut(&mut broken.views[0].plan).endpoints[0] = Arc::new(Endpoint { state: State::Private, ..shut });
        assert!(check(&broken, &[]).is_err());
        let mut panics = snapshot(HUB);
        Arc::make_mut(&mut panics.views[0].plan).endpoints.clear();
        assert_eq!(check(&panics, &[]), Ok(3), "nothing is owned by endpoints any more");
    }
}
