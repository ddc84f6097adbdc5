//! The checks of imported data: each one fires on the data that show it, and not on the world of the fixtures.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::config::codes;
use crate::config::has_errors;
use crate::import::finish;

/// One fixture.
fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/azure").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Imports texts; the codes and messages of what was found, and the TOML.
fn import(files: &[(&str, String)], views: &[&str], partial: bool) -> (Vec<String>, Option<String>) {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |(name, text): &(&str, String)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let request = Request {
        files: files.iter().map(write).collect(),
        views: views.iter().map(|view| view.parse().unwrap()).collect(),
        options: Options { partial, ..Options::default() },
        ..Request::default()
    };
    let (tables, findings) = read(&request);
    let (made, findings) = finish(tables, findings, std::path::Path::new("import.toml"), &request.options);
    assert_eq!(made.is_none(), has_errors(&findings) && !partial);
    let told = findings.iter().map(|own| format!("{} {}", own.code, own.message)).collect();
    for own in &findings {
        assert!(!own.place.file().is_empty(), "{own:?}");
    }
    (told, made.map(|(_, written)| written.text))
}

/// The interfaces, networks and objects of the fixtures after a change.
fn changed(change: impl Fn(&mut Value, &mut Value, &mut Value)) -> (Vec<String>, Option<String>) {
    let (mut nics, mut vnets, mut objects) =
        (fixture("interfaces-cli.json"), fixture("virtual-networks.json"), fixture("workspaces.json"));
    objects.as_array_mut().unwrap().push(fixture("host-pool.json"));
    change(&mut nics, &mut vnets, &mut objects);
    let endpoints = fixture("private-endpoints-cli.json");
    let files = [
        ("nics.json", nics.to_string()),
        ("vnets.json", vnets.to_string()),
        ("objects.json", objects.to_string()),
        ("endpoints.json", endpoints.to_string()),
    ];
    import(&files, &[], false)
}

/// That just one finding came, with this code and these words.
fn assert_one(told: &[String], row: &codes::CodeRow, words: &str) {
    let [one] = told else { panic!("{told:#?}") };
    assert!(one.starts_with(&row.code.to_string()) && one.contains(words), "{one}");
}

#[test]
fn the_fixtures_have_no_finding() {
    let (told, text) = changed(|_, _, _| {});
    assert_eq!(told, Vec::<String>::new());
    assert!(text.is_some());
}

#[test]
fn an_address_outside_its_subnet_is_told() {
    let (told, _) = changed(|nics, _, _| nics[3]["ipConfigurations"][0]["privateIPAddress"] = json!("10.10.9.7"));
    assert_one(&told, &codes::OUTSIDE_SUBNET, "10.10.9.7");
}

#[test]
fn a_view_without_a_feed_is_told() {
    let (told, _) = changed(|nics, _, objects| {
        nics.as_array_mut().unwrap().remove(5);
        objects[0]["publicNetworkAccess"] = json!("Enabled");
    });
    // the endpoint itself is still in the list, without its names
    let expected = [codes::NO_NAMES.code, codes::NO_FEED.code].map(|code| code.to_string());
    assert_eq!(told.iter().map(|own| own[..5].to_owned()).collect::<Vec<_>>(), expected, "{told:#?}");
    assert!(told[1].contains("\"vnet-neu\""), "{told:#?}");
}

#[test]
fn a_route_that_the_resource_denies_is_told() {
    let (told, _) = changed(|nics, _, objects| {
        nics.as_array_mut().unwrap().remove(6);
        objects[2]["publicNetworkAccess"] = json!("Disabled");
    });
    let expected = [codes::NO_NAMES.code, codes::ACCESS_DENIED.code, codes::PUBLIC_FOR_HOSTS.code];
    let expected = expected.map(|code| code.to_string());
    assert_eq!(told.iter().map(|own| own[..5].to_owned()).collect::<Vec<_>>(), expected, "{told:#?}");
    assert!(told[1].contains("\"hp-main\"") && told[1].contains("\"vnet-neu\""), "{told:#?}");
}

#[test]
fn an_endpoint_that_no_file_has_is_told() {
    let (told, _) = changed(|_, _, objects| {
        let other = json!({ "privateEndpoint": { "id": "/s/privateEndpoints/pe-other" } });
        objects[2]["privateEndpointConnections"].as_array_mut().unwrap().push(other);
    });
    assert_one(&told, &codes::ENDPOINT_ELSEWHERE, "/s/privateendpoints/pe-other");
}

#[test]
fn discovery_on_a_workspace_with_applications_is_told() {
    let (told, _) = changed(|_, _, objects| objects[1]["applicationGroupReferences"] = json!(["x"]));
    assert_one(&told, &codes::GLOBAL_WITH_FEED, "ws-placeholder");
}

#[test]
fn a_network_without_endpoints_is_told_and_may_join_a_view() {
    let mut vnets = fixture("virtual-networks.json");
    let third = json!({ "name": "vnet-spoke", "id": "/s/virtualNetworks/vnet-spoke", "addressSpace": { "addressPrefixes": ["10.30.0.0/16"] } });
    vnets.as_array_mut().unwrap().push(third);
    let files = [("nics.json", fixture("interfaces-cli.json").to_string()), ("vnets.json", vnets.to_string())];
    let (told, _) = import(&files, &[], false);
    assert_one(&told, &codes::NETWORK_IN_NO_VIEW, "vnet-spoke (10.30.0.0/16)");
    let (told, text) = import(&files, &["west=vnet-weu,vnet-sp*"], false);
    assert_eq!(told, Vec::<String>::new());
    assert!(text.unwrap().contains("name = \"west\"\nnetworks = [\"10.10.0.0/16\", \"10.30.0.0/16\"]"));
    let (told, _) = import(&files, &["west=vnet-weu,vnet-sp*,vnet-x"], false);
    assert_one(&told, &codes::MEMBER_UNKNOWN, "vnet-x");
}

#[test]
fn two_global_endpoints_in_a_view_are_an_error() {
    let double = |nics: &mut Value| {
        let text = nics[1].to_string().replace("pe-global-weu", "pe-global-2").replace("10.10.1.4", "10.10.1.5");
        nics.as_array_mut().unwrap().push(serde_json::from_str(&text).unwrap());
    };
    let (told, text) = changed(|nics, _, _| double(nics));
    assert_eq!(text, None);
    assert_one(&told, &codes::TWO_GLOBALS, "\"pe-global-2\" and \"pe-global-weu\"");
    // with `partial` the second stays out of the view
    let mut nics = fixture("interfaces-cli.json");
    double(&mut nics);
    let (told, text) =
        import(&[("nics.json", nics.to_string())], &["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"], true);
    assert!(told.iter().any(|own| own.starts_with("H0506")), "{told:#?}");
    let text = text.unwrap();
    assert!(text.starts_with("# PARTIAL"), "{text}");
    assert!(text.contains("endpoints = [\"pe-global-2\", \"pe-feed-weu\", \"pe-hp-weu\", \"pe-blob-weu\"]"), "{text}");
}

#[test]
fn one_name_with_two_addresses_in_a_view_is_an_error() {
    let nics = fixture("interfaces-cli.json").to_string();
    let (told, text) = import(&[("nics.json", nics)], &["all=vnet-*,10.0.0.0/8"], false);
    assert_eq!(text, None);
    assert_eq!(told.iter().map(|own| &own[..5]).collect::<Vec<_>>(), ["H0505", "H0505"], "{told:#?}");
}

#[test]
fn an_overwritten_record_is_told_and_the_interface_is_used() {
    let sets = fixture("record-sets-cli.json").to_string().replace("10.10.1.7", "10.20.1.7");
    let files = [("nics.json", fixture("interfaces-cli.json").to_string()), ("sets.json", sets)];
    let (told, text) = import(&files, &["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"], false);
    let overwritten: Vec<&String> = told.iter().filter(|own| own.starts_with("H0608")).collect();
    assert_eq!(overwritten.len(), 2, "{told:#?}");
    assert!(overwritten.iter().all(|own| own.contains("10.10.1.7") && own.contains("10.20.1.7")), "{told:#?}");
    assert!(text.unwrap().contains(".rdbroker.wvd.microsoft.com\" = [\"10.10.1.7\"]"));
}

#[test]
fn a_global_record_in_the_feeds_zone_is_told_whichever_source_is_used() {
    let group = json!({
        "id": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-avd/providers/Microsoft.Network/privateEndpoints/pe-global-weu/privateDnsZoneGroups/default",
        "privateDnsZoneConfigs": [{ "recordSets": [{
            "recordType": "A", "fqdn": "rdweb.privatelink.wvd.microsoft.com", "ipAddresses": ["10.10.1.4"]
        }] }]
    });
    let files = [("nics.json", fixture("interfaces-cli.json").to_string()), ("group.json", group.to_string())];
    let (told, _) = import(&files, &["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"], false);
    assert_one(&told, &codes::GLOBAL_IN_FEED_ZONE, "rdweb.privatelink.wvd.microsoft.com");
}

#[test]
fn names_outside_every_suffix_and_connections_that_are_not_approved_are_told() {
    let nics =
        fixture("interfaces-cli.json").to_string().replace("rdweb-r1.wvd.microsoft.com", "rdweb-r1.other.example");
    let pending = fixture("private-endpoint-show.json").to_string().replace("\"Approved\"", "\"Pending\"");
    let views = ["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"];
    let (told, _) = import(&[("nics.json", nics)], &views, false);
    assert_one(&told, &codes::OUTSIDE_SUFFIXES, "rdweb-r1.other.example");
    let (told, text) = import(&[("pe.json", pending)], &["weu=10.10.0.0/16"], false);
    assert_one(&told, &codes::NOT_APPROVED, "pe-hp-weu");
    assert!(!text.unwrap().contains("[[endpoint]]"));
}

#[test]
fn a_page_of_a_list_is_told() {
    let mut page = fixture("interfaces-arm.json");
    page["nextLink"] = json!("https://next.example");
    let (told, _) =
        import(&[("page.json", page.to_string())], &["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"], false);
    assert_one(&told, &codes::PARTIAL, "nextLink");
}

#[test]
fn what_the_loader_refuses_is_told_at_its_place_in_the_source() {
    let nics = fixture("interfaces-cli.json")
        .to_string()
        .replace("rdweb-r1.wvd.microsoft.com", "world.relay.avd.microsoft.com");
    let views = ["weu=vnet-weu,10.10.0.0/16", "neu=vnet-neu,10.20.0.0/16"];
    let (told, text) = import(&[("nics.json", nics.clone())], &views, false);
    assert_eq!(text, None);
    assert!(told.iter().any(|own| own.starts_with("H0425")), "{told:#?}");
    let (_, text) = import(&[("nics.json", nics)], &views, true);
    let text = text.unwrap();
    assert!(!text.contains("world.relay") && text.contains("rdweb-r0.wvd.microsoft.com"), "{text}");
}
