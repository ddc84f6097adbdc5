//! `Zone`: names below an apex and their RRsets, asked by RFC 1034 §4.3.2 and RFC 4592 (R16).

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::{Origin, negative_soa, synthetic_soa};
use crate::wire::{Name, NameRef, Template, Ttl, rtype};

/// What becomes of a name at or below the apex that the zone lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// NXDOMAIN: the zone is strict.
    NxDomain,
    /// It is not owned and takes its normal route, as Azure's fallback to internet does.
    Forward,
}

/// A name of a zone: its RRsets, or none for an empty non-terminal.
#[derive(Debug, Clone, Default)]
pub struct Node {
    sets: Vec<Template>,
    /// Where its first record was written.
    line: u32,
}

impl Node {
    /// The RRset of a type.
    pub fn rrset(&self, kind: u16) -> Option<&Template> {
        self.sets.iter().find(|set| set.rtype() == kind)
    }

    /// All RRsets.
    pub fn rrsets(&self) -> &[Template] {
        &self.sets
    }

    /// Whether it has no records, only names below it.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The line of its first record in the zone's file, or 0.
    pub fn line(&self) -> u32 {
        self.line
    }
}

/// What a zone has for a name.
#[derive(Debug, Clone, Copy)]
pub enum Match<'z> {
    /// The name itself, maybe an empty non-terminal.
    Node(&'z Node),
    /// The wildcard at its closest encloser.
    Wildcard(&'z Node),
    /// Nothing.
    Missing,
}

/// A zone. Cheap to share; never changed once built.
#[derive(Debug)]
pub struct Zone {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    apex: Name,
    public: Option<Name>,
    missing: Missing,
    /// By relative name: labels in wire form without the final zero; the apex is empty.
    nodes: HashMap<Box<[u8]>, Node, foldhash::fast::RandomState>,
    negative: Template,
}

impl Zone {
    /// The apex.
    pub fn apex(&self) -> NameRef<'_> {
        self.apex.as_ref()
    }

    /// The public suffix under which its names are owned too.
    pub fn public(&self) -> Option<NameRef<'_>> {
        self.public.as_ref().map(Name::as_ref)
    }

    /// What becomes of a missing name, unless a view says otherwise.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// The SOA that ends its negative answers; its owner is the apex.
    pub fn negative(&self) -> &Template {
        &self.negative
    }

    /// Looks for a relative name. `exists` tells of further names that the view has below the apex (R13, R15): they are
    /// closest enclosers too.
    pub fn find(&self, relative: &[u8], exists: impl Fn(&[u8]) -> bool) -> Match<'_> {
        if let Some(node) = self.nodes.get(relative) {
            return Match::Node(node);
        }
        let mut encloser = relative;
        while let Some(length) = encloser.first() {
            encloser = encloser.get(usize::from(*length).saturating_add(1)..).unwrap_or(&[]);
            if self.nodes.contains_key(encloser) || exists(encloser) {
                break;
            }
        }
        // RFC 4592 §3.3.1: only the wildcard right below the closest encloser.
        let mut wildcard = [0_u8; 257];
        let source = wildcard.get_mut(..encloser.len().saturating_add(2));
        let found = source.and_then(|place| {
            place.first_chunk_mut::<2>()?.copy_from_slice(b"\x01*");
            place.get_mut(2..)?.copy_from_slice(encloser);
            self.nodes.get(&*place)
        });
        found.map_or(Match::Missing, Match::Wildcard)
    }

    /// The name itself, without regard to wildcards.
    pub fn node(&self, relative: &[u8]) -> Option<&Node> {
        self.nodes.get(relative)
    }

    /// All names with records: (relative name, node).
    pub fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(relative, node)| (&**relative, node)).filter(|(_, node)| !node.is_empty())
    }

    /// How many names have records.
    pub fn len(&self) -> usize {
        self.nodes().count()
    }

    /// Whether no name has records.
    pub fn is_empty(&self) -> bool {
        self.nodes().next().is_none()
    }
}

/// Why a record cannot be part of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The owner is not at or below the apex.
    #[error("the owner is not at or below the zone's apex")]
    OutOfZone,
    /// A CNAME beside other data, or two of them (RFC 2181 §10.1).
    #[error("a CNAME beside other records of the same name")]
    CnameBesideData,
    /// A second SOA.
    #[error("a second SOA")]
    SecondSoa,
    /// A SOA anywhere but at the apex.
    #[error("a SOA below the apex")]
    SoaBelowApex,
    /// NS below the apex: a stub resolver cannot use a referral (R16).
    #[error("NS below the apex: clients cannot follow a referral")]
    Delegation,
}

/// A zone being built, record by record.
#[derive(Debug)]
pub struct ZoneBuilder {
    apex: Name,
    /// By relative name and type; the RDATA in order, equal ones once.
    records: HashMap<Box<[u8]>, Draft, foldhash::fast::RandomState>,
}

type Rdata = Vec<Box<[u8]>>;

#[derive(Debug, Default)]
struct Draft {
    /// Type, TTL, RDATA.
    sets: Vec<(u16, Ttl, Rdata)>,
    line: u32,
}

impl ZoneBuilder {
    /// An empty zone.
    pub fn new(apex: Name) -> Self {
        Self { apex, records: HashMap::default() }
    }

    /// Adds a record. RDATA hold uncompressed names. The TTLs of one RRset become the least of them.
    ///
    /// # Errors
    /// Why it cannot be part of the zone; nothing is added then.
    pub fn add(&mut self, owner: NameRef<'_>, kind: u16, ttl: Ttl, rdata: &[u8], line: u32) -> Result<(), Fault> {
        let relative = owner.relative_to(self.apex.as_ref()).ok_or(Fault::OutOfZone)?;
        match (kind, relative.is_empty()) {
            (rtype::SOA, false) => return Err(Fault::SoaBelowApex),
            (rtype::NS, false) => return Err(Fault::Delegation),
            _ => {}
        }
        let draft = match self.records.entry(relative.into()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Draft { line, ..Draft::default() }),
        };
        let others = draft.sets.iter().any(|(other, _, _)| (*other == rtype::CNAME) != (kind == rtype::CNAME));
        let set = draft.sets.iter_mut().find(|(other, _, _)| *other == kind);
        match set {
            _ if others => return Err(Fault::CnameBesideData),
            Some((_, least, known)) => {
                if !known.iter().any(|other| **other == *rdata) {
                    match kind {
                        rtype::CNAME => return Err(Fault::CnameBesideData),
                        rtype::SOA => return Err(Fault::SecondSoa),
                        _ => known.push(rdata.into()),
                    }
                }
                *least = ttl.min(*least);
            }
            None => draft.sets.push((kind, ttl, vec![rdata.into()])),
        }
        Ok(())
    }

    /// The whole zone. Empty non-terminals become nodes; without a SOA of its own it has the synthetic one (R14).
    pub fn finish(self, name: Arc<str>, public: Option<Name>, missing: Missing, origin: Origin) -> Zone {
        let mut nodes: HashMap<Box<[u8]>, Node, foldhash::fast::RandomState> = HashMap::default();
        nodes.insert(Box::default(), Node { line: origin.line, ..Node::default() });
        for (relative, draft) in self.records {
            let mut ancestor = &*relative;
            while let Some(length) = ancestor.first() {
                ancestor = ancestor.get(usize::from(*length).saturating_add(1)..).unwrap_or(&[]);
                if !nodes.contains_key(ancestor) {
                    nodes.insert(ancestor.into(), Node::default());
                }
            }
            let sets = draft.sets.iter();
            let sets =
                sets.filter_map(|(kind, ttl, rdata)| Template::new(*kind, *ttl, rdata.iter().map(|rdata| &**rdata)));
            let node = nodes.entry(relative).or_default();
            node.sets.extend(sets);
            node.line = draft.line;
        }
        let apex = nodes.entry(Box::default()).or_default();
        if apex.rrset(rtype::SOA).is_none() {
            apex.sets.push(synthetic_soa());
        }
        let negative = apex.rrset(rtype::SOA).and_then(negative_soa).unwrap_or_else(synthetic_soa);
        Zone { name, origin, apex: self.apex, public, missing, nodes, negative }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::WireName;

    fn zone(records: &[(&str, u16, &[u8])]) -> Zone {
        let mut builder = ZoneBuilder::new(Name::from_presentation("priv.example").unwrap());
        for (owner, kind, rdata) in records {
            let owner = WireName::from_presentation(owner).unwrap();
            builder.add(owner.as_ref(), *kind, Ttl::from_seconds(300), rdata, 1).unwrap();
        }
        builder.finish("priv".into(), None, Missing::NxDomain, Origin::new("test", 1))
    }

    fn find(zone: &Zone, name: &str) -> String {
        let name = WireName::from_presentation(name).unwrap();
        match zone.find(name.as_ref().relative_to(zone.apex()).unwrap(), |_| false) {
            Match::Node(node) if node.is_empty() => "empty".into(),
            Match::Node(_) => "node".into(),
            Match::Wildcard(_) => "wildcard".into(),
            Match::Missing => "missing".into(),
        }
    }

    #[test]
    fn d_04a_and_d_04b_empty_non_terminals_bound_a_wildcard() {
        let zone = zone(&[("*.priv.example", 1, &[10, 0, 0, 9]), ("ssh.git.priv.example", 1, &[10, 0, 0, 10])]);
        for (name, expected) in [
            ("games.priv.example", "wildcard"),
            ("notgames.priv.example", "wildcard"),
            ("a.b.priv.example", "wildcard"),
            ("git.priv.example", "empty"),
            ("x.git.priv.example", "missing"),
            ("ssh.git.priv.example", "node"),
            ("x.ssh.git.priv.example", "missing"),
        ] {
            assert_eq!(find(&zone, name), expected, "{name}");
        }
    }

    #[test]
    fn r16_what_cannot_be_in_a_zone_is_refused() {
        let mut builder = ZoneBuilder::new(Name::from_presentation("priv.example").unwrap());
        let mut add = |owner: &str, kind, rdata: &[u8]| {
            builder.add(WireName::from_presentation(owner).unwrap().as_ref(), kind, Ttl::ZERO, rdata, 1)
        };
        assert_eq!(add("other.example", 1, &[1; 4]), Err(Fault::OutOfZone));
        assert_eq!(add("a.priv.example", 5, &[0]), Ok(()));
        assert_eq!(add("a.priv.example", 5, &[0]), Ok(()));
        assert_eq!(add("a.priv.example", 5, &[1, b'x', 0]), Err(Fault::CnameBesideData));
        assert_eq!(add("a.priv.example", 1, &[1; 4]), Err(Fault::CnameBesideData));
        assert_eq!(add("b.priv.example", 2, &[0]), Err(Fault::Delegation));
        assert_eq!(add("b.priv.example", 6, &[0]), Err(Fault::SoaBelowApex));
        assert_eq!(add("priv.example", 2, &[0]), Ok(()));
    }
}
