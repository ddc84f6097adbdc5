//! The fixtures: every shape gives the same endpoints, and what only one shape has is read.

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        read(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/azure/", $name))).unwrap()
    };
}

/// `endpoint kind names` of every endpoint, in order of name.
fn brief(document: &Document) -> Vec<String> {
    let one = |own: &Endpoint| {
        let kind = own.kind.map_or("-".to_owned(), |kind| format!("{kind:?}"));
        format!("{} {kind} {}", own.name, own.records.len())
    };
    let mut all: Vec<String> = document.endpoints.iter().map(one).collect();
    all.sort();
    all
}

/// Names without their suffix and addresses, sorted.
fn names(document: &Document, endpoint: &str) -> Vec<(String, Vec<IpAddr>)> {
    let own = document.endpoints.iter().find(|own| own.name == endpoint).unwrap();
    let plain = |fqdn: &str| {
        let end = [".privatelink", ".wvd.", ".blob."].iter().filter_map(|mark| fqdn.find(mark)).min().unwrap();
        fqdn[..end].to_owned()
    };
    let mut names: Vec<_> = own.records.iter().map(|own| (plain(&own.fqdn), own.addresses.clone())).collect();
    names.sort();
    names
}

const ALL: [&str; 6] = [
    "pe-blob-weu Other 1",
    "pe-feed-neu Workspace 3",
    "pe-feed-weu Workspace 3",
    "pe-global-weu Global 3",
    "pe-hp-neu HostPool 7",
    "pe-hp-weu HostPool 7",
];

#[test]
fn every_shape_gives_the_same_endpoints() {
    let interfaces = fixture!("interfaces-cli.json");
    for document in [
        &interfaces,
        &fixture!("interfaces-arm.json"),
        &fixture!("private-endpoints-arm.json"),
        &fixture!("graph.json"),
    ] {
        assert_eq!(document.notes, []);
        assert_eq!(brief(document), ALL);
        for own in &interfaces.endpoints {
            assert_eq!(names(document, &own.name), names(&interfaces, &own.name));
        }
        assert!(document.endpoints.iter().all(|own| own.vnet().unwrap().contains("/virtualnetworks/vnet-")));
    }
    let untold = |brief: &str| brief.replace("Other", "-").replace("Workspace", "-").replace("Global", "-");
    let all: Vec<String> = ALL.iter().map(|own| untold(own).replace("HostPool", "-")).collect();
    for document in [fixture!("zone-groups-cli.json"), fixture!("zone-groups-powershell.json")] {
        assert_eq!(brief(&document), all, "the kind is not in a zone group");
        assert_eq!(names(&document, "pe-hp-weu"), names(&interfaces, "pe-hp-weu"));
        assert!(document.endpoints.iter().flat_map(|own| &own.records).all(|own| own.ttl == Some(10)));
    }
}

#[test]
fn an_endpoint_with_a_zone_group_has_no_names_of_its_own() {
    let document = fixture!("private-endpoints-cli.json");
    assert_eq!(document.endpoints.len(), 6);
    assert!(document.notes.iter().all(|note| note.kind == NoteKind::NoNames) && document.notes.len() == 6);
    let show = fixture!("private-endpoint-show.json");
    assert_eq!(brief(&show), ["pe-hp-weu HostPool 7"]);
    assert!(show.endpoints[0].resource.as_deref().unwrap().ends_with("/hostpools/hp-main"));
}

#[test]
fn record_sets_keep_zone_ttl_and_other_types() {
    let document = fixture!("record-sets-cli.json");
    assert_eq!(brief(&document), [" - 1", "pe-feed-weu - 3", "pe-global-weu - 3", "pe-hp-weu - 7"]);
    let nameless = document.endpoints.iter().find(|own| own.name.is_empty()).unwrap();
    assert!(
        nameless.records[0].zone.as_deref().unwrap().ends_with("/privatednszones/privatelink.blob.core.windows.net")
    );
    assert_eq!(nameless.records[0].ttl, Some(10));
    let [alias] = &document.others[..] else { panic!("{:?}", document.others) };
    assert_eq!((&*alias.owner, &*alias.rtype), ("www", "CNAME"));
    assert_eq!(alias.target.as_deref(), Some("acct1.privatelink.blob.core.windows.net"));
    assert_eq!(brief(&fixture!("record-sets-arm.json")), [" - 10"]);
    let links = fixture!("zone-links.json").links;
    assert_eq!(links.iter().map(|own| own.fallback).collect::<Vec<_>>(), [false, true]);
    assert!(links[1].vnet.ends_with("/virtualnetworks/vnet-weu") && links[1].zone == alias.zone);
}

#[test]
fn terraform_states_are_walked_through_all_modules() {
    let document = fixture!("terraform.json");
    let expected = [
        " - 1",
        "pe-feed-neu Workspace 3",
        "pe-feed-weu Workspace 3",
        "pe-global-weu Global 3",
        "pe-hp-neu HostPool 7",
        "pe-hp-weu HostPool 7",
    ];
    assert_eq!(brief(&document), expected);
    let interfaces = fixture!("interfaces-cli.json");
    for name in ["pe-hp-weu", "pe-hp-neu", "pe-feed-neu"] {
        assert_eq!(names(&document, name), names(&interfaces, name));
    }
    let own = document.endpoints.iter().find(|own| own.name == "pe-hp-weu").unwrap();
    assert_eq!(own.records[0].source, Source::ZoneGroup);
    assert!(own.vnet().unwrap().ends_with("/vnet-weu") && own.interfaces.len() == 1);
    let empty = r#"{ "format_version": "1.0", "values": { "root_module": {} } }"#;
    assert_eq!(read(empty), Ok(Document::default()));
    let record = document.endpoints.iter().find(|own| own.name.is_empty()).unwrap();
    assert_eq!(
        (&*record.records[0].fqdn, record.records[0].ttl),
        ("acct2.privatelink.blob.core.windows.net", Some(300))
    );
}

#[test]
fn outputs_of_a_deployment_are_endpoints_by_their_connections_id() {
    let document = fixture!("deployment.json");
    assert_eq!(brief(&document), ["pe-feed-weu Workspace 3", "pe-global-weu Global 3", "pe-hp-weu HostPool 7"]);
    assert!(document.endpoints.iter().all(|own| own.id.is_some()));
    assert_eq!(brief(&fixture!("deployment-outputs.json")), ["pe-hp-neu HostPool 7"]);
    // without any id the output's own name is all there is
    let bare = json!({ "outputs": { "endpoint": { "type": "Object", "value": {
        "customDnsConfigs": { "fqdn": "a.wvd.microsoft.com", "ipAddresses": ["10.0.0.4"] } } } } });
    assert_eq!(brief(&read_json(&bare)), ["endpoint - 1"]);
    assert_eq!(read(r#"{ "outputs": { "x": { "type": "String", "value": "y" } } }"#), Err(Error::Unknown));
}

#[test]
fn networks_have_subnets_and_dns_servers() {
    let [weu, neu] = &fixture!("virtual-networks.json").vnets[..] else { panic!() };
    assert_eq!(weu.prefixes, ["10.10.0.0/16".parse().unwrap()]);
    assert_eq!(weu.subnets.len(), 2);
    assert_eq!(weu.subnets[1].prefixes, ["10.10.4.0/23".parse().unwrap()]);
    assert_eq!(vnet_of(&weu.subnets[0].id), weu.id.as_deref().unwrap());
    let servers: Vec<String> = neu.dns_servers.iter().map(|(own, _)| own.to_string()).collect();
    assert_eq!(servers, ["10.0.0.4", "168.63.129.16"]);
}

#[test]
fn workspaces_and_host_pools_have_guid_access_and_endpoints() {
    let workspaces = fixture!("workspaces.json").resources;
    assert_eq!(workspaces.iter().map(|own| own.serves_feed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(workspaces[0].public_access.as_deref(), Some("Disabled"));
    assert_eq!(workspaces[0].endpoints.len(), 2);
    let [pool] = &fixture!("host-pool.json").resources[..] else { panic!() };
    assert_eq!((pool.kind, pool.guid.as_deref()), (ResourceKind::HostPool, Some(POOL)));
    let host = json!({ "type": "Microsoft.DesktopVirtualization/hostpools/sessionhosts", "name": "hp/host-0" });
    assert_eq!(read(&host.to_string()), Err(Error::Unknown));
}

#[test]
fn a_text_of_nothing_but_brackets_is_refused() {
    let text = format!("[{}[]]", "[],".repeat(4_100_000));
    let Err(Error::Json { line: 1, message, .. }) = read(&text) else { panic!() };
    assert_eq!(message, "more than 4000000 values");
}
