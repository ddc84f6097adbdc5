//! The health listener: `/livez`, `/readyz`, `/metrics`, and 404 for the rest. A load balancer's probe comes from
//! 168.63.129.16, which must reach this and nothing else.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::status::{Phase, Status};
use super::{exposition, prometheus};

/// Scrapes at work at once.
const MAX_SCRAPES: usize = 4;
static SCRAPES: Semaphore = Semaphore::const_new(MAX_SCRAPES);

/// What every answer says of itself.
const HEADERS: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// The routes.
pub(super) fn routes(status: Arc<Status>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(status)
}

/// `/livez`.
#[derive(Serialize)]
struct Live {
    alive: bool,
    /// For how long the slowest event loop has not moved.
    standstill_ms: u64,
}

async fn livez(State(status): State<Arc<Status>>) -> Response {
    let now = Instant::now();
    let alive = status.is_alive(now);
    let standstill_ms = u64::try_from(status.standstill(now).as_millis()).unwrap_or(u64::MAX);
    (code(alive), HEADERS, Json(Live { alive, standstill_ms })).into_response()
}

/// `/readyz`.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    phase: &'static str,
    parts: Parts,
    generation: u64,
    revision: String,
}

/// What readiness is made of. A dead upstream does not take it away: all replicas would leave their balancer together,
/// and owned names would die too.
#[derive(Serialize)]
struct Parts {
    /// DNS listeners are bound and a snapshot is served.
    snapshot: bool,
    /// No signal has come to stop.
    stays: bool,
}

async fn readyz(State(status): State<Arc<Status>>) -> Response {
    let phase = status.phase();
    let ready = phase == Phase::Serving;
    let in_force = status.in_force.load();
    let answer = Ready {
        ready,
        phase: phase.word(),
        parts: Parts { snapshot: status.served().is_some(), stays: phase != Phase::Stopping },
        generation: in_force.generation,
        revision: in_force.revision.clone(),
    };
    (code(ready), HEADERS, Json(answer)).into_response()
}

fn code(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn metrics(State(status): State<Arc<Status>>, headers: HeaderMap) -> Response {
    let Ok(scrape) = SCRAPES.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    // A thousand views are a long text: beside the probes, not in front of them. A scraper that leaves holds its place
    // until the text is whole.
    let mut accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_open = accept.any(prometheus::wants_open_metrics);
    let text = move || {
        let _scrape = scrape;
        exposition::text(&status).map(|text| if is_open { text } else { prometheus::of_open_metrics(&text) })
    };
    let kind = if is_open { exposition::CONTENT_TYPE } else { prometheus::CONTENT_TYPE };
    match tokio::task::spawn_blocking(text).await {
        Ok(Ok(text)) => (HEADERS, [(header::CONTENT_TYPE, kind), (header::VARY, "accept")], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
