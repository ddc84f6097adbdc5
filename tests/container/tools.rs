//! Programs of the system: run to their end, and whether there is what the tests need.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::container::LIMITS;
use crate::image;

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Ran {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim().to_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), errors: text(&output.stderr) }
}

/// Runs a program that has to end well; gives what it printed.
pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let ran = run(program, arguments);
    assert_eq!(ran.code, 0, "{program} {}: {}\n{}", arguments.join(" "), ran.out, ran.errors);
    ran.out
}

/// Runs podman with the runtime that every test uses.
pub(crate) fn podman(arguments: &[&str]) -> Ran {
    run("podman", &[&["--runtime", "runc"][..], arguments].concat())
}

/// A program by its name, where packages put daemons too.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The right to run: one test at a time, and only where podman can. Otherwise the test says so and ends.
pub(crate) fn begin(test: &str) -> Option<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::new(());
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    match REASON.get_or_init(what_is_missing) {
        None => Some(alone),
        Some(reason) => {
            println!("\nSKIPPED: {test}: {reason}");
            None
        }
    }
}

/// Why containers cannot be run here, if so. The image is built on the way, and that it cannot be is a failure.
fn what_is_missing() -> Option<String> {
    if let Some(name) = ["podman", "buildah", "runc", "setcap", "ip"].into_iter().find(|name| find(name).is_none()) {
        return Some(format!("{name} is not installed (Debian: podman buildah runc libcap2-bin iproute2)"));
    }
    if run("id", &["-u"]).out != "0" {
        return Some("namespaces and file capabilities need root".to_owned());
    }
    image::build();
    let before = ["run", "--rm", "--network", "none", "--no-healthcheck"];
    let ran = podman(&[&before[..], LIMITS, &[image::NAME, "--version"]].concat());
    // 125 is podman's own failure, 126 the runtime's; that the program cannot be executed is for the tests to judge.
    let is_of_the_machine = ran.code == 125 || (ran.code == 126 && !ran.errors.contains("exec"));
    is_of_the_machine.then(|| format!("podman cannot run a container: {}", ran.errors))
}
