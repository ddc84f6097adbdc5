//! The scenarios of Azure Virtual Desktop as acceptance tests: which of the three processes is private for whom, what
//! happens with the upstream gone, isolated networks, a moved endpoint, and other tenants' resources (R13, R18, R25).

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::{Public, Query, Reply, Script, Setup, Upstream};

/// A workspace, a host pool, and a host pool of someone else.
const WORKSPACE: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";
const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
const FOREIGN: &str = "0d4f2c6e-1111-4222-8333-944455556666";

const HOST: &str = "127.0.20.9";
const CLIENT: &str = "127.0.10.9";

/// Names of the three processes without the public zone, and the last octet of their private addresses.
fn process(kind: &str) -> Vec<(String, u8)> {
    match kind {
        "global" => vec![("rdweb".to_owned(), 4), ("rdweb-r0".to_owned(), 4)],
        "workspace" => vec![(WORKSPACE.to_owned(), 5), (format!("{WORKSPACE}.rdweb-g-us-r0"), 5)],
        _ => vec![
            (format!("{POOL}.rdbroker"), 7),
            (format!("{POOL}.rdbroker-g-us-r0"), 7),
            (format!("{POOL}.rddiagnostics-g-us-r0"), 8),
            (format!("{POOL}.afdfp-rdgateway"), 9),
            (format!("{POOL}.rdweb-g-us-r0"), 10),
        ],
    }
}

fn public_name(relative: &str) -> String {
    format!("{relative}.wvd.microsoft.com")
}

fn private_name(kind: &str, relative: &str) -> String {
    let zone = if kind == "global" { "privatelink-global" } else { "privatelink" };
    format!("{relative}.{zone}.wvd.microsoft.com")
}

/// One endpoint with its names at `10.NET.1.x`.
fn endpoint(kind: &str, net: u8) -> String {
    let records: Vec<_> = process(kind)
        .iter()
        .map(|(relative, last)| format!("\"{}\" = [\"10.{net}.1.{last}\"]", public_name(relative)))
        .collect();
    let resource = if kind == "host-pool" { POOL } else { WORKSPACE };
    let resource = if kind == "global" { String::new() } else { format!("resource = \"{resource}\"\n") };
    format!(
        "[[endpoint]]\nname = \"{kind}-{net}\"\nkind = \"{kind}\"\n{resource}records = {{ {} }}\n",
        records.join(", ")
    )
}

fn view(name: &str, network: &str, endpoints: &[&str], more: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[[view]]\nname = \"{name}\"\nnetworks = [\"{network}\"]\nendpoints = [{}]\n{more}\n", endpoints.join(", "))
}

/// What Azure's public DNS says: public name → private-link spelling → traffic manager → gateway → an address.
fn azure() -> Public {
    let mut names = Public::new([]);
    let foreign = vec![(format!("{FOREIGN}.rdbroker"), 1), (FOREIGN.to_owned(), 1)];
    for (kind, relatives) in [
        ("global", process("global")),
        ("workspace", process("workspace")),
        ("host-pool", process("host-pool")),
        ("host-pool", foreign),
    ] {
        for (relative, _) in relatives {
            let front = format!("{}-prod.trafficmanager.example", relative.replace('.', "-"));
            names.add(Rr::cname(&public_name(&relative), 60, &private_name(kind, &relative)));
            names.add(Rr::cname(&private_name(kind, &relative), 60, &front));
            names.add(Rr::cname(&front, 60, "rdgateway-c1-weu-r1.front.example"));
        }
    }
    names.add(Rr::host("rdgateway-c1-weu-r1.front.example", 60, "203.0.113.40"));
    names.add(Rr::host("client.wvd.microsoft.com", 60, "203.0.113.41"));
    names.add(Rr::host("world.relay.avd.microsoft.com", 60, "203.0.113.42"));
    names.add(Rr::host("login.microsoftonline.com", 60, "203.0.113.43"));
    names
}

fn upstream() -> Upstream {
    let names = azure();
    Upstream::start(move |seen| names.answer(&seen.name, seen.kind))
}

fn head(upstream: &Upstream) -> String {
    format!("[[upstream]]\nname = \"azure\"\nservers = [\"{}\"]\ntimeout = \"4.5s\"\n", upstream.server())
}

fn first_address(reply: &Reply) -> String {
    reply.addresses().first().map_or_else(|| format!("none: {:?}", reply.message), ToString::to_string)
}

/// Asserts that a client gets the private addresses of a process, flat, in both spellings, over both transports.
fn assert_private(server: &crate::harness::Server, client: &str, process_kind: &str, net: u8) {
    for (relative, last) in process(process_kind) {
        for name in [public_name(&relative), private_name(process_kind, &relative)] {
            for reply in server.client(client).ask_both(&name, kind::A) {
                assert_eq!(first_address(&reply), format!("10.{net}.1.{last}"), "{client} {name}");
                assert_eq!(reply.answers().len(), 1, "flat (R13)");
                assert_eq!(reply.answers()[0].ttl, 10);
                assert!(reply.aa() && reply.ra());
            }
            for kind in [kind::AAAA, kind::HTTPS, kind::SVCB] {
                assert!(server.client(client).ask(&name, kind).is_nodata(), "{client} {name} {kind}");
            }
        }
    }
}

/// Asserts that a client gets a process as the upstream has it.
fn assert_public(server: &crate::harness::Server, client: &str, process_kind: &str) {
    for (relative, _) in process(process_kind) {
        for name in [public_name(&relative), private_name(process_kind, &relative)] {
            for reply in server.client(client).both(&Query::new(&name, kind::A).with_opt()) {
                let wanted = azure().answer(&name, kind::A);
                let plain = |records: Vec<Rr>| -> Vec<_> {
                    records.into_iter().map(|rr| (rr.name, rr.kind, rr.data)).collect()
                };
                assert_eq!(reply.rcode(), rcode::NOERROR, "{client} {name}");
                assert_eq!(plain(reply.answers()), plain(wanted.answers), "{client} {name}");
                assert!(!reply.aa());
            }
        }
    }
}

const KINDS: [&str; 3] = ["global", "workspace", "host-pool"];

#[test]
fn acceptance_1_all_public() {
    let upstream = upstream();
    let text = head(&upstream) + &view("clients", "127.0.10.0/24", &[], "") + &view("hosts", "127.0.20.0/24", &[], "");
    let server = Setup::new(text).start();
    for kind in KINDS {
        assert_public(&server, CLIENT, kind);
        assert_public(&server, HOST, kind);
    }
    for (name, address) in [
        ("client.wvd.microsoft.com", "203.0.113.41"),
        ("world.relay.avd.microsoft.com", "203.0.113.42"),
        ("login.microsoftonline.com", "203.0.113.43"),
    ] {
        assert_eq!(first_address(&server.client(CLIENT).ask(name, kind::A)), address);
    }
    let missing = server.client(CLIENT).ask("nothing.wvd.microsoft.com", kind::A);
    assert_eq!((missing.rcode(), missing.soa_owner().as_deref()), (rcode::NXDOMAIN, Some("microsoft.com")));
}

#[test]
fn acceptance_2_clients_public_hosts_private() {
    let upstream = upstream();
    let text = head(&upstream)
        + &endpoint("host-pool", 20)
        + &view("clients", "127.0.10.0/24", &[], "")
        + &view("hosts", "127.0.20.0/24", &["host-pool-20"], "");
    let server = Setup::new(text).start();
    for _ in 0..3 {
        assert_private(&server, HOST, "host-pool", 20);
        assert_public(&server, CLIENT, "host-pool");
        assert_public(&server, HOST, "workspace");
        assert_public(&server, CLIENT, "global");
    }
}

#[test]
fn acceptance_3_all_private_holds_with_the_upstream_gone() {
    let text = |servers: &str| {
        format!("[[upstream]]\nname = \"azure\"\nservers = [\"{servers}\"]\ntimeout = \"2s\"\n")
            + &endpoint("global", 10)
            + &endpoint("workspace", 10)
            + &endpoint("host-pool", 10)
            + &endpoint("host-pool", 20)
            + &view("clients", "127.0.10.0/24", &["global-10", "workspace-10", "host-pool-10"], "")
            + &view("hosts", "127.0.20.0/24", &["host-pool-20"], "")
    };
    let dead = format!("127.0.0.1:{}", crate::harness::port::free());
    let server = Setup::new(text(&dead)).start();
    for kind in KINDS {
        assert_private(&server, CLIENT, kind, 10);
    }
    assert_private(&server, HOST, "host-pool", 20);
    for name in ["login.microsoftonline.com", &public_name(WORKSPACE)] {
        let reply = server.client(HOST).ask(name, kind::A);
        assert_eq!(reply.rcode(), rcode::SERVFAIL, "{name}: {:?}", reply.message);
        assert!(reply.answers().is_empty());
    }
}

#[test]
fn acceptance_4_isolated_networks() {
    let upstream = upstream();
    let both = |net: u8| endpoint("workspace", net) + &endpoint("host-pool", net);
    let views = |unknown: &str| {
        head(&upstream)
            + &both(10)
            + &both(20)
            + "[[view]]\nname = \"one\"\nnetworks = [\"127.0.10.0/24\", \"127.0.30.0/24\"]\n"
            + "endpoints = [\"workspace-10\", \"host-pool-10\"]\n"
            + &view("two", "127.0.20.0/24", &["workspace-20", "host-pool-20"], "")
            + unknown
    };
    let server = Setup::new(views("")).start();
    for _ in 0..2 {
        for kind in ["workspace", "host-pool"] {
            assert_private(&server, "127.0.10.9", kind, 10);
            assert_private(&server, "127.0.20.9", kind, 20);
            assert_private(&server, "127.0.30.9", kind, 10);
        }
    }
    let name = public_name(&format!("{POOL}.rdbroker"));
    assert_eq!(server.client("127.0.40.9").ask(&name, kind::A).rcode(), rcode::REFUSED);
    server.reload(&views(&view("rest", "0.0.0.0/0", &[], "")));
    assert_public(&server, "127.0.40.9", "host-pool");
    assert_private(&server, "127.0.30.9", "host-pool", 10);
}

#[test]
fn acceptance_5_a_moved_endpoint_is_served_and_told() {
    let upstream = upstream();
    let text = |net: u8| {
        head(&upstream)
            + &endpoint("host-pool", net).replace(&format!("name = \"host-pool-{net}\""), "name = \"hp-weu\"")
            + &view("hosts", "127.0.20.0/24", &["hp-weu"], "")
    };
    let server = Setup::new(text(20)).start();
    assert_private(&server, HOST, "host-pool", 20);
    server.reload(&text(21));
    assert_private(&server, HOST, "host-pool", 21);
    server.wait_for_log(|line| line.contains("hp-weu") && line.contains("RDAgentBootLoader"));
}

#[test]
fn acceptance_6_foreign_resources_are_blocked_where_the_view_says_so() {
    let upstream = upstream();
    let text = head(&upstream)
        + &endpoint("host-pool", 10)
        + &view("open", "127.0.20.0/24", &["host-pool-10"], "")
        + &view("shut", "127.0.10.0/24", &["host-pool-10"], "unlisted = \"nxdomain\"")
        + &view("known", "127.0.30.0/24", &["host-pool-10"], "unlisted = \"nxdomain\"");
    let server = Setup::new(text).start();
    let names = [
        public_name(&format!("{FOREIGN}.rdbroker")),
        private_name("host-pool", &format!("{FOREIGN}.rdbroker")),
        public_name(FOREIGN),
        format!("{FOREIGN}.rdweb-g-us-r0.wvd.azure.us"),
        format!("{FOREIGN}.privatelink.wvd.azure.cn"),
        public_name(&format!("{}.RDBROKER", FOREIGN.to_uppercase())),
    ];
    for name in &names {
        let before = upstream.total();
        for kind in [kind::A, kind::AAAA, kind::HTTPS, kind::TXT] {
            for reply in server.client(CLIENT).both(&Query::new(name, kind).with_opt()) {
                assert_eq!((reply.rcode(), reply.ede()), (rcode::NXDOMAIN, Some(15)), "{name}");
                assert!(reply.answers().is_empty() && reply.soa_owner().is_some());
            }
        }
        assert_eq!(upstream.total(), before, "blocked before anything is asked: {name}");
    }
    for name in &names[..3] {
        let reply = server.client(HOST).udp(&Query::new(name, kind::A).with_opt());
        assert_eq!(first_address(&reply), "203.0.113.40", "forwarded: {name}");
    }
    for (relative, _) in process("host-pool") {
        assert_eq!(server.client(CLIENT).ask(&public_name(&relative), kind::A).addresses().len(), 1);
    }
    for name in ["client.wvd.microsoft.com", "rdweb.wvd.microsoft.com"] {
        let reply = server.client(CLIENT).ask(name, kind::A);
        assert_eq!(reply.addresses().len(), 1, "names without a GUID are never blocked: {:?}", reply.message);
    }
}

#[test]
fn r18_an_alias_to_a_foreign_resource_is_blocked() {
    let names = {
        let mut names = azure();
        names.add(Rr::cname("shortcut.corp.example", 60, &public_name(&format!("{FOREIGN}.rdbroker"))));
        names
    };
    let upstream = Upstream::start(move |seen| names.answer(&seen.name, seen.kind));
    let text = head(&upstream)
        + &endpoint("host-pool", 10)
        + "[[known]]\nname = \"partner\"\nguids = [\"11111111-2222-4333-8444-555555555555\"]\n"
        + &view("shut", "127.0.10.0/24", &["host-pool-10"], "unlisted = \"nxdomain\"");
    let server = Setup::new(text).start();
    for _ in 0..2 {
        let reply = server.client(CLIENT).udp(&Query::new("shortcut.corp.example", kind::A).with_opt());
        assert_eq!((reply.rcode(), reply.ede()), (rcode::NXDOMAIN, Some(15)));
        assert_eq!(reply.targets(), [public_name(&format!("{FOREIGN}.rdbroker"))]);
        assert!(reply.addresses().is_empty() && !reply.aa());
    }
    let reply = server.client(CLIENT).ask("11111111-2222-4333-8444-555555555555.rdbroker.wvd.microsoft.com", kind::A);
    assert_eq!(reply.soa_owner().as_deref(), Some("microsoft.com"), "known: asked upstream: {:?}", reply.message);
}

#[test]
fn r25_a_new_name_of_an_own_pool_is_withheld() {
    let new = format!("{POOL}.rdbroker-g-eu-r7");
    let names = {
        let mut names = azure();
        names.add(Rr::cname(&public_name(&new), 60, &private_name("host-pool", &new)));
        names.add(Rr::cname(&private_name("host-pool", &new), 60, "front.trafficmanager.example"));
        names.add(Rr::host("front.trafficmanager.example", 60, "203.0.113.44"));
        names.add(Rr::host("front.trafficmanager.example", 60, "2001:db8::44"));
        names
    };
    let upstream = Upstream::start(move |seen| names.answer(&seen.name, seen.kind));
    let text = |guard: &str| {
        head(&upstream)
            + &endpoint("host-pool", 10)
            + &view("hosts", "127.0.10.0/24", &["host-pool-10"], &format!("guard = \"{guard}\""))
            + &view("rest", "127.0.30.0/24", &[], "")
    };
    let server = Setup::new(text("own")).start();
    for name in [public_name(&new), private_name("host-pool", &new)] {
        for kind in [kind::A, kind::AAAA] {
            for _ in 0..2 {
                for reply in server.client(CLIENT).both(&Query::new(&name, kind).with_opt()) {
                    assert!(reply.addresses().is_empty(), "{name}: {:?}", reply.message);
                    assert_eq!((reply.rcode(), reply.ede()), (rcode::NOERROR, Some(15)), "{name}");
                    assert!(reply.soa_owner().is_some());
                    let targets = reply.targets();
                    assert!(!targets.iter().any(|target| target.contains("trafficmanager")), "{targets:?}");
                }
            }
            let reply = server.client("127.0.30.9").udp(&Query::new(&name, kind).with_opt());
            assert_eq!(reply.addresses().len(), 1, "another view is not guarded");
        }
    }
    for guard in ["watch", "off"] {
        server.reload(&text(guard));
        let reply = server.client(CLIENT).udp(&Query::new(&public_name(&new), kind::A).with_opt());
        assert_eq!(first_address(&reply), "203.0.113.44", "{guard} passes");
        assert_eq!(reply.ede(), None);
    }
}

#[test]
fn r25_a_global_endpoint_guards_every_global_name() {
    let names = {
        let mut names = azure();
        names.add(Rr::cname("rdweb-r9.wvd.microsoft.com", 60, "rdweb-r9.privatelink-global.wvd.microsoft.com"));
        names.add(Rr::host("rdweb-r9.privatelink-global.wvd.microsoft.com", 60, "203.0.113.45"));
        names.add(Rr::host("x9.privatelink.wvd.microsoft.com", 60, "203.0.113.46"));
        names
    };
    let upstream = Upstream::start(move |seen| names.answer(&seen.name, seen.kind));
    let text = |guard: &str| {
        head(&upstream)
            + &endpoint("global", 10)
            + &endpoint("host-pool", 10)
            + &view("c", "127.0.10.0/24", &["global-10", "host-pool-10"], &format!("guard = \"{guard}\""))
    };
    let server = Setup::new(text("own")).start();
    let ask = |name: &str| server.client(CLIENT).udp(&Query::new(name, kind::A).with_opt());
    let reply = ask("rdweb-r9.wvd.microsoft.com");
    assert_eq!((reply.addresses().len(), reply.ede()), (0, Some(15)), "{:?}", reply.message);
    assert_eq!(reply.targets(), ["rdweb-r9.privatelink-global.wvd.microsoft.com"], "the aliases up to that name");
    assert_eq!(ask("x9.privatelink.wvd.microsoft.com").addresses().len(), 1, "own: no resource of this view");
    server.reload(&text("all"));
    let reply = ask("x9.privatelink.wvd.microsoft.com");
    assert_eq!((reply.addresses().len(), reply.ede()), (0, Some(15)), "all: {:?}", reply.message);
}

#[test]
fn r25_hints_of_a_service_that_leads_to_a_guarded_name_are_dropped() {
    let new = private_name("host-pool", &format!("{POOL}.rdnew-r9"));
    let target = new.clone();
    let upstream = Upstream::start(move |seen| {
        let hint = [(1, b"\x02h2".to_vec()), (4, vec![203, 0, 113, 51])];
        Script::records(vec![Rr::service(&seen.name, kind::HTTPS, 60, &target, &hint)])
    });
    let text = |guard: &str| {
        head(&upstream)
            + &endpoint("workspace", 10)
            + &endpoint("host-pool", 10)
            + &view("h", "127.0.10.0/24", &["workspace-10", "host-pool-10"], &format!("guard = \"{guard}\""))
    };
    for guard in ["own", "all"] {
        let server = Setup::new(text(guard)).start();
        for reply in server.client(CLIENT).both(&Query::new("svc.front.example", kind::HTTPS).with_opt()) {
            assert_eq!(reply.answers().len(), 1, "{:?}", reply.message);
            assert!(!reply.octets.windows(4).any(|octets| octets == [203, 0, 113, 51]), "{guard}: {:?}", reply.message);
        }
    }
}

#[test]
fn s_23_the_guard_holds_at_every_depth_and_state() {
    // Chains of 0 to 12 aliases before the guarded name; fresh, cached, over TCP, with the upstream lying about order.
    let guarded = private_name("host-pool", &format!("{POOL}.new"));
    let target = guarded.clone();
    let upstream = Upstream::start(move |seen| {
        let depth: usize = seen.name.split('.').next().and_then(|label| label[1..].parse().ok()).unwrap_or(0);
        let mut answers = Vec::new();
        let mut owner = seen.name.clone();
        if owner != target {
            for step in (0..depth).rev() {
                let next = format!("d{step}.steps.example");
                answers.push(Rr::cname(&owner, 60, &next));
                owner = next;
            }
            answers.push(Rr::cname(&owner, 60, &target));
        }
        answers.push(Rr::cname(&target, 60, "front.example"));
        answers.push(match seen.kind {
            kind::HTTPS => Rr::service("front.example", kind::HTTPS, 60, ".", &[(4, vec![203, 0, 113, 50])]),
            kind::AAAA => Rr::host("front.example", 60, "2001:db8::50"),
            _ => Rr::host("front.example", 60, "203.0.113.50"),
        });
        if depth % 2 == 1 {
            answers.reverse();
        }
        Script::records(answers)
    });
    let text = head(&upstream) + &endpoint("host-pool", 10) + &view("h", "127.0.10.0/24", &["host-pool-10"], "");
    let server = Setup::new(text).start();
    let names: Vec<_> = (0..=11).map(|depth| format!("d{depth}.steps.example")).chain([guarded]).collect();
    for name in &names {
        for kind in [kind::A, kind::AAAA, kind::HTTPS] {
            for _ in 0..2 {
                for reply in server.client(CLIENT).both(&Query::new(name, kind).with_opt()) {
                    let octets = &reply.octets;
                    assert!(!octets.windows(4).any(|window| window == [203, 0, 113, 50]), "{name} {kind}");
                    assert!(reply.addresses().is_empty(), "{name} {kind}: {:?}", reply.message);
                    assert_eq!(reply.rcode(), rcode::NOERROR);
                }
            }
        }
    }
}
