//! What the API says, as lines for people.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::printable;

/// A member as text; without it nothing.
pub(super) fn word(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => printable(text),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A member as a number; without it 0.
pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The items of a list.
pub(super) fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A status.
pub(super) fn status(status: &Value) -> String {
    let text = |pointer: &str| word(status, pointer);
    let mut out = String::new();
    let mut line = |head: &str, rest: &str| _ = writeln!(out, "{head:<11}{rest}");
    let up = span(number(status, "/uptime_seconds"));
    line("hubdns", &format!("{}, {}, up {up}", text("/version"), text("/phase")));
    line("serves", &format!("generation {}, revision {}", text("/generation"), text("/revision")));
    let dns: Vec<String> = items(status, "/listening/dns").iter().map(|own| word(own, "")).collect();
    line("listens", &format!("{} (DNS over UDP and TCP)", dns.join(", ")));
    for key in ["health", "admin"] {
        let address = text(&format!("/listening/{key}"));
        if !address.is_empty() {
            line("", &format!("{address} ({key})"));
        }
    }
    let count = |name: &str| text(&format!("/counts/{name}"));
    let [views, endpoints, zones, upstreams] = ["views", "endpoints", "zones", "upstreams"].map(count);
    line("has", &format!("views {views}, endpoints {endpoints}, zones {zones}, upstreams {upstreams}"));
    line(
        "answered",
        &format!(
            "{} queries; {} wait, {} TCP connections",
            count("queries"),
            count("waiting"),
            count("tcp_connections")
        ),
    );
    let octets = number(status, "/counts/cache_octets") / 1_024;
    let [entries, hits, misses] = ["cache_entries", "cache_hits", "cache_misses"].map(count);
    line("cache", &format!("{entries} entries, {octets} KiB, {hits} hits, {misses} misses"));
    let now = number(status, "/started_at") + number(status, "/uptime_seconds");
    if status["rolled_back"] == true {
        line("", "rolled back: the next reload takes the files again");
    }
    for own in items(status, "/overrides") {
        let [view, endpoint, state, by] = ["/view", "/endpoint", "/state", "/by"].map(|pointer| word(own, pointer));
        let holds = if own["holds"] == true { "" } else { ", but there is no such endpoint now" };
        let left = span(number(own, "/until").saturating_sub(now));
        line("override", &format!("endpoint {endpoint} is {state} in view {view} for {left} yet, by {by}{holds}"));
    }
    let Some(last) = status.get("last_reload").filter(|last| !last.is_null()) else { return out };
    let ago = span(now.saturating_sub(number(last, "/at")));
    let served = if last["done"] == true { "served" } else { "refused, nothing changed" };
    line("last load", &format!("{ago} ago by {}: {served}", word(last, "/trigger")));
    let refused = word(last, "/refused/message");
    if !refused.is_empty() {
        line("", &refused);
    }
    out + &findings(last)
}

/// What a reload came to.
pub(super) fn outcome(outcome: &Value) -> String {
    let mut out = findings(outcome);
    let changes = items(outcome, "/changes");
    for change in changes {
        let warning = if change["discovery_stops"] == true { " (initial feed discovery stops)" } else { "" };
        let _ = writeln!(out, "{}: {}{warning}", word(change, "/view"), word(change, "/text"));
    }
    let total = number(outcome, "/changes_total");
    if total > changes.len() as u64 {
        let _ = writeln!(out, "… and {} more changes", total - changes.len() as u64);
    }
    let _ =
        writeln!(out, "generation {} is served, revision {}", word(outcome, "/generation"), word(outcome, "/revision"));
    out
}

/// What a flush came to.
pub(super) fn flushed(answer: &Value) -> String {
    match number(answer, "/entries") {
        1 => "1 entry dropped\n".to_owned(),
        count => format!("{count} entries dropped\n"),
    }
}

/// The findings of a load, one a line.
pub(super) fn findings(outcome: &Value) -> String {
    let mut out = String::new();
    let findings = items(outcome, "/findings");
    for finding in findings {
        let text = |pointer| word(finding, pointer);
        let place = format!("{}:{}:{}", text("/file"), text("/line"), text("/column"));
        let hint = text("/hint");
        let hint = if hint.is_empty() { hint } else { format!(" ({hint})") };
        let _ = writeln!(out, "{place}: {}[{}]: {}{hint}", text("/severity"), text("/code"), text("/message"));
    }
    let total = number(outcome, "/findings_total");
    if total > findings.len() as u64 {
        let _ = writeln!(out, "… and {} more findings", total - findings.len() as u64);
    }
    out
}

/// Seconds, as people say them.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn findings_look_as_in_the_log() {
        let outcome = json!({ "findings_total": 3, "findings": [
            { "file": "hub.toml", "line": 4, "column": 1, "severity": "error", "code": "H0102", "message": "no \u{1b}key", "hint": "h" },
            { "file": "hub.toml", "line": 5, "column": 2, "severity": "warning", "code": "H0103", "message": "m", "hint": null },
        ]});
        assert_eq!(
            findings(&outcome),
            "hub.toml:4:1: error[H0102]: no \\u{1b}key (h)\nhub.toml:5:2: warning[H0103]: m\n… and 1 more findings\n"
        );
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let texts = [5, 65, 3_725, 90_000].map(span);
        assert_eq!(texts, ["5 s", "1 min 5 s", "1 h 2 min", "1 d 1 h"]);
    }
}
