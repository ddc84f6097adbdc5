//! Findings: what is wrong with a file, as values with places.
//!
//! Everything that reads the configuration returns findings instead of stopping or printing. `cli`
//! alone prints them (see [`super::render`]). The table of codes is [`super::codes`].

use std::fmt;

use super::codes::CodeRow;
use super::place::Place;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is not loaded.
    Error,
    /// It is loaded; `check --strict` fails.
    Warning,
    /// Worth knowing; nothing fails.
    Info,
}

impl Severity {
    /// The word that is printed.
    pub fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The stable name of a kind of finding: `H` and four digits, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub(super) u16);

impl Code {
    /// The four digits.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "H{:04}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One fault, lint or remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its stable code.
    pub code: Code,
    /// How much it weighs here.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// The key (`upstream[0].timeout`) or, inside JSON, the pointer (`/value/0/id`).
    pub key: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The rule it breaks: `R16`, `DESIGN 4`.
    pub rule: &'static str,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that belong to it, each with a few words (`first used here`).
    pub related: Vec<(Place, String)>,
}

impl Finding {
    /// A finding of the table's severity and rule.
    pub fn new(row: &CodeRow, place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: row.code,
            severity: row.severity,
            place,
            key: key.into(),
            message: message.into(),
            rule: row.rule,
            hint: None,
            related: Vec::new(),
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do, where there is something.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn see(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }
}

/// Sorts findings as a reader goes through the files: by file in order of first appearance in
/// `files`, then line, column and code. Files not in the list come last, by name.
pub fn sort(findings: &mut [Finding], files: &[&str]) {
    findings.sort_by_cached_key(|finding| {
        let file = finding.place.file();
        let rank = files.iter().position(|name| **name == **file).unwrap_or(files.len());
        (rank, file.to_string(), finding.place.line(), finding.place.column(), finding.code, finding.key.clone())
    });
}

/// Whether any of them keeps the configuration from loading.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::super::codes;
    use super::*;

    #[test]
    fn findings_sort_by_file_then_line() {
        let place = |file: &str, line| Place::at(file, line, 1);
        let mut found = vec![
            Finding::new(&codes::SYNTAX, place("b.toml", 1), "", "x"),
            Finding::new(&codes::SYNTAX, place("a.toml", 9), "", "y"),
            Finding::new(&codes::SYNTAX, place("a.toml", 2), "", "z"),
        ];
        sort(&mut found, &["b.toml", "a.toml"]);
        let order: Vec<_> = found.iter().map(|f| f.message.as_str()).collect();
        assert_eq!(order, ["x", "z", "y"]);
        assert_eq!(codes::SYNTAX.code.to_string(), "H0101");
    }
}
