//! The hub and its spokes: every client gets its own view's answers, whatever the transport, through restarts and a drain.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::container::readable;
use crate::expected::{Asked, Tally, questions};
use crate::harness::client::receive;
use crate::harness::load::Load;
use crate::harness::message::kind;
use crate::harness::{Client, Reply, http};
use crate::namespace::Namespace;
use crate::tools::{begin, find};
use crate::world::{FORWARDER, FORWARDER_PORT, Spoke, World};

/// Queries of a spoke over each transport.
const COUNT: usize = 10_000;
/// Over UDP, a spoke's queries in a second.
const PER_SECOND: u32 = 1_000;

/// Asks everything once, over UDP and TCP, on both servers.
fn ask_all(world: &World, spoke: &Spoke) -> Tally {
    let mut tally = Tally::default();
    spoke.namespace.inside(|| {
        for server in &world.servers {
            for asked in questions(spoke.word) {
                let client = Client::new(&spoke.sources[0], server.at(spoke.port));
                for reply in client.both(&asked.query()) {
                    tally.note(spoke.word, &asked, Some(&reply));
                }
            }
        }
    });
    tally
}

/// A spoke's queries over UDP from all its clients, half of them to each server.
fn over_udp(world: &World, spoke: &Spoke) -> Tally {
    let asked = questions(spoke.word);
    let mut tally = Tally::default();
    for server in &world.servers {
        // A client has 256 waiting queries at most: a forwarder has one address for all.
        let load = Load::new(server.at(spoke.port), spoke.sources.iter().cloned(), PER_SECOND);
        let outcomes = spoke.namespace.inside(|| load.run(COUNT / 2, |number| asked[number % asked.len()].query()));
        for (number, outcome) in outcomes.iter().enumerate() {
            let reply = outcome.took.map(|_| outcome.reply());
            tally.note(spoke.word, &asked[number % asked.len()], reply.as_ref());
        }
    }
    tally
}

/// Likewise over TCP: connections of 100 queries, 20 of which are on their way at once.
fn over_tcp(world: &World, spoke: &Spoke) -> Tally {
    let asked = questions(spoke.word);
    let mut tally = Tally::default();
    spoke.namespace.inside(|| {
        for connection in 0..COUNT / 100 {
            let source = &spoke.sources[connection % spoke.sources.len()];
            let server = world.servers[connection % 2].at(spoke.port);
            let mut session = Client::new(source, server).connect();
            for batch in 0..5 {
                let numbers: Vec<_> = (0..20).map(|number| connection * 100 + batch * 20 + number).collect();
                let question = |id: usize| &asked[numbers[id] % asked.len()];
                for id in 0..20 {
                    session.send(&question(id).query().id(id as u16).to_octets());
                }
                // They come back in any order (RFC 7766 §7).
                let mut open: Vec<usize> = (0..20).collect();
                while let Some(octets) = session.receive(Duration::from_secs(8)).filter(|_| !open.is_empty()) {
                    let reply = Reply::decode(octets);
                    let id = usize::from(reply.id());
                    open.retain(|own| *own != id);
                    tally.note(spoke.word, question(id), Some(&reply));
                    if open.is_empty() {
                        break;
                    }
                }
                for id in open {
                    tally.note(spoke.word, question(id), None);
                }
            }
        }
    });
    tally
}

#[test]
fn every_client_gets_its_own_views_answers() {
    let Some(_alone) = begin("hub and spokes") else { return };
    let world = World::start("", &[]);
    for spoke in &world.spokes {
        let tally = ask_all(&world, spoke);
        println!("{}, each question: {tally}", spoke.word);
        tally.assert_clean();
    }
    // Conditional routes lead to the right upstream: the site's names to the site, from views that have the route.
    let strays: Vec<_> = world
        .corp
        .seen()
        .into_iter()
        .filter(|seen| {
            let name = &*seen.name;
            !(name.ends_with(".corp.example") || name.ends_with(".in-addr.arpa"))
        })
        .map(|seen| seen.name)
        .collect();
    assert_eq!(strays, Vec::<String>::new(), "asked on premises");
    let asked = world.platform.seen();
    let owned = |name: &str| name.starts_with(crate::world::POOL) || name.ends_with("10.in-addr.arpa");
    assert!(!asked.iter().any(|seen| owned(&seen.name)), "an owned name was asked of the platform");
    assert!(asked.iter().all(|seen| seen.name != "none.corp.example" && !seen.name.ends_with("172.in-addr.arpa")));
    assert!(asked.iter().any(|seen| seen.name == "app.corp.example"), "the isolated network has no route on premises");
    // A client of no view.
    world.spoke("site").namespace.inside(|| {
        let reply = Client::new("172.31.0.10", world.servers[0].at(53)).ask("www.public.example", kind::A);
        assert_eq!(reply.rcode(), crate::harness::reply::rcode::REFUSED);
    });
}

#[test]
fn ten_thousand_queries_a_spoke_are_right_over_udp_and_tcp() {
    let Some(_alone) = begin("10,000 queries a spoke") else { return };
    let world = World::start("", &[]);
    for (transport, ask) in [("UDP", over_udp as fn(&World, &Spoke) -> Tally), ("TCP", over_tcp)] {
        let mut all = Tally::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = world
                .spokes
                .iter()
                .map(|spoke| {
                    let world = &world;
                    scope.spawn(move || (spoke.word, ask(world, spoke)))
                })
                .collect();
            for thread in threads {
                let (word, tally) = thread.join().expect("the load runs");
                println!("{word} over {transport}: {tally}");
                all.add(tally);
            }
        });
        assert_eq!(all.asked, 4 * COUNT);
        all.assert_clean();
    }
    assert_eq!(world.dropped.load(Ordering::Relaxed), 0, "queries over the platform's quota");
}

/// A forwarder of another make in the site.
struct Forwarder {
    child: Child,
    _folder: TempDir,
}

impl Forwarder {
    /// Starts Unbound; none where it is not installed.
    fn start(world: &World, namespace: &Namespace) -> Option<Self> {
        let program = find("unbound")?;
        let folder = TempDir::new().expect("a folder");
        let servers: String =
            world.servers.iter().map(|server| format!("  forward-addr: {}@{FORWARDER_PORT}\n", server.ip)).collect();
        let text = format!(
            "server:\n  interface: {FORWARDER}\n  access-control: 0.0.0.0/0 allow\n  username: \"\"\n  chroot: \"\"\n  \
             directory: \"{0}\"\n  pidfile: \"\"\n  use-syslog: no\n  do-daemonize: no\n  module-config: \"iterator\"\n  \
             local-zone: \"10.in-addr.arpa.\" nodefault\n  local-zone: \"30.172.in-addr.arpa.\" nodefault\n  \
             unblock-lan-zones: yes\n  insecure-lan-zones: yes\nremote-control:\n  control-enable: no\n\
             forward-zone:\n  name: \".\"\n{servers}",
            folder.path().display()
        );
        let path = readable(folder.path(), "unbound.conf", &text);
        let child = namespace.inside(|| {
            let mut command = Command::new(program);
            command.args(["-d", "-c", &path]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("Unbound runs")
        });
        namespace.inside(|| crate::container::wait_until_it_answers(at(FORWARDER, 53)));
        Some(Self { child, _folder: folder })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

#[test]
fn clients_behind_a_forwarder_have_the_view_of_its_listener() {
    let test = "a site's forwarder";
    let Some(_alone) = begin(test) else { return };
    let world = World::start("", &[]);
    let site = world.spoke("site");
    let Some(_forwarder) = Forwarder::start(&world, &site.namespace) else {
        println!("\nSKIPPED: {test}: Unbound is not installed (Debian: unbound)");
        return;
    };
    let mut tally = Tally::default();
    site.namespace.inside(|| {
        for asked in questions("site") {
            for reply in Client::new(FORWARDER, at(FORWARDER, 53)).both(&asked.query()) {
                tally.note("site", &asked, Some(&reply));
            }
        }
    });
    println!("behind the forwarder: {tally}");
    tally.assert_clean();
}

/// One question of a client that has two servers: a second on the first, then the other. None where neither answers.
fn ask_either(source: &str, servers: [SocketAddr; 2], asked: &Asked) -> Option<(usize, Reply)> {
    servers.into_iter().enumerate().find_map(|(index, server)| {
        let socket = Client::new(source, server).socket();
        socket.send(&asked.query().to_octets()).ok()?;
        Some((index, Reply::decode(receive(&socket, Duration::from_secs(1))?)))
    })
}

#[test]
fn clients_with_two_servers_lose_nothing_while_one_restarts() {
    let Some(_alone) = begin("a restart behind the other") else { return };
    let mut world = World::start("lameduck = \"1s\"", &[]);
    let servers = [world.servers[0].at(53), world.servers[1].at(53)];
    let done = AtomicBool::new(false);
    let World { servers: own, spokes, .. } = &mut world;
    let (tally, second) = std::thread::scope(|scope| {
        let threads: Vec<_> = spokes[..3]
            .iter()
            .flat_map(|spoke| [servers, [servers[1], servers[0]]].map(|order| (spoke, order)))
            .map(|(spoke, order)| {
                let done = &done;
                scope.spawn(move || {
                    let (mut tally, mut second) = (Tally::default(), 0);
                    let all = questions(spoke.word);
                    spoke.namespace.inside(|| {
                        for number in 0.. {
                            let asked = &all[number % all.len()];
                            let begun = Instant::now();
                            let got = ask_either(&spoke.sources[number % spoke.sources.len()], order, asked);
                            second += usize::from(matches!(got, Some((1, _))));
                            tally.note(spoke.word, asked, got.as_ref().map(|(_, reply)| reply));
                            if done.load(Ordering::Acquire) {
                                break;
                            }
                            // Paced: 100 a second a client at most.
                            std::thread::sleep(Duration::from_millis(10).saturating_sub(begun.elapsed()));
                        }
                    });
                    (tally, second)
                })
            })
            .collect();
        for server in own.iter_mut() {
            let container = server.container.as_mut().expect("it was started");
            container.signal("TERM");
            assert_eq!(container.wait(), 0);
            container.start_again();
            server.wait_until_ready();
        }
        done.store(true, Ordering::Release);
        let mut all = (Tally::default(), 0);
        for thread in threads {
            let (tally, second) = thread.join().expect("the clients run");
            all.0.add(tally);
            all.1 += second;
        }
        all
    });
    println!("while one restarts behind the other: {tally}; {second} answered by the second server");
    tally.assert_clean();
    assert!(second > 0, "no client noticed");
}

#[test]
fn sigterm_under_load_answers_all_that_is_sent_before_lameduck_ends() {
    let Some(_alone) = begin("SIGTERM under load") else { return };
    let mut world = World::new();
    let lameduck = Duration::from_secs(2);
    world.servers[0].start("lameduck = \"2s\"", &[]);
    let (server, spoke) = (&world.servers[0], world.spoke("avd"));
    let asked = questions("avd");
    let begun = Instant::now();
    let (outcomes, signalled, noticed) = std::thread::scope(|scope| {
        let load = Load::new(server.at(53), spoke.sources.iter().cloned(), 2_000);
        let asked = &asked;
        let load = scope
            .spawn(move || spoke.namespace.inside(|| load.run(10_000, |number| asked[number % asked.len()].query())));
        std::thread::sleep(Duration::from_secs(1));
        let (signalled, noticed) = server.namespace.inside(|| {
            server.container().signal("TERM");
            let signalled = Instant::now();
            while http::get(server.at(8080), "/readyz").status == 200 {
                assert!(signalled.elapsed() < Duration::from_secs(2), "it is still ready");
            }
            (signalled, signalled.elapsed())
        });
        (load.join().expect("the load runs"), signalled, noticed)
    });
    let until = signalled.duration_since(begun) + lameduck;
    // The load's own clock begins a little behind `begun`: what is sent in that moment is left out.
    let due = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.at + Duration::from_millis(100) < until);
    let mut tally = Tally::default();
    for (number, outcome) in due {
        tally.note("avd", &asked[number % asked.len()], outcome.took.map(|_| outcome.reply()).as_ref());
    }
    let later = outcomes.len() - tally.asked;
    println!("503 after {noticed:?}; sent before lameduck ended: {tally}; {later} sent later");
    assert!(noticed <= Duration::from_millis(100), "{noticed:?}");
    tally.assert_clean();
    assert!(tally.asked > 4_000 && later > 0, "the load was there before and after");
    assert_eq!(server.container().wait(), 0);
}
