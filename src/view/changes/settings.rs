//! Settings of views that change what is answered, compared as the file words them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::plan::{GuardMode, Unlisted};
use super::super::snapshot::{Route, Snapshot, View};
use crate::upstream::{Group, Policy};
use crate::zone::Missing;
use crate::zone::avd::guid_text;

/// A setting with two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key in the file, with the suffix or zone that it is about.
    pub key: String,
    /// Its value before; none: it was not there.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
}

/// Keys with values.
type Values = BTreeMap<String, String>;

/// The settings of two views that differ. A side without a view counts as refused.
pub(super) fn of_views(old: (&Snapshot, Option<&View>), new: (&Snapshot, Option<&View>)) -> Vec<Setting> {
    match (old.1, new.1) {
        (Some(before), Some(after)) => differing(&values(old.0, before), &values(new.0, after)),
        (before, after) => {
            let name = |view: Option<&View>| view.map(|view| view.name.to_string());
            vec![Setting { key: "view".to_owned(), before: name(before), after: name(after) }]
        }
    }
}

/// What differs and belongs to no view.
pub(super) fn everywhere(old: &Snapshot, new: &Snapshot) -> Vec<Setting> {
    let values = |snapshot: &Snapshot| -> Values {
        let known = snapshot.known.iter().map(|guid| (format!("known {}", guid_text(*guid)), "known".to_owned()));
        let clouds = snapshot.clouds.iter().map(|cloud| {
            let zones = format!("{}, {}", cloud.private_link, cloud.private_link_global);
            (format!("cloud {}", cloud.public), zones)
        });
        known.chain(clouds).collect()
    };
    differing(&values(old), &values(new))
}

fn differing(old: &Values, new: &Values) -> Vec<Setting> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let setting = |key: &String| {
        let (before, after) = (old.get(key), new.get(key));
        (before != after).then(|| Setting { key: key.clone(), before: before.cloned(), after: after.cloned() })
    };
    keys.into_iter().filter_map(setting).collect()
}

fn values(snapshot: &Snapshot, view: &View) -> Values {
    let listed = |items: Vec<String>| {
        let mut items = items;
        items.sort();
        if items.is_empty() { "none".to_owned() } else { items.join(", ") }
    };
    let text = |route: Route| snapshot.group(route).map_or_else(String::new, |group| group_text(group));
    let mut values = Values::new();
    let mut put = |key: &str, value: String| drop(values.insert(key.to_owned(), value));
    put("view", view.name.to_string());
    put("upstream", text(view.default_route));
    if let Some(route) = view.reverse_route() {
        put("reverse", text(route));
    }
    for forward in &view.held.forwards {
        put(&format!("forward {}", forward.suffix), text(forward.route));
    }
    put("unlisted", if view.unlisted == Unlisted::Forward { "forward" } else { "nxdomain" }.to_owned());
    put("guard", guard_word(view.guard).to_owned());
    put("private", listed(view.private.iter().map(ToString::to_string).collect()));
    let pattern =
        |pattern: &super::super::plan::Pattern| format!("{}{}", if pattern.wildcard { "*." } else { "" }, pattern.name);
    put("must-be-private", listed(view.must_be_private.iter().map(pattern).collect()));
    put("private-ranges", listed(view.private_ranges.iter().map(ToString::to_string).collect()));
    put("keep-warm", listed(view.keep_warm.iter().map(ToString::to_string).collect()));
    if let Some(within) = view.reply_within {
        put("reply-within", format!("{within:?}"));
    }
    if let Some(level) = view.log_queries {
        put("log-queries", level.word().to_owned());
    }
    if let Some(detail) = view.log_clients {
        put("log-clients", detail.word().to_owned());
    }
    for (zone, missing) in &view.zones {
        let missing = if *missing == Missing::NxDomain { "nxdomain" } else { "forward" };
        put(&format!("missing {}", zone.apex()), missing.to_owned());
        if let Some(public) = zone.public() {
            put(&format!("public {}", zone.apex()), public.to_string());
        }
    }
    values
}

/// The word of the file.
fn guard_word(guard: GuardMode) -> &'static str {
    match guard {
        GuardMode::Own => "own",
        GuardMode::All => "all",
        GuardMode::Watch => "watch",
        GuardMode::Off => "off",
    }
}

/// A group in a line: who is asked, and how.
fn group_text(group: &Group) -> String {
    let servers: Vec<String> = group.servers.iter().map(ToString::to_string).collect();
    let policy = match group.policy {
        Policy::Ordered => "ordered",
        Policy::RoundRobin => "round-robin",
        Policy::Fastest => "fastest",
        Policy::Race => "race",
    };
    let mut text = format!("{} ({}; {policy}, {:?}", group.name, servers.join(", "), group.timeout);
    for (key, cap) in [("max-in-flight", group.max_in_flight), ("max-qps", group.max_qps)] {
        if let Some(cap) = cap {
            text.push_str(&format!(", {key} {cap}"));
        }
    }
    text.push(')');
    text
}
