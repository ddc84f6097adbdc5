//! `POST reload`, `rollback`, `override` and `override/end`: what the run loop does for the API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::request::body;
use super::{Answer, Api};
use crate::admin::http::Ends;
use crate::admin::orders::{Asked, NotTaken, Order};
use crate::admin::outcome::Outcome;
use crate::config::value;
use crate::zone::State as ZoneState;

/// How long an override lasts, at least and at most.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    schema: u8,
    #[serde(flatten)]
    outcome: Outcome,
}

pub(super) async fn reload(State(api): State<Arc<Api>>, Extension(ends): Extension<Ends>) -> Answer<Done> {
    give(&api, ends, Order::Reload).await
}

pub(super) async fn rollback(State(api): State<Arc<Api>>, Extension(ends): Extension<Ends>) -> Answer<Done> {
    give(&api, ends, Order::Rollback).await
}

/// Which endpoint is to be answered how, where, for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    view: String,
    endpoint: String,
    state: Word,
    #[serde(rename = "for")]
    lasts: String,
}

/// What an override may make of an endpoint.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Public,
    Blocked,
}

pub(super) async fn begin_override(
    State(api): State<Arc<Api>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Answer<Done> {
    let Begun { view, endpoint, state, lasts } = body(request).await?;
    let lasts = value::duration(&lasts).map_err(|fault| Problem::bad_request(format!("`for`: {}", fault.message)))?;
    if !(SHORTEST..=LONGEST).contains(&lasts) {
        return Err(Problem::bad_request("`for` is from 1s to 7d"));
    }
    let state = match state {
        Word::Public => ZoneState::Public,
        Word::Blocked => ZoneState::Blocked,
    };
    give(&api, ends, Order::Override(Asked { view, endpoint, state: Some(state), lasts })).await
}

/// Which override is to end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    view: String,
    endpoint: String,
}

pub(super) async fn end_override(
    State(api): State<Arc<Api>>,
    Extension(ends): Extension<Ends>,
    request: Request,
) -> Answer<Done> {
    let Ended { view, endpoint } = body(request).await?;
    give(&api, ends, Order::Override(Asked { view, endpoint, state: None, lasts: Duration::ZERO })).await
}

/// Has an order carried out.
async fn give(api: &Api, Ends { peer, .. }: Ends, order: Order) -> Answer<Done> {
    api.served()?;
    tracing::info!(action = order.word(), %peer, "ordered by the admin API");
    let outcome = api.orders.give(order, peer).await.map_err(|error| match error {
        NotTaken::Busy => Problem::new(StatusCode::CONFLICT, "busy", "another change is being carried out"),
        NotTaken::Ended => Problem::not_serving(),
    })?;
    match &outcome.refused {
        None => Ok(Json(Done { schema: 1, outcome: Outcome::clone(&outcome) })),
        Some(refusal) => {
            let status = match refusal.why {
                "faulty" => StatusCode::UNPROCESSABLE_ENTITY,
                "unknown" => StatusCode::NOT_FOUND,
                _ => StatusCode::CONFLICT,
            };
            Err(Problem::new(status, refusal.why, refusal.message.clone()).with(&*outcome))
        }
    }
}
