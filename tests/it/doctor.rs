//! `doctor`: every process in every view, judged by the view's `private`; names out of files, linked zones, this host.

use crate::harness::message::{Rr, kind, wire_name};
use crate::harness::server::run;
use crate::harness::{Script, Seen, Upstream, port};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
const SPACE: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";

/// A public DNS: an address for every name, but nothing below the private-link suffixes without a resource of ours.
fn public(seen: &Seen) -> Script {
    let below = seen.name.ends_with(".privatelink.wvd.microsoft.com") || seen.name.contains("privatelink-global");
    if below && !seen.name.contains(POOL) {
        return Script::nxdomain("wvd.microsoft.com");
    }
    if seen.kind != kind::A {
        return Script::nodata("public.example");
    }
    Script::records(vec![Rr::host(&seen.name, 60, "203.0.113.5")])
}

/// A name of our pool leads publicly through the private-link suffix, as it does once it has an endpoint.
fn crossing(seen: &Seen) -> Script {
    let Some(head) = seen.name.strip_suffix(".wvd.microsoft.com").filter(|_| seen.name.contains(POOL)) else {
        return public(seen);
    };
    let target = format!("{head}.privatelink.wvd.microsoft.com");
    let records = vec![Rr::cname(&seen.name, 60, &target), Rr::host(&target, 60, "203.0.113.9")];
    if seen.kind == kind::A { Script::records(records) } else { Script::nodata("public.example") }
}

/// All private for clients, the pool alone for session hosts.
fn text(upstream: &str, listen: u16) -> String {
    format!(
        r#"version = 1
[server]
listen = ["127.0.0.1:{listen}"]
[[upstream]]
name = "stand-in"
servers = ["{upstream}"]
timeout = "1s"
[[endpoint]]
name = "discovery"
kind = "global"
records = {{ "rdweb.wvd.microsoft.com" = ["10.0.1.4"] }}
[[endpoint]]
name = "space"
kind = "workspace"
records = {{ "{SPACE}.wvd.microsoft.com" = ["10.0.1.5"] }}
[[endpoint]]
name = "pool"
kind = "host-pool"
records = {{ "{POOL}.rdbroker.wvd.microsoft.com" = ["10.0.1.7"] }}
[[view]]
name = "clients"
networks = ["127.0.10.0/24"]
endpoints = ["discovery", "space", "pool"]
[[view]]
name = "hosts"
networks = ["127.0.20.0/24"]
endpoints = ["pool"]
private = ["host-pool"]
"#
    )
}

/// The configuration in a folder of its own, and its path.
fn written(text: &str) -> (TempDir, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = write(folder.path(), "hub.toml", text.as_bytes());
    (folder, path)
}

fn write(folder: &Path, name: &str, octets: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, octets).expect("written");
    path.to_str().expect("a plain path").to_owned()
}

/// Exit code and report.
fn doctor(path: &str, more: &[&str]) -> (i32, Value) {
    let (code, out, errors) = run(&[&["doctor", "--json", "-c", path], more].concat());
    let value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{errors}"));
    (code, value)
}

/// The rows of a view by name.
fn row<'v>(report: &'v Value, view: &str, name: &str) -> &'v Value {
    let mut rows = report["rows"].as_array().expect("rows").iter();
    rows.find(|row| row["view"] == view && row["name"] == name)
        .unwrap_or_else(|| panic!("no row of {name} in {view}: {report:#}"))
}

#[test]
fn every_process_is_as_expected_in_every_view() {
    let upstream = Upstream::start(public);
    let (_folder, path) = written(&text(&upstream.server(), port::free()));
    let (code, report) = doctor(&path, &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["schema"], &report["list"]), (&1.into(), &"2024-06".into()));
    let (rdweb, space) = ("rdweb.wvd.microsoft.com".to_owned(), format!("{SPACE}.wvd.microsoft.com"));
    let broker = format!("{POOL}.rdbroker.wvd.microsoft.com");
    for (view, name, reach, outcome) in [
        ("clients", &rdweb, "private", "10.0.1.4"),
        ("clients", &space, "private", "10.0.1.5"),
        ("clients", &broker, "private", "10.0.1.7"),
        ("hosts", &rdweb, "public", "203.0.113.5"),
        ("hosts", &space, "public", "203.0.113.5"),
        ("hosts", &broker, "private", "10.0.1.7"),
    ] {
        let row = row(&report, view, name);
        assert_eq!((&row["reach"], &row["outcome"]), (&reach.into(), &outcome.into()), "{row:#}");
        assert_eq!(row["as_expected"], true, "{row:#}");
    }
    for name in ["login.microsoftonline.com", "client.wvd.microsoft.com", "world.relay.avd.microsoft.com"] {
        assert_eq!(row(&report, "hosts", name)["as_expected"], true);
    }
    // The parent of names is judged by its route, and asked for nothing.
    let below = row(&report, "hosts", "*.digicert.com");
    assert_eq!((&below["as_expected"], &below["upstream"]), (&true.into(), &"stand-in".into()));
    assert!(upstream.seen().iter().all(|seen| !seen.name.ends_with("digicert.com")));
    let guests = report["rows"].as_array().expect("rows").iter().filter(|row| row["process"] == "a guest's feed");
    assert_eq!(guests.filter(|row| row["as_expected"] == true).count(), 2);
    let linked = report["linked"].as_array().expect("linked");
    assert_eq!(linked.len(), 2, "{report:#}");
    assert!(linked.iter().all(|row| row["linked"] == false && row["as_expected"] == true), "{report:#}");
    // What both views ask alike is asked once.
    assert_eq!(upstream.count("login.microsoftonline.com"), 1);
}

#[test]
fn the_text_has_the_rows_and_what_dns_does_not_decide() {
    let upstream = Upstream::start(public);
    let (_folder, path) = written(&text(&upstream.server(), port::free()));
    let (code, out, errors) = run(&["doctor", "-c", &path, "--view", "hosts"]);
    assert_eq!(code, 0, "{out}{errors}");
    for part in [
        "view hosts, as 127.0.20.1",
        "initial feed discovery (clients)",
        "zones linked to the upstreams' networks",
        "What DNS does not decide:",
        "RDAgentBootLoader",
        " 0 not, ",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("view clients,"), "{out}");
    assert_eq!(run(&["doctor", "-c", &path, "--view", "nobody"]).0, 2);
}

#[test]
fn offline_nothing_is_sent() {
    let upstream = Upstream::start(public);
    let (_folder, path) = written(&text(&upstream.server(), port::free()));
    let (code, report) = doctor(&path, &["--offline"]);
    assert_eq!(code, 0, "{report:#}");
    let login = row(&report, "clients", "login.microsoftonline.com");
    assert_eq!((&login["reach"], &login["as_expected"]), (&"unasked".into(), &Value::Null));
    assert_eq!(login["outcome"], "asks upstream stand-in");
    let broker = row(&report, "hosts", &format!("{POOL}.rdbroker.wvd.microsoft.com"));
    assert_eq!(broker["as_expected"], true);
    assert_eq!((upstream.total(), report["linked"].as_array().map(Vec::len)), (0, Some(0)));
}

#[test]
fn a_name_of_an_rdp_file_or_of_an_agent_that_has_no_record_is_not_as_expected() {
    let upstream = Upstream::start(crossing);
    let (folder, path) = written(&text(&upstream.server(), port::free()));
    let ring = format!("{POOL}.rdbroker-g-us-r1.wvd.microsoft.com");
    let registry = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\RDInfraAgent]\r\n\
         \"BrokerResourceIdURI\"=\"https://{ring}/\"\r\n\"BrokerURI\"=\"https://rdbroker-g-us-r0.wvd.microsoft.com/\"\r\n"
    );
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(registry.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let registry = write(folder.path(), "agent.reg", &utf16);
    let rdp = "gatewayhostname:s:rdgateway-c221-UKS-r1.wvd.microsoft.com\r\nresourceprovider:s:arm\r\n";
    let rdp = write(folder.path(), "desktop.rdp", rdp.as_bytes());
    let (code, report) = doctor(&path, &["--registry", &registry, "--rdp", &rdp]);
    assert_eq!(code, 5, "{report:#}");
    for view in ["clients", "hosts"] {
        let missing = row(&report, view, &ring);
        assert_eq!((&missing["expected"], &missing["as_expected"]), (&"private".into(), &false.into()), "{missing:#}");
        let note = missing["note"].as_str().expect("a note");
        assert!(note.contains("the guard withheld 203.0.113.9") && note.contains("import"), "{note}");
        assert!(missing["source"].as_str().is_some_and(|source| source.contains("agent.reg:4 BrokerResourceIdURI")));
        for public in ["rdbroker-g-us-r0.wvd.microsoft.com", "rdgateway-c221-uks-r1.wvd.microsoft.com"] {
            assert_eq!(row(&report, view, public)["as_expected"], true);
        }
    }
    let wrong = report["rows"].as_array().expect("rows").iter().filter(|row| row["as_expected"] == false).count();
    assert_eq!(wrong, 2, "{report:#}");
    let empty = write(folder.path(), "empty.rdp", b"use multimon:i:0\r\n");
    assert_eq!(run(&["doctor", "-c", &path, "--rdp", &empty]).0, 1);
}

#[test]
fn a_public_endpoint_a_blocked_guest_and_a_hidden_need_are_told() {
    let upstream = Upstream::start(public);
    let changed = text(&upstream.server(), port::free())
        .replace("\"space\", \"pool\"]\n", "\"space\", \"pool\"]\nprivate = [\"global\", \"workspace\"]\n")
        .replace("name = \"space\"\n", "name = \"space\"\nstate = \"public\"\n")
        .replace(
            "private = [\"host-pool\"]\n",
            "private = [\"host-pool\"]\nunlisted = \"nxdomain\"\nzones = [\"kms\"]\n",
        )
        + "[[zone]]\nname = \"kms\"\napex = \"core.windows.net\"\nrecords = { \"other\" = [\"10.0.9.9\"] }\n";
    let (_folder, path) = written(&changed);
    let (code, report) = doctor(&path, &[]);
    assert_eq!(code, 5, "{report:#}");
    let space = row(&report, "clients", &format!("{SPACE}.wvd.microsoft.com"));
    assert_eq!((&space["expected"], &space["reach"]), (&"private".into(), &"public".into()));
    assert!(space["note"].as_str().is_some_and(|note| note.contains("state = \"public\"")), "{space:#}");
    let mut guests = report["rows"].as_array().expect("rows").iter().filter(|row| row["process"] == "a guest's feed");
    let blocked = guests.find(|row| row["view"] == "hosts").expect("a guest row");
    assert_eq!((&blocked["reach"], &blocked["as_expected"]), (&"blocked".into(), &true.into()));
    let kms = row(&report, "hosts", "azkms.core.windows.net");
    assert_eq!((&kms["outcome"], &kms["as_expected"]), (&"NXDOMAIN".into(), &false.into()));
    let below = row(&report, "hosts", "*.prod.warm.ingest.monitor.core.windows.net");
    assert_eq!(below["as_expected"], false, "{below:#}");
    assert_eq!(row(&report, "clients", "azkms.core.windows.net")["as_expected"], true);
}

/// What the platform says below the suffixes of zones that are linked to its network.
fn platform(linked: &'static [&'static str]) -> Upstream {
    Upstream::start(move |seen| {
        let Some(apex) = linked.iter().find(|apex| seen.name.ends_with(&format!(".{apex}"))) else {
            return public(seen);
        };
        let mut soa = wire_name("azureprivatedns.net");
        soa.extend(wire_name("azureprivatedns-host.microsoft.com"));
        soa.extend([1_u32, 3_600, 300, 2_419_200, 10].into_iter().flat_map(u32::to_be_bytes));
        Script { rcode: 3, authority: vec![Rr::new(apex, kind::SOA, 10, soa)], ..Script::default() }
    })
}

#[test]
fn zones_linked_to_the_upstreams_network_are_betrayed_by_their_soa() {
    const SUFFIXES: [&str; 2] = ["privatelink.wvd.microsoft.com", "privatelink-global.wvd.microsoft.com"];
    for linked in [&SUFFIXES[..1], &SUFFIXES[1..], &SUFFIXES[..]] {
        let upstream = platform(linked);
        let (_folder, path) = written(&text(&upstream.server(), port::free()));
        let (code, report) = doctor(&path, &[]);
        assert_eq!(code, 5, "{report:#}");
        let rows = report["linked"].as_array().expect("linked");
        for suffix in SUFFIXES {
            let row = rows.iter().find(|row| row["suffix"] == suffix).expect("a row of the suffix");
            assert_eq!(row["linked"], linked.contains(&suffix), "{linked:?}: {row:#}");
        }
        assert!(report["rows"].as_array().expect("rows").iter().all(|row| row["as_expected"] != false), "{report:#}");
    }
}

#[test]
fn the_host_is_checked_by_port_and_by_upstream_over_udp_and_tcp() {
    let upstream = Upstream::start(public);
    let listen = port::free();
    let more = format!(
        "[[upstream]]\nname = \"dc\"\nservers = [\"127.0.0.1:{}\"]\n[[view]]\nname = \"ad\"\nnetworks = [\"127.0.30.0/24\"]\n\
         upstream = \"stand-in\"\nforward = [{{ suffix = \"ad.example\", upstream = \"dc\" }}]\n",
        port::free()
    );
    let text = text(&upstream.server(), listen)
        .replace("networks = [\"127.0.10", "upstream = \"stand-in\"\nnetworks = [\"127.0.10")
        .replace("networks = [\"127.0.20", "upstream = \"stand-in\"\nnetworks = [\"127.0.20")
        .replace("[[upstream]]", "health = \"192.0.2.1:8080\"\n[[upstream]]");
    let (_folder, path) = written(&(text + &more));
    let taken = TcpListener::bind(("127.0.0.1", listen)).expect("the port is free");
    let (code, report) = doctor(&path, &["--host", "--view", "hosts"]);
    drop(taken);
    assert_eq!(code, 5, "{report:#}");
    let check = |what: &str, target: &str, transport: &str| {
        let mut checks = report["host"].as_array().expect("host").iter();
        let fits = |own: &&Value| {
            own["what"] == what
                && own["transport"] == transport
                && own["target"].as_str().is_some_and(|own| own.starts_with(target))
        };
        let found = checks.find(fits).unwrap_or_else(|| panic!("no {what} {target} {transport}: {report:#}"));
        (found["as_expected"].clone(), found["outcome"].as_str().expect("an outcome").to_owned())
    };
    assert_eq!(check("listen", "127.0.0.1", "UDP"), (true.into(), "free".to_owned()));
    let (fine, outcome) = check("listen", "127.0.0.1", "TCP");
    assert!(fine == false && outcome.starts_with("in use, and "), "{outcome}");
    assert!(check("health", "192.0.2.1", "TCP").1.contains("not an address of this host"));
    for transport in ["UDP", "TCP"] {
        assert_eq!(check("upstream", "stand-in ", transport).0, true);
        assert_eq!(check("upstream", "dc ", transport).0, false);
    }
    let own = |transport| check("upstream", "stand-in ", transport).1;
    assert!(own("UDP").starts_with("NOERROR for login.microsoftonline.com"), "{}", own("UDP"));
}

#[test]
fn a_dead_upstream_fails_what_is_forwarded_and_nothing_else() {
    let gone = port::free();
    let (_folder, path) = written(&text(&format!("127.0.0.1:{gone}"), port::free()));
    let (code, report) = doctor(&path, &["--view", "hosts"]);
    assert_eq!(code, 5, "{report:#}");
    assert_eq!(row(&report, "hosts", &format!("{POOL}.rdbroker.wvd.microsoft.com"))["as_expected"], true);
    let login = row(&report, "hosts", "login.microsoftonline.com");
    assert!(login["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("SERVFAIL (EDE ")), "{login:#}");
    assert!(report["linked"].as_array().is_some_and(|rows| rows.len() == 1 && rows[0]["linked"].is_null()));
}
