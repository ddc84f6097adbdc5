//! `Zone`: names below an apex and their RRsets, asked by RFC 1034 §4.3.2 and RFC 4592 (R16).

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::addresses::ByAddress;
use super::nodes::{Node, Nodes};
use super::{Origin, address_of, negative_soa, synthetic_soa};
use crate::wire::{Name, NameRef, Template, Ttl, rtype};

/// What becomes of a name at or below the apex that the zone lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// NXDOMAIN: the zone is strict.
    NxDomain,
    /// It is not owned and takes its normal route, as Azure's fallback to internet does.
    Forward,
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
    nodes: Nodes,
    negative: Template,
    /// The names that have an address, for PTR records made from them (R17).
    pointers: ByAddress<Pointer>,
}

/// A name that has an address.
#[derive(Debug)]
struct Pointer {
    /// Its place among the nodes.
    node: u32,
    /// The PTR record, made when it is first asked for.
    template: OnceLock<Box<Template>>,
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
            if self.nodes.contains(encloser) || exists(encloser) {
                break;
            }
        }
        // RFC 4592 §3.3.1: only the wildcard right below the closest encloser.
        let mut wildcard = [0_u8; 257];
        let source = wildcard.get_mut(..encloser.len().saturating_add(2));
        let found = source.and_then(|place| {
            place.first_chunk_mut::<2>()?.copy_from_slice(b"\x01*");
            place.get_mut(2..)?.copy_from_slice(encloser);
            self.nodes.get(place)
        });
        found.map_or(Match::Missing, Match::Wildcard)
    }

    /// The name itself, without regard to wildcards.
    pub fn node(&self, relative: &[u8]) -> Option<&Node> {
        self.nodes.get(relative)
    }

    /// All names with records: (relative name, node).
    pub fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().filter(|(_, node)| !node.is_empty())
    }

    /// The PTR record of an address of the zone (R17).
    pub fn pointer(&self, address: IpAddr) -> Option<&Template> {
        let pointer = self.pointers.get(address)?;
        if let Some(template) = pointer.template.get() {
            return Some(template);
        }
        let relative = self.nodes.name(pointer.node as usize);
        let suffix = self.public().filter(|_| !relative.is_empty()).unwrap_or(self.apex());
        let kind = if address.is_ipv4() { rtype::A } else { rtype::AAAA };
        let ttl = self.nodes.at(pointer.node as usize)?.rrset(kind)?.ttl();
        let template = Template::new(rtype::PTR, ttl, [suffix.prefixed(relative)?.octets()])?;
        Some(pointer.template.get_or_init(|| Box::new(template)))
    }

    /// Whether the zone has an address in a network of so many bits.
    pub fn has_address_in(&self, network: IpAddr, bits: u8) -> bool {
        self.pointers.has_any(network, bits)
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
    /// More records of one name and type than a message holds, or more names than can be counted.
    #[error("more than can be served")]
    TooMuch,
    /// NS below the apex: a stub resolver cannot use a referral (R16).
    #[error("NS below the apex: clients cannot follow a referral")]
    Delegation,
}

/// A zone being built, record by record.
#[derive(Debug)]
pub struct ZoneBuilder {
    apex: Name,
    nodes: Nodes,
}

impl ZoneBuilder {
    /// An empty zone.
    pub fn new(apex: Name) -> Self {
        Self { apex, nodes: Nodes::default() }
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
        let node = self.nodes.entry(relative, line).ok_or(Fault::TooMuch)?;
        let others = node.rrsets().iter().any(|other| (other.rtype() == rtype::CNAME) != (kind == rtype::CNAME));
        let set = node.rrsets_mut().iter_mut().find(|other| other.rtype() == kind);
        match set {
            _ if others => return Err(Fault::CnameBesideData),
            Some(set) => {
                let new = !set.rdata().any(|known| known == rdata);
                match kind {
                    rtype::CNAME if new => return Err(Fault::CnameBesideData),
                    rtype::SOA if new => return Err(Fault::SecondSoa),
                    _ => {}
                }
                if new || ttl < set.ttl() {
                    let all = set.rdata().chain(new.then_some(rdata));
                    *set = Template::new(kind, ttl.min(set.ttl()), all).ok_or(Fault::TooMuch)?;
                }
            }
            None => node.push(Template::new(kind, ttl, [rdata]).ok_or(Fault::TooMuch)?),
        }
        Ok(())
    }

    /// The whole zone. Empty non-terminals become nodes; without a SOA of its own it has the synthetic one (R14).
    pub fn finish(self, name: Arc<str>, public: Option<Name>, missing: Missing, origin: Origin) -> Zone {
        let mut nodes = self.nodes;
        let _ = nodes.entry(&[], origin.line);
        for place in 0..nodes.len() {
            let mut from = 0_usize;
            while let Some(length) = nodes.name(place).get(from) {
                from = from.saturating_add(usize::from(*length)).saturating_add(1);
                let ancestor = nodes.name(place).get(from..).unwrap_or(&[]);
                if !nodes.contains(ancestor) {
                    let ancestor = ancestor.to_owned();
                    let _ = nodes.entry(&ancestor, 0);
                }
            }
        }
        let mut negative = synthetic_soa();
        if let Some(apex) = nodes.entry(&[], origin.line) {
            match apex.rrset(rtype::SOA).map(negative_soa) {
                Some(own) => negative = own.unwrap_or(negative),
                None => apex.push(synthetic_soa()),
            }
        }
        nodes.shrink();
        let pointers = pointers(&nodes, public.as_ref().unwrap_or(&self.apex).as_ref());
        Zone { name, origin, apex: self.apex, public, missing, nodes, negative, pointers }
    }
}

/// All addresses of a zone's names, wildcards left out. Of several names for one address the first by its text counts
/// (R17); all but the apex lie below `suffix`.
fn pointers(nodes: &Nodes, suffix: NameRef<'_>) -> ByAddress<Pointer> {
    let named = (0..nodes.len()).filter(|place| !nodes.name(*place).starts_with(b"\x01*"));
    let all = named.flat_map(|place| {
        let sets = nodes.at(place).into_iter().flat_map(Node::rrsets);
        let addresses = sets.filter(|set| matches!(set.rtype(), rtype::A | rtype::AAAA)).flat_map(Template::rdata);
        let node = u32::try_from(place).unwrap_or(u32::MAX);
        addresses.filter_map(address_of).map(move |address| (address, Pointer { node, template: OnceLock::new() }))
    });
    let text = |pointer: &Pointer| suffix.prefixed(nodes.name(pointer.node as usize)).map(|name| name.to_string());
    ByAddress::new(all, |one, other| text(one) < text(other))
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
