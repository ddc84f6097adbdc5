//! The pure core in this process (R1): a random world's text goes through the product's loader, every query through
//! `answer`, raw answers come from the world's public tables, the clock is a number. No sockets, so that thousands of
//! worlds fit into a test.

use crate::harness::message::presentation;
use crate::harness::{Public, Query, Reply, Seen, Transport};
use hubdns::cache::{Entry, Hold, Limits};
use hubdns::resolve::{self, Held, Outcome, Raw, Silence};
use hubdns::view::{Route, Snapshot};
use hubdns::wire::{Failure, Key, Moment, RawAnswer};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The ports by which a route's server tells its table.
const FIRST_PORT: u16 = 5301;

/// The servers to render a world with.
pub(crate) fn servers() -> Vec<String> {
    (FIRST_PORT..FIRST_PORT + 2).map(|port| format!("127.0.0.1:{port}")).collect()
}

/// A snapshot with what an in-process resolver keeps beside it.
pub(crate) struct Core {
    snapshot: Snapshot,
    kept: HashMap<Key, Arc<Entry>>,
    /// How many raw answers were fetched.
    pub(crate) fetched: usize,
}

/// The cache behind what one query has fetched.
struct Answers<'a> {
    kept: &'a HashMap<Key, Arc<Entry>>,
    fresh: &'a HashMap<Key, Arc<Entry>>,
}

impl Raw for Answers<'_> {
    fn look_up(&self, key: &Key, now: Moment) -> Option<Held<'_>> {
        let held = |entry: &'_ Arc<Entry>, fresh| Held { entry: Hold::Own(Arc::clone(entry)), fresh };
        let kept = || self.kept.get(key).filter(|entry| entry.is_live(now)).map(|entry| held(entry, false));
        self.fresh.get(key).map(|entry| held(entry, true)).or_else(kept)
    }
}

impl Core {
    /// Loads a configuration's text.
    ///
    /// # Errors
    /// The findings as text, when it does not load.
    pub(crate) fn load(text: &str, generation: u64) -> Result<Self, String> {
        let (_, mut plan, _) =
            hubdns::load::from_text("hub.toml", text).into_parts().map_err(|findings| format!("{findings:#?}"))?;
        plan.generation = generation;
        Ok(Self { snapshot: Snapshot::build(plan), kept: HashMap::new(), fetched: 0 })
    }

    /// Asks for what its views own, as a reload does first.
    ///
    /// # Errors
    /// The first wrong answer.
    pub(crate) fn canary(&self) -> Result<usize, String> {
        let listen = [std::net::SocketAddr::from(([127, 0, 0, 1], 5300))];
        hubdns::reload::canary::check(&self.snapshot, &listen).map_err(|found| found.to_string())
    }

    /// Takes the place of another core, keeping its raw answers: a reload.
    pub(crate) fn after(mut self, other: Self) -> Self {
        self.kept = other.kept;
        self
    }

    /// One query, run again after each fetch until there is a reply; `None` where none is owed.
    ///
    /// # Panics
    /// When more is fetched than any chain may need.
    pub(crate) fn ask(
        &mut self,
        tables: &[Public],
        client: IpAddr,
        query: &Query,
        stream: bool,
        now: Duration,
    ) -> Option<Reply> {
        let transport = if stream { resolve::Transport::Stream } else { resolve::Transport::Udp };
        let local = SocketAddr::from(([127, 0, 0, 1], 5300));
        let client = resolve::Client::new(SocketAddr::new(client, 40_000), local, transport);
        let now = Moment::from_millis(u64::try_from(now.as_millis()).expect("a short test"));
        let message = query.to_octets();
        let mut fresh = HashMap::new();
        let mut out = vec![0; if stream { 65_535 } else { 1_232 }];
        for _ in 0..40 {
            let raw = Answers { kept: &self.kept, fresh: &fresh };
            match resolve::answer(&message, &client, &self.snapshot, &raw, now, &mut out, &mut Silence) {
                Outcome::Reply(length) => return Some(Reply::decode(out[..length].to_vec())),
                Outcome::Discard(_) => return None,
                Outcome::Need(key, route) => {
                    let key = *key;
                    let entry = Arc::new(self.fetch(tables, &key, route, now));
                    if entry.is_live(now) {
                        self.kept.insert(key, Arc::clone(&entry));
                    }
                    assert!(fresh.insert(key, entry).is_none(), "{key:?} is needed twice");
                    self.fetched += 1;
                }
            }
        }
        panic!("no end of needs for {query:?}: {:?}", fresh.keys());
    }

    /// What the upstream of a route says.
    fn fetch(&self, tables: &[Public], key: &Key, route: Route, now: Moment) -> Entry {
        let group = self.snapshot.group(route).expect("the route's group");
        assert_eq!(group.route_id(), key.route());
        let table = &tables[usize::from(group.servers[0].address.port() - FIRST_PORT)];
        let (mut name, _) = presentation(key.name_octets());
        if name.is_empty() {
            name = ".".to_owned();
        }
        let mut query = Query::new(&name, key.qtype()).with_opt();
        query.cd = key.checking_disabled();
        if key.dnssec_ok() {
            query = query.dnssec_ok();
        }
        let from = SocketAddr::from(([127, 0, 0, 1], 40_001));
        let octets = query.to_octets();
        let seen = Seen { name: name.clone(), kind: key.qtype(), transport: Transport::Tcp, from, octets, earlier: 0 };
        let script = table.answer(&name, key.qtype());
        let raw = match script.rcode {
            0 | 3 => RawAnswer::from_upstream(&script.encode(&seen), key).expect("the table's answers are sound"),
            _ => RawAnswer::failed(Failure::Refused),
        };
        Entry::new(raw, now, &Limits::default())
    }
}
