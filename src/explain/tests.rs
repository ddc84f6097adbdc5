use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::upstream::{CaseMixing, Group, Policy, Server, Transport as Reach};
use crate::view::{GuardMode, SnapshotPlan, Unlisted, ViewPlan};
use crate::wire::{Name, Ttl, rtype};
use crate::zone::avd::Kind;
use crate::zone::{Endpoint, EndpointRecord, Missing, Origin, State, ZoneBuilder};

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

fn name(text: &str) -> Name {
    Name::from_presentation(text).unwrap()
}

/// One view on 127.0.10.0/24 with a host pool, a zone with an alias to the outside, and one upstream.
fn snapshot() -> Snapshot {
    let pair = [format!("{POOL}.rdbroker.wvd.microsoft.com"), format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com")];
    let names = pair.iter().map(|own| name(own)).collect();
    let addresses = ["10.0.1.7".parse().unwrap()];
    let record = EndpointRecord::new(names, false, &addresses, Ttl::from_seconds(10), Origin::new("lab.toml", 12));
    let endpoint = Endpoint {
        name: "hp-weu".into(),
        kind: Kind::HostPool,
        resource: None,
        state: State::Private,
        records: vec![record],
        origin: Origin::new("lab.toml", 10),
    };
    let mut zone = ZoneBuilder::new(name("corp.example"));
    zone.add(name("www.corp.example").as_ref(), rtype::CNAME, Ttl::from_seconds(60), name("web.example").octets(), 21)
        .unwrap();
    let zone = zone.finish("corp".into(), None, Missing::NxDomain, Origin::new("lab.toml", 20));
    let group = Group {
        name: "azure".into(),
        servers: vec![Server { address: "127.0.0.1:5301".parse().unwrap(), transport: Reach::Plain }],
        policy: Policy::Ordered,
        timeout: Duration::from_secs(5),
        max_in_flight: None,
        max_qps: None,
        case: CaseMixing::Auto,
    };
    let view = ViewPlan {
        name: "clients-weu".into(),
        origin: Origin::new("lab.toml", 30),
        networks: vec!["127.0.10.0/24".parse().unwrap()],
        listeners: Vec::new(),
        upstream: 0,
        forwards: Vec::new(),
        reverse: None,
        endpoints: vec![Arc::new(endpoint)],
        zones: vec![(Arc::new(zone), Missing::NxDomain)],
        private: vec![Kind::HostPool],
        unlisted: Unlisted::NxDomain,
        guard: GuardMode::Own,
        must_be_private: Vec::new(),
        private_ranges: Vec::new(),
        reply_within: None,
        keep_warm: Vec::new(),
        overrides: Vec::new(),
        log_queries: None,
        log_clients: None,
    };
    Snapshot::build(SnapshotPlan {
        generation: 1,
        groups: vec![group],
        views: vec![Arc::new(view)],
        ..SnapshotPlan::default()
    })
}

fn explain(client: &str, asked: &str) -> Explained {
    let local = "127.0.0.1:5300".parse().unwrap();
    let name = WireName::from_presentation(asked).unwrap();
    offline(&snapshot(), &Question { client: client.parse().unwrap(), local, name, qtype: rtype::A })
}

#[test]
fn an_owned_name_names_view_prefix_endpoint_and_line() {
    let explained = explain("127.0.10.1", &format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com"));
    let text = text(&explained);
    for part in [
        "clients-weu, by 127.0.10.0/24  (lab.toml:30)",
        "endpoint hp-weu (host-pool: connections)  (lab.toml:12)",
        "NOERROR aa",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains(&format!("{POOL}.rdbroker.privatelink.wvd.microsoft.com 10 IN A 10.0.1.7")), "{text}");
    let reply = explained.reply.unwrap();
    assert!(reply.has_address("10.0.1.7".parse().unwrap()));
    assert!(!reply.has_address("10.0.1.8".parse().unwrap()));
    assert_eq!(explained.asks, None);
}

#[test]
fn a_forwarded_name_has_its_route_and_conditions_and_nothing_is_sent() {
    let explained = explain("127.0.10.1", "login.example");
    assert_eq!(explained.reply, None);
    let asks = explained.asks.as_ref().unwrap();
    assert_eq!((&*asks.upstream, &*asks.servers), ("azure", ["127.0.0.1:5301".to_owned()].as_slice()));
    assert_eq!((asks.reply_within_ms, &*asks.guarded), (4_800, "no"));
    assert!(text(&explained).contains("nothing was sent"));
    let mate = explain("127.0.10.1", &format!("{POOL}.rdweb.wvd.microsoft.com"));
    assert_eq!(mate.asks.map(|asks| asks.guarded).as_deref(), Some("crossing"));
}

#[test]
fn an_owned_alias_is_followed_to_what_has_to_be_asked() {
    let explained = explain("127.0.10.1", "www.corp.example");
    let places: Vec<u32> = explained
        .trail
        .iter()
        .filter_map(|step| match step {
            Step::Name { what: What::Zone { place, .. }, .. } => Some(place.line),
            _ => None,
        })
        .collect();
    assert_eq!(places, [21]);
    assert_eq!(explained.asks.map(|asks| asks.name), Some("web.example".to_owned()));
}

#[test]
fn a_blocked_name_and_a_stranger_carry_their_extended_error() {
    let foreign = explain("127.0.10.1", "34c6de84-0b0c-42ba-9a48-e164ed43a9ef.rdweb.wvd.microsoft.com");
    let errors = |explained: &Explained| {
        explained.reply.iter().flat_map(|reply| &reply.errors).map(|error| error.code).collect::<Vec<_>>()
    };
    assert_eq!(errors(&foreign), [15]);
    assert!(text(&foreign).contains("blocked"));
    let stranger = explain("127.0.99.1", "login.example");
    assert_eq!((stranger.view.as_ref(), errors(&stranger)), (None, vec![18]));
    assert_eq!(stranger.reply.map(|reply| reply.rcode), Some("REFUSED".to_owned()));
}

#[test]
fn json_has_the_schema_and_tagged_steps() {
    let value = serde_json::to_value(explain("127.0.10.1", &format!("{POOL}.rdbroker.wvd.microsoft.com"))).unwrap();
    assert_eq!((&value["schema"], &value["type"]), (&1.into(), &"A".into()));
    assert_eq!(value["trail"][0]["what"]["is"], "endpoint");
    assert_eq!(value["trail"][0]["what"]["place"]["line"], 12);
    assert_eq!(value["reply"]["answer"][0]["data"], "10.0.1.7");
}

#[test]
fn unknown_types_and_control_characters_are_shown_harmlessly() {
    let mut octets =
        Header { id: 0, flags: flags::QR, questions: 1, answers: 2, ..Header::default() }.octets().to_vec();
    octets.extend(b"\x01a\0\0\x10\0\x01");
    octets.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\x05\0\x04\x03a\x1bb");
    octets.extend(b"\xc0\x0c\xff\x00\0\x01\0\0\0\x05\0\x02\xab\xcd");
    let reply = Reply::read(&octets).unwrap();
    assert!(!reply.answer[0].data.contains('\u{1b}'), "{:?}", reply.answer[0].data);
    assert_eq!(reply.answer[1].data, "\\# 2 abcd");
    assert_eq!(reply.answer[1].rtype, "TYPE65280");
    assert_eq!(Reply::read(&octets[..7]), None);
}
