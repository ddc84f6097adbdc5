//! `GET upstreams`: the groups, and what is known of each of their servers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use super::request::{Page, Paging, parameters};
use super::{Answer, Api, answer};
use crate::resolve::general::Shared;
use crate::upstream::{CaseMixing, Group, Policy, Server};

/// A group.
#[derive(Debug, Serialize)]
pub(super) struct ToldGroup {
    name: String,
    policy: &'static str,
    case: &'static str,
    timeout_ms: u64,
    servers: Vec<ToldServer>,
}

/// A server; what is known of it is known by its address, over all groups.
#[derive(Debug, Serialize)]
struct ToldServer {
    server: String,
    address: String,
    health: String,
    /// Smoothed; none before the first reply.
    round_trip_ms: Option<f64>,
    in_flight: u32,
    max_in_flight: u32,
    max_qps: Option<u32>,
    /// None before the first reply.
    last_reply_age_ms: Option<u64>,
    sent: u64,
    replies: u64,
    silences: u64,
    failed: u64,
    mismatched: u64,
    capped: u64,
}

pub(super) async fn upstreams(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Page<ToldGroup>> {
    let paging: Paging = parameters(&uri)?;
    let shared = &api.served()?.shared;
    let snapshot = shared.snapshot.load();
    answer(paging.page(&snapshot.groups, |group| told_group(shared, group))?)
}

fn told_group(shared: &Shared, group: &Group) -> ToldGroup {
    ToldGroup {
        name: group.name.to_string(),
        policy: match group.policy {
            Policy::Ordered => "ordered",
            Policy::RoundRobin => "round-robin",
            Policy::Fastest => "fastest",
            Policy::Race => "race",
        },
        case: match group.case {
            CaseMixing::Auto => "auto",
            CaseMixing::On => "on",
            CaseMixing::Off => "off",
        },
        timeout_ms: u64::try_from(group.timeout.as_millis()).unwrap_or(u64::MAX),
        servers: group.servers.iter().map(|server| told_server(shared, group, server)).collect(),
    }
}

fn told_server(shared: &Shared, group: &Group, server: &Server) -> ToldServer {
    let (state, now) = (shared.servers.state(server.address), shared.clock.now());
    let age = |at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
    ToldServer {
        server: server.to_string(),
        address: server.address.to_string(),
        health: state.health().to_string(),
        round_trip_ms: state.round_trip().map(|took| (took.as_secs_f64() * 1e6).round() / 1e3),
        in_flight: state.in_flight(),
        max_in_flight: group.most_in_flight(server),
        max_qps: group.most_per_second(server),
        last_reply_age_ms: state.last_reply().map(age),
        sent: state.sent.load(Relaxed),
        replies: state.replies.load(Relaxed),
        silences: state.silences.load(Relaxed),
        failed: state.failed.load(Relaxed),
        mismatched: state.mismatched.load(Relaxed),
        capped: state.capped.load(Relaxed),
    }
}
