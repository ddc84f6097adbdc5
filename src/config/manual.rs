//! docs/configuration.md and docs/findings.md, made from the tables.
//!
//! Tests compare the files in the repository with what is made here; with `HUBDNS_BLESS=1` in the
//! environment they write them instead.

use std::fmt::Write as _;

use super::codes;
use super::sections::{Default, Key, Section, TABLES};

/// docs/configuration.md.
pub fn configuration() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Made from the section tables by `hubdns::config::manual`; do not edit. -->\n\n\
         The file is TOML. `version = 1` is required, unknown keys are errors, every fault is reported at \
         once with file, line and column. Durations (`\"250ms\"`, `\"5s\"`, `\"1d\"`) and sizes \
         (`\"256MiB\"`) are strings with a unit. Paths are relative to the file that names them. Lists of \
         names take globs (`\"hp-*\"`); one without a match is a warning. `conf/hub.toml` shows every \
         setting at its default; [findings.md](findings.md) explains what `hubdns check` reports.\n",
    );
    for section in TABLES {
        let _ = write!(out, "\n## {}\n\n{}\n\n", heading(section), section.doc);
        out.push_str("| key | takes | default | |\n| --- | --- | --- | --- |\n");
        for key in section.keys {
            out.push_str(&row(key));
        }
    }
    out
}

/// The heading of a section.
fn heading(section: &Section) -> String {
    if section.title.starts_with('[') {
        format!("`{}`", section.title)
    } else if section.name.is_empty() {
        "The file".to_owned()
    } else {
        format!("An entry of `{}`", section.name)
    }
}

/// One key's line.
fn row(key: &Key) -> String {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        Default::Value(text) => format!("`{text}`"),
        Default::Words(words) => words.to_owned(),
    };
    let mut doc = key.doc.to_owned();
    if !key.example.is_empty() {
        let _ = write!(doc, " Example: `{}`", key.example);
    }
    let cell = |text: String| text.replace('|', "\\|");
    let name = key.name;
    format!("| `{name}` | {} | {} | {} |\n", cell(key.kind.describe()), cell(default), cell(doc))
}

/// docs/findings.md.
pub fn findings() -> String {
    let mut out = String::from(
        "# Findings\n\n\
         <!-- Made from the table of codes by `hubdns::config::manual`; do not edit. -->\n\n\
         What `hubdns check` reports. A code is `H` and four digits, stable for ever and never reused. An \
         error keeps the configuration from loading, a warning fails `check --strict`, an info fails \
         nothing. H01 is about the file and its syntax, H02 server and cache, H03 upstreams and routes, \
         H04 endpoints and zones, H05 views, H06 imports.\n",
    );
    for row in codes::ALL {
        // examples show faults and are no whole files: they are not marked as TOML to be tested
        let _ = write!(
            out,
            "\n## {}: {}\n\n{}, rule {}. {}\n\n```text\n{}\n```\n\n{}\n",
            row.code,
            row.title,
            row.severity.label(),
            row.rule,
            row.cause,
            row.example,
            row.cure,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares a file of the repository with its making, or writes it.
    fn compare(path: &str, made: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("HUBDNS_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{} is old: run this test with HUBDNS_BLESS=1", path.display());
    }

    #[test]
    fn the_manual_is_what_the_tables_say() {
        compare("docs/configuration.md", &configuration());
    }

    #[test]
    fn the_list_of_findings_is_what_the_codes_say() {
        compare("docs/findings.md", &findings());
    }

    #[test]
    fn the_schema_in_the_repository_is_made_from_the_tables() {
        let mut made = serde_json::to_string_pretty(&super::super::schema::schema()).unwrap();
        made.push('\n');
        compare("docs/hubdns.schema.json", &made);
    }
}
