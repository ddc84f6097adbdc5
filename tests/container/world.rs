//! A hub and its spokes as network namespaces behind one router, none of them connected to the test's own:
//!
//! ```text
//!  avd 10.10/16  hosts 10.20/16  iso 10.30/16  site 172.31.0/24 (its forwarder, 172.31.0.10)
//!        └────────────┴──── router ────┴─────────────┘
//!        ┌──────────┬──────────┴──────────────┐
//!  one 10.100.1.4  two 10.100.2.4   platform 198.51.100.16   corp 172.30.0.53
//!  (two containers)                  (the platform resolver)   (on premises)
//! ```

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::container::{Container, HARDENED, readable, wait_until_it_answers};
use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::{Public, Script, Seen, Upstream, http};
use crate::namespace::Namespace;

/// What the platform resolver takes in a second; above that it drops.
const QUOTA: usize = 500;
/// The port of the listener for the site's forwarder.
pub(crate) const FORWARDER_PORT: u16 = 5353;
/// The forwarder of the site.
pub(crate) const FORWARDER: &str = "172.31.0.10";

pub(crate) const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
pub(crate) const WORKSPACE: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";

/// A network whose clients ask the hub.
pub(crate) struct Spoke {
    pub(crate) word: &'static str,
    pub(crate) namespace: Namespace,
    /// Clients in it.
    pub(crate) sources: Vec<String>,
    /// The port that they ask.
    pub(crate) port: u16,
}

/// One of the hub's two servers.
pub(crate) struct Server {
    pub(crate) container: Option<Container>,
    pub(crate) namespace: Namespace,
    pub(crate) ip: IpAddr,
    folder: TempDir,
}

/// An upstream in a namespace of its own.
pub(crate) struct Hosted {
    upstream: Option<Upstream>,
    namespace: Namespace,
    /// Its plug at the router.
    plug: &'static str,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // Its end is a connection to itself.
        let upstream = self.upstream.take();
        self.namespace.inside(|| drop(upstream));
    }
}

impl Hosted {
    /// Every query that reached it.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.upstream.as_ref().map(Upstream::seen).unwrap_or_default()
    }
}

/// All of it. What comes first goes first.
pub(crate) struct World {
    pub(crate) servers: [Server; 2],
    pub(crate) platform: Hosted,
    pub(crate) corp: Hosted,
    /// Queries that the platform dropped since they were over its quota.
    pub(crate) dropped: Arc<AtomicUsize>,
    pub(crate) spokes: [Spoke; 4],
    router: Namespace,
}

/// Plugs a namespace into the router, which has `gateway` there.
fn plug(router: &Namespace, namespace: &Namespace, word: &str, gateway: &str, address: &str) {
    router.ip(&["link", "add", word, "type", "veth", "peer", "name", "eth0", "netns", &namespace.name]);
    router.ip(&["address", "add", gateway, "dev", word]);
    router.ip(&["link", "set", word, "up"]);
    namespace.ip(&["address", "add", address, "dev", "eth0"]);
    namespace.ip(&["link", "set", "eth0", "up"]);
    let (gateway, _) = gateway.split_once('/').expect("a prefix");
    namespace.ip(&["route", "add", "default", "via", gateway]);
}

impl World {
    /// Everything but the containers.
    pub(crate) fn new() -> Self {
        let router = Namespace::new("router");
        router.inside(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1")).expect("it can forward");
        let spoke = |word, second: &str, clients: u8, port| {
            let namespace = Namespace::new(word);
            plug(&router, &namespace, word, &format!("{second}.0.1/16"), &format!("{second}.0.10/16"));
            let sources: Vec<_> = (1..=clients).map(|host| format!("{second}.1.{host}")).collect();
            for source in &sources {
                namespace.ip(&["address", "add", &format!("{source}/16"), "dev", "eth0"]);
            }
            Spoke { word, namespace, sources, port }
        };
        let [avd, hosts, iso] =
            [("avd", "10.10"), ("hosts", "10.20"), ("iso", "10.30")].map(|(word, second)| spoke(word, second, 32, 53));
        let site = Namespace::new("site");
        plug(&router, &site, "site", "172.31.0.1/24", "172.31.0.10/24");
        let site = Spoke { word: "site", namespace: site, sources: vec![FORWARDER.to_owned()], port: FORWARDER_PORT };
        let dropped = Arc::new(AtomicUsize::new(0));
        let quota = Quota::new(Arc::clone(&dropped));
        let platform = host(&router, "platform", "198.51.100", 16, move |seen| quota.take(seen));
        let corp = host(&router, "corp", "172.30.0", 53, on_premises);
        let servers = ["one", "two"].into_iter().zip(1..).map(|(word, number)| {
            let (namespace, ip) = (Namespace::new(word), format!("10.100.{number}.4"));
            plug(&router, &namespace, word, &format!("10.100.{number}.1/24"), &format!("{ip}/24"));
            let ip = ip.parse().expect("an address");
            Server { namespace, ip, container: None, folder: TempDir::new().expect("a folder") }
        });
        let servers: Vec<_> = servers.collect();
        let servers = servers.try_into().unwrap_or_else(|_| unreachable!("two"));
        Self { servers, platform, corp, dropped, spokes: [avd, hosts, iso, site], router }
    }

    /// With both containers, which have limits and lines of `[server]` of the test's own.
    pub(crate) fn start(more: &str, arguments: &[&str]) -> Self {
        let mut world = Self::new();
        for server in &mut world.servers {
            server.start(more, arguments);
        }
        world
    }

    pub(crate) fn spoke(&self, word: &str) -> &Spoke {
        self.spokes.iter().find(|spoke| spoke.word == word).expect("a spoke")
    }

    /// Cuts an upstream off the router, or plugs it in again.
    pub(crate) fn cut(&self, upstream: &Hosted, is_cut: bool) {
        self.router.ip(&["link", "set", upstream.plug, if is_cut { "down" } else { "up" }]);
    }
}

impl Server {
    /// Starts its container.
    pub(crate) fn start(&mut self, more: &str, arguments: &[&str]) {
        self.write(&configuration(self.ip, more));
        let mount = format!("{}:/etc/hubdns:ro", self.folder.path().display());
        let container = Container::start(&self.namespace, &[HARDENED, arguments, &["-v", &mount]].concat());
        self.container = Some(container);
        self.namespace.inside(|| wait_until_it_answers(self.at(53)));
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }

    pub(crate) fn container(&self) -> &Container {
        self.container.as_ref().expect("it was started")
    }

    /// The folder that is mounted as its configuration.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn write(&self, text: &str) {
        readable(self.folder.path(), "hubdns.toml", text);
    }

    /// Whether it says that it is ready; none where it says nothing.
    pub(crate) fn is_ready(&self) -> Option<bool> {
        self.namespace.inside(|| {
            std::net::TcpStream::connect(self.at(8080)).ok()?;
            Some(http::get(self.at(8080), "/readyz").status == 200)
        })
    }

    /// Waits until it is ready.
    pub(crate) fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.is_ready() != Some(true) {
            assert!(Instant::now() < deadline, "{} is not ready: {}", self.ip, self.container().log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An upstream in a new namespace.
fn host(
    router: &Namespace,
    plug_name: &'static str,
    network: &str,
    last: u8,
    answer: impl Fn(&Seen) -> Script + Send + Sync + 'static,
) -> Hosted {
    let namespace = Namespace::new(plug_name);
    let ip = format!("{network}.{last}");
    plug(router, &namespace, plug_name, &format!("{network}.1/24"), &format!("{ip}/24"));
    let address = SocketAddr::new(ip.parse().expect("an address"), 53);
    let upstream = namespace.inside(|| Upstream::start_at(address, answer));
    Hosted { upstream: Some(upstream), namespace, plug: plug_name }
}

/// The platform resolver: public names, a zone that is linked to the hub's network, and a quota beyond which it drops.
struct Quota {
    public: Public,
    second: Mutex<(Instant, usize)>,
    dropped: Arc<AtomicUsize>,
}

impl Quota {
    fn new(dropped: Arc<AtomicUsize>) -> Self {
        let (broker, linked) =
            (format!("{POOL}.rdbroker.wvd.microsoft.com"), format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"));
        let public = Public::new([
            Rr::cname("rdweb.wvd.microsoft.com", 300, "rdweb.privatelink-global.wvd.microsoft.com"),
            Rr::host("rdweb.privatelink-global.wvd.microsoft.com", 300, "203.0.113.67"),
            // Wrongly linked to the hub's network: one address for all, whoever asks.
            Rr::cname(&broker, 300, &linked),
            Rr::host(&linked, 300, "10.99.0.7"),
            Rr::cname("desk.alias.example", 300, &broker),
            Rr::cname("app.alias.example", 300, "app.corp.example"),
            Rr::host("app.corp.example", 300, "203.0.113.99"),
            Rr::host(&format!("{WORKSPACE}.wvd.microsoft.com"), 300, "203.0.113.68"),
            Rr::host("acct1.blob.core.windows.net", 300, "203.0.113.80"),
            Rr::host("www.public.example", 300, "203.0.113.10"),
            // Rightly linked: what is meant for all who can reach the hub.
            Rr::host("db1.linked.example", 300, "10.50.0.5"),
        ]);
        Self { public, second: Mutex::new((Instant::now(), 0)), dropped }
    }

    fn take(&self, seen: &Seen) -> Script {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        if second.1 > QUOTA {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Script::silence();
        }
        match seen.name.strip_suffix(".random.example") {
            Some(_) if seen.kind == kind::A => Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.11")]),
            _ => self.public.answer(&seen.name, seen.kind),
        }
    }
}

/// The site's own names, and its reverse names.
fn on_premises(seen: &Seen) -> Script {
    match (&*seen.name, seen.kind) {
        ("app.corp.example", kind::A) => Script::records(vec![Rr::host(&seen.name, 300, "172.30.9.9")]),
        ("9.9.30.172.in-addr.arpa", kind::PTR) => {
            Script::records(vec![Rr::new(&seen.name, kind::PTR, 300, wire_name("app.corp.example"))])
        }
        (name, _) if name.ends_with("corp.example") => Script::nxdomain("corp.example"),
        (name, _) => {
            // Of the reverse tree it is asked what hubdns does not hold.
            let labels: Vec<_> = name.rsplitn(4, '.').collect();
            Script::nxdomain(&labels[..labels.len().min(3)].iter().rev().copied().collect::<Vec<_>>().join("."))
        }
    }
}

/// The endpoints of one network: `second` is the second octet of their addresses.
fn endpoints(word: &str, second: u8, has_all: bool) -> String {
    let at = |last: u8| format!("[\"10.{second}.200.{last}\"]");
    let all = format!(
        r#"
[[endpoint]]
name = "discovery-{word}"
kind = "global"
records = {{ "rdweb.wvd.microsoft.com" = {} }}
[[endpoint]]
name = "ws-{word}"
kind = "workspace"
records = {{ "{WORKSPACE}.wvd.microsoft.com" = {} }}
"#,
        at(4),
        at(5)
    );
    let pool = format!(
        r#"
[[endpoint]]
name = "hp-{word}"
kind = "host-pool"
[endpoint.records]
"{POOL}.rdbroker.wvd.microsoft.com" = {}
"{POOL}.rddiagnostics-g-us-r0.wvd.microsoft.com" = {}
"{POOL}.afdfp-rdgateway.wvd.microsoft.com" = {}
"#,
        at(7),
        at(8),
        at(9)
    );
    if has_all { all + &pool } else { pool }
}

/// What one of the servers is configured by.
pub(crate) fn configuration(ip: IpAddr, more: &str) -> String {
    let tables: String = [("avd", 10, true), ("hosts", 20, false), ("iso", 30, true), ("site", 40, true)]
        .map(|(word, second, has_all)| endpoints(word, second, has_all))
        .concat();
    format!(
        r#"
version = 1
[server]
listen = ["{ip}:53", "{ip}:{FORWARDER_PORT}"]
health = "{ip}:8080"
{more}
[cache]
size = "32MiB"
[[upstream]]
name = "azure"
servers = ["198.51.100.16"]
max-qps = 200
[[upstream]]
name = "onprem"
servers = ["172.30.0.53"]
{tables}
[[zone]]
name = "blob"
apex = "privatelink.blob.core.windows.net"
records = {{ "acct1" = ["10.100.50.4"] }}
missing = "forward"
[[zone]]
name = "blob-iso"
apex = "privatelink.blob.core.windows.net"
records = {{ "acct1" = ["10.30.50.4"] }}
missing = "forward"
[[view]]
name = "avd"
networks = ["10.10.0.0/16"]
upstream = "azure"
forward = [{{ suffix = "corp.example", upstream = "onprem" }}]
reverse = "onprem"
endpoints = ["*-avd"]
zones = ["blob"]
[[view]]
name = "hosts"
networks = ["10.20.0.0/16"]
upstream = "azure"
forward = [{{ suffix = "corp.example", upstream = "onprem" }}]
reverse = "onprem"
endpoints = ["hp-hosts"]
zones = ["blob"]
[[view]]
name = "iso"
networks = ["10.30.0.0/16"]
upstream = "azure"
endpoints = ["*-iso"]
zones = ["blob-iso"]
[[view]]
name = "site"
networks = ["172.31.0.0/24"]
listeners = ["{ip}:{FORWARDER_PORT}"]
upstream = "azure"
forward = [{{ suffix = "corp.example", upstream = "onprem" }}]
reverse = "onprem"
endpoints = ["*-site"]
"#
    )
}
