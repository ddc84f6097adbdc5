//! Servers that are not ours, where they are installed: unbound and dnsdist with DNS over TLS and over HTTPS.

use super::port;
use super::tls::Identity;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server of another make. It is killed when dropped.
pub(crate) struct Real {
    child: Child,
    folder: TempDir,
    /// DNS over TLS.
    pub(crate) tls: SocketAddr,
    /// DNS over HTTPS, path `/dns-query`.
    pub(crate) https: SocketAddr,
}

/// Where a program is, if it is there.
fn found(program: &str) -> Option<PathBuf> {
    let more = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|path| path.is_file())
}

impl Real {
    /// Unbound, which answers every name below `example` with 198.51.100.7; none where it is not installed.
    pub(crate) fn unbound(identity: &Identity) -> Option<Self> {
        let program = found("unbound")?;
        Some(Self::start(&program, identity, |folder, tls, https| {
            let folder = folder.display();
            let config = format!(
                "server:\n  directory: \"{folder}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n\
                 \x20 do-daemonize: no\n  num-threads: 1\n  module-config: \"iterator\"\n  so-rcvbuf: 0\n\
                 \x20 interface: 127.0.0.1@{tls}\n  interface: 127.0.0.1@{https}\n  tls-port: {tls}\n  https-port: {https}\n\
                 \x20 tls-service-pem: \"{folder}/cert.pem\"\n  tls-service-key: \"{folder}/key.pem\"\n\
                 \x20 access-control: 127.0.0.0/8 allow\n  local-zone: \"example.\" redirect\n\
                 \x20 local-data: \"example. 300 IN A 198.51.100.7\"\nremote-control:\n  control-enable: no\n"
            );
            let path = format!("{folder}/unbound.conf");
            fs::write(&path, config).expect("the configuration can be written");
            vec!["-d".to_owned(), "-c".to_owned(), path]
        }))
    }

    /// dnsdist before an upstream over plain DNS; none where it is not installed.
    pub(crate) fn dnsdist(identity: &Identity, upstream: SocketAddr) -> Option<Self> {
        let program = found("dnsdist")?;
        Some(Self::start(&program, identity, |folder, tls, https| {
            let folder = folder.display();
            let certificate = format!("\"{folder}/cert.pem\", \"{folder}/key.pem\"");
            let config = format!(
                "addTLSLocal(\"127.0.0.1:{tls}\", {certificate}, {{ provider=\"openssl\" }})\n\
                 addDOHLocal(\"127.0.0.1:{https}\", {certificate}, \"/dns-query\")\n\
                 newServer({{ address=\"{upstream}\", healthCheckMode=\"up\" }})\n\
                 setACL({{ \"127.0.0.0/8\" }})\nsetSecurityPollSuffix(\"\")\n"
            );
            let path = format!("{folder}/dnsdist.conf");
            fs::write(&path, config).expect("the configuration can be written");
            vec!["--supervised".to_owned(), "--disable-syslog".to_owned(), "-C".to_owned(), path]
        }))
    }

    fn start(program: &Path, identity: &Identity, configure: impl Fn(&Path, u16, u16) -> Vec<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("cert.pem"), &identity.certificate).expect("written");
        fs::write(folder.path().join("key.pem"), &identity.key).expect("written");
        let (tls, https) = (port::free(), port::free());
        let arguments = configure(folder.path(), tls, https);
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("it runs");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut real = Self { child, folder, tls: at(tls), https: at(https) };
        for address in [real.tls, real.https] {
            real.wait_for(address);
        }
        real
    }

    fn wait_for(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().expect("the child can be asked");
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("it does not listen at {address}: {ended:?}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
