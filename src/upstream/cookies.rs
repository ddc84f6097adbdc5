//! DNS cookies towards a server (RFC 7873, RFC 9018): what it sends back proves that it saw our question.
//!
//! The option goes out until a server is seen not to know it. One that does is expected to echo it: a datagram without
//! is asked again over TCP, where nobody else can answer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::random;

use crate::wire::{CLIENT_COOKIE_OCTETS, Cookie, Moment, rcode, reply_cookie};

/// How long a server that does not know cookies is asked without.
const PAUSE: Duration = Duration::from_secs(3_600);
/// How long a client cookie is used: it must not tell who we are for longer than needed (RFC 7873 §7.1).
const LIFE: Duration = Duration::from_secs(86_400);
/// Replies over TCP in a row without a cookie after which the server is taken to have lost them.
const MISSING: u32 = 2;

/// What a reply to a question with a cookie has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// The cookie, or nothing from a server that was not expected to have one.
    Fine,
    /// Nothing, though the server knows cookies.
    Missing,
    /// BADCOOKIE with ours and a new one of the server's: to be asked again (RFC 7873 §5.3).
    Bad,
    /// Another client's cookie: not a reply to this question.
    Foreign,
}

/// The client's part.
pub(super) type ClientCookie = [u8; CLIENT_COOKIE_OCTETS];

#[derive(Debug, Default)]
struct Jar {
    client: ClientCookie,
    made: Option<Moment>,
    /// The client's and the server's part, once the server has sent it.
    proven: Option<Cookie>,
}

/// One server's cookies.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    jar: Mutex<Jar>,
    paused_until: AtomicU64,
    missing: AtomicU32,
}

impl Cookies {
    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes out with a question. A server that is not known to take cookies is asked with one only while it is
    /// well, so that it is not lost by them.
    pub(super) fn outgoing(&self, is_well: bool, now: Moment) -> Option<Cookie> {
        if now.millis() < self.paused_until.load(Relaxed) {
            return None;
        }
        let mut jar = self.jar();
        if jar.made.is_none_or(|made| now.since(made) >= LIFE) {
            *jar = Jar { client: random(), made: Some(now), proven: None };
        }
        jar.proven.or_else(|| is_well.then(|| Cookie::of_client(jar.client)))
    }

    /// What goes out over a connection: only what is expected back.
    pub(super) fn proven(&self, now: Moment) -> Option<Cookie> {
        (now.millis() >= self.paused_until.load(Relaxed)).then(|| self.jar().proven).flatten()
    }

    /// Judges a datagram that replies to a question with the cookie `sent`.
    pub(super) fn judge(&self, message: &[u8], sent: ClientCookie, now: Moment) -> Echo {
        let (found, code) = reply_cookie(message);
        let Some(found) = found else {
            if self.jar().proven.is_some() {
                return Echo::Missing;
            }
            self.pause(now);
            return Echo::Fine;
        };
        if found.client() != sent {
            return Echo::Foreign;
        }
        let mut jar = self.jar();
        if jar.client == found.client() {
            jar.proven = Some(found);
        }
        if code == rcode::BADCOOKIE { Echo::Bad } else { Echo::Fine }
    }

    /// Counts what came over TCP to a question with the cookie `sent`.
    pub(super) fn over_tcp(&self, message: &[u8], sent: ClientCookie, now: Moment) {
        if reply_cookie(message).0.is_some_and(|found| found.client() == sent) {
            self.missing.store(0, Relaxed);
        } else if self.missing.fetch_add(1, Relaxed) + 1 >= MISSING {
            self.missing.store(0, Relaxed);
            self.pause(now);
        }
    }

    /// A question with the cookie went without a reply: what stands between may drop what it does not know.
    pub(super) fn was_silent(&self, is_down: bool, now: Moment) {
        let mut jar = self.jar();
        if is_down {
            jar.proven = None;
        } else if jar.proven.is_none() {
            drop(jar);
            self.pause(now);
        }
    }

    /// The server does not know cookies, or says so by FORMERR.
    pub(super) fn pause(&self, now: Moment) {
        self.jar().proven = None;
        self.paused_until.store(now.after(PAUSE).millis(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Header, RouteId, WireName, upstream_query};

    const AT: fn(u64) -> Moment = Moment::from_millis;

    /// A reply with a cookie, or without.
    fn reply(cookie: Option<Cookie>, extended: u8) -> Vec<u8> {
        let name = WireName::from_presentation("a.example").unwrap();
        let key = crate::wire::Key::new(RouteId(1), name.as_ref(), 1, false, false);
        let mut out = [0; 512];
        let length = upstream_query(&mut out, 1, &key, 1_232, true, cookie.as_ref()).unwrap();
        let mut reply = out[..length].to_vec();
        let low = if extended == 1 { 7 } else { 0 };
        reply[2..4].copy_from_slice(&(0x8180_u16 | low).to_be_bytes());
        let opt = reply.len() - 11 - cookie.map_or(0, |cookie| 4 + cookie.octets().len());
        reply[opt + 5] = extended;
        assert!(Header::read(&reply).is_ok());
        reply
    }

    fn with_server(client: &Cookie, part: u8) -> Cookie {
        let mut octets = client.octets().to_vec();
        octets.extend([part; 16]);
        Cookie::read(&octets).unwrap()
    }

    #[test]
    fn a_server_that_echoes_is_known_and_gets_its_part_back() {
        let cookies = Cookies::default();
        let sent = cookies.outgoing(true, AT(1_000)).unwrap();
        assert_eq!(sent.octets().len(), CLIENT_COOKIE_OCTETS);
        assert_eq!(cookies.proven(AT(1_000)), None);
        let own = with_server(&sent, 7);
        assert_eq!(cookies.judge(&reply(Some(own), 0), sent.client(), AT(1_001)), Echo::Fine);
        assert_eq!(cookies.outgoing(false, AT(1_002)), Some(own));
        let newer = with_server(&sent, 8);
        assert_eq!(cookies.judge(&reply(Some(newer), 1), own.client(), AT(1_003)), Echo::Bad);
        assert_eq!(cookies.proven(AT(1_004)), Some(newer));
        assert_eq!(cookies.judge(&reply(None, 0), newer.client(), AT(1_005)), Echo::Missing);
        let other = with_server(&Cookie::of_client([0xee; 8]), 7);
        assert_eq!(cookies.judge(&reply(Some(other), 0), newer.client(), AT(1_006)), Echo::Foreign);
        assert_eq!(cookies.proven(AT(1_007)), Some(newer), "a spoofer changes nothing");
        let next = cookies.outgoing(true, AT(1_000 + 86_400_000)).unwrap();
        assert_ne!(next.client(), sent.client(), "a new cookie a day");
    }

    #[test]
    fn a_server_without_cookies_is_asked_without_for_an_hour() {
        let cookies = Cookies::default();
        let sent = cookies.outgoing(true, AT(0)).unwrap();
        assert_eq!(cookies.judge(&reply(None, 0), sent.client(), AT(10)), Echo::Fine);
        assert_eq!(cookies.outgoing(true, AT(3_600_009)), None);
        assert!(cookies.outgoing(true, AT(3_600_010)).is_some());
        assert_eq!(cookies.outgoing(false, AT(3_600_010)), None, "in doubt nothing new is tried");
    }

    #[test]
    fn silence_ends_what_is_not_proven_and_death_what_is() {
        let cookies = Cookies::default();
        cookies.outgoing(true, AT(0));
        cookies.was_silent(false, AT(200));
        assert_eq!(cookies.outgoing(true, AT(300)), None);
        let cookies = Cookies::default();
        let sent = cookies.outgoing(true, AT(0)).unwrap();
        let own = with_server(&sent, 1);
        cookies.judge(&reply(Some(own), 0), sent.client(), AT(1));
        cookies.was_silent(false, AT(200));
        assert_eq!(cookies.outgoing(false, AT(300)), Some(own));
        cookies.was_silent(true, AT(900));
        assert_eq!(cookies.outgoing(false, AT(901)), None, "it may have come back as another");
        assert_eq!(cookies.outgoing(true, AT(902)).map(|cookie| cookie.octets().len()), Some(8));
    }

    #[test]
    fn two_replies_over_tcp_without_a_cookie_end_them() {
        let cookies = Cookies::default();
        let sent = cookies.outgoing(true, AT(0)).unwrap();
        let own = with_server(&sent, 1);
        cookies.judge(&reply(Some(own), 0), sent.client(), AT(1));
        for (with, at) in [(None, 2), (Some(own), 3), (None, 4)] {
            cookies.over_tcp(&reply(with, 0), own.client(), AT(at));
            assert!(cookies.proven(AT(at)).is_some());
        }
        cookies.over_tcp(&reply(None, 0), own.client(), AT(5));
        assert_eq!((cookies.proven(AT(6)), cookies.outgoing(true, AT(6))), (None, None));
    }
}
