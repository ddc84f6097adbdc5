//! The image as it is, and run with as few rights as there can be.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::container::{Container, HARDENED, readable, wait_until_it_answers};
use crate::harness::message::kind;
use crate::harness::{Client, http};
use crate::image;
use crate::namespace::Namespace;
use crate::tools::{begin, must, podman};

/// Of the image, in octets.
const LARGEST: u64 = 20_000_000;
/// CAP_NET_BIND_SERVICE alone, as /proc prints it.
const BIND_ALONE: &str = "0000000000000400";
const NONE: &str = "0000000000000000";

const CONFIGURATION: &str = r#"
version = 1
[server]
listen = ["0.0.0.0:53"]
health = "127.0.0.1:8080"
lameduck = "0s"
[[upstream]]
name = "none"
servers = ["127.0.0.1:9"]
[[zone]]
name = "own"
apex = "privatelink.service.example"
records = { "one" = ["10.1.2.3"] }
[[view]]
name = "all"
networks = ["127.0.0.0/8"]
zones = ["own"]
"#;

const LOCAL: &str = "127.0.0.1";

fn server() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 53))
}

#[test]
fn the_image_is_one_binary_its_configuration_and_the_authorities() {
    let Some(_alone) = begin("the image") else { return };
    let about = image::inspect();
    let size = about["Size"].as_u64().expect("a size");
    println!("size of the image: {:.1} MB", size as f64 / 1e6);
    assert!(size < LARGEST, "{size} octets");
    let config = &about["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/hubdns"]));
    assert_eq!(about["Healthcheck"]["Test"], serde_json::json!(["CMD", "/hubdns", "healthcheck"]));
    for label in ["title", "description", "licenses", "version", "revision"] {
        assert!(config["Labels"][format!("org.opencontainers.image.{label}")].is_string(), "{label}");
    }
    let container = must("buildah", &["from", image::NAME]);
    let mounted = must("buildah", &["mount", &container]);
    let capability = must("getcap", &[&format!("{mounted}/hubdns")]);
    let files = must("find", &[&mounted, "-type", "f", "-printf", "%P\n"]);
    must("buildah", &["rm", &container]);
    assert!(capability.ends_with("cap_net_bind_service=p"), "the file capability came through COPY: {capability}");
    let mut files: Vec<_> = files.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["etc/hubdns/hubdns.toml", "etc/ssl/certs/ca-certificates.crt", "hubdns"]);
}

#[test]
fn it_answers_on_port_53_with_no_right_but_the_bind() {
    let Some(_alone) = begin("port 53 without rights") else { return };
    let namespace = Namespace::new("hard");
    let folder = TempDir::new().expect("a folder");
    let file = format!("{}:/etc/hubdns/hubdns.toml:ro", readable(folder.path(), "hub.toml", CONFIGURATION));
    // Another user than the image's own, as platforms draw one.
    let uid = 20_000 + std::process::id() % 40_000;
    let user = format!("{uid}:{uid}");
    let begun = Instant::now();
    let container = Container::start(&namespace, &[HARDENED, &["--user", &user, "-v", &file]].concat());
    let started = begun.elapsed();
    namespace.inside(|| wait_until_it_answers(server()));
    println!(
        "first answer {:?} after podman was called, {:?} after it had returned",
        begun.elapsed(),
        begun.elapsed() - started
    );
    for field in ["Uid", "Gid"] {
        let all: Vec<_> = container.status(field).split_whitespace().map(str::to_owned).collect();
        assert_eq!(all, vec![uid.to_string(); 4], "{field}");
    }
    assert_eq!(container.status("NoNewPrivs"), "1");
    for (field, wanted) in
        [("CapEff", NONE), ("CapInh", NONE), ("CapAmb", NONE), ("CapPrm", BIND_ALONE), ("CapBnd", BIND_ALONE)]
    {
        for thread in container.status_of_threads(field) {
            assert_eq!(thread, wanted, "{field}");
        }
    }
    namespace.inside(|| {
        for reply in Client::new(LOCAL, server()).ask_both("one.service.example", kind::A) {
            assert_eq!(reply.addresses().len(), 0, "the public spelling is not owned: the upstream is dead");
        }
        for reply in Client::new(LOCAL, server()).ask_both("one.privatelink.service.example", kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "10.1.2.3");
        }
        assert_eq!(http::get("127.0.0.1:8080".parse().expect("an address"), "/readyz").status, 200);
    });
    let checked = podman(&["exec", &container.name, "/hubdns", "healthcheck"]);
    assert_eq!((checked.code, &*checked.out), (0, "ready: serving, generation 1"), "{}", checked.errors);
    let written = podman(&["healthcheck", "run", &container.name]);
    assert_eq!(written.code, 0, "{}{}", written.out, written.errors);
    // 1,024 descriptors do, and it says what they leave.
    container.signal("TERM");
    assert_eq!(container.wait(), 0, "{}", container.log());
}

#[test]
fn a_reload_brings_a_low_port_and_its_threads_stay_without_rights() {
    let Some(_alone) = begin("a low port by reload") else { return };
    let namespace = Namespace::new("reload");
    let folder = TempDir::new().expect("a folder");
    readable(folder.path(), "hubdns.toml", &CONFIGURATION.replace("0.0.0.0:53", "127.0.0.1:5300"));
    let mount = format!("{}:/etc/hubdns:ro", folder.path().display());
    let container = Container::start(&namespace, &[HARDENED, &["-v", &mount]].concat());
    namespace.inside(|| wait_until_it_answers(SocketAddr::from(([127, 0, 0, 1], 5300))));
    readable(folder.path(), "hubdns.toml", &CONFIGURATION.replace("127.0.0.1:8080", "127.0.0.1:80"));
    container.signal("HUP");
    namespace.inside(|| {
        wait_until_it_answers(server());
        // The first worker may answer while the reload still waits for the others.
        let begun = Instant::now();
        while http::get("127.0.0.1:80".parse().expect("an address"), "/readyz").json()["generation"] != 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", container.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert!(container.status_of_threads("CapEff").iter().all(|set| set == NONE));
}

#[test]
fn the_images_own_configuration_serves_and_is_healthy() {
    let Some(_alone) = begin("the image's own configuration") else { return };
    let namespace = Namespace::new("plain");
    let container = Container::start(&namespace, &[]);
    namespace.inside(|| wait_until_it_answers(server()));
    assert_eq!(container.status("Uid").split_whitespace().next(), Some("65532"));
    let checked = podman(&["healthcheck", "run", &container.name]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.errors);
}
