//! The cache alone, on a stepped clock.

use super::*;
use crate::wire::{Failure, Header, RouteId, Ttl, WireName, flags, rtype};

fn key(name: &str) -> Key {
    Key::new(RouteId(1), WireName::from_presentation(name).unwrap().as_ref(), rtype::A, false, false)
}

/// A reply with one A record of the TTL.
fn reply(name: &str, ttl: u32) -> RawAnswer {
    let header = Header { flags: flags::QR, questions: 1, answers: 1, ..Header::default() };
    let mut message = header.octets().to_vec();
    message.extend(WireName::from_presentation(name).unwrap().octets());
    message.extend([0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1]);
    message.extend(ttl.to_be_bytes());
    message.extend([0, 4, 192, 0, 2, 1]);
    RawAnswer::from_upstream(&message, &key(name)).unwrap()
}

const SECOND: u64 = 1_000;

#[test]
fn r32_an_entry_lives_for_its_ttl_and_less_than_a_second_is_a_miss() {
    let cache = Cache::new(1 << 20, Limits::default());
    let at = Moment::from_millis;
    cache.insert(&key("a.example"), reply("a.example", 30), at(0));
    assert!(cache.look_up(&key("a.example"), at(29 * SECOND)).is_some());
    assert!(cache.look_up(&key("a.example"), at(29 * SECOND + 1)).is_none());
    assert!(cache.look_up(&key("b.example"), at(0)).is_none());
}

#[test]
fn d_10a_ttl_zero_and_own_refusals_are_not_kept_and_failures_only_a_second() {
    let cache = Cache::new(1 << 20, Limits::default());
    let at = Moment::from_millis;
    cache.insert(&key("live.example"), reply("live.example", 0), at(0));
    cache.insert(&key("capped.example"), RawAnswer::failed(Failure::Capped), at(0));
    cache.insert(&key("dead.example"), RawAnswer::failed(Failure::Silent), at(0));
    assert!(cache.look_up(&key("live.example"), at(0)).is_none());
    assert!(cache.look_up(&key("capped.example"), at(0)).is_none());
    assert!(cache.look_up(&key("dead.example"), at(999)).is_some());
    assert!(cache.look_up(&key("dead.example"), at(1_000)).is_none());
}

#[test]
fn high_ttls_are_lowered_to_the_limit() {
    let limits = Limits { max_ttl: Ttl::from_seconds(60), ..Limits::default() };
    let entry = Entry::new(reply("a.example", 3_600), Moment::from_millis(0), &limits);
    assert_eq!(entry.raw().lifetime().seconds(), 60);
    assert_eq!(entry.raw().octets()[entry.raw().octets().len() - 10..][..4], [0, 0, 0, 60]);
}

#[test]
fn the_bound_holds_in_octets() {
    let bound = 256 * 1024;
    let cache = Cache::new(bound, Limits::default());
    for number in 0..20_000 {
        let name = format!("n{number}.example");
        cache.insert(&key(&name), reply(&name, 300), Moment::from_millis(0));
        assert!(cache.octets() <= bound, "{} octets after {number}", cache.octets());
    }
    assert!(cache.len() > 300);
    let off = Cache::new(0, Limits::default());
    off.insert(&key("a.example"), reply("a.example", 300), Moment::from_millis(0));
    assert!(off.is_empty());
}

#[test]
fn r04_an_entry_is_judged_once_a_generation() {
    let entry = Entry::new(reply("a.example", 30), Moment::from_millis(0), &Limits::default());
    assert!(entry.is_plain(1, |_| true));
    assert!(entry.is_plain(1, |_| panic!("judged twice")));
    assert!(!entry.is_plain(2, |_| false));
    assert!(!entry.is_plain(2, |_| panic!("judged twice")));
}

#[test]
fn r33_a_failure_does_not_replace_what_may_serve_stale() {
    let limits = Limits { serve_stale: std::time::Duration::from_secs(60), ..Limits::default() };
    let cache = Cache::new(1 << 20, limits);
    let (own, at) = (key("a.example"), Moment::from_millis);
    cache.insert(&own, reply("a.example", 10), at(0));
    assert!(cache.look_up_stale(&own, at(5 * SECOND)).is_none(), "it still lives");
    cache.insert(&own, RawAnswer::failed(Failure::Silent), at(11 * SECOND));
    assert!(cache.look_up(&own, at(11 * SECOND)).is_some_and(|entry| entry.is_failure()));
    assert!(cache.look_up_stale(&own, at(11 * SECOND)).is_some_and(|entry| !entry.is_failure()));
    assert!(cache.look_up_stale(&own, at(69 * SECOND)).is_some());
    assert!(cache.look_up_stale(&own, at(70 * SECOND)).is_none(), "past serve-stale");
    cache.insert(&own, reply("a.example", 10), at(20 * SECOND));
    assert!(cache.look_up(&own, at(20 * SECOND)).is_some_and(|entry| !entry.is_failure()), "an answer replaces both");
    let off = Cache::new(1 << 20, Limits { serve_stale: std::time::Duration::ZERO, ..limits });
    off.insert(&own, reply("a.example", 10), at(0));
    assert!(off.look_up_stale(&own, at(11 * SECOND)).is_none());
}
