//! The query log: its fields, levels and bounds, what is left out of it, and that no answer ever waits for it.

use crate::harness::message::{Rr, kind};
use crate::harness::metrics::Scrape;
use crate::harness::server::run;
use crate::harness::small::{SPOKE_A, SPOKE_B, Small};
use crate::harness::{Client, Opt, Query, Script, Server, Setup, Upstream, client, port};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const STRANGER: &str = "34c6de84-0b0c-42ba-9a48-e164ed43a9ef.rdweb.wvd.microsoft.com";
const PATIENCE: Duration = Duration::from_secs(20);

fn public() -> Upstream {
    Upstream::start(|seen| match &*seen.name {
        name if name.starts_with("missing") => Script::nxdomain("example"),
        _ => Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.9")]),
    })
}

/// The small world with a `[log]` and lines of `spoke-a`.
fn text(upstream: &Upstream, log: &str, view: &str) -> String {
    let view = format!("must-be-private = [\"guarded.public.example\"]\n{view}");
    let more = format!(
        "[[endpoint]]\nname = \"shut\"\nkind = \"other\"\nstate = \"blocked\"\nrecords = {{ \"shut.avd.example\" = [\"10.10.4.8\"] }}\n[log]\n{log}\n"
    );
    Small { view, more, endpoints: ", \"shut\"".to_owned(), ..Small::default() }.text(&[upstream.server()])
}

fn start(upstream: &Upstream, log: &str, view: &str) -> (Server, SocketAddr) {
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(text(upstream, log, view)).server(&format!("workers = 1\nhealth = \"{health}\""));
    (setup.start(), health)
}

const FILE: &str = "file = \"queries.jsonl\"";

fn path(server: &Server, name: &str) -> PathBuf {
    server.path().with_file_name(name)
}

/// The lines of a file about names, once there are so many; probes of the harness have none.
fn lines(path: &Path, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let read =
            whole.map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
        let found: Vec<Value> = read.filter(|line| line.get("dns.question.name").is_some()).collect();
        if found.len() >= count {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {count} lines: {text}", found.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn until(health: SocketAddr, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let scrape = Scrape::of(health);
        if holds(&scrape) {
            return scrape;
        }
        assert!(begun.elapsed() < PATIENCE, "{scrape:#?}");
    }
}

fn actions(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event.action"].as_str().expect("an action")).collect()
}

#[test]
fn a_line_has_every_field() {
    let upstream = public();
    let (server, _) = start(&upstream, &format!("queries = \"all\"\n{FILE}"), "");
    let client = server.client(SPOKE_A);
    client.udp(&Query::new("RdWeb.AVD.example", kind::A).id(4_242).cd().dnssec_ok());
    client.tcp(&Query::new("www.public.example", kind::A).id(7).opt(Opt::default()));
    let found = lines(&path(&server, "queries.jsonl"), 2);
    // Rings are read in turn: TCP's has no fixed place beside a worker's.
    let by_id = |id: &str| found.iter().find(|line| line["dns.id"] == id).unwrap_or_else(|| panic!("no {id}"));
    let mut owned = by_id("4242").as_object().expect("an object").clone();
    let at = owned.remove("@timestamp").expect("a time");
    assert!(at.as_str().is_some_and(|at| at.len() == 27 && at.ends_with('Z')), "{at}");
    assert!(owned.remove("event.duration").and_then(|took| took.as_u64()).is_some_and(|took| took > 0));
    assert!(owned.remove("source.port").and_then(|port| port.as_u64()).is_some_and(|port| port > 0));
    let answer = json!({ "name": "rdweb.avd.example", "type": "A", "class": "IN", "ttl": 10, "data": "10.10.4.7" });
    let expected = json!({
        "event.action": "owned", "source.ip": SPOKE_A, "destination.ip": "127.0.0.1",
        "destination.port": server.address.port(), "network.transport": "udp", "dns.id": "4242",
        "dns.question.name": "rdweb.avd.example", "dns.question.type": "A", "dns.question.class": "IN",
        "dns.response_code": "NOERROR", "dns.header_flags": ["AA", "RD", "RA", "CD", "DO"], "dns.answers": [answer],
        "dns.resolved_ip": ["10.10.4.7"], "hubdns.view": "spoke-a", "hubdns.source": "local", "hubdns.endpoint": "rdweb",
    });
    assert_eq!(Value::Object(owned), expected);
    let forwarded = by_id("7");
    for (field, expected) in [
        ("event.action", "forwarded"),
        ("network.transport", "tcp"),
        ("hubdns.source", "upstream"),
        ("hubdns.route", "default"),
        ("hubdns.upstream", "public"),
    ] {
        assert_eq!(forwarded[field], expected, "{field}: {forwarded:#}");
    }
}

/// One query of each action.
fn one_of_each(server: &Server) {
    let client = server.client(SPOKE_A);
    for name in ["rdweb.avd.example", "shut.avd.example", "guarded.public.example", STRANGER, "www.public.example"] {
        client.ask(name, kind::A);
    }
    client.udp(&Query::new("other.public.example", kind::A).rd(false));
}

#[test]
fn each_level_writes_its_queries() {
    let upstream = public();
    let all = ["owned", "blocked", "withheld", "foreign", "forwarded", "refused"];
    let decisions = ["owned", "blocked", "withheld", "foreign", "refused"];
    for (level, expected) in [("all", &all[..]), ("decisions", &decisions)] {
        let (server, _) = start(&upstream, &format!("queries = \"{level}\"\n{FILE}"), "");
        one_of_each(&server);
        let found = lines(&path(&server, "queries.jsonl"), expected.len());
        assert_eq!(actions(&found), expected, "{level}");
        let withheld = found.iter().find(|line| line["event.action"] == "withheld").expect("withheld");
        assert_eq!((&withheld["hubdns.guard"], &withheld["hubdns.ede"]), (&json!("withheld"), &json!([15])));
    }
    let (server, _) = start(&upstream, &format!("queries = \"off\"\n{FILE}"), "");
    one_of_each(&server);
    assert!(!path(&server, "queries.jsonl").exists());
}

#[test]
fn one_in_so_many_is_sampled() {
    let upstream = public();
    let (server, _) = start(&upstream, &format!("queries = \"sampled\"\nsample = 10\n{FILE}"), "");
    let client = server.client(SPOKE_A);
    for _ in 0..500 {
        client.ask("rdweb.avd.example", kind::A);
    }
    let found = lines(&path(&server, "queries.jsonl"), 49).len();
    // The harness's probe is in the first block, the last may be open.
    assert!((49..=51).contains(&found), "{found}");
}

#[test]
fn clients_are_cut_left_out_or_logged_as_their_view_says() {
    let upstream = public();
    let log = format!("queries = \"all\"\nclients = \"cut\"\n{FILE}");
    let (server, _) = start(&upstream, &log, "log-clients = \"none\"");
    for source in [SPOKE_A, SPOKE_B] {
        server.client(source).ask_both("rdweb.avd.example", kind::A);
    }
    let found = lines(&path(&server, "queries.jsonl"), 4);
    assert!(found.iter().all(|line| line.get("source.port").is_none()), "{found:#?}");
    for line in found {
        let expected = if line["hubdns.view"] == "spoke-a" { None } else { Some(json!("127.0.20.0")) };
        assert_eq!(line.get("source.ip"), expected.as_ref());
    }
}

#[test]
fn s_09_hostile_names_stay_in_their_lines() {
    let upstream = public();
    let (server, _) = start(&upstream, &format!("queries = \"all\"\n{FILE}"), "");
    let client = server.client(SPOKE_A);
    let labels: [&[u8]; 6] = [b"\"},{\"a\":\"", b"a\nb\r\tc", b"\x1b[2J", b"\xff\xfe\x00", b"a.b\\c", b"\\010\x7f"];
    for label in labels {
        let name = [&[label.len() as u8][..], label, b"\x06public\x07example\0"].concat();
        client.udp(&Query { name, ..Query::new("x", kind::A) });
    }
    let file = path(&server, "queries.jsonl");
    let found = lines(&file, labels.len());
    assert!(fs::read(&file).expect("a file").iter().all(|octet| matches!(octet, b'\n' | 0x20..=0x7e)));
    for (line, expected) in found.iter().zip([
        "\\\"},{\\\"a\\\":\\\"",
        "a\\010b\\013\\009c",
        "\\027[2j",
        "\\255\\254\\000",
        "a\\.b\\\\c",
        "\\\\010\\127",
    ]) {
        assert_eq!(line["dns.question.name"], format!("{expected}.public.example"));
    }
}

/// Asks so many times, a window at once; every query has its reply.
fn flood(client: &Client, count: usize) {
    let socket = client.socket();
    let octets = Query::new("rdweb.avd.example", kind::A).to_octets();
    for _ in 0..count / 20 {
        for _ in 0..20 {
            socket.send(&octets).expect("sent");
        }
        for _ in 0..20 {
            client::receive(&socket, PATIENCE).expect("a reply");
        }
    }
}

#[test]
fn a_stuck_reader_costs_lines_that_are_counted_and_no_answer() {
    let upstream = public();
    let health = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let setup = Setup::new(text(&upstream, "queries = \"all\"\nfile = \"fifo\"", ""))
        .server(&format!("workers = 1\nhealth = \"{health}\""));
    let file = setup.write("").with_file_name("fifo");
    assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo").success());
    // Somebody has it open and reads nothing.
    let mut options = OpenOptions::new();
    let reader = options.read(true).custom_flags(0o4000).open(&file).expect("a reader");
    let server = setup.start();
    flood(&server.client(SPOKE_A), 6_000);
    let dropped = |scrape: &Scrape| scrape.count("hubdns_query_log_dropped", &[("reason", "full")]);
    let lost = dropped(&until(health, |scrape| dropped(scrape) > 1_000.0));
    let reading = std::thread::spawn(move || {
        let mut options = OpenOptions::new();
        let lines = BufReader::new(options.read(true).open(&file).expect("the FIFO")).lines();
        let (mut queries, mut missing) = (0.0, 0.0);
        for line in lines.map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            match line["event.action"].as_str() {
                Some("gap") => missing += line["hubdns.dropped"].as_f64().expect("a count"),
                _ if line["dns.question.name"] == "rdweb.avd.example" => queries += 1.0,
                _ => {}
            }
            if queries + missing >= 6_000.0 {
                break;
            }
        }
        (queries, missing)
    });
    let (queries, missing) = reading.join().expect("read");
    drop(reader);
    assert_eq!(missing, lost);
    // The harness's probes may be among what is missing.
    assert!((6_000.0..6_010.0).contains(&(queries + missing)), "{queries} and {missing}");
}

#[test]
fn what_cannot_be_written_is_counted_and_written_again_later() {
    let upstream = public();
    let (server, health) = start(&upstream, "queries = \"all\"\nfile = \"later/queries.jsonl\"", "");
    server.client(SPOKE_A).ask("rdweb.avd.example", kind::A);
    until(health, |scrape| scrape.count("hubdns_query_log_dropped", &[("reason", "write")]) >= 1.0);
    server.wait_for_log(|line| line.contains("the query log cannot be written"));
    fs::create_dir(path(&server, "later")).expect("a folder");
    server.reload(&text(&upstream, "queries = \"all\"\nfile = \"later/queries.jsonl\"", ""));
    server.client(SPOKE_A).ask("www.public.example", kind::A);
    let file = path(&server, "later/queries.jsonl");
    // The first one may have been lost, or have come to a file that was there by then.
    let is_first = |found: &[Value]| found[0]["dns.question.name"] == "rdweb.avd.example";
    let count = if is_first(&lines(&file, 1)) { 2 } else { 1 };
    assert_eq!(lines(&file, count)[count - 1]["dns.question.name"], "www.public.example");
    assert!(fs::read_to_string(&file).expect("a file").contains("\"hubdns.reason\":\"write\""));
}

#[test]
fn a_reload_turns_it_on_and_off_and_opens_a_moved_file_anew() {
    let upstream = public();
    let (server, _) = start(&upstream, FILE, "");
    let client = server.client(SPOKE_A);
    let (file, moved) = (path(&server, "queries.jsonl"), path(&server, "queries.1"));
    client.ask("one.public.example", kind::A);
    let on = text(&upstream, &format!("queries = \"all\"\n{FILE}"), "");
    server.reload(&on);
    client.ask("two.public.example", kind::A);
    let names = |found: &[Value]| -> Vec<String> {
        found.iter().map(|line| line["dns.question.name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&lines(&file, 1)), ["two.public.example"]);
    fs::rename(&file, &moved).expect("moved");
    server.reload(&on);
    client.ask("three.public.example", kind::A);
    assert_eq!(names(&lines(&file, 1)), ["three.public.example"]);
    fs::rename(&file, &moved).expect("moved");
    server.refused_reload("version = 2\n");
    client.ask("four.public.example", kind::A);
    assert_eq!(names(&lines(&file, 1)), ["four.public.example"]);
    server.reload(&text(&upstream, FILE, ""));
    client.ask("five.public.example", kind::A);
    server.reload(&on);
    client.ask("six.public.example", kind::A);
    assert_eq!(names(&lines(&file, 2)), ["four.public.example", "six.public.example"]);
}

#[test]
fn diff_replays_and_who_reads_what_is_written() {
    let upstream = public();
    let (server, _) = start(&upstream, &format!("queries = \"all\"\n{FILE}"), "");
    for source in [SPOKE_A, "127.0.10.8", SPOKE_A] {
        server.client(source).ask_both("rdweb.avd.example", kind::A);
    }
    server.client(SPOKE_B).ask("www.public.example", kind::A);
    let file = path(&server, "queries.jsonl");
    lines(&file, 7);
    let (old, new) = (server.path(), path(&server, "new.toml"));
    fs::write(&new, fs::read_to_string(&old).expect("a text").replace("10.10.4.7", "10.10.4.17")).expect("written");
    let [file, old, new] = [&file, &old, &new].map(|path| path.to_str().expect("a plain path"));
    let json = |arguments: &[&str]| -> Value {
        let (code, out, errors) = run(arguments);
        assert_eq!(code, 0, "{out}{errors}");
        serde_json::from_str(&out).expect("JSON")
    };
    let replay = &json(&["diff", "--json", "--replay", file, old, new])["replay"];
    assert_eq!(replay["questions"], 7);
    let differences = replay["differences"].as_array().expect("differences");
    assert_eq!(differences.len(), 1, "{replay:#}");
    assert_eq!((&differences[0]["count"], &differences[0]["name"]), (&json!(6), &json!("rdweb.avd.example")));
    assert_eq!((&differences[0]["before"], &differences[0]["after"]), (&json!("10.10.4.7"), &json!("10.10.4.17")));
    let who = json(&["who", "--json", "--log", file, "--endpoint", "rdweb", "--view", "spoke-a", "--since", "1h"]);
    let clients: Vec<_> =
        who["clients"].as_array().expect("clients").iter().map(|own| (&own["client"], &own["count"])).collect();
    assert_eq!(clients, [(&json!(SPOKE_A), &json!(4)), (&json!("127.0.10.8"), &json!(2))]);
    let (code, out, _) = run(&["who", "--log", file, "--name", "WWW.public.example."]);
    assert!(code == 0 && out.starts_with("1 queries of 1 clients") && out.contains(SPOKE_B), "{out}");
    assert_eq!(run(&["who", "--log", file, "--since", "yesterday"]).0, 2);
    assert_eq!(run(&["who", "--log", "missing"]).0, 1);
}

#[test]
fn a_running_server_tells_who_asked() {
    let upstream = public();
    let admin = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let log = format!("queries = \"all\"\n{FILE}");
    let server = Setup::new(text(&upstream, &log, "")).server(&format!("admin = \"{admin}\"")).start();
    for (source, name) in
        [(SPOKE_A, "rdweb.avd.example"), (SPOKE_A, "rdweb.avd.example"), (SPOKE_B, "www.public.example")]
    {
        server.client(source).ask(name, kind::A);
    }
    lines(&path(&server, "queries.jsonl"), 3);
    let at = format!("http://{admin}");
    let who = |more: &[&str]| {
        let (code, out, errors) = run(&[&["ctl", "--at", &at, "who", "--json"], more].concat());
        assert_eq!(code, 0, "{errors}");
        serde_json::from_str::<Value>(&out).expect("JSON")
    };
    let of = |found: &Value| -> Vec<(String, String, u64)> {
        let row = |own: &Value| {
            let text = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
            (text("client"), text("view"), own["count"].as_u64().unwrap_or(0))
        };
        found["clients"].as_array().expect("a list").iter().map(row).collect()
    };
    let (one, other) = ((SPOKE_A.to_owned(), "spoke-a".to_owned(), 2), (SPOKE_B.to_owned(), "spoke-b".to_owned(), 1));
    for (more, wanted) in [
        (&["--name", "RDWEB.avd.example"][..], vec![one.clone()]),
        (&["--endpoint", "rdweb", "--since", "1h"], vec![one.clone()]),
        (&["--view", "spoke-b"], vec![other]),
        (&["--name", "nobody.asked.example"], vec![]),
    ] {
        assert_eq!(of(&who(more)), wanted, "{more:?}");
    }
    let (_, out, _) = run(&["ctl", "--at", &at, "who", "--endpoint", "rdweb"]);
    assert!(out.starts_with("1 client\n  127.0.10.9  spoke-a       2  "), "{out}");
    let (_, out, _) = run(&["ctl", "--at", &at, "who", "--endpoint", "nothing"]);
    assert!(out.contains("no such client is known"), "{out}");
    let (code, _, errors) = run(&["ctl", "--at", &at, "who", "--since", "soon"]);
    assert!(code != 0 && errors.contains("--since"), "{errors}");
}
