//! Who asked lately for what: a bounded table that the writer feeds, for questions of operators. Of a sampled log it
//! knows what was sampled.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::wire::{Name, WireName};

/// Entries at most; of more those that were met last stay.
pub const MAX_ENTRIES: usize = 10_000;

/// What is asked of the table, or of a log. What is none fits all.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// QNAME.
    pub name: Option<WireName>,
    /// The endpoint's name in the configuration.
    pub endpoint: Option<String>,
    /// The view's name.
    pub view: Option<String>,
    /// Not before then.
    pub since: Option<SystemTime>,
}

impl Wanted {
    /// Whether a query is meant.
    pub fn fits(&self, name: &[u8], endpoint: &str, view: &str, at: SystemTime) -> bool {
        self.name.as_ref().is_none_or(|own| own.octets() == name)
            && self.endpoint.as_deref().is_none_or(|own| own == endpoint)
            && self.view.as_deref().is_none_or(|own| own == view)
            && self.since.is_none_or(|since| at >= since)
    }
}

/// A client with what it asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientRow {
    /// Its address, cut where the log's is.
    pub client: IpAddr,
    /// Its view.
    pub view: String,
    /// How many queries.
    pub count: u64,
    /// The first, in seconds since 1970.
    #[serde(serialize_with = "seconds")]
    pub first: SystemTime,
    /// The last.
    #[serde(serialize_with = "seconds")]
    pub last: SystemTime,
}

fn seconds<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&super::line::timestamp(*at))
}

/// Adds up queries by client and view.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<(IpAddr, String), (u64, SystemTimes)>);

type SystemTimes = (SystemTime, SystemTime);

impl Sums {
    /// So many more queries of a client, between two moments.
    pub fn add(&mut self, client: IpAddr, view: &str, count: u64, (first, last): (SystemTime, SystemTime)) {
        let sum = self.0.entry((client, view.to_owned())).or_insert((0, (first, last)));
        sum.0 += count;
        sum.1 = (sum.1.0.min(first), sum.1.1.max(last));
    }

    /// The clients, those first that asked last.
    pub fn rows(self) -> Vec<ClientRow> {
        let row = |((client, view), (count, (first, last)))| ClientRow { client, view, count, first, last };
        let mut rows: Vec<ClientRow> = self.0.into_iter().map(row).collect();
        rows.sort_by(|one, other| (other.last, one.client).cmp(&(one.last, other.client)));
        rows
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    client: IpAddr,
    name: Name,
    view: Box<str>,
    endpoint: Box<str>,
}

#[derive(Debug)]
struct Entry {
    count: u64,
    first: SystemTime,
    last: SystemTime,
    /// When it was met last, in the order of all.
    turn: u64,
}

/// The table.
#[derive(Debug)]
pub struct Clients {
    entries: HashMap<Arc<Key>, Entry>,
    /// By turn, so that the oldest is found.
    turns: BTreeMap<u64, Arc<Key>>,
    turn: u64,
    most: usize,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new(MAX_ENTRIES)
    }
}

impl Clients {
    fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), turns: BTreeMap::new(), turn: 0, most }
    }

    /// One more query.
    pub(super) fn note(&mut self, client: IpAddr, name: &WireName, view: &str, endpoint: &str, at: SystemTime) {
        let key = Key { client, name: Name::from(*name), view: view.into(), endpoint: endpoint.into() };
        self.turn += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.count += 1;
            entry.last = entry.last.max(at);
            let old = std::mem::replace(&mut entry.turn, self.turn);
            if let Some(key) = self.turns.remove(&old) {
                self.turns.insert(self.turn, key);
            }
            return;
        }
        let key = Arc::new(key);
        self.entries.insert(Arc::clone(&key), Entry { count: 1, first: at, last: at, turn: self.turn });
        self.turns.insert(self.turn, key);
        if self.entries.len() > self.most
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    /// The clients that asked for what is wanted, those first that asked last. `since` is compared with each entry's
    /// last query; its count is of all that the table knows.
    pub fn who(&self, wanted: &Wanted) -> Vec<ClientRow> {
        let mut sums = Sums::default();
        for (key, entry) in &self.entries {
            if wanted.fits(key.name.octets(), &key.endpoint, &key.view, entry.last) {
                sums.add(key.client, &key.view, entry.count, (entry.first, entry.last));
            }
        }
        sums.rows()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn name(text: &str) -> WireName {
        WireName::from_presentation(text).unwrap()
    }

    fn table() -> Clients {
        let mut clients = Clients::new(4);
        let mut note = |client: [u8; 4], of: &str, endpoint: &str, seconds| {
            clients.note(client.into(), &name(of), "spokes", endpoint, at(seconds));
        };
        note([10, 0, 0, 1], "a.example", "hp", 1);
        note([10, 0, 0, 1], "b.example", "hp", 2);
        note([10, 0, 0, 2], "a.example", "hp", 3);
        note([10, 0, 0, 1], "a.example", "hp", 4);
        clients
    }

    #[test]
    fn clients_are_found_by_name_endpoint_view_and_time() {
        let clients = table();
        let of = |wanted: Wanted| -> Vec<(IpAddr, u64, u64)> {
            let row = |own: &ClientRow| {
                let seconds = own.last.duration_since(own.first).unwrap().as_secs();
                (own.client, own.count, seconds)
            };
            clients.who(&wanted).iter().map(row).collect()
        };
        let [one, two] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        assert_eq!(of(Wanted::default()), [(one, 3, 3), (two, 1, 0)]);
        assert_eq!(of(Wanted { name: Some(name("A.example.")), ..Wanted::default() }), [(one, 2, 3), (two, 1, 0)]);
        assert_eq!(of(Wanted { endpoint: Some("hp".into()), ..Wanted::default() }), [(one, 3, 3), (two, 1, 0)]);
        assert_eq!(of(Wanted { view: Some("other".into()), ..Wanted::default() }), []);
        assert_eq!(of(Wanted { since: Some(at(4)), ..Wanted::default() }), [(one, 2, 3)]);
    }

    #[test]
    fn the_entries_met_longest_ago_make_room() {
        let mut clients = table();
        for last in 3..6 {
            clients.note([10, 0, 0, last].into(), &name("c.example"), "spokes", "", at(u64::from(last) + 10));
        }
        assert_eq!((clients.entries.len(), clients.turns.len()), (4, 4));
        // The query of b.example was the oldest, then that of the second client.
        let found: Vec<u8> = clients
            .who(&Wanted::default())
            .iter()
            .map(|own| match own.client {
                IpAddr::V4(address) => address.octets()[3],
                IpAddr::V6(_) => 0,
            })
            .collect();
        assert_eq!(found, [5, 4, 3, 1]);
    }
}
