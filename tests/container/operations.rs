//! What happens to a hub in operation: an upstream is cut off, memory is limited under a flood, the platform stops a
//! container, a mounted configuration is replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::container::{Container, HARDENED, readable, wait_until_it_answers};
use crate::expected::{Answer, Asked, Tally, questions};
use crate::harness::load::Load;
use crate::harness::message::kind;
use crate::harness::reply::rcode;
use crate::harness::{Client, Query, http};
use crate::tools::{begin, podman};
use crate::world::{Spoke, World, configuration};

/// The memory that a container is given: the cache's bound of 32 MiB, its data, and 64 MiB.
const MEMORY: &str = "112m";
const MEMORY_OCTETS: u64 = 112 << 20;

/// Whether the answer needs no upstream.
fn is_owned(asked: &&Asked) -> bool {
    match asked.answer {
        Answer::Own(_) => asked.name != "desk.alias.example",
        Answer::Pointer(_) => asked.name.ends_with(".10.in-addr.arpa"),
        _ => false,
    }
}

/// Asks what a spoke's view owns of the first server.
fn ask_owned(world: &World, spoke: &Spoke) -> Tally {
    let mut tally = Tally::default();
    let all = questions(spoke.word);
    spoke.namespace.inside(|| {
        for asked in all.iter().filter(is_owned) {
            for reply in Client::new(&spoke.sources[0], world.servers[0].at(spoke.port)).both(&asked.query()) {
                tally.note(spoke.word, asked, Some(&reply));
            }
        }
    });
    tally
}

/// A question about a name that was never asked.
fn random(number: usize) -> Query {
    Query::new(&format!("n{number}.random.example"), kind::A).with_opt()
}

#[test]
fn with_the_platform_cut_off_owned_and_site_names_answer_and_it_stays_ready() {
    let Some(_alone) = begin("the platform cut off") else { return };
    let world = World::start("", &[]);
    let avd = world.spoke("avd");
    let ask = |query: &Query| avd.namespace.inside(|| Client::new(&avd.sources[0], world.servers[0].at(53)).udp(query));
    assert_eq!(ask(&random(0)).addresses().len(), 1);
    world.cut(&world.platform, true);
    let begun = Instant::now();
    let failed = ask(&random(1));
    assert_eq!(failed.rcode(), rcode::SERVFAIL, "{:?}", failed.message);
    println!("SERVFAIL with EDE {:?} after {:?}", failed.errors(), begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for spoke in &world.spokes {
        ask_owned(&world, spoke).assert_clean();
    }
    let begun = Instant::now();
    assert_eq!(ask(&Query::new("app.corp.example", kind::A)).addresses()[0].to_string(), "172.30.9.9");
    assert!(begun.elapsed() < Duration::from_secs(1), "the other route does not wait: {:?}", begun.elapsed());
    assert_eq!(world.servers[0].is_ready(), Some(true), "a dead upstream takes no readiness away");
    world.cut(&world.platform, false);
    let begun = Instant::now();
    for number in 2.. {
        if ask(&random(number)).addresses().len() == 1 {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it does not come back: {}",
            world.servers[0].container().log()
        );
    }
    println!("back {:?} after the link was", begun.elapsed());
}

#[test]
fn a_memory_limit_holds_under_a_flood_of_random_names_and_owned_names_are_answered() {
    let Some(_alone) = begin("a memory limit") else { return };
    let mut world = World::new();
    world.servers[0].start("", &["--memory", MEMORY, "--memory-swap", MEMORY]);
    let (server, avd, iso) = (&world.servers[0], world.spoke("avd"), world.spoke("iso"));
    let owned: Vec<_> = questions("iso").into_iter().filter(|asked| is_owned(&asked)).collect();
    let (flood, tally) = std::thread::scope(|scope| {
        let flood = Load::new(server.at(53), avd.sources.iter().cloned(), 4_000);
        // Half of it is kept back by the platform's caps; the other half has answers, which fill the cache.
        let name = |number: usize| match number % 2 {
            0 => random(number),
            _ => Query::new(&format!("n{number}.{}.corp.example", "x".repeat(60)), kind::A).with_opt(),
        };
        let flood = scope.spawn(move || avd.namespace.inside(|| flood.run(60_000, name)));
        let load = Load::new(server.at(53), iso.sources.iter().cloned(), 200);
        let outcomes = iso.namespace.inside(|| load.run(3_000, |number| owned[number % owned.len()].query()));
        let mut tally = Tally::default();
        for (number, outcome) in outcomes.iter().enumerate() {
            let reply = outcome.took.map(|_| outcome.reply());
            tally.note("iso", &owned[number % owned.len()], reply.as_ref());
        }
        (flood.join().expect("the flood runs"), tally)
    });
    let answered = flood.iter().filter(|outcome| outcome.is_answered()).count();
    let refused = flood.iter().filter(|outcome| outcome.is_servfail()).count();
    let missing =
        flood.iter().filter(|outcome| outcome.took.is_some() && outcome.reply().rcode() == rcode::NXDOMAIN).count();
    let silent = flood.iter().filter(|outcome| outcome.took.is_none()).count();
    let peak = server.container().status("VmHWM");
    println!(
        "flood of {}: {answered} answered, {missing} NXDOMAIN, {refused} SERVFAIL, {silent} unanswered; owned names: {tally}; most memory {peak}",
        flood.len()
    );
    tally.assert_clean();
    let kibibytes: u64 = peak.split(' ').next().and_then(|number| number.parse().ok()).expect("kB");
    assert!(kibibytes * 1024 < MEMORY_OCTETS, "{peak}");
    assert!(server.container().is_running());
    assert_eq!(server.container().inspect("{{.State.OOMKilled}}"), "false");
    assert!(missing > 20_000, "{missing}");
    assert_eq!(silent, 0, "what cannot be had is a SERVFAIL, not silence");
    let dropped = world.dropped.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(dropped, 0, "max-qps keeps below the platform's quota");
}

#[test]
fn podmans_ten_seconds_are_enough_for_the_default_lameduck_under_load() {
    let Some(_alone) = begin("podman stop") else { return };
    let mut world = World::new();
    world.servers[0].start("", &[]);
    let (server, avd) = (&world.servers[0], world.spoke("avd"));
    let all = questions("avd");
    let asked = &all;
    std::thread::scope(|scope| {
        let load = Load::new(server.at(53), avd.sources.iter().cloned(), 500);
        let load =
            scope.spawn(move || avd.namespace.inside(|| load.run(2_000, |number| asked[number % asked.len()].query())));
        let begun = Instant::now();
        let stopped = podman(&["stop", &server.container().name]);
        let took = begun.elapsed();
        assert_eq!(stopped.code, 0, "{}", stopped.errors);
        println!("podman stop took {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        // What podman killed would have 137.
        assert_eq!(server.container().inspect("{{.State.ExitCode}}"), "0", "{}", server.container().log());
        let outcomes = load.join().expect("the load runs");
        let mut tally = Tally::default();
        for (number, outcome) in outcomes.iter().enumerate() {
            let reply = outcome.took.map(|_| outcome.reply());
            tally.note("avd", &asked[number % asked.len()], reply.as_ref());
        }
        println!("through the 4 s of load: {tally}");
        tally.assert_clean();
    });
}

/// As Kubernetes mounts a configuration: files are links into a folder that is itself one link, which is swapped.
#[test]
fn a_mounted_configuration_that_is_swapped_by_its_link_is_served_without_being_asked_for() {
    let Some(_alone) = begin("a configuration that is swapped") else { return };
    let world = World::new();
    let (server, avd) = (&world.servers[0], world.spoke("avd"));
    let folder = server.folder();
    let text = configuration(server.ip, "").replacen("version = 1\n", "version = 1\nwatch = true\n", 1);
    assert!(text.contains("watch = true"), "{text}");
    let version = |number: u8, text: &str| {
        let own = folder.join(format!("..{number}"));
        fs::create_dir(&own).expect("a folder");
        readable(&own, "hubdns.toml", text);
        let link = folder.join("..new");
        symlink(format!("..{number}"), &link).expect("a link");
        fs::rename(&link, folder.join("..data")).expect("one step");
    };
    readable(&folder, ".keep", "");
    version(1, &text);
    symlink("..data/hubdns.toml", folder.join("hubdns.toml")).expect("a link");
    let mount = format!("{}:/etc/hubdns:ro", folder.display());
    let container = Container::start(&server.namespace, &[HARDENED, &["-v", &mount]].concat());
    server.namespace.inside(|| wait_until_it_answers(server.at(53)));
    let ask = || {
        let client = Client::new(&avd.sources[0], server.at(53));
        avd.namespace.inside(|| client.ask("rdweb.wvd.microsoft.com", kind::A).addresses()[0].to_string())
    };
    let generation = || server.namespace.inside(|| http::get(server.at(8080), "/readyz").json()["generation"].clone());
    assert_eq!(ask(), "10.10.200.4");
    version(2, &text.replace("10.10.200.4", "10.10.200.44"));
    let begun = Instant::now();
    while generation() != 2 {
        assert!(begun.elapsed() < Duration::from_secs(15), "{}", container.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("a swapped mount is served after {:?}", begun.elapsed());
    assert_eq!(ask(), "10.10.200.44");
}
