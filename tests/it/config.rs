//! Faulty files: every finding at once, each with its place, and nothing half loaded (DESIGN: the configuration file).

use crate::harness::server::run;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file in a folder of its own.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("hub.toml");
    fs::write(&path, text).expect("the file can be written");
    (folder, path)
}

/// `hubdns check` on a text: its exit code and all that it printed.
fn check(text: &str) -> (i32, String) {
    let (_folder, path) = file(text);
    let (code, out, errors) = run(&["check", "-c", path.to_str().expect("a plain path")]);
    (code, out + &errors)
}

/// The places `hub.toml:LINE:COLUMN` in a text, without repeats.
fn places(text: &str) -> BTreeSet<(usize, usize)> {
    text.match_indices("hub.toml:")
        .filter_map(|(at, marker)| {
            let rest = &text[at + marker.len()..];
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(rest.len());
            let mut numbers = rest[..end].split(':').filter_map(|number| number.parse().ok());
            Some((numbers.next()?, numbers.next()?))
        })
        .collect()
}

/// A sound file that the faulty ones below are made from.
const SOUND: &str = r#"version = 1
[server]
listen = ["127.0.0.1:5300"]
workers = 2
[[upstream]]
name = "public"
servers = ["127.0.0.1:5301"]
timeout = "5s"
[[endpoint]]
name = "rdweb"
kind = "other"
records = { "rdweb.avd.example" = ["10.10.4.7"] }
[[zone]]
name = "blob"
apex = "privatelink.blob.example"
missing = "forward"
records = { "acct1" = ["10.0.2.4"] }
[[view]]
name = "spoke"
networks = ["127.0.10.0/24"]
upstream = "public"
guard = "own"
endpoints = ["rdweb"]
zones = ["blob"]
"#;

#[test]
fn a_sound_file_has_no_finding() {
    let (code, text) = check(SOUND);
    assert_eq!(code, 0, "{text}");
    assert!(places(&text).is_empty(), "{text}");
}

#[test]
fn eight_faults_are_eight_findings_with_their_places() {
    // What is written instead, where it starts (key and value), and a word that the report has to hold.
    let faults = [
        ("workers = 2", "workers = \"two\"", "workers"),
        ("timeout = \"5s\"", "timeout = \"5\"", "timeout"),
        ("kind = \"other\"", "kind = \"othr\"", "other"),
        ("[\"10.10.4.7\"]", "[\"10.10.4.777\"]", "10.10.4.777"),
        ("missing = \"forward\"", "missing = \"forwards\"", "nxdomain"),
        ("127.0.10.0/24", "127.0.10.9/24", "127.0.10.0/24"),
        ("upstream = \"public\"", "upstream = \"pulbic\"", "public"),
        ("guard = \"own\"", "gaurd = \"own\"", "guard"),
    ];
    let mut text = SOUND.to_owned();
    for (sound, faulty, _) in faults {
        assert_eq!(text.matches(sound).count(), 1, "{sound}");
        text = text.replace(sound, faulty);
    }
    let (code, report) = check(&text);
    assert_eq!(code, 3, "{report}");
    let found = places(&report);
    for (_, faulty, word) in faults {
        let (line, content) =
            text.lines().enumerate().find(|(_, line)| line.contains(faulty)).expect("the fault's line");
        let columns: Vec<_> = found.iter().filter(|place| place.0 == line + 1).map(|place| place.1).collect();
        assert_eq!(columns.len(), 1, "line {}: {content}\n{report}", line + 1);
        assert!((1..=content.len()).contains(&columns[0]), "{content}: column {}", columns[0]);
        assert!(report.contains(word), "{word} is not in the report:\n{report}");
    }
    assert_eq!(found.len(), 8, "{report}");
}

#[test]
fn a_misspelt_key_is_met_with_the_right_one() {
    let (code, report) = check(&SOUND.replace("listen =", "lisen ="));
    assert_eq!(code, 3);
    assert!(report.contains("lisen") && report.contains("listen"), "{report}");
    assert!(places(&report).iter().any(|place| place.0 == 3), "{report}");
}

#[test]
fn syntax_faults_come_all_at_once() {
    let text = SOUND.replace("workers = 2", "workers = = 2").replace("guard = \"own\"", "guard = \"own");
    let (code, report) = check(&text);
    assert_eq!(code, 3, "{report}");
    let lines: BTreeSet<_> = places(&report).into_iter().map(|place| place.0).collect();
    assert!(lines.contains(&4) && lines.contains(&22), "{lines:?}\n{report}");
}

#[test]
fn what_must_be_there_is_missed() {
    for (line, word) in [
        ("version = 1\n", "version"),
        ("listen = [\"127.0.0.1:5300\"]\n", "listen"),
        ("servers = [\"127.0.0.1:5301\"]\n", "servers"),
        ("apex = \"privatelink.blob.example\"\n", "apex"),
    ] {
        let (code, report) = check(&SOUND.replace(line, ""));
        assert_eq!(code, 3, "without {line}: {report}");
        assert!(report.contains(word), "{report}");
    }
    let (code, report) = check(&SOUND.replace("version = 1", "version = 2"));
    assert_eq!(code, 3, "{report}");
}

#[test]
fn r08_two_addresses_for_one_name_in_a_view_are_an_error() {
    let text = SOUND.replace("endpoints = [\"rdweb\"]", "endpoints = [\"rdweb\", \"again\"]")
        + "[[endpoint]]\nname = \"again\"\nkind = \"other\"\nrecords = { \"rdweb.avd.example\" = [\"10.10.4.8\"] }\n";
    let (code, report) = check(&text);
    assert_eq!(code, 3, "{report}");
    assert!(report.contains("rdweb.avd.example"), "{report}");
}

#[test]
fn r16_a_zone_at_an_avd_private_link_suffix_is_an_error() {
    for apex in ["privatelink.wvd.microsoft.com", "privatelink-global.wvd.azure.us"] {
        let (code, report) = check(&SOUND.replace("privatelink.blob.example", apex));
        assert_eq!(code, 3, "{apex}: {report}");
        assert!(report.contains("endpoint"), "the hint: {report}");
    }
    let strict = SOUND.replace("privatelink.blob.example", "wvd.microsoft.com").replace("missing = \"forward\"\n", "");
    let (code, report) = check(&strict);
    assert_eq!(code, 3, "a strict zone at a public AVD suffix: {report}");
}

#[test]
fn a_kind_that_is_private_without_an_endpoint_is_an_error() {
    let (code, report) = check(&SOUND.replace("guard = \"own\"", "private = [\"host-pool\"]"));
    assert_eq!(code, 3, "{report}");
    assert!(report.contains("host-pool"), "{report}");
}

#[test]
fn two_global_endpoints_in_a_view_are_an_error() {
    let global = |number: u8| {
        format!(
            "[[endpoint]]\nname = \"g{number}\"\nkind = \"global\"\n\
             records = {{ \"rdweb-r{number}.wvd.microsoft.com\" = [\"10.10.4.{number}\"] }}\n"
        )
    };
    let text = SOUND.replace("endpoints = [\"rdweb\"]", "endpoints = [\"g1\", \"g2\"]") + &global(1) + &global(2);
    let (code, report) = check(&text);
    assert_eq!(code, 3, "{report}");
}

#[test]
fn s_20_an_upstream_that_is_our_own_listener_is_an_error() {
    for server in ["127.0.0.1:5300", "127.0.0.1:5300\", \"127.0.0.1:5301"] {
        let (code, report) = check(&SOUND.replace("127.0.0.1:5301", server));
        assert_eq!(code, 3, "{report}");
    }
    let (code, report) = check(&SOUND.replace("listen = [\"127.0.0.1:5300\"]", "listen = [\"0.0.0.0:5301\"]"));
    assert_eq!(code, 3, "behind a wildcard: {report}");
}

#[test]
fn an_included_file_has_its_own_places() {
    let (folder, path) = file(&format!("include = [\"more/*.toml\"]\n{SOUND}"));
    fs::create_dir(folder.path().join("more")).expect("a folder");
    let more = "[[endpoint]]\nname = \"x\"\nkind = \"nothing\"\nrecords = { \"x.example\" = [\"10.0.0.1\"] }\n";
    fs::write(folder.path().join("more/one.toml"), more).expect("written");
    let (code, out, errors) = run(&["check", "-c", path.to_str().expect("a plain path")]);
    assert_eq!(code, 3, "{out}{errors}");
    assert!(format!("{out}{errors}").contains("one.toml:3:"), "{out}{errors}");
}
