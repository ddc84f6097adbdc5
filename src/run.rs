//! `serve`: everything wired together, from the file to the last reply.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin::{self, Orders, Status, Trigger};
use crate::cache::{Limits, LoadError};
use crate::config::Config;
use crate::query_log;
use crate::reload::{Changed, Loaded, Prepared, Refused, Reloader, addresses, log_findings, prepare};
use crate::resolve::general::Shared;
use crate::server::{self, Server, Settings};
use crate::wire::Ttl;

/// How long what is in flight may take after `lameduck`.
const DRAIN: Duration = Duration::from_secs(5);

/// Why serving ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be served, or a listener not bound.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The runtime or its signals cannot be had.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
    /// A worker ended though nobody stopped it.
    #[error("a worker has ended; see the log")]
    Worker,
}

/// What a configuration says of the server.
pub fn settings(config: &Config) -> Settings {
    let ttl = |duration: Duration| Ttl::from_seconds(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    Settings {
        listen: config.listen.clone(),
        workers: config.workers,
        cache_octets: config.cache.size_octets,
        limits: Limits {
            max_ttl: ttl(config.cache.max_ttl),
            max_negative_ttl: ttl(config.cache.max_negative_ttl),
            serve_stale: config.cache.serve_stale,
        },
    }
}

/// What the configuration in the file at `path` says of the query log.
pub fn log_settings(path: &Path, config: &Config) -> query_log::Settings {
    query_log::Settings::new(&config.log, path.parent().unwrap_or(Path::new("")))
}

/// The runtime of everything but the UDP workers.
///
/// # Errors
/// When threads cannot be had.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().thread_name("general").enable_all().build()
}

/// Serves the configuration until SIGTERM or SIGINT. SIGHUP reloads it. `lost` tells how many lines of the log could not
/// be written.
///
/// # Errors
/// When it cannot start, or a part of it fails.
pub fn serve(path: &Path, lost: impl Fn() -> u64) -> Result<(), Error> {
    let path = path.to_path_buf();
    let Prepared { config, snapshot, plan, findings, revision, sources } = prepare(&path, 1)?;
    log_findings(&findings);
    let runtime = runtime()?;
    // Before anything listens: a signal that comes as soon as the server answers must not end the process.
    let signals = runtime.block_on(async { Signals::new() })?;
    let status = Arc::new(Status::default());
    let (sender, orders) = admin::orders();
    let mut http = admin::Listeners::new(Arc::clone(&status), sender)?;
    // Probes are answered from here on: not ready.
    let bound = http.prepare(addresses(&config)).map_err(Refused::from)?;
    http.apply(bound);
    let server = Server::start(&settings(&config), snapshot, runtime.handle().clone()).map_err(Refused::from)?;
    server.set_log(&log_settings(&path, &config));
    for address in server.local_addresses() {
        tracing::info!(%address, "listening over UDP and TCP");
    }
    let cache_file = cache_file(&path, &config);
    if let Some(file) = &cache_file {
        let (shared, file) = (Arc::clone(server.shared()), file.clone());
        // Beside the first answers, which need no cache.
        runtime.spawn_blocking(move || load_cache(&shared, &file));
    }
    let shared = Arc::clone(server.shared());
    admin::step_general_path(runtime.handle(), Arc::clone(&status));
    let first = Loaded { plan, revision: revision.clone(), sources };
    let (reloader, changed) = Reloader::new(path, server, (http, status), (config, first, &findings));
    // Their places hold the files' texts.
    drop(findings);
    // Only now: whoever reads it finds /readyz and the metrics whole.
    tracing::info!(version = env!("CARGO_PKG_VERSION"), generation = 1, revision, "ready");
    let ended = runtime.block_on(until_stopped(reloader, signals, (orders, changed), lost));
    if let Some(file) = cache_file.filter(|_| ended.is_ok()) {
        save_cache(&shared, &file);
    }
    // Tasks that are still at work hold nothing that matters: every reply has left or run out of time.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

/// Where the cache is kept from one process to the next.
fn cache_file(path: &Path, config: &Config) -> Option<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    config.cache.file.as_ref().map(|file| folder.join(file))
}

fn load_cache(shared: &Shared, file: &Path) {
    match shared.cache.load(file, shared.clock.now()) {
        Ok(kept) => tracing::info!(file = %file.display(), entries = kept.entries, octets = kept.octets, "cache read"),
        Err(LoadError::Read(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(file = %file.display(), %error, "the saved cache is left out: the file"),
    }
}

fn save_cache(shared: &Shared, file: &Path) {
    match shared.cache.save(file, shared.clock.now()) {
        Ok(kept) => tracing::info!(file = %file.display(), entries = kept.entries, octets = kept.octets, "cache saved"),
        Err(error) => tracing::warn!(file = %file.display(), %error, "the cache cannot be saved"),
    }
}

/// The signals that are waited for.
struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

async fn until_stopped(
    mut reloader: Reloader,
    signals: Signals,
    (mut orders, mut changed): (Orders, Changed),
    lost: impl Fn() -> u64,
) -> Result<(), Error> {
    let Signals { mut hang_up, mut terminate, mut interrupt } = signals;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let name = loop {
        tokio::select! {
            _ = hang_up.recv() => {
                tokio::task::block_in_place(|| reloader.reload(Trigger::Signal));
            }
            Some(()) = changed.recv() => tokio::task::block_in_place(|| reloader.files_changed()),
            Some(order) = orders.recv() => tokio::task::block_in_place(|| reloader.carry_out(order)),
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = second.tick() => {
                if reloader.server().has_failed() {
                    return Err(Error::Worker);
                }
                if reloader.has_ended_overrides() {
                    tokio::task::block_in_place(|| reloader.end_overrides());
                }
                let lost = lost();
                let before = reloader.status().lost_lines.swap(lost, Relaxed);
                if lost > before {
                    tracing::warn!(lines = lost - before, "lines of this log were lost: whoever reads it is too slow");
                }
                reloader.sweep();
            }
        }
    };
    drop(orders);
    // At once: a balancer has to see it while queries are still answered.
    reloader.status().stops();
    let lameduck = reloader.config().lameduck;
    tracing::info!(signal = name, lameduck_ms = u64::try_from(lameduck.as_millis()).unwrap_or(u64::MAX), "stopping");
    let drained = async {
        tokio::time::sleep(lameduck).await;
        let (server, http) = reloader.into_parts();
        server.stop(DRAIN).await;
        http
    };
    tokio::select! {
        http = drained => {
            tokio::task::block_in_place(|| http.stop());
            tracing::info!("stopped");
        }
        () = again(&mut terminate, &mut interrupt) => tracing::warn!("stopped at once by a second signal"),
    }
    Ok(())
}

async fn again(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

impl From<server::Error> for Error {
    fn from(error: server::Error) -> Self {
        Self::Refused(error.into())
    }
}
