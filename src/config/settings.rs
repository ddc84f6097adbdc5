//! The settings that live on while serving: server and cache, never records.

use std::net::SocketAddr;
use std::time::Duration;

use super::Token;
use super::spec::{LogSpec, Spec};

/// What stays of the file beside the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where DNS is served, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// UDP workers; 0 is one for each available core.
    pub workers: usize,
    /// The health listener.
    pub health: Option<SocketAddr>,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
    /// The admin listener's token, which the loader reads.
    pub token: Option<Token>,
    /// How long to answer on after SIGTERM.
    pub lameduck: Duration,
    /// Whether changed files are loaded by themselves.
    pub watch: bool,
    /// The cache's settings.
    pub cache: CacheConfig,
    /// The query log's settings.
    pub log: LogSpec,
}

/// The cache's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// The bound in octets, all included; 0 is off.
    pub size_octets: u64,
    /// How long an expired answer may serve; zero is off.
    pub serve_stale: Duration,
    /// The longest life of an answer.
    pub max_ttl: Duration,
    /// The longest life of a negative answer.
    pub max_negative_ttl: Duration,
    /// The file that the answers are kept in from one process to the next, relative to the configuration's folder.
    pub file: Option<String>,
}

impl Config {
    /// Out of a main file's spec; `None` when its `[server]` could not be read.
    pub fn from_spec(spec: &Spec) -> Option<Self> {
        let server = spec.server.as_ref()?;
        let value = |at: &super::Spanned<SocketAddr>| at.value;
        Some(Self {
            listen: server.listen.iter().map(value).collect(),
            workers: server.workers.value,
            health: server.health.as_ref().map(value),
            admin: server.admin.as_ref().map(value),
            token: None,
            lameduck: server.lameduck.value,
            watch: spec.watch,
            cache: CacheConfig {
                size_octets: spec.cache.size_octets,
                serve_stale: spec.cache.serve_stale,
                max_ttl: spec.cache.max_ttl,
                max_negative_ttl: spec.cache.max_negative_ttl,
                file: spec.cache.file.clone(),
            },
            log: spec.log.clone(),
        })
    }
}
