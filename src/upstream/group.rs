//! `Group`: the servers of one `[[upstream]]` and how they are asked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Peer;
use crate::wire::RouteId;

/// Azure's platform resolver: it drops past 200 pending queries and 1,000 a second.
const PLATFORM: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, and TCP where an answer is truncated.
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls(Peer),
    /// DNS over HTTPS: whose name is the host's too, and the path (RFC 8484).
    Https(Peer, Arc<str>),
    /// DNS over QUIC (RFC 9250).
    Quic(Peer),
}

impl Transport {
    /// The other end of an encrypted connection.
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Plain => None,
            Self::Tls(peer) | Self::Https(peer, _) | Self::Quic(peer) => Some(peer),
        }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Address and port.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Plain => write!(f, "{}", self.address),
            Transport::Tls(peer) => write!(f, "tls://{}#{}", self.address, peer.name),
            Transport::Https(peer, path) => {
                write!(f, "https://{}:{}{path}#{}", peer.name, self.address.port(), self.address.ip())
            }
            Transport::Quic(peer) => write!(f, "quic://{}#{}", self.address, peer.name),
        }
    }
}

/// Which server of a group is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The first in the file that is not down.
    Ordered,
    /// Each in turn.
    RoundRobin,
    /// The one with the lowest smoothed round-trip time.
    Fastest,
    /// Two at once; the first answer wins.
    Race,
}

/// Whether the case of QNAME's letters is mixed (0x20, R30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseMixing {
    /// On, and off for an hour where a server does not echo it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// A named group of servers.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its servers, at least one, in the file's order.
    pub servers: Vec<Server>,
    /// Which is asked first.
    pub policy: Policy,
    /// The budget of a whole exchange, all tries included.
    pub timeout: Duration,
    /// Open questions per server address as written; counted over all groups (R31).
    pub max_in_flight: Option<u32>,
    /// Questions per second and server address as written; counted over all groups (R31).
    pub max_qps: Option<u32>,
    /// 0x20.
    pub case: CaseMixing,
}

impl Group {
    /// What can change the bytes of its answers (R3): the set of servers, and whose word is taken for who they are.
    /// Neither its name nor its policy, timeouts or order. Stable within a process and between equal builds.
    pub fn route_id(&self) -> RouteId {
        let trust = |server: &Server| server.transport.peer().map(|peer| *peer.trust.digest());
        let mut servers: Vec<_> = self.servers.iter().map(|server| (server.to_string(), trust(server))).collect();
        servers.sort_unstable();
        servers.dedup();
        // A fixed seed: the same servers keep their cached answers over a reload, and a saved cache over a restart.
        let mut hasher = Stable(0xcbf2_9ce4_8422_2325);
        for (server, trust) in servers {
            server.hash(&mut hasher);
            if let Some(digest) = trust {
                hasher.write(&digest);
            }
        }
        RouteId(hasher.finish())
    }

    /// The most questions that may be open at a server: as written, else by what it is (R31).
    pub fn most_in_flight(&self, server: &Server) -> u32 {
        self.max_in_flight.unwrap_or(if server.address.ip() == PLATFORM { 150 } else { 5_000 })
    }

    /// The most questions that a server is sent in a second: as written, else by what it is (R31).
    pub fn most_per_second(&self, server: &Server) -> Option<u32> {
        self.max_qps.or((server.address.ip() == PLATFORM).then_some(900))
    }

    /// How long a client of the group waits for its reply unless its view says so: the timeout less 200 ms (R27).
    pub fn reply_within(&self) -> Duration {
        self.timeout.saturating_sub(Duration::from_millis(200)).max(Duration::from_millis(100))
    }
}

/// FNV-1a with a final mix. The input is the operator's, so it needs no secret.
struct Stable(u64);

impl Hasher for Stable {
    fn finish(&self) -> u64 {
        let mut mixed = self.0;
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ mixed >> 33
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Trust;
    use crate::upstream::encrypted::authority;

    fn group(name: &str, servers: &[&str]) -> Group {
        let server = |address: &&str| Server { address: address.parse().unwrap(), transport: Transport::Plain };
        Group {
            name: name.into(),
            servers: servers.iter().map(server).collect(),
            policy: Policy::Ordered,
            timeout: Duration::from_secs(5),
            max_in_flight: None,
            max_qps: None,
            case: CaseMixing::Off,
        }
    }

    #[test]
    fn r03_a_route_is_its_set_of_servers() {
        let one = group("one", &["127.0.0.1:53", "127.0.0.2:53"]);
        let mut two = group("two", &["127.0.0.2:53", "127.0.0.1:53"]);
        two.policy = Policy::Race;
        assert_eq!(one.route_id(), two.route_id());
        assert_ne!(one.route_id(), group("one", &["127.0.0.1:53"]).route_id());
        let tls = |authority: &str| {
            let trust = Trust::from_pem(authority.as_bytes()).unwrap();
            Transport::Tls(Peer::new("dns.example", trust).unwrap())
        };
        let (authority, other) = (authority(), authority());
        two.servers[0].transport = tls(&authority);
        assert_ne!(one.route_id(), two.route_id());
        let mut three = two.clone();
        assert_eq!(two.route_id(), three.route_id());
        three.servers[0].transport = tls(&other);
        assert_ne!(two.route_id(), three.route_id(), "other authorities, another route");
    }
}
