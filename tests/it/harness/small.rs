//! The small world that the field cases share: two spokes with the same zone names, a catch-all view, one upstream
//! group of two servers that play the public DNS.

use super::client::Client;
use super::message::Rr;
use super::public::Public;
use super::server::{Server, Setup};
use super::upstream::{Script, Seen, Upstream};

/// A client of view `spoke-a`, of `spoke-b`, and of the catch-all.
pub(crate) const SPOKE_A: &str = "127.0.10.9";
pub(crate) const SPOKE_B: &str = "127.0.20.9";
pub(crate) const OTHER: &str = "127.0.30.9";

/// What a case adds to the small world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Small {
    /// Records of `spoke-a`'s zone `privatelink.avd.example`, each with a comma after it.
    pub(crate) records: String,
    /// Lines of `spoke-a`'s view.
    pub(crate) view: String,
    /// Endpoints of `spoke-a` beside `rdweb`, as quoted names with a comma before each.
    pub(crate) endpoints: String,
    /// Zones of `spoke-a` beside its two, likewise.
    pub(crate) zones: String,
    /// Lines of the upstream group.
    pub(crate) upstream: String,
    /// More tables.
    pub(crate) more: String,
}

/// How an alias stands among a zone's inline records.
pub(crate) fn inline_alias(name: &str, target: &str) -> String {
    format!("\"{name}\" = {{ cname = \"{target}\" }}, ")
}

/// What the public DNS of the small world holds.
pub(crate) fn public() -> Public {
    Public::new([
        Rr::cname("hp1.avd.example", 300, "hp1.privatelink.avd.example"),
        Rr::host("hp1.privatelink.avd.example", 300, "203.0.113.4"),
        Rr::host("hp1.privatelink.avd.example", 300, "2001:db8::4"),
        Rr::host("www.public.example", 300, "198.51.100.10"),
    ])
}

impl Small {
    /// The configuration without `version` and `[server]`.
    pub(crate) fn text(&self, servers: &[String]) -> String {
        let servers: Vec<_> = servers.iter().map(|server| format!("\"{server}\"")).collect();
        let Self { records, view, endpoints, zones, upstream, more } = self;
        format!(
            r#"
[[upstream]]
name = "public"
servers = [{servers}]
{upstream}
[[zone]]
name = "avd-a"
apex = "privatelink.avd.example"
ttl = "5m"
records = {{ {records}"hp1" = ["10.10.4.4"], "ws1" = ["10.10.4.5"] }}
[[zone]]
name = "global-a"
apex = "privatelink-global.avd.example"
missing = "forward"
records = {{ "init" = ["10.10.4.6"] }}
[[zone]]
name = "avd-b"
apex = "privatelink.avd.example"
ttl = "5m"
records = {{ "hp1" = ["10.20.4.4"] }}
[[endpoint]]
name = "rdweb"
kind = "other"
records = {{ "rdweb.avd.example" = ["10.10.4.7"] }}
[[view]]
name = "spoke-a"
upstream = "public"
networks = ["127.0.10.0/24"]
zones = ["avd-a", "global-a"{zones}]
endpoints = ["rdweb"{endpoints}]
{view}
[[view]]
name = "spoke-b"
upstream = "public"
networks = ["127.0.20.0/24"]
zones = ["avd-b"]
[[view]]
name = "default"
upstream = "public"
networks = ["0.0.0.0/0", "::/0"]
{more}
"#,
            servers = servers.join(", ")
        )
    }

    /// Starts two upstreams that answer from one table, and the server.
    pub(crate) fn start(&self, public: Public) -> Running {
        self.start_with(move |seen| public.answer(&seen.name, seen.kind))
    }

    /// Starts two upstreams with one script, and the server.
    pub(crate) fn start_with(&self, answer: impl Fn(&Seen) -> Script + Send + Sync + Clone + 'static) -> Running {
        self.start_two(answer.clone(), answer)
    }

    /// Starts two upstreams with a script each, and the server.
    pub(crate) fn start_two(
        &self,
        first: impl Fn(&Seen) -> Script + Send + Sync + 'static,
        second: impl Fn(&Seen) -> Script + Send + Sync + 'static,
    ) -> Running {
        let (u1, u2) = (Upstream::start(first), Upstream::start(second));
        let server = Setup::new(self.text(&[u1.server(), u2.server()])).start();
        Running { server, u1, u2 }
    }
}

/// The small world, running.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) u1: Upstream,
    pub(crate) u2: Upstream,
}

impl Running {
    pub(crate) fn spoke_a(&self) -> Client {
        self.server.client(SPOKE_A)
    }

    pub(crate) fn spoke_b(&self) -> Client {
        self.server.client(SPOKE_B)
    }

    pub(crate) fn other(&self) -> Client {
        self.server.client(OTHER)
    }

    /// How often the upstreams were asked for a name, any type.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.u1.count(name) + self.u2.count(name)
    }

    /// How often the upstreams were asked at all.
    pub(crate) fn asked_in_all(&self) -> usize {
        self.u1.total() + self.u2.total()
    }
}
