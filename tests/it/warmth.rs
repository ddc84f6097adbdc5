//! What is fetched before it is asked, and what outlives a restart: prefetch, `keep-warm`, `[cache] file`.

use crate::harness::message::{Rr, kind};
use crate::harness::small::{Small, public};
use crate::harness::{Script, Setup, Upstream};
use std::time::{Duration, Instant};

#[test]
fn an_answer_that_is_asked_near_its_end_is_fetched_anew() {
    let upstream = Upstream::start(|seen| {
        let address = format!("198.51.100.{}", seen.earlier + 1);
        let answer = Script::records(vec![Rr::host("short.public.example", 5, &address)]);
        // Nobody is to wait for the second one.
        if seen.earlier > 0 { answer.delay(Duration::from_millis(400)) } else { answer }
    });
    let server = Setup::new(Small::default().text(&[upstream.server()])).start();
    let ask = || server.client("127.0.10.9").ask("short.public.example", kind::A);
    let begun = Instant::now();
    assert_eq!(ask().addresses()[0].to_string(), "198.51.100.1");
    std::thread::sleep(Duration::from_millis(3_200).saturating_sub(begun.elapsed()));
    let asked = Instant::now();
    for _ in 0..5 {
        assert_eq!(ask().addresses()[0].to_string(), "198.51.100.1", "from the cache meanwhile");
    }
    assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
    upstream.wait_for("short.public.example", 2);
    std::thread::sleep(Duration::from_millis(600));
    let reply = ask();
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.2");
    assert!(reply.answers()[0].ttl >= 4, "a life of its own: {}", reply.answers()[0].ttl);
    assert_eq!(upstream.count("short.public.example"), 2, "once, however many ask");
}

#[test]
fn names_to_keep_warm_are_there_before_anybody_asks() {
    let view = "keep-warm = [\"www.public.example\", \"hp1.privatelink.avd.example\"]";
    let world = Small { view: view.to_owned(), ..Small::default() }.start(public());
    // A and AAAA.
    world.u1.wait_for("www.public.example", 2);
    let reply = world.spoke_a().ask("www.public.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(world.asked("www.public.example"), 2, "not before its end comes near");
    assert_eq!(world.asked("hp1.privatelink.avd.example"), 0, "owned names are never cold");
}

#[test]
fn answers_outlive_a_restart_in_the_cache_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cache.bin");
    let text = |upstream: &Upstream| {
        format!("[cache]\nfile = \"{}\"\n{}", file.display(), Small::default().text(&[upstream.server()]))
    };
    let upstream = Upstream::start(|seen| Script::records(vec![Rr::host(&seen.name, 300, "198.51.100.10")]));
    let mut first = Setup::new(text(&upstream)).server("lameduck = \"0s\"").start();
    assert_eq!(first.client("127.0.10.9").ask("kept.public.example", kind::A).addresses().len(), 1);
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0), "{}", first.log());
    assert!(first.log().contains("cache saved"), "{}", first.log());
    upstream.set(|_| Script::silence());
    let mut second = Setup::new(text(&upstream)).server("lameduck = \"0s\"").start();
    second.wait_for_log(|line| line.contains("cache read"));
    let reply = second.client("127.0.10.9").ask("kept.public.example", kind::A);
    assert_eq!(reply.addresses()[0].to_string(), "198.51.100.10");
    assert_eq!(upstream.total(), 1);
    second.signal("TERM");
    assert_eq!(second.wait().code(), Some(0));
    // A file that was cut costs nothing but itself.
    let whole = std::fs::read(&file).expect("the file");
    std::fs::write(&file, &whole[..whole.len() - 1]).expect("written");
    let third = Setup::new(text(&upstream)).start();
    third.wait_for_log(|line| line.contains("left out") && line.contains("checksum"));
    assert_eq!(third.client("127.0.10.9").ask("hp1.privatelink.avd.example", kind::A).addresses().len(), 1);
}
