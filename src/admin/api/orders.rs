//! `POST reload`: what the run loop does for the API.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;

use super::problem::Problem;
use super::{Answer, Api};
use crate::admin::http::Ends;
use crate::admin::orders::{NotTaken, Order};
use crate::admin::outcome::Outcome;

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
                _ => StatusCode::CONFLICT,
            };
            Err(Problem::new(status, refusal.why, refusal.message.clone()).with(&*outcome))
        }
    }
}
