//! The formats, in ARM and command-line form. All data are made up after the published shapes.

use serde_json::{Value, json};

use super::*;

mod shapes;

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
const PE: &str = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe-hp-weu";

fn read_json(value: &Value) -> Document {
    read(&value.to_string()).unwrap()
}

/// An interface as the command line prints it.
fn interface() -> Value {
    let configuration = |member: &str, ip: &str, fqdns: Value| {
        json!({
            "name": member, "privateIPAddress": ip, "primary": member == "broker",
            "subnet": { "id": "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub/subnets/pe" },
            "privateLinkConnectionProperties": {
                "groupId": "connection", "requiredMemberName": member, "fqdns": fqdns
            }
        })
    };
    json!({
        "name": "pe-hp-weu.nic.1", "id": "/Subscriptions/0/NIC1", "macAddress": null,
        "privateEndpoint": { "id": PE },
        "ipConfigurations": [
            configuration("broker", "10.10.1.7", json!([
                format!("{POOL}.rdbroker.wvd.microsoft.com"),
                format!("{POOL}.rdbroker-g-us-r0.wvd.microsoft.com")
            ])),
            configuration("diagnostics", "10.10.1.8", json!([format!("{POOL}.rddiagnostics-g-us-r0.wvd.microsoft.com")])),
        ]
    })
}

/// The ARM form of a flattened interface.
fn to_arm(value: &Value) -> Value {
    let mut arm = json!({ "name": value["name"], "id": value["id"], "properties": {} });
    arm["properties"]["privateEndpoint"] = value["privateEndpoint"].clone();
    let configurations = value["ipConfigurations"].as_array().unwrap();
    let configurations: Vec<Value> =
        configurations.iter().map(|own| json!({ "name": own["name"], "properties": own })).collect();
    arm["properties"]["ipConfigurations"] = json!(configurations);
    arm
}

#[test]
fn an_interface_reads_the_same_in_every_form() {
    let cli = interface();
    let document = read_json(&cli);
    let endpoint = &document.endpoints[0];
    assert_eq!(document.notes, []);
    assert_eq!(endpoint.name, "pe-hp-weu");
    assert_eq!(endpoint.kind, Some(Kind::HostPool));
    assert_eq!(endpoint.id.as_deref(), Some(PE.to_ascii_lowercase().as_str()));
    assert!(endpoint.vnet().unwrap().ends_with("/virtualnetworks/hub"));
    assert_eq!(endpoint.records.len(), 3);
    assert_eq!(endpoint.records[2].addresses, ["10.10.1.8".parse::<IpAddr>().unwrap()]);
    let pointer = "/ipConfigurations/0/privateLinkConnectionProperties/fqdns/1";
    assert_eq!(pointers(&cli.to_string(), [&endpoint.records[1].at.span]), [pointer]);
    for form in [
        json!([cli]),
        json!({ "value": [cli], "nextLink": null }),
        json!({ "data": [cli], "count": 1, "skip_token": null }),
        to_arm(&cli),
        json!({ "value": [to_arm(&cli)] }),
    ] {
        let other = read_json(&form);
        let brief = |d: &Document| {
            let records = d.endpoints[0].records.iter();
            records.map(|r| (r.fqdn.clone(), r.addresses.clone())).collect::<Vec<_>>()
        };
        assert_eq!(brief(&other), brief(&document), "{form}");
        assert_eq!(other.endpoints[0].kind, Some(Kind::HostPool));
    }
}

#[test]
fn keys_are_matched_without_case() {
    let text = interface().to_string().replace("privateIPAddress", "privateIpAddress");
    assert_eq!(read(&text).unwrap().endpoints[0].records.len(), 3);
    let text = interface().to_string().replace("ipConfigurations", "IpConfigurations");
    assert_eq!(read(&text).unwrap().endpoints[0].records.len(), 3);
}

#[test]
fn interfaces_of_virtual_machines_are_passed_over() {
    let vm = json!({ "name": "vm", "ipConfigurations": [{ "privateIPAddress": "10.0.0.9" }] });
    assert_eq!(read_json(&vm), Document::default());
    assert_eq!(read_json(&json!([vm, interface()])).endpoints.len(), 1);
}

#[test]
fn group_ids_become_kinds() {
    for (group, kind) in
        [("global", Kind::Global), ("feed", Kind::Workspace), ("Connection", Kind::HostPool), ("blob", Kind::Other)]
    {
        let text = interface().to_string().replace("\"connection\"", &format!("{group:?}"));
        assert_eq!(read(&text).unwrap().endpoints[0].kind, Some(kind));
    }
}

/// An endpoint in ARM form.
fn endpoint(status: &str, names: Value) -> Value {
    json!({
        "name": "pe-hp-weu", "id": PE, "type": "Microsoft.Network/privateEndpoints",
        "properties": {
            "subnet": { "id": "/x/virtualNetworks/hub/subnets/pe" },
            "networkInterfaces": [{ "id": "/subscriptions/0/nic1" }],
            "privateLinkServiceConnections": [],
            "manualPrivateLinkServiceConnections": [{
                "properties": {
                    "privateLinkServiceId": "/s/providers/Microsoft.DesktopVirtualization/hostpools/hp-weu",
                    "groupIds": ["connection"],
                    "privateLinkServiceConnectionState": { "status": status }
                }
            }],
            "customDnsConfigs": names
        }
    })
}

#[test]
fn an_endpoint_has_resource_kind_and_names() {
    let names = json!([{ "fqdn": format!("{POOL}.rdbroker.wvd.microsoft.com"), "ipAddresses": ["10.10.1.7"] }]);
    let text = endpoint("Approved", names).to_string();
    let document = read(&text).unwrap();
    let own = &document.endpoints[0];
    assert_eq!(own.approved, Some(true));
    assert_eq!(own.kind, Some(Kind::HostPool));
    assert!(own.resource.as_deref().unwrap().ends_with("/hostpools/hp-weu"));
    assert_eq!(pointers(&text, [&own.records[0].at.span]), ["/properties/customDnsConfigs/0"]);
    assert_eq!(document.notes, []);
}

#[test]
fn connections_that_are_not_approved_are_told() {
    let document = read_json(&endpoint("Pending", json!([])));
    assert_eq!(document.endpoints[0].approved, Some(false));
    let kinds: Vec<_> = document.notes.iter().map(|note| note.kind).collect();
    assert_eq!(kinds, [NoteKind::NotApproved]);
    let document = read_json(&endpoint("Approved", json!([])));
    assert_eq!(document.notes[0].kind, NoteKind::NoNames);
}

#[test]
fn an_interface_and_its_endpoint_are_one() {
    let both = json!([endpoint("Approved", json!([])), interface()]);
    let document = read_json(&both);
    assert_eq!(document.endpoints.len(), 1);
    assert_eq!(document.endpoints[0].records.len(), 3);
    assert!(document.endpoints[0].resource.is_some());
    assert_eq!(document.notes, []);
}

#[test]
fn a_zone_group_names_its_endpoint() {
    let group = json!({
        "Name": "default", "Id": format!("{PE}/privateDnsZoneGroups/default"),
        "PrivateDnsZoneConfigs": [{
            "Name": "wvd",
            "PrivateDnsZoneId": "/s/privateDnsZones/privatelink.wvd.microsoft.com",
            "RecordSets": [{
                "RecordType": "A", "RecordSetName": format!("{POOL}.rdbroker"),
                "Fqdn": format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"),
                "IpAddresses": ["10.10.1.7"], "Ttl": 10
            }]
        }, { "RecordSets": null }]
    });
    let document = read_json(&group);
    assert_eq!(document.endpoints[0].name, "pe-hp-weu");
    assert_eq!(document.endpoints[0].records[0].source, Source::ZoneGroup);
    assert_eq!(read_json(&json!([group, interface()])).endpoints.len(), 1);
}

#[test]
fn record_sets_go_to_the_endpoint_that_made_them() {
    let set = |name: &str, creator: Option<&str>| {
        json!({
            "id": format!("/s/privateDnsZones/privatelink.wvd.microsoft.com/A/{name}"),
            "name": name, "type": "Microsoft.Network/privateDnsZones/A", "ttl": 10,
            "fqdn": format!("{name}.privatelink.wvd.microsoft.com."),
            "metadata": creator.map(|name| json!({
                "creator": format!("created by private endpoint {name} with resource guid 1")
            })),
            "aRecords": [{ "ipv4Address": "10.10.1.7" }]
        })
    };
    let soa = json!({ "id": "/s/privateDnsZones/z/SOA/@", "name": "@", "type": "Microsoft.Network/privateDnsZones/SOA", "soaRecord": {} });
    let list = json!([set("a", Some("pe-1")), set("b", Some("pe-1")), set("c", None), set("d", None), soa]);
    let document = read_json(&list);
    let brief: Vec<_> = document.endpoints.iter().map(|own| (own.name.as_str(), own.records.len())).collect();
    assert_eq!(brief, [("pe-1", 2), ("", 2)]);
    assert_eq!(document.endpoints[0].records[0].fqdn, "a.privatelink.wvd.microsoft.com");
}

#[test]
fn flat_rows_and_virtual_networks_are_read() {
    let rows = json!({ "data": [
        { "name": "pe-1", "fqdn": "a.wvd.microsoft.com", "ipAddress": "10.0.0.4" },
        { "name": "pe-1", "fqdn": "b.wvd.microsoft.com", "ipAddresses": ["10.0.0.5", "10.0.0.6"] },
    ], "skip_token": "more" });
    let document = read_json(&rows);
    assert_eq!(document.endpoints.len(), 1);
    assert_eq!(document.endpoints[0].records[0].addresses.len(), 1);
    assert_eq!(document.endpoints[0].records[1].addresses.len(), 2);
    assert_eq!(document.notes[0].kind, NoteKind::Partial);
    let vnet =
        json!({ "name": "spoke", "properties": { "addressSpace": { "addressPrefixes": ["10.10.0.0/16", "x"] } } });
    let document = read_json(&vnet);
    assert_eq!(document.vnets[0].prefixes.len(), 1);
    assert_eq!(document.notes[0].kind, NoteKind::BadValue);
    let spans = [&document.notes[0].at.span, &document.vnets[0].at.span];
    assert_eq!(pointers(&vnet.to_string(), spans), ["/properties/addressSpace/addressPrefixes/1", ""]);
}

#[test]
fn bad_texts_are_errors_with_a_place_and_never_panic() {
    assert!(matches!(read("{\n  \"a\": }"), Err(Error::Json { line: 2, column: 8, .. })));
    assert_eq!(read("{\"a\": 1}"), Err(Error::Unknown));
    assert_eq!(read("[1, null, \"x\"]"), Err(Error::Unknown));
    assert!(read(&"[".repeat(100_000)).is_err());
    assert_eq!(read("[]"), Ok(Document::default()));
    let whole = json!([interface(), endpoint("Approved", json!([]))]).to_string();
    for end in (0..whole.len()).step_by(11) {
        assert!(read(&whole[..end]).is_err());
    }
    for text in [
        r#"{"ipConfigurations": 1}"#,
        r#"{"ipConfigurations": [[], {}, {"privateLinkConnectionProperties": 1}]}"#,
        r#"{"customDnsConfigs": [{"fqdn": 1, "ipAddresses": "x"}], "id": 5}"#,
        r#"{"privateDnsZoneConfigs": {"recordSets": []}}"#,
        r#"{"aRecords": [null, 1, {}], "name": null}"#,
        r#"{"addressSpace": null, "fqdn": {}, "ipAddress": []}"#,
    ] {
        let _ = read(text);
    }
}

#[test]
fn an_address_that_is_none_is_told() {
    let text = interface().to_string().replace("10.10.1.8", "10.10.1");
    let document = read(&text).unwrap();
    assert_eq!(document.notes[0].kind, NoteKind::BadValue);
    assert_eq!(pointers(&text, [&document.notes[0].at.span]), ["/ipConfigurations/1/privateIPAddress"]);
}
