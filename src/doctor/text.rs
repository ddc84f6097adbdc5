//! The report as tables for people.

use std::fmt::Write as _;

use super::{Linked, Report, Row};

/// What no answer of a DNS server decides.
pub(super) const BEYOND: &[&str] = &[
    "Whether a service accepts the route: public network access of workspace and host pool decides that; a private \
     answer where the resource denies private routes, or a public one where public access is disabled, is a failed \
     logon and no DNS error.",
    "Whether packets pass: TCP 1-65535 to the connection endpoint, UDP 3478 to 51.5.0.0/16 for the relay, TCP 1688 to \
     azkms.core.windows.net, and by address TCP 80 to 169.254.169.254 and 168.63.129.16.",
    "Which path agents are on: they keep it until RDAgentBootLoader restarts, clients until their DNS cache is flushed.",
    "Which servers a network really asks: every DNS server in its list must be hubdns, on one revision.",
    "RDP Shortpath: over Private Link only where the host pool opts in; relay and STUN names are never private.",
];

/// The report, with a final newline.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut views: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !views.contains(&&*row.view) {
            views.push(&row.view);
        }
    }
    for view in views {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.view == view).collect();
        let client = rows.first().map(|row| row.client.to_string()).unwrap_or_default();
        let _ = writeln!(out, "view {view}, as {client}");
        let mut lines = vec![["PROCESS", "NAME", "ANSWER", "LEADS", "AS EXPECTED"].map(str::to_owned).to_vec()];
        lines.extend(rows.into_iter().map(row_text));
        columns(&mut out, &lines);
        out.push('\n');
    }
    for view in &report.unreachable {
        let _ = writeln!(out, "view {view}: no client has it, other views take all of its clients\n");
    }
    if report.left_out > 0 {
        let _ = writeln!(out, "{} names more were not asked; --all asks them\n", report.left_out);
    }
    if !report.linked.is_empty() {
        out.push_str("zones linked to the upstreams' networks\n");
        let mut lines = vec![["UPSTREAM", "SERVER", "SUFFIX", "ANSWER", "AS EXPECTED"].map(str::to_owned).to_vec()];
        let line = |own: &Linked| {
            let Linked { upstream, server, suffix, outcome, as_expected, .. } = own;
            vec![upstream.clone(), server.clone(), suffix.clone(), outcome.clone(), verdict(*as_expected, None)]
        };
        lines.extend(report.linked.iter().map(line));
        columns(&mut out, &lines);
        out.push('\n');
    }
    if !report.host.is_empty() {
        out.push_str("this host\n");
        let mut lines = vec![["CHECK", "TARGET", "OVER", "OUTCOME", "AS EXPECTED"].map(str::to_owned).to_vec()];
        lines.extend(report.host.iter().map(|own| {
            let (transport, outcome) = (own.transport.clone(), own.outcome.clone());
            vec![own.what.to_owned(), own.target.clone(), transport, outcome, verdict(own.as_expected, None)]
        }));
        columns(&mut out, &lines);
        out.push('\n');
    }
    out.push_str("What DNS does not decide:\n");
    for line in report.beyond {
        let _ = writeln!(out, "  - {line}");
    }
    let count = |wanted| report.verdicts().filter(|verdict| *verdict == wanted).count();
    let (right, wrong, unknown) = (count(Some(true)), count(Some(false)), count(None));
    let _ = writeln!(
        out,
        "\n{right} as expected, {wrong} not, {unknown} not known. The built-in list is Microsoft's of {}.{}",
        report.list,
        if report.offline { " Nothing was sent (--offline)." } else { "" }
    );
    out
}

fn row_text(row: &Row) -> Vec<String> {
    let process = if row.who.is_empty() { row.process.clone() } else { format!("{} ({})", row.process, row.who) };
    let expected = Some(row.expected.word());
    let mut verdict = verdict(row.as_expected, expected);
    if let Some(note) = &row.note {
        let _ = write!(verdict, ": {note}");
    }
    vec![process, row.name.clone(), row.outcome.clone(), row.reach.word().to_owned(), verdict]
}

fn verdict(as_expected: Option<bool>, expected: Option<&str>) -> String {
    match (as_expected, expected) {
        (Some(true), _) => "yes".to_owned(),
        (Some(false), Some(expected)) => format!("NO, {expected} expected"),
        (Some(false), None) => "NO".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

/// Lines of cells, each column as wide as its widest cell.
fn columns(out: &mut String, lines: &[Vec<String>]) {
    let cells = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..cells).map(width).collect();
    for line in lines {
        let padded = line.iter().zip(&widths).fold(String::from("  "), |mut padded, (cell, width)| {
            let _ = write!(padded, "{cell:width$}  ");
            padded
        });
        let _ = writeln!(out, "{}", padded.trim_end());
    }
}
