//! Loading: findings by code and place, and what the plan comes to.

use super::*;
use crate::config::{Severity, render};
use crate::view::Snapshot;
use crate::zone::{Missing, State};

mod broken;
mod imports;
mod upstreams;
mod zone_files;

/// What every text begins with.
const HEAD: &str = "\
version = 1
[server]
listen = [\"127.0.0.1:5300\"]
[[upstream]]
name = \"azure\"
servers = [\"168.63.129.16\"]
";

/// Loads HEAD and more.
fn head_and(more: &str) -> Loaded {
    from_text("hub.toml", &format!("{HEAD}{more}"))
}

/// The codes of what was found, remarks left out.
fn found(loaded: &Loaded) -> Vec<String> {
    let told = loaded.findings.iter().filter(|finding| finding.severity != Severity::Info);
    told.map(|finding| finding.code.to_string()).collect()
}

/// The codes of what is found in HEAD and more.
fn codes_of(more: &str) -> Vec<String> {
    found(&head_and(more))
}

fn clean(loaded: &Loaded) -> &Loaded {
    assert!(found(loaded).is_empty(), "{}", render::text(&loaded.findings, false));
    loaded
}

const VIEW: &str = "[[view]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]\n";
const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

fn pool(name: &str, address: &str) -> String {
    format!(
        "[[endpoint]]\nname = \"{name}\"\nkind = \"host-pool\"\nrecords = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"{address}\"] }}\n"
    )
}

#[test]
fn a_small_file_becomes_a_plan() {
    let text = format!("{}{VIEW}endpoints = [\"hp\"]\n", pool("hp", "10.0.0.4"));
    let loaded = head_and(&text);
    let plan = clean(&loaded).plan.as_ref().unwrap();
    let view = &plan.views[0];
    assert_eq!(view.private, [crate::zone::avd::Kind::HostPool]);
    assert_eq!(view.private_ranges.len(), 5);
    let record = &view.endpoints[0].records[0];
    let names: Vec<String> = record.names.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [format!("{POOL}.rdbroker.wvd.microsoft.com"), format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"),]
    );
    assert_eq!(record.origin.to_string(), "hub.toml:10");
    assert_eq!(loaded.config.as_ref().unwrap().listen[0].port(), 5300);
    let snapshot = Snapshot::build(plan.clone());
    assert!(snapshot.select("10.1.2.3".parse().unwrap(), "127.0.0.1:5300".parse().unwrap()).is_some());
}

#[test]
fn faults_of_all_stages_come_at_once() {
    let text = "\
[[upstrem]]
name = \"x\"
[[zone]]
name = \"z\"
apex = \"privatelink.wvd.microsoft.com\"
[[endpoint]]
name = \"e\"
kind = \"global\"
records = { \"rdweb.wvd.microsoft.com\" = [\"10.0.0.4\"] }
[[view]]
name = \"a\"
networks = [\"10.1.2.3/8\"]
endpoints = [\"e\"]
[[view]]
name = \"b\"
networks = [\"10.0.0.0/8\"]
endpoints = [\"e\"]
private = [\"workspace\"]
forward = [{ suffix = \"a..b\", upstream = \"azure\" }]
[[view]]
name = \"b\"
networks = [\"10.0.0.0/8\"]
timeout = \"5s\"
";
    let loaded = head_and(text);
    let codes = found(&loaded);
    for code in ["H0102", "H0110", "H0119", "H0121", "H0414", "H0504"] {
        assert!(codes.iter().any(|own| own == code), "{code} is not in {codes:?}");
    }
    assert!(loaded.has_errors() && loaded.plan.is_none() && loaded.config.is_none());
    let lines: Vec<u32> = loaded.findings.iter().map(|finding| finding.place.line()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn references_are_resolved_with_did_you_mean() {
    let text = format!(
        "{}{VIEW}endpoints = [\"hb\"]\nzones = [\"blob\"]\nupstream = \"azur\"\nextends = \"bas\"\n",
        pool("hp", "10.0.0.4")
    );
    let loaded = head_and(&text);
    assert_eq!(found(&loaded), ["H0401", "H0403", "H0302", "H0501"]);
    let hints: Vec<_> = loaded.findings.iter().filter_map(|finding| finding.hint.clone()).collect();
    assert_eq!(hints, ["did you mean \"hp\"?", "did you mean \"azure\"?"]);
}

#[test]
fn globs_in_lists_and_a_glob_without_a_match() {
    let text =
        format!("{}{}{VIEW}endpoints = [\"hp-?\", \"x*\"]\n", pool("hp-1", "10.0.0.4"), pool("hp-2", "10.0.0.4"));
    let loaded = head_and(&text);
    assert_eq!(found(&loaded), ["H0402"]);
    assert_eq!(loaded.plan.unwrap().views[0].endpoints.len(), 2);
}

#[test]
fn an_upstream_may_be_left_out_where_there_is_one() {
    let two = format!("[[upstream]]\nname = \"b\"\nservers = [\"10.1.0.4\"]\n{VIEW}");
    let codes = codes_of(&two);
    assert!(codes.contains(&"H0303".to_owned()), "{codes:?}");
    assert_eq!(codes_of(VIEW), Vec::<String>::new());
}

#[test]
fn r08_two_own_entries_with_other_addresses_are_an_error() {
    let text =
        format!("{}{}{VIEW}endpoints = [\"hp-1\", \"hp-2\"]\n", pool("hp-1", "10.0.0.4"), pool("hp-2", "10.0.0.5"));
    let loaded = head_and(&text);
    assert_eq!(found(&loaded), ["H0505"]);
    let related: Vec<_> = loaded.findings[0].related.iter().map(|(place, _)| place.line()).collect();
    assert_eq!(related, [10, 16]);
    // in different views they are isolated endpoints
    let text = format!(
        "{}{}{VIEW}endpoints = [\"hp-1\"]\n[[view]]\nname = \"b\"\nnetworks = [\"172.16.0.0/12\"]\nendpoints = [\"hp-2\"]\n",
        pool("hp-1", "10.0.0.4"),
        pool("hp-2", "10.0.0.5")
    );
    clean(&head_and(&text));
}

#[test]
fn r08_an_own_entry_hides_the_inherited_one() {
    let text = format!(
        "{}{}[[zone]]\nname = \"z1\"\napex = \"z.example\"\n[[zone]]\nname = \"z2\"\napex = \"z.example\"\n\
        [[view]]\nname = \"base\"\nendpoints = [\"hp-1\"]\nzones = [\"z1\"]\nguard = \"all\"\nkeep-warm = [\"a.example\"]\n\
        forward = [{{ suffix = \"c.example\", upstream = \"azure\" }}]\n\
        {VIEW}extends = \"base\"\nendpoints = [\"hp-2\"]\nzones = [\"z2\"]\n\
        forward = [{{ suffix = \"c.example\", upstream = \"azure\" }}, {{ suffix = \"d.example\", upstream = \"azure\" }}]\n\
        [[view]]\nname = \"b\"\nnetworks = [\"172.16.0.0/12\"]\nextends = \"base\"\nwithout = [\"z1\", \"hp-*\"]\n",
        pool("hp-1", "10.0.0.4"),
        pool("hp-2", "10.0.0.5")
    );
    let loaded = head_and(&text);
    let plan = clean(&loaded).plan.as_ref().unwrap();
    assert_eq!(plan.views.len(), 2);
    let view = &plan.views[0];
    let held: Vec<_> = view.endpoints.iter().flat_map(|own| &own.records).flat_map(|own| own.addresses()).collect();
    assert_eq!(held, ["10.0.0.5".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!((view.zones.len(), &*view.zones[0].0.name), (1, "z2"));
    assert_eq!(view.forwards.len(), 2);
    assert_eq!(view.guard, crate::view::GuardMode::All);
    assert_eq!(view.keep_warm.len(), 1);
    let hidden = loaded.findings.iter().filter(|finding| finding.code.to_string() == "H0511").count();
    assert_eq!(hidden, 3);
    assert!(plan.views[1].zones.is_empty() && plan.views[1].endpoints.is_empty());
}

#[test]
fn r08_an_own_global_endpoint_replaces_the_inherited_one_whole() {
    let global = |name: &str, record: &str| {
        format!(
            "[[endpoint]]\nname = \"{name}\"\nkind = \"global\"\nrecords = {{ \"{record}.wvd.microsoft.com\" = [\"10.0.0.4\"] }}\n"
        )
    };
    let text = format!(
        "{}{}[[view]]\nname = \"base\"\nendpoints = [\"g1\"]\n{VIEW}extends = \"base\"\nendpoints = [\"g2\"]\n",
        global("g1", "rdweb"),
        global("g2", "rdweb-r0")
    );
    let loaded = head_and(&text);
    let view = &clean(&loaded).plan.as_ref().unwrap().views[0];
    assert_eq!(view.endpoints.len(), 1);
    assert_eq!(&*view.endpoints[0].name, "g2");
    let both = format!("{}{}{VIEW}endpoints = [\"g1\", \"g2\"]\n", global("g1", "rdweb"), global("g2", "rdweb-r0"));
    assert_eq!(codes_of(&both), ["H0506"]);
}

#[test]
fn r08_cycles_and_long_chains_are_errors() {
    let cycle = format!("{VIEW}extends = \"b\"\n[[view]]\nname = \"b\"\nextends = \"a\"\n");
    assert!(codes_of(&cycle).contains(&"H0502".to_owned()));
    let own = format!("{VIEW}extends = \"a\"\n");
    assert_eq!(codes_of(&own), ["H0502"]);
    let mut long = String::from("[[view]]\nname = \"v0\"\n");
    for number in 1..12 {
        long.push_str(&format!("[[view]]\nname = \"v{number}\"\nextends = \"v{}\"\n", number - 1));
    }
    assert!(codes_of(&long).contains(&"H0502".to_owned()));
}

#[test]
fn included_files_add_tables_and_names_are_unique_over_files() {
    let main =
        format!("{HEAD}{VIEW}").replace("version = 1\n", "version = 1\ninclude = [\"more/*.toml\", \"none/*.toml\"]\n");
    let loaded = from_texts(&[
        ("etc/hub.toml", &main),
        ("etc/more/b.toml", "[[view]]\nname = \"a\"\nnetworks = [\"172.16.0.0/12\"]\n"),
        ("etc/more/a.toml", "[cache]\nsize = \"0\"\n[[upstream]]\nname = \"u\"\nservers = [\"10.0.0.4\"]\n"),
        ("etc/more/deep/c.toml", "not read"),
    ]);
    assert_eq!(found(&loaded), ["H0114", "H0112", "H0110"]);
    assert_eq!(loaded.findings[0].place.to_string(), "etc/hub.toml:2:27");
    assert_eq!(loaded.findings[2].place.to_string(), "etc/more/b.toml:2:8");
    assert_eq!(loaded.findings[2].related[0].0.to_string(), "etc/hub.toml:9:8");
    let files: Vec<_> = loaded.files.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(files, ["etc/hub.toml", "etc/more/a.toml", "etc/more/b.toml"]);
    let main = main.replace("more/*.toml", "gone.toml");
    assert_eq!(found(&from_texts(&[("hub.toml", &main)])), ["H0113", "H0114"]);
}

/// A network interface of the pool with two members.
fn interface(endpoint: &str, first: &str) -> String {
    format!(
        r#"{{ "name": "nic", "privateEndpoint": {{ "id": "/x/privateEndpoints/{endpoint}" }}, "ipConfigurations": [
        {{ "privateIPAddress": "{first}", "privateLinkConnectionProperties": {{ "groupId": "connection", "fqdns": ["{POOL}.rdbroker.wvd.microsoft.com"] }} }},
        {{ "privateIPAddress": "10.0.0.8", "privateLinkConnectionProperties": {{ "groupId": "connection", "fqdns": ["{POOL}.rddiagnostics-g-us-r0.wvd.microsoft.com"] }} }} ] }}"#
    )
}

#[test]
fn an_endpoint_is_imported_from_its_interface() {
    let main = format!("{HEAD}[[endpoint]]\nname = \"hp\"\nfrom = [\"azure/*.json\"]\n{VIEW}endpoints = [\"hp\"]\n");
    let nic = interface("pe-hp", "10.0.0.7");
    let group = format!(
        r#"{{ "id": "/x/privateEndpoints/pe-hp/privateDnsZoneGroups/default", "privateDnsZoneConfigs": [ {{ "recordSets": [
        {{ "recordType": "A", "fqdn": "{POOL}.rdbroker.privatelink.wvd.microsoft.com", "ipAddresses": ["10.0.0.9"] }} ] }} ] }}"#
    );
    let loaded = from_texts(&[("hub.toml", &main), ("azure/nic.json", &nic), ("azure/group.json", &group)]);
    assert_eq!(found(&loaded), ["H0608"]);
    assert!(loaded.findings[0].message.contains("the network interface says 10.0.0.7, the zone group says 10.0.0.9"));
    let plan = loaded.plan.unwrap();
    let endpoint = &plan.views[0].endpoints[0];
    assert_eq!(
        (endpoint.kind, endpoint.state, endpoint.records.len()),
        (crate::zone::avd::Kind::HostPool, State::Private, 2)
    );
    assert_eq!(endpoint.records[0].addresses().next(), Some("10.0.0.7".parse().unwrap()));
    assert_eq!(&*endpoint.records[0].origin.file, "azure/nic.json");
}

#[test]
fn lists_become_one_endpoint_for_each_one_found() {
    let main = format!("{HEAD}[[endpoints]]\nfrom = [\"all.json\"]\n{VIEW}endpoints = [\"pe-*\"]\n");
    let vm = r#"{ "name": "vm", "ipConfigurations": [{}] }"#;
    let other = interface("pe-2", "10.0.0.7").replace(POOL, "34c6de84-0b0c-42ba-9a48-e164ed43a9ef");
    let list =
        format!(r#"{{ "value": [{}, {other}, {vm}], "nextLink": "https://more" }}"#, interface("pe-1", "10.0.0.7"));
    let loaded = from_texts(&[("hub.toml", &main), ("all.json", &list)]);
    assert_eq!(found(&loaded), ["H0603"]);
    assert_eq!(loaded.findings[0].key, "/nextLink");
    assert_eq!(loaded.plan.unwrap().views[0].endpoints.len(), 2);
    let one = main.replace("[[endpoints]]", "[[endpoint]]\nname = \"pe-x\"");
    let loaded = from_texts(&[("hub.toml", &one), ("all.json", &list)]);
    assert!(found(&loaded).contains(&"H0606".to_owned()));
    for (text, code) in [("{", "H0601"), ("{}", "H0602"), (vm, "H0605")] {
        let loaded = from_texts(&[("hub.toml", &one), ("all.json", text)]);
        assert!(found(&loaded).contains(&code.to_owned()), "{code}: {:?}", found(&loaded));
    }
}

#[test]
fn zones_have_inline_records_or_a_file() {
    let main = format!(
        "{HEAD}[[zone]]\nname = \"z\"\napex = \"z.example\"\nmissing = \"forward\"\nrecords = {{ \"@\" = [\"10.0.0.4\"], w = {{ cname = \"x.example\" }} }}\n\
        [[zone]]\nname = \"f\"\napex = \"privatelink.blob.core.windows.net\"\nfile = \"f.zone\"\nmissing = \"forward\"\n\
        [[zones]]\nfrom = [\"zones/*.zone\"]\n{VIEW}zones = [\"*\"]\nmissing = {{ z = \"nxdomain\" }}\n"
    );
    let loaded = from_texts(&[
        ("hub.toml", &main),
        ("f.zone", "acct1 60 A 10.0.2.4\n"),
        ("zones/p.zone", "$ORIGIN p.example.\n@ NS ns.example.\nw A 10.0.0.4\n"),
    ]);
    let plan = clean(&loaded).plan.as_ref().unwrap();
    let zones: Vec<_> = plan.views[0]
        .zones
        .iter()
        .map(|(zone, missing)| {
            (zone.name.to_string(), zone.len(), *missing, zone.public().map(|public| public.to_string()))
        })
        .collect();
    assert_eq!(
        zones,
        [
            ("z".to_owned(), 2, Missing::NxDomain, None),
            ("f".to_owned(), 2, Missing::Forward, Some("blob.core.windows.net".to_owned())),
            ("p".to_owned(), 2, Missing::NxDomain, None),
        ]
    );
    let loaded = from_texts(&[
        ("hub.toml", &main),
        ("f.zone", "a A 10.0.0\nsub NS a\nb.example. A 10.0.0.4\nc CNAME a\nc A 10.0.0.4\n"),
        ("zones/p.zone", "w A 10.0.0.4\n"),
    ]);
    let places: Vec<String> =
        loaded.findings.iter().map(|finding| format!("{} {}", finding.place, finding.code)).collect();
    for wanted in
        ["f.zone:1:1 H0422", "f.zone:2:1 H0421", "f.zone:3:1 H0419", "f.zone:5:1 H0420", "zones/p.zone:1:1 H0424"]
    {
        assert!(places.contains(&wanted.to_owned()), "{wanted} is not in {places:#?}");
    }
}

#[test]
fn each_lint_has_its_code() {
    let endpoint = |kind: &str, records: &str| {
        format!("[[endpoint]]\nname = \"e\"\nkind = \"{kind}\"\nrecords = {{ {records} }}\n{VIEW}endpoints = [\"e\"]\n")
    };
    let zone =
        |apex: &str, more: &str| format!("[[zone]]\nname = \"z\"\napex = \"{apex}\"\n{more}\n{VIEW}zones = [\"z\"]\n");
    let upstream =
        |more: &str| format!("[[upstream]]\nname = \"u\"\n{more}\n{VIEW}upstream = \"azure\"\nreverse = \"u\"\n");
    let view_b = |nets: &str, more: &str| format!("{VIEW}[[view]]\nname = \"b\"\nnetworks = {nets}\n{more}\n");
    for (text, code) in [
        (upstream("servers = [\"127.0.0.1:5300\"]"), "H0304"),
        (upstream("servers = [\"168.63.129.16\"]\ntimeout = \"4s\""), "H0305"),
        (upstream("servers = [\"168.63.129.16\"]\nmax-in-flight = 200"), "H0306"),
        (upstream("servers = [\"168.63.129.16\"]\nmax-qps = 1000"), "H0307"),
        (upstream("servers = [\"10.1.0.4\", \"10.1.0.4:53\"]"), "H0311"),
        (upstream("servers = [\"tls://10.1.0.4#dns.example\"]"), "H0315"),
        (upstream("servers = [\"10.1.0.4\"]\nca = \"ca.pem\""), "H0316"),
        (format!("[[upstream]]\nname = \"u\"\nservers = [\"10.1.0.4\"]\n{VIEW}upstream = \"azure\"\n"), "H0310"),
        (format!("[[upstream]]\nname = \"u\"\nservers = [\"10.1.0.4\"]\n{VIEW}upstream = \"azure\"\nforward = [{{ suffix = \"corp.example\", upstream = \"u\" }}]\n"), "H0309"),
        (format!("{VIEW}forward = [{{ suffix = \"a.example\", upstream = \"azure\" }}, {{ suffix = \"A.example\", upstream = \"azure\" }}]\n"), "H0308"),
        (format!("{VIEW}reply-within = \"5s\"\n"), "H0313"),
        (endpoint("host-pool", "\"x.example\" = [\"10.0.0.4\"]"), "H0406"),
        (endpoint("global", "\"rdweb.privatelink.wvd.microsoft.com\" = [\"10.0.0.4\"]"), "H0407"),
        (format!("{}{VIEW}", pool("hp", "10.0.0.4")), "H0409"),
        (endpoint("global", "\"rdweb.wvd.microsoft.com\" = [\"203.0.113.4\"]"), "H0410"),
        (endpoint("workspace", &format!("\"{POOL}.wvd.microsoft.com\" = [\"10.0.0.4\", \"10.0.0.5\"]")), "H0411"),
        (endpoint("host-pool", "\"*.wvd.microsoft.com\" = [\"10.0.0.4\"]"), "H0412"),
        (endpoint("other", "\"*.com\" = [\"10.0.0.4\"]"), "H0412"),
        (endpoint("host-pool", "\"*.rdbroker.wvd.microsoft.com\" = [\"10.0.0.4\"]"), "H0413"),
        (endpoint("other", "\"world.relay.avd.microsoft.com\" = [\"10.0.0.4\"]"), "H0425"),
        (endpoint("host-pool", "\"x.privatelink-global.wvd.microsoft.com\" = [\"10.0.0.4\"]"), "H0426"),
        (format!("[[endpoint]]\nname = \"e\"\n{VIEW}"), "H0404"),
        (format!("[[endpoint]]\nname = \"e\"\nrecords = {{ \"x.example\" = [\"10.0.0.4\"] }}\n{VIEW}"), "H0405"),
        (zone("privatelink-global.wvd.azure.us", "missing = \"forward\""), "H0414"),
        (zone("wvd.microsoft.com", ""), "H0415"),
        (zone("microsoft.com", ""), "H0415"),
        (zone("x.privatelink.wvd.microsoft.com", ""), "H0415"),
        (zone("privatelink.blob.core.windows.net", ""), "H0416"),
        (format!("[[zone]]\nname = \"z\"\napex = \"z.example\"\n{VIEW}"), "H0417"),
        (zone("z.example", "records = { \"b.example.\" = [\"10.0.0.4\"] }"), "H0419"),
        (zone("z.example", "records = { \"w.z.example\" = [\"10.0.0.4\"] }"), "H0423"),
        (format!("{VIEW}without = [\"x\"]\n"), "H0503"),
        (view_b("[\"10.0.0.0/8\"]", ""), "H0504"),
        (format!("{VIEW}private = [\"feed\"]\n"), "H0507"),
        ("[[view]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\", \"172.16.1.0/24\"]\n[[view]]\nname = \"b\"\nnetworks = [\"172.16.0.0/12\", \"10.1.0.0/16\"]\n".to_owned(), "H0508"),
        (format!("{VIEW}[[view]]\nname = \"base\"\n"), "H0509"),
        (view_b("[]", "listeners = [\"10.0.0.4\"]"), "H0510"),
        ("[[view]]\nname = \"a\"\n".to_owned(), "H0514"),
        (format!("{VIEW}missing = {{ z = \"forward\" }}\n"), "H0516"),
        (format!("[[zone]]\nname = \"y\"\napex = \"z.example\"\n{}", zone("z.example", "")).replace("zones = [\"z\"]", "zones = [\"y\", \"z\"]"), "H0515"),
    ] {
        let codes = codes_of(&text);
        assert!(codes.contains(&code.to_owned()), "{code} is not in {codes:?} of\n{text}");
        assert!(codes.len() <= 2, "{codes:?} of\n{text}");
    }
    let twice = HEAD.replace("5300\"]\n", "5300\"]\nadmin = \"127.0.0.1:5300\"\nhealth = \"10.0.0.4\"\n");
    assert_eq!(found(&from_text("hub.toml", &format!("{twice}{VIEW}"))), ["H0201"]);
    let exposed = HEAD.replace("5300\"]\n", "5300\"]\nadmin = \"10.0.0.4:5300\"\n[cache]\nmax-ttl = \"1m\"\n");
    assert_eq!(found(&from_text("hub.toml", &format!("{exposed}{VIEW}"))), ["H0202", "H0203"]);
}

#[test]
fn a_token_is_read_judged_and_no_part_of_the_revision() {
    let head = HEAD.replace("5300\"]\n", "5300\"]\nadmin = \"10.0.0.4\"\ntoken-file = \"token\"\n");
    let text = format!("{head}{VIEW}");
    let with = |token: &str| from_texts(&[("hub.toml", &text), ("token", token)]);
    let loaded = with("0123456789abcdef\n");
    assert!(clean(&loaded).config.as_ref().unwrap().token.as_ref().unwrap().is("0123456789abcdef"));
    assert_eq!(loaded.files, [Path::new("hub.toml"), Path::new("token")], "in order");
    assert_eq!(loaded.revision, with("another-token-of-ours").revision, "a hash of a secret is told to nobody");
    for bad in ["", "\n", "short", "0123456789 abcdef"] {
        assert_eq!(found(&with(bad)), ["H0204"], "{bad:?}");
    }
    assert_eq!(found(&from_text("hub.toml", &text)), ["H0113"], "no file");

    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("hubdns-token-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hub.toml"), &text).unwrap();
    std::fs::write(folder.join("token"), "0123456789abcdef").unwrap();
    for (mode, expected) in [(0o600, &[][..]), (0o640, &[]), (0o644, &["H0205"])] {
        std::fs::set_permissions(folder.join("token"), std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&folder.join("hub.toml")).unwrap();
        assert_eq!(found(&loaded), expected, "{mode:o}");
        assert!(loaded.plan.is_some());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_global_endpoint_on_a_feeds_workspace_is_told() {
    let text = format!(
        "[[endpoint]]\nname = \"g\"\nkind = \"global\"\nresource = \"ws1\"\nrecords = {{ \"rdweb.wvd.microsoft.com\" = [\"10.0.0.4\"] }}\n\
        [[endpoint]]\nname = \"w\"\nkind = \"feed\"\nresource = \"WS1\"\nrecords = {{ \"{POOL}.wvd.microsoft.com\" = [\"10.0.0.5\"] }}\n\
        {VIEW}endpoints = [\"g\", \"w\"]\n"
    );
    assert_eq!(codes_of(&text), ["H0408"]);
}

#[test]
fn lints_that_must_not_fire() {
    // a session-host view with host-pool endpoints alone; an endpoint shared by views; proper nesting; an empty view
    let text = format!(
        "{}{VIEW}endpoints = [\"hp\"]\nprivate = [\"host-pool\"]\n\
        [[view]]\nname = \"b\"\nnetworks = [\"10.1.0.0/16\", \"fd00::/8\"]\nendpoints = [\"hp\"]\n\
        [[view]]\nname = \"guest\"\nnetworks = [\"10.1.99.0/24\"]\n\
        [[view]]\nname = \"all\"\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\n",
        pool("hp", "10.0.0.4")
    );
    let loaded = head_and(&text);
    assert_eq!(loaded.findings, [], "{}", render::text(&loaded.findings, false));
}

#[test]
fn remarks_are_no_warnings() {
    let global = |name: &str, last: u8| {
        format!(
            "[[endpoint]]\nname = \"{name}\"\nkind = \"global\"\nrecords = {{ \"rdweb.wvd.microsoft.com\" = [\"10.0.0.{last}\"] }}\n"
        )
    };
    let text = format!(
        "{}{}{}{VIEW}endpoints = [\"g1\", \"hp\"]\n[[view]]\nname = \"b\"\nnetworks = [\"172.16.0.0/12\"]\nendpoints = [\"g2\"]\nprivate = [\"global\"]\n",
        global("g1", 4),
        global("g2", 5),
        pool("hp", "10.0.0.7")
    );
    let loaded = head_and(&text);
    let codes: Vec<String> = loaded.findings.iter().map(|finding| finding.code.to_string()).collect();
    assert_eq!(codes, ["H0512", "H0513"]);
    assert!(loaded.plan.is_some());
}

/// Every file of `conf/`.
fn conf_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_file_of_conf_is_clean() {
    let files = conf_files();
    assert!(files.len() >= 9, "{files:?}");
    for path in files {
        let loaded = load(&path).unwrap();
        clean(&loaded);
        assert!(Snapshot::build(loaded.plan.unwrap()).views.iter().all(|view| !view.networks.is_empty()));
    }
}

#[test]
fn hub_toml_shows_every_default() {
    use crate::config::sections::{Default, TABLES};
    let text = include_str!("../../conf/hub.toml");
    let mut section = "the file".to_owned();
    let mut shown = std::collections::HashMap::new();
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = line.split_whitespace().next().unwrap().to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            shown.insert((section.clone(), key.trim().to_owned()), value.to_owned());
        }
    }
    for table in TABLES.iter().filter(|table| table.name != "forward") {
        for key in table.keys.iter().filter(|key| {
            !matches!(key.kind, crate::config::sections::Kind::Table(_) | crate::config::sections::Kind::Tables(_))
                || key.name == "forward"
        }) {
            let place = (table.title.to_owned(), key.name.to_owned());
            let value =
                shown.get(&place).unwrap_or_else(|| panic!("{} {} is not in conf/hub.toml", table.title, key.name));
            // the one view of the file is not abstract
            if let (Default::Value(default), false) = (key.default, key.name == "networks") {
                assert!(value.starts_with(default), "{} {}: {value} is not {default}", table.title, key.name);
            }
        }
    }
}

#[test]
fn ten_thousand_endpoints_are_checked_quickly() {
    let mut text = HEAD.to_owned();
    for number in 0..10_000_u32 {
        text.push_str(&format!(
            "[[endpoint]]\nname = \"e{number}\"\nkind = \"other\"\nrecords = {{ \"n{number}.example\" = [\"10.0.{}.{}\"] }}\n",
            number / 256, number % 256
        ));
    }
    text.push_str(&format!("{VIEW}endpoints = [\"e*\"]\n"));
    let start = std::time::Instant::now();
    let loaded = from_text("hub.toml", &text);
    let spent = start.elapsed();
    assert_eq!(clean(&loaded).plan.as_ref().unwrap().views[0].endpoints.len(), 10_000);
    assert!(spent.as_secs() < 5, "{spent:?}");
}
