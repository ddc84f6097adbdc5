//! `ctl who`: the clients that asked lately, as a running server knows them.

use serde_json::{Value, json};

use super::super::api::Api;
use super::super::who::{Filter, table};
use super::super::{print, print_json};
use super::text::{items, number, word};

/// Clients that are shown; the API tells of all.
const MOST: usize = 1_000;

/// Asks and prints.
pub(super) fn run(api: &Api, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let limit = ("limit", MOST.to_string());
    let parameters = filter.parameters().into_iter().chain([limit]);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let found: Value = api.get(&format!("/api/v1/clients?{}", query.finish()))?.json()?;
    if as_json {
        return print_json(&json!({ "schema": 1, "total": found["total"], "clients": found["items"] }));
    }
    let row = |own: &Value| ["/client", "/view", "/count", "/first", "/last"].map(|pointer| word(own, pointer));
    let rows: Vec<[String; 5]> = items(&found, "/items").iter().map(row).collect();
    let total = number(&found, "/total");
    let head = match total {
        0 => "no such client is known; the server knows those of which it logs queries ([log])\n".to_owned(),
        1 => "1 client\n".to_owned(),
        _ => format!("{total} clients\n"),
    };
    print(&(head + &table(&rows)))
}
