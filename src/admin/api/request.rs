//! Reading requests: query strings and JSON bodies, bounded in size and time; and the pages of lists.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Query, Request};
use axum::http::{StatusCode, Uri, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::problem::Problem;

/// Octets of a body at most.
const MOST_OCTETS: usize = 64 << 10;
/// Within what time a body must be whole.
const PATIENCE: Duration = Duration::from_secs(5);
/// Items of a page unless `limit` says otherwise, and at most.
const ITEMS: usize = 100;
const MOST_ITEMS: usize = 1_000;

/// The parameters of a query string; one that is not known is a problem.
pub(super) fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri).map(|Query(found)| found).map_err(|error| Problem::bad_request(error.body_text()))
}

/// A body as JSON.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let detail = "the body has to be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
    }
    let octets = match timeout(PATIENCE, to_bytes(request.into_body(), MOST_OCTETS)).await {
        Ok(Ok(octets)) => octets,
        Ok(Err(_)) => {
            let detail = format!("the body was cut, or has more than {MOST_OCTETS} octets");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not come in time")),
    };
    serde_json::from_slice(&octets).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}

/// Which part of a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

/// A part of a list.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    schema: u8,
    /// Items of the whole list.
    total: usize,
    /// The place of the first one here.
    offset: usize,
    items: Vec<T>,
}

impl<T> Page<T> {
    /// The part of `all` that was asked for; `make` is called for its items alone.
    pub(super) fn of<A>(
        all: &[A],
        limit: Option<usize>,
        offset: usize,
        make: impl FnMut(&A) -> T,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(ITEMS);
        if limit > MOST_ITEMS {
            return Err(Problem::bad_request(format!("`limit` is at most {MOST_ITEMS}")));
        }
        let items = all.iter().skip(offset).take(limit).map(make).collect();
        Ok(Self { schema: 1, total: all.len(), offset, items })
    }
}

impl Paging {
    /// The page of a list.
    pub(super) fn page<A, T>(&self, all: &[A], make: impl FnMut(&A) -> T) -> Result<Page<T>, Problem> {
        Page::of(all, self.limit, self.offset, make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_bounded_part_of_its_list() {
        let all: Vec<u32> = (0..250).collect();
        let page = |limit, offset| Page::of(&all, limit, offset, |own| *own).map(|page| (page.total, page.items));
        assert_eq!(page(None, 0).unwrap().1.len(), 100);
        assert_eq!(page(Some(2), 248).unwrap(), (250, vec![248, 249]));
        assert_eq!(page(Some(1_000), 300).unwrap(), (250, Vec::new()));
        assert!(page(Some(0), 0).unwrap().1.is_empty());
        assert!(page(Some(1_001), 0).is_err());
    }
}
