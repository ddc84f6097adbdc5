//! The matrix of names × views that `check` prints: what each name is for whom.
//!
//! Every cell is asked of the snapshot by the look-up that serves, so the table cannot be wrong.

use std::fmt::Write as _;

use hashbrown::HashSet;
use serde_json::{Value, json};

use crate::view::{Blocked, Snapshot, Verdict, View};
use crate::wire::{Name, WireName, rtype};
use crate::zone::avd::Kind;
use crate::zone::{Missing, State};

/// Names that are printed; JSON has them all.
pub(super) const PRINTED: usize = 200;

/// The whole table.
#[derive(Debug)]
pub(super) struct Matrix {
    /// The views, in the order of the file.
    pub(super) views: Vec<String>,
    /// Names by process, then the zones.
    pub(super) rows: Vec<Row>,
    /// How many rows more there are.
    pub(super) more: usize,
}

/// One name.
#[derive(Debug)]
pub(super) struct Row {
    /// The AVD process, `other` or `zone`.
    pub(super) process: &'static str,
    /// The name, public spelling; `*.` in front of a wildcard's parent; a zone's apex.
    pub(super) name: String,
    /// What it is in each view.
    pub(super) cells: Vec<String>,
}

impl Matrix {
    /// Of all endpoint names and zones of a snapshot; only the first `most` are looked up.
    pub(super) fn new(snapshot: &Snapshot, most: usize) -> Self {
        let (mut rows, mut more) = (Vec::new(), 0);
        let mut seen: HashSet<(&Name, bool)> = HashSet::new();
        for kind in Kind::ALL {
            let records = snapshot.views.iter().flat_map(|view| &view.endpoints);
            let records = records.filter(|endpoint| endpoint.kind == kind).flat_map(|endpoint| &endpoint.records);
            for record in records {
                let Some(name) = record.names.first().filter(|name| seen.insert((name, record.wildcard))) else {
                    continue;
                };
                if rows.len() < most {
                    rows.push(row(snapshot, kind.process(), name, record.wildcard));
                } else {
                    more += 1;
                }
            }
        }
        let mut apexes: HashSet<Name> = HashSet::new();
        for (zone, _) in snapshot.views.iter().flat_map(|view| &view.zones) {
            let apex = zone.apex().to_owned();
            if !apexes.insert(apex.clone()) {
                continue;
            }
            if rows.len() >= most {
                more += 1;
            } else {
                let cells = snapshot.views.iter().map(|view| zone_cell(view, &apex)).collect();
                rows.push(Row { process: "zone", name: apex.to_string(), cells });
            }
        }
        Self { views: snapshot.views.iter().map(|view| view.name.to_string()).collect(), rows, more }
    }

    /// As text: one block a process, columns as wide as needed.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if self.rows.is_empty() {
            out.push_str("no view owns a name\n");
            return out;
        }
        let shown = &self.rows;
        let width = |text: &str| text.chars().count();
        let names = shown.iter().map(|row| width(&row.name)).max().unwrap_or(0).max(4);
        let columns: Vec<usize> = self
            .views
            .iter()
            .enumerate()
            .map(|(at, view)| {
                let cells = shown.iter().filter_map(|row| row.cells.get(at)).map(|cell| width(cell));
                cells.max().unwrap_or(0).max(width(view))
            })
            .collect();
        let line = |out: &mut String, name: &str, cells: &[String]| {
            let mut text = format!("  {name:names$}");
            for (cell, column) in cells.iter().zip(&columns) {
                let _ = write!(text, "  {cell:column$}");
            }
            out.push_str(text.trim_end());
            out.push('\n');
        };
        line(&mut out, "name", &self.views);
        let mut process = "";
        for row in shown {
            if row.process != process {
                process = row.process;
                let _ = writeln!(out, "{process}");
            }
            line(&mut out, &row.name, &row.cells);
        }
        if self.more > 0 {
            let _ = writeln!(out, "… and {} more; --json has them all", self.more);
        }
        out
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let cells: serde_json::Map<String, Value> =
                    self.views.iter().zip(&row.cells).map(|(view, cell)| (view.clone(), json!(cell))).collect();
                json!({ "process": row.process, "name": row.name, "views": cells })
            })
            .collect();
        json!({ "views": self.views, "names": rows })
    }
}

/// One endpoint name in all views.
fn row(snapshot: &Snapshot, process: &'static str, name: &Name, wildcard: bool) -> Row {
    let asked =
        if wildcard { name.as_ref().prefixed(b"\x01*").unwrap_or(WireName::ROOT) } else { name.as_ref().to_wire() };
    let cells = snapshot.views.iter().map(|view| cell(snapshot, view, &asked)).collect();
    Row { process, name: asked.to_string(), cells }
}

/// What a name is in a view.
pub(super) fn cell(snapshot: &Snapshot, view: &View, name: &WireName) -> String {
    match snapshot.look_up(view, name.as_ref(), rtype::A) {
        Verdict::Endpoint { endpoint, record, .. } if endpoint.state == State::Private => {
            record.addresses().map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
        }
        Verdict::Endpoint { endpoint, .. } => endpoint.state.word().to_owned(),
        Verdict::Zone { zone, .. } => format!("zone {}", zone.name),
        Verdict::Pointer(_) => "PTR".to_owned(),
        Verdict::Empty(_) => "empty".to_owned(),
        Verdict::Blocked(Blocked::Unlisted) => "unlisted".to_owned(),
        Verdict::Blocked(Blocked::State) => "blocked".to_owned(),
        Verdict::Special(_) => "special use".to_owned(),
        Verdict::Forward { route, .. } => {
            let group = snapshot.group(route).map_or("", |group| &group.name);
            format!("→ {group}")
        }
    }
}

/// What a view has at an apex.
fn zone_cell(view: &View, apex: &Name) -> String {
    let zone = view.zones.iter().find(|(zone, _)| zone.apex() == apex.as_ref());
    zone.map_or_else(
        || "-".to_owned(),
        |(zone, missing)| {
            let missing = match missing {
                Missing::NxDomain => "else nxdomain",
                Missing::Forward => "else forward",
            };
            // the apex has a SOA, given or made
            let names = zone.nodes().filter(|(relative, node)| !relative.is_empty() || node.rrsets().len() > 1).count();
            let names = match names {
                1 => "1 name".to_owned(),
                number => format!("{number} names"),
            };
            format!("{names}, {missing}")
        },
    )
}
