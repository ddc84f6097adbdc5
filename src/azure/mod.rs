//! Azure's JSON as the command line, the REST API, Resource Graph, deployments and Terraform print it → neutral endpoints,
//! virtual networks, workspaces and host pools.
//!
//! One file a format. Both the ARM form (fields under `properties`) and the command line's flattened
//! form are taken, keys are matched without case, unknown keys are ignored, null is the same as
//! missing. No file is opened here and no name is judged: `load` does both.

mod deployment;
mod interface;
mod json;
mod link;
pub mod needs;
mod pool;
mod private_endpoint;
mod record_set;
mod resource;
pub mod session;
mod terraform;
mod vnet;
mod zone_group;

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use json::{Json, Node};
pub use link::Link;
pub use pool::Pool;
pub use record_set::OtherSet;
pub use resource::{Resource, ResourceKind};
pub use vnet::{Subnet, Vnet, vnet_of};

/// The largest text that is read, in octets.
pub const LARGEST: usize = 50 << 20;

/// The most addresses of one name: a private zone takes 20 records a set.
pub const MOST_ADDRESSES: usize = 1_000;

/// What an endpoint is for, as far as its group id or resource tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Group id `global`: initial feed discovery.
    Global,
    /// Group id `feed`: feed download.
    Workspace,
    /// Group id `connection`: connections.
    HostPool,
    /// The group id of another service.
    Other,
}

impl Kind {
    /// The kind of a group id (Azure: target sub-resource).
    fn of_group(group: &str) -> Self {
        match group.to_ascii_lowercase().as_str() {
            "global" => Self::Global,
            "feed" => Self::Workspace,
            "connection" => Self::HostPool,
            _ => Self::Other,
        }
    }
}

/// Where a record was taken from, the most trustworthy first: the first two belong to one endpoint
/// and cannot be overwritten by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The endpoint's network interface.
    Interface,
    /// Its DNS zone group.
    ZoneGroup,
    /// Its `customDnsConfigs`.
    CustomDns,
    /// A record set of a private zone.
    RecordSet,
}

impl Source {
    /// A word for messages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Interface => "the network interface",
            Self::ZoneGroup => "the zone group",
            Self::CustomDns => "customDnsConfigs",
            Self::RecordSet => "the record set",
        }
    }
}

/// A name and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name in either spelling, as written; may begin with `*.`.
    pub fqdn: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The TTL in seconds, where it is told.
    pub ttl: Option<u32>,
    /// The id of the zone that it stands in, lower-cased, or its name alone; only record sets have one.
    pub zone: Option<String>,
    /// What said so.
    pub source: Source,
    /// Where.
    pub at: At,
}

impl Record {
    /// A record of which only name and addresses are known.
    fn new(fqdn: &str, addresses: Vec<IpAddr>, source: Source, at: At) -> Self {
        Self { fqdn: fqdn.trim_end_matches('.').to_owned(), addresses, ttl: None, zone: None, source, at }
    }
}

/// Where a value stands in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The octets of the value.
    pub span: Range<usize>,
    /// Which text: 0 until the caller that joins documents numbers them.
    pub text: usize,
}

/// A private endpoint, or what one document says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name in Azure, or its interface's where only that is known; may be empty.
    pub name: String,
    /// Its id, lower-cased.
    pub id: Option<String>,
    /// The ids of its network interfaces, lower-cased.
    pub interfaces: Vec<String>,
    /// What it is for.
    pub kind: Option<Kind>,
    /// The id of the workspace, host pool or other resource, lower-cased.
    pub resource: Option<String>,
    /// The id of its subnet, lower-cased; the virtual network's id is its head.
    pub subnet: Option<String>,
    /// Whether its connection is approved; unknown where the document does not tell.
    pub approved: Option<bool>,
    /// Its names.
    pub records: Vec<Record>,
    /// Where.
    pub at: At,
    /// Where else it is spoken of.
    pub also: Vec<At>,
}

impl Endpoint {
    /// An endpoint of which nothing is known but where it stands.
    fn at(node: Node<'_>) -> Self {
        Self::nameless(Vec::new(), node.at())
    }

    /// Records that no endpoint is known for.
    pub fn nameless(records: Vec<Record>, at: At) -> Self {
        Self {
            name: String::new(),
            id: None,
            interfaces: Vec::new(),
            kind: None,
            resource: None,
            subnet: None,
            approved: None,
            records,
            at,
            also: Vec::new(),
        }
    }

    /// The id of its virtual network, lower-cased.
    pub fn vnet(&self) -> Option<&str> {
        let subnet = self.subnet.as_deref()?;
        Some(vnet_of(subnet))
    }

    /// Adds what another document says of the same endpoint.
    pub fn absorb(&mut self, other: Self) {
        if self.name.is_empty() || (self.id.is_none() && other.id.is_some()) {
            self.name = other.name;
        }
        self.id = self.id.take().or(other.id);
        self.interfaces.extend(other.interfaces);
        self.kind = self.kind.or(other.kind);
        self.resource = self.resource.take().or(other.resource);
        self.subnet = self.subnet.take().or(other.subnet);
        self.approved = self.approved.or(other.approved);
        self.records.extend(other.records);
        self.also.push(other.at);
        self.also.extend(other.also);
    }
}

/// What is worth telling about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which remark.
    pub kind: NoteKind,
    /// Where.
    pub at: At,
    /// In words, without a full stop.
    pub message: String,
}

/// The remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The list goes on in a page that is not here.
    Partial,
    /// A connection is not approved.
    NotApproved,
    /// A value cannot be read.
    BadValue,
    /// An endpoint has no names.
    NoNames,
}

/// Everything that one text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Endpoints, in the order of the text; one that is spoken of twice is there once.
    pub endpoints: Vec<Endpoint>,
    /// Virtual networks.
    pub vnets: Vec<Vnet>,
    /// Workspaces and host pools.
    pub resources: Vec<Resource>,
    /// Which virtual network sees which private zone.
    pub links: Vec<Link>,
    /// Record sets that hold no addresses.
    pub others: Vec<OtherSet>,
    /// Remarks.
    pub notes: Vec<Note>,
}

impl Document {
    /// Sets which text it was.
    pub fn number(&mut self, text: usize) {
        for endpoint in &mut self.endpoints {
            endpoint.at.text = text;
            endpoint.also.iter_mut().for_each(|at| at.text = text);
            endpoint.records.iter_mut().for_each(|record| record.at.text = text);
        }
        for vnet in &mut self.vnets {
            vnet.at.text = text;
            vnet.dns_servers.iter_mut().for_each(|(_, at)| at.text = text);
        }
        self.resources.iter_mut().for_each(|own| own.at.text = text);
        self.links.iter_mut().for_each(|own| own.at.text = text);
        self.others.iter_mut().for_each(|own| own.at.text = text);
        self.notes.iter_mut().for_each(|own| own.at.text = text);
    }
}

/// A document being read.
#[derive(Default)]
struct Draft {
    pool: Pool,
    rest: Document,
    /// What an endpoint is called that has no name of its own.
    fallback: String,
}

impl Draft {
    /// Adds an endpoint, or what is said of one that is there already.
    fn add(&mut self, mut endpoint: Endpoint) {
        if endpoint.name.is_empty() && endpoint.id.is_none() {
            endpoint.name.clone_from(&self.fallback);
        }
        self.pool.add(endpoint);
    }

    /// Adds a remark.
    fn note(&mut self, kind: NoteKind, at: At, message: impl Into<String>) {
        self.rest.notes.push(Note { kind, at, message: message.into() });
    }

    /// Reads an address, or notes that it is none.
    fn address(&mut self, node: Node<'_>) -> Option<IpAddr> {
        let text = node.text()?;
        match text.parse::<IpAddr>() {
            Ok(address) => Some(address.to_canonical()),
            Err(_) => {
                let message = format!("{text:?} is not an IP address");
                self.note(NoteKind::BadValue, node.at(), message);
                None
            }
        }
    }

    /// Reads a list of addresses; what is none is noted and left out.
    fn addresses(&mut self, node: Option<Node<'_>>) -> Vec<IpAddr> {
        let Some(node) = node else { return Vec::new() };
        let mut found = Vec::new();
        for item in node.items() {
            if found.len() == MOST_ADDRESSES {
                self.too_many(node);
                break;
            }
            found.extend(self.address(item));
        }
        found
    }

    /// Notes that a name has more addresses than are read.
    fn too_many(&mut self, node: Node<'_>) {
        self.note(NoteKind::BadValue, node.at(), format!("more than {MOST_ADDRESSES} addresses of one name"));
    }

    /// Reads a list of prefixes, or the one that stands in place of a list; what is none is noted and left out.
    fn prefixes(&mut self, node: Option<Node<'_>>) -> Vec<IpNet> {
        let Some(node) = node else { return Vec::new() };
        let mut found = Vec::new();
        for prefix in node.items().chain(Some(node)) {
            let Some(text) = prefix.text() else { continue };
            match text.parse::<IpNet>() {
                Ok(net) => found.push(net.trunc()),
                Err(_) => self.note(NoteKind::BadValue, prefix.at(), format!("{text:?} is not a network prefix")),
            }
        }
        found
    }
}

/// Why a text gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is over [`LARGEST`].
    #[error("the text has {octets} octets; at most {LARGEST} are read")]
    TooLarge {
        /// Its size.
        octets: usize,
    },
    /// It is not JSON.
    #[error("{message}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column in octets, from 1; 0 at the end of a line.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// It is JSON of something else.
    #[error(
        "nothing of it is a network interface, private endpoint, zone group, record set, virtual network or its link, \
         workspace, host pool, deployment output or Terraform state"
    )]
    Unknown,
}

/// Reads a text.
///
/// # Errors
/// When it is too large, not JSON, or of nothing that is known here.
pub fn read(text: &str) -> Result<Document, Error> {
    if text.len() > LARGEST {
        return Err(Error::TooLarge { octets: text.len() });
    }
    let blanked = blank_mark(text);
    let value = Json::read(&blanked)?;
    let mut draft = Draft::default();
    if !read_root(Node::root(&value), &mut draft) {
        return Err(Error::Unknown);
    }
    let mut document = Document { endpoints: draft.pool.into_endpoints(), ..draft.rest };
    for endpoint in &document.endpoints {
        if endpoint.records.is_empty() && endpoint.approved != Some(false) {
            let message = format!("private endpoint {:?} comes without names", endpoint.name);
            document.notes.push(Note { kind: NoteKind::NoNames, at: endpoint.at.clone(), message });
        }
    }
    Ok(document)
}

/// The pointers (RFC 6901) of values of a text, by their octets; empty for the whole text and where there is no such
/// value.
pub fn pointers<'s>(text: &str, spans: impl IntoIterator<Item = &'s Range<usize>>) -> Vec<String> {
    let blanked = blank_mark(text);
    let value = Json::read(&blanked).ok();
    spans.into_iter().map(|span| value.as_ref().map(|value| value.pointer(span)).unwrap_or_default()).collect()
}

/// A text whose byte order mark is a blank, so that offsets stay those of the whole text.
fn blank_mark(text: &str) -> Cow<'_, str> {
    text.strip_prefix('\u{feff}').map_or(Cow::Borrowed(text), |rest| Cow::Owned(format!("   {rest}")))
}

/// Reads a whole text; `false` when nothing of it is known.
fn read_root(root: Node<'_>, draft: &mut Draft) -> bool {
    if let Some(list) = ["value", "data"].iter().find_map(|key| root.get(key).filter(Node::is_list)) {
        for key in ["nextLink", "skip_token", "$skipToken", "skipToken"] {
            if let Some(node) = root.get(key).filter(|node| node.text().is_some_and(|text| !text.is_empty())) {
                draft.note(NoteKind::Partial, node.at(), format!("`{key}` is set: the list goes on elsewhere"));
            }
        }
        return read_list(list, draft);
    }
    if root.is_list() {
        return read_list(root, draft);
    }
    terraform::read(root, draft) || deployment::read(root, draft) || read_item(root, draft)
}

/// Reads the items of a list; `false` when it has some and knows none of them.
fn read_list(list: Node<'_>, draft: &mut Draft) -> bool {
    let mut items = list.items().peekable();
    let mut known = items.peek().is_none();
    for item in items {
        known |= deployment::read(item, draft) || read_item(item, draft);
    }
    known
}

/// Reads one object; `false` when it is of no known format.
fn read_item(item: Node<'_>, draft: &mut Draft) -> bool {
    let has = |key: &str| item.field(key).is_some();
    if resource::is_one(item) {
        resource::read(item, draft);
    } else if ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections", "customDnsConfigs"]
        .iter()
        .any(|key| has(key))
    {
        private_endpoint::read(item, draft);
    } else if has("privateDnsZoneConfigs") {
        zone_group::read(item, draft);
    } else if link::is_one(item) {
        link::read(item, draft);
    } else if record_set::is_one(item) {
        record_set::read(item, draft);
    } else if has("addressSpace") {
        vnet::read(item, draft);
    } else if has("ipConfigurations") {
        interface::read(item, draft);
    } else if has("fqdn") && (has("ipAddress") || has("ipAddresses")) {
        private_endpoint::read_row(item, draft);
    } else {
        return false;
    }
    true
}

#[cfg(test)]
mod tests;
