//! A private endpoint: names and the addresses that a view holds for them (R13).

use std::net::IpAddr;
use std::sync::Arc;

use super::Origin;
use super::avd::Kind;
use crate::wire::{Name, Template, Ttl, rtype};

/// What is done with an endpoint's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Answered with its addresses.
    Private,
    /// Forwarded and not guarded: the break-glass.
    Public,
    /// Answered with NXDOMAIN.
    Blocked,
}

impl State {
    /// The word of the configuration file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Blocked => "blocked",
        }
    }
}

/// One record: a pair of spellings and the addresses behind both.
#[derive(Debug, Clone)]
pub struct EndpointRecord {
    /// The public spelling first; one name where there is no other spelling. For a wildcard these are its parents.
    pub names: Vec<Name>,
    /// Whether the record is `*.` in front of its names (R15).
    pub wildcard: bool,
    /// The A RRset.
    pub a: Option<Template>,
    /// The AAAA RRset.
    pub aaaa: Option<Template>,
    /// Where it was written.
    pub origin: Origin,
}

impl EndpointRecord {
    /// A record of these names and addresses; equal addresses count once, in the order given.
    pub fn new(names: Vec<Name>, wildcard: bool, addresses: &[IpAddr], ttl: Ttl, origin: Origin) -> Self {
        let (mut four, mut six): (Vec<[u8; 4]>, Vec<[u8; 16]>) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) if !four.contains(&address.octets()) => four.push(address.octets()),
                IpAddr::V6(address) if !six.contains(&address.octets()) => six.push(address.octets()),
                _ => {}
            }
        }
        let a = Template::new(rtype::A, ttl, four.iter().map(<[u8; 4]>::as_slice));
        let aaaa = Template::new(rtype::AAAA, ttl, six.iter().map(<[u8; 16]>::as_slice));
        Self { names, wildcard, a, aaaa, origin }
    }

    /// The RRset of a type.
    pub fn rrset(&self, qtype: u16) -> Option<&Template> {
        match qtype {
            rtype::A => self.a.as_ref(),
            rtype::AAAA => self.aaaa.as_ref(),
            _ => None,
        }
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let rdata = |set: &'_ Option<Template>| -> Vec<IpAddr> {
            set.iter().flat_map(Template::rdata).filter_map(address_of).collect()
        };
        rdata(&self.a).into_iter().chain(rdata(&self.aaaa))
    }
}

/// The address in the RDATA of an A or AAAA record.
pub(crate) fn address_of(rdata: &[u8]) -> Option<IpAddr> {
    match rdata.len() {
        4 => rdata.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => rdata.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

/// A private endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: Kind,
    /// The workspace or host pool it leads to, in lower case: an Azure id or a GUID. Endpoints of one resource are one
    /// resource to the guard.
    pub resource: Option<String>,
    /// What is done with its names.
    pub state: State,
    /// Its records.
    pub records: Vec<EndpointRecord>,
    /// Where it was written.
    pub origin: Origin,
}

impl Endpoint {
    /// The GUIDs by which its resource is known: `resource` where it is one, and the GUID labels of its AVD names.
    pub fn guids(&self) -> Vec<u128> {
        let mut found: Vec<u128> = Vec::new();
        let own = self.resource.as_deref().and_then(|resource| super::avd::guid_of_label(resource.as_bytes()));
        let labels = self.records.iter().flat_map(|record| &record.names).filter(|_| self.kind != Kind::Other);
        let labels = labels.filter_map(|name| name.as_ref().labels().find_map(super::avd::guid_of_label));
        for guid in own.into_iter().chain(labels) {
            if !found.contains(&guid) {
                found.push(guid);
            }
        }
        found
    }
}
