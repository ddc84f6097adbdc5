//! `hubdns import corefile|unbound|bind|dnsmasq|hosts`: one split-horizon set-up in the words of each server, imported by
//! the binary and served by it: forwarded suffixes, local names, views by client prefix; all else is listed.

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::server::run;
use crate::harness::{Script, Server, Setup, Upstream};
use std::fs;
use tempfile::TempDir;

/// A client of the view `spoke`, and one of nobody's.
const SPOKE: &str = "127.0.10.9";
const OTHER: &str = "127.0.20.9";

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

/// An upstream that gives every name one address.
fn upstream(address: &'static str) -> Upstream {
    Upstream::start(move |seen| match seen.kind {
        kind::A => Script::records(vec![Rr::host(&seen.name, 300, address)]),
        _ => Script::nodata("example"),
    })
}

/// The servers behind: everybody's, those of corp.example, the spoke's own.
struct World {
    up: Upstream,
    corp: Upstream,
    spoke: Upstream,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { up: upstream("203.0.113.1"), corp: upstream("198.51.100.1"), spoke: upstream("192.0.2.1"), folder }
    }

    /// Imports a text, checks the result and serves it; also what was told, and the result itself. In the text `@UP`,
    /// `@CORP` and `@SPOKE` stand for servers, with this between address and port.
    fn serve(&self, format: &str, separator: &str, text: &str) -> (Server, String, String) {
        let mut text = text.to_owned();
        for (mark, server) in [("@UP", &self.up), ("@CORP", &self.corp), ("@SPOKE", &self.spoke)] {
            text = text.replace(mark, &server.server().replace(':', separator));
        }
        let path = |name: &str| self.folder.path().join(name).to_str().expect("a plain path").to_owned();
        let (source, output) = (path("source.conf"), path("hub.toml"));
        fs::write(&source, text).expect("written");
        let (code, out, told) = run(&["import", format, &source, "-o", &output]);
        assert_eq!((code, &*out), (0, ""), "{told}");
        let (code, _, findings) = run(&["check", "-c", &output]);
        assert_eq!(code, 0, "{findings}");
        let made = fs::read_to_string(&output).expect("the result");
        let (_, tables) = made.split_once("\n[[upstream]]").expect("an upstream");
        let server = Setup::new(format!("[[upstream]]{tables}")).start();
        (server, told, made)
    }
}

/// The addresses of a name for a client.
fn ask(server: &Server, client: &str, name: &str) -> Vec<String> {
    let reply = server.client(client).ask(name, kind::A);
    reply.addresses().iter().map(ToString::to_string).collect()
}

/// That everything in a list is told on standard error and stands in the result as a comment.
fn assert_left(told: &str, made: &str, left: &[&str]) {
    let comments: String = made.lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert!(comments.contains("# Not carried over:"), "{made}");
    for own in left {
        assert!(told.contains(own), "{own:?} is not told:\n{told}");
        assert!(comments.contains(own), "{own:?} is no comment:\n{comments}");
    }
    assert!(told.contains("info[H0617]"), "{told}");
}

#[test]
fn a_corefile_is_served() {
    let world = World::new();
    let text = "
(common) {
    errors
    cache 30
}
.:5300 {
    import common
    bind 127.0.0.1
    forward . @UP
    template IN A ads.example { answer \"{{ .Name }} A 0.0.0.0\" }
    ratelimit 100
}
corp.example, sub.corp2.example {
    forward . @CORP {
        max_concurrent 100
    }
}
office.example {
    hosts {
        10.1.2.3 printer.office.example scanner.office.example
        ttl 60
    }
}
lab.example {
    hosts {
        10.1.2.9 one.lab.example
        fallthrough
    }
    forward . @CORP
}
. {
    view spoke { expr incidr(client_ip(), '127.0.10.0/24') || incidr(client_ip(), '10.10.0.0/16') }
    forward . @SPOKE
}
spoke.example {
    view spoke { expr incidr(client_ip(), '127.0.10.0/24') }
    hosts {
        10.10.1.7 app.spoke.example
    }
}
. {
    view odd { expr name() matches '^x' }
    forward . 10.99.99.99
}
";
    let (server, told, made) = world.serve("corefile", ":", text);
    assert_eq!(ask(&server, OTHER, "www.public.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "a.corp.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "a.sub.corp2.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "printer.office.example"), ["10.1.2.3"]);
    let missing = server.client(OTHER).ask("none.office.example", kind::A);
    assert_eq!(missing.rcode(), rcode::NXDOMAIN, "without fallthrough the block ends there");
    assert_eq!(ask(&server, OTHER, "one.lab.example"), ["10.1.2.9"]);
    assert_eq!(ask(&server, OTHER, "two.lab.example"), ["198.51.100.1"]);
    // the view: its own forward and names, and what everybody has
    assert_eq!(ask(&server, SPOKE, "www.public.example"), ["192.0.2.1"]);
    assert_eq!(ask(&server, SPOKE, "a.corp.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, SPOKE, "app.spoke.example"), ["10.10.1.7"]);
    assert_eq!(ask(&server, SPOKE, "scanner.office.example"), ["10.1.2.3"]);
    assert_eq!(ask(&server, OTHER, "app.spoke.example"), ["203.0.113.1"]);
    assert_left(
        &told,
        &made,
        &["template IN A ads.example", "ratelimit 100", "forward: max_concurrent 100", "view odd: expr name() matches"],
    );
    assert!(!told.contains("cache 30") && !made.contains("10.99.99.99"), "{told}{made}");
    assert!(made.contains("listen = [\"0.0.0.0\", \"127.0.0.1:5300\"]"), "{made}");
}

#[test]
fn unbound_is_served() {
    let world = World::new();
    let text = format!(
        "
server:
    verbosity: 1
    interface: 127.0.0.1@5300
    access-control: 127.0.0.0/8 allow
    access-control: 0.0.0.0/0 refuse
    access-control-view: 127.0.10.0/24 spoke
    local-zone: \"office.example.\" static
    local-data: \"printer.office.example. 60 IN A 10.1.2.3\"
    local-data: 'www.office.example. CNAME printer.office.example.'
    local-data: \"office.example. TXT hello\"
    local-zone: \"soft.example\" transparent
    local-data: \"one.soft.example A 10.1.2.8\"
    local-zone: \"wild.example\" redirect
    local-data: \"wild.example A 10.1.2.9\"
    local-data: \"single.public.example A 10.1.2.10\"
    local-zone: \"privatelink.wvd.microsoft.com\" static
    local-data: \"{POOL}.rdbroker.privatelink.wvd.microsoft.com A 10.10.1.7\"
    private-address: 10.0.0.0/8
    include: \"/etc/unbound/more.conf\"
forward-zone:
    name: \".\"
    forward-addr: @UP
forward-zone:
    name: \"corp.example\"
    forward-addr: @CORP
    forward-first: yes
stub-zone:
    name: \"stub.example\"
    stub-addr: @CORP
view:
    name: \"spoke\"
    view-first: yes
    local-data: \"app.spoke.example A 10.10.1.7\"
    local-zone: \"office.example\" static
    local-data: \"printer.office.example A 10.10.2.3\"
remote-control:
    control-enable: yes
"
    );
    let (server, told, made) = world.serve("unbound", "@", &text);
    assert_eq!(ask(&server, OTHER, "www.public.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "a.corp.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "a.stub.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "www.office.example"), ["10.1.2.3"]);
    assert_eq!(server.client(OTHER).ask("none.office.example", kind::A).rcode(), rcode::NXDOMAIN);
    assert_eq!(ask(&server, OTHER, "one.soft.example"), ["10.1.2.8"]);
    assert_eq!(ask(&server, OTHER, "two.soft.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "any.wild.example"), ["10.1.2.9"]);
    assert_eq!(ask(&server, OTHER, "wild.example"), ["10.1.2.9"]);
    assert_eq!(ask(&server, OTHER, "single.public.example"), ["10.1.2.10"]);
    // a zone of AVD is its names as an endpoint: both spellings, and nothing that it lacks is hidden
    for name in ["privatelink.wvd", "wvd"].map(|zone| format!("{POOL}.rdbroker.{zone}.microsoft.com")) {
        assert_eq!(ask(&server, OTHER, &name), ["10.10.1.7"], "{name}");
    }
    assert_eq!(ask(&server, OTHER, "client.wvd.microsoft.com"), ["203.0.113.1"]);
    assert_eq!(ask(&server, SPOKE, "app.spoke.example"), ["10.10.1.7"]);
    assert_eq!(ask(&server, SPOKE, "printer.office.example"), ["10.10.2.3"]);
    assert_eq!(ask(&server, SPOKE, "one.soft.example"), ["10.1.2.8"], "view-first goes on to everybody's");
    assert_eq!(ask(&server, OTHER, "app.spoke.example"), ["203.0.113.1"]);
    assert_left(
        &told,
        &made,
        &[
            "access-control: 0.0.0.0/0 refuse",
            "local-data: office.example TXT",
            "private-address: 10.0.0.0/8",
            "include /etc/unbound/more.conf: the file is not read",
            "forward-first: yes",
        ],
    );
}

#[test]
fn views_of_unbound_that_stand_alone_do_not_see_everybodys_names() {
    let world = World::new();
    let text = "server:\n  access-control: 127.0.0.0/8 allow\n  access-control-view: 127.0.10.0/24 spoke\n  \
                local-data: \"a.office.example A 10.1.2.3\"\nview:\n  name: spoke\n  local-data: \"b.office.example A 10.10.1.7\"\n\
                forward-zone:\n  name: .\n  forward-addr: @UP\nforward-zone:\n  name: corp.example\n  forward-addr: @CORP\n";
    let (server, _, _) = world.serve("unbound", "@", text);
    assert_eq!(ask(&server, OTHER, "a.office.example"), ["10.1.2.3"]);
    assert_eq!(ask(&server, SPOKE, "a.office.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, SPOKE, "b.office.example"), ["10.10.1.7"]);
    assert_eq!(ask(&server, SPOKE, "x.corp.example"), ["198.51.100.1"]);
}

#[test]
fn bind_is_served() {
    let world = World::new();
    let zone = world.folder.path().join("office.zone");
    fs::write(&zone, "$TTL 60\n@ SOA ns.office.example. a.office.example. 1 2 3 4 5\n@ NS ns\nns A 10.1.2.2\nprinter A 10.1.2.3\n* TXT \"x\"\n")
        .expect("written");
    let text = format!(
        "
// spokes
acl \"spokes\" {{ 127.0.10.0/24; 10.10/16; }};
options {{
    directory \"/var/cache/bind\";
    listen-on port 5300 {{ 127.0.0.1; }};
    forwarders {{ @UP; }};
    allow-transfer {{ none; }};
    response-policy {{ zone \"rpz\"; }};
}};
view \"spoke\" {{
    match-clients {{ spokes; }};
    forwarders {{ @SPOKE; }};
    zone \"corp.example\" IN {{ type forward; forward only; forwarders {{ @CORP; }}; }};
    zone \"office.example\" {{ type primary; file \"{}\"; }};
    zone \".\" {{ type hint; file \"db.root\"; }};
}};
view \"rest\" {{
    match-clients {{ any; !10.66.0.0/16; }};
    zone \"stub.example\" {{ type static-stub; server-addresses {{ @CORP; }}; }};
    zone \"copy.example\" {{ type secondary; primaries {{ 10.0.0.9; }}; }};
}};
view \"late\" {{ match-clients {{ 10.77.0.0/16; }}; }};
include \"/etc/bind/more.conf\";
",
        zone.display()
    );
    let (server, told, made) = world.serve("bind", " port ", &text);
    assert_eq!(ask(&server, SPOKE, "www.public.example"), ["192.0.2.1"]);
    assert_eq!(ask(&server, SPOKE, "a.corp.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, SPOKE, "printer.office.example"), ["10.1.2.3"]);
    assert_eq!(ask(&server, OTHER, "printer.office.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "a.stub.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "a.corp.example"), ["203.0.113.1"]);
    assert_left(
        &told,
        &made,
        &[
            "options: allow-transfer",
            "options: response-policy",
            "!10.66.0.0/16: only prefixes",
            "zone copy.example: zone transfers",
            "view late: 10.77.0.0/16 lies in 0.0.0.0/0 of view rest",
            "include /etc/bind/more.conf: the file is not read",
        ],
    );
    assert!(made.contains("networks = [\"10.10.0.0/16\", \"127.0.10.0/24\"]"), "{made}");
}

#[test]
fn dnsmasq_is_served() {
    let world = World::new();
    let text = "
# the office
no-resolv
port=5300
listen-address=127.0.0.1
server=@UP
server=/corp.example/corp2.example/@CORP
server=/plain.corp.example/#
rev-server=10.20.0.0/16,@CORP
local=/office.example/
host-record=printer.office.example,scanner.office.example,10.1.2.3,120
cname=www.office.example,printer.office.example
address=/wild.example/10.1.2.9
address=/blocked.example/
addn-hosts=/etc/hosts.more
dhcp-range=10.0.0.50,10.0.0.150,12h
";
    let (server, told, made) = world.serve("dnsmasq", "#", text);
    assert_eq!(ask(&server, OTHER, "www.public.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "a.corp.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "a.corp2.example"), ["198.51.100.1"]);
    assert_eq!(ask(&server, OTHER, "a.plain.corp.example"), ["203.0.113.1"]);
    assert_eq!(ask(&server, OTHER, "www.office.example"), ["10.1.2.3"]);
    assert_eq!(server.client(OTHER).ask("none.office.example", kind::A).rcode(), rcode::NXDOMAIN);
    assert_eq!(ask(&server, OTHER, "wild.example"), ["10.1.2.9"]);
    assert_eq!(ask(&server, OTHER, "deep.any.wild.example"), ["10.1.2.9"]);
    assert_eq!(server.client(OTHER).ask("x.blocked.example", kind::A).rcode(), rcode::NXDOMAIN);
    server.client(OTHER).ask("4.3.20.10.in-addr.arpa", kind::PTR);
    assert_eq!(world.corp.count("4.3.20.10.in-addr.arpa"), 1, "rev-server");
    assert_left(
        &told,
        &made,
        &["addn-hosts=/etc/hosts.more: import it with `hubdns import hosts`", "dhcp-range=10.0.0.50"],
    );
}

#[test]
fn a_hosts_file_is_served() {
    let world = World::new();
    let text = "127.0.0.1 localhost\n::1 localhost ip6-localhost # own\n\n10.1.2.3\tprinter.office.example  printer\n\
                10.1.2.3 printer.office.example\nfd00::5 printer.office.example\n0.0.0.0 ads.example\nff02::1 ip6-allnodes\n10.1.2 broken\n10.1.2.4 bad..name\n";
    let folder = world.folder.path().join("hosts");
    fs::write(&folder, text).expect("written");
    let output = world.folder.path().join("hub.toml");
    let upstream = world.up.server();
    let arguments = [
        "import",
        "hosts",
        folder.to_str().expect("a path"),
        "--upstream",
        &upstream,
        "-o",
        output.to_str().expect("a path"),
    ];
    let (code, _, told) = run(&arguments);
    assert_eq!(code, 0, "{told}");
    let made = fs::read_to_string(&output).expect("the result");
    let (_, tables) = made.split_once("\n[[upstream]]").expect("an upstream");
    let server = Setup::new(format!("[[upstream]]{tables}")).start();
    let addresses = |kind| -> Vec<String> {
        server.client(OTHER).ask("printer.office.example", kind).addresses().iter().map(ToString::to_string).collect()
    };
    assert_eq!(addresses(kind::A), ["10.1.2.3"]);
    assert_eq!(addresses(kind::AAAA), ["fd00::5"]);
    assert_eq!(ask(&server, OTHER, "printer"), ["10.1.2.3"]);
    assert_eq!(ask(&server, OTHER, "other.office.example"), ["203.0.113.1"], "only the names themselves are owned");
    assert_left(
        &told,
        &made,
        &[
            "names blocked by an address of zeros: 1",
            "names of the machine itself, by loopback and multicast addresses: 4",
            "\"10.1.2\" is not an IP address",
        ],
    );
    assert!(told.contains("warning[H0620]"), "{told}");
}

#[test]
fn without_a_default_server_names_go_to_the_platform_and_that_is_told() {
    let folder = TempDir::new().expect("a temporary folder");
    let source = folder.path().join("unbound.conf");
    fs::write(&source, "server:\n  access-control: 10.0.0.0/8 allow\n").expect("written");
    let (code, out, told) = run(&["import", "unbound", source.to_str().expect("a path")]);
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("servers = [\"168.63.129.16\"]"), "{out}");
    assert!(told.contains("names without a route were resolved from the root"), "{told}");
    let (_, out, told) = run(&["import", "unbound", source.to_str().expect("a path"), "--upstream", "10.0.0.9"]);
    assert!(out.contains("servers = [\"10.0.0.9\"]") && !told.contains("from the root"), "{out}{told}");
}

#[test]
fn the_result_may_be_tables_for_include() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    fs::write(path("hosts"), "10.1.2.3 a.office.example\n").expect("written");
    let (code, _, told) = run(&["import", "hosts", &path("hosts"), "--included", "-o", &path("hosts.toml")]);
    assert_eq!(code, 0, "{told}");
    let main = "version = 1\ninclude = [\"hosts.toml\"]\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";
    fs::write(path("hub.toml"), main).expect("written");
    let (code, matrix, findings) = run(&["check", "--strict", "-c", &path("hub.toml")]);
    assert_eq!(code, 0, "{findings}");
    assert!(matrix.contains("a.office.example"), "{matrix}");
}

#[test]
fn the_same_source_gives_the_same_result() {
    let folder = TempDir::new().expect("a temporary folder");
    let source = folder.path().join("dnsmasq.conf");
    let lines: Vec<String> = (0..50)
        .map(|n| {
            format!(
                "host-record=h{n}.z{}.example,10.0.{n}.1\nserver=/s{n}.example/10.9.0.{n}\nlocal=/z{}.example/\n",
                n % 7,
                n % 7
            )
        })
        .collect();
    fs::write(&source, lines.concat()).expect("written");
    let import = || run(&["import", "dnsmasq", source.to_str().expect("a path")]);
    let first = import();
    assert_eq!(first.0, 0, "{}", first.2);
    for _ in 0..3 {
        assert_eq!(import(), first);
    }
}
