//! BIND's `named` as a child process on loopback, with a folder of its own.

use crate::bind;
use crate::harness::client::receive;
use crate::harness::{Client, Query, port};
use crate::oracle::World;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The installed binary; Debian keeps it where an unprivileged PATH does not lead.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join("named")).find(|file| file.is_file())
}

/// The first line of `named -v`.
pub(crate) fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("-v").output().expect("named runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A running `named`. It is killed when dropped.
pub(crate) struct Named {
    child: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Named {
    /// Starts it with a world's views and waits until it answers.
    ///
    /// # Panics
    /// When it ends or does not answer in time; its log is in the message.
    pub(crate) fn start(binary: &Path, world: &World, servers: &[SocketAddr]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let port = port::free();
        bind::write(folder.path(), world, servers, port).expect("the configuration can be written");
        let log = File::create(folder.path().join("log")).expect("a log file");
        let child = Command::new(binary)
            .args(["-g", "-n", "1", "-c"])
            .arg(folder.path().join("named.conf"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("named runs");
        let mut named = Self { child, folder, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        named.wait_until_ready(world);
        named
    }

    /// It answers before its zones are loaded: a zone that every view has must be answered for.
    fn wait_until_ready(&mut self, world: &World) {
        let deadline = Instant::now() + PATIENCE;
        let source = |view: usize| match world.views[view].network.0 {
            std::net::IpAddr::V4(four) => format!("{}.{}.{}.9", four.octets()[0], four.octets()[1], four.octets()[2]),
            std::net::IpAddr::V6(_) => unreachable!("the generator makes IPv4 networks"),
        };
        let probe = Query::new("host.filed.example", 1).to_octets();
        let mut view = 0;
        while view < world.views.len() {
            let ended = self.child.try_wait().expect("the child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "named does not serve: {ended:?}\n{}", self.log());
            let socket = Client::new(&source(view), self.address).socket();
            let reply = socket.send(&probe).ok().and_then(|_| receive(&socket, Duration::from_millis(100)));
            match reply {
                // NOERROR with an answer.
                Some(octets) if octets[3] & 15 == 0 && octets[7] > 0 => view += 1,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
