//! What an importer has found, in the words of our file. Plain data; the writer puts it in order.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::Place;
use crate::zone::avd::Kind;

/// A whole file.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Comments at its head, a line each.
    pub comments: Vec<String>,
    /// `[server]` and the default upstream; none in a file for `include`.
    pub head: Option<Head>,
    /// Further upstreams.
    pub upstreams: Vec<Upstream>,
    /// Endpoints and zones, by virtual network or whatever else the source puts together.
    pub groups: Vec<Group>,
    /// Views.
    pub views: Vec<View>,
}

/// What a main file has before its tables.
#[derive(Debug, Clone)]
pub struct Head {
    /// `listen`.
    pub listen: Vec<SocketAddr>,
    /// The servers of the upstream called `default`.
    pub upstream: Vec<SocketAddr>,
}

/// The name of the upstream of [`Head`].
pub(super) const DEFAULT_UPSTREAM: &str = "default";

/// `[[upstream]]`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Comments above it.
    pub comments: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its servers, as the file writes them.
    pub servers: Vec<String>,
    /// Where it comes from.
    pub place: Option<Place>,
}

/// Endpoints and zones under one heading.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The heading, a line each.
    pub comments: Vec<String>,
    /// `[[endpoint]]`.
    pub endpoints: Vec<Endpoint>,
    /// `[[zone]]`.
    pub zones: Vec<Zone>,
}

/// `[[endpoint]]`.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Comments above it.
    pub comments: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its resource.
    pub resource: Option<String>,
    /// The TTL of its records, where it is not the default.
    pub ttl: Option<u32>,
    /// Its records.
    pub records: Vec<Record>,
    /// Where it comes from.
    pub place: Option<Place>,
}

/// A record of an endpoint.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// A comment behind it.
    pub comment: Option<String>,
    /// Where it comes from.
    pub place: Option<Place>,
}

/// `[[zone]]`.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Comments above it.
    pub comments: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its apex.
    pub apex: String,
    /// What it holds.
    pub content: ZoneContent,
    /// The TTL of its records, where it is not the default.
    pub ttl: Option<u32>,
    /// Whether names that it lacks are forwarded.
    pub forward: bool,
    /// Where it comes from.
    pub place: Option<Place>,
}

/// Where a zone's records are.
#[derive(Debug, Clone)]
pub enum ZoneContent {
    /// In the table.
    Records(Vec<(String, Data, Option<Place>)>),
    /// In a master file.
    File(String),
}

/// What an owner has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The target of an alias.
    Alias(String),
}

/// `[[view]]`.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Comments above it.
    pub comments: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its clients.
    pub networks: Vec<IpNet>,
    /// Its listeners.
    pub listeners: Vec<SocketAddr>,
    /// Whether it has no clients because others extend it.
    pub is_abstract: bool,
    /// The view that it extends.
    pub extends: Option<String>,
    /// Its default route, where it is not the file's one upstream.
    pub upstream: Option<String>,
    /// Routes: suffix and upstream.
    pub forward: Vec<(String, String)>,
    /// The upstream for reverse names.
    pub reverse: Option<String>,
    /// Names of endpoints.
    pub endpoints: Vec<String>,
    /// Names of zones.
    pub zones: Vec<String>,
    /// The kinds that must answer privately; none: as the endpoints are.
    pub private: Option<Vec<Kind>>,
    /// `missing` of zones that differ here: name and whether to forward.
    pub missing: Vec<(String, bool)>,
    /// Where it comes from.
    pub place: Option<Place>,
}

impl Tables {
    /// All endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.groups.iter().flat_map(|group| &group.endpoints)
    }

    /// All zones.
    pub fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.groups.iter().flat_map(|group| &group.zones)
    }
}
