//! Explanations with the exchanges done: a server without listeners answers single questions, for `explain --ask` and
//! `doctor`. It is the server's own path, upstreams, guard and all.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinSet};

use crate::cache::Limits;
use crate::explain::{self, Explained, Noted, Question};
use crate::resolve::Transport;
use crate::server::{Error, Server, Settings};
use crate::view::{Snapshot, SnapshotPlan};

/// Questions that are open at once: far below what any upstream's cap lets through.
const AT_ONCE: usize = 16;

/// Asks. Its threads end when it is dropped.
pub struct Asker {
    runtime: Runtime,
    server: Option<Server>,
    snapshot: Arc<Snapshot>,
}

impl Asker {
    /// A server over a plan, with a cache of so many octets. Nothing is kept warm: beside what is asked only the mark is
    /// sent by which a server finds loops of forwarders.
    ///
    /// # Errors
    /// When threads cannot be had.
    pub fn start(mut plan: SnapshotPlan, cache_octets: u64) -> Result<Self, Error> {
        plan.generation = 1;
        plan.views.iter_mut().for_each(|view| Arc::make_mut(view).keep_warm.clear());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Error::Worker)?;
        let settings = Settings { listen: Vec::new(), workers: 1, cache_octets, limits: Limits::default() };
        let server = Server::start(&settings, Snapshot::build(plan), runtime.handle().clone())?;
        let snapshot = server.shared().snapshot.load_full();
        Ok(Self { runtime, server: Some(server), snapshot })
    }

    /// The snapshot that is asked.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Asks one question as a client over UDP.
    pub fn ask(&self, question: &Question) -> Explained {
        let mut explained = self.ask_all(std::slice::from_ref(question), Transport::Udp);
        explained.pop().unwrap_or_else(|| unanswered(question))
    }

    /// Asks many, a bounded number at once; there is an explanation for each, in order. Over a stream no reply is cut.
    pub fn ask_all(&self, questions: &[Question], transport: Transport) -> Vec<Explained> {
        let mut found: Vec<Explained> = questions.iter().map(unanswered).collect();
        let Some(shared) = self.server.as_ref().map(Server::shared) else { return found };
        let mut put = |done: Option<Result<(usize, Explained), JoinError>>| {
            if let Some(Ok((index, explained))) = done
                && let Some(place) = found.get_mut(index)
            {
                *place = explained;
            }
        };
        self.runtime.block_on(async {
            let mut open = JoinSet::new();
            for (index, question) in questions.iter().copied().enumerate() {
                if open.len() >= AT_ONCE {
                    put(open.join_next().await);
                }
                let shared = Arc::clone(shared);
                open.spawn(async move { (index, explain::ask(&shared, question, transport).await) });
            }
            while !open.is_empty() {
                put(open.join_next().await);
            }
        });
        found
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop(Duration::ZERO));
        }
    }
}

fn unanswered(question: &Question) -> Explained {
    Explained::new(question, Noted::default(), &[])
}
