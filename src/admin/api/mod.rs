//! The admin API: what a running server is asked and told by operators, as JSON. docs/openapi.json describes it, and a
//! test compares the two.
//!
//! Reads and flushes work on what the threads share; what only the run loop can do is an [`Order`](super::Order).

mod cache;
mod clients;
mod configuration;
mod explain;
mod gate;
mod orders;
mod overview;
mod problem;
mod request;
mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::health;
use super::orders::Sender;
use super::status::{Served, Status};
use problem::Problem;

/// Passes over the cache or the configuration at work at once.
const MAX_PASSES: usize = 2;
/// Explanations with an exchange at work at once.
const MAX_ASKING: usize = 16;
const EXPLAIN: &str = "/api/v1/explain";
/// The description of this API.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// What the API works on.
pub(super) struct Api {
    status: Arc<Status>,
    orders: Sender,
    passes: Arc<Semaphore>,
    asking: Semaphore,
    denials: gate::Denials,
}

impl Api {
    /// An API that tells of `status` and gives `orders`.
    pub(super) fn new(status: Arc<Status>, orders: Sender) -> Self {
        let (passes, asking) = (Arc::new(Semaphore::new(MAX_PASSES)), Semaphore::new(MAX_ASKING));
        Self { status, orders, passes, asking, denials: gate::Denials::default() }
    }

    pub(super) fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// The server, once it answers.
    fn served(&self) -> Result<&Served, Problem> {
        self.status.served().ok_or_else(Problem::not_serving)
    }

    /// Runs a pass over much, beside the probes; it holds its place until its end, though who asked may have left.
    async fn pass<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.passes).try_acquire_owned().map_err(|_| Problem::busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.unwrap_or_else(|_| Err(Problem::fault()))
    }
}

/// All that the admin listener at an address serves: the API, and what the health listener does.
pub(super) fn routes(api: &Arc<Api>, local: SocketAddr) -> Router {
    let gate = gate::Gate { api: Arc::clone(api), is_exposed: !local.ip().to_canonical().is_loopback() };
    let mut routes = Router::new();
    for (path, methods) in table() {
        routes = routes.route(path, methods);
    }
    routes
        .with_state(Arc::clone(api))
        .merge(health::routes(Arc::clone(&api.status)))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::new(gate), gate::pass))
}

/// The routes.
fn table() -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    vec![
        ("/api/v1/status", get(overview::status)),
        ("/api/v1/views", get(configuration::views)),
        ("/api/v1/endpoints", get(configuration::endpoints)),
        ("/api/v1/upstreams", get(upstreams::upstreams)),
        (EXPLAIN, post(explain::explain)),
        ("/api/v1/clients", get(clients::clients)),
        ("/api/v1/cache", get(cache::entries)),
        ("/api/v1/cache/flush", post(cache::flush)),
        ("/api/v1/reload", post(orders::reload)),
        ("/api/v1/rollback", post(orders::rollback)),
        ("/api/v1/override", post(orders::begin_override)),
        ("/api/v1/override/end", post(orders::end_override)),
        ("/api/v1/openapi.json", get(description)),
    ]
}

/// A result, or a problem.
type Answer<T> = Result<Json<T>, Problem>;

fn answer<T: Serialize>(value: T) -> Answer<T> {
    Ok(Json(value))
}

async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn nothing_there(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {}", uri.path()))
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", format!("{} has other methods", uri.path()))
}
