//! `check --vnets`: virtual networks in no view, and lists of DNS servers that name someone else.

use crate::harness::server::run;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// A virtual network as the command line prints it; synthetic.
fn vnet(name: &str, prefixes: &[&str], servers: &[&str]) -> Value {
    json!({
        "name": name,
        "id": format!("/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/{name}"),
        "addressSpace": { "addressPrefixes": prefixes },
        "dhcpOptions": { "dnsServers": servers },
        "subnets": [],
    })
}

/// `check --json` with these networks: exit code, and the codes and messages of findings in their file.
fn check(listen: &str, views: &str, vnets: &Value, more: &[&str]) -> (i32, Vec<String>) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let text = format!(
        "version = 1\n[server]\nlisten = {listen}\n[[upstream]]\nname = \"u\"\nservers = [\"10.9.0.4\"]\n{views}"
    );
    fs::write(path("hub.toml"), text).expect("written");
    fs::write(path("vnets.json"), vnets.to_string()).expect("written");
    let (hub, file) = (path("hub.toml"), path("vnets.json"));
    let mut arguments = vec!["check", "--json", "--strict", "-c", &hub, "--vnets", &file];
    arguments.extend(more);
    let (code, out, errors) = run(&arguments);
    let value: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{errors}"));
    let findings = value["findings"].as_array().expect("findings").iter();
    let told = findings.map(|own| {
        let text = |key: &str| own[key].as_str().unwrap_or_default();
        let place = text("key");
        format!("{} {place} {}", text("code"), text("message"))
    });
    (code, told.collect())
}

const LISTEN: &str = "[\"10.0.0.4\", \"10.0.0.5\"]";
const VIEW: &str = "[[view]]\nname = \"spokes\"\nnetworks = [\"10.10.0.0/16\", \"10.20.0.0/17\"]\n";

#[test]
fn networks_that_are_placed_and_ask_us_have_no_finding() {
    let vnets = json!([
        vnet("weu", &["10.10.0.0/16"], &["10.0.0.4", "10.0.0.5"]),
        vnet("neu", &["10.20.0.0/18"], &["10.0.0.5"])
    ]);
    assert_eq!(check(LISTEN, VIEW, &vnets, &[]), (0, vec![]));
}

#[test]
fn networks_in_no_view_are_told_with_the_part_that_is_not() {
    let vnets = json!({ "value": [
        vnet("weu", &["10.10.0.0/16", "10.11.0.0/16"], &["10.0.0.4"]),
        vnet("neu", &["10.20.0.0/16"], &["10.0.0.4"]),
        vnet("lost", &["10.30.0.0/16", "fd00:30::/48"], &["10.0.0.4"]),
    ] });
    let expected = [
        "H0612 /value/0 virtual network weu is in no view in part: clients in 10.11.0.0/16 get REFUSED",
        "H0612 /value/1 virtual network neu is in no view in part: clients in 10.20.128.0/17 get REFUSED",
        "H0612 /value/2 virtual network lost is in no view: clients in 10.30.0.0/16, fd00:30::/48 get REFUSED",
    ];
    assert_eq!(check(LISTEN, VIEW, &vnets, &[]), (4, expected.map(str::to_owned).to_vec()));
    let all = format!("{VIEW}[[view]]\nname = \"unassigned\"\nnetworks = [\"10.0.0.0/8\", \"fc00::/7\"]\n");
    assert_eq!(check(LISTEN, &all, &vnets, &[]), (0, vec![]));
}

#[test]
fn servers_that_are_not_ours_are_told() {
    let vnets = json!([
        vnet("weu", &["10.10.0.0/16"], &["10.0.0.4", "168.63.129.16", "10.0.9.9"]),
        vnet("neu", &["10.20.0.0/18"], &[]),
    ]);
    let expected = [
        "H0613 /0/dhcpOptions/dnsServers/1 virtual network weu names 168.63.129.16, which is none of our listeners",
        "H0613 /0/dhcpOptions/dnsServers/2 virtual network weu names 10.0.9.9, which is none of our listeners",
        "H0613 /1 virtual network neu names no DNS server: its machines ask Azure's own",
    ];
    assert_eq!(check(LISTEN, VIEW, &vnets, &[]), (4, expected.map(str::to_owned).to_vec()));
    // the address of a load balancer in front of us is ours
    let named = check(LISTEN, VIEW, &vnets, &["--dns-server", "10.0.9.9"]).1;
    assert_eq!(named, [expected[0], expected[2]]);
    // behind a wildcard listener any private address may be ours, the platform's never is
    let wild = check("[\"0.0.0.0\"]", VIEW, &vnets, &[]).1;
    assert_eq!(wild, [expected[0], expected[2]]);
    let wild = check("[\"0.0.0.0\"]", VIEW, &vnets, &["--dns-server", "10.0.0.4"]).1;
    assert_eq!(wild, expected);
}

#[test]
fn a_view_behind_a_listener_counts_for_those_who_are_told_it() {
    let views = "[[view]]\nname = \"dc\"\nlisteners = [\"10.0.0.5\"]\n";
    let vnets = json!([vnet("weu", &["10.10.0.0/16"], &["10.0.0.5"]), vnet("neu", &["10.20.0.0/16"], &["10.0.0.4"])]);
    let (code, told) = check(LISTEN, views, &vnets, &[]);
    assert_eq!((code, told.len()), (4, 1), "{told:?}");
    assert!(told[0].starts_with("H0612 /1 "), "{told:?}");
}

#[test]
fn a_file_of_networks_that_cannot_be_read_is_an_error() {
    let (code, out, errors) =
        run(&["check", "-c", concat!(env!("CARGO_MANIFEST_DIR"), "/conf/lab.toml"), "--vnets", "/nonexistent.json"]);
    assert_eq!(code, 3, "{out}");
    assert!(errors.contains("error[H0113]") && errors.contains("/nonexistent.json"), "{errors}");
    assert_eq!(run(&["check", "--dns-server", "10.0.0.4"]).0, 2, "--dns-server is for --vnets");
}
