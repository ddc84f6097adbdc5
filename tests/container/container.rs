//! A container of the image. It is removed when dropped.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::client::receive;
use crate::harness::{Client, Query};
use crate::image;
use crate::namespace::Namespace;
use crate::tools::{Ran, must, podman};

/// How long a step of podman may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Limits that a container is given where the machine's own cannot be passed on; 1,024 descriptors do.
pub(crate) const LIMITS: &[&str] = &["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/// No right but the one, nothing to write to.
pub(crate) const HARDENED: &[&str] =
    &["--read-only", "--cap-drop", "all", "--cap-add", "NET_BIND_SERVICE", "--security-opt", "no-new-privileges"];

/// A name that no other container has.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("hubdns-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A running container.
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

impl Container {
    /// Starts one in a namespace, with more arguments for podman before the image.
    pub(crate) fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        let name = fresh_name();
        let network = namespace.network();
        // Its timer needs systemd; the check itself is run by hand.
        let before = ["run", "-d", "--name", &name, "--network", &network, "--health-interval", "disable"];
        let ran = podman(&[&before[..], LIMITS, arguments, &[image::NAME]].concat());
        let mut own = Self { name, pid: 0 };
        assert_eq!(ran.code, 0, "{}", ran.errors);
        own.pid = own.ask_pid();
        own
    }

    /// Runs one to its end; gives its code and log.
    pub(crate) fn run_to_end(namespace: &Namespace, arguments: &[&str], command: &[&str]) -> Ran {
        let name = fresh_name();
        let network = namespace.network();
        let before = ["run", "--name", &name, "--network", &network, "--no-healthcheck"];
        let ran = podman(&[&before[..], LIMITS, arguments, &[image::NAME], command].concat());
        podman(&["rm", "-f", "-t", "0", &name]);
        ran
    }

    fn ask_pid(&self) -> u32 {
        self.inspect("{{.State.Pid}}").parse().expect("a process id")
    }

    pub(crate) fn inspect(&self, format: &str) -> String {
        must("podman", &["inspect", "--format", format, &self.name])
    }

    /// What it wrote so far, both streams.
    pub(crate) fn log(&self) -> String {
        let ran = podman(&["logs", &self.name]);
        format!("{}\n{}", ran.out, ran.errors)
    }

    /// Sends a signal straight to its first process, so that the moment is known.
    pub(crate) fn signal(&self, name: &str) {
        must("kill", &[&format!("-{name}"), &self.pid.to_string()]);
    }

    /// Starts it again after its end.
    pub(crate) fn start_again(&mut self) {
        let ran = podman(&["start", &self.name]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        self.pid = self.ask_pid();
    }

    /// Waits for its end; gives its exit code.
    pub(crate) fn wait(&self) -> i32 {
        let ran = podman(&["wait", &self.name]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        ran.out.parse().expect("an exit code")
    }

    pub(crate) fn is_running(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    /// A field of /proc/PID/status.
    pub(crate) fn status(&self, field: &str) -> String {
        field_of(&Path::new("/proc").join(self.pid.to_string()).join("status"), field)
    }

    /// The same field of every thread.
    pub(crate) fn status_of_threads(&self, field: &str) -> Vec<String> {
        let folder = fs::read_dir(format!("/proc/{}/task", self.pid)).expect("its threads");
        folder.map(|entry| field_of(&entry.expect("a thread").path().join("status"), field)).collect()
    }
}

fn field_of(path: &Path, field: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("log of {}:\n{}", self.name, self.log());
        }
        podman(&["rm", "-f", "-t", "0", &self.name]);
    }
}

/// Waits inside the caller's namespace for the first reply of any kind: NOTIMP to an opcode that no configuration changes.
pub(crate) fn wait_until_it_answers(server: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    let probe = Query::new("ready.example", 1).opcode(2).to_octets();
    let any = if server.is_ipv4() { "0.0.0.0" } else { "::" };
    while Instant::now() < deadline {
        let socket = Client::new(any, server).socket();
        if socket.send(&probe).is_ok() && receive(&socket, Duration::from_millis(100)).is_some() {
            return;
        }
        // A closed port says so at once.
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{server} does not answer");
}

/// Writes a file that every user may read; gives its path.
pub(crate) fn readable(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("its folder's mode");
    path.to_str().expect("a plain path").to_owned()
}
