//! `hubdns check`: validates and lints a configuration, prints the matrix of names × views.
//!
//! It opens no socket and needs no rights. Findings go to the diagnostics, the matrix or the JSON to
//! the result.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Matrix, exit};
use crate::config::{Finding, Severity, has_errors, render};
use crate::load::{self, Loaded};
use crate::view::Snapshot;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file.
    pub config: PathBuf,
    /// Warnings fail too.
    pub strict: bool,
    /// One JSON object instead of text.
    pub json: bool,
    /// Colour in the diagnostics.
    pub colour: bool,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// When a stream cannot be written.
pub fn run(options: &Options, result: &mut dyn Write, diagnostics: &mut dyn Write) -> io::Result<u8> {
    let loaded = match load::load(&options.config) {
        Ok(loaded) => loaded,
        Err(unreadable) => {
            if options.json {
                let object = json!({ "schema": 1, "ok": false, "error": unreadable.to_string(), "findings": [] });
                writeln!(result, "{object:#}")?;
            } else {
                writeln!(diagnostics, "error: {unreadable}")?;
            }
            return Ok(exit::FAILED);
        }
    };
    let code = code_of(&loaded.findings, options.strict);
    let Loaded { plan, findings, files, .. } = loaded;
    let matrix = plan.map(|plan| Matrix::new(&Snapshot::build(plan)));
    if options.json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let object = json!({
            "schema": 1,
            "ok": code == exit::FINE,
            "findings": findings.iter().map(render::json).collect::<Vec<Value>>(),
            "files": files,
            "matrix": matrix.as_ref().map(Matrix::json),
        });
        writeln!(result, "{object:#}")?;
        return Ok(code);
    }
    if !findings.is_empty() {
        write!(diagnostics, "{}", render::text(&findings, options.colour))?;
    }
    if let Some(matrix) = matrix {
        write!(result, "{}", matrix.text())?;
    }
    let state = if code == exit::FINE { "ok" } else { "not ok" };
    writeln!(diagnostics, "{}: {state}, {}", options.config.display(), render::summary(&findings))?;
    Ok(code)
}

/// The exit code of findings.
pub fn code_of(findings: &[Finding], strict: bool) -> u8 {
    let warnings = findings.iter().any(|finding| finding.severity == Severity::Warning);
    if has_errors(findings) {
        exit::CONFIGURATION
    } else if strict && warnings {
        exit::WARNINGS
    } else {
        exit::FINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(name: &str) -> PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
    }

    /// Exit code, result and diagnostics.
    fn check(config: PathBuf, json: bool) -> (u8, String, String) {
        let options = Options { config, strict: true, json, colour: false };
        let (mut result, mut diagnostics) = (Vec::new(), Vec::new());
        let code = run(&options, &mut result, &mut diagnostics).unwrap();
        (code, String::from_utf8(result).unwrap(), String::from_utf8(diagnostics).unwrap())
    }

    #[test]
    fn the_lab_is_fine_and_its_matrix_shows_both_views() {
        let (code, result, diagnostics) = check(conf("lab.toml"), false);
        assert_eq!(code, exit::FINE, "{diagnostics}");
        let line = result.lines().find(|line| line.contains("  rdweb.wvd.microsoft.com")).unwrap();
        assert!(line.contains("10.10.1.4") && line.contains("→ stand-in"), "{result}");
        let broker = result.lines().find(|line| line.contains(".rdbroker.wvd")).unwrap();
        assert!(broker.contains("10.10.1.7") && broker.contains("10.20.1.7"), "{result}");
    }

    #[test]
    fn json_is_one_object_with_a_schema() {
        let (code, result, _) = check(conf("shared-zones.toml"), true);
        assert_eq!(code, exit::FINE);
        let value: Value = serde_json::from_str(&result).unwrap();
        assert_eq!(value["schema"], 1);
        assert_eq!(value["ok"], true);
        assert_eq!(value["matrix"]["views"], json!(["spoke-1", "spoke-2", "lab"]));
        let sql = value["matrix"]["names"].as_array().unwrap().iter();
        let sql = sql.clone().find(|row| row["name"] == "privatelink.database.windows.net").unwrap();
        assert_eq!(sql["views"]["lab"], "1 name, else nxdomain");
        assert_eq!(sql["views"]["spoke-1"], "1 name, else forward");
    }

    #[test]
    fn exit_codes_tell_errors_warnings_and_an_unreadable_file_apart() {
        let folder = std::env::temp_dir().join(format!("hubdns-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let head = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n[[upstream]]\nname = \"u\"\nservers = [\"10.0.0.4\"]\n";
        let warned = write("warned.toml", head);
        let wrong = write("wrong.toml", &head.replace("version = 1", "version = 2"));
        let gone = write("include.toml", &head.replace("version = 1\n", "version = 1\ninclude = [\"gone.toml\"]\n"));
        assert_eq!(check(folder.join("none.toml"), false).0, exit::FAILED);
        assert_eq!(check(warned.clone(), false).0, exit::WARNINGS);
        assert_eq!(check(wrong, false).0, exit::CONFIGURATION);
        assert_eq!(check(gone, false).0, exit::CONFIGURATION);
        let (_, _, diagnostics) = check(warned, false);
        assert!(diagnostics.contains("warning[H0514]"), "{diagnostics}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
