//! An explanation as lines for people.

use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use super::{Asks, ChosenView, Explained, Place, RecordLine, Reply, Step, What};

/// The explanation, with a final newline. Every line begins with what it tells about.
pub fn text(explained: &Explained) -> String {
    let Explained { client, local, name, qtype, .. } = explained;
    let mut out = format!("{name} {qtype}, asked by {client} at {local}\n\n");
    match &explained.view {
        Some(view) => {
            line(&mut out, "view", &view_text(view), Some(&view.place));
            let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
            for own in &view.overrides {
                let left = own.until.saturating_sub(now);
                let text =
                    format!("endpoint {} is {} for {left} s yet, whatever the files say", own.endpoint, own.state);
                line(&mut out, "override", &text, None);
            }
        }
        None => line(&mut out, "view", "none: no view's networks hold the client", None),
    }
    for step in &explained.trail {
        let (word, text, place) = step_text(step);
        line(&mut out, word, &text, place);
    }
    if let Some(asks) = &explained.asks {
        asks_text(&mut out, asks);
    }
    if let Some(reply) = &explained.reply {
        reply_text(&mut out, reply);
    }
    out
}

fn line(out: &mut String, word: &str, text: &str, place: Option<&Place>) {
    let place = place.map(|place| format!("  ({}:{})", place.file, place.line)).unwrap_or_default();
    let _ = writeln!(out, "{word:<9}{text}{place}");
}

fn view_text(view: &ChosenView) -> String {
    match (&view.prefix, view.by_listener) {
        (Some(prefix), false) => format!("{}, by {prefix}", view.name),
        (Some(prefix), true) => format!("{}, by {prefix} at its listener", view.name),
        (None, _) => format!("{}, by its listener", view.name),
    }
}

fn step_text(step: &Step) -> (&'static str, String, Option<&Place>) {
    match step {
        Step::Malformed { error } => ("query", format!("malformed: {error}"), None),
        Step::Name { name, what } => {
            let (text, place) = what_text(what);
            ("name", format!("{name}: {text}"), place)
        }
        Step::Raw { name, source, outcome, aliases } => {
            let aliases = match aliases {
                0 => String::new(),
                1 => ", 1 alias".to_owned(),
                more => format!(", {more} aliases"),
            };
            ("source", format!("{source}: {outcome} for {name}{aliases}"), None)
        }
        Step::Cut { name } => {
            ("cut", format!("upstream's chain at its alias to {name}; the view goes on from there"), None)
        }
        Step::Withheld { name, address, watch } => {
            let what = address.map_or_else(|| "data that are no address".to_owned(), |address| address.to_string());
            let fate = if *watch { "would be withheld (guard = \"watch\")" } else { "withheld" };
            ("guard", format!("{what} {fate}: the view does not hold it for {name}"), None)
        }
        Step::Mate { name } => {
            ("guard", format!("{name} passes: it shares a GUID, but its chain crosses no private-link suffix"), None)
        }
        Step::HintsRemoved { name } => ("guard", format!("address hints of {name} are removed"), None),
        Step::Ancestor { name } => {
            ("rule", format!("NXDOMAIN for {name} leaves as NODATA: the view owns a name below it"), None)
        }
        Step::Truncated => ("rule", "the answer does not fit over UDP: TC is set".to_owned(), None),
        Step::Panicked => ("fault", "an internal error".to_owned(), None),
    }
}

fn what_text(what: &What) -> (String, Option<&Place>) {
    match what {
        What::Endpoint { endpoint, kind, process, place, zone } => {
            let zone = zone.as_ref().map(|zone| format!(", a node of zone {zone}")).unwrap_or_default();
            let kind = if kind == process { kind.to_string() } else { format!("{kind}: {process}") };
            (format!("owned by endpoint {endpoint} ({kind}){zone}"), Some(place))
        }
        What::Zone { zone, apex, found, public, place } => {
            let public = if *public { ", under its public suffix" } else { "" };
            (format!("owned by zone {zone} at {apex}: {found}{public}"), Some(place))
        }
        What::Pointer => ("owned: the reverse name of an address of the view".to_owned(), None),
        What::Empty => ("no records, but owned names below it: NODATA".to_owned(), None),
        What::Blocked { by } if by == "unlisted" => {
            ("blocked: an AVD resource that is neither here nor known (unlisted = \"nxdomain\")".to_owned(), None)
        }
        What::Blocked { .. } => ("blocked: its endpoint's state".to_owned(), None),
        What::Special { answer } => (format!("special use, never forwarded: {answer}"), None),
        What::Forward { upstream, servers, route, place, foreign } => {
            let foreign = if *foreign { "; an AVD resource that is neither here nor known" } else { "" };
            let servers = servers.join(", ");
            (format!("forwarded to upstream {upstream} ({servers}) by {route}{foreign}"), place.as_ref())
        }
    }
}

fn asks_text(out: &mut String, asks: &Asks) {
    let guarded = match (&*asks.guard, &*asks.guarded) {
        ("off", _) => "off: nothing is withheld",
        ("watch", "no") => "watch: the name is not guarded; guarded names in its chain are counted",
        ("watch", _) => "watch: the name is guarded; an address that the view does not hold is counted and passes",
        (_, "yes") => "the name is guarded: an address that the view does not hold for it leaves as NODATA, EDE 15",
        (_, "crossing") => "the name is guarded once its chain crosses an AVD private-link suffix",
        _ => "the name is not guarded; guarded names in its chain are",
    };
    line(out, "guard", guarded, None);
    let held = format!(
        "an alias to a name that the view owns ({}, {}), blocks or routes elsewhere is cut there",
        counted(asks.endpoints, "endpoint"),
        counted(asks.zones, "zone")
    );
    line(out, "cut", &held, None);
    let Asks { name, qtype, upstream, reply_within_ms, .. } = asks;
    let text = format!("{name} {qtype} is to be asked of {upstream}; the client waits {reply_within_ms} ms at most");
    line(out, "source", &text, None);
    line(out, "answer", "unknown: nothing was sent (--ask does the exchange)", None);
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn reply_text(out: &mut String, reply: &Reply) {
    let flags = [("aa", reply.authoritative), ("tc", reply.truncated), ("ad", reply.authentic)];
    let flags: String = flags.iter().filter(|(_, set)| *set).map(|(flag, _)| format!(" {flag}")).collect();
    let empty = if reply.rcode == "NOERROR" && reply.answer.is_empty() { " (NODATA)" } else { "" };
    line(out, "answer", &format!("{}{flags}{empty}", reply.rcode), None);
    for error in &reply.errors {
        let text = if error.text.is_empty() { String::new() } else { format!(": {}", error.text) };
        line(out, "ede", &format!("{} {}{text}", error.code, error.meaning), None);
    }
    for RecordLine { name, ttl, rtype, data } in &reply.answer {
        line(out, "", &format!("{name} {ttl} IN {rtype} {data}"), None);
    }
    for RecordLine { name, ttl, rtype, data } in &reply.authority {
        line(out, "", &format!("authority: {name} {ttl} IN {rtype} {data}"), None);
    }
}
