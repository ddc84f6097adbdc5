//! Findings as text, as rustc prints them, and as JSON. Pure: the caller writes the string.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use super::place::Place;

/// Findings that are printed in full; the rest is counted. JSON has them all.
const PRINTED: usize = 500;
/// The longest line that is shown with a caret, in octets.
const SHOWN_LINE: usize = 2_000;

/// All findings, a blank line behind each. `colour` adds ANSI escapes.
pub fn text(findings: &[Finding], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for finding in findings.iter().take(PRINTED) {
        out.push_str(&one(finding, &renderer));
        out.push_str("\n\n");
    }
    if findings.len() > PRINTED {
        let _ = writeln!(out, "… and {} more; --json prints them all\n", findings.len() - PRINTED);
    }
    out
}

/// `2 errors, 1 warning`, or `no findings`.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let mut parts = Vec::new();
    for (severity, one, many) in [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "remark", "remarks"),
    ] {
        match count(severity) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            number => parts.push(format!("{number} {many}")),
        }
    }
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// One line for logs: `hub.toml:12:9: error[H0102]: message (hint)`.
pub fn line(finding: &Finding) -> String {
    let Finding { place, code, message, .. } = finding;
    let mut line = format!("{place}: {}[{code}]: {}", finding.severity.label(), printable(message));
    if let Some(hint) = &finding.hint {
        let _ = write!(line, " ({})", printable(hint));
    }
    line
}

/// One finding as rustc prints it.
fn one(finding: &Finding, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(printable(&finding.message)).id(finding.code.to_string());
    let mut group = title.element(excerpt(&finding.place, AnnotationKind::Primary, ""));
    for (place, label) in &finding.related {
        group = group.element(excerpt(place, AnnotationKind::Primary, label));
    }
    let mut note = String::new();
    if !finding.key.is_empty() {
        let _ = write!(note, "key {}, ", printable(&finding.key));
    }
    let _ = write!(note, "rule {}", finding.rule);
    group = group.element(Level::NOTE.message(note));
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(printable(hint)));
    }
    let report: [Group<'_>; 1] = [group];
    renderer.render(&report)
}

/// The line of a place with a caret, or the bare place where the line is not at hand or too long.
fn excerpt<'f>(place: &'f Place, kind: AnnotationKind, label: &'f str) -> Element<'f> {
    let origin = || {
        Origin::path(place.file().to_string()).line(place.line() as usize).char_column(place.column() as usize).into()
    };
    let Some(source) = place.source() else {
        return origin();
    };
    let (text, span) = (source.text(), place.span());
    let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
    let Some(line) = text.get(start..end).map(|line| line.trim_end_matches('\r')) else {
        return origin();
    };
    if line.is_empty() || line.len() > SHOWN_LINE || line.chars().any(|c| c.is_control() && c != '\t') {
        return origin();
    }
    let from = (span.start - start).min(line.len());
    let to = span.end.saturating_sub(start).clamp(from, line.len());
    let mut annotation = kind.span(from..to);
    if !label.is_empty() {
        annotation = annotation.label(label);
    }
    Snippet::source(line).line_start(place.line() as usize).path(place.file().to_string()).annotation(annotation).into()
}

/// Text for a terminal: control characters as escapes.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = (c.is_control() && c != '\n').then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// One finding as JSON.
pub fn json(finding: &Finding) -> Value {
    let related: Vec<Value> = finding
        .related
        .iter()
        .map(|(place, label)| {
            json!({ "file": **place.file(), "line": place.line(), "column": place.column(), "message": label })
        })
        .collect();
    json!({
        "code": finding.code.to_string(),
        "severity": finding.severity.label(),
        "file": **finding.place.file(),
        "line": finding.place.line(),
        "column": finding.place.column(),
        "key": finding.key,
        "message": finding.message,
        "rule": finding.rule,
        "hint": finding.hint,
        "related": related,
    })
}

#[cfg(test)]
mod tests {
    use super::super::codes;
    use super::super::place::Source;
    use super::*;

    fn example() -> Finding {
        let source = Source::new("hub.toml", "version = 1\n\n[server]\nlisten-on = [\"10.0.0.4\"]\n");
        let at = source.text().find("listen-on").unwrap();
        let place = source.place(at..at + 9);
        Finding::new(&codes::UNKNOWN_KEY, place, "server.listen-on", "[server] has no key `listen-on`")
            .hint("did you mean `listen`?")
    }

    #[test]
    fn the_text_form_looks_like_rustc() {
        let text = text(&[example()], false);
        for part in [
            "error[H0102]: [server] has no key `listen-on`",
            "--> hub.toml:4:1",
            "4 | listen-on = [\"10.0.0.4\"]",
            "| ^^^^^^^^^",
            "= note: key server.listen-on, rule DESIGN 2",
            "= help: did you mean `listen`?",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_place_without_text_is_still_printed() {
        let mut finding = example();
        finding.place = Place::at("zones/a.zone", 17, 3);
        finding.related.push((Place::at("b.toml", 2, 1), "first".to_owned()));
        let text = text(&[finding], false);
        assert!(text.contains("--> zones/a.zone:17:3"), "{text}");
        assert!(text.contains("b.toml:2:1"), "{text}");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let mut finding = example();
        finding.message = "bad \u{1b}[31m".to_owned();
        assert!(!text(&[finding], false).contains('\u{1b}'));
    }

    #[test]
    fn json_has_the_place_and_the_rule() {
        let value = json(&example());
        assert_eq!(value["code"], "H0102");
        assert_eq!(value["line"], 4);
        assert_eq!(value["column"], 1);
        assert_eq!(value["rule"], "DESIGN 2");
        assert_eq!(
            line(&example()),
            "hub.toml:4:1: error[H0102]: [server] has no key `listen-on` (did you mean `listen`?)"
        );
    }
}
