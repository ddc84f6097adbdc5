//! Azure's JSON as the command line, the REST API and Resource Graph print it → neutral endpoints.
//!
//! One file a format. Both the ARM form (fields under `properties`) and the command line's flattened
//! form are taken, keys are matched without case, unknown keys are ignored, null is the same as
//! missing. No file is opened here and no name is judged: `load` does both.

mod interface;
mod json;
pub mod needs;
mod pool;
mod private_endpoint;
mod record_set;
pub mod session;
mod vnet;
mod zone_group;

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

use json::{Json, Node};
pub use pool::Pool;

/// The largest text that is read, in octets.
pub const LARGEST: usize = 50 << 20;

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
    /// What said so.
    pub source: Source,
    /// Where.
    pub at: At,
}

/// Where a value stands in a JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The pointer (RFC 6901).
    pub pointer: String,
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
}

impl Endpoint {
    /// An endpoint of which nothing is known but where it stands.
    fn at(node: &Node<'_>) -> Self {
        Self {
            name: String::new(),
            id: None,
            interfaces: Vec::new(),
            kind: None,
            resource: None,
            subnet: None,
            approved: None,
            records: Vec::new(),
            at: node.at(),
        }
    }

    /// The id of its virtual network, lower-cased.
    pub fn vnet(&self) -> Option<&str> {
        let subnet = self.subnet.as_deref()?;
        Some(subnet.split_once("/subnets/").map_or(subnet, |(vnet, _)| vnet))
    }

    /// Whether both speak of one endpoint: by id, by interface, or by name where one lacks an id.
    pub fn is_same(&self, other: &Self) -> bool {
        if let (Some(own), Some(other)) = (&self.id, &other.id) {
            return own == other;
        }
        let nameless = |own: &Self| own.name.is_empty() && own.id.is_none() && own.interfaces.is_empty();
        if nameless(self) && nameless(other) {
            return true; // record sets that no endpoint made
        }
        let shared = self.interfaces.iter().any(|interface| other.interfaces.contains(interface));
        shared || (!self.name.is_empty() && self.name.eq_ignore_ascii_case(&other.name))
    }

    /// Adds what another document says of the same endpoint.
    pub fn absorb(&mut self, other: Self) {
        if self.name.is_empty() || (self.id.is_none() && other.id.is_some()) {
            self.name = other.name;
        }
        self.id = self.id.take().or(other.id);
        for interface in other.interfaces {
            if !self.interfaces.contains(&interface) {
                self.interfaces.push(interface);
            }
        }
        self.kind = self.kind.or(other.kind);
        self.resource = self.resource.take().or(other.resource);
        self.subnet = self.subnet.take().or(other.subnet);
        self.approved = self.approved.or(other.approved);
        self.records.extend(other.records);
    }
}

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnet {
    /// Its name.
    pub name: String,
    /// Its id, lower-cased.
    pub id: Option<String>,
    /// Its address space.
    pub prefixes: Vec<IpNet>,
    /// Where.
    pub at: At,
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
    /// Remarks.
    pub notes: Vec<Note>,
}

/// A document being read.
#[derive(Default)]
struct Draft {
    pool: Pool,
    vnets: Vec<Vnet>,
    notes: Vec<Note>,
}

impl Draft {
    /// Adds an endpoint, or what is said of one that is there already.
    fn add(&mut self, endpoint: Endpoint) {
        self.pool.add(endpoint);
    }

    /// Adds a remark.
    fn note(&mut self, kind: NoteKind, at: At, message: impl Into<String>) {
        self.notes.push(Note { kind, at, message: message.into() });
    }

    /// Reads an address, or notes that it is none.
    fn address(&mut self, node: &Node<'_>) -> Option<IpAddr> {
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
        node.iter().flat_map(Node::items).filter_map(|item| self.address(&item)).collect()
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
    #[error("nothing of it is a network interface, private endpoint, zone group, record set or virtual network")]
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
    // a byte order mark is a blank, so that offsets are those of the whole text
    let blanked = text.strip_prefix('\u{feff}').map(|rest| format!("   {rest}"));
    let value = Json::read(blanked.as_deref().unwrap_or(text))?;
    let mut document = Draft::default();
    let root = Node::root(&value);
    let mut known = false;
    let wrapped = ["value", "data"].iter().find_map(|key| root.get(key).filter(Node::is_list));
    if let Some(list) = wrapped {
        for key in ["nextLink", "skip_token", "$skipToken", "skipToken"] {
            if let Some(node) = root.get(key).filter(|node| node.text().is_some_and(|text| !text.is_empty())) {
                document.note(NoteKind::Partial, node.at(), format!("`{key}` is set: the list goes on elsewhere"));
            }
        }
        known = list.items().next().is_none();
        for item in list.items() {
            known |= read_item(&item, &mut document);
        }
    } else if root.is_list() {
        known = root.items().next().is_none();
        for item in root.items() {
            known |= read_item(&item, &mut document);
        }
    } else {
        known |= read_item(&root, &mut document);
    }
    if !known {
        return Err(Error::Unknown);
    }
    let mut document =
        Document { endpoints: document.pool.into_endpoints(), vnets: document.vnets, notes: document.notes };
    for endpoint in &document.endpoints {
        if endpoint.records.is_empty() && endpoint.approved != Some(false) {
            let message = format!("private endpoint {:?} comes without names", endpoint.name);
            document.notes.push(Note { kind: NoteKind::NoNames, at: endpoint.at.clone(), message });
        }
    }
    Ok(document)
}

/// Reads one object; `false` when it is of no known format.
fn read_item(item: &Node<'_>, document: &mut Draft) -> bool {
    let has = |key: &str| item.field(key).is_some();
    if ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections", "customDnsConfigs"]
        .iter()
        .any(|key| has(key))
    {
        private_endpoint::read(item, document);
    } else if has("privateDnsZoneConfigs") {
        zone_group::read(item, document);
    } else if record_set::is_one(item) {
        record_set::read(item, document);
    } else if has("addressSpace") {
        vnet::read(item, document);
    } else if has("ipConfigurations") {
        interface::read(item, document);
    } else if has("fqdn") && (has("ipAddress") || has("ipAddresses")) {
        private_endpoint::read_row(item, document);
    } else {
        return false;
    }
    true
}

#[cfg(test)]
mod tests;
