//! The reload: load aside, swap whole, or change nothing (DESIGN.md section 9).

pub mod canary;
mod kept;
mod orders;
mod told;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::admin::{self, Addresses, BindError, InForce, Listening, Served, Status, Trigger};
use crate::background;
use crate::config::{Config, Finding, Severity, render};
use crate::load::{self, Sources, Unreadable};
use crate::run::log_settings;
use crate::server::{self, Server};
use crate::view::{Change, Changes, Snapshot, SnapshotPlan, changes};
use canary::Mismatch;
use kept::{Kept, Revision};
pub use watch::Changed;
use watch::Watch;

/// Lines about changed endpoints and zones that one reload writes at most; the last line has the count of all.
const MOST_LINES: usize = 200;

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The main file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The configuration has errors.
    #[error("{} has errors", path.display())]
    Findings {
        /// The main file.
        path: PathBuf,
        /// All that was found.
        findings: Vec<Finding>,
        /// What was read.
        sources: Sources,
    },
    /// A name would not have been answered as its data say.
    #[error("the canary found a fault of hubdns, not of the file: {0}")]
    Canary(#[from] Box<Mismatch>),
    /// A new listener cannot be bound.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// A new HTTP listener cannot be bound.
    #[error(transparent)]
    Http(#[from] BindError),
}

impl Refused {
    /// What was read of the configuration; none where it was all right.
    fn sources(&self) -> Option<Sources> {
        match self {
            Self::Unreadable(unreadable) => Some(Sources::missing(&unreadable.path)),
            Self::Findings { sources, .. } => Some(sources.clone()),
            Self::Canary(_) | Self::Server(_) | Self::Http(_) => None,
        }
    }
}

/// What a configuration comes to, ready to be served.
pub struct Prepared {
    /// The settings.
    pub config: Config,
    /// The data, and what they were built of.
    pub snapshot: Snapshot,
    /// See `snapshot`.
    pub plan: SnapshotPlan,
    /// Warnings and the like.
    pub findings: Vec<Finding>,
    /// A hash of all files that it was read from.
    pub revision: String,
    /// Those files.
    pub sources: Sources,
}

/// Loads a configuration and builds its snapshot.
///
/// # Errors
/// When it cannot be served.
pub fn prepare(path: &Path, generation: u64) -> Result<Prepared, Refused> {
    let mut loaded = load::load(path)?;
    let revision = std::mem::take(&mut loaded.revision);
    let sources = std::mem::take(&mut loaded.sources);
    let (config, mut plan, findings) = match loaded.into_parts() {
        Ok(parts) => parts,
        Err(findings) => return Err(Refused::Findings { path: path.to_path_buf(), findings, sources }),
    };
    plan.generation = generation;
    Ok(Prepared { config, snapshot: Snapshot::build(plan.clone()), plan, findings, revision, sources })
}

/// Where a configuration has HTTP served.
pub fn addresses(config: &Config) -> Addresses {
    Addresses { health: config.health, admin: config.admin }
}

/// What the first configuration was made of.
pub struct Loaded {
    /// The plan of its snapshot.
    pub plan: SnapshotPlan,
    /// See [`Prepared::revision`].
    pub revision: String,
    /// See [`Prepared::sources`].
    pub sources: Sources,
}

/// A running server and the file that it was started from.
pub struct Reloader {
    path: PathBuf,
    server: Server,
    http: admin::Listeners,
    status: Arc<Status>,
    config: Config,
    generation: u64,
    kept: Kept,
    /// What was read last, whatever came of it.
    sources: Arc<Sources>,
    /// The thread that looks at it, with `watch`.
    watch: Option<Watch>,
    changed: mpsc::Sender<()>,
}

/// What came of a try to serve another configuration.
type Reloaded = Result<(Vec<Finding>, Changes), Refused>;

impl Reloader {
    /// A server that serves `first`, the first generation, and is told so to `status`. Where the files of it are to be
    /// watched, what comes out of `changed` is for [`Reloader::files_changed`].
    pub fn new(
        path: PathBuf,
        server: Server,
        (http, status): (admin::Listeners, Arc<Status>),
        (config, first, findings): (Config, Loaded, &[Finding]),
    ) -> (Self, Changed) {
        let Loaded { plan, revision, sources } = first;
        let kept = Kept::new(Revision { config: config.clone(), plan, revision });
        let (changed, receiver) = mpsc::channel(1);
        let sources = Arc::new(sources);
        let mut reloader =
            Self { path, server, http, status, config, generation: 1, kept, sources, watch: None, changed };
        reloader.follow();
        let server = &reloader.server;
        let (shared, board) = (Arc::clone(server.shared()), Arc::clone(server.board()));
        let served = Served { shared, board, clients: server.log().clients() };
        let in_force = reloader.in_force();
        let outcome = told::outcome("start", &in_force, Ok((findings, None)));
        reloader.status.serves(served, in_force, outcome);
        (reloader, receiver)
    }

    /// What is told of the configuration that is served now.
    fn in_force(&self) -> InForce {
        let Addresses { health, admin } = self.http.addresses();
        let listening = Listening { dns: self.server.local_addresses(), health, admin };
        InForce {
            generation: self.generation,
            revision: self.kept.current.revision.clone(),
            listening,
            token: self.config.token.clone(),
            is_rolled_back: self.kept.is_rolled_back,
            overrides: self.kept.told(&self.server.shared().snapshot.load()),
        }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Gives the server and the HTTP listeners back, for their end.
    pub fn into_parts(self) -> (Server, admin::Listeners) {
        (self.server, self.http)
    }

    /// What is told of the process.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Frees snapshots that no worker holds any more.
    pub fn sweep(&mut self) {
        self.server.sweep();
    }

    /// Loads the file anew and serves by it. With an error everything is as before; either is one line in the log,
    /// and each finding one more.
    ///
    /// Returns whether the new configuration is served.
    pub fn reload(&mut self, trigger: Trigger) -> bool {
        let prepared = self.prepare();
        self.finish(trigger, prepared)
    }

    /// Files have changed. Reloads, unless they say what is served already; after a rollback they wait for a reload that
    /// somebody asks for.
    pub fn files_changed(&mut self) {
        if !self.config.watch {
            return;
        }
        if self.kept.is_rolled_back {
            tracing::warn!("files have changed; after a rollback they are not loaded until a reload is asked for");
            return;
        }
        let prepared = self.prepare();
        let in_force = &self.kept.current;
        let is_served = |new: &Prepared| (&new.revision, &new.config) == (&in_force.revision, &in_force.config);
        // One that repairs a reload that was refused is told.
        let stands = self.status.reloads.last().is_none_or(|last| last.done);
        if !(stands && prepared.as_ref().is_ok_and(is_served)) {
            self.finish(Trigger::Watch, prepared);
        }
    }

    /// Loads the file and builds its snapshot.
    fn prepare(&mut self) -> Result<Prepared, Refused> {
        let prepared = background::run(|| prepare(&self.path, self.generation + 1));
        let sources = match &prepared {
            Ok(prepared) => Some(prepared.sources.clone()),
            Err(refused) => refused.sources(),
        };
        self.sources = sources.map_or_else(|| Arc::clone(&self.sources), Arc::new);
        prepared
    }

    /// Has the files that were read last watched, where that is asked for.
    fn follow(&mut self) {
        let sources = Arc::clone(&self.sources);
        match &self.watch {
            Some(watch) if self.config.watch => watch.follow(sources),
            None if self.config.watch => match Watch::start(sources, self.changed.clone()) {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => tracing::error!(%error, "files cannot be watched; SIGHUP reloads"),
            },
            _ => self.watch = None,
        }
    }

    /// Serves what was loaded, or changes nothing, and tells of it.
    fn finish(&mut self, trigger: Trigger, prepared: Result<Prepared, Refused>) -> bool {
        let reloaded = prepared.and_then(|prepared| self.try_serve(prepared));
        let done = reloaded.is_ok();
        if done {
            self.tell();
        } else {
            self.follow();
            // Whoever moved the file relies on it.
            self.server.log().reopen();
        }
        self.note(trigger, &reloaded);
        self.log(trigger.word(), reloaded);
        done
    }

    fn note(&self, trigger: Trigger, reloaded: &Reloaded) {
        let loaded = reloaded.as_ref().map(|(findings, changes)| (findings.as_slice(), Some(changes)));
        let outcome = told::outcome(trigger.word(), &self.status.in_force.load(), loaded);
        self.status.reloads.note(trigger, Arc::new(outcome));
    }

    fn log(&self, trigger: &str, reloaded: Reloaded) {
        match reloaded {
            Ok((findings, changes)) => {
                log_findings(&findings);
                changes.resources().take(MOST_LINES).for_each(log_change);
                let changes = changes.resources().count();
                let revision = self.status.in_force.load().revision.clone();
                let (generation, views) = (self.generation, self.views());
                tracing::info!(generation, revision, trigger, views, changes, "reloaded");
            }
            Err(refused) => {
                if let Refused::Findings { findings, .. } = &refused {
                    log_findings(findings);
                }
                tracing::error!(error = %refused, generation = self.generation, trigger, "reload refused");
            }
        }
    }

    fn try_serve(&mut self, prepared: Prepared) -> Reloaded {
        let Prepared { config, snapshot, plan, findings, revision, sources: _ } = prepared;
        let kept = (config.workers, &config.cache) == (self.config.workers, &self.config.cache);
        if !kept {
            tracing::warn!("`workers` and [cache] take effect at the next start");
        }
        let (kept, generation, listen) = (&self.kept, self.generation + 1, &config.listen);
        let (snapshot, asked) = background::run(|| {
            let overridden = kept.has_overrides().then(|| kept.build(&plan, generation));
            let snapshot = overridden.unwrap_or(snapshot);
            let asked = canary::check(&snapshot, listen)?;
            Ok::<_, Box<Mismatch>>((snapshot, asked))
        })?;
        tracing::debug!(asked, "the canary has its answers");
        let changes = self.serve(&config, snapshot)?;
        background::discard(self.kept.step(Revision { config, plan, revision }));
        Ok((findings, changes))
    }

    /// Serves by another snapshot, or changes nothing.
    fn serve(&mut self, config: &Config, snapshot: Snapshot) -> Result<Changes, Refused> {
        let before = self.server.shared().snapshot.load_full();
        let changes = background::run(|| changes(&before, &snapshot, 0));
        drop(before);
        let http = self.http.prepare(addresses(config))?;
        self.server.replace(&config.listen, snapshot)?;
        self.server.set_log(&log_settings(&self.path, config));
        self.http.apply(http);
        self.generation += 1;
        self.config = config.clone();
        self.follow();
        Ok(changes)
    }

    /// Tells what is in force now.
    fn tell(&self) {
        self.status.in_force.store(Arc::new(self.in_force()));
    }

    fn views(&self) -> usize {
        self.server.shared().snapshot.load().views.len()
    }
}

/// One line a change; what stops discovery is a warning.
fn log_change(change: &Change) {
    let resource = &**change.resource.name();
    if change.discovery_stops {
        tracing::warn!(action = "change", view = &*change.view, resource, "{change}");
    } else {
        tracing::info!(action = "change", view = &*change.view, resource, "{change}");
    }
}

/// One line a finding, at the level of its severity.
pub fn log_findings(findings: &[Finding]) {
    for finding in findings {
        let line = render::line(finding);
        match finding.severity {
            Severity::Error => tracing::error!("{line}"),
            Severity::Warning => tracing::warn!("{line}"),
            Severity::Info => tracing::info!("{line}"),
        }
    }
}
