//! What `deploy/` ships is checked by the programs that read it, where they are installed; a line says so where not.

use crate::harness::server::BINARY;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Runs a program to its end: its code, and all it said. None, aloud, where it is not installed.
fn run(test: &str, program: &str, arguments: &[&str]) -> Option<(Option<i32>, String)> {
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => {
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            Some((output.status.code(), text(&output.stdout) + &text(&output.stderr)))
        }
        Err(error) => {
            println!("\n==== SKIPPED: {test} needs {program}: {error} ====\n");
            None
        }
    }
}

#[test]
fn the_systemd_unit_is_sound_and_hardened() {
    let test = "deploy/systemd";
    let text = fs::read_to_string(shipped("systemd/hubdns.service")).expect("the unit");
    // The check wants the program to be there.
    let folder = TempDir::new().expect("a folder");
    let unit = folder.path().join("hubdns.service");
    assert_eq!(text.matches("=/usr/local/bin/hubdns ").count(), 2);
    fs::write(&unit, text.replace("=/usr/local/bin/hubdns ", &format!("={BINARY} "))).expect("written");
    let unit = unit.to_str().expect("a plain path");
    let Some((code, said)) = run(test, "systemd-analyze", &["verify", "--man=no", unit]) else { return };
    assert_eq!((code, said.contains("hubdns.service")), (Some(0), false), "{said}");
    // A tenth of a point: 2.0 is what systemd calls OK. A mistake is told too.
    let arguments = ["security", "--offline=yes", "--threshold=20", unit];
    let Some((code, said)) = run(test, "systemd-analyze", &arguments) else { return };
    assert_eq!(code, Some(0), "{said}");
    fs::write(unit, text.replace("NoNewPrivileges=yes", "NoNewPrivileges=perhaps")).expect("written");
    let Some((_, said)) = run(test, "systemd-analyze", &["verify", "--man=no", unit]) else { return };
    assert!(said.contains("perhaps"), "{said}");
}

#[test]
fn the_compose_file_is_one() {
    let file = shipped("compose/compose.yaml");
    let path = file.to_str().expect("a plain path");
    let Some((code, said)) = run("deploy/compose", "docker-compose", &["-f", path, "config"]) else { return };
    assert_eq!(code, Some(0), "{said}");
    for line in ["network_mode: host", "read_only: true", "stop_grace_period: 30s", "- NET_BIND_SERVICE"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let folder = TempDir::new().expect("a folder");
    let wrong = folder.path().join("compose.yaml");
    let text = fs::read_to_string(&file).expect("the file");
    fs::write(&wrong, text.replace("cap_drop:", "cap_dorp:")).expect("written");
    let wrong = wrong.to_str().expect("a plain path");
    let Some((code, said)) = run("deploy/compose", "docker-compose", &["-f", wrong, "config"]) else { return };
    assert!(code != Some(0) && said.contains("cap_dorp"), "{said}");
}
