//! `hubdns import azure`: every shape of `tests/fixtures/azure` is imported by the binary and served by it, and every
//! name answers in its view in both spellings; `--check` tells what has changed since.

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::server::run;
use crate::harness::{Script, Setup, Upstream};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const WORKSPACE: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef";
const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

/// Clients of the views of `vnet-weu` and `vnet-neu`.
const WEU: &str = "127.0.10.9";
const NEU: &str = "127.0.20.9";

/// The path of a fixture.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/azure").join(name);
    path.to_str().expect("a plain path").to_owned()
}

/// The names of an endpoint without their suffix, and the last octet of their address in 10.NET.1.0/24: what the fixtures
/// were made of.
fn names(of: &str) -> Vec<(String, u8)> {
    match of {
        "global" => ["rdweb", "rdweb-r0", "rdweb-r1"].map(|name| (name.to_owned(), 4)).to_vec(),
        "workspace" => vec![
            (WORKSPACE.to_owned(), 5),
            (format!("{WORKSPACE}.rdweb-g-us-r0"), 5),
            (format!("{WORKSPACE}.rdweb-g-us-r1"), 6),
        ],
        "host-pool" => vec![
            (format!("{POOL}.rdbroker"), 7),
            (format!("{POOL}.rdbroker-g-us-r0"), 7),
            (format!("{POOL}.rddiagnostics-g-us-r0"), 8),
            (format!("{POOL}.afdfp-rdgateway"), 9),
            (format!("{POOL}.afdfp-rdgateway-r0"), 9),
            (format!("{POOL}.afdfp-rdgateway-r1"), 9),
            (format!("{POOL}.rdweb-g-us-r0"), 10),
        ],
        "blob" => vec![("acct1".to_owned(), 20)],
        other => panic!("{other}"),
    }
}

/// Both spellings of such a name.
fn spellings(of: &str, name: &str) -> [String; 2] {
    match of {
        "global" => [format!("{name}.wvd.microsoft.com"), format!("{name}.privatelink-global.wvd.microsoft.com")],
        "blob" => [format!("{name}.blob.core.windows.net"), format!("{name}.privatelink.blob.core.windows.net")],
        _ => [format!("{name}.wvd.microsoft.com"), format!("{name}.privatelink.wvd.microsoft.com")],
    }
}

/// Imports files with more arguments, checks the result and serves it as it was written but for the listener.
fn import_and_serve(files: &[&str], more: &[&str]) -> (crate::harness::Server, Upstream) {
    let public = Upstream::start(|seen| match seen.kind {
        kind::A => Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.1")]),
        _ => Script::nodata("example"),
    });
    let folder = TempDir::new().expect("a temporary folder");
    let output = folder.path().join("hub.toml");
    let output = output.to_str().expect("a plain path");
    let files: Vec<String> = files.iter().map(|name| fixture(name)).collect();
    let upstream = public.server();
    let mut arguments = vec!["import", "azure", "-o", output, "--upstream", &upstream];
    arguments.extend(more);
    arguments.extend(files.iter().map(String::as_str));
    let (code, out, errors) = run(&arguments);
    assert_eq!((code, &*out), (0, ""), "{files:?}\n{errors}");
    let (code, _, findings) = run(&["check", "-c", output]);
    assert_eq!(code, 0, "{findings}");
    let text = fs::read_to_string(output).expect("the result");
    let (head, tables) = text.split_once("\n[[upstream]]").expect("an upstream");
    assert!(head.contains("[server]\nlisten = [\"0.0.0.0\"]"), "{head}");
    (Setup::new(format!("[[upstream]]{tables}")).start(), public)
}

/// Views whose clients come from loopback.
const VIEWS: [&str; 4] = ["--view", "weu=vnet-weu,-,127.0.10.0/24", "--view", "neu=vnet-neu,127.0.20.0/24"];

/// Asserts what a client gets for every name of an endpoint: its address in a network, or the public one.
fn assert_names(server: &crate::harness::Server, client: &str, of: &str, net: Option<u8>) {
    for (name, last) in names(of) {
        for name in spellings(of, &name) {
            let wanted = net.map_or("203.0.113.1".to_owned(), |net| format!("10.{net}.1.{last}"));
            for reply in server.client(client).ask_both(&name, kind::A) {
                let found: Vec<String> = reply.addresses().iter().map(ToString::to_string).collect();
                assert_eq!(found, [&*wanted], "{name} for {client}");
                assert_eq!(reply.aa(), net.is_some(), "{name} for {client}");
            }
        }
    }
}

/// One shape: its files, and the endpoints that clients of the two networks have by it.
fn shape(files: &[&str], weu: &[&str], neu: &[&str]) {
    let (server, public) = import_and_serve(files, &VIEWS);
    for of in ["global", "workspace", "host-pool"] {
        assert_names(&server, WEU, of, weu.contains(&of).then_some(10));
        assert_names(&server, NEU, of, neu.contains(&of).then_some(20));
    }
    if weu.contains(&"blob") {
        assert_names(&server, WEU, "blob", Some(10));
    }
    let reply = server.client(WEU).ask("www.public.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "203.0.113.1");
    assert!(public.count("www.public.example") > 0);
}

const AVD: &[&str] = &["global", "workspace", "host-pool"];
const ALL: &[&str] = &["global", "workspace", "host-pool", "blob"];
const ISOLATED: &[&str] = &["workspace", "host-pool"];

#[test]
fn interfaces_are_served() {
    shape(&["interfaces-cli.json"], ALL, ISOLATED);
    shape(&["interfaces-arm.json"], ALL, ISOLATED);
}

#[test]
fn private_endpoints_are_served() {
    shape(&["private-endpoints-arm.json"], ALL, ISOLATED);
    shape(&["private-endpoint-show.json"], &["host-pool"], &[]);
    // the list of the command line has no names where zone groups are attached: they come from another file
    shape(&["private-endpoints-cli.json", "zone-groups-cli.json"], ALL, ISOLATED);
    shape(&["private-endpoints-cli.json", "interfaces-cli.json"], ALL, ISOLATED);
}

#[test]
fn zone_groups_are_served_by_the_networks_that_hold_their_addresses() {
    shape(&["zone-groups-cli.json", "virtual-networks.json"], ALL, ISOLATED);
    shape(&["zone-groups-powershell.json", "virtual-networks.json"], ALL, ISOLATED);
}

#[test]
fn record_sets_are_served() {
    shape(&["record-sets-cli.json"], ALL, &[]);
    shape(&["record-sets-arm.json"], ISOLATED, &[]);
}

#[test]
fn zone_exports_are_served() {
    shape(&["privatelink.wvd.microsoft.com.zone", "privatelink-global.wvd.microsoft.com.zone"], AVD, &[]);
    shape(&["portal.zone"], &["host-pool"], &[]);
}

#[test]
fn terraform_states_are_served() {
    shape(&["terraform.json"], AVD, ISOLATED);
}

#[test]
fn deployments_are_served() {
    shape(&["deployment.json"], AVD, &[]);
    shape(&["deployment-outputs.json"], &[], &["host-pool"]);
}

#[test]
fn resource_graph_is_served() {
    shape(&["graph.json"], ALL, ISOLATED);
    shape(&["graph-rows.json"], &["host-pool"], &[]);
}

#[test]
fn zones_of_other_services_are_served_with_their_aliases_and_fallback() {
    let (server, _public) = import_and_serve(&["record-sets-cli.json", "zone-links.json"], &VIEWS);
    let address = |client: &str, name: &str| -> Vec<String> {
        server.client(client).ask(name, kind::A).addresses().iter().map(ToString::to_string).collect()
    };
    assert_eq!(address(WEU, "www.privatelink.blob.core.windows.net"), ["10.10.1.20"]);
    // the link of vnet-weu says NxDomainRedirect; no link of vnet-neu is known to this zone
    assert_eq!(address(WEU, "other.privatelink.blob.core.windows.net"), ["203.0.113.1"]);
    assert_eq!(address(NEU, "acct1.privatelink.blob.core.windows.net"), ["203.0.113.1"]);
    let (server, _public) = import_and_serve(&["privatelink.blob.core.windows.net.zone"], &VIEWS);
    let reply = server.client(NEU).ask("acct3.blob.core.windows.net", kind::A);
    assert_eq!(reply.addresses().len(), 2);
    let reply = server.client(NEU).ask("other.privatelink.blob.core.windows.net", kind::A);
    assert_eq!(reply.rcode(), rcode::NXDOMAIN, "an export tells nothing of links: the zone is strict");
}

/// Every file of the fixtures that can stand beside the others.
const WHOLE: [&str; 8] = [
    "interfaces-cli.json",
    "private-endpoints-cli.json",
    "zone-groups-cli.json",
    "record-sets-cli.json",
    "zone-links.json",
    "virtual-networks.json",
    "workspaces.json",
    "host-pool.json",
];

#[test]
fn the_result_does_not_depend_on_the_order_of_the_files() {
    let import = |files: &[String]| {
        let mut arguments = vec!["import", "azure"];
        arguments.extend(files.iter().map(String::as_str));
        let (code, out, errors) = run(&arguments);
        assert_eq!(code, 0, "{errors}");
        assert!(errors.ends_with("6 endpoints with 24 names, 1 zone, 2 views; no findings\n"), "{errors}");
        out
    };
    let mut files: Vec<String> = WHOLE.iter().map(|name| fixture(name)).collect();
    let first = import(&files);
    for _ in 0..files.len() {
        files.rotate_left(3);
        assert_eq!(import(&files), first);
    }
    // by network, with file and pointer
    let heading = first.find("# Virtual network vnet-weu (10.10.0.0/16)").expect("a heading");
    assert!(first.find("# Virtual network vnet-neu (10.20.0.0/16)").expect("a heading") < heading);
    assert!(first.contains("interfaces-cli.json /3\n") && first.contains("# host pool hp-main (Office)"), "{first}");
}

#[test]
fn tables_for_include_stand_beside_a_main_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let (code, _, errors) = run(&[
        "import",
        "azure",
        "--included",
        "-o",
        &path("azure.toml"),
        &fixture("interfaces-cli.json"),
        &fixture("virtual-networks.json"),
    ]);
    assert_eq!(code, 0, "{errors}");
    let main = "version = 1\ninclude = [\"azure.toml\"]\n[server]\nlisten = [\"127.0.0.1:5300\"]\n\
                [[upstream]]\nname = \"azure\"\nservers = [\"168.63.129.16\"]\n";
    fs::write(path("hub.toml"), main).expect("written");
    let (code, matrix, errors) = run(&["check", "--strict", "-c", &path("hub.toml")]);
    assert_eq!(code, 0, "{errors}");
    assert!(matrix.contains("10.10.1.7") && matrix.contains("10.20.1.7"), "{matrix}");
}

#[test]
fn endpoints_alone_leave_the_views_to_the_main_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    // isolated endpoints of networks that nobody knows: without views there is nothing to be in each other's way
    let (code, _, errors) = run(&[
        "import",
        "azure",
        "--included",
        "--no-views",
        "-o",
        &path("azure.toml"),
        &fixture("zone-groups-cli.json"),
    ]);
    assert_eq!((code, errors.contains("no findings")), (0, true), "{errors}");
    let main = "version = 1\ninclude = [\"azure.toml\"]\n[server]\nlisten = [\"127.0.0.1:5300\"]\n\
                [[upstream]]\nname = \"azure\"\nservers = [\"168.63.129.16\"]\n\
                [[view]]\nname = \"weu\"\nnetworks = [\"10.10.0.0/16\"]\nendpoints = [\"*-weu\"]\n\
                [[view]]\nname = \"neu\"\nnetworks = [\"10.20.0.0/16\"]\nendpoints = [\"*-neu\"]\n";
    fs::write(path("hub.toml"), main).expect("written");
    let (code, matrix, errors) = run(&["check", "--strict", "-c", &path("hub.toml")]);
    assert_eq!(code, 0, "{errors}");
    assert!(matrix.contains("10.10.1.7") && matrix.contains("10.20.1.7"), "{matrix}");
}

#[test]
fn from_takes_what_import_takes() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in [
        "interfaces-cli.json",
        "interfaces-arm.json",
        "private-endpoints-arm.json",
        "terraform.json",
        "deployment.json",
        "graph.json",
    ] {
        let text = format!(
            "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"10.0.0.4\"]\n\
             [[endpoints]]\nfrom = [{:?}]\n[[view]]\nname = \"weu\"\nnetworks = [\"10.10.0.0/16\"]\nendpoints = [\"pe-*-weu\"]\n",
            fixture(name)
        );
        let path = folder.path().join("hub.toml");
        fs::write(&path, text).expect("written");
        let (code, matrix, errors) = run(&["check", "-c", path.to_str().expect("a plain path")]);
        assert_eq!(code, 0, "{name}: {errors}");
        assert!(matrix.contains(&format!("{POOL}.rdbroker.wvd.microsoft.com")), "{name}: {matrix}");
    }
}

/// Imports the whole world into a file of a new folder.
fn imported(change: impl Fn(String) -> String) -> (TempDir, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("hub.toml").to_str().expect("a plain path").to_owned();
    let files: Vec<String> = WHOLE.iter().map(|name| fixture(name)).collect();
    let mut arguments = vec!["import", "azure", "-o", &path];
    arguments.extend(files.iter().map(String::as_str));
    let (code, _, errors) = run(&arguments);
    assert_eq!(code, 0, "{errors}");
    let text = fs::read_to_string(&path).expect("the result");
    let changed = change(text.clone());
    assert!(changed == text || changed.lines().count() > 50, "{changed}");
    fs::write(&path, changed).expect("written");
    (folder, path)
}

/// `--check` on such a file: exit code and differences.
fn drift(path: &str) -> (i32, Vec<String>) {
    let files: Vec<String> = WHOLE.iter().map(|name| fixture(name)).collect();
    let mut arguments = vec!["import", "azure", "--json", "--check", path];
    arguments.extend(files.iter().map(String::as_str));
    let (code, out, errors) = run(&arguments);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{errors}"));
    assert_eq!((&value["schema"], &value["ok"]), (&1.into(), &(code == 0).into()));
    let differences = value["differences"].as_array().expect("a list").iter();
    (code, differences.map(|own| own["message"].as_str().expect("a text").replace(path, "hub.toml")).collect())
}

#[test]
fn a_file_that_was_just_made_has_not_drifted() {
    let (_folder, path) = imported(|text| text);
    assert_eq!(drift(&path), (0, vec![]));
    // what operators add beside it is theirs
    let own = "\n[[endpoint]]\nname = \"intranet\"\nkind = \"other\"\nrecords = { \"intranet.example\" = [\"10.10.7.7\"] }\n\
               [[view]]\nname = \"mine\"\nnetworks = [\"192.168.0.0/16\"]\nendpoints = [\"intranet\", \"pe-hp-weu\"]\n\
               forward = [{ suffix = \"corp.example\", upstream = \"default\" }]\nguard = \"watch\"\n";
    let (_folder, path) = imported(|text| text + own);
    assert_eq!(drift(&path), (0, vec![]));
}

#[test]
fn each_kind_of_drift_is_told() {
    let pool = format!("{POOL}.rdbroker.wvd.microsoft.com");
    let line = |text: &str, what: &str| 1 + text.lines().position(|line| line == what).expect("the line");
    let (_folder, path) = imported(|text| {
        text.replace(&format!("\"{pool}\" = [\"10.10.1.7\"]"), &format!("\"{pool}\" = [\"10.10.1.99\"]"))
    });
    let at = line(&fs::read_to_string(&path).expect("the file"), "name = \"pe-hp-weu\"");
    let moved = format!("name of endpoint pe-hp-weu: {pool}: 10.10.1.7 in Azure, 10.10.1.99 here (hub.toml:{at})");
    assert_eq!(drift(&path), (5, vec![moved]));

    let (_folder, path) = imported(|text| text.replace("\"rdweb-r1.wvd.microsoft.com\" = [\"10.10.1.4\"]\n", ""));
    let lacking = "name of endpoint pe-global-weu: rdweb-r1.wvd.microsoft.com: 10.10.1.4 in Azure, nothing here";
    assert_eq!(drift(&path), (5, vec![lacking.to_owned()]));

    let (_folder, path) = imported(|text| text.replace("rdweb-r1.wvd", "rdweb-r9.wvd"));
    let (code, told) = drift(&path);
    assert_eq!((code, told.len()), (5, 2), "{told:?}");
    assert!(told[1].starts_with("name of endpoint pe-global-weu: rdweb-r9.wvd.microsoft.com: nothing in Azure, "));

    let (_folder, path) =
        imported(|text| text.replace("networks = [\"10.20.0.0/16\"]", "networks = [\"10.21.0.0/16\"]"));
    let gone = "clients of vnet-neu: 10.20.0.0/16: a virtual network in Azure, in no view here";
    assert_eq!(drift(&path), (5, vec![gone.to_owned()]));

    let (_folder, path) = imported(|text| {
        text.replace("\"pe-feed-weu\", \"pe-hp-weu\"", "\"pe-feed-weu\"")
            .replace("\"workspace\", \"host-pool\"]\n", "\"workspace\"]\n")
    });
    let gone = "endpoint pe-hp-weu: host-pool with 7 names in Azure, nothing here";
    assert_eq!(drift(&path), (5, vec![gone.to_owned()]));

    // a global endpoint of the other network, and the own feed away
    let (_folder, path) = imported(|text| {
        text.replace("[\"pe-feed-neu\", \"pe-hp-neu\"]", "[\"pe-global-weu\", \"pe-hp-neu\"]")
            .replace("private = [\"workspace\", \"host-pool\"]\n", "private = [\"global\"]\n")
    });
    let (code, told) = drift(&path);
    assert_eq!((code, told.len()), (5, 2), "{told:?}");
    assert!(told[0].starts_with("endpoint pe-feed-neu: workspace with 3 names in Azure, nothing here"), "{told:?}");
    let elsewhere =
        "clients of vnet-neu: 10.20.0.0/16: endpoint pe-global-weu elsewhere in Azure, view vnet-neu has it here";
    assert!(told[1].starts_with(elsewhere), "{told:?}");

    let alias = "acct1.privatelink.blob.core.windows.net";
    let (_folder, path) = imported(|text| text.replace(&format!("cname = \"{alias}\""), "cname = \"old.example\""));
    let (code, told) = drift(&path);
    assert_eq!((code, told.len()), (5, 1));
    assert!(told[0].contains(&format!("alias {alias} in Azure, alias old.example here")), "{told:?}");
}

#[test]
fn drift_in_a_text_ends_with_5_and_a_faulty_or_absent_configuration_with_3_or_1() {
    let (_folder, path) = imported(|text| text.replace("rdweb-r1.wvd", "rdweb-r9.wvd"));
    let interfaces = fixture("interfaces-cli.json");
    let (code, out, errors) = run(&["import", "azure", "--check", &path, &interfaces]);
    assert_eq!(code, 5, "{errors}");
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(errors.contains("not as Azure has it: 2 differences"), "{errors}");
    fs::write(&path, "version = 2\n").expect("written");
    assert_eq!(run(&["import", "azure", "--check", &path, &interfaces]).0, 3);
    assert_eq!(run(&["import", "azure", "--check", "/nonexistent.toml", &interfaces]).0, 1);
}
