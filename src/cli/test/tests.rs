//! The command on small tables, and the tables of every file of conf/.

use std::path::{Path, PathBuf};

use super::*;

/// What every configuration of these tests begins with.
const CONFIG: &str = "\
version = 1
[server]
listen = [\"10.0.0.4\", \"10.0.0.5\"]
[[upstream]]
name = \"azure\"
servers = [\"168.63.129.16\"]
[[upstream]]
name = \"onprem\"
servers = [\"10.1.0.4\"]
[[endpoint]]
name = \"hp\"
kind = \"other\"
records = { \"db.example\" = [\"10.10.1.4\", \"10.10.1.5\"] }
[[view]]
name = \"a\"
networks = [\"10.20.0.0/16\"]
upstream = \"azure\"
forward = [{ suffix = \"corp.example\", upstream = \"onprem\" }]
endpoints = [\"hp\"]
must-be-private = [\"secret.example\"]
[[view]]
name = \"b\"
listeners = [\"10.0.0.5\"]
upstream = \"onprem\"
";

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hubdns-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("hub.toml"), CONFIG).unwrap();
        Self(path)
    }

    /// Exit code, result and diagnostics of a table.
    fn run(&self, table: &str, json: bool) -> (Exit, String, String) {
        let file = self.0.join("expect.toml");
        std::fs::write(&file, table).unwrap();
        run_file(&file, json)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run_file(file: &Path, json: bool) -> (Exit, String, String) {
    let options = Options { file: file.to_owned(), config: None, json, colour: false };
    let (mut result, mut diagnostics) = (Vec::new(), Vec::new());
    let code = run(&options, &mut result, &mut diagnostics).unwrap();
    (code, String::from_utf8(result).unwrap(), String::from_utf8(diagnostics).unwrap())
}

const ALL: &str = "config = \"hub.toml\"\n
expect = [
  { client = \"10.20.1.4\", name = \"db.example\", answer = [\"10.10.1.5\", \"10.10.1.4\"] },
  { client = \"10.20.1.4\", name = \"db.example\", type = \"AAAA\", answer = \"nodata\" },
  { client = \"10.20.1.4\", name = \"www.example\", answer = \"forward:azure\" },
  { client = \"10.20.1.4\", name = \"dc.corp.example\", answer = \"forward:onprem\" },
  { client = \"10.20.1.4\", name = \"www.example\", answer = \"forward\" },
  { client = \"192.0.2.1\", name = \"db.example\", answer = \"refused\" },
  { client = \"192.0.2.1\", local = \"10.0.0.5:53\", name = \"db.example\", answer = \"forward:onprem\" },
  { client = \"10.20.1.4\", name = \"db.example\", type = \"SOA\", answer = [\"hubdns.invalid nobody.invalid 1 3600 1200 604800 10\"] },
  { client = \"10.20.1.4\", name = \"4.1.10.10.in-addr.arpa\", type = \"PTR\", answer = [\"db.example\"] },
  { client = \"10.20.1.4\", name = \"www.example\", answer = [\"10.10.1.4\", \"10.10.1.5\"], upstream = [
    { name = \"www.example\", type = \"CNAME\", data = \"cdn.example\" },
    { name = \"cdn.example\", type = \"CNAME\", data = \"DB.example\" },
    { name = \"db.example\", data = \"192.0.2.7\" },
  ] },
  { client = \"10.20.1.4\", name = \"www.example\", type = \"CNAME\", answer = [\"cdn.example\"], upstream = [
    { name = \"www.example\", type = \"CNAME\", data = \"cdn.example\" },
  ] },
  { client = \"10.20.1.4\", name = \"www.example\", answer = \"forward:onprem\", upstream = [
    { name = \"www.example\", type = \"CNAME\", data = \"dc.corp.example\" },
  ] },
  { client = \"10.20.1.4\", name = \"secret.example\", answer = \"nodata\", upstream = [
    { name = \"secret.example\", data = \"192.0.2.7\" },
  ] },
  { client = \"10.20.1.4\", name = \"secret.example\", answer = [\"10.9.9.9\"], upstream = [
    { name = \"secret.example\", data = \"10.9.9.9\" },
  ] },
  { client = \"10.20.1.4\", name = \"gone.example\", answer = \"nxdomain\", upstream = [{ name = \"gone.example\", end = \"nxdomain\" }] },
  { client = \"10.20.1.4\", name = \"gone.example\", answer = \"nodata\", upstream = [{ name = \"gone.example\", end = \"nodata\" }] },
  { client = \"10.20.1.4\", name = \"gone.example\", answer = \"servfail\", upstream = [{ name = \"gone.example\", end = \"servfail\" }] },
  { client = \"10.20.1.4\", name = \"loop.example\", answer = \"servfail\", upstream = [
    { name = \"loop.example\", type = \"CNAME\", data = \"loop.example\" },
  ] },
]
";

#[test]
fn every_kind_of_answer_can_be_expected() {
    let folder = Folder::new("kinds");
    let (code, result, diagnostics) = folder.run(ALL, false);
    assert_eq!(code, Exit::Fine, "{result}{diagnostics}");
    assert!(result.starts_with("TAP version 14\n1..18\nok 1 - 10.20.1.4 (a) db.example A: 10.10.1.4, 10.10.1.5\n"));
    assert_eq!(result.lines().filter(|line| line.starts_with("ok ")).count(), 18);
    assert_eq!(diagnostics, "");
}

#[test]
fn what_is_not_as_expected_is_told_with_its_place() {
    let folder = Folder::new("failed");
    let table = ALL
        .replace("\"10.10.1.5\", \"10.10.1.4\"", "\"10.10.1.5\"")
        .replace("answer = \"refused\"", "answer = \"servfail\"");
    let (code, result, _) = folder.run(&table, false);
    assert_eq!(code, Exit::NotAsExpected, "{result}");
    assert_eq!(result.lines().filter(|line| line.starts_with("not ok ")).count(), 2, "{result}");
    for line in [
        "expect.toml:4:3\"",
        "  expected: \"10.10.1.5\"",
        "  actual: \"10.10.1.4, 10.10.1.5\"",
        "  actual: \"refused\"",
    ] {
        assert!(result.contains(line), "{line} is not in\n{result}");
    }
    let (code, result, _) = folder.run(&table, true);
    let value: Value = serde_json::from_str(&result).unwrap();
    assert_eq!((code, &value["schema"], &value["ok"]), (Exit::NotAsExpected, &json!(1), &json!(false)));
    assert_eq!((&value["passed"], &value["failed"]), (&json!(16), &json!(2)));
    assert_eq!(value["cases"][5]["actual"], "refused");
    assert_eq!(value["cases"][5]["view"], Value::Null);
    assert!(value["cases"][9]["notes"].to_string().contains("cut at db.example"), "{}", value["cases"][9]);
}

#[test]
fn faults_and_unreadable_files_have_their_exit_codes() {
    let folder = Folder::new("codes");
    let row = "[[expect]]\nclient = \"10.20.1.4\"\nname = \"a.example\"\n";
    let (code, result, diagnostics) = folder.run(&format!("config = \"hub.toml\"\n{row}answer = \"nodat\"\n"), false);
    assert_eq!(code, Exit::Faulty);
    assert!(diagnostics.contains("error[H0108]") && diagnostics.contains("expect.toml:5:10"), "{diagnostics}");
    assert!(result.contains("Bail out! 1 error"), "{result}");
    let (code, _, diagnostics) = folder.run(&format!("config = \"hub.toml\"\n{row}answer = \"forward:azur\"\n"), false);
    assert_eq!(code, Exit::Faulty);
    assert!(diagnostics.contains("did you mean \"forward:azure\"?"), "{diagnostics}");
    std::fs::write(folder.0.join("bad.toml"), CONFIG.replace("version = 1", "version = 2")).unwrap();
    assert_eq!(folder.run(&format!("config = \"bad.toml\"\n{row}answer = \"nodata\"\n"), true).0, Exit::Faulty);
    assert_eq!(folder.run(&format!("config = \"none.toml\"\n{row}answer = \"nodata\"\n"), true).0, Exit::Failed);
    assert_eq!(folder.run(&format!("{row}answer = \"nodata\"\n"), true).0, Exit::Failed);
    assert_eq!(run_file(&folder.0.join("gone.toml"), false).0, Exit::Failed);
}

#[test]
fn the_command_lines_configuration_wins() {
    let folder = Folder::new("wins");
    let file = folder.0.join("expect.toml");
    std::fs::write(&file, ALL.replace("hub.toml", "none.toml")).unwrap();
    let options = Options { file, config: Some(folder.0.join("hub.toml")), json: false, colour: false };
    assert_eq!(run(&options, &mut Vec::new(), &mut Vec::new()).unwrap(), Exit::Fine);
}

#[test]
fn every_file_of_conf_answers_as_its_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(root.join("conf"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let (code, result, diagnostics) = run_file(&root.join("tests/expect").join(&name), false);
        let failed: Vec<&str> =
            result.split("\nok ").filter(|part| part.contains("not ok ") || part.contains("Bail out!")).collect();
        assert_eq!(code, Exit::Fine, "{name}: {}{diagnostics}", failed.concat());
        assert!(result.matches("\nok ").count() >= 40, "{name} has few expectations");
    }
}
