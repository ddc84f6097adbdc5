//! What an operator gets wrong: one line with the cure, a status that is not 0, and nothing half started.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::container::{Container, HARDENED, readable, wait_until_it_answers};
use crate::harness::Client;
use crate::harness::message::kind;
use crate::namespace::Namespace;
use crate::tools::{Ran, begin};

const CONFIGURATION: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:53", "127.0.0.2:53"]
health = "127.0.0.1:8080"
lameduck = "0s"
[[upstream]]
name = "none"
servers = ["127.0.0.1:9"]
[[view]]
name = "all"
networks = ["127.0.0.0/8"]
"#;

/// The rights of [`HARDENED`] without the capability.
fn without_capability() -> Vec<&'static str> {
    let at = HARDENED.iter().position(|word| *word == "--cap-add").expect("it is there");
    [&HARDENED[..at], &HARDENED[at + 2..]].concat()
}

/// It ended with 1 and one line of diagnostics that holds all `words`; what it logged before says that nothing was served.
fn assert_refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.errors.lines().count(), 1, "{}", ran.errors);
    for word in words {
        assert!(ran.errors.contains(word), "{word}: {}", ran.errors);
    }
    for word in ["\"ready\"", "listening over UDP and TCP"] {
        assert!(!ran.out.contains(word), "{word}: {}", ran.out);
    }
}

#[test]
fn without_the_capability_the_line_has_three_cures() {
    let Some(_alone) = begin("no capability") else { return };
    let namespace = Namespace::new("denied");
    let folder = TempDir::new().expect("a folder");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "hub.toml", CONFIGURATION));
    let arguments = [&without_capability()[..], &["-v", &file]].concat();
    let ran = Container::run_to_end(&namespace, &arguments, &[]);
    let cures = ["127.0.0.1:53", "CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start", "above 1023"];
    assert_refused(&ran, &cures);
    // The right is the file's alone, as Docker leaves it to users other than root, and the runtime forbids that.
    let ran = Container::run_to_end(&namespace, &["--security-opt", "no-new-privileges", "-v", &file], &[]);
    assert_refused(&ran, &["CAP_NET_BIND_SERVICE", "no-new-privileges"]);
    // Two of the cures; the third is how every other test runs.
    let high = CONFIGURATION.replace(":53\"", ":5300\"");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "high.toml", &high));
    let container = Container::start(&namespace, &[&without_capability()[..], &["-v", &file]].concat());
    namespace.inside(|| wait_until_it_answers(SocketAddr::from(([127, 0, 0, 1], 5300))));
    drop(container);
    // The setting of the namespace that the writer is in.
    let sysctl = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    namespace.inside(|| fs::write(sysctl, "53")).expect("the sysctl can be set");
    let container = Container::start(&namespace, &arguments);
    namespace.inside(|| wait_until_it_answers(SocketAddr::from(([127, 0, 0, 1], 53))));
    drop(container);
}

#[test]
fn a_port_in_use_is_named_whichever_it_is() {
    let Some(_alone) = begin("a port in use") else { return };
    let namespace = Namespace::new("taken");
    let folder = TempDir::new().expect("a folder");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "hub.toml", CONFIGURATION));
    let arguments = [HARDENED, &["-v", &file]].concat();
    let run = || Container::run_to_end(&namespace, &arguments, &[]);
    let tcp = namespace.inside(|| TcpListener::bind("127.0.0.2:53").expect("a port"));
    assert_refused(&run(), &["127.0.0.2:53 over TCP", "another process listens there", "stop it"]);
    drop(tcp);
    let udp = namespace.inside(|| UdpSocket::bind("127.0.0.2:53").expect("a port"));
    assert_refused(&run(), &["127.0.0.2:53 over UDP", "another process listens there", "stop it"]);
    drop(udp);
    let health = namespace.inside(|| TcpListener::bind("127.0.0.1:8080").expect("a port"));
    assert_refused(&run(), &["127.0.0.1:8080 over HTTP (`health`)", "another process listens there"]);
    drop(health);
    let elsewhere = CONFIGURATION.replace("127.0.0.2:53", "192.0.2.7:53");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "else.toml", &elsewhere));
    let ran = Container::run_to_end(&namespace, &[HARDENED, &["-v", &file]].concat(), &[]);
    assert_refused(&ran, &["192.0.2.7:53", "not an address of this host"]);
}

#[test]
fn a_configuration_that_is_missing_a_folder_or_closed_is_named() {
    let Some(_alone) = begin("no configuration") else { return };
    let namespace = Namespace::new("missing");
    let folder = TempDir::new().expect("a folder");
    let path = readable(folder.path(), "hub.toml", CONFIGURATION);
    let run = |mount: &str, command: &[&str]| {
        Container::run_to_end(&namespace, &[HARDENED, &["-v", mount]].concat(), command)
    };
    let mount = format!("{}:/etc/other:ro", folder.path().display());
    let ran = run(&mount, &["serve", "-c", "/etc/other/gone.toml"]);
    assert_refused(&ran, &["cannot read /etc/other/gone.toml", "mount", "HUBDNS_CONFIG"]);
    // A runtime that makes a folder where the file is missing.
    fs::create_dir(folder.path().join("made.toml")).expect("a folder");
    let ran = run(&mount, &["serve", "-c", "/etc/other/made.toml"]);
    assert_refused(&ran, &["cannot read /etc/other/made.toml", "not a regular file", "mount a file"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    let ran = run(&format!("{path}:/etc/hubdns/hubdns.toml:ro"), &[]);
    assert_refused(&ran, &["cannot read /etc/hubdns/hubdns.toml", "Permission denied", "65532"]);
}

#[test]
fn a_second_instance_on_the_port_ends_and_the_first_answers_on() {
    let Some(_alone) = begin("a second instance") else { return };
    let namespace = Namespace::new("second");
    let folder = TempDir::new().expect("a folder");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "hub.toml", CONFIGURATION));
    let first = Container::start(&namespace, &[HARDENED, &["-v", &file]].concat());
    let server = SocketAddr::from(([127, 0, 0, 1], 53));
    namespace.inside(|| wait_until_it_answers(server));
    let without_health = CONFIGURATION.replace("health = \"127.0.0.1:8080\"\n", "");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "two.toml", &without_health));
    let ran = Container::run_to_end(&namespace, &[HARDENED, &["-v", &file]].concat(), &[]);
    assert_refused(&ran, &["127.0.0.1:53 over TCP", "second hubdns"]);
    assert!(first.is_running());
    namespace.inside(|| {
        for _ in 0..50 {
            // NXDOMAIN of a special name (RFC 6761): with a second socket on the port half of these would be lost.
            Client::new("127.0.0.1", server).ask_both("none.invalid", kind::A);
        }
    });
}
