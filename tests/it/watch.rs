//! `watch`: files that change are loaded, whatever changes them, and nothing is loaded twice.

use crate::harness::api::Api;
use crate::harness::message::kind;
use crate::harness::metrics::Scrape;
use crate::harness::small::{SPOKE_A, Small, public};
use crate::harness::{Server, Setup, Upstream, port};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than the tick by which files are looked at where no event comes.
const PATIENCE: Duration = Duration::from_secs(15);

fn address(server: &Server, name: &str) -> Option<String> {
    server.client(SPOKE_A).ask(name, kind::A).addresses().first().map(ToString::to_string)
}

/// Waits until the name has the address, by no other means than the file.
fn becomes(server: &Server, name: &str, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    while address(server, name).as_deref() != Some(wanted) {
        assert!(Instant::now() < deadline, "{name} is {:?}, not {wanted}", address(server, name));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lines of the log that hold all of these.
fn count(server: &Server, parts: &[&str]) -> usize {
    server.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}

fn waits_for(server: &Server, parts: &[&str], wanted: usize) {
    let deadline = Instant::now() + PATIENCE;
    while count(server, parts) < wanted {
        assert!(Instant::now() < deadline, "{parts:?} came {} times:\n{}", count(server, parts), server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn upstream() -> Upstream {
    let public = public();
    Upstream::start(move |seen| public.answer(&seen.name, seen.kind))
}

fn watched(upstream: &Upstream) -> (Setup, String) {
    let text = Small::default().text(&[upstream.server()]);
    (Setup::new(text.clone()).top("watch = true"), text)
}

/// Puts a file in the place of another as editors and `cp` into a mount do.
fn replace(path: &Path, text: &str) {
    let aside = path.with_extension("aside");
    fs::write(&aside, text).expect("written");
    fs::rename(&aside, path).expect("renamed");
}

#[test]
fn a_file_that_is_written_or_replaced_is_loaded() {
    let upstream = upstream();
    let (setup, text) = watched(&upstream);
    let server = setup.start();
    assert_eq!(address(&server, "rdweb.avd.example").as_deref(), Some("10.10.4.7"));
    fs::write(server.path(), server.render(&text.replace("10.10.4.7", "10.10.4.71"))).expect("written");
    becomes(&server, "rdweb.avd.example", "10.10.4.71");
    replace(&server.path(), &server.render(&text.replace("10.10.4.7", "10.10.4.72")));
    becomes(&server, "rdweb.avd.example", "10.10.4.72");
    // Removed and made again.
    fs::remove_file(server.path()).expect("removed");
    waits_for(&server, &["reload refused", "watch"], 1);
    assert_eq!(address(&server, "rdweb.avd.example").as_deref(), Some("10.10.4.72"), "what was served stays");
    fs::write(server.path(), server.render(&text)).expect("written");
    becomes(&server, "rdweb.avd.example", "10.10.4.7");
    waits_for(&server, &["reloaded", "\"trigger\":\"watch\""], 3);
    assert_eq!((count(&server, &["reloaded", "\"trigger\":\"watch\""]), count(&server, &["reload refused"])), (3, 1));
}

#[test]
fn files_that_are_included_referenced_or_begin_to_fit_a_pattern_are_loaded() {
    let upstream = upstream();
    let zone = |address: &str| format!("$TTL 60\n@ SOA ns host 1 1 1 1 1\nwww A {address}\n");
    let text = Small {
        zones: ", \"corp\"".to_owned(),
        more: "[[zone]]\nname = \"corp\"\napex = \"corp.example\"\nfile = \"corp.zone\"\n".to_owned(),
        ..Small::default()
    };
    let text = text.text(&[upstream.server()]).replace("zones = [\"avd-a\"", "zones = [\"more-*\", \"avd-a\"");
    let more = |address: &str| {
        format!("[[zone]]\nname = \"more-1\"\napex = \"more.example\"\nrecords = {{ \"www\" = [\"{address}\"] }}\n")
    };
    let setup = Setup::new(text)
        .top("watch = true\ninclude = [\"more.d/*.toml\"]")
        .file("corp.zone", &zone("10.10.5.1"))
        .file("more.d/1.toml", &more("10.10.6.1"));
    let server = setup.start();
    let folder = server.path().parent().expect("a folder").to_owned();
    assert_eq!(address(&server, "www.corp.example").as_deref(), Some("10.10.5.1"));
    replace(&folder.join("corp.zone"), &zone("10.10.5.2"));
    becomes(&server, "www.corp.example", "10.10.5.2");
    fs::write(folder.join("more.d/1.toml"), more("10.10.6.2")).expect("written");
    becomes(&server, "www.more.example", "10.10.6.2");
    let second = more("10.10.7.1").replace("more-1", "more-2").replace("more.example", "second.example");
    fs::write(folder.join("more.d/2.toml"), second).expect("written");
    becomes(&server, "www.second.example", "10.10.7.1");
    fs::remove_file(folder.join("more.d/2.toml")).expect("removed");
    waits_for(&server, &["reloaded", "\"trigger\":\"watch\""], 4);
}

#[test]
fn a_mount_whose_links_are_swapped_is_loaded() {
    let upstream = upstream();
    let (setup, text) = watched(&upstream);
    let server = setup.start();
    let path = server.path();
    let folder = path.parent().expect("a folder").to_owned();
    // As the kubelet writes a ConfigMap: hub.toml -> ..data/hub.toml, ..data -> a folder of the revision.
    let revision = |name: &str, address: &str| {
        fs::create_dir(folder.join(name)).expect("a folder");
        fs::write(folder.join(name).join("hub.toml"), server.render(&text.replace("10.10.4.7", address)))
            .expect("written");
        symlink(name, folder.join("..data_tmp")).expect("linked");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
    };
    revision("..1", "10.10.4.81");
    symlink("..data/hub.toml", folder.join("hub.link")).expect("linked");
    fs::rename(folder.join("hub.link"), &path).expect("renamed");
    becomes(&server, "rdweb.avd.example", "10.10.4.81");
    for (name, address) in [("..2", "10.10.4.82"), ("..3", "10.10.4.83")] {
        revision(name, address);
        becomes(&server, "rdweb.avd.example", address);
    }
    // What is behind the links may be written too.
    fs::write(folder.join("..3/hub.toml"), server.render(&text.replace("10.10.4.7", "10.10.4.84"))).expect("written");
    becomes(&server, "rdweb.avd.example", "10.10.4.84");
    fs::remove_dir_all(folder.join("..1")).expect("removed");
    assert_eq!(count(&server, &["reload refused"]), 0);
}

#[test]
fn what_is_served_already_is_not_loaded_and_a_fault_is_told_once() {
    let upstream = upstream();
    let (setup, text) = watched(&upstream);
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let server = setup.server(&format!("health = \"{health}\"")).start();
    let good = server.render(&text);
    replace(&server.path(), &good);
    fs::write(server.path(), format!("{good}\n[[view\n")).expect("written");
    waits_for(&server, &["reload refused"], 1);
    // Two ticks without a change.
    std::thread::sleep(Duration::from_secs(11));
    let by_watch = [("trigger", "watch")];
    let scrape = Scrape::of(health);
    let counts = [scrape.count("hubdns_reloads", &by_watch), scrape.count("hubdns_reload_failures", &by_watch)];
    assert_eq!(counts, [1.0, 1.0], "tried, failed:\n{}", server.log());
    // Repaired, though it is what is served: whoever waits for the end of the failure is told.
    replace(&server.path(), &good);
    waits_for(&server, &["reloaded", "\"trigger\":\"watch\""], 1);
    replace(&server.path(), &good);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(count(&server, &["reloaded"]), 1, "{}", server.log());
}

#[test]
fn watch_can_be_turned_on_and_off_and_does_not_undo_a_rollback() {
    let upstream = upstream();
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let (setup, text) = watched(&upstream);
    let server = setup.server(&format!("admin = \"{admin}\"")).start();
    let api = Api::new(admin);
    let with = |address: &str| server.render(&text.replace("10.10.4.7", address));
    replace(&server.path(), &with("10.10.4.71"));
    becomes(&server, "rdweb.avd.example", "10.10.4.71");
    api.told("/api/v1/rollback", &json!({}));
    becomes(&server, "rdweb.avd.example", "10.10.4.7");
    replace(&server.path(), &with("10.10.4.72"));
    waits_for(&server, &["after a rollback"], 1);
    assert_eq!(address(&server, "rdweb.avd.example").as_deref(), Some("10.10.4.7"));
    api.told("/api/v1/reload", &json!({}));
    becomes(&server, "rdweb.avd.example", "10.10.4.72");
    // Off by the file, on by the file.
    replace(&server.path(), &with("10.10.4.73").replace("watch = true", "watch = false"));
    becomes(&server, "rdweb.avd.example", "10.10.4.73");
    replace(&server.path(), &with("10.10.4.74"));
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(address(&server, "rdweb.avd.example").as_deref(), Some("10.10.4.73"), "{}", server.log());
    server.signal("HUP");
    becomes(&server, "rdweb.avd.example", "10.10.4.74");
    replace(&server.path(), &with("10.10.4.75"));
    becomes(&server, "rdweb.avd.example", "10.10.4.75");
}
