//! `hubdns test`: a table of expectations (client, name, type, answer) run as a test suite.
//!
//! The core that serves answers each question over the snapshot of the one loading path; nothing is sent. TAP version
//! 14 or JSON go to the result, findings to the diagnostics. Exit code 0 when all is as expected, 5 when not, 3 when
//! the table or its configuration has errors, 1 when either cannot be read.

mod judge;
mod script;

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Exit;
use crate::config::{Finding, codes, has_errors, render, suggest};
use crate::load::{self, Case, Expectations, Expected};
use crate::view::Snapshot;
use crate::wire::RecordType;
use judge::{Verdict, judge};

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The table of expectations.
    pub(super) file: PathBuf,
    /// The configuration, where the command line names one; it wins over the table's own.
    pub(super) config: Option<PathBuf>,
    /// One JSON object instead of TAP.
    pub(super) json: bool,
    /// Colour in the diagnostics.
    pub(super) colour: bool,
}

/// Runs the command and returns how it ended.
///
/// # Errors
/// When a stream cannot be written.
pub(super) fn run(options: &Options, result: &mut dyn Write, diagnostics: &mut dyn Write) -> io::Result<Exit> {
    let outcome = outcome(options);
    match &outcome {
        Outcome::Unreadable(message) if !options.json => writeln!(diagnostics, "error: {message}")?,
        Outcome::Faulty(findings) if !options.json => {
            write!(diagnostics, "{}", render::text(findings, options.colour))?;
            writeln!(diagnostics, "{}: {}", options.file.display(), render::summary(findings))?;
        }
        _ => {}
    }
    if options.json {
        writeln!(result, "{:#}", outcome.json(options))?;
    } else {
        write!(result, "{}", outcome.tap())?;
    }
    Ok(outcome.code())
}

/// What came of a table.
enum Outcome {
    /// The table or the configuration cannot be read.
    Unreadable(String),
    /// One of them has errors.
    Faulty(Vec<Finding>),
    /// Every expectation was asked.
    Asked(Vec<(Case, Verdict)>),
}

/// Loads table and configuration and asks.
fn outcome(options: &Options) -> Outcome {
    let expectations = match load::expectations(&options.file) {
        Ok(expectations) => expectations,
        Err(unreadable) => return Outcome::Unreadable(unreadable.to_string()),
    };
    let Expectations { config, cases, mut findings } = expectations;
    let Some(config) = options.config.clone().or(config) else {
        if findings.is_empty() {
            return Outcome::Unreadable(format!("{} names no `config`, and -c is not given", options.file.display()));
        }
        return Outcome::Faulty(findings);
    };
    let loaded = match load::load(&config) {
        Ok(loaded) => loaded,
        Err(unreadable) => return Outcome::Unreadable(unreadable.to_string()),
    };
    let (config, plan) = match loaded.into_parts() {
        Ok((config, plan, _)) => (config, plan),
        Err(errors) => {
            findings.extend(errors);
            return Outcome::Faulty(findings);
        }
    };
    let groups: Vec<&str> = plan.groups.iter().map(|group| &*group.name).collect();
    findings.extend(cases.iter().filter_map(|case| unknown_upstream(case, &groups)));
    let Some(listen) = config.listen.first().filter(|_| !has_errors(&findings)) else {
        return Outcome::Faulty(findings);
    };
    let snapshot = Snapshot::build(plan);
    let ask = |case: Case| {
        let verdict = judge(&case, &snapshot, *listen);
        (case, verdict)
    };
    Outcome::Asked(cases.into_iter().map(ask).collect())
}

/// An upstream that the configuration does not have.
fn unknown_upstream(case: &Case, groups: &[&str]) -> Option<Finding> {
    let Expected::Forward(Some(name)) = &case.expected else { return None };
    if groups.contains(&&*name.value) {
        return None;
    }
    let message = format!("the configuration has no upstream {:?}", name.value);
    let hint = suggest(&name.value, groups.iter().copied()).map(|near| format!("did you mean \"forward:{near}\"?"));
    Some(Finding::new(&codes::UNKNOWN_UPSTREAM, name.place.clone(), "expect.answer", message).maybe_hint(hint))
}

impl Outcome {
    /// The exit code.
    fn code(&self) -> Exit {
        match self {
            Self::Unreadable(_) => Exit::Failed,
            Self::Faulty(_) => Exit::Faulty,
            Self::Asked(asked) if asked.iter().all(|(_, verdict)| verdict.passed) => Exit::Fine,
            Self::Asked(_) => Exit::NotAsExpected,
        }
    }

    /// As TAP version 14.
    fn tap(&self) -> String {
        let mut out = String::from("TAP version 14\n");
        let asked = match self {
            Self::Unreadable(message) => return format!("{out}Bail out! {}\n", one_line(message)),
            Self::Faulty(findings) => return format!("{out}Bail out! {}\n", render::summary(findings)),
            Self::Asked(asked) => asked,
        };
        out.push_str(&format!("1..{}\n", asked.len()));
        for (index, (case, verdict)) in asked.iter().enumerate() {
            let state = if verdict.passed { "ok" } else { "not ok" };
            let view = verdict.view.as_deref().unwrap_or("no view");
            let question = format!("{} ({view}) {} {}", case.client, case.name, RecordType(case.qtype));
            let description = format!("{question}: {}", verdict.expected);
            // TAP 14: `#` would begin a directive
            let description = one_line(&description).replace('\\', "\\\\").replace('#', "\\#");
            out.push_str(&format!("{state} {} - {description}\n", index + 1));
            if !verdict.passed {
                out.push_str(&details(case, verdict));
            }
        }
        out
    }

    /// As one JSON object.
    fn json(&self, options: &Options) -> Value {
        let (mut error, mut findings, mut cases) = (Value::Null, Vec::new(), Vec::new());
        match self {
            Self::Unreadable(message) => error = json!(message),
            Self::Faulty(own) => findings = own.iter().map(render::json).collect(),
            Self::Asked(asked) => cases = asked.iter().map(|(case, verdict)| case_json(case, verdict)).collect(),
        }
        let passed = cases.iter().filter(|case| case["ok"] == true).count();
        json!({
            "schema": 1,
            "ok": self.code() == Exit::Fine,
            "file": options.file.display().to_string(),
            "passed": passed,
            "failed": cases.len() - passed,
            "cases": cases,
            "findings": findings,
            "error": error,
        })
    }
}

/// One expectation as JSON.
fn case_json(case: &Case, verdict: &Verdict) -> Value {
    json!({
        "ok": verdict.passed,
        "client": case.client.to_string(),
        "view": verdict.view,
        "name": case.name.to_string(),
        "type": RecordType(case.qtype).to_string(),
        "expected": verdict.expected,
        "actual": verdict.actual,
        "records": verdict.records,
        "notes": verdict.notes,
        "file": **case.place.file(),
        "line": case.place.line(),
        "column": case.place.column(),
    })
}

/// The YAML block of a failed line. JSON strings are YAML strings.
fn details(case: &Case, verdict: &Verdict) -> String {
    let mut out = String::from("  ---\n");
    let quoted = |text: &str| json!(text).to_string();
    out.push_str(&format!("  at: {}\n", quoted(&case.place.to_string())));
    out.push_str(&format!("  expected: {}\n  actual: {}\n", quoted(&verdict.expected), quoted(&verdict.actual)));
    for (key, list) in [("records", &verdict.records), ("notes", &verdict.notes)] {
        if !list.is_empty() {
            out.push_str(&format!("  {key}:\n"));
            out.extend(list.iter().map(|item| format!("    - {}\n", quoted(item))));
        }
    }
    out.push_str("  ...\n");
    out
}

/// Text that cannot begin another line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
