//! What an operator has to do so that clients and session hosts take a change up.

use std::collections::BTreeMap;

use crate::view::{Change, ChangeVerb, Changes, Resource, Setting, ViewChange};
use crate::zone::avd::Kind;

/// Settings whose change alters answers of names that no endpoint or zone has.
const FELT: [&str; 8] =
    ["upstream", "reverse", "unlisted", "guard", "must-be-private", "private-ranges", "view", "private"];
/// Keys that name a suffix or apex after the word; likewise.
const FELT_HEADS: [&str; 3] = ["forward ", "missing ", "public "];

/// The actions, each once, in the order in which they are taken.
pub(super) fn actions(changes: &Changes, server: &[Setting]) -> Vec<String> {
    let mut found = Vec::new();
    let mut views: Vec<&str> = Vec::new();
    for view in &changes.views {
        let felt = view.resources.iter().any(Change::is_felt) || view.settings.iter().any(is_felt);
        if let Some(name) = view.new.as_deref().or(view.old.as_deref()).filter(|name| felt && !views.contains(name)) {
            views.push(name);
        }
    }
    if server.iter().any(|setting| setting.key == "workers" || setting.key.starts_with("cache.")) {
        found.push(
            "restart hubdns: `workers` and [cache] take effect at the next start, all else by a reload".to_owned(),
        );
    }
    for change in changes.resources().filter(|change| change.discovery_stops) {
        found.push(format!(
            "view {}: no global endpoint is left, so initial feed discovery takes the public route; keep one on a \
             placeholder workspace where it must stay private",
            change.view
        ));
    }
    for (resource, opened) in opened(changes) {
        found.push(format!(
            "{resource}: names become public for view {}; its public network access must allow that, else \
             logons fail there",
            opened.join(", ")
        ));
    }
    for pool in pools(changes) {
        found.push(format!("restart RDAgentBootLoader on the session hosts of host pool {pool}"));
    }
    if !views.is_empty() {
        found.push(format!("`ipconfig /flushdns` on the clients of view {}", views.join(", ")));
        found.push("`Clear-DnsServerCache` on domain controllers that forward to hubdns".to_owned());
    }
    found
}

fn is_felt(setting: &Setting) -> bool {
    FELT.contains(&&*setting.key) || FELT_HEADS.iter().any(|head| setting.key.starts_with(head))
}

/// Host pools of which a name has another answer.
fn pools(changes: &Changes) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for change in changes.resources().filter(|change| change.is_felt()) {
        if let Resource::Endpoint { name, kind: Kind::HostPool } = &change.resource
            && !found.contains(&&**name)
        {
            found.push(name);
        }
    }
    found
}

/// AVD endpoints whose names leave the private path while their clients stay, with the views.
fn opened(changes: &Changes) -> Vec<(String, Vec<&str>)> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for ViewChange { new, resources, .. } in &changes.views {
        let Some(view) = new.as_deref() else { continue };
        for change in resources.iter().filter(|change| !change.discovery_stops) {
            let avd = matches!(change.resource, Resource::Endpoint { kind, .. } if kind != Kind::Other);
            let public = change.count(ChangeVerb::TurnedPublic) + change.count(ChangeVerb::Vanished);
            if avd && public > 0 {
                found.entry(change.resource.to_string()).or_default().push(view);
            }
        }
    }
    found.into_iter().collect()
}
