//! The reload: load aside, swap whole, or change nothing (DESIGN.md section 9).

mod kept;
mod orders;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admin::{self, Addresses, BindError, InForce, Listening, Served, Status, Trigger};
use crate::config::{Config, Finding, Severity, render};
use crate::load::{self, Unreadable};
use crate::run::log_settings;
use crate::server::{self, Server};
use crate::view::{Change, Changes, Snapshot, SnapshotPlan, changes};
use kept::{Kept, Revision};

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
    },
    /// A new listener cannot be bound.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// A new HTTP listener cannot be bound.
    #[error(transparent)]
    Http(#[from] BindError),
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
}

/// Loads a configuration and builds its snapshot.
///
/// # Errors
/// When it cannot be served.
pub fn prepare(path: &Path, generation: u64) -> Result<Prepared, Refused> {
    let mut loaded = load::load(path)?;
    let revision = std::mem::take(&mut loaded.revision);
    let (config, mut plan, findings) =
        loaded.into_parts().map_err(|findings| Refused::Findings { path: path.to_path_buf(), findings })?;
    plan.generation = generation;
    Ok(Prepared { config, snapshot: Snapshot::build(plan.clone()), plan, findings, revision })
}

/// Where a configuration has HTTP served.
pub fn addresses(config: &Config) -> Addresses {
    Addresses { health: config.health, admin: config.admin }
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
}

impl Reloader {
    /// A server that serves `config`, the first generation, and is told so to `status`.
    pub fn new(
        path: PathBuf,
        server: Server,
        (http, status): (admin::Listeners, Arc<Status>),
        (config, plan): (Config, SnapshotPlan),
        (revision, findings): (String, &[Finding]),
    ) -> Self {
        let kept = Kept::new(Revision { config: config.clone(), plan, revision });
        let reloader = Self { path, server, http, status, config, generation: 1, kept };
        let server = &reloader.server;
        let served = Served { shared: Arc::clone(server.shared()), board: Arc::clone(server.board()) };
        let in_force = reloader.in_force();
        let outcome = told::outcome("start", &in_force, Ok((findings, None)));
        reloader.status.serves(served, in_force, outcome);
        reloader
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
        let reloaded = self.try_reload();
        let done = reloaded.is_ok();
        if !done {
            // Whoever moved the file relies on it.
            self.server.log().reopen();
        }
        self.note(trigger, &reloaded);
        self.log(trigger.word(), reloaded);
        done
    }

    fn note(&self, trigger: Trigger, reloaded: &Result<(Vec<Finding>, Changes), Refused>) {
        let loaded = reloaded.as_ref().map(|(findings, changes)| (findings.as_slice(), Some(changes)));
        let outcome = told::outcome(trigger.word(), &self.status.in_force.load(), loaded);
        self.status.reloads.note(trigger, Arc::new(outcome));
    }

    fn log(&self, trigger: &str, reloaded: Result<(Vec<Finding>, Changes), Refused>) {
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

    fn try_reload(&mut self) -> Result<(Vec<Finding>, Changes), Refused> {
        let Prepared { config, snapshot, plan, findings, revision } = prepare(&self.path, self.generation + 1)?;
        let kept = (config.workers, &config.cache) == (self.config.workers, &self.config.cache);
        if !kept {
            tracing::warn!("`workers` and [cache] take effect at the next start");
        }
        let overridden = self.kept.has_overrides().then(|| self.kept.build(&plan, self.generation + 1));
        let changes = self.serve(&config, overridden.unwrap_or(snapshot))?;
        self.kept.step(Revision { config, plan, revision });
        self.tell();
        Ok((findings, changes))
    }

    /// Serves by another snapshot, or changes nothing.
    fn serve(&mut self, config: &Config, snapshot: Snapshot) -> Result<Changes, Refused> {
        let changes = changes(&self.server.shared().snapshot.load(), &snapshot, 0);
        let http = self.http.prepare(addresses(config))?;
        self.server.replace(&config.listen, snapshot)?;
        self.server.set_log(&log_settings(&self.path, config));
        self.http.apply(http);
        self.generation += 1;
        self.config = config.clone();
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
