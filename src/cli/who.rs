//! `hubdns who`: the clients that asked, by a written query log; `ctl who` by what a running server knows.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::log_lines::{Fields, each_line};
use super::{Exit, print, print_json};
use crate::config::value;
use crate::query_log::{ClientRow, Sums, Wanted, timestamp};
use crate::wire::{Name, WireName};

/// What `who` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The query log; `-` is standard input
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    #[command(flatten)]
    filter: Filter,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose queries are meant.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Who asked for this name
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<Name>,
    /// Who asked for names of this endpoint
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Who asked in this view
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// Who asked in the last so much time: 2h, 15m, 1d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
}

impl Filter {
    /// As the parameters of a call of the API.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { name, endpoint, view, since } = self;
        let name = name.as_ref().map(|name| ("name", name.to_string()));
        let since = since.map(|since| ("since", format!("{}ms", since.as_millis())));
        let words = [("endpoint", endpoint), ("view", view)].into_iter();
        let words = words.filter_map(|(key, word)| Some((key, word.clone()?)));
        name.into_iter().chain(words).chain(since).collect()
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::from_presentation(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    value::duration(text).map_err(|fault| fault.message)
}

/// What came of a log.
#[derive(Debug, Default)]
struct Found {
    /// Queries that are meant.
    queries: u64,
    /// Lines without a client or a name.
    skipped: u64,
    /// Lines that the log itself misses.
    missing: u64,
    sums: Sums,
}

/// Reads a log.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { log, filter: Filter { name, endpoint, view, since }, json } = arguments;
    let since = since.and_then(|since| SystemTime::now().checked_sub(since));
    let wanted = Wanted {
        name: name.as_ref().map(|name| name.as_ref().to_wire()),
        endpoint: endpoint.clone(),
        view: view.clone(),
        since,
    };
    let mut found = Found::default();
    each_line(log, |fields| found.line(fields.as_ref(), &wanted))?;
    let Found { queries, skipped, missing, sums } = found;
    let rows = sums.rows();
    if *json {
        let value = json!({ "schema": 1, "queries": queries, "skipped": skipped, "missing": missing, "clients": rows });
        print_json(&value)?;
    } else {
        print(&text(&rows, queries, skipped, missing))?;
    }
    Ok(Exit::Fine)
}

impl Found {
    fn line(&mut self, fields: Option<&Fields>, wanted: &Wanted) {
        let text = |key: &str| fields.and_then(|fields| fields.get(key)).map(String::as_str);
        let at = text("@timestamp").and_then(time_of);
        if let (Some("gap"), Some(at)) = (text("event.action"), at) {
            let is_meant = wanted.since.is_none_or(|since| at >= since);
            let dropped = text("hubdns.dropped").and_then(|text| text.parse::<u64>().ok()).filter(|_| is_meant);
            self.missing += dropped.unwrap_or(0);
            return;
        }
        let name = text("dns.question.name").and_then(|text| WireName::from_presentation(text).ok());
        let client = text("source.ip").and_then(|text| text.parse::<IpAddr>().ok());
        let (Some(at), Some(name), Some(client)) = (at, name, client) else {
            self.skipped += 1;
            return;
        };
        let [endpoint, view] = ["hubdns.endpoint", "hubdns.view"].map(|key| text(key).unwrap_or_default());
        if wanted.fits(name.octets(), endpoint, view, at) {
            self.queries += 1;
            self.sums.add(client, view, 1, (at, at));
        }
    }
}

fn time_of(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

fn text(rows: &[ClientRow], queries: u64, skipped: u64, missing: u64) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{queries} queries of {} clients; {skipped} lines without a client or a name", rows.len());
    if missing > 0 {
        let _ = writeln!(out, "{missing} lines are missing: the log could not be written as fast");
    }
    let rows: Vec<[String; 5]> = rows.iter().map(cells).collect();
    out + &table(&rows)
}

fn cells(row: &ClientRow) -> [String; 5] {
    let ClientRow { client, view, count, first, last } = row;
    [client.to_string(), view.clone(), count.to_string(), timestamp(*first), timestamp(*last)]
}

/// A line for each: client, view, count, first and last time. They come from elsewhere: nothing of them may disturb a
/// terminal.
pub(super) fn table(rows: &[[String; 5]]) -> String {
    let plain = |text: &String| -> String { text.chars().flat_map(crate::zone::printable).collect() };
    let rows: Vec<[String; 5]> = rows.iter().map(|row| row.each_ref().map(plain)).collect();
    let view_of = |view: &str| if view.is_empty() { "no view".to_owned() } else { view.to_owned() };
    let client_width = rows.iter().map(|[client, ..]| client.len()).max().unwrap_or(0);
    let view_width = rows.iter().map(|[_, view, ..]| view_of(view).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for [client, view, count, first, last] in rows {
        let view = view_of(&view);
        let _ = writeln!(out, "  {client:client_width$}  {view:view_width$}  {count:>6}  {first}  {last}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::log_lines::fields;
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        assert_eq!(time_of(&timestamp(at)), Some(at));
        assert_eq!(time_of("yesterday"), None);
    }

    #[test]
    fn lines_are_added_up_by_client_and_what_is_none_is_counted() {
        let mut found = Found::default();
        let line = |client: &str, name: &str, endpoint: &str| {
            format!(
                r#"{{"@timestamp":"2026-01-02T03:04:05.000006Z","source.ip":"{client}","dns.question.name":"{name}","hubdns.view":"spokes","hubdns.endpoint":"{endpoint}"}}"#
            )
        };
        let wanted = Wanted { endpoint: Some("hp".to_owned()), ..Wanted::default() };
        for line in [
            line("10.0.0.1", "a.example", "hp"),
            line("10.0.0.1", "b.example", "hp"),
            line("10.0.0.2", "a.example", "ws"),
            line("10.0.0.2", "a..example", "hp"),
            r#"{"@timestamp":"2026-01-02T03:04:05Z","event.action":"gap","hubdns.dropped":7,"hubdns.reason":"full"}"#
                .to_owned(),
            r#"{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","message":"ready"}"#.to_owned(),
        ] {
            found.line(fields(line.as_bytes()).as_ref(), &wanted);
        }
        found.line(None, &wanted);
        assert_eq!((found.queries, found.skipped, found.missing), (2, 3, 7));
        let rows = found.sums.rows();
        assert_eq!(
            rows.iter().map(|row| (row.client.to_string(), row.count)).collect::<Vec<_>>(),
            [("10.0.0.1".to_owned(), 2)]
        );
    }
}
