//! The writer: one thread that turns records into lines, writes them, and keeps the table of clients.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, park_timeout};
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

use super::clients::Clients;
use super::destination::{Destination, Written};
use super::line::{self, Anchor};
use super::record::Record;
use crate::metrics::Counters;

/// How long it sleeps where there is nothing to do, unless it is woken.
const NAP: Duration = Duration::from_millis(20);
/// Records of one ring before the others get their turn.
const TURN: usize = 256;

/// The writer's ends of a ring.
pub(super) struct RingEnds {
    pub(super) full: Receiver<Box<Record>>,
    pub(super) free: SyncSender<Box<Record>>,
    /// Those of the ring's tap, which counts what it could not leave.
    pub(super) counters: Arc<Counters>,
}

/// What it is told.
pub(super) enum Command {
    /// Write there from now on, opened anew; none: standard output.
    Open(Option<PathBuf>),
    /// Open the same file anew.
    Reopen,
    /// Write what there is, then end.
    End(Sender<()>),
}

pub(super) struct Writer {
    pub(super) rings: Vec<RingEnds>,
    pub(super) commands: Receiver<Command>,
    pub(super) clients: Arc<Mutex<Clients>>,
    pub(super) counters: Arc<Counters>,
    pub(super) destination: Destination,
}

/// How many lines are missing that no line tells of yet.
struct Gaps {
    /// Of each ring what was told.
    told: Vec<u64>,
    full: u64,
    unwritten: u64,
}

impl Writer {
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("query-log".to_owned()).spawn(move || self.run())
    }

    fn run(mut self) {
        let told = self.rings.iter().map(|ring| ring.counters.query_log_full.get()).collect();
        let mut gaps = Gaps { told, full: 0, unwritten: 0 };
        let mut lines = Vec::new();
        let mut ends: VecDeque<Sender<()>> = VecDeque::new();
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open(path)) => self.destination = Destination::new(path),
                Ok(Command::Reopen) => self.destination.close(),
                Ok(Command::End(done)) => ends.push_back(done),
                Err(TryRecvError::Empty) => {}
                // Whoever started it is gone.
                Err(TryRecvError::Disconnected) => return,
            }
            // Nothing is taken from the rings while the reader takes nothing: they are the bound.
            let found = lines.is_empty() && self.drain(&mut lines);
            self.tell_gaps(&mut gaps, &mut lines);
            let written = self.destination.write(&mut lines);
            if let Written::Lost(count) = written {
                gaps.unwritten += count;
                self.counters.query_log_unwritten.add(count);
            }
            if !found {
                if !ends.is_empty() && written != Written::Stuck {
                    for done in ends.drain(..) {
                        let _ = done.send(());
                    }
                    return;
                }
                park_timeout(NAP);
            }
        }
    }

    /// Takes what is in the rings, at most a turn each; whether there was anything.
    fn drain(&mut self, lines: &mut Vec<u8>) -> bool {
        let anchor = Anchor::now();
        let mut found = false;
        for ring in &self.rings {
            for record in ring.full.try_iter().take(TURN) {
                found = true;
                let begins = lines.len();
                match line::write(lines, &record, &anchor) {
                    Ok(gist) => {
                        if let (Some(client), Some(name)) = (gist.client, gist.name) {
                            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
                            clients.note(client, &name, gist.view, gist.endpoint, gist.at);
                        }
                    }
                    Err(_) => lines.truncate(begins),
                }
                // There is room for every record that exists.
                let _ = ring.free.try_send(record);
            }
        }
        found
    }

    /// Appends a line for what is missing, unless lines wait or are lost at present.
    fn tell_gaps(&self, gaps: &mut Gaps, lines: &mut Vec<u8>) {
        for (ring, told) in self.rings.iter().zip(&mut gaps.told) {
            let dropped = ring.counters.query_log_full.get();
            gaps.full += dropped.wrapping_sub(*told);
            *told = dropped;
        }
        if !self.destination.is_ready(Instant::now()) {
            return;
        }
        for (count, reason) in [(&mut gaps.full, "full"), (&mut gaps.unwritten, "write")] {
            if *count > 0 && line::write_gap(lines, SystemTime::now(), *count, reason).is_ok() {
                *count = 0;
            }
        }
    }
}
