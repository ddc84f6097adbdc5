//! The reload: load aside, swap whole, or change nothing (DESIGN.md section 9).

use std::path::{Path, PathBuf};

use crate::config::{Config, Finding, Severity, render};
use crate::load::{self, Unreadable};
use crate::server::{self, Server};
use crate::view::{Change, Changes, Snapshot, changes};

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
}

/// Loads a configuration and builds its snapshot.
///
/// # Errors
/// When it cannot be served.
pub fn prepare(path: &Path, generation: u64) -> Result<(Config, Snapshot, Vec<Finding>), Refused> {
    let (config, mut plan, findings) =
        load::load(path)?.into_parts().map_err(|findings| Refused::Findings { path: path.to_path_buf(), findings })?;
    plan.generation = generation;
    Ok((config, Snapshot::build(plan), findings))
}

/// A running server and the file that it was started from.
pub struct Reloader {
    path: PathBuf,
    server: Server,
    config: Config,
    generation: u64,
}

impl Reloader {
    /// A server that serves `config`, the first generation.
    pub fn new(path: PathBuf, server: Server, config: Config) -> Self {
        Self { path, server, config, generation: 1 }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Gives the server back, for its end.
    pub fn into_server(self) -> Server {
        self.server
    }

    /// Frees snapshots that no worker holds any more.
    pub fn sweep(&mut self) {
        self.server.sweep();
    }

    /// Loads the file anew and serves by it. With an error everything is as before; either is one line in the log,
    /// and each finding one more.
    ///
    /// Returns whether the new configuration is served.
    pub fn reload(&mut self) -> bool {
        match self.try_reload() {
            Ok((findings, changes)) => {
                log_findings(&findings);
                changes.resources().take(MOST_LINES).for_each(log_change);
                let changes = changes.resources().count();
                tracing::info!(generation = self.generation, views = self.views(), changes, "reloaded");
                true
            }
            Err(refused) => {
                if let Refused::Findings { findings, .. } = &refused {
                    log_findings(findings);
                }
                tracing::error!(error = %refused, generation = self.generation, "reload refused");
                false
            }
        }
    }

    fn try_reload(&mut self) -> Result<(Vec<Finding>, Changes), Refused> {
        let (config, snapshot, findings) = prepare(&self.path, self.generation + 1)?;
        let kept = (config.workers, &config.cache) == (self.config.workers, &self.config.cache);
        if !kept {
            tracing::warn!("`workers` and [cache] take effect at the next start");
        }
        let changes = changes(&self.server.shared().snapshot.load(), &snapshot, 0);
        self.server.replace(&config.listen, snapshot)?;
        self.generation += 1;
        self.config = config;
        Ok((findings, changes))
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
