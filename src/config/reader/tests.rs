//! Tests of the reader: findings with places, and nothing panics.

use super::super::{Finding, Severity, Source, Spec, read_included, read_main};

/// Reads a main file.
fn main_file(text: &str) -> (Spec, Vec<Finding>) {
    let mut findings = Vec::new();
    let spec = read_main(&Source::new("hub.toml", text), &mut findings);
    super::super::sort(&mut findings, &[]);
    (spec, findings)
}

/// The findings as `line:column code`.
fn found(text: &str) -> Vec<String> {
    let (_, findings) = main_file(text);
    let brief = |f: &Finding| format!("{}:{} {}", f.place.line(), f.place.column(), f.code);
    findings.iter().map(brief).collect()
}

const HEAD: &str = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";

#[test]
fn a_small_file_has_its_defaults() {
    let text = format!("{HEAD}[[upstream]]\nname = \"azure\"\nservers = [\"168.63.129.16\"]\n");
    let (spec, findings) = main_file(&text);
    assert_eq!(findings, []);
    let server = spec.server.unwrap();
    assert_eq!(server.workers.value, 0);
    assert_eq!(server.lameduck.value.as_secs(), 5);
    assert_eq!(spec.cache.size_octets, 256 << 20);
    assert_eq!(spec.cache.max_negative_ttl.as_secs(), 300);
    let upstream = &spec.upstreams[0];
    let server = &upstream.servers[0].value;
    assert_eq!(upstream.max_in_flight_of(server), 150);
    assert_eq!(upstream.max_qps_of(server), Some(900));
    assert_eq!(upstream.timeout.value.as_secs(), 5);
    assert!(!spec.incomplete);
}

#[test]
fn the_whole_example_of_the_design_is_read() {
    let (spec, findings) = main_file(include_str!("example.toml"));
    assert_eq!(findings, []);
    assert_eq!(spec.include[0].value, "endpoints.d/*.toml");
    assert_eq!(spec.upstreams.len(), 2);
    assert_eq!(spec.endpoints[0].records[0].0.value.to_string(), "rdweb.wvd.microsoft.com");
    assert_eq!(spec.endpoint_sets.len() + spec.zone_sets.len() + spec.known.len(), 3);
    let view = &spec.views[0];
    assert_eq!(view.networks[1].value.to_string(), "fd00:10::/48");
    assert_eq!(view.forward[0].suffix.value.to_string(), "corp.example");
    assert_eq!(view.private.as_ref().unwrap().value.len(), 2);
    assert!(view.must_be_private.as_ref().unwrap()[1].value.wildcard);
    assert_eq!(view.reply_within.as_ref().unwrap().value.as_millis(), 4_800);
    assert_eq!(view.missing[0].0.value, "blob");
    assert_eq!(view.networks[0].place.to_string(), "hub.toml:61:13");
}

#[test]
fn eight_faults_are_eight_findings_with_places() {
    let text = "\
version = 2
[server]
listen = [\"localhost\"]
lameduck = 5
worker = 3
[[upstream]]
name = \"azure\"
servers = [\"168.63.129.16\"]
policy = \"roundrobin\"
timeout = \"5 s\"
[[view]]
networks = [\"10.1.2.3/16\"]
";
    assert_eq!(
        found(text),
        [
            "1:11 H0111",
            "3:11 H0118",
            "4:12 H0103",
            "5:1 H0102",
            "9:10 H0108",
            "10:11 H0106",
            "11:1 H0104",
            "12:13 H0121",
        ]
    );
    let (_, findings) = main_file(text);
    let hints: Vec<_> = findings.iter().filter_map(|f| f.hint.as_deref()).collect();
    assert!(hints[2].contains("\"5s\""), "{hints:?}");
    assert!(hints[3].contains("did you mean `workers`"), "{hints:?}");
    assert!(hints[4].contains("did you mean \"round-robin\""), "{hints:?}");
    assert_eq!(findings[7].key, "view[0].networks[0]");
}

#[test]
fn several_syntax_faults_are_reported_without_missing_keys() {
    let text = "version = \n[server]\nworkers = 1 2\nhealth = \"x\n[[view]]\nname = 'a'\nnetwork = []\n";
    let found = found(text);
    assert!(found.iter().filter(|line| line.ends_with("H0101")).count() >= 3, "{found:?}");
    assert!(!found.iter().any(|line| line.ends_with("H0104")), "{found:?}");
    assert!(found.contains(&"7:1 H0102".to_owned()), "{found:?}");
}

#[test]
fn tables_in_the_wrong_brackets_are_told() {
    let (_, findings) = main_file("version = 1\n[[server]]\nlisten = []\n[upstream]\nname = \"a\"\n");
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].hint.as_deref().unwrap().contains("single"));
    assert!(findings[1].hint.as_deref().unwrap().contains("double"));
}

#[test]
fn duplicate_keys_and_repeated_items_are_told() {
    let text = format!(
        "{HEAD}workers = 1\nworkers = 2\n[[view]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\", \"10.0.0.0/8\"]\n"
    );
    assert_eq!(found(&text), ["5:1 H0101", "8:27 H0123"]);
    let (spec, _) = main_file(&text);
    assert!(!spec.views[0].faulty);
}

#[test]
fn names_that_differ_in_case_are_one() {
    let text = format!(
        "{HEAD}[[endpoint]]\nname = \"a\"\nrecords = {{ \"A.example\" = [\"10.0.0.4\"], \"a.example.\" = [\"10.0.0.5\"] }}\n"
    );
    assert_eq!(found(&text).len(), 1);
    assert!(found(&text)[0].ends_with("H0110"));
}

#[test]
fn zone_records_are_addresses_or_an_alias() {
    let text = format!(
        "{HEAD}[[zone]]\nname = \"z\"\napex = \"a.example\"\nrecords = {{ \"@\" = [\"10.0.0.4\"], w = {{ cname = \"x.example\" }}, v = {{ a = 1 }}, u = {{}}, t = [] }}\n"
    );
    let (spec, findings) = main_file(&text);
    assert_eq!(spec.zones[0].records.as_ref().unwrap().value.len(), 2);
    let codes: Vec<_> = findings.iter().map(|f| f.code.number()).collect();
    assert_eq!(codes, [102, 104, 105], "{findings:?}");
}

#[test]
fn included_files_hold_tables_only() {
    let mut findings = Vec::new();
    let text =
        "include = []\nwatch = true\n[server]\nlisten = []\n[[upstream]]\nname = \"a\"\nservers = [\"10.0.0.4\"]\n";
    let spec = read_included(&Source::new("more.toml", text), &mut findings);
    assert_eq!(findings.iter().map(|f| f.code.number()).collect::<Vec<_>>(), [112, 112, 112]);
    assert_eq!(spec.upstreams.len(), 1);
}

#[test]
fn odd_texts_never_panic() {
    let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    let tables = format!("view = [{}1{}]", "{ a = ".repeat(500), "}".repeat(500));
    for text in [
        "",
        "\u{feff}version = 1",
        "\0",
        "a",
        "[",
        "[[",
        "]]",
        "=",
        "\"",
        "'''",
        "version",
        "ü = ü",
        "view = 1",
        "view = [1, \"a\", {}]",
        "[view]\n[[view]]",
        "version = 0x1",
        "version = 99999999999999999999",
        "[server]\nlisten = [[[[]]]]",
        "[[view]]\nname = \"\\u0000\"",
        "view.a.b.c = 1",
        "a.\"\".b = 1979-05-27",
        "[cache]\nsize = \"999999999999GiB\"",
        "[[view]]\nmissing = 1",
        "[[zone]]\nrecords = { \"\" = [] }",
        &deep,
        &tables,
    ] {
        let (_, findings) = main_file(text);
        for finding in &findings {
            assert!(finding.place.line() >= 1 && finding.place.column() >= 1);
            let _ = super::super::render::text(std::slice::from_ref(finding), false);
        }
    }
    // cut the example anywhere
    let whole = include_str!("example.toml");
    for end in (0..whole.len()).step_by(7).filter(|end| whole.is_char_boundary(*end)) {
        let (_, findings) = main_file(&whole[..end]);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Error));
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(found(&format!("\u{feff}{HEAD}")), Vec::<String>::new());
}

#[test]
fn ten_thousand_endpoints_are_read_quickly() {
    let mut text = HEAD.to_owned();
    for number in 0..10_000 {
        text.push_str(&format!(
            "[[endpoint]]\nname = \"e{number}\"\nkind = \"other\"\nrecords = {{ \"n{number}.example\" = [\"10.0.{}.{}\"] }}\n",
            number / 256, number % 256
        ));
    }
    let start = std::time::Instant::now();
    let (spec, findings) = main_file(&text);
    assert_eq!((spec.endpoints.len(), findings.len()), (10_000, 0));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
