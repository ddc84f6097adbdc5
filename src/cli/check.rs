//! `hubdns check`: validates and lints a configuration, prints the matrix of names × views.
//!
//! It opens no socket and needs no rights. Findings go to the diagnostics, the matrix or the JSON to
//! the result.

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::Exit;
use super::matrix::{Matrix, PRINTED};
use crate::config::sarif::sarif;
use crate::config::{Finding, Severity, codes, has_errors, render};
use crate::load::{self, Loaded};
use crate::upstream::Group;
use crate::view::Snapshot;

/// How `check` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Findings as rustc prints them, and the matrix.
    Text,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, as code hosts take it.
    Sarif,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The main file.
    pub(super) config: PathBuf,
    /// Warnings fail too.
    pub(super) strict: bool,
    /// How the result is printed.
    pub(super) format: Format,
    /// Files of virtual networks to compare with.
    pub(super) vnets: Vec<PathBuf>,
    /// Addresses that lead to us though we do not listen on them.
    pub(super) dns_servers: Vec<IpAddr>,
    /// Colour in the diagnostics.
    pub(super) colour: bool,
}

/// Runs the command and returns how it ended.
///
/// # Errors
/// When a stream cannot be written.
pub(super) fn run(options: &Options, result: &mut dyn Write, diagnostics: &mut dyn Write) -> io::Result<Exit> {
    let loaded = match load::load(&options.config) {
        Ok(loaded) => loaded,
        Err(unreadable) => {
            match options.format {
                Format::Json => {
                    let object = json!({ "schema": 1, "ok": false, "error": unreadable.to_string(), "findings": [] });
                    writeln!(result, "{object:#}")?;
                }
                Format::Sarif => {
                    let finding = Finding::new(&codes::UNREADABLE, unreadable.place(), "", unreadable.to_string());
                    writeln!(result, "{:#}", sarif(&[finding]))?;
                }
                Format::Text => writeln!(diagnostics, "error: {unreadable}")?,
            }
            return Ok(Exit::Failed);
        }
    };
    let Loaded { config, plan, mut findings, mut files, .. } = loaded;
    if !options.vnets.is_empty() {
        let inventory = load::inventory(&options.vnets, &mut findings);
        if let (Some(plan), Some(config)) = (&plan, &config) {
            findings.extend(load::check_vnets(&inventory, plan, &config.listen, &options.dns_servers));
        }
        files.extend(options.vnets.iter().cloned());
    }
    let code = code_of(&findings, options.strict);
    if options.format == Format::Sarif {
        writeln!(result, "{:#}", sarif(&findings))?;
        return Ok(code);
    }
    let json = options.format == Format::Json;
    let most = if json { usize::MAX } else { PRINTED };
    // never dropped: the process ends, and giving a million names back one by one takes longer than reading them
    let snapshot = plan.map(|plan| ManuallyDrop::new(Snapshot::build(plan)));
    let matrix = snapshot.as_ref().map(|snapshot| Matrix::new(snapshot, most));
    if json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let object = json!({
            "schema": 1,
            "ok": code == Exit::Fine,
            "findings": findings.iter().map(render::json).collect::<Vec<Value>>(),
            "files": files,
            "upstreams": snapshot.as_ref().map(|snapshot| upstreams_json(snapshot)),
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
    if let Some(snapshot) = snapshot {
        writeln!(result, "upstream")?;
        for group in &snapshot.groups {
            writeln!(result, "  {}: {}", group.name, servers(group).join(", "))?;
        }
    }
    let state = if code == Exit::Fine { "ok" } else { "not ok" };
    writeln!(diagnostics, "{}: {state}, {}", options.config.display(), render::summary(&findings))?;
    Ok(code)
}

/// A group's servers as they are written, the transport of each included.
fn servers(group: &Group) -> Vec<String> {
    group.servers.iter().map(ToString::to_string).collect()
}

/// The groups with their servers.
fn upstreams_json(snapshot: &Snapshot) -> Value {
    snapshot.groups.iter().map(|group| json!({ "name": &*group.name, "servers": servers(group) })).collect()
}

/// The exit code of findings.
fn code_of(findings: &[Finding], strict: bool) -> Exit {
    let warnings = findings.iter().any(|finding| finding.severity == Severity::Warning);
    if has_errors(findings) {
        Exit::Faulty
    } else if strict && warnings {
        Exit::Warned
    } else {
        Exit::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(name: &str) -> PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
    }

    /// Exit code, result and diagnostics.
    fn check(config: PathBuf, json: bool) -> (Exit, String, String) {
        let format = if json { Format::Json } else { Format::Text };
        let options =
            Options { config, strict: true, format, vnets: Vec::new(), dns_servers: Vec::new(), colour: false };
        let (mut result, mut diagnostics) = (Vec::new(), Vec::new());
        let code = run(&options, &mut result, &mut diagnostics).unwrap();
        (code, String::from_utf8(result).unwrap(), String::from_utf8(diagnostics).unwrap())
    }

    #[test]
    fn the_lab_is_fine_and_its_matrix_shows_both_views() {
        let (code, result, diagnostics) = check(conf("lab.toml"), false);
        assert_eq!(code, Exit::Fine, "{diagnostics}");
        let line = result.lines().find(|line| line.contains("  rdweb.wvd.microsoft.com")).unwrap();
        assert!(line.contains("10.10.1.4") && line.contains("→ stand-in"), "{result}");
        let broker = result.lines().find(|line| line.contains(".rdbroker.wvd")).unwrap();
        assert!(broker.contains("10.10.1.7") && broker.contains("10.20.1.7"), "{result}");
    }

    #[test]
    fn json_is_one_object_with_a_schema() {
        let (code, result, _) = check(conf("shared-zones.toml"), true);
        assert_eq!(code, Exit::Fine);
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
        assert_eq!(check(folder.join("none.toml"), false).0, Exit::Failed);
        assert_eq!(check(warned.clone(), false).0, Exit::Warned);
        assert_eq!(check(wrong, false).0, Exit::Faulty);
        assert_eq!(check(gone, false).0, Exit::Faulty);
        let (_, _, diagnostics) = check(warned, false);
        assert!(diagnostics.contains("warning[H0514]"), "{diagnostics}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
