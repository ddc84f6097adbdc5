//! `diff`: what another configuration changes for whom, what to do, and a log replayed against both.

use crate::harness::server::run;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

/// Two views, a host pool, a global endpoint and a zone; nothing of it is ever asked.
fn text() -> String {
    format!(
        r#"version = 1
[server]
listen = ["127.0.0.1:5300"]
[[upstream]]
name = "azure"
servers = ["127.0.0.1:5301"]
[[endpoint]]
name = "discovery"
kind = "global"
records = {{ "rdweb.wvd.microsoft.com" = ["10.0.1.4"] }}
[[endpoint]]
name = "hp-weu"
kind = "host-pool"
records = {{ "{POOL}.rdbroker.wvd.microsoft.com" = ["10.0.1.7"], "{POOL}.rddiagnostics-g-us-r0.wvd.microsoft.com" = ["10.0.1.8"] }}
[[zone]]
name = "corp"
apex = "corp.example"
ttl = "5m"
records = {{ "files" = ["10.0.2.4"], "print" = ["10.0.2.5"] }}
[[view]]
name = "clients"
upstream = "azure"
networks = ["127.0.10.0/24"]
endpoints = ["discovery", "hp-weu"]
zones = ["corp"]
[[view]]
name = "hosts"
upstream = "azure"
networks = ["127.0.20.0/24"]
endpoints = ["hp-weu"]
"#
    )
}

/// Both files in a folder of their own.
fn files(change: impl Fn(String) -> String) -> (TempDir, String, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("a plain path").to_owned()
    };
    let (old, new) = (write("old.toml", text()), write("new.toml", change(text())));
    (folder, old, new)
}

fn json(arguments: &[&str]) -> Value {
    let (code, out, errors) = run(arguments);
    assert!(code == 0 || code == 5, "{code}: {out}{errors}");
    serde_json::from_str(&out).expect("JSON alone on standard output")
}

#[test]
fn equal_configurations_do_not_differ() {
    let (_folder, old, new) = files(|text| format!("# only a remark\n{text}"));
    let (code, out, errors) = run(&["diff", "--exit-code", &old, &new]);
    assert_eq!((code, &*out), (0, "nothing differs\n"), "{errors}");
}

#[test]
fn a_moved_host_pool_is_told_by_view_with_what_to_do() {
    let (_folder, old, new) =
        files(|text| text.replace("10.0.1.7", "10.0.1.17").replace("\"10.0.2.5\"", "\"10.0.2.6\""));
    let (code, out, errors) = run(&["diff", &old, &new]);
    assert_eq!(code, 0, "{out}{errors}");
    for part in [
        "view clients  (127.0.10.0/24)",
        "view hosts  (127.0.20.0/24)",
        "host pool hp-weu: 1 name moved",
        &format!("{POOL}.rdbroker.wvd.microsoft.com  10.0.1.7 → 10.0.1.17"),
        "zone corp (corp.example): 1 name moved",
        "print.corp.example  10.0.2.5 → 10.0.2.6",
        "restart RDAgentBootLoader on the session hosts of host pool hp-weu",
        "`ipconfig /flushdns` on the clients of view clients, hosts",
        "`Clear-DnsServerCache` on domain controllers",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert_eq!(run(&["diff", "--exit-code", &old, &new]).0, 5);
    let value = json(&["diff", "--json", &old, &new]);
    assert_eq!((&value["schema"], &value["differs"]), (&Value::from(1), &Value::from(true)));
    let pool = &value["views"][0]["resources"][0];
    assert_eq!((&pool["name"], &pool["counts"]["moved"]), (&Value::from("hp-weu"), &Value::from(1)));
    assert_eq!(pool["names"][0]["before"][0], "10.0.1.7");
}

#[test]
fn what_turns_public_and_what_stops_discovery_is_told() {
    let (_folder, old, new) = files(|text| {
        text.replace("kind = \"host-pool\"\n", "kind = \"host-pool\"\nstate = \"public\"\n")
            .replace("endpoints = [\"discovery\", \"hp-weu\"]", "endpoints = [\"hp-weu\"]\nprivate = []")
            .replace("name = \"hosts\"\n", "name = \"hosts\"\nprivate = []\n")
    });
    let (code, out, errors) = run(&["diff", "--exit-code", &old, &new]);
    assert_eq!(code, 5, "{out}{errors}");
    for part in [
        "host pool hp-weu: 2 names turned public",
        "10.0.1.7 → public",
        "global endpoint discovery: 1 name vanished",
        "rdweb.wvd.microsoft.com  10.0.1.4 → forwarded to azure",
        "view clients: no global endpoint is left",
        "host pool hp-weu: names become public for view clients, hosts",
        "private: global, host-pool → none",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn a_network_that_moves_to_another_view_gets_that_views_answers() {
    let (_folder, old, new) =
        files(|text| text.replace("[\"127.0.20.0/24\"]", "[\"127.0.20.0/24\", \"127.0.10.128/25\"]"));
    let value = json(&["diff", "--json", &old, &new]);
    let view = &value["views"][0];
    assert_eq!((&view["old"], &view["new"]), (&Value::from("clients"), &Value::from("hosts")));
    assert_eq!(view["networks"], serde_json::json!(["127.0.10.128/25"]));
    let resources: Vec<_> = view["resources"].as_array().expect("resources").iter().map(|own| &own["name"]).collect();
    assert_eq!(resources, ["discovery", "corp"]);
}

#[test]
fn a_faulty_side_is_3_and_a_missing_one_is_1() {
    let (folder, old, new) = files(|text| text.replace("\"10.0.1.7\"", "\"10.0.1\""));
    let (code, out, errors) = run(&["diff", &old, &new]);
    assert_eq!(code, 3, "{out}");
    assert!(errors.contains("new.toml:"), "{errors}");
    let gone = folder.path().join("gone.toml");
    assert_eq!(run(&["diff", &old, gone.to_str().expect("a plain path")]).0, 1);
    assert_eq!(run(&["diff", &old]).0, 2);
}

#[test]
fn a_replayed_log_lists_the_answers_that_differ() {
    let (folder, old, new) = files(|text| {
        text.replace("10.0.1.7", "10.0.1.17").replace(
            "name = \"hosts\"\n",
            "name = \"hosts\"\nforward = [{ suffix = \"ad.example\", upstream = \"dc\" }]\n",
        ) + "[[upstream]]\nname = \"dc\"\nservers = [\"127.0.0.1:5302\"]\n"
    });
    let log = folder.path().join("queries.jsonl");
    let broker = format!("{POOL}.rdbroker.wvd.microsoft.com");
    let line = |client: &str, name: &str| {
        format!("{{\"source.ip\":\"{client}\",\"dns.question.name\":\"{name}\",\"dns.question.type\":\"A\"}}\n")
    };
    let lines = [
        line("127.0.10.9", &broker),
        line("127.0.10.7", &broker.to_uppercase()),
        line("127.0.20.9", "dc1.ad.example"),
        line("127.0.10.9", "dc1.ad.example"),
        line("127.0.10.9", "login.microsoftonline.com"),
        line("10.9.9.9", &broker),
        "not a question\n".to_owned(),
    ];
    fs::write(&log, lines.concat()).expect("written");
    let value = json(&["diff", "--json", "--replay", path(&log), &old, &new]);
    let replay = &value["replay"];
    assert_eq!((&replay["questions"], &replay["skipped"], &replay["distinct"]), (&6.into(), &1.into(), &5.into()));
    let rows: Vec<_> = replay["differences"].as_array().expect("differences").iter().collect();
    assert_eq!(rows.len(), 2, "{replay:#}");
    assert_eq!((&rows[0]["name"], &rows[0]["count"]), (&Value::from(&*broker), &2.into()));
    assert_eq!((&rows[0]["before"], &rows[0]["after"]), (&"10.0.1.7".into(), &"10.0.1.17".into()));
    assert_eq!(rows[1]["name"], "dc1.ad.example");
    assert_eq!(rows[1]["after"], "asked of 127.0.0.1:5302");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
