//! The HTTP listeners beside the server: `health` for probes and scrapes. They run on a thread of their own, so that
//! a flood of queries does not keep a prober waiting.
//!
//! Nothing below uses this; `run` starts it and writes its [`Status`].

mod exposition;
mod health;
mod http;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::socket;

pub use status::{InForce, LastReload, Phase, Reloads, Served, Status, Trigger};

/// How often the event loops are looked at, and the general path steps.
const PULSE: Duration = Duration::from_millis(500);

/// A listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} over HTTP (`{key}`): {error}{}", socket::cure(error))]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// The key of the file.
    pub key: &'static str,
    /// What the system says.
    pub error: io::Error,
}

/// Where to listen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The health listener.
    pub health: Option<SocketAddr>,
}

/// One address that is listened on.
struct Listener {
    asked: SocketAddr,
    local: SocketAddr,
    token: CancellationToken,
}

/// A listener that is bound and not yet served.
struct Bound {
    asked: SocketAddr,
    local: SocketAddr,
    socket: std::net::TcpListener,
}

impl Bound {
    fn new(asked: SocketAddr, key: &'static str) -> Result<Self, BindError> {
        let failed = |error| BindError { address: asked, key, error };
        let socket = socket::with_bind_service(|| http::bind(asked)).and_then(|bound| bound).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok(Self { asked, local, socket })
    }
}

/// Listeners that are bound, to be served by [`Listeners::apply`] or dropped.
pub struct Change {
    to: Addresses,
    health: Option<Bound>,
}

/// The running listeners.
pub struct Listeners {
    runtime: Runtime,
    status: Arc<Status>,
    health: Option<Listener>,
}

impl Listeners {
    /// No listener yet, and the thread that will serve them.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn new(status: Arc<Status>) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("admin").enable_all().build()?;
        let own = Arc::clone(&status);
        runtime.spawn(async move {
            let mut ticks = interval(PULSE);
            loop {
                ticks.tick().await;
                own.feel_pulse(Instant::now());
            }
        });
        Ok(Self { runtime, status, health: None })
    }

    /// Binds what is not listened on yet. Nothing is served or changed.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn prepare(&self, to: Addresses) -> Result<Change, BindError> {
        let is_new = |asked: &SocketAddr| self.health.as_ref().is_none_or(|own| own.asked != *asked);
        let health = to.health.filter(is_new).map(|asked| Bound::new(asked, "health")).transpose()?;
        Ok(Change { to, health })
    }

    /// Serves what was bound, and ends the listeners that are asked for no more.
    pub fn apply(&mut self, change: Change) {
        let Change { to, health } = change;
        if self.health.as_ref().is_some_and(|own| to.health != Some(own.asked))
            && let Some(old) = self.health.take()
        {
            old.token.cancel();
        }
        if let Some(bound) = health {
            tracing::info!(address = %bound.local, "health over HTTP");
            self.health = Some(self.serve(bound, health::routes(Arc::clone(&self.status))));
        }
    }

    fn serve(&self, bound: Bound, routes: Router) -> Listener {
        let token = CancellationToken::new();
        self.runtime.spawn(http::serve(bound.socket, routes, token.clone()));
        Listener { asked: bound.asked, local: bound.local, token }
    }

    /// The health listener's address, with the port that port 0 became.
    pub fn health(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(|listener| listener.local)
    }

    /// Ends them; what is being answered has a moment to leave.
    pub fn stop(self) {
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

/// Steps the general path's turns for as long as `runtime` lives.
pub fn step_general_path(runtime: &Handle, status: Arc<Status>) {
    runtime.spawn(async move {
        let mut ticks = interval(PULSE);
        loop {
            ticks.tick().await;
            if let Some(served) = status.served() {
                served.board.general_turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
}
