//! `ctl bundle`: what a support case needs, in one file.

use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use serde_json::{Value, json};

use super::super::api::Api;
use super::super::{print, print_json};
use super::text::items;

/// Items of a page.
const PAGE: usize = 500;
/// Items of a list at most.
const MOST: usize = 20_000;

/// Gathers and writes.
pub(super) fn run(api: &Api, output: Option<&Path>) -> anyhow::Result<()> {
    let status: Value = api.get("/api/v1/status")?.json()?;
    let bundle = json!({
        "schema": 1,
        "made_at": UNIX_EPOCH.elapsed().unwrap_or_default().as_secs(),
        "made_by": env!("CARGO_PKG_VERSION"),
        "version": status["version"],
        "findings": status["last_reload"]["findings"],
        "views": list(api, "views")?,
        "endpoints": list(api, "endpoints")?,
        "upstreams": list(api, "upstreams")?,
        "metrics": api.get("/metrics")?.text(),
        "status": status,
    });
    let Some(path) = output else { return print_json(&bundle) };
    let text = format!("{}\n", serde_json::to_string_pretty(&bundle)?);
    std::fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    print(&format!("{} octets written to {}\n", text.len(), path.display()))
}

/// A whole list, page by page.
fn list(api: &Api, name: &str) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    loop {
        let page: Value = api.get(&format!("/api/v1/{name}?limit={PAGE}&offset={}", found.len()))?.json()?;
        let own = items(&page, "/items");
        found.extend_from_slice(own);
        if own.len() < PAGE || found.len() >= MOST {
            return Ok(found);
        }
    }
}
