//! Views never influence each other (R2, R7; D-06): whose answer a client gets is decided by its address alone, on
//! every transport, cold and cached, in flight and over reloads.

use crate::harness::client::{PATIENCE, receive};
use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::small::{Small, public};
use crate::harness::{Client, Public, Query, Reply, Script, Server, Setup, Upstream};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The public DNS of these tests as an upstream.
fn upstream(names: Public) -> Upstream {
    Upstream::start(move |seen| names.answer(&seen.name, seen.kind))
}

fn first_address(reply: &Reply) -> String {
    reply.addresses().first().map_or_else(|| format!("none: {:?}", reply.message), ToString::to_string)
}

#[test]
fn d_06a_an_empty_view_is_a_view_whatever_the_order() {
    let upstream = upstream(public());
    let guest = "[[view]]\nname = \"guest\"\nupstream = \"public\"\nnetworks = [\"127.0.10.96/28\"]\n";
    let text = Small::default().text(&[upstream.server()]);
    let first = text.replacen("[[view]]", &format!("{guest}[[view]]"), 1);
    for text in [format!("{text}{guest}"), first] {
        let server = Setup::new(text).start();
        for reply in server.client("127.0.10.99").ask_both("hp1.avd.example", kind::A) {
            assert_eq!(first_address(&reply), "203.0.113.4");
        }
        for client in ["127.0.10.95", "127.0.10.112"] {
            for reply in server.client(client).ask_both("hp1.avd.example", kind::A) {
                assert_eq!(first_address(&reply), "10.10.4.4");
            }
        }
    }
}

/// A configuration of views, each with one endpoint for `who.example` whose address tells the view.
fn told_apart(views: &[(&str, &str)]) -> String {
    let mut text = "[[upstream]]\nname = \"public\"\nservers = [\"127.0.0.1:9\"]\n".to_owned();
    for (number, (name, selection)) in views.iter().enumerate() {
        text += &format!(
            "[[endpoint]]\nname = \"e{number}\"\nkind = \"other\"\nrecords = {{ \"who.example\" = [\"10.0.0.{number}\"] }}\n\
             [[view]]\nname = \"{name}\"\n{selection}\nendpoints = [\"e{number}\"]\n"
        );
    }
    text
}

/// Which of the views above a client is in, over both transports.
fn who(client: Client) -> usize {
    let views = client.ask_both("who.example", kind::A).map(|reply| match reply.addresses()[..] {
        [std::net::IpAddr::V4(address)] => usize::from(address.octets()[3]),
        _ => usize::MAX,
    });
    assert_eq!(views[0], views[1], "the transports disagree");
    views[0]
}

#[test]
fn d_06b_short_prefixes_match_and_the_longest_wins() {
    let text = told_apart(&[
        ("all", "networks = [\"0.0.0.0/0\"]"),
        ("seven", "networks = [\"126.0.0.0/7\"]"),
        ("sixteen", "networks = [\"127.0.0.0/16\"]"),
        ("host", "networks = [\"127.0.10.9/32\"]"),
        ("six", "networks = [\"::1/128\"]"),
    ]);
    let server = Setup::new(text).listen(&["127.0.0.1", "[::1]"]).start();
    for (client, view) in [("127.1.0.1", 1), ("127.0.9.9", 2), ("127.0.10.9", 3), ("127.0.10.8", 2)] {
        assert_eq!(who(server.client(client)), view, "{client}");
    }
    assert_eq!(who(server.client_of("::1", "::1")), 4);
}

#[test]
fn d_06b_host_bits_and_equal_prefixes_are_errors() {
    let text = told_apart(&[("all", "networks = [\"127.1.2.3/7\"]")]);
    let (status, log) = Setup::new(text).run_to_end();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("126.0.0.0/7"), "the masked prefix is named: {log}");
    let text = told_apart(&[("one", "networks = [\"127.0.0.0/8\"]"), ("two", "networks = [\"127.0.0.0/8\"]")]);
    let (status, log) = Setup::new(text).run_to_end();
    assert_eq!(status.code(), Some(3), "{log}");
}

#[test]
fn d_06c_a_mapped_client_is_its_ipv4_self() {
    let upstream = upstream(public());
    let server = Setup::new(Small::default().text(&[upstream.server()])).listen(&["[::]"]).start();
    for (client, address) in [("127.0.10.9", "10.10.4.4"), ("127.0.20.9", "10.20.4.4"), ("127.0.30.9", "203.0.113.4")] {
        for reply in server.client(client).ask_both("hp1.avd.example", kind::A) {
            assert_eq!(first_address(&reply), address, "{client}");
        }
    }
}

#[test]
fn d_06d_the_cache_holds_nothing_of_a_view() {
    let world = Small::default().start(public());
    let clients = [(world.other(), "203.0.113.4"), (world.spoke_a(), "10.10.4.4"), (world.spoke_b(), "10.20.4.4")];
    for name in ["hp1.avd.example", "hp1.privatelink.avd.example"] {
        for _ in 0..3 {
            for (client, address) in &clients {
                for reply in client.ask_both(name, kind::A) {
                    assert_eq!(&first_address(&reply), address);
                }
            }
        }
    }
    assert_eq!(world.asked("hp1.avd.example"), 1, "one raw answer serves all views of a route");
}

#[test]
fn d_06e_ipv6_clients_have_their_view() {
    let text = told_apart(&[("all", "networks = [\"::/0\"]"), ("six", "networks = [\"::/64\"]")]);
    let server = Setup::new(text).listen(&["[::1]"]).start();
    assert_eq!(who(server.client_of("::1", "::1")), 1);
}

#[test]
fn r07_a_view_that_names_the_listener_wins() {
    let text = told_apart(&[
        ("near", "networks = [\"127.0.10.9/32\"]"),
        ("door", "networks = [\"127.0.0.0/8\"]\nlisteners = [\"127.0.0.2\"]"),
        ("gate", "listeners = [\"127.0.0.3:@PORT@\"]"),
        ("all", "networks = [\"0.0.0.0/0\"]"),
    ]);
    let server = Setup::new(text).listen(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]).start();
    for (client, host, view) in [
        ("127.0.10.9", "127.0.0.1", 0),
        ("127.0.10.9", "127.0.0.2", 1),
        ("127.0.10.8", "127.0.0.2", 1),
        ("127.0.10.9", "127.0.0.3", 2),
        ("127.0.10.8", "127.0.0.1", 3),
    ] {
        assert_eq!(who(server.client_of(client, host)), view, "{client} asks {host}");
    }
}

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

/// Two views with one pool each; the pool's addresses are 10.10.G.4 and 10.20.G.4.
fn two_views(upstream: &Upstream, generation: u32) -> String {
    let mut text = format!("[[upstream]]\nname = \"public\"\nservers = [\"{}\"]\n", upstream.server());
    for (view, net) in [("a", 10), ("b", 20)] {
        text += &format!(
            "[[endpoint]]\nname = \"pool-{view}\"\nkind = \"host-pool\"\nresource = \"{POOL}\"\n\
             records = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"10.{net}.{generation}.4\"] }}\n\
             [[view]]\nname = \"{view}\"\nnetworks = [\"127.0.{net}.0/24\"]\nendpoints = [\"pool-{view}\"]\n"
        );
    }
    text
}

/// An upstream to which every name is an alias of the pool's private spelling, with a public address behind it.
fn aliases(delay: Duration) -> Upstream {
    Upstream::start(move |seen| {
        let target = format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com");
        let records = vec![Rr::cname(&seen.name, 300, &target), Rr::host(&target, 300, "203.0.113.4")];
        Script::records(records).delay(delay)
    })
}

/// Sends queries for the given names over one socket or connection, a window at a time, and checks each reply.
fn ask_all(client: Client, tcp: bool, names: &[String], check: impl Fn(&Reply)) {
    const WINDOW: usize = 40;
    let socket = client.socket();
    let mut session = tcp.then(|| client.connect());
    for window in names.chunks(WINDOW) {
        let mut open = BTreeMap::new();
        for (id, name) in window.iter().enumerate() {
            let query = Query::new(name, kind::A).id(u16::try_from(id).expect("a small window"));
            match &mut session {
                Some(session) => session.send(&query.to_octets()),
                None => drop(socket.send(&query.to_octets()).expect("sent")),
            }
            open.insert(query.id, query);
        }
        while !open.is_empty() {
            let octets = match &mut session {
                Some(session) => session.receive(PATIENCE),
                None => receive(&socket, PATIENCE),
            };
            let reply = Reply::decode(octets.unwrap_or_else(|| panic!("no reply for {open:?}")));
            let query = open.remove(&reply.id()).expect("an open question");
            assert!(reply.repeats(&query));
            check(&reply);
        }
    }
}

#[test]
fn two_views_of_one_pool_never_cross() {
    let upstream = aliases(Duration::ZERO);
    let server = Setup::new(two_views(&upstream, 1)).start();
    // 10,000 queries a view and transport, 2,000 names: a name's first ask is cold, the later ones are cached.
    let names: Vec<_> = (0..10_000).map(|number| format!("n{}.alias.example", number % 2_000)).collect();
    for tcp in [false, true] {
        std::thread::scope(|scope| {
            for (client, address) in [("127.0.10.9", "10.10.1.4"), ("127.0.20.9", "10.20.1.4")] {
                let (server, names) = (&server, &names);
                scope.spawn(move || {
                    ask_all(server.client(client), tcp, names, |reply| {
                        assert_eq!(first_address(reply), address);
                        assert_eq!(reply.addresses().len(), 1);
                    });
                });
            }
        });
    }
    assert_eq!(upstream.total(), 2_000, "one upstream query a name for both views and transports");
}

/// A view's address in a generation: with each generation the views change their networks.
fn swapped(net: u32, generation: u32) -> String {
    let net = if generation.is_multiple_of(2) { net } else { 30 - net };
    format!("10.{net}.{generation}.4")
}

/// Queries of S-06, and how many of them leave in a second.
const QUERIES: usize = 10_000;
const RATE: u32 = 2_000;

#[test]
fn s_06_reloads_that_swap_addresses_never_mix_views_or_generations() {
    let upstream = aliases(Duration::ZERO);
    let text = |generation| {
        let text = two_views(&upstream, generation);
        let (a, b) = (format!("10.10.{generation}.4"), format!("10.20.{generation}.4"));
        let text = text.replace(&a, "@A@").replace(&b, "@B@");
        text.replace("@A@", &swapped(10, generation)).replace("@B@", &swapped(20, generation))
    };
    let server = Setup::new(text(0)).start();
    let names: Vec<_> = (0..200).map(|number| format!("n{number}.alias.example")).collect();
    for client in ["127.0.10.9", "127.0.20.9"] {
        ask_all(server.client(client), false, &names, |_| {});
    }
    // What was last confirmed to be served, what was last written to the file, and the end.
    let (served, written, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    let asked = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (client, net, tcp) in
            [("127.0.10.9", 10, false), ("127.0.20.9", 20, false), ("127.0.10.8", 10, true), ("127.0.20.8", 20, true)]
        {
            let (server, names, served, written, done, asked) = (&server, &names, &served, &written, &done, &asked);
            scope.spawn(move || {
                let client = server.client(client);
                for chunk in names.chunks(20).cycle() {
                    if done.load(Ordering::Acquire) && asked.load(Ordering::Acquire) >= QUERIES {
                        break;
                    }
                    let due =
                        Duration::from_secs(1) * u32::try_from(asked.load(Ordering::Acquire)).expect("few") / RATE;
                    std::thread::sleep(due.saturating_sub(begun.elapsed()));
                    let oldest = served.load(Ordering::Acquire);
                    ask_all(client, tcp, chunk, |reply| {
                        let newest = written.load(Ordering::Acquire);
                        let allowed: Vec<_> = (oldest..=newest).map(|generation| swapped(net, generation)).collect();
                        assert!(allowed.contains(&first_address(reply)), "{allowed:?}: {:?}", reply.message);
                        assert_eq!(reply.addresses().len(), 1);
                    });
                    asked.fetch_add(chunk.len(), Ordering::AcqRel);
                }
            });
        }
        // Set when this ends, also by a failed assertion: the threads would ask on for ever.
        let _end = SetAtEnd(&done);
        let share = Duration::from_secs(1) * u32::try_from(QUERIES).expect("few") / RATE / 20;
        for generation in 1..=20 {
            std::thread::sleep((share * (generation - 1)).saturating_sub(begun.elapsed()));
            written.store(generation, Ordering::Release);
            server.reload(&text(generation));
            served.store(generation, Ordering::Release);
        }
    });
    let (asked, took) = (asked.into_inner(), begun.elapsed());
    println!("{asked} queries in {took:?} over 20 reloads, none of them mixed");
    assert!(asked >= QUERIES);
    assert_eq!(upstream.total(), 200, "a reload that keeps the route keeps its answers (R3)");
}

#[test]
fn r05_what_is_in_flight_over_a_reload_leaves_by_the_new_snapshot() {
    let upstream = aliases(Duration::from_millis(500));
    let server = Setup::new(two_views(&upstream, 1)).start();
    std::thread::scope(|scope| {
        let asked = [("127.0.10.9", "10.10.2.4"), ("127.0.20.9", "10.20.2.4")].map(|(client, address)| {
            let client = server.client(client);
            scope.spawn(move || assert_eq!(first_address(&client.ask("slow.alias.example", kind::A)), address))
        });
        upstream.wait_for("slow.alias.example", 1);
        server.reload(&two_views(&upstream, 2));
        for one in asked {
            one.join().expect("the new generation's address");
        }
    });
    assert_eq!(upstream.total(), 1);
}

#[test]
fn s_11_one_coalesced_question_is_shaped_for_each_view() {
    let upstream = aliases(Duration::from_millis(200));
    let mut text = format!("[[upstream]]\nname = \"public\"\nservers = [\"{}\"]\n", upstream.server());
    for view in 0..10 {
        text += &format!(
            "[[endpoint]]\nname = \"pool-{view}\"\nkind = \"host-pool\"\nresource = \"{POOL}\"\n\
             records = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"10.{view}.0.4\"] }}\n\
             [[view]]\nname = \"v{view}\"\nnetworks = [\"127.0.{view}.0/24\"]\nendpoints = [\"pool-{view}\"]\n"
        );
    }
    text += "[[view]]\nname = \"none\"\nnetworks = [\"127.0.99.0/24\"]\n";
    let server = Setup::new(text).start();
    let sockets: Vec<_> = (0..220u16)
        .map(|number| {
            let view = number % 11;
            let source = format!("127.0.{}.{}", if view == 10 { 99 } else { view }, 1 + number / 11);
            let socket = server.client(&source).socket();
            let mut query = Query::new("same.alias.example", kind::A).id(number);
            if number % 2 == 1 {
                let subnet = vec![0, 1, 24, 0, 10, u8::try_from(view).expect("small"), 0];
                query = query.opt(crate::harness::Opt { options: vec![(8, subnet)], ..Default::default() });
            }
            socket.send(&query.to_octets()).expect("sent");
            (view, socket)
        })
        .collect();
    for (view, socket) in sockets {
        let reply = Reply::decode(receive(&socket, PATIENCE).expect("a reply"));
        let wanted = if view == 10 { "203.0.113.4".to_owned() } else { format!("10.{view}.0.4") };
        assert_eq!(first_address(&reply), wanted);
    }
    assert_eq!(upstream.total(), 1);
}

/// The names of S-02, with their types: owned, forwarded, denied, made here, led into a zone.
const NAMES: [(&str, u16); 12] = [
    ("hp1.avd.example", kind::A),
    ("hp1.privatelink.avd.example", kind::A),
    ("hp1.privatelink.avd.example", kind::AAAA),
    ("ws1.privatelink.avd.example", kind::A),
    ("none.privatelink.avd.example", kind::A),
    ("privatelink.avd.example", kind::SOA),
    ("init.privatelink-global.avd.example", kind::A),
    ("rdweb.avd.example", kind::A),
    ("www.public.example", kind::A),
    ("none.public.example", kind::A),
    ("4.4.10.10.in-addr.arpa", kind::PTR),
    ("localhost", kind::A),
];

/// What has to be the same wherever a client asks: all of a reply but TTLs that run down.
fn summary(reply: &Reply) -> impl PartialEq + std::fmt::Debug {
    let records = |records: Vec<Rr>| -> Vec<_> { records.into_iter().map(|rr| (rr.name, rr.kind, rr.data)).collect() };
    (reply.rcode(), reply.aa(), reply.ede(), records(reply.answers()), records(reply.authority()))
}

#[test]
fn s_02_the_view_is_the_same_on_every_transport() {
    // The prefixes of three views and one that no view holds. Loopback has one IPv6 address, so `::1` moves from view to
    // view by reload.
    let prefixes = ["127.0.10", "127.0.20", "127.0.30", "127.0.40"];
    let upstream = upstream(public());
    let text = |six: &str| {
        let text =
            Small::default().text(&[upstream.server()]).replace("[\"0.0.0.0/0\", \"::/0\"]", "[\"127.0.30.0/24\"]");
        text.replace(&format!("\"{six}.0/24\""), &format!("\"{six}.0/24\", \"::1/128\""))
    };
    let mut cells = 0;
    // A socket for each family, and one for both, on which an IPv4 client is mapped into IPv6.
    for listen in [["127.0.0.1", "[::1]"].as_slice(), &["[::]"]] {
        let server = Setup::new(text(prefixes[0])).listen(listen).start();
        for (number, prefix) in prefixes.iter().enumerate() {
            if number > 0 {
                server.reload(&text(prefix));
            }
            let four = server.client_of(&format!("{prefix}.9"), "127.0.0.1");
            let six = server.client_of("::1", "::1");
            for (name, kind) in NAMES {
                let query = Query::new(name, kind).with_opt();
                let replies = [four.both(&query), six.both(&query)].concat();
                for reply in &replies {
                    assert_eq!(summary(reply), summary(&replies[0]), "{name} from {prefix} at {listen:?}");
                    let refused =
                        reply.rcode() == rcode::REFUSED && reply.ede() == Some(18) && reply.answers().is_empty();
                    assert_eq!(refused, number == 3, "{name} from {prefix}: {:?}", reply.message);
                    cells += 1;
                }
            }
            let wanted = ["10.10.4.4", "10.20.4.4", "203.0.113.4"].get(number);
            let got = six.ask("hp1.avd.example", kind::A).addresses().first().map(ToString::to_string);
            assert_eq!(got.as_deref(), wanted.copied(), "from {prefix}");
        }
    }
    println!("{cells} replies over UDP and TCP, IPv4, mapped IPv4 and IPv6");
    assert_eq!(cells, 12 * 4 * 4 * 2);
}

/// Sets a flag when it goes.
pub(crate) struct SetAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Used by the reload's own tests too: a server whose views' addresses carry a generation.
pub(crate) fn generations() -> (Upstream, Server) {
    let upstream = aliases(Duration::ZERO);
    let server = Setup::new(two_views(&upstream, 0)).start();
    (upstream, server)
}

/// The text of a generation for [`generations`].
pub(crate) fn generation(upstream: &Upstream, number: u32) -> String {
    two_views(upstream, number)
}
