//! What importers do with files that are cut, empty, too large, of another kind, or made to do harm: one clear error with
//! file and place, memory within bounds, and no output unless `--partial` asks for what is left.

use crate::harness::server::{BINARY, run};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The importers and a sound text of each.
fn sound() -> Vec<(&'static str, String)> {
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/azure").join(name);
        fs::read_to_string(path).expect("a fixture")
    };
    let corefile =
        "# c\n. {\n    forward . 10.0.0.4\n}\ncorp.example {\n    hosts {\n        10.0.0.9 a.corp.example\n    }\n}\n";
    let unbound = "server:\n  access-control: 10.0.0.0/8 allow\n  local-data: \"a.office.example A 10.0.0.9\"\nforward-zone:\n  name: \".\"\n  forward-addr: 10.0.0.4\n";
    let bind =
        "options { forwarders { 10.0.0.4; }; };\nzone \"corp.example\" { type forward; forwarders { 10.0.0.9; }; };\n";
    let dnsmasq = "server=10.0.0.4\nhost-record=a.office.example,10.0.0.9\n";
    vec![
        ("azure", fixture("interfaces-cli.json")),
        ("azure", fixture("terraform.json")),
        ("azure", fixture("privatelink.wvd.microsoft.com.zone")),
        ("corefile", corefile.to_owned()),
        ("unbound", unbound.to_owned()),
        ("bind", bind.to_owned()),
        ("dnsmasq", dnsmasq.to_owned()),
        ("hosts", "10.0.0.9 a.office.example\n".to_owned()),
    ]
}

/// A file in a folder of its own.
fn file(octets: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("source.txt");
    fs::write(&path, octets).expect("written");
    let path = path.to_str().expect("a plain path").to_owned();
    (folder, path)
}

/// Imports a file with `-o`: exit code, what was told, whether the output was written. Standard output has to stay empty.
fn import(format: &str, path: &str, more: &[&str]) -> (i32, String, bool) {
    let output = format!("{path}.toml");
    let mut arguments = vec!["import", format, path, "-o", &output];
    arguments.extend(more);
    let (code, out, told) = run(&arguments);
    assert_eq!(out, "", "{format} {path}");
    (code, told, Path::new(&output).exists())
}

/// That a file is refused with one error that names file, line and column, and that nothing was written.
fn assert_refused(format: &str, octets: impl AsRef<[u8]>, exit: i32, words: &str) -> String {
    let (_folder, path) = file(octets);
    let (code, told, written) = import(format, &path, &[]);
    assert_eq!((code, written), (exit, false), "{format}: {told}");
    assert_eq!(told.matches("error[").count(), 1, "{format}: one error:\n{told}");
    assert!(told.contains(&format!("--> {path}:")), "{format}: no place:\n{told}");
    assert!(told.contains(words), "{format}: {words:?}:\n{told}");
    assert!(told.contains("nothing is written"), "{format}: {told}");
    told
}

#[test]
fn sound_files_are_imported() {
    for (format, text) in sound() {
        let (_folder, path) = file(&text);
        let (code, told, written) = import(format, &path, &[]);
        assert_eq!((code, written), (0, true), "{format}: {told}");
    }
}

#[test]
fn empty_files_are_one_error() {
    for (format, _) in sound() {
        for text in ["", " \n\t\n", "\u{feff}\n"] {
            assert_refused(format, text, 3, "empty");
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_one_error_and_exit_1() {
    let folder = TempDir::new().expect("a temporary folder");
    for (format, _) in sound() {
        for path in ["/nonexistent/source.txt", folder.path().to_str().expect("a path"), "/dev/null"] {
            let (code, out, told) = run(&["import", format, path]);
            assert_eq!((code, &*out), (1, ""), "{format} {path}: {told}");
            assert_eq!(told.matches("error[H0113]").count(), 1, "{format} {path}: {told}");
        }
        assert_refused(format, b"10.0.0.9 a\xff\xfe.example\n", 1, "not UTF-8 (octet 10)");
        // a picture
        assert_refused(format, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 1, "not UTF-8 (octet 0)");
    }
}

#[test]
fn cut_files_are_one_error_where_the_cut_shows() {
    for (format, text) in sound() {
        let json = text.starts_with(['{', '[']);
        let mut refused = 0;
        let step = (text.len() / 23).max(1);
        for end in (1..text.trim_end().len()).step_by(step) {
            let (_folder, path) = file(&text[..end]);
            let (code, told, written) = import(format, &path, &[]);
            assert_eq!(written, code == 0, "{format} cut at {end}: {told}");
            if code != 0 {
                refused += 1;
                assert_eq!((code, told.matches("error[").count()), (3, 1), "{format} cut at {end}: {told}");
                assert!(told.contains("source.txt:"), "{format} cut at {end}: {told}");
            }
            assert!(code != 0 || !json, "{format}: half of a JSON text was taken:\n{told}");
        }
        assert!(refused > 0 || matches!(format, "hosts" | "dnsmasq"), "{format}");
    }
    assert_refused("corefile", ". {\n    forward . 10.0.0.4\n", 3, "the block that is opened here is never closed");
    assert_refused("bind", "options { forwarders { 10.0.0.4; };", 3, "the block that is opened here is never closed");
    assert_refused("bind", "zone \"corp.ex", 3, "the quote that is opened here is never closed");
    assert_refused("unbound", "server:\n  local-data: \"a.office", 3, "the quote that is opened here is never closed");
    assert_refused("unbound", "server:\n  local-zone:", 3, "has no value where the file ends");
}

#[test]
fn files_of_another_kind_are_one_error() {
    let html = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>…</body></html>\n";
    let csv = "name;address\na.office.example;10.0.0.9\n";
    let prose = "Dear colleagues,\n\nplease find attached what you asked for.\n";
    let json = "{ \"virtualMachines\": [{ \"name\": \"vm\" }], \"count\": 1 }\n";
    for (format, _) in sound() {
        for text in [html, csv, prose, json, "{}", "[1, 2, 3]", "null", "\u{0}\u{1}\u{2}"] {
            assert_refused(format, text, 3, "source.txt");
        }
    }
    // one server's file for another's importer
    for (format, text) in sound().into_iter().filter(|(format, _)| *format != "azure") {
        for (other, _) in sound().into_iter().filter(|(other, _)| *other != format && *other != "azure") {
            let (_folder, path) = file(&text);
            let (code, told, written) = import(other, &path, &[]);
            assert_eq!((code, written), (3, false), "{format} for {other}: {told}");
            assert_eq!(told.matches("error[").count(), 1, "{format} for {other}: {told}");
        }
    }
}

#[test]
fn deep_and_endless_texts_are_one_error() {
    let deep = "[".repeat(200_000);
    assert_refused("azure", &deep, 3, "source.txt:1:");
    let closed = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    assert_refused("azure", &closed, 3, "source.txt:1:");
    assert_refused("bind", "a { ".repeat(200_000), 3, "source.txt:1:");
    assert_refused("bind", "options { ".repeat(200_000), 3, "blocks more than 32 deep");
    assert_refused("corefile", ". {\n".repeat(100_000), 3, "blocks more than 32 deep");
    // snippets that import each other end
    let circle = "(a) {\n  import b\n}\n(b) {\n  import a\n}\n. {\n  import a\n  forward . 10.0.0.4\n}\n";
    let (_folder, path) = file(circle);
    assert_eq!(import("corefile", &path, &[]).0, 0);
    let circle =
        "acl a { b; };\nacl b { a; };\noptions { allow-query { a; 10.0.0.0/8; }; forwarders { 10.0.0.4; }; };\n";
    let (_folder, path) = file(circle);
    assert_eq!(import("bind", &path, &[]).0, 0);
}

/// Runs an import within 1.5 GB of address space: exit code and what was told.
fn within_bounds(format: &str, path: &str) -> (i32, String) {
    let script = format!("ulimit -v 1500000; exec {BINARY} import {format} {path} -o {path}.toml");
    let output =
        Command::new("sh").args(["-c", &script]).env("NO_COLOR", "1").stdin(Stdio::null()).output().expect("sh runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A text of about this many octets, made of numbered pieces.
fn repeated(octets: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(octets + 1_000);
    let mut number = 0;
    while text.len() < octets {
        text += &piece(number);
        number += 1;
    }
    text
}

const FIFTY: usize = 50 << 20;

#[test]
fn files_over_the_bound_are_one_error() {
    let (_folder, path) = file(vec![b' '; FIFTY + 1]);
    for format in ["azure", "corefile", "unbound", "bind", "dnsmasq", "hosts"] {
        let (code, told, written) = import(format, &path, &[]);
        assert_eq!((code, written), (3, false), "{format}: {told}");
        assert!(told.contains("error[H0115]") && told.contains("at most 52428800 are read"), "{format}: {told}");
    }
}

#[test]
fn fifty_megabytes_of_json_stay_within_bounds() {
    // real data: interfaces, each with a name and an address
    let interface = |number: usize| {
        format!(
            "{{\n    \"name\": \"nic-{number}\",\n    \"id\": \"/subscriptions/0/nics/{number}\",\n    \"location\": \"westeurope\",\n    \"etag\": \"{:0>300}\",\n    \
             \"privateEndpoint\": {{ \"id\": \"/subscriptions/0/privateEndpoints/pe-{number}\" }},\n    \"ipConfigurations\": [\n      {{\n        \
             \"privateIPAddress\": \"10.{}.{}.{}\",\n        \"privateLinkConnectionProperties\": {{ \"groupId\": \"blob\",\n          \"fqdns\": [\"acct{number}.blob.core.windows.net\"] }}\n      }}\n    ]\n  }},\n",
            number,
            number / 65_536,
            number / 256 % 256,
            number % 256
        )
    };
    let mut text = repeated(FIFTY - 2_000, interface);
    text.insert(0, '[');
    text.truncate(text.trim_end().len() - 1);
    text.push(']');
    let (_folder, path) = file(&text);
    let (code, told) = within_bounds("azure", &path);
    assert_eq!(code, 0, "{}", &told[..told.len().min(2_000)]);
    assert!(told.contains(" endpoints with "), "{told}");
    // nothing but brackets
    let (_folder, path) = file(format!("[{}[]]", "[],".repeat(FIFTY / 3 - 10)));
    let (code, told) = within_bounds("azure", &path);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("more than 4000000 values") && told.contains(&path), "{told}");
    // one interface with a million names of one address, and one name a million times
    for name in ["n{}.example", "same.example"] {
        let names = repeated(20 << 20, |number| format!("\"{}\",", name.replace("{}", &number.to_string())));
        let text = format!(
            "{{ \"privateEndpoint\": {{ \"id\": \"/s/privateEndpoints/pe\" }}, \"ipConfigurations\": [{{ \"privateIPAddress\": \"10.0.0.4\", \
             \"privateLinkConnectionProperties\": {{ \"groupId\": \"blob\", \"fqdns\": [{}] }} }}] }}",
            names.trim_end_matches(',')
        );
        let (_folder, path) = file(&text);
        let (code, told) = within_bounds("azure", &path);
        assert!(code == 0 || code == 3 && told.contains(&path), "{name}: {code} {}", &told[..told.len().min(2_000)]);
    }
}

#[test]
fn fifty_megabytes_of_lines_stay_within_bounds() {
    for (format, line, words) in [
        ("hosts", "10.0.0.9 h{}.office.example\n", "more than 200000 names"),
        ("dnsmasq", "host-record=h{}.office.example,10.0.0.9\n", "more than 200000 names"),
        ("unbound", "server: local-data: \"h{}.office.example A 10.0.0.9\"\n", "more than 2000000 words"),
        ("bind", "zone \"z{}.example\" { type forward; forwarders { 10.0.0.9; }; };\n", "more than 2000000 words"),
        ("corefile", "z{}.example {\n  forward . 10.0.0.9\n}\n", "more than 2000000 words"),
        ("azure", "$ORIGIN office.example.\nh{} 10 IN A 10.0.0.9\n", "more than 500000 records"),
        ("azure", "this is no zone file {}\n$ORIGIN x.\n", "more faults"),
        ("hosts", "no address {}\n", "no hosts file"),
        ("dnsmasq", "no key {}\n", "no dnsmasq configuration"),
    ] {
        let (_folder, path) = file(repeated(FIFTY - 1_000, |number| line.replace("{}", &number.to_string())));
        let (code, told) = within_bounds(format, &path);
        assert_eq!(code, 3, "{format} {line}: {}", &told[..told.len().min(2_000)]);
        assert_eq!(told.matches("error[").count(), 1, "{format} {line}: {}", &told[..told.len().min(2_000)]);
        assert!(told.contains(words) && told.contains(&path), "{format} {line}: {}", &told[..told.len().min(2_000)]);
        assert!(told.len() < 1 << 20, "{format}: {} octets were told", told.len());
    }
}

#[test]
fn names_of_the_source_cannot_leave_their_place_in_the_result() {
    let evil = "x\"\n[server]\nlisten = [\"0.0.0.0:1\"]\u{1b}[31m # ";
    let json = serde_json::json!([{
        "name": evil, "id": format!("/s/nics/{evil}"),
        "privateEndpoint": { "id": format!("/s/privateEndpoints/{evil}") },
        "ipConfigurations": [{
            "privateIPAddress": "10.0.0.4",
            "subnet": { "id": format!("/s/virtualNetworks/{evil}/subnets/{evil}") },
            "privateLinkConnectionProperties": { "groupId": "blob", "fqdns": ["acct1.blob.core.windows.net", evil] }
        }]
    }, { "type": "Microsoft.DesktopVirtualization/workspaces", "name": evil, "objectId": evil, "friendlyName": evil, "publicNetworkAccess": evil, "applicationGroupReferences": [] }]);
    let (_folder, path) = file(json.to_string());
    let (code, told, written) = import("azure", &path, &[]);
    assert_eq!((code, written), (3, false), "the name that is none is an error: {told}");
    let (code, told, _) = import("azure", &path, &["--partial", "--view", "all=10.0.0.0/8,*"]);
    assert_eq!(code, 0, "{told}");
    let made = fs::read_to_string(format!("{path}.toml")).expect("the result");
    assert_eq!(made.matches("\n[server]\n").count(), 1, "{made}");
    assert!(!made.contains('\u{1b}') && !told.contains('\u{1b}'), "{made:?}");
    assert_eq!(run(&["check", "-c", &format!("{path}.toml")]).0, 0, "{made}");
    let text = "server=/a\u{1b}[31mb.example/10.0.0.4\nserver=10.0.0.4\ncname=a.b,\"c\"d\u{7f}\n# \u{1b}[2J\nbogus\u{1b}[2J=1\n";
    let (_folder, path) = file(text);
    let (code, told, _) = import("dnsmasq", &path, &[]);
    let made = fs::read_to_string(format!("{path}.toml")).expect("the result");
    assert!(code == 0 && !made.contains('\u{1b}') && !told.contains('\u{1b}'), "{told:?}{made:?}");
}

#[test]
fn nothing_is_written_in_part_unless_asked_for() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a plain path").to_owned();
    let good = sound().swap_remove(0).1;
    fs::write(path("good.json"), &good).expect("written");
    fs::write(path("cut.json"), &good[..good.len() / 2]).expect("written");
    fs::write(path("out.toml"), "before").expect("written");
    let import = |more: &[&str]| {
        let (good, cut, out) = (path("good.json"), path("cut.json"), path("out.toml"));
        let mut arguments = vec!["import", "azure", &good, &cut, "-o", &out];
        arguments.extend(more);
        run(&arguments)
    };
    let (code, out, told) = import(&[]);
    assert_eq!((code, &*out), (3, ""), "{told}");
    assert_eq!(
        fs::read_to_string(path("out.toml")).expect("the file"),
        "before",
        "a file is replaced whole or not at all"
    );
    assert_eq!(told.matches("error[H0601]").count(), 1, "{told}");
    let names: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").filter_map(|own| Some(own.ok()?.file_name())).collect();
    assert_eq!(names.len(), 3, "nothing is left beside it: {names:?}");
    let (code, _, told) = import(&["--partial"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("error[H0601]"), "what is left out is still told: {told}");
    let made = fs::read_to_string(path("out.toml")).expect("the file");
    assert!(made.starts_with("# PARTIAL: something of the source is left out."), "{made}");
    assert!(made.contains("pe-hp-weu"), "{made}");
    // JSON says so too
    let (code, out, _) = run(&["import", "azure", &path("cut.json"), "--json"]);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &value["ok"], &value["toml"]), (3, &false.into(), &serde_json::Value::Null));
}
