//! `hubdns serve`: runs the server until a signal ends it. Its log goes to standard output: text on a terminal, else
//! one JSON object a line. A thread of its own writes it: a reader that has stopped reading costs lines, counted and told,
//! never answers.

use std::io::{self, IsTerminal};
use std::path::Path;

use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_subscriber::EnvFilter;

use crate::config::render;
use crate::reload::Refused;
use crate::run;
use crate::socket;

use super::{Exit, complain, is_coloured};

/// What is logged: life cycle, changes and audit lines; of hickory, which tells of each query, only what is wrong. Its
/// network part warns of each connection that a server ends and each reply too many: what counts of that we tell.
const FILTER: &str = "info,hickory_server=warn,hickory_net=error,hickory_proto=warn,hickory_resolver=warn";

/// Lines that wait to be written; further ones are lost. About four mebibytes of the longest.
const MOST_LINES: usize = 8_192;

/// Serves by `config`.
pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    // Before there is a second thread: later ones start with what is left.
    let renounced = socket::renounce();
    let writer = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MOST_LINES).thread_name("log");
    // The guard writes what waits when it is dropped, within a second.
    let (writer, _guard) = writer.finish(io::stdout());
    let lost = writer.error_counter();
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(FILTER)).with_ansi(is_coloured(&io::stdout()));
    let log = log.with_writer(writer);
    if io::stdout().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
    if let Err(error) = renounced {
        tracing::warn!(%error, "capabilities cannot be given up");
    }
    match run::serve(config, || lost.dropped_lines() as u64) {
        Ok(()) => Ok(Exit::Fine),
        Err(run::Error::Refused(Refused::Findings { findings, .. })) => {
            complain(&render::text(&findings, is_coloured(&io::stderr())));
            Ok(Exit::Faulty)
        }
        Err(error) => Err(error.into()),
    }
}
