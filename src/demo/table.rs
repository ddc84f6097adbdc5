//! The table: who asked what, what came, and whether that is right.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::stand_in::public_address;
use crate::view::{Snapshot, View};
use crate::wire::Name;
use crate::zone::avd::Kind;
use crate::zone::{EndpointRecord, State};

/// A public name that every desktop needs and that is none of AVD's.
const PUBLIC_NAME: &str = "login.microsoftonline.com";

/// Where an answer leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// To the view's private endpoint.
    Private,
    /// To what the public DNS says.
    Public,
    /// To neither.
    Neither,
}

impl Reach {
    fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Neither => "neither",
        }
    }
}

/// What the clients of every view ask.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The endpoint kind that the name belongs to; none for a name that is none of AVD's.
    kind: Option<Kind>,
    /// The name.
    pub(super) name: String,
}

/// One name of each AVD process, and a public one.
pub(super) fn questions(snapshot: &Snapshot) -> Vec<Question> {
    let mut questions = Vec::new();
    for kind in [Kind::Global, Kind::Workspace, Kind::HostPool] {
        let endpoints = snapshot.views.iter().flat_map(|view| &view.endpoints).filter(|endpoint| endpoint.kind == kind);
        let names = endpoints.flat_map(|endpoint| &endpoint.records).filter(|record| !record.wildcard);
        // The shortest is the one that people know.
        let name = names.filter_map(|record| record.names.first()).map(ToString::to_string).min_by_key(String::len);
        questions.extend(name.map(|name| Question { kind: Some(kind), name }));
    }
    questions.push(Question { kind: None, name: PUBLIC_NAME.to_owned() });
    questions
}

/// A client of a view: the first host of its first loopback network.
pub(super) fn client_of(view: &View) -> Option<IpAddr> {
    view.networks.iter().filter_map(|network| network.hosts().next()).find(IpAddr::is_loopback)
}

/// One question of one client.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The view.
    pub view: String,
    /// The client's address.
    pub client: IpAddr,
    /// The AVD process, or what else the name is for.
    pub process: &'static str,
    /// The name.
    pub name: String,
    /// The addresses that came.
    pub answer: Vec<IpAddr>,
    /// Why none came.
    pub failure: Option<String>,
    /// Where they lead.
    pub reach: Reach,
    /// Where they should.
    pub expected: Reach,
    /// Whether this question made the stand-in be asked.
    pub upstream: bool,
    /// Whether addresses, reach and the stand-in's count are right.
    pub as_expected: bool,
}

impl Row {
    /// A row of what came; `counted` is the stand-in's count for the name before and after the question.
    pub(super) fn new(
        view: &View,
        client: IpAddr,
        question: &Question,
        answer: Result<Vec<IpAddr>, String>,
        counted: Range<usize>,
    ) -> Self {
        let held = held(view, &question.name);
        let public = vec![IpAddr::V4(public_address(&question.name))];
        let (answer, failure) = match answer {
            Ok(addresses) => (addresses, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let reach = match &answer {
            addresses if Some(addresses) == held.as_ref() => Reach::Private,
            addresses if *addresses == public => Reach::Public,
            _ => Reach::Neither,
        };
        // The operator's intent, not the data: a kind in `private` must answer privately, any other publicly.
        let private = question.kind.is_some_and(|kind| view.private.contains(&kind));
        let expected = if private { Reach::Private } else { Reach::Public };
        // A forwarded name is asked once for all views (R3), an owned one never.
        let counts = if private { counted.start == counted.end } else { counted.end == 1 };
        Self {
            view: view.name.to_string(),
            client,
            process: question.kind.map_or("sign-in, not AVD", Kind::process),
            name: question.name.clone(),
            as_expected: reach == expected && counts,
            answer,
            failure,
            reach,
            expected,
            upstream: counted.end > counted.start,
        }
    }

    fn answer_text(&self) -> String {
        let addresses: Vec<String> = self.answer.iter().map(ToString::to_string).collect();
        self.failure.clone().unwrap_or_else(|| addresses.join(" "))
    }
}

/// The addresses that a view's endpoints hold for a name.
fn held(view: &View, name: &str) -> Option<Vec<IpAddr>> {
    let name = Name::from_presentation(name).ok()?;
    let endpoints = view.endpoints.iter().filter(|endpoint| endpoint.state == State::Private);
    let mut records = endpoints.flat_map(|endpoint| &endpoint.records).filter(|record| !record.wildcard);
    records.find(|record| record.names.contains(&name)).map(|record| EndpointRecord::addresses(record).collect())
}

/// All rows.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Version of this structure in JSON.
    pub schema: u8,
    /// The rows, by view.
    pub rows: Vec<Row>,
    /// Queries that the stand-in had in all.
    pub upstream_queries: usize,
    /// Names that it should have been asked, each once.
    pub upstream_expected: usize,
    /// From the process's start to the first answer, in milliseconds.
    pub first_answer_ms: u64,
}

impl Table {
    /// Puts the rows together.
    pub(super) fn new(rows: Vec<Row>, upstream_queries: usize, first_answer: Duration) -> Self {
        let mut forwarded: Vec<&str> =
            rows.iter().filter(|row| row.expected == Reach::Public).map(|row| &*row.name).collect();
        forwarded.sort_unstable();
        forwarded.dedup();
        let upstream_expected = forwarded.len();
        let first_answer_ms = u64::try_from(first_answer.as_millis()).unwrap_or(u64::MAX);
        Self { schema: 1, rows, upstream_queries, upstream_expected, first_answer_ms }
    }

    /// Whether every row is right, and the stand-in had exactly the queries that the forwarded rows make.
    pub fn is_as_expected(&self) -> bool {
        !self.rows.is_empty()
            && self.rows.iter().all(|row| row.as_expected)
            && self.upstream_queries == self.upstream_expected
    }

    /// The table for people, with a final newline.
    pub fn text(&self) -> String {
        const HEAD: [&str; 7] = ["VIEW", "PROCESS", "NAME", "ANSWER", "LEADS", "UPSTREAM", "AS EXPECTED"];
        let mut lines = vec![HEAD.map(str::to_owned)];
        for row in &self.rows {
            let expected = match row.as_expected {
                true => "yes".to_owned(),
                false => format!("NO, {} expected", row.expected.word()),
            };
            let upstream = match (row.upstream, row.expected) {
                (true, _) => "asked",
                (false, Reach::Public) if row.reach == Reach::Public => "cached",
                (false, _) => "-",
            };
            lines.push([
                row.view.clone(),
                row.process.to_owned(),
                row.name.clone(),
                row.answer_text(),
                row.reach.word().to_owned(),
                upstream.to_owned(),
                expected,
            ]);
        }
        let width =
            |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for line in &lines {
            let padded = line.iter().zip(&widths).fold(String::new(), |mut padded, (cell, width)| {
                let _ = write!(padded, "{cell:width$}  ");
                padded
            });
            let _ = writeln!(out, "{}", padded.trim_end());
        }
        let verdict = if self.upstream_queries == self.upstream_expected { "as expected" } else { "NOT as expected" };
        let _ = writeln!(
            out,
            "\nThe stand-in had {} queries for {} forwarded names: {verdict}. First answer after {} ms.",
            self.upstream_queries, self.upstream_expected, self.first_answer_ms
        );
        out
    }
}
