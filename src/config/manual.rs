//! docs/configuration.md and docs/findings.md, made from the tables.
//!
//! Tests compare the files in the repository with what is made here; with `HUBDNS_BLESS=1` in the
//! environment they write them instead.

use std::fmt::Write as _;

use super::sections::{Default, Key, Section, TABLES};
use super::{codes, expect};

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
    sections(&mut out, TABLES);
    out
}

/// docs/expectations.md.
pub fn expectations() -> String {
    let mut out = String::from(
        "# Expectations\n\n\
         <!-- Made from the section tables by `hubdns::config::manual`; do not edit. -->\n\n\
         `hubdns test FILE` asks the questions of a file and compares what would leave with what is expected, over \
         the configuration that the file or `-c` names. It is the code that serves; nothing is sent. The result is \
         TAP version 14, or one JSON object with `--json`. Exit code 0 when all is as expected, 5 when not, 3 when \
         the file or the configuration has errors, 1 when either cannot be read. `tests/expect/` has a file for each \
         configuration in `conf/`.\n\n\
         ```text\n\
         config = \"../../conf/scenario-all-private.toml\"\n\
         expect = [\n\
         \x20 { client = \"10.30.0.4\", name = \"rdweb.wvd.microsoft.com\", answer = [\"10.10.1.4\"] },\n\
         \x20 { client = \"10.20.0.4\", name = \"rdweb.wvd.microsoft.com\", answer = \"forward:azure\" },\n\
         ]\n\
         ```\n",
    );
    sections(&mut out, expect::TABLES);
    out
}

/// A heading and a table for each section.
fn sections(out: &mut String, sections: &[&Section]) {
    for section in sections {
        let _ = write!(out, "\n## {}\n\n{}\n\n", heading(section), section.doc);
        out.push_str("| key | takes | default | |\n| --- | --- | --- | --- |\n");
        for key in section.keys {
            out.push_str(&row(key));
        }
    }
}

/// The heading of a section.
fn heading(section: &Section) -> String {
    if section.title.starts_with('[') {
        format!("`{}`", section.title)
    } else if section.name.is_empty() || section.title == "the file" {
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
    fn the_manual_of_expectations_is_what_the_tables_say() {
        compare("docs/expectations.md", &expectations());
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
