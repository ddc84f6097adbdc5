//! Reloads: all or nothing, no query lost, and what they keep (R3, R5; D-15d).

use crate::harness::message::{Rr, kind};
use crate::harness::small::{Small, public};
use crate::harness::{Query, Script, Setup, Upstream};
use crate::views;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn d_15d_a_bad_file_changes_nothing_and_names_its_line() {
    let world = Small::default().start(public());
    let good = world.server.render(&Small::default().text(&[world.u1.server()]));
    let faults = [
        ("syntax", format!("{good}\n[[view\n"), good.lines().count() + 2),
        ("an unknown key", good.replace("version = 1", "version = 1\nverison = 2"), 2),
        ("an upstream that is not there", good.replacen("upstream = \"public\"", "upstream = \"nowhere\"", 1), 0),
    ];
    for (what, text, line) in faults {
        let log = world.server.refused_reload(&text);
        assert!(log.contains("hub.toml"), "{what}: {log}");
        assert!(line == 0 || log.contains(&format!("hub.toml:{line}:")), "{what}, line {line}: {log}");
        for reply in world.spoke_a().ask_both("hp1.avd.example", kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4", "{what}");
        }
        for reply in world.spoke_b().ask_both("hp1.avd.example", kind::A) {
            assert_eq!(reply.addresses()[0].to_string(), "10.20.4.4", "{what}");
        }
    }
    // And a good one is taken again.
    world.server.reload(&Small::default().text(&[world.u1.server()]).replace("10.10.4.4", "10.10.4.44"));
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses()[0].to_string(), "10.10.4.44");
}

#[test]
fn a_reload_that_empties_a_kind_that_has_to_be_private_is_refused() {
    let pool = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.wvd.microsoft.com";
    let upstream = "127.0.0.1:9".to_owned();
    let text = |state: &str, endpoints: &str| {
        let more = format!(
            "[[endpoint]]\nname = \"pool\"\nkind = \"host-pool\"\n{state}records = {{ \"{pool}\" = [\"10.10.4.9\"] }}\n"
        );
        let view = "private = [\"host-pool\"]".to_owned();
        Small { more, view, endpoints: endpoints.to_owned(), ..Small::default() }.text(std::slice::from_ref(&upstream))
    };
    let server = Setup::new(text("", ", \"pool\"")).start();
    let client = server.client("127.0.10.9");
    let log = server.refused_reload(&server.render(&text("", "")));
    assert!(log.contains("H0507") && log.contains("host-pool"), "{log}");
    assert_eq!(client.ask(pool, kind::A).addresses()[0].to_string(), "10.10.4.9");
    // The break-glass is said in the file, not left out of it.
    server.reload(&text("state = \"blocked\"\n", ", \"pool\""));
    assert_eq!(client.ask(pool, kind::A).rcode(), 3);
}

#[test]
fn d_15d_a_port_in_use_refuses_the_reload() {
    let world = Small::default().start(public());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let also = std::net::UdpSocket::bind(taken.local_addr().expect("its address")).expect("over UDP too");
    let text = world.server.render(&Small::default().text(&[world.u1.server()]));
    let own = format!("\"{}\"", world.server.address);
    let text = text.replace(&own, &format!("{own}, \"{}\"", also.local_addr().expect("its address")));
    world.server.refused_reload(&text);
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses()[0].to_string(), "10.10.4.4");
}

#[test]
fn d_15d_a_port_in_use_at_the_start_is_exit_1() {
    let world = Small::default().start(public());
    let setup = Setup::new(Small::default().text(&[world.u1.server()]));
    let own = world.server.address.port();
    let text = Small::default().text(&[world.u1.server()]);
    let path = setup.write(&text);
    let whole = std::fs::read_to_string(&path)
        .expect("the file")
        .replace(&format!("127.0.0.1:{}", setup.port()), &format!("127.0.0.1:{own}"));
    std::fs::write(&path, whole).expect("the file can be written");
    let (code, _, errors) = crate::harness::server::run(&["serve", "-c", path.to_str().expect("a plain path")]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(&own.to_string()), "the port is named: {errors}");
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses().len(), 1);
}

#[test]
fn r05_no_query_is_lost_over_reloads() {
    let (upstream, server) = views::generations();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for source in ["127.0.10.9", "127.0.20.9"] {
            let (server, done, asked) = (&server, &done, &asked);
            scope.spawn(move || {
                let client = server.client(source);
                let own = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f.rdbroker.wvd.microsoft.com";
                while !done.load(Ordering::Acquire) {
                    for name in [own, "n1.alias.example", "n2.alias.example"] {
                        // `ask` panics where no reply comes.
                        assert_eq!(client.ask(name, kind::A).addresses().len(), 1);
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    assert_eq!(client.tcp(&Query::new("n1.alias.example", kind::A)).addresses().len(), 1);
                }
            });
        }
        let _end = views::SetAtEnd(&done);
        for number in 1..=10 {
            server.reload(&views::generation(&upstream, number));
        }
    });
    assert!(asked.load(Ordering::Relaxed) > 20, "hardly any query was asked");
}

#[test]
fn r03_a_reload_that_changes_the_route_does_not_use_its_answers() {
    let answer = |address: &'static str| {
        move |seen: &crate::harness::Seen| Script::records(vec![Rr::host(&seen.name, 300, address)])
    };
    let (first, second) = (Upstream::start(answer("198.51.100.1")), Upstream::start(answer("198.51.100.2")));
    let text = |upstream: &Upstream| Small::default().text(&[upstream.server()]);
    let server = Setup::new(text(&first)).start();
    let ask = || server.client("127.0.10.9").ask("www.public.example", kind::A).addresses()[0].to_string();
    assert_eq!(ask(), "198.51.100.1");
    server.reload(&text(&second));
    assert_eq!(ask(), "198.51.100.2", "nothing from the old route");
    server.reload(&text(&first));
    assert_eq!(ask(), "198.51.100.1");
}

#[test]
fn r05_a_listener_that_is_added_answers_and_one_that_is_gone_does_not() {
    let world = Small::default().start(public());
    let more = crate::harness::port::free();
    let text = Small::default().text(&[world.u1.server()]);
    let whole = world.server.render(&text);
    let own = format!("\"{}\"", world.server.address);
    std::fs::write(world.server.path(), whole.replace(&own, &format!("{own}, \"127.0.0.1:{more}\""))).expect("written");
    world.server.signal("HUP");
    world.server.wait_for_log(crate::harness::server::is_reloaded);
    let added = crate::harness::Client::new("127.0.10.9", ([127, 0, 0, 1], more).into());
    for reply in added.ask_both("hp1.avd.example", kind::A) {
        assert_eq!(reply.addresses()[0].to_string(), "10.10.4.4");
    }
    world.server.reload(&text);
    // The task that accepts ends by itself once it is told.
    let deadline = Instant::now() + Duration::from_secs(10);
    while added.try_connect().is_ok() {
        assert!(Instant::now() < deadline, "the listener is gone");
        std::thread::yield_now();
    }
    assert_eq!(world.spoke_a().ask("hp1.avd.example", kind::A).addresses().len(), 1);
}
