//! The comparison as lines for people and as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::replay::Replayed;
use crate::cli::matrix;
use crate::view::{Change, ChangeVerb, Changes, Fate, NameChange, RecordSet, Resource, Setting, Snapshot, ViewChange};
use crate::wire::{Name, RecordType};
use crate::zone::rdata_text;

/// Names of one resource and questions of a log that are printed; JSON has all.
const PRINTED: usize = 100;

/// Everything that there is to tell.
pub(super) struct Report<'r> {
    /// Both files.
    pub(super) files: [&'r PathBuf; 2],
    /// Both snapshots.
    pub(super) sides: [&'r Snapshot; 2],
    /// What differs between them.
    pub(super) changes: &'r Changes,
    /// What differs of `[server]` and `[cache]`.
    pub(super) server: &'r [Setting],
    /// What to do.
    pub(super) actions: &'r [String],
    /// What came of a log.
    pub(super) replayed: Option<&'r Replayed>,
}

impl Report<'_> {
    /// Whether anything differs.
    pub(super) fn differs(&self) -> bool {
        let replayed = self.replayed.is_some_and(|replayed| !replayed.differences.is_empty());
        !self.changes.is_empty() || !self.server.is_empty() || replayed
    }

    /// As text, with a final newline.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (title, settings) in [("server", self.server), ("everywhere", &*self.changes.everywhere)] {
            if !settings.is_empty() {
                let _ = writeln!(out, "{title}");
                settings.iter().for_each(|setting| setting_text(&mut out, setting));
                out.push('\n');
            }
        }
        for view in &self.changes.views {
            let _ = writeln!(out, "{}", heading(view));
            view.settings.iter().for_each(|setting| setting_text(&mut out, setting));
            for change in &view.resources {
                self.resource_text(&mut out, view, change);
            }
            out.push('\n');
        }
        if let Some(replayed) = self.replayed {
            replay_text(&mut out, replayed);
        }
        if !self.actions.is_empty() {
            out.push_str("what to do\n");
            for action in self.actions {
                let _ = writeln!(out, "  - {action}");
            }
            out.push('\n');
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    fn summary(&self) -> String {
        if !self.differs() {
            return "nothing differs".to_owned();
        }
        let verbs = ChangeVerb::ALL.into_iter().filter_map(|verb| {
            let count: usize = self.changes.resources().map(|change| change.count(verb)).sum();
            (count > 0).then(|| format!("{count} {}", verb.words()))
        });
        let verbs: Vec<String> = verbs.collect();
        let names = if verbs.is_empty() { "no name of an endpoint or zone".to_owned() } else { verbs.join(", ") };
        let views = self.changes.views.len();
        format!("{views} {}: {names}", if views == 1 { "view differs" } else { "views differ" })
    }

    fn resource_text(&self, out: &mut String, view: &ViewChange, change: &Change) {
        let apex = match &change.resource {
            Resource::Zone { apex, .. } => format!(" ({apex})"),
            Resource::Endpoint { .. } => String::new(),
        };
        let _ = writeln!(out, "  {}{apex}: {}", change.resource, change.counted());
        for name in change.names.iter().take(PRINTED) {
            let (before, after) = self.texts(view, name);
            let _ = writeln!(out, "    {}  {} → {}", name.name, before.join(", "), after.join(", "));
        }
        if change.names.len() > PRINTED {
            let _ = writeln!(out, "    … and {} more; --json has them all", change.names.len() - PRINTED);
        }
    }

    /// What a name was and is; where the data have nothing, what the view makes of it.
    fn texts(&self, view: &ViewChange, change: &NameChange) -> (Vec<String>, Vec<String>) {
        let [old, new] = self.sides;
        let ttl = change.verb == ChangeVerb::Retimed;
        let text = |snapshot: &Snapshot, view: &Option<Arc<str>>, fate: &Fate| match fate {
            Fate::Records(sets) => sets.iter().flat_map(|set| set_texts(set, ttl)).collect(),
            Fate::Public => vec!["public".to_owned()],
            Fate::Blocked => vec!["blocked".to_owned()],
            Fate::Absent => vec![absent(snapshot, view, &change.name)],
        };
        (text(old, &view.old, &change.before), text(new, &view.new, &change.after))
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let views: Vec<Value> = self.changes.views.iter().map(|view| self.view_json(view)).collect();
        json!({
            "schema": 1,
            "old": self.files[0].display().to_string(),
            "new": self.files[1].display().to_string(),
            "differs": self.differs(),
            "server": settings_json(self.server),
            "everywhere": settings_json(&self.changes.everywhere),
            "views": views,
            "actions": self.actions,
            "replay": self.replayed,
        })
    }

    fn view_json(&self, view: &ViewChange) -> Value {
        let networks: Vec<String> = view.networks.iter().map(ToString::to_string).collect();
        let resources: Vec<Value> = view.resources.iter().map(|change| self.resource_json(view, change)).collect();
        json!({
            "old": view.old.as_deref(),
            "new": view.new.as_deref(),
            "networks": networks,
            "settings": settings_json(&view.settings),
            "resources": resources,
        })
    }

    fn resource_json(&self, view: &ViewChange, change: &Change) -> Value {
        let counts: serde_json::Map<String, Value> =
            ChangeVerb::ALL.into_iter().map(|verb| (verb.word().to_owned(), json!(change.count(verb)))).collect();
        let name = |own: &NameChange| {
            let (before, after) = self.texts(view, own);
            json!({ "name": own.name.to_string(), "change": own.verb.word(), "before": before, "after": after })
        };
        let (resource, kind, apex) = match &change.resource {
            Resource::Endpoint { kind, .. } => ("endpoint", Some(kind.word()), None),
            Resource::Zone { apex, .. } => ("zone", None, Some(apex.to_string())),
        };
        json!({
            "resource": resource,
            "name": &**change.resource.name(),
            "kind": kind,
            "apex": apex,
            "counts": counts,
            "discovery_stops": change.discovery_stops,
            "advice": change.advice(),
            "names": change.names.iter().map(name).collect::<Vec<Value>>(),
        })
    }
}

fn heading(view: &ViewChange) -> String {
    let own = |name: &Option<Arc<str>>| name.as_deref().unwrap_or("no view (refused)").to_owned();
    let name = if view.old == view.new { own(&view.new) } else { format!("{} → {}", own(&view.old), own(&view.new)) };
    let networks: Vec<String> = view.networks.iter().take(8).map(ToString::to_string).collect();
    let more = if view.networks.len() > networks.len() { ", …" } else { "" };
    let of = if networks.is_empty() { String::new() } else { format!("  ({}{more})", networks.join(", ")) };
    format!("view {name}{of}")
}

fn setting_text(out: &mut String, setting: &Setting) {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let _ = writeln!(out, "  {}: {} → {}", setting.key, value(&setting.before), value(&setting.after));
}

fn settings_json(settings: &[Setting]) -> Vec<Value> {
    let one = |own: &Setting| json!({ "key": own.key, "before": own.before, "after": own.after });
    settings.iter().map(one).collect()
}

fn set_texts(set: &RecordSet, ttl: bool) -> Vec<String> {
    let ttl = if ttl { format!(" (ttl {})", set.ttl.seconds()) } else { String::new() };
    let text = |rdata: &[u8]| match RecordType(set.rtype).to_string().as_str() {
        "A" | "AAAA" => rdata_text(set.rtype, rdata),
        rtype => format!("{rtype} {}", rdata_text(set.rtype, rdata)),
    };
    set.rdata.iter().map(|rdata| format!("{}{ttl}", text(rdata))).collect()
}

/// What a view makes of a name that neither an endpoint nor a zone's record of it has.
fn absent(snapshot: &Snapshot, view: &Option<Arc<str>>, name: &Name) -> String {
    let view = view.as_ref().and_then(|name| snapshot.views.iter().find(|view| view.name == *name));
    let Some(view) = view else { return "refused".to_owned() };
    let cell = matrix::cell(snapshot, view, &name.as_ref().to_wire());
    cell.strip_prefix("→ ").map_or_else(|| cell.clone(), |upstream| format!("forwarded to {upstream}"))
}

fn replay_text(out: &mut String, replayed: &Replayed) {
    let Replayed { questions, skipped, distinct, differences } = replayed;
    let _ = writeln!(
        out,
        "replay: {questions} questions ({distinct} different) of the log, {skipped} lines without one; {} differ",
        differences.len()
    );
    for own in differences.iter().take(PRINTED) {
        let view = |view: &Option<String>| view.clone().unwrap_or_else(|| "no view".to_owned());
        let (old, new) = (view(&own.old_view), view(&own.new_view));
        let view = if old == new { old } else { format!("{old} → {new}") };
        let _ = writeln!(
            out,
            "  {}× {} ({view}) {} {}: {} → {}",
            own.count, own.client, own.name, own.qtype, own.before, own.after
        );
    }
    if differences.len() > PRINTED {
        let _ = writeln!(out, "  … and {} more; --json has them all", differences.len() - PRINTED);
    }
    out.push('\n');
}
