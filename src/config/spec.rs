//! The file with its types: what one text says, before any name is resolved or file opened.
//!
//! Every value has its place, so that later stages can point at it. A row whose required keys are
//! missing or unsound is left out: the reader has reported why, and `incomplete` says that rows may
//! be missing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::place::{Place, Spanned};
use super::sections;
use super::value::name::{DnsName, Owner, Pattern};
use super::value::{Listener, Server, Transport};

pub use super::reader::ZoneValue;

/// Everything that one file says.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Globs of further files.
    pub include: Vec<Spanned<String>>,
    /// `watch`.
    pub watch: bool,
    /// `[server]`; `None` in included files or when it could not be read.
    pub server: Option<ServerSpec>,
    /// `[cache]`.
    pub cache: CacheSpec,
    /// `[log]`.
    pub log: LogSpec,
    /// `[[upstream]]`.
    pub upstreams: Vec<UpstreamSpec>,
    /// `[[endpoint]]`.
    pub endpoints: Vec<EndpointSpec>,
    /// `[[endpoints]]`.
    pub endpoint_sets: Vec<SetSpec>,
    /// `[[zone]]`.
    pub zones: Vec<ZoneSpec>,
    /// `[[zones]]`.
    pub zone_sets: Vec<SetSpec>,
    /// `[[known]]`.
    pub known: Vec<KnownSpec>,
    /// `[[cloud]]`.
    pub clouds: Vec<CloudSpec>,
    /// `[[view]]`.
    pub views: Vec<ViewSpec>,
    /// Whether parts of the text could not be read: what seems to be missing may stand there.
    pub incomplete: bool,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Where DNS is served.
    pub listen: Vec<Spanned<SocketAddr>>,
    /// UDP workers; 0 is one a core.
    pub workers: Spanned<usize>,
    /// The health listener.
    pub health: Option<Spanned<SocketAddr>>,
    /// The admin listener.
    pub admin: Option<Spanned<SocketAddr>>,
    /// The file of the admin listener's token.
    pub token_file: Option<Spanned<String>>,
    /// How long to answer on after SIGTERM.
    pub lameduck: Spanned<Duration>,
    /// The table's header.
    pub place: Place,
}

/// `[cache]`, with plain defaults where the table is missing.
#[derive(Clone, Debug)]
pub struct CacheSpec {
    /// The bound in octets; 0 is off.
    pub size_octets: u64,
    /// How long an expired answer may serve; zero is off.
    pub serve_stale: Duration,
    /// The longest life of an answer.
    pub max_ttl: Duration,
    /// The longest life of a negative answer.
    pub max_negative_ttl: Duration,
    /// The file that the answers are kept in from one process to the next.
    pub file: Option<String>,
    /// Where `max-negative-ttl` or the table stands.
    pub place: Option<Place>,
}

/// Which queries are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum QueryLevel {
    /// None.
    Off,
    /// Those that were not simply forwarded.
    Decisions,
    /// One in so many.
    Sampled,
    /// All.
    All,
}

impl QueryLevel {
    /// The word of the file.
    pub fn word(self) -> &'static str {
        sections::QUERY_LEVELS.get(self as usize).copied().unwrap_or_default()
    }
}

/// How much of a client's address is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClientDetail {
    /// All of it, and the port.
    Whole,
    /// The /24 or /56 that it is in.
    Cut,
    /// Nothing.
    None,
}

impl ClientDetail {
    /// The word of the file.
    pub fn word(self) -> &'static str {
        sections::CLIENT_DETAILS.get(self as usize).copied().unwrap_or_default()
    }
}

/// `[log]`, with plain defaults where the table is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// Which queries are written.
    pub queries: QueryLevel,
    /// Of how many one is written where they are sampled.
    pub sample: u32,
    /// How much of a client's address is written.
    pub clients: ClientDetail,
    /// The file, relative to the configuration's folder; none: standard output.
    pub file: Option<String>,
}

/// The order in which an upstream's servers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// As written.
    Ordered,
    /// Each in turn.
    RoundRobin,
    /// The quickest first.
    Fastest,
    /// All at once.
    Race,
}

/// When letter case is randomised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseMode {
    /// Unless a server turns out not to echo it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[[upstream]]`.
#[derive(Clone, Debug)]
pub struct UpstreamSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Its servers.
    pub servers: Vec<Spanned<Server>>,
    /// Which one is asked first.
    pub policy: Spanned<Policy>,
    /// The budget of an exchange.
    pub timeout: Spanned<Duration>,
    /// Pending queries per server address, where written.
    pub max_in_flight: Option<Spanned<u32>>,
    /// Queries a second per server address, where written.
    pub max_qps: Option<Spanned<u32>>,
    /// 0x20.
    pub case: Spanned<CaseMode>,
    /// A file of authorities for its encrypted servers.
    pub ca: Option<Spanned<String>>,
    /// The key path of the table.
    pub path: String,
}

impl UpstreamSpec {
    /// The cap on pending queries for one of its servers.
    pub fn max_in_flight_of(&self, server: &Server) -> u32 {
        let default = if server.is_platform() { 150 } else { 5_000 };
        self.max_in_flight.as_ref().map_or(default, |cap| cap.value)
    }

    /// The cap on queries a second for one of its servers.
    pub fn max_qps_of(&self, server: &Server) -> Option<u32> {
        let default = server.is_platform().then_some(900);
        self.max_qps.as_ref().map(|cap| cap.value).or(default)
    }

    /// Whether any of its servers needs an encrypted transport.
    pub fn encrypted(&self) -> bool {
        self.servers.iter().any(|server| server.value.transport != Transport::Plain)
    }
}

/// The kind of an endpoint, `feed` and `connection` being Azure's words for two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {
    /// Initial feed discovery.
    Global,
    /// Feed download.
    Workspace,
    /// Connections.
    HostPool,
    /// Any other service.
    Other,
}

impl EndpointKind {
    /// The word of the file.
    pub fn label(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Workspace => "workspace",
            Self::HostPool => "host-pool",
            Self::Other => "other",
        }
    }
}

/// What becomes of an endpoint's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Answered from its records.
    Private,
    /// Forwarded, unguarded.
    Public,
    /// NXDOMAIN.
    Blocked,
}

/// One record line of an endpoint.
pub type RecordSpec = (Spanned<Pattern>, Vec<Spanned<IpAddr>>);

/// One record line of a zone.
pub type ZoneRecordSpec = (Spanned<Owner>, ZoneValue);

/// `[[endpoint]]`.
#[derive(Clone, Debug)]
pub struct EndpointSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Its kind, where written.
    pub kind: Option<Spanned<EndpointKind>>,
    /// The id or GUID of its resource, where written.
    pub resource: Option<Spanned<String>>,
    /// The TTL of its records.
    pub ttl: Spanned<Duration>,
    /// What becomes of its names.
    pub state: Spanned<EndpointState>,
    /// Its inline records.
    pub records: Vec<RecordSpec>,
    /// Globs of files with its data.
    pub from: Vec<Spanned<String>>,
    /// The key path of the table.
    pub path: String,
    /// Whether something of it could not be read.
    pub faulty: bool,
}

/// `[[endpoints]]` or `[[zones]]`.
#[derive(Clone, Debug)]
pub struct SetSpec {
    /// Globs of files.
    pub from: Vec<Spanned<String>>,
    /// The key path of the table.
    pub path: String,
    /// The table's header.
    pub place: Place,
}

/// What a zone does with a name that it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It does not exist: the zone is strict.
    NxDomain,
    /// It is not owned.
    Forward,
}

/// `[[zone]]`.
#[derive(Clone, Debug)]
pub struct ZoneSpec {
    /// Its name in the file.
    pub name: Spanned<String>,
    /// The zone's own name.
    pub apex: Spanned<DnsName>,
    /// The second suffix of its names, where written.
    pub public: Option<Spanned<DnsName>>,
    /// A master file.
    pub file: Option<Spanned<String>>,
    /// Inline records, where written.
    pub records: Option<Spanned<Vec<ZoneRecordSpec>>>,
    /// The TTL of inline records.
    pub ttl: Spanned<Duration>,
    /// What becomes of names that it lacks.
    pub missing: Spanned<Missing>,
    /// The key path of the table.
    pub path: String,
    /// Whether something of it could not be read.
    pub faulty: bool,
}

/// `[[known]]`.
#[derive(Clone, Debug)]
pub struct KnownSpec {
    /// A word for logs.
    pub name: Spanned<String>,
    /// Object ids, lower-cased.
    pub guids: Vec<Spanned<String>>,
}

/// `[[cloud]]`.
#[derive(Clone, Debug)]
pub struct CloudSpec {
    /// A word for messages.
    pub name: Spanned<String>,
    /// The suffix that clients ask in.
    pub public: Spanned<DnsName>,
    /// Whether global names have no private-link suffix of their own.
    pub one_zone: bool,
    /// The key path of the table.
    pub path: String,
}

/// What a view does with AVD names of resources that are neither its own nor known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// They are forwarded.
    Forward,
    /// They do not exist.
    NxDomain,
}

/// Which names a view guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardMode {
    /// Its own.
    Own,
    /// Also all of the private-link suffixes of its private kinds.
    All,
    /// Its own, counted and passed.
    Watch,
    /// None.
    Off,
}

/// An entry of `forward`.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// The suffix.
    pub suffix: Spanned<DnsName>,
    /// The name of the upstream.
    pub upstream: Spanned<String>,
}

/// `[[view]]`. What is `None` was not written, so a view that extends another takes it over.
#[derive(Clone, Debug)]
pub struct ViewSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Client prefixes.
    pub networks: Vec<Spanned<IpNet>>,
    /// Local addresses.
    pub listeners: Vec<Spanned<Listener>>,
    /// The view whose settings are taken over.
    pub extends: Option<Spanned<String>>,
    /// What of it is not.
    pub without: Vec<Spanned<String>>,
    /// The default route.
    pub upstream: Option<Spanned<String>>,
    /// Routes of suffixes.
    pub forward: Vec<RouteSpec>,
    /// The upstream for private reverse names.
    pub reverse: Option<Spanned<String>>,
    /// Names or globs of endpoints.
    pub endpoints: Vec<Spanned<String>>,
    /// Names or globs of zones.
    pub zones: Vec<Spanned<String>>,
    /// The kinds that must answer privately.
    pub private: Option<Spanned<Vec<Spanned<EndpointKind>>>>,
    /// Foreign names.
    pub unlisted: Option<Spanned<Unlisted>>,
    /// The guard.
    pub guard: Option<Spanned<GuardMode>>,
    /// More guarded names.
    pub must_be_private: Option<Vec<Spanned<Pattern>>>,
    /// What counts as private.
    pub private_ranges: Option<Vec<Spanned<IpNet>>>,
    /// The clients' deadline.
    pub reply_within: Option<Spanned<Duration>>,
    /// Names that are kept in the cache.
    pub keep_warm: Option<Vec<Spanned<DnsName>>>,
    /// `missing` of zones by name.
    pub missing: Vec<(Spanned<String>, Missing)>,
    /// Which of its queries are logged, where written.
    pub log_queries: Option<Spanned<QueryLevel>>,
    /// How much of its clients' addresses is logged, where written.
    pub log_clients: Option<Spanned<ClientDetail>>,
    /// The key path of the table.
    pub path: String,
    /// Whether something of it could not be read.
    pub faulty: bool,
}

impl ViewSpec {
    /// Whether only `extends` may use it (R7).
    pub fn is_abstract(&self) -> bool {
        self.networks.is_empty() && self.listeners.is_empty()
    }
}
