//! Who may ask what: the host that a request names, the page that it comes from, and the bearer token.
//!
//! A browser on the host of a listener on loopback reaches it like any other program. What a foreign page may have it
//! send is told by Origin and by the fetch metadata; a name that is made to lead here (DNS rebinding) is told by Host.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;
use crate::admin::http::Ends;

/// Denials between two lines of the log, in seconds.
const QUIET: u64 = 10;

/// What a listener's requests are held to.
pub(super) struct Gate {
    /// Whose token it is.
    pub(super) api: Arc<Api>,
    /// Whether others than this host's own programs reach the listener: every call of the API needs the token then.
    pub(super) is_exposed: bool,
}

/// Lets a request through, or not; every answer says that it is nobody's to keep or to guess at.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match check(&gate, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(gate: &Gate, request: &Request) -> Result<(), Problem> {
    let ends = request.extensions().get::<Ends>().copied();
    let Some(Ends { peer, local }) = ends else {
        return Err(Problem::fault());
    };
    // One in the request's target counts before the header (RFC 9112 §3.2.2); here each has to be ours.
    let in_headers = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let in_target = request.uri().authority().map(Authority::as_str);
    let hosts: Vec<&str> = in_headers.chain(in_target).collect();
    if hosts.is_empty() || !hosts.iter().all(|host| is_own_host(host, local.ip())) {
        let detail = "the Host header names neither localhost nor the address of this listener";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", detail));
    }
    if is_from_elsewhere(request.headers(), hosts.first().copied()) {
        let detail = "the request comes from a page of another origin";
        return Err(Problem::new(StatusCode::FORBIDDEN, "wrong-origin", detail));
    }
    if !request.uri().path().starts_with("/api/") {
        return Ok(());
    }
    let in_force = gate.api.status().in_force.load();
    let is_changing = !matches!(*request.method(), Method::GET | Method::HEAD) && !is_reading(request.uri().path());
    let is_needed = gate.is_exposed || is_changing && in_force.token.is_some();
    let presented = request.headers().get(header::AUTHORIZATION).and_then(bearer);
    let is_known = in_force.token.as_ref().zip(presented).is_some_and(|(token, presented)| token.is(presented));
    if is_needed && !is_known {
        if gate.api.denials.is_due() {
            tracing::warn!(action = "denied", %peer, path = request.uri().path(), "a call without the admin API's token");
        }
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no-token", "the call needs the bearer token"));
    }
    Ok(())
}

/// Whether a POST changes nothing.
fn is_reading(path: &str) -> bool {
    path == super::EXPLAIN
}

/// Whether a host, with or without a port, is a way to name this listener. Ports differ where they are forwarded.
fn is_own_host(host: &str, local: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // Nobody names a user to us but to look like another host.
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == local.to_canonical(),
        Err(_) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a browser sends it for a page that is none of ours.
fn is_from_elsewhere(headers: &HeaderMap, host: Option<&str>) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    site || text("origin").is_some_and(|origin| !own(origin))
}

/// The token of an Authorization header (RFC 6750 §2.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// When the last denial was told.
#[derive(Debug, Default)]
pub(super) struct Denials(AtomicU64);

impl Denials {
    fn is_due(&self) -> bool {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let last = self.0.load(Relaxed);
        now.saturating_sub(last) >= QUIET && self.0.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_localhost_or_an_address_of_the_listener() {
        let local = "10.0.0.4".parse().unwrap();
        for host in
            ["localhost", "LOCALHOST:8053", "localhost.:1", "127.0.0.1:9", "127.9.9.9", "[::1]:8053", "10.0.0.4:8053"]
        {
            assert!(is_own_host(host, local), "{host}");
        }
        let foreign =
            ["", ":8053", "rebind.example", "10.0.0.5", "localhost.example", "127.0.0.1.example", "2130706433"];
        for host in foreign.into_iter().chain(["localhost@evil.example", "evil@127.0.0.1", "[fd00::1]", "127.0.0.1 x"])
        {
            assert!(!is_own_host(host, local), "{host}");
        }
        assert!(is_own_host("10.0.0.4", "::ffff:10.0.0.4".parse().unwrap()));
    }

    #[test]
    fn a_page_of_another_origin_is_told() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let host = Some("127.0.0.1:8053");
        for own in [&[][..], &[("origin", "http://127.0.0.1:8053")], &[("sec-fetch-site", "none")]] {
            assert!(!is_from_elsewhere(&headers(own), host), "{own:?}");
        }
        for other in [
            &[("origin", "http://127.0.0.1:80")][..],
            &[("origin", "null")],
            &[("origin", "https://a.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8053")],
        ] {
            assert!(is_from_elsewhere(&headers(other), host), "{other:?}");
        }
    }

    #[test]
    fn a_bearer_token_is_read_from_its_header() {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        assert_eq!(bearer(&value("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&value("bearer  abc ")), Some("abc"));
        assert_eq!(bearer(&value("Basic abc")), None);
        assert_eq!(bearer(&value("abc")), None);
    }
}
