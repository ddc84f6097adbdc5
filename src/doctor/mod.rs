//! The doctor: whether each view's clients get what they are meant to get.
//!
//! What AVD's clients, session hosts, web client and sign-in need is asked as each view through the path that serves,
//! with real exchanges where a name is forwarded, and judged by the view's `private`. Upstreams are asked for a random
//! name below the private-link suffixes, which betrays zones that are linked to their network. Nothing but the
//! configuration's upstreams is asked; offline nothing is.

mod host;
mod judge;
mod linked;
mod questions;
mod text;

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

pub use host::Check;
pub use judge::{Expected, Reach, Row};
pub use linked::Linked;
pub use text::text;

use crate::asker::Asker;
use crate::azure::needs;
use crate::azure::session::HostName;
use crate::config::Config;
use crate::explain::{Explained, Question, listener, offline};
use crate::resolve::Transport;
use crate::server;
use crate::view::{Snapshot, SnapshotPlan};

/// Room for what several views ask alike, in octets.
const CACHE: u64 = 16 << 20;
/// Rows of one view; `all` lifts it.
const ROWS: usize = 300;

/// What to examine.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// One view alone.
    pub view: Option<String>,
    /// Nothing is sent.
    pub offline: bool,
    /// Every name of every endpoint, however many.
    pub all: bool,
    /// Upstreams, ports and addresses of this host too.
    pub host: bool,
    /// Names out of files, with the file.
    pub files: Vec<(String, Vec<HostName>)>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No view has that name.
    #[error("no view is called {name:?}; the views are {}", views.join(", "))]
    NoView {
        /// The name.
        name: String,
        /// Those that there are.
        views: Vec<String>,
    },
    /// Nothing can be asked.
    #[error("cannot ask: {0}")]
    Server(#[from] server::Error),
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of this structure in JSON.
    pub schema: u8,
    /// Whether nothing was sent.
    pub offline: bool,
    /// The month of the built-in list.
    pub list: &'static str,
    /// Names, by view.
    pub rows: Vec<Row>,
    /// Names that were left out, since a view has too many.
    pub left_out: usize,
    /// Views that no client has, since others take all of their clients.
    pub unreachable: Vec<String>,
    /// Zones linked to the networks of upstreams.
    pub linked: Vec<Linked>,
    /// This host.
    pub host: Vec<Check>,
    /// What DNS cannot decide.
    pub beyond: &'static [&'static str],
}

impl Report {
    /// Whether nothing is other than expected.
    pub fn is_as_expected(&self) -> bool {
        self.verdicts().all(|verdict| verdict != Some(false))
    }

    /// As expected, or not, or not known, of everything.
    fn verdicts(&self) -> impl Iterator<Item = Option<bool>> + '_ {
        let rows = self.rows.iter().map(|row| row.as_expected);
        let linked = self.linked.iter().map(|linked| linked.as_expected);
        rows.chain(linked).chain(self.host.iter().map(|check| check.as_expected))
    }
}

/// Examines a configuration.
///
/// # Errors
/// A view that is not there, or threads that cannot be had.
pub fn examine(plan: SnapshotPlan, config: &Config, options: &Options) -> Result<Report, Error> {
    if let Some(name) = options.view.clone().filter(|name| plan.views.iter().all(|view| *view.name != **name)) {
        let views = plan.views.iter().map(|view| view.name.to_string()).collect();
        return Err(Error::NoView { name, views });
    }
    let means = if options.offline {
        Means::Offline(Box::new(Snapshot::build(plan)))
    } else {
        Means::Asker(Box::new(Asker::start(plan, CACHE)?))
    };
    let snapshot = means.snapshot();
    let mut report = Report {
        schema: 1,
        offline: options.offline,
        list: needs::DATED,
        rows: Vec::new(),
        left_out: 0,
        unreachable: Vec::new(),
        linked: Vec::new(),
        host: Vec::new(),
        beyond: text::BEYOND,
    };
    let shown = |name: &str| options.view.as_deref().is_none_or(|only| only == name);
    for (index, view) in snapshot.views.iter().enumerate().filter(|(_, view)| shown(&view.name)) {
        let Some(client) = snapshot.client_of(index, |client| listener(&config.listen, client)) else {
            report.unreachable.push(view.name.to_string());
            continue;
        };
        let mut subjects = questions::of_view(snapshot, view, options);
        let most = if options.all { usize::MAX } else { ROWS };
        report.left_out += subjects.len().saturating_sub(most);
        subjects.truncate(most);
        let explained = means.explain(&subjects, client);
        let rows = subjects.iter().zip(explained);
        report.rows.extend(rows.map(|(subject, explained)| judge::judge(snapshot, view, subject, &explained)));
    }
    if !options.offline {
        let views = snapshot.views.iter().filter(|view| shown(&view.name));
        report.linked = linked::check(snapshot, views);
    }
    if options.host {
        report.host = host::check(snapshot, config, options.offline);
    }
    Ok(report)
}

/// How questions are explained.
enum Means {
    /// By the data alone.
    Offline(Box<Snapshot>),
    /// With exchanges.
    Asker(Box<Asker>),
}

impl Means {
    fn snapshot(&self) -> &Snapshot {
        match self {
            Self::Offline(snapshot) => snapshot,
            Self::Asker(asker) => asker.snapshot(),
        }
    }

    /// An explanation for each subject as a client of its view. What is not to be sent is explained by the data.
    fn explain(&self, subjects: &[questions::Subject], (client, local): (IpAddr, SocketAddr)) -> Vec<Explained> {
        let question =
            |subject: &questions::Subject| Question { client, local, name: subject.name, qtype: subject.qtype };
        let mut asked = match self {
            Self::Offline(_) => Vec::new(),
            Self::Asker(asker) => {
                let sent: Vec<Question> = subjects.iter().filter(|own| own.is_sent).map(question).collect();
                asker.ask_all(&sent, Transport::Stream)
            }
        }
        .into_iter();
        let explain = |subject: &questions::Subject| {
            let own = if subject.is_sent { asked.next() } else { None };
            own.unwrap_or_else(|| offline(self.snapshot(), &question(subject)))
        };
        subjects.iter().map(explain).collect()
    }
}
