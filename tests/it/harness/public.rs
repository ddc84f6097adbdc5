//! A small public DNS as a resolver sees it: names with records, aliases followed inside one message or one by one,
//! NODATA and NXDOMAIN with a SOA. The upstream serves it, and the oracle reads the same table.

use super::message::{Rr, kind};
use super::upstream::{Script, Upstream};
use std::collections::{BTreeMap, BTreeSet};

/// How many aliases of a chain one message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chains {
    /// The whole chain with what is at its end, as resolvers send it.
    Whole,
    /// One alias a message and nothing else.
    Single,
}

/// The names of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Public {
    records: BTreeMap<String, Vec<Rr>>,
    /// Names that yield SERVFAIL wherever they are met.
    failing: BTreeSet<String>,
    pub(crate) chains: Chains,
    /// The AD bit of its answers.
    pub(crate) ad: bool,
}

/// More aliases than the product ever follows, so that a loop ends here too.
const LONGEST: usize = 64;

impl Public {
    /// An upstream each, which answers by it.
    pub(crate) fn start_each(tables: &[Self]) -> Vec<Upstream> {
        let start = |table: Self| Upstream::start(move |seen| table.answer(&seen.name, seen.kind));
        tables.iter().cloned().map(start).collect()
    }

    pub(crate) fn new(records: impl IntoIterator<Item = Rr>) -> Self {
        let mut public = Self { records: BTreeMap::new(), failing: BTreeSet::new(), chains: Chains::Whole, ad: false };
        for record in records {
            public.add(record);
        }
        public
    }

    pub(crate) fn add(&mut self, record: Rr) {
        self.records.entry(record.name.to_ascii_lowercase()).or_default().push(record);
    }

    /// From now on this name yields SERVFAIL.
    pub(crate) fn fail(&mut self, name: &str) {
        self.failing.insert(name.to_ascii_lowercase());
    }

    /// The answer to one question, the name in lower case.
    pub(crate) fn answer(&self, name: &str, kind: u16) -> Script {
        let mut script = Script { ad: self.ad, ..Script::default() };
        let mut owner = name.to_owned();
        for _ in 0..LONGEST {
            if self.failing.contains(&owner) {
                return Script::rcode(2);
            }
            let Some(records) = self.records.get(&owner) else {
                let below = format!(".{owner}");
                let exists = owner == "." || self.records.keys().any(|other| other.ends_with(&below));
                script.rcode = if exists { 0 } else { 3 };
                script.authority.push(Rr::soa(&apex(&owner), 300, 60));
                return script;
            };
            let found: Vec<_> = records.iter().filter(|rr| rr.kind == kind).cloned().collect();
            if !found.is_empty() {
                script.answers.extend(found);
                return script;
            }
            let Some(alias) = records.iter().find(|rr| rr.kind == kind::CNAME) else {
                script.authority.push(Rr::soa(&apex(&owner), 300, 60));
                return script;
            };
            script.answers.push(alias.clone());
            owner = alias.target().expect("a CNAME has a target");
            let loops = script.answers.iter().any(|rr| rr.name.eq_ignore_ascii_case(&owner));
            if self.chains == Chains::Single || loops {
                return script;
            }
        }
        script
    }
}

/// The zone that denies a name here: its last two labels, or the whole of a shorter one.
fn apex(name: &str) -> String {
    let dots: Vec<_> = name.rmatch_indices('.').map(|(at, _)| at).collect();
    dots.get(1).map_or(name, |at| &name[at + 1..]).to_owned()
}
