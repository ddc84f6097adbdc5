//! Encrypted upstreams: whom they are checked against, and what of it is at fault.

use super::*;
use crate::upstream::{Transport, Trust};

fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

/// An upstream `u` that the one view uses.
fn with(upstream: &str) -> String {
    let head = "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";
    format!("{head}[[upstream]]\nname = \"u\"\n{upstream}\n{VIEW}")
}

const TLS: &str = "servers = [\"tls://10.1.0.4#dns.example\"]";
const SYSTEM: &str = "etc/ssl/certs/ca-certificates.crt";

/// The trust of the first server.
fn trust(loaded: &Loaded) -> Trust {
    let server = &clean(loaded).plan.as_ref().unwrap().groups[0].servers[0];
    server.transport.peer().unwrap().trust.clone()
}

#[test]
fn servers_are_checked_against_ca_or_else_the_system() {
    let (own, system) = (authority(), authority());
    let files = [("dns/ca.pem", own.as_str()), (SYSTEM, &system)];
    let of = |text: &str| from_texts(&[&[("hub.toml", text)], files.as_slice()].concat());
    let by_own = of(&with(&format!("{TLS}\nca = \"dns/ca.pem\"")));
    assert_eq!(trust(&by_own), Trust::from_pem(own.as_bytes()).unwrap());
    assert!(by_own.files.iter().any(|path| path.ends_with("dns/ca.pem")), "{:?}", by_own.files);
    let by_system = of(&with(TLS));
    assert_eq!(trust(&by_system), Trust::from_pem(system.as_bytes()).unwrap());
    let route = |loaded: &Loaded| loaded.plan.as_ref().unwrap().groups[0].route_id();
    assert_ne!(route(&by_own), route(&by_system), "R3");
}

#[test]
fn both_forms_reach_the_plan() {
    let servers = "servers = [\"tls://10.1.0.4:8853#dns.example\", \"https://dns.example/q#10.1.0.4\"]";
    let loaded = from_texts(&[("hub.toml", &with(servers)), (SYSTEM, &authority())]);
    let servers = &clean(&loaded).plan.as_ref().unwrap().groups[0].servers;
    assert!(matches!(&servers[0].transport, Transport::Tls(peer) if &*peer.name == "dns.example"));
    assert!(matches!(&servers[1].transport, Transport::Https(_, path) if &**path == "/q"));
    let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["tls://10.1.0.4:8853#dns.example", "https://dns.example:443/q#10.1.0.4"]);
}

#[test]
fn each_fault_has_its_code_and_place() {
    let (ca, key) = (authority(), rcgen::KeyPair::generate().unwrap().serialize_pem());
    let of = |text: &str| from_texts(&[("hub.toml", text), ("ca.pem", &ca), ("key.pem", &key)]);
    for (upstream, code, place) in [
        (format!("{TLS}\nca = \"ca.pem\""), None, ""),
        (format!("{TLS}\nca = \"none.pem\""), Some("H0113"), "hub.toml:7:6"),
        (format!("{TLS}\nca = \"key.pem\""), Some("H0314"), "hub.toml:7:6"),
        (TLS.to_owned(), Some("H0315"), "hub.toml:5:8"),
        ("servers = [\"10.1.0.4\"]\nca = \"ca.pem\"".to_owned(), Some("H0316"), "hub.toml:7:6"),
        (TLS.replace("]", ", \"10.1.0.5\"]\nca = \"ca.pem\""), Some("H0317"), "hub.toml:6:42"),
        (TLS.replace("dns.example", "."), Some("H0315 H0301"), ""),
    ] {
        let loaded = of(&with(&upstream));
        assert_eq!(found(&loaded).join(" "), code.unwrap_or_default(), "{upstream}");
        let at = loaded.findings.first().map(|finding| finding.place.to_string()).unwrap_or_default();
        assert!(at.starts_with(place), "{at} is not {place}: {upstream}");
    }
}

#[cfg(not(feature = "doq"))]
#[test]
fn quic_needs_its_feature_and_says_so() {
    let upstream = "servers = [\"quic://10.1.0.4#dns.example\"]\nca = \"ca.pem\"";
    let loaded = from_texts(&[("hub.toml", &with(upstream)), ("ca.pem", &authority())]);
    assert_eq!(found(&loaded), ["H0312"]);
    assert!(loaded.findings[0].hint.as_ref().unwrap().contains("--features doq"), "{:?}", loaded.findings);
}

#[cfg(feature = "doq")]
#[test]
fn quic_loads_with_its_feature() {
    let upstream = "servers = [\"quic://10.1.0.4#dns.example\"]\nca = \"ca.pem\"";
    let loaded = from_texts(&[("hub.toml", &with(upstream)), ("ca.pem", &authority())]);
    assert!(matches!(clean(&loaded).plan.as_ref().unwrap().groups[0].servers[0].transport, Transport::Quic(_)));
}
