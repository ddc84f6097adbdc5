//! Findings as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format): what code hosts show beside the lines
//! of a change. One run, a rule for each code that occurs, a result for each finding.

use serde_json::{Value, json};

use super::codes::{self, CodeRow};
use super::finding::{Finding, Severity};
use super::place::Place;

/// The schema that the text names.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The whole log.
pub fn sarif(findings: &[Finding]) -> Value {
    let used: Vec<&CodeRow> =
        codes::ALL.iter().copied().filter(|row| findings.iter().any(|own| own.code == row.code)).collect();
    let index = |finding: &Finding| used.iter().position(|row| row.code == finding.code);
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": env!("CARGO_PKG_NAME"),
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": used.iter().map(|row| rule(row)).collect::<Vec<Value>>(),
                }
            },
            // columns are of characters, not of UTF-16 units
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(|own| result(own, index(own))).collect::<Vec<Value>>(),
        }],
    })
}

/// SARIF's word for a weight.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A code as a rule.
fn rule(row: &CodeRow) -> Value {
    json!({
        "id": row.code.to_string(),
        "shortDescription": { "text": row.title },
        "fullDescription": { "text": row.cause },
        "help": { "text": row.cure },
        "defaultConfiguration": { "level": level(row.severity) },
        "properties": { "rule": row.rule },
    })
}

/// A finding as a result.
fn result(finding: &Finding, rule: Option<usize>) -> Value {
    let text = match &finding.hint {
        Some(hint) => format!("{} ({hint})", finding.message),
        None => finding.message.clone(),
    };
    let mut result = json!({
        "ruleId": finding.code.to_string(),
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location(&finding.place, &finding.key)],
    });
    if let Some(object) = result.as_object_mut() {
        if let Some(rule) = rule {
            object.insert("ruleIndex".to_owned(), json!(rule));
        }
        if !finding.related.is_empty() {
            let related = finding.related.iter().enumerate().map(|(id, (place, label))| {
                let mut location = location(place, "");
                if let Some(object) = location.as_object_mut() {
                    object.insert("id".to_owned(), json!(id));
                    object.insert("message".to_owned(), json!({ "text": label }));
                }
                location
            });
            object.insert("relatedLocations".to_owned(), related.collect());
        }
    }
    result
}

/// A place: the file, the region, and the key as the logical location.
fn location(place: &Place, key: &str) -> Value {
    let mut region = json!({ "startLine": place.line(), "startColumn": place.column() });
    // only a span on one line has its end at hand
    let span = place.span();
    let inside = place.source().and_then(|source| source.text().get(span)).filter(|text| !text.contains('\n'));
    if let (Some(text), Some(region)) = (inside.filter(|text| !text.is_empty()), region.as_object_mut()) {
        let end = usize::try_from(place.column()).unwrap_or(1).saturating_add(text.chars().count());
        region.insert("endColumn".to_owned(), json!(end));
    }
    let mut location = json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(place.file()) }, "region": region },
    });
    if let (false, Some(object)) = (key.is_empty(), location.as_object_mut()) {
        object.insert("logicalLocations".to_owned(), json!([{ "fullyQualifiedName": key }]));
    }
    location
}

/// A path as a URI reference (RFC 3986): absolute ones as `file:`, relative ones as they are; what may not stand in one
/// is escaped.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for octet in path.trim_start_matches("./").bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(octet)),
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::place::Source;
    use super::*;

    #[test]
    fn a_finding_has_rule_level_place_and_second_place() {
        let source = Source::new("conf dir/hub.toml", "version = 1\nlistën = 5\n");
        let at = source.text().find("= 5").unwrap();
        let finding = Finding::new(&codes::UNKNOWN_KEY, source.place(at..at + 3), "server.listën", "no such key")
            .hint("did you mean `listen`?")
            .see(Place::at("/etc/b.toml", 7, 2), "first here");
        let log = sarif(&[finding]);
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "H0102");
        let result = &run["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["ruleIndex"], &result["level"]),
            (&json!("H0102"), &json!(0), &json!("error"))
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "conf%20dir/hub.toml");
        assert_eq!(place["region"], json!({ "startLine": 2, "startColumn": 8, "endColumn": 11 }));
        assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "server.listën");
        let related = &result["relatedLocations"][0];
        assert_eq!(related["physicalLocation"]["artifactLocation"]["uri"], "file:///etc/b.toml");
        assert_eq!(related["message"]["text"], "first here");
    }
}
