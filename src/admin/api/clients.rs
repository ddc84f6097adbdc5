//! `GET clients`: who asked lately, as far as the query log knows.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;

use super::problem::Problem;
use super::request::{Page, parameters};
use super::{Answer, Api, answer};
use crate::config::value;
use crate::query_log::{ClientRow, Wanted};
use crate::wire::WireName;

/// Which clients are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    name: Option<String>,
    endpoint: Option<String>,
    view: Option<String>,
    /// Those that asked in the last so much time.
    since: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

pub(super) async fn clients(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Page<ClientRow>> {
    let Parameters { name, endpoint, view, since, limit, offset } = parameters(&uri)?;
    let name = name.map(|text| WireName::from_presentation(&text)).transpose();
    let name = name.map_err(|error| Problem::bad_request(format!("`name`: {error}")))?;
    let since = since.map(|text| value::duration(&text)).transpose();
    let since = since.map_err(|fault| Problem::bad_request(format!("`since`: {}", fault.message)))?;
    let since = since.and_then(|lasts| SystemTime::now().checked_sub(lasts));
    let wanted = Wanted { name, endpoint, view, since };
    let known = Arc::clone(&api.served()?.clients);
    let rows = api.pass(move || Ok(known.lock().unwrap_or_else(PoisonError::into_inner).who(&wanted))).await?;
    answer(Page::of(&rows, limit, offset, ClientRow::clone)?)
}
