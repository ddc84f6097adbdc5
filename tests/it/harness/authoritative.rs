//! A real name server as upstream: Knot DNS or NSD from the system's packages, its configuration written here, on a
//! port of loopback, in a process group of its own so that signals reach all of it.

use super::client::{Client, receive};
use super::message::{Query, kind};
use super::port;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The zone that is served: every name below it has one address.
pub(crate) const ZONE: &str = "fwd.example";
/// That address.
pub(crate) const ADDRESS: &str = "192.0.2.1";

/// Writes the configuration of a name server for its folder and port.
type Configure = fn(&Path, u16) -> String;

const PROGRAMS: [(&str, Configure); 2] = [("knotd", knot), ("nsd", nsd)];
const WITH_COOKIES: [(&str, Configure); 1] = [("named", bind)];

/// A name server that can be stopped, continued, killed and started again. It is killed when dropped.
pub(crate) struct Authoritative {
    program: PathBuf,
    folder: TempDir,
    child: Option<Child>,
    pub(crate) address: SocketAddr,
}

impl Authoritative {
    /// Starts the `number`-th kind that is installed, the kinds in turn; none where there is none, which is said aloud.
    pub(crate) fn start(test: &str, number: usize) -> Option<Self> {
        Self::start_one_of(&PROGRAMS, "Knot DNS or NSD (Debian: knot, nsd)", test, number)
    }

    /// BIND, which answers over UDP whoever sends a cookie only where it is its own; none where it is not installed.
    pub(crate) fn requiring_cookies(test: &str) -> Option<Self> {
        Self::start_one_of(&WITH_COOKIES, "BIND (Debian: bind9)", test, 0)
    }

    fn start_one_of(programs: &[(&'static str, Configure)], needs: &str, test: &str, number: usize) -> Option<Self> {
        let installed: Vec<_> = programs.iter().filter_map(|(name, conf)| Some((find(name)?, *name, *conf))).collect();
        if installed.is_empty() {
            println!("\n==== SKIPPED: {test} needs {needs}, which is not installed ====\n");
            return None;
        }
        let (program, name, conf) = installed[number % installed.len()].clone();
        let folder = TempDir::new().expect("a temporary folder");
        let port = port::free();
        let zone = format!(
            "$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns host 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n* A {ADDRESS}\n"
        );
        fs::write(folder.path().join("zone"), zone).expect("the zone can be written");
        fs::write(folder.path().join("conf"), conf(folder.path(), port)).expect("the configuration can be written");
        println!("{test}: {name} on port {port}");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self { program, folder, child: None, address };
        server.restart();
        Some(server)
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new(&self.program);
        if self.program.ends_with("nsd") {
            command.arg("-d");
        }
        if self.program.ends_with("named") {
            command.args(["-f", "-n", "1"]);
        }
        command.arg("-c").arg(self.folder.path().join("conf")).current_dir(self.folder.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("the name server runs"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.answers() {
            assert!(Instant::now() < deadline, "{:?} does not answer", self.program);
        }
    }

    fn answers(&self) -> bool {
        let socket = Client::new("127.0.0.1", self.address).socket();
        let query = Query::new(&format!("probe.{ZONE}"), kind::A).to_octets();
        let answered = socket.send(&query).is_ok() && receive(&socket, Duration::from_millis(20)).is_some();
        if !answered {
            // A closed port says so at once.
            std::thread::sleep(Duration::from_millis(2));
        }
        answered
    }

    /// What it wrote of queries.
    pub(crate) fn queries(&self) -> String {
        fs::read_to_string(self.folder.path().join("queries")).unwrap_or_default()
    }

    /// SIGSTOP: its port stays open and nothing is answered.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// SIGKILL, and waits for its end: its port is closed.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        // The processes of the group end on their own time; the port is free when the last has.
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::UdpSocket::bind(self.address).is_err() {
            assert!(Instant::now() < deadline, "port {} is still held", self.address.port());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the group that was started here.
    fn signal(&self, name: &str) {
        let group = self.child.as_ref().expect("it runs").id();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} -{group}")]).status().expect("sh runs");
        assert!(status.success(), "kill -{name} -{group}: {status}");
    }
}

impl Drop for Authoritative {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A program by its name, where packages put daemons too.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn knot(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
control:
  listen: "{folder}/socket"
database:
  storage: "{folder}/database"
zone:
  - domain: {ZONE}
    file: "{folder}/zone"
    zonefile-load: whole
    journal-content: none
"#
    )
}

fn bind(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  require-server-cookie yes;
  querylog yes;
  empty-zones-enable no;
  notify no;
  pid-file none;
  session-keyfile none;
  lock-file none;
}};
controls {{ }};
logging {{
  channel queries {{ file "{folder}/queries"; }};
  category queries {{ queries; }};
}};
zone "{ZONE}" {{ type primary; file "{folder}/zone"; }};
"#
    )
}

fn nsd(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        r#"server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/list"
  xfrdir: "{folder}"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
zone:
  name: "{ZONE}"
  zonefile: "{folder}/zone"
"#
    )
}
