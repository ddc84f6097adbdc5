//! Azure's JSON: places inside it, the order of truth, texts that were damaged.

use proptest::prelude::*;

use super::*;

/// An interface, one value a line.
fn interface(address: &str) -> String {
    format!(
        "{{
  \"id\": \"/s/nic1\",
  \"privateEndpoint\": {{ \"id\": \"/s/privateEndpoints/pe\" }},
  \"ipConfigurations\": [{{
    \"privateIPAddress\": \"{address}\",
    \"privateLinkConnectionProperties\": {{
      \"groupId\": \"connection\",
      \"fqdns\": [
        \"{POOL}.rdbroker.wvd.microsoft.com\"
      ]
    }}
  }}]
}}"
    )
}

fn zone_group(address: &str) -> String {
    format!(
        "{{ \"id\": \"/s/privateEndpoints/pe/privateDnsZoneGroups/default\",
  \"privateDnsZoneConfigs\": [{{ \"recordSets\": [
    {{ \"recordType\": \"A\", \"fqdn\": \"{POOL}.rdbroker.privatelink.wvd.microsoft.com\", \"ipAddresses\": [\"{address}\"] }}
  ] }}] }}"
    )
}

fn endpoint(address: &str) -> String {
    format!(
        "{{ \"id\": \"/s/privateEndpoints/pe\", \"name\": \"pe\",
  \"privateLinkServiceConnections\": [{{ \"groupIds\": [\"connection\"], \"privateLinkServiceId\": \"/s/hostpools/hp\" }}],
  \"customDnsConfigs\": [
    {{ \"fqdn\": \"{POOL}.rdbroker.wvd.microsoft.com\", \"ipAddresses\": [\"{address}\"] }}
  ] }}"
    )
}

fn record_set(address: &str) -> String {
    format!(
        "[{{ \"type\": \"Microsoft.Network/privateDnsZones/A\", \"name\": \"x\",
  \"fqdn\": \"{POOL}.rdbroker.privatelink.wvd.microsoft.com.\",
  \"aRecords\": [{{ \"ipv4Address\": \"{address}\" }}] }}]"
    )
}

/// The addresses and the origin of the one record that is left, and what was told: code, place, second place.
fn load_sources(table: &str, files: &[(&str, String)]) -> (Vec<String>, String, Vec<String>) {
    let main = format!("{HEAD}{table}\n{VIEW}endpoints = [\"*\"]\n");
    let mut texts = vec![("hub.toml", &*main)];
    texts.extend(files.iter().map(|(name, text)| (*name, &**text)));
    let loaded = from_texts(&texts);
    let told = loaded.findings.iter().map(|own| {
        let second = own.related.first().map(|(place, _)| place.to_string()).unwrap_or_default();
        format!("{} {} {second}", own.code, own.place)
    });
    let told = told.collect();
    let plan = loaded.plan.unwrap_or_else(|| panic!("{}", render::text(&loaded.findings, false)));
    let [record] = &plan.views[0].endpoints[0].records[..] else { panic!("not one record") };
    (record.addresses().map(|own| own.to_string()).collect(), record.origin.to_string(), told)
}

#[test]
fn an_imported_records_origin_is_its_line_in_the_json() {
    let table = "[[endpoint]]\nname = \"hp\"\nfrom = [\"azure/nic.json\"]";
    let (addresses, origin, told) = load_sources(table, &[("azure/nic.json", interface("10.0.0.4"))]);
    assert_eq!((addresses, &*origin, told), (vec!["10.0.0.4".to_owned()], "azure/nic.json:9", vec![]));
    let marked = format!("\u{feff}{}", interface("10.0.0.4"));
    assert_eq!(load_sources(table, &[("azure/nic.json", marked)]).1, "azure/nic.json:9");
}

#[test]
fn the_order_of_truth_holds_and_each_disagreement_names_both_places() {
    let table = format!(
        "[[endpoint]]\nname = \"hp\"\nfrom = [\"*.json\"]\nrecords = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"10.0.0.9\"] }}"
    );
    // in the order of file names, the least trusted first
    let sources = [
        ("a-set.json", record_set("10.0.0.8")),
        ("b-pe.json", endpoint("10.0.0.7")),
        ("c-group.json", zone_group("10.0.0.6")),
        ("d-nic.json", interface("10.0.0.5")),
    ];
    let places = ["hub.toml:10:13", "a-set.json:1:2", "b-pe.json:4:5", "c-group.json:3:5", "d-nic.json:9:9"];
    let addresses = ["10.0.0.9", "10.0.0.8", "10.0.0.7", "10.0.0.6", "10.0.0.5"];
    for best in 1..sources.len() {
        let (used, origin, told) = load_sources(&table, &sources[..=best]);
        assert_eq!(used, [addresses[best + 1]]);
        assert!(places[best + 1].starts_with(&origin), "{origin}");
        let expected: Vec<String> =
            places[..=best].iter().map(|place| format!("H0608 {place} {}", places[best + 1])).collect();
        assert_eq!(told, expected);
    }
    let agreed = sources.map(|(name, text)| {
        let address = ["10.0.0.8", "10.0.0.7", "10.0.0.6", "10.0.0.5"].iter().find(|own| text.contains(**own)).unwrap();
        (name, text.replace(*address, "10.0.0.9"))
    });
    assert_eq!(load_sources(&table, &agreed).2, Vec::<String>::new());
}

#[test]
fn an_overwritten_record_of_the_zone_is_told_for_lists_too() {
    let table = "[[endpoints]]\nfrom = [\"*.json\"]";
    let sources = [("nic.json", format!("[{}]", interface("10.0.0.4"))), ("set.json", record_set("10.0.0.5"))];
    let (used, origin, told) = load_sources(table, &sources);
    assert_eq!((used, &*origin), (vec!["10.0.0.4".to_owned()], "nic.json:9"));
    assert_eq!(told, ["H0608 set.json:1:2 nic.json:9:9"]);
    let other = record_set("10.0.0.5").replace(".rdbroker.", ".rddiagnostics.");
    let (_, _, told) = load_sources(table, &[sources[0].clone(), ("set.json", other)]);
    assert_eq!(told, ["H0610 set.json:1:2 "]);
}

#[test]
fn findings_in_json_show_the_line() {
    let text = interface("10.0.0");
    let main = format!("{HEAD}[[endpoint]]\nname = \"hp\"\nfrom = [\"nic.json\"]\n{VIEW}endpoints = [\"hp\"]\n");
    let loaded = from_texts(&[("hub.toml", &main), ("nic.json", &text)]);
    let bad = loaded.findings.iter().find(|own| own.code.to_string() == "H0607").unwrap();
    assert_eq!(bad.place.to_string(), "nic.json:5:25");
    assert_eq!(bad.key, "/ipConfigurations/0/privateIPAddress");
    assert!(render::text(std::slice::from_ref(bad), false).contains("\"privateIPAddress\": \"10.0.0\""));
}

/// One change of a text.
fn change() -> impl Strategy<Value = (prop::sample::Index, u8, &'static str)> {
    let pieces = prop::sample::select(vec![
        "",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "\\",
        "\\ud800",
        "null",
        "1e999",
        "true",
        "\u{0}",
        "ü",
        "*.",
        "..",
        "\"id\":",
        "\"properties\":{",
        "999.1.1.1",
        "::1",
        "\n",
    ]);
    (any::<prop::sample::Index>(), 0_u8..4, pieces)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_json_never_panics_and_every_finding_has_a_place(
        which in 0_usize..4,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let fixtures = [interface("10.0.0.4"), zone_group("10.0.0.4"), endpoint("10.0.0.4"), record_set("10.0.0.4")];
        let mut text = fixtures[which].clone();
        for (at, cut, piece) in changes {
            let mut from = at.index(text.len() + 1);
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            let mut to = (from + usize::from(cut)).min(text.len());
            while !text.is_char_boundary(to) {
                to += 1;
            }
            text.replace_range(from..to, piece);
        }
        let main = format!("{HEAD}[[endpoint]]\nname = \"hp\"\nfrom = [\"a.json\"]\n[[endpoints]]\nfrom = [\"a.json\"]\n{VIEW}endpoints = [\"*\"]\n");
        let loaded = from_texts(&[("hub.toml", &main), ("a.json", &text)]);
        for finding in &loaded.findings {
            prop_assert!(!finding.place.file().is_empty() && finding.place.line() > 0);
        }
        prop_assert_eq!(loaded.has_errors(), loaded.plan.is_none());
        let _ = render::text(&loaded.findings, true);
    }
}
