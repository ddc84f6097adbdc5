use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::view::{GuardMode, SnapshotPlan, Unlisted, ViewPlan};
use crate::wire::rtype;
use crate::zone::{Endpoint, EndpointRecord, Missing, Origin, State, Zone, ZoneBuilder};

fn name(text: &str) -> Name {
    Name::from_presentation(text).unwrap()
}

fn endpoint(own: &str, kind: Kind, state: State, records: &[(&str, &str, u32)]) -> Arc<Endpoint> {
    let record = |(owner, address, ttl): &(&str, &str, u32)| {
        let addresses = [address.parse::<IpAddr>().unwrap()];
        let ttl = Ttl::from_seconds(*ttl);
        EndpointRecord::new(vec![name(owner)], false, &addresses, ttl, Origin::new("test", 1))
    };
    let records = records.iter().map(record).collect();
    Arc::new(Endpoint { name: own.into(), kind, resource: None, state, records, origin: Origin::new("test", 1) })
}

fn zone(records: &[(&str, [u8; 4])]) -> Arc<Zone> {
    let mut zone = ZoneBuilder::new(name("corp.example"));
    for (owner, address) in records {
        zone.add(name(owner).as_ref(), rtype::A, Ttl::from_seconds(60), address, 2).unwrap();
    }
    Arc::new(zone.finish("corp".into(), None, Missing::NxDomain, Origin::new("test", 1)))
}

fn view(own: &str, networks: &[&str], endpoints: &[&Arc<Endpoint>], zones: &[&Arc<Zone>]) -> ViewPlan {
    ViewPlan {
        name: own.into(),
        origin: Origin::new("test", 1),
        networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
        listeners: Vec::new(),
        upstream: 0,
        forwards: Vec::new(),
        reverse: None,
        endpoints: endpoints.iter().map(|own| Arc::clone(own)).collect(),
        zones: zones.iter().map(|own| (Arc::clone(own), Missing::NxDomain)).collect(),
        private: Vec::new(),
        unlisted: Unlisted::Forward,
        guard: GuardMode::Own,
        must_be_private: Vec::new(),
        private_ranges: Vec::new(),
        reply_within: None,
        keep_warm: Vec::new(),
        overrides: Vec::new(),
        log_queries: None,
        log_clients: None,
    }
}

fn snapshot(views: Vec<ViewPlan>) -> Snapshot {
    Snapshot::build(SnapshotPlan {
        generation: 1,
        views: views.into_iter().map(Arc::new).collect(),
        ..SnapshotPlan::default()
    })
}

/// Old view, new view, networks, settings' keys and what is told of each resource.
fn told(old: Vec<ViewPlan>, new: Vec<ViewPlan>) -> Vec<String> {
    let changes = changes(&snapshot(old), &snapshot(new), 10);
    let line = |view: &ViewChange| {
        let own = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("none").to_owned();
        let networks: Vec<String> = view.networks.iter().map(ToString::to_string).collect();
        let keys: Vec<&str> = view.settings.iter().map(|setting| &*setting.key).collect();
        let resources: Vec<String> =
            view.resources.iter().map(|change| format!("{}: {}", change.resource, change.counted())).collect();
        format!(
            "{}>{} {} [{}] {}",
            own(&view.old),
            own(&view.new),
            networks.join(" "),
            keys.join(" "),
            resources.join("; ")
        )
    };
    changes.views.iter().map(line).collect()
}

#[test]
fn clients_are_compared_and_not_names_of_views() {
    let pool = endpoint("hp", Kind::HostPool, State::Private, &[("a.example", "10.0.0.1", 10)]);
    let other = endpoint("hp", Kind::HostPool, State::Private, &[("a.example", "10.0.0.2", 10)]);
    let old = vec![view("one", &["10.1.0.0/16"], &[&pool], &[]), view("two", &["10.2.0.0/16"], &[&other], &[])];
    // Renamed alone: no name changes.
    let new = vec![view("uno", &["10.1.0.0/16"], &[&pool], &[]), view("two", &["10.2.0.0/16"], &[&other], &[])];
    assert_eq!(told(old.clone(), new), ["one>uno 10.1.0.0/16 [view] "]);
    // A part of one network moves to the other view; a network is new, and one is gone.
    let new = vec![
        view("one", &["10.1.0.0/16"], &[&pool], &[]),
        view("two", &["10.1.7.0/24", "10.3.0.0/16"], &[&other], &[]),
    ];
    assert_eq!(
        told(old, new),
        [
            "none>two 10.3.0.0/16 [view] host pool hp: 1 name appeared",
            "one>two 10.1.7.0/24 [view] host pool hp: 1 name moved",
            "two>none 10.2.0.0/16 [view] host pool hp: 1 name vanished",
        ]
    );
}

#[test]
fn every_verb_is_told_and_a_renamed_endpoint_changes_nothing() {
    let records = [("a.example", "10.0.0.1", 10), ("b.example", "10.0.0.2", 10), ("c.example", "10.0.0.3", 10)];
    let old = endpoint("hp", Kind::HostPool, State::Private, &records);
    let with = |endpoints: &[&Arc<Endpoint>]| vec![view("v", &["10.1.0.0/16"], endpoints, &[])];
    let new = endpoint(
        "hp",
        Kind::HostPool,
        State::Private,
        &[("a.example", "10.0.0.9", 10), ("b.example", "10.0.0.2", 30), ("d.example", "10.0.0.4", 10)],
    );
    let line =
        "v>v 10.1.0.0/16 [] host pool hp: 1 name moved, 1 name appeared, 1 name vanished, 1 name with another TTL";
    assert_eq!(told(with(&[&old]), with(&[&new])), [line]);
    let public = endpoint("hp", Kind::HostPool, State::Public, &records);
    let blocked = endpoint("hp", Kind::HostPool, State::Blocked, &records);
    let one = |old, new| told(with(&[old]), with(&[new]));
    assert_eq!(one(&old, &public), ["v>v 10.1.0.0/16 [] host pool hp: 3 names turned public"]);
    assert_eq!(one(&public, &old), ["v>v 10.1.0.0/16 [] host pool hp: 3 names turned private"]);
    assert_eq!(one(&old, &blocked), ["v>v 10.1.0.0/16 [] host pool hp: 3 names were blocked"]);
    let renamed = endpoint("hp-weu", Kind::HostPool, State::Private, &records);
    assert!(one(&old, &renamed).is_empty());
}

#[test]
fn zones_are_told_by_apex_and_a_name_may_move_between_zone_and_endpoint() {
    let old = zone(&[("a.corp.example", [10, 0, 0, 1]), ("b.corp.example", [10, 0, 0, 2])]);
    let new = zone(&[("a.corp.example", [10, 0, 0, 9]), ("c.corp.example", [10, 0, 0, 3])]);
    let with = |zone, endpoints: &[&Arc<Endpoint>]| vec![view("v", &["10.1.0.0/16"], endpoints, &[zone])];
    assert_eq!(
        told(with(&old, &[]), with(&new, &[])),
        ["v>v 10.1.0.0/16 [] zone corp: 1 name moved, 1 name appeared, 1 name vanished"]
    );
    // `b` is an endpoint's now, with the TTL that the zone gave it: its clients see no difference.
    let taken = endpoint("files", Kind::Other, State::Private, &[("b.corp.example", "10.0.0.2", 60)]);
    assert_eq!(
        told(with(&old, &[]), with(&new, &[&taken])),
        ["v>v 10.1.0.0/16 [] zone corp: 1 name moved, 1 name appeared"]
    );
    let moved = endpoint("files", Kind::Other, State::Private, &[("b.corp.example", "10.0.0.7", 60)]);
    assert_eq!(told(with(&old, &[]), with(&old, &[&moved])), ["v>v 10.1.0.0/16 [] endpoint files: 1 name moved"]);
}

#[test]
fn discovery_stops_with_the_last_global_endpoint() {
    let global = endpoint("discovery", Kind::Global, State::Private, &[("rdweb.wvd.microsoft.com", "10.0.0.1", 10)]);
    let with = |endpoints: &[&Arc<Endpoint>]| snapshot(vec![view("v", &["10.1.0.0/16"], endpoints, &[])]);
    let changes = changes(&with(&[&global]), &with(&[]), 0);
    let change = changes.resources().next().unwrap();
    assert!(change.discovery_stops && change.names.is_empty());
    let text = "global endpoint discovery in view v: 1 name vanished; initial feed discovery leaves this view's private endpoint";
    assert_eq!(change.to_string(), text);
}

#[test]
fn settings_are_told_by_key() {
    let old = vec![view("v", &["10.1.0.0/16"], &[], &[])];
    let mut new = old.clone();
    new[0].guard = GuardMode::Watch;
    new[0].unlisted = Unlisted::NxDomain;
    assert_eq!(told(old.clone(), new), ["v>v 10.1.0.0/16 [guard unlisted] "]);
    assert!(told(old.clone(), old).is_empty());
}
