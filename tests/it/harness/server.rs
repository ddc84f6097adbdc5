//! The real binary as a child process: a configuration in a temporary folder, free ports, its log, its signals.

use super::client::{Client, receive};
use super::message::Query;
use super::port;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start, a reload or an end may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// The built binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hubdns");

/// What a server is started with.
pub(crate) struct Setup {
    folder: TempDir,
    /// The configuration without `version` and `[server]`.
    text: String,
    /// Hosts to listen on; the port is drawn once for all of them.
    hosts: Vec<String>,
    port: u16,
    /// More lines of `[server]`.
    more: String,
    /// Keys in front of all tables.
    top: String,
}

impl Setup {
    /// A configuration that listens on 127.0.0.1. `text` is everything but `version` and `[server]`; in it `@PORT@`
    /// stands for the port.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let hosts = vec!["127.0.0.1".to_owned()];
        Self { folder, text: text.into(), hosts, port: port::free(), more: String::new(), top: String::new() }
    }

    /// Listens on these hosts instead, IPv6 in brackets.
    pub(crate) fn listen(mut self, hosts: &[&str]) -> Self {
        self.hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        self
    }

    /// More lines for `[server]`.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.more = lines.to_owned();
        self
    }

    /// Keys that stand in front of all tables.
    pub(crate) fn top(mut self, keys: &str) -> Self {
        self.top = format!("{keys}\n");
        self
    }

    /// Writes a file beside the configuration.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
        // Whatever the umask: some files are told by who can read them.
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode can be set");
        self
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Listens on a port that another configuration names already.
    pub(crate) fn at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The whole text of a configuration with this one's listeners.
    fn render(&self, text: &str) -> String {
        let listen: Vec<_> = self.hosts.iter().map(|host| format!("\"{host}:{}\"", self.port)).collect();
        let (top, listen, more) = (&self.top, listen.join(", "), &self.more);
        let head = format!("version = 1\n{top}[server]\nlisten = [{listen}]\n{more}\n");
        head + &text.replace("@PORT@", &self.port.to_string())
    }

    /// Writes the configuration and gives its path.
    pub(crate) fn write(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("hub.toml");
        fs::write(&path, self.render(text)).expect("the configuration can be written");
        path
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When it ends or does not answer in time; the log is in the message.
    pub(crate) fn start(self) -> Server {
        let path = self.write(&self.text);
        let mut server = Server::spawn(self, &path);
        server.wait_until_ready();
        server
    }

    /// Runs the server to its end, for configurations that must not start.
    pub(crate) fn run_to_end(self) -> (ExitStatus, String) {
        let path = self.write(&self.text);
        let mut server = Server::spawn(self, &path);
        let status = server.wait();
        (status, server.log.text())
    }
}

/// The lines that the child has written so far, both streams.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    /// How many streams have ended.
    ended: AtomicUsize,
    changed: Condvar,
    /// Whether nobody reads for now.
    stalled: AtomicBool,
}

impl Log {
    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Copies a stream into the log on a thread of its own, which ends with the stream.
    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                log.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                log.changed.notify_all();
                while log.stalled.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            log.ended.fetch_add(1, Ordering::Release);
            log.changed.notify_all();
        });
    }

    /// Waits for a line from the given one on; gives its number.
    fn wait(&self, from: usize, patience: Duration, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let deadline = Instant::now() + patience;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(at) = lines.iter().skip(from).position(|line| wanted(line)) {
                return Some(from + at);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            lines = self.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn len(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    setup: Setup,
    /// 127.0.0.1 and the server's port.
    pub(crate) address: SocketAddr,
}

impl Server {
    fn spawn(setup: Setup, path: &Path) -> Self {
        let mut child = Command::new(BINARY)
            .args(["serve", "-c"])
            .arg(path)
            .env_remove("HUBDNS_CONFIG")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("a pipe"));
        log.follow(child.stderr.take().expect("a pipe"));
        let address = SocketAddr::from(([127, 0, 0, 1], setup.port));
        Self { child, log, setup, address }
    }

    /// Waits for the first reply of any kind: NOTIMP to an opcode that no configuration changes.
    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let host = self.setup.hosts[0].replace("0.0.0.0", "127.0.0.1").replace("[::]", "127.0.0.1");
        let address: SocketAddr = format!("{host}:{}", self.setup.port).parse().expect("an address");
        let source = if address.is_ipv6() { "::1" } else { "127.0.0.1" };
        let probe = Query::new("ready.example", 1).opcode(2).to_octets();
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                self.end(PATIENCE);
                panic!("the server ended with {status} instead of starting:\n{}", self.log.text());
            }
            let socket = Client::new(source, address).socket();
            if socket.send(&probe).is_ok() && receive(&socket, Duration::from_millis(200)).is_some() {
                break;
            }
            self.log.wait(self.log.len(), Duration::from_millis(10), |_| true);
        }
        // It answers; `ready` says that it heeds signals too.
        if self.log.wait(0, deadline.saturating_duration_since(Instant::now()), |line| line.contains("ready")).is_none()
        {
            panic!("the server does not answer, or does not say that it is ready:\n{}", self.log.text());
        }
    }

    /// A client of this server at a source address.
    pub(crate) fn client(&self, source: &str) -> Client {
        Client::new(source, self.address)
    }

    /// A client that asks another address of this server, same port.
    pub(crate) fn client_of(&self, source: &str, host: &str) -> Client {
        let host = host.parse().expect("an address");
        Client::new(source, SocketAddr::new(host, self.setup.port))
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh runs");
        assert!(status.success(), "{command}: {status}");
    }

    /// Rewrites the configuration (all but `version` and `[server]`), reloads, and waits until the new generation is
    /// served.
    pub(crate) fn reload(&self, text: &str) {
        let from = self.log.len();
        self.setup.write(text);
        self.signal("HUP");
        let done = self.log.wait(from, PATIENCE, is_reloaded);
        assert!(done.is_some(), "no line says that the reload is served:\n{}", self.log.text());
    }

    /// Rewrites the whole file as given, reloads, and waits until the reload is refused; gives the log since.
    pub(crate) fn refused_reload(&self, whole: &str) -> String {
        let from = self.log.len();
        fs::write(self.setup.folder.path().join("hub.toml"), whole).expect("the configuration can be written");
        self.signal("HUP");
        let done = self.log.wait(from, PATIENCE, |line| line.contains("reload refused"));
        assert!(done.is_some(), "no line says that the reload is refused:\n{}", self.log.text());
        self.log.text().lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    /// The whole configuration around a text, as [`Setup::new`] writes it.
    pub(crate) fn render(&self, text: &str) -> String {
        self.setup.render(text)
    }

    /// Waits for a line of the log.
    ///
    /// # Panics
    /// When it does not come.
    pub(crate) fn wait_for_log(&self, wanted: impl Fn(&str) -> bool) {
        assert!(self.log.wait(0, PATIENCE, wanted).is_some(), "the line did not come:\n{}", self.log.text());
    }

    /// The process's resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Has nobody read the log, or somebody again: a pipe that fills up.
    pub(crate) fn stall_log(&self, stalled: bool) {
        self.log.stalled.store(stalled, Ordering::Release);
    }

    /// The log so far. Its lines are written by a thread of their own, a moment after what they tell of: it is waited
    /// for until none comes any more.
    pub(crate) fn log(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline && self.log.wait(self.log.len(), Duration::from_millis(60), |_| true).is_some()
        {
        }
        self.log.text()
    }

    /// Octets of its heap, stacks and the like that are in memory; pages of files are not counted.
    pub(crate) fn resident_octets(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells it");
        line.trim().strip_suffix(" kB").and_then(|octets| octets.parse::<u64>().ok()).expect("a number") * 1_024
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    /// The file of the configuration.
    pub(crate) fn path(&self) -> PathBuf {
        self.setup.folder.path().join("hub.toml")
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    /// When it does not end in time; it is killed then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.end(PATIENCE).unwrap_or_else(|| panic!("the server does not end:\n{}", self.log.text()))
    }

    fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the child can be asked") {
                while self.log.ended.load(Ordering::Acquire) < 2 && Instant::now() < deadline {
                    self.log.wait(usize::MAX, Duration::from_millis(5), |_| false);
                }
                return Some(status);
            }
            // The log's streams end with the process: a change of the log is the event to wait for.
            self.log.wait(self.log.len(), Duration::from_millis(20), |_| true);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What failed may be told by how the server is, and by what it wrote last.
            let (status, log) = (self.child.try_wait(), self.log.text());
            let lines: Vec<_> = log.lines().collect();
            println!("the server: {status:?}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        // Shutdown has tests of its own; here it would only cost each test the time of a drain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a line of the log says that a reload is served.
pub(crate) fn is_reloaded(line: &str) -> bool {
    line.contains("reloaded") && line.contains("generation")
}

/// Runs a command of the binary to its end: status, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .env_remove("HUBDNS_CONFIG")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
