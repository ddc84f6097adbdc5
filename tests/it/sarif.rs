//! `check --format sarif` against the structure of SARIF 2.1.0: for each object of the standard that is used, which
//! properties it may have, which it must have, and what each holds.

use crate::harness::server::run;
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// What a property holds.
#[derive(Clone, Copy)]
enum Holds {
    /// Any string.
    Text,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// A whole number, at least this.
    Number(i64),
    /// A URI reference (RFC 3986) without blanks.
    Uri,
    /// An object of the standard.
    One(&'static str),
    /// A list of them; true: none twice.
    Many(&'static str, bool),
    /// Any object.
    Bag,
}

/// An object of the standard: its name, the properties it must have, and those it may have as far as we use them.
/// Nothing else may be in it.
type Object = (&'static str, &'static [&'static str], &'static [(&'static str, Holds)]);

const LEVELS: &[&str] = &["none", "note", "warning", "error"];

const OBJECTS: &[Object] = &[
    (
        "sarifLog",
        &["version", "runs"],
        &[("$schema", Holds::Uri), ("version", Holds::Word(&["2.1.0"])), ("runs", Holds::Many("run", false))],
    ),
    (
        "run",
        &["tool"],
        &[
            ("tool", Holds::One("tool")),
            ("results", Holds::Many("result", false)),
            ("columnKind", Holds::Word(&["utf16CodeUnits", "unicodeCodePoints"])),
        ],
    ),
    ("tool", &["driver"], &[("driver", Holds::One("toolComponent"))]),
    (
        "toolComponent",
        &["name"],
        &[
            ("name", Holds::Text),
            ("version", Holds::Text),
            ("informationUri", Holds::Uri),
            ("rules", Holds::Many("reportingDescriptor", true)),
        ],
    ),
    (
        "reportingDescriptor",
        &["id"],
        &[
            ("id", Holds::Text),
            ("shortDescription", Holds::One("multiformatMessageString")),
            ("fullDescription", Holds::One("multiformatMessageString")),
            ("help", Holds::One("multiformatMessageString")),
            ("defaultConfiguration", Holds::One("reportingConfiguration")),
            ("properties", Holds::Bag),
        ],
    ),
    ("multiformatMessageString", &["text"], &[("text", Holds::Text), ("markdown", Holds::Text)]),
    ("reportingConfiguration", &[], &[("level", Holds::Word(LEVELS))]),
    (
        "result",
        &["message"],
        &[
            ("ruleId", Holds::Text),
            ("ruleIndex", Holds::Number(-1)),
            ("level", Holds::Word(LEVELS)),
            ("message", Holds::One("message")),
            ("locations", Holds::Many("location", false)),
            ("relatedLocations", Holds::Many("location", true)),
            ("properties", Holds::Bag),
        ],
    ),
    ("message", &["text"], &[("text", Holds::Text)]),
    (
        "location",
        &[],
        &[
            ("id", Holds::Number(-1)),
            ("physicalLocation", Holds::One("physicalLocation")),
            ("logicalLocations", Holds::Many("logicalLocation", true)),
            ("message", Holds::One("message")),
        ],
    ),
    (
        "physicalLocation",
        &["artifactLocation"],
        &[("artifactLocation", Holds::One("artifactLocation")), ("region", Holds::One("region"))],
    ),
    ("artifactLocation", &[], &[("uri", Holds::Uri), ("uriBaseId", Holds::Text), ("index", Holds::Number(-1))]),
    (
        "region",
        &[],
        &[
            ("startLine", Holds::Number(1)),
            ("startColumn", Holds::Number(1)),
            ("endLine", Holds::Number(1)),
            ("endColumn", Holds::Number(1)),
        ],
    ),
    ("logicalLocation", &[], &[("name", Holds::Text), ("fullyQualifiedName", Holds::Text), ("kind", Holds::Text)]),
];

/// Adds what is wrong with a value that is to be such an object.
fn object(name: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
    let (_, needed, allowed) = OBJECTS.iter().find(|(own, ..)| *own == name).expect("an object of the table");
    let Some(fields) = value.as_object() else {
        faults.push(format!("{at}: no object"));
        return;
    };
    for key in needed.iter().filter(|key| !fields.contains_key(**key)) {
        faults.push(format!("{at}: {name} needs {key}"));
    }
    for (key, value) in fields {
        let at = format!("{at}/{key}");
        let Some((_, holds)) = allowed.iter().find(|(own, _)| own == key) else {
            faults.push(format!("{at}: {name} has no such property"));
            continue;
        };
        let fits = match holds {
            Holds::Text => value.is_string(),
            Holds::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Holds::Number(least) => value.as_i64().is_some_and(|number| number >= *least),
            Holds::Uri => value.as_str().is_some_and(is_uri_reference),
            Holds::Bag => value.is_object(),
            Holds::One(other) => {
                object(other, value, &at, faults);
                true
            }
            Holds::Many(other, unique) => value.as_array().is_some_and(|items| {
                for (index, item) in items.iter().enumerate() {
                    object(other, item, &format!("{at}/{index}"), faults);
                    if *unique && items[..index].contains(item) {
                        faults.push(format!("{at}/{index}: twice"));
                    }
                }
                true
            }),
        };
        if !fits {
            faults.push(format!("{at}: {value}"));
        }
    }
}

/// Whether a text may be a URI reference: its characters, and two hexadecimal digits behind each `%`.
fn is_uri_reference(text: &str) -> bool {
    let escapes = text
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.is_char_boundary(2) && rest[..2].chars().all(|c| c.is_ascii_hexdigit()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    escapes && !text.is_empty() && text.chars().all(plain)
}

/// All faults of a log, with what the standard says across objects: `ruleIndex` names the rule of `ruleId`, regions do
/// not end before they begin.
fn faults(log: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    object("sarifLog", log, "", &mut faults);
    for run in log["runs"].as_array().into_iter().flatten() {
        let rules = &run["tool"]["driver"]["rules"];
        for result in run["results"].as_array().into_iter().flatten() {
            let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
            if index.is_none_or(|index| rules[index]["id"] != result["ruleId"]) {
                faults.push(format!("ruleIndex of {}", result["ruleId"]));
            }
            let region = &result["locations"][0]["physicalLocation"]["region"];
            let number = |key: &str| region[key].as_u64();
            let one_line = number("endLine").is_none_or(|end| Some(end) == number("startLine"));
            if one_line && number("endColumn").is_some_and(|end| Some(end) < number("startColumn")) {
                faults.push(format!("a region of {} ends before it begins", result["ruleId"]));
            }
        }
    }
    faults
}

/// `check --format sarif` on a text: exit code and log.
fn check(text: &str, more: &[&str]) -> (i32, Value) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("hub ü.toml");
    fs::write(&path, text).expect("written");
    let mut arguments = vec!["check", "--format", "sarif", "-c", path.to_str().expect("a path")];
    arguments.extend(more);
    let (code, out, errors) = run(&arguments);
    let log = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{errors}"));
    (code, log)
}

const HEAD: &str =
    "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"10.0.0.4\"]\n";

#[test]
fn the_log_of_a_sound_file_is_empty_and_valid() {
    let view = "[[view]]\nname = \"all\"\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\n";
    let (code, log) = check(&format!("{HEAD}{view}"), &["--strict"]);
    assert_eq!((code, faults(&log)), (0, vec![]));
    assert_eq!(log["runs"][0]["results"], Value::Array(vec![]));
}

#[test]
fn errors_warnings_and_remarks_become_results_with_places() {
    let more = "[[endpoint]]\nname = \"hp\"\nkind = \"host-pool\"\nrecords = { \"x.wvd.microsoft.com\" = [\"8.8.8.8\"], \"a..b\" = [\"10.0.0\"] }\n\
                [[endpoint]]\nname = \"hp\"\nkind = \"other\"\nrecords = { \"ü\" = [] }\n[[view]]\nname = \"v\"\nnetworks = [\"10.0.0.0/33\"]\nendpoints = [\"h*\", \"nobody\"]\nunlistd = 1\n";
    let (code, log) = check(&format!("{HEAD}{more}"), &[]);
    assert_eq!((code, faults(&log)), (3, vec![]), "{log:#}");
    let results = log["runs"][0]["results"].as_array().expect("results");
    assert!(results.len() >= 6, "{results:#?}");
    assert!(results.iter().any(|own| own["level"] == "error" && own["relatedLocations"].is_array()), "{results:#?}");
    let unknown = results.iter().find(|own| own["ruleId"] == "H0102").expect("the unknown key");
    let place = &unknown["locations"][0]["physicalLocation"];
    assert!(place["artifactLocation"]["uri"].as_str().is_some_and(|uri| uri.ends_with("/hub%20%C3%BC.toml")));
    assert_eq!(place["region"]["startLine"], 19);
}

#[test]
fn warnings_are_results_and_fail_when_strict() {
    let (code, log) = check(HEAD, &[]);
    assert_eq!((code, faults(&log)), (0, vec![]));
    assert_eq!(log["runs"][0]["results"][0]["level"], "warning");
    assert_eq!(check(HEAD, &["--strict"]).0, 4);
}

#[test]
fn a_file_that_cannot_be_read_is_a_result_too() {
    let (code, out, _) = run(&["check", "--format", "sarif", "-c", "/nonexistent/hub.toml"]);
    let log: Value = serde_json::from_str(&out).expect("a log");
    assert_eq!((code, faults(&log)), (1, vec![]));
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "H0113");
    // one way to say it, not two
    assert_eq!(run(&["check", "--json", "--format", "sarif"]).0, 2);
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let sound = check(HEAD, &[]).1;
    for (pointer, value) in [
        ("/version", "2.0.0".into()),
        ("/runs/0/columnKind", "octets".into()),
        ("/runs/0/results/0/level", "info".into()),
        ("/runs/0/results/0/ruleIndex", 7.into()),
        ("/runs/0/results/0/message", "text".into()),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", 0.into()),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", "a b".into()),
        ("/runs/0/tool/driver", Value::Object(serde_json::Map::new())),
    ] {
        let mut log = sound.clone();
        *log.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}: {sound:#}")) = value;
        assert!(!faults(&log).is_empty(), "{pointer}");
    }
}
