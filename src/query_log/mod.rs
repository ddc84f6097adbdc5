//! The query log: a line for each query that the configuration wants one of.
//!
//! Whoever answers has a [`Tap`] with a ring of records. A record is filled when a reply leaves; one thread turns
//! records into JSON lines and writes them. A ring that is full, or a destination that takes nothing, loses lines,
//! counted and told by a line of their own; it never holds an answer up. Where nothing is logged a query pays for
//! looking at one flag.

mod clients;
mod destination;
mod draft;
mod line;
mod record;
mod tap;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::{ClientDetail, LogSpec, QueryLevel};
use crate::metrics::{Board, Counters};
use crate::view::Snapshot;
pub use clients::{ClientRow, Clients, MAX_ENTRIES, Sums, Wanted};
use destination::Destination;
pub use draft::{Draft, Notes};
pub use line::timestamp;
pub use record::Action;
use record::Record;
use tap::{Ends, Switch};
pub use tap::{Left, Tap};
use writer::{Command, RingEnds, Writer};

/// Records of one ring: about two mebibytes.
const RECORDS: usize = 1_024;

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which queries, in views that do not say.
    pub queries: QueryLevel,
    /// Of how many one where they are sampled.
    pub sample: u32,
    /// How much of clients' addresses, in views that do not say.
    pub clients: ClientDetail,
    /// The file; none: standard output.
    pub file: Option<PathBuf>,
}

impl Settings {
    /// Those of a configuration whose file lies in `folder`.
    pub fn new(spec: &LogSpec, folder: &Path) -> Self {
        let LogSpec { queries, sample, clients, file } = spec;
        let file = file.as_ref().map(|file| folder.join(file));
        Self { queries: *queries, sample: *sample, clients: *clients, file }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { queries: QueryLevel::Off, sample: 1, clients: ClientDetail::None, file: None }
    }
}

/// The log of a server.
pub struct QueryLog {
    switch: Arc<Switch>,
    board: Arc<Board>,
    clients: Arc<Mutex<Clients>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The counters of each tap.
    taps: Vec<Arc<Counters>>,
    /// The writer, once something was logged.
    commands: Option<Sender<Command>>,
}

impl QueryLog {
    /// A log that is off. What its writer loses is counted on `board`.
    pub fn new(board: &Arc<Board>) -> Self {
        Self { switch: Arc::default(), board: Arc::clone(board), clients: Arc::default(), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tap whose losses are counted in `counters`. All are made before the log is turned on first.
    pub fn tap(&self, counters: &Arc<Counters>) -> Tap {
        let mut state = self.state();
        state.taps.push(Arc::clone(counters));
        Tap::new(&self.switch, state.taps.len() - 1, Arc::clone(counters))
    }

    /// Logs by these settings from now on, in a file that is opened anew. `snapshot` is what is served.
    ///
    /// # Errors
    /// When the writer's thread cannot be had; then nothing is logged.
    pub fn apply(&self, settings: &Settings, snapshot: &Snapshot) -> io::Result<()> {
        let by_view = snapshot.views.iter().filter_map(|view| view.log_queries);
        let on = [settings.queries].into_iter().chain(by_view).any(|level| level != QueryLevel::Off);
        let mut state = self.state();
        if !on {
            self.switch.on.store(false, Relaxed);
            return Ok(());
        }
        self.switch.set(settings.queries, settings.clients, settings.sample);
        match &state.commands {
            Some(commands) => drop(commands.send(Command::Open(settings.file.clone()))),
            None => state.commands = Some(self.start(&state.taps, settings.file.clone())?),
        }
        self.wake();
        self.switch.on.store(true, Relaxed);
        Ok(())
    }

    fn start(&self, taps: &[Arc<Counters>], file: Option<PathBuf>) -> io::Result<Sender<Command>> {
        let (mut ends, mut rings) = (Vec::new(), Vec::new());
        for counters in taps {
            let ((to_free, free), (full, from_full)) = (sync_channel(RECORDS), sync_channel(RECORDS));
            for _ in 0..RECORDS {
                let _ = to_free.try_send(Box::new(Record::empty()));
            }
            ends.push(Some(Ends { free, full }));
            rings.push(RingEnds { full: from_full, free: to_free, counters: Arc::clone(counters) });
        }
        let (commands, received) = channel();
        let writer = Writer {
            rings,
            commands: received,
            clients: Arc::clone(&self.clients),
            counters: self.board.streams().0,
            destination: Destination::new(file),
        };
        let thread = writer.start()?;
        let _ = self.switch.writer.set(thread.thread().clone());
        *self.switch.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        Ok(commands)
    }

    fn wake(&self) {
        if let Some(writer) = self.switch.writer.get() {
            writer.unpark();
        }
    }

    /// Has the file opened anew: it was moved.
    pub fn reopen(&self) {
        if let Some(commands) = &self.state().commands {
            let _ = commands.send(Command::Reopen);
        }
        self.wake();
    }

    /// Writes what has been logged, within `patience`, and ends the writer.
    pub fn stop(&self, patience: Duration) {
        self.switch.on.store(false, Relaxed);
        let Some(commands) = self.state().commands.take() else { return };
        let (done, ended) = channel();
        let _ = commands.send(Command::End(done));
        self.wake();
        let _ = ended.recv_timeout(patience);
    }

    /// Who asked lately.
    pub fn clients(&self) -> Arc<Mutex<Clients>> {
        Arc::clone(&self.clients)
    }
}
