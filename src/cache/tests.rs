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
fn fingerprints_take_memory_once_something_has_left_and_little_of_the_bound() {
    let bound = 16 << 20;
    let cache = Cache::new(bound, Limits::default());
    assert_eq!(cache.octets(), 0, "a new cache holds nothing");
    let mut at_most = 0;
    for number in 0..80_000 {
        let name = format!("n{number}.example");
        cache.insert(&key(&name), reply(&name, 300), Moment::from_millis(0));
        at_most = at_most.max(cache.octets());
    }
    assert!(cache.evictions() > 10_000, "{} left", cache.evictions());
    assert!(at_most > bound * 9 / 10, "{at_most} octets: answers have nearly all of the bound");
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

/// A reply with one TXT record of `octets` octets.
fn large(name: &str, octets: u8, count: u16) -> RawAnswer {
    let header = Header { flags: flags::QR, questions: 1, answers: count, ..Header::default() };
    let mut message = header.octets().to_vec();
    message.extend(WireName::from_presentation(name).unwrap().octets());
    message.extend([0, 16, 0, 1]);
    for number in 0..count {
        message.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 14, 16]);
        message.extend((u16::from(octets) + 1).to_be_bytes());
        message.push(octets);
        message.extend(vec![number as u8; usize::from(octets)]);
    }
    RawAnswer::from_upstream(&message, &text_key(name)).unwrap()
}

fn text_key(name: &str) -> Key {
    Key::new(RouteId(1), WireName::from_presentation(name).unwrap().as_ref(), rtype::TXT, false, false)
}

/// Names that are asked once a second beside a flood of names that are asked once. `has` looks one up and, where it is
/// missing, inserts it. The share of hits of the good names, their first two asks apart.
fn hits_beside_a_flood(mut has: impl FnMut(&str, Moment) -> bool) -> f64 {
    let (good, unique, seconds) = (1_000_u32, 8_000_u32, 12_u32);
    let (mut hits, mut asks, mut next) = (0_u32, 0_u32, 0_u32);
    for second in 0..seconds {
        for number in 0..good {
            let now = Moment::from_millis(u64::from(second) * SECOND + u64::from(number));
            let hit = has(&format!("good{number}.example"), now);
            if second >= 2 {
                (hits, asks) = (hits + u32::from(hit), asks + 1);
            }
            for _ in 0..unique / good {
                assert!(!has(&format!("flood{next}.example"), now), "asked once");
                next += 1;
            }
        }
    }
    f64::from(hits) / f64::from(asks)
}

#[test]
fn s_17_a_flood_of_names_asked_once_displaces_none_asked_again() {
    let bound = 2 << 20;
    let cache = Cache::new(bound, Limits::default());
    let share = hits_beside_a_flood(|name, now| {
        let key = text_key(name);
        if cache.look_up(&key, now).is_some() {
            return true;
        }
        cache.insert(&key, large(name, 190, 3), now);
        assert!(cache.octets() <= bound);
        false
    });
    assert!(share >= 0.95, "{:.1} % hits", share * 100.0);
}

/// A worker that holds on to what it finds.
struct Worker<'c> {
    cache: &'c Cache,
    near: Near,
}

impl<'c> Worker<'c> {
    fn new(cache: &'c Cache) -> Self {
        Self { cache, near: Near::default() }
    }

    /// The entry of a key, and whether the worker held it already.
    fn look_up(&mut self, key: &Key, now: Moment) -> Option<(Arc<RawAnswer>, bool)> {
        let (hold, found) = self.cache.look_up_near(&self.near, key, now)?;
        let (raw, held) = (Arc::new(hold.raw().clone()), matches!(hold, Hold::Near(_)));
        drop(hold);
        if let Some(found) = found {
            self.near.keep(found);
        }
        Some((raw, held))
    }

    /// Whether the entry of a key is held near; none where the cache has none.
    fn holds(&mut self, name: &str, millis: u64) -> Option<bool> {
        self.look_up(&key(name), Moment::from_millis(millis)).map(|(_, held)| held)
    }
}

#[test]
fn a_worker_holds_what_it_found_for_as_long_as_the_cache_keeps_it() {
    let cache = Cache::new(1 << 20, Limits::default());
    let (own, at) = (key("a.example"), Moment::from_millis);
    let (mut one, mut other) = (Worker::new(&cache), Worker::new(&cache));
    assert_eq!(one.holds("a.example", 0), None);
    cache.insert(&own, reply("a.example", 30), at(0));
    assert_eq!((one.holds("a.example", 0), one.holds("a.example", 0)), (Some(false), Some(true)));
    assert_eq!((other.holds("a.example", 1), other.holds("a.example", 29_000)), (Some(false), Some(true)));
    assert_eq!(one.holds("a.example", 29_001), None, "less than a second is left");
    // What replaces it is what both give from then on.
    cache.insert(&own, reply("a.example", 60), at(2_000));
    for worker in [&mut one, &mut other] {
        let (raw, held) = worker.look_up(&own, at(2_000)).unwrap();
        assert_eq!((raw.lifetime().seconds(), held), (60, false));
        assert_eq!(worker.holds("a.example", 2_000), Some(true));
    }
    assert_eq!(cache.flush(Flush::Name(own.name().as_ref())), 1);
    assert_eq!((one.holds("a.example", 2_000), other.holds("a.example", 2_000)), (None, None));
    cache.insert(&own, reply("a.example", 60), at(2_000));
    assert_eq!((one.holds("a.example", 2_000), one.holds("a.example", 2_000)), (Some(false), Some(true)));
    cache.clear();
    assert_eq!(one.holds("a.example", 2_000), None);
}

#[test]
fn a_worker_holds_no_failure_and_nothing_large() {
    let cache = Cache::new(1 << 20, Limits::default());
    let at = Moment::from_millis(0);
    let mut worker = Worker::new(&cache);
    cache.insert(&key("dead.example"), RawAnswer::failed(Failure::Silent), at);
    cache.insert(&text_key("large.example"), large("large.example", 250, 4), at);
    for _ in 0..2 {
        assert_eq!(worker.holds("dead.example", 0), Some(false));
        assert!(worker.look_up(&text_key("large.example"), at).is_some_and(|(_, held)| !held));
    }
    let off = Cache::new(0, Limits::default());
    assert!(Worker::new(&off).holds("a.example", 0).is_none());
}

#[test]
fn what_left_the_cache_is_let_go_by_who_held_it() {
    let cache = Cache::new(64 * 1024, Limits::default());
    let mut worker = Worker::new(&cache);
    let at = Moment::from_millis(0);
    let held: Vec<std::sync::Weak<Entry>> = (0..2_000)
        .map(|number| {
            let name = format!("n{number}.example");
            let entry = Arc::downgrade(&cache.insert(&key(&name), reply(&name, 300), at));
            worker.holds(&name, 0);
            entry
        })
        .collect();
    let alive = || held.iter().filter(|entry| entry.strong_count() > 0).count();
    assert!(cache.evictions() > 1_500 && alive() > cache.len() + 500, "{} of them yet", alive());
    for _ in 0..64 {
        worker.near.sweep();
    }
    assert_eq!(alive(), cache.len());
}

#[test]
fn s_17_names_that_workers_hold_count_as_asked() {
    let cache = Cache::new(2 << 20, Limits::default());
    let mut worker = Worker::new(&cache);
    let share = hits_beside_a_flood(|name, now| {
        let key = text_key(name);
        if worker.look_up(&key, now).is_some() {
            return true;
        }
        cache.insert(&key, large(name, 190, 3), now);
        false
    });
    assert!(share >= 0.95, "{:.1} % hits", share * 100.0);
}

#[test]
fn s_17_the_same_flood_empties_a_plain_lru_cache() {
    let (mut used, mut of_name, mut tick) =
        (std::collections::BTreeMap::new(), std::collections::HashMap::new(), 0_u64);
    let most = (2 << 20) / 900;
    let share = hits_beside_a_flood(|name, _| {
        tick += 1;
        let before = of_name.insert(name.to_owned(), tick);
        used.insert(tick, name.to_owned());
        if let Some(before) = before {
            used.remove(&before);
        } else if used.len() > most {
            let (_, oldest) = used.pop_first().unwrap();
            of_name.remove(&oldest);
        }
        before.is_some()
    });
    assert!(share < 0.5, "{:.1} % hits: the flood is too weak to show anything", share * 100.0);
}

#[test]
fn entries_are_flushed_by_name_subtree_route_and_all() {
    let at = Moment::from_millis(0);
    let filled = || {
        let cache = Cache::new(1 << 20, Limits::default());
        for name in ["a.example", "b.a.example", "ba.example", "other.test"] {
            cache.insert(&key(name), reply(name, 300), at);
        }
        let name = WireName::from_presentation("a.example").unwrap();
        let elsewhere = Key::new(RouteId(2), name.as_ref(), rtype::A, false, false);
        cache.insert(&elsewhere, reply("a.example", 300), at);
        cache.insert(&key("dead.a.example"), RawAnswer::failed(Failure::Silent), at);
        (cache, elsewhere)
    };
    let name = WireName::from_presentation("a.example").unwrap();
    for (what, expected, left) in [
        (Flush::Name(name.as_ref()), 2, 3),
        (Flush::Subtree(name.as_ref()), 4, 2),
        (Flush::Route(RouteId(2)), 1, 4),
        (Flush::All, 6, 0),
    ] {
        let (cache, elsewhere) = filled();
        assert_eq!((cache.flush(what), cache.len()), (expected, left), "{what:?}");
        assert!(cache.look_up(&elsewhere, at).is_none());
        cache.insert(&key("new.example"), reply("new.example", 300), at);
        assert!(cache.look_up(&key("new.example"), at).is_some());
    }
    let (cache, _) = filled();
    cache.clear();
    assert!(cache.is_empty());
}

#[test]
fn an_answer_near_its_end_is_fetched_anew_once() {
    let (at, limits) = (Moment::from_millis, Limits::default());
    let entry = Entry::new(reply("a.example", 100), at(0), &limits);
    assert!(!entry.take_refresh(at(89_999)));
    assert!(entry.take_refresh(at(90_000)) && !entry.take_refresh(at(90_001)));
    let short = Entry::new(reply("a.example", 10), at(0), &limits);
    assert!(!short.take_refresh(at(7_999)) && short.take_refresh(at(8_000)));
    assert!(!Entry::new(reply("a.example", 4), at(0), &limits).take_refresh(at(3_500)));
    assert!(!Entry::failed(Failure::Silent, at(0)).take_refresh(at(999)));
}

#[test]
fn a_saved_cache_is_as_old_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.bin");
    let at = |seconds| Moment::from_millis(86_400_000 + seconds * SECOND);
    let limits = Limits { serve_stale: std::time::Duration::from_secs(60), ..Limits::default() };
    let cache = Cache::new(1 << 20, limits);
    for (name, ttl) in [("long.example", 300), ("short.example", 20), ("gone.example", 5)] {
        cache.insert(&key(name), reply(name, ttl), at(0));
    }
    cache.insert(&key("dead.example"), RawAnswer::failed(Failure::Silent), at(0));
    let kept = cache.save_at(&path, at(10), 1_000_000).unwrap();
    assert_eq!((kept.entries, kept.octets), (3, std::fs::metadata(&path).unwrap().len()), "no failure is kept");
    let again = Cache::new(1 << 20, limits);
    assert_eq!(again.load_at(&path, at(0), 1_000_030).unwrap().entries, 3);
    let long = again.look_up(&key("long.example"), at(0)).unwrap();
    assert_eq!((long.age(at(0)), long.left(at(0)).as_secs()), (40, 260), "30 s in the file are 30 s of its life");
    assert!(again.look_up(&key("short.example"), at(0)).is_none());
    assert!(again.look_up_stale(&key("short.example"), at(0)).is_some());
    // A day later nothing of it is of use.
    assert_eq!(Cache::new(1 << 20, limits).load_at(&path, at(0), 1_090_000).unwrap().entries, 0);
}

#[test]
fn a_cache_file_that_was_cut_or_changed_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.bin");
    let at = Moment::from_millis(86_400_000);
    let cache = Cache::new(1 << 20, Limits::default());
    (0..20).for_each(|number| {
        _ = cache.insert(&key(&format!("n{number}.example")), reply(&format!("n{number}.example"), 300), at)
    });
    cache.save(&path, at).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let load = |octets: &[u8]| {
        std::fs::write(&path, octets).unwrap();
        let empty = Cache::new(1 << 20, Limits::default());
        let loaded = empty.load(&path, at);
        assert_eq!(empty.is_empty(), loaded.is_err());
        loaded
    };
    assert_eq!(load(&whole).unwrap().entries, 20);
    for cut in (0..whole.len()).step_by(7) {
        assert!(load(&whole[..cut]).is_err(), "cut at {cut}");
    }
    for place in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        assert!(load(&changed).is_err(), "changed at {place}");
    }
    assert!(matches!(load(b"hubdns cache 9\nwhatever it is"), Err(LoadError::Version)));
    assert!(matches!(cache.load(&folder.path().join("none"), at), Err(LoadError::Read(_))));
}
