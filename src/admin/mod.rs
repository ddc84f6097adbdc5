//! The HTTP listeners beside the server: `health` for probes and scrapes, `admin` for the API of operators. They run on
//! a thread of their own, so that a flood of queries does not keep a prober waiting.
//!
//! Nothing below uses this; `run` starts it, writes its [`Status`] and carries out its [`Orders`].

mod api;
mod exposition;
mod health;
mod http;
mod orders;
mod outcome;
mod prometheus;
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

use api::Api;
pub use orders::{Asked, Order, Ordered, Orders, Sender, orders};
pub use outcome::{MOST_CHANGES, MOST_FINDINGS, Outcome, Refusal, ToldChange, ToldOverride};
pub use status::{InForce, Listening, Phase, Reloads, Served, Status, Trigger};

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
    /// The admin listener.
    pub admin: Option<SocketAddr>,
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
    admin: Option<Bound>,
}

/// The running listeners.
pub struct Listeners {
    runtime: Runtime,
    api: Arc<Api>,
    health: Option<Listener>,
    admin: Option<Listener>,
}

impl Listeners {
    /// No listener yet, and the thread that will serve them. What the API is told to do and cannot do itself goes to
    /// `orders`.
    ///
    /// # Errors
    /// When the thread cannot be had.
    pub fn new(status: Arc<Status>, orders: Sender) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("admin").enable_all().build()?;
        let own = Arc::clone(&status);
        runtime.spawn(async move {
            let mut ticks = interval(PULSE);
            loop {
                ticks.tick().await;
                own.feel_pulse(Instant::now());
            }
        });
        Ok(Self { runtime, api: Arc::new(Api::new(status, orders)), health: None, admin: None })
    }

    /// Binds what is not listened on yet. Nothing is served or changed.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn prepare(&self, to: Addresses) -> Result<Change, BindError> {
        let bound = |own: &Option<Listener>, asked: Option<SocketAddr>, key| {
            let is_new = |asked: &SocketAddr| own.as_ref().is_none_or(|own| own.asked != *asked);
            asked.filter(is_new).map(|asked| Bound::new(asked, key)).transpose()
        };
        let health = bound(&self.health, to.health, "health")?;
        let admin = bound(&self.admin, to.admin, "admin")?;
        Ok(Change { to, health, admin })
    }

    /// Serves what was bound, and ends the listeners that are asked for no more.
    pub fn apply(&mut self, change: Change) {
        let Change { to, health, admin } = change;
        for (own, asked) in [(&mut self.health, to.health), (&mut self.admin, to.admin)] {
            if own.as_ref().is_some_and(|own| asked != Some(own.asked))
                && let Some(old) = own.take()
            {
                old.token.cancel();
            }
        }
        if let Some(bound) = health {
            tracing::info!(address = %bound.local, "health over HTTP");
            self.health = Some(self.serve(bound, health::routes(Arc::clone(self.api.status()))));
        }
        if let Some(bound) = admin {
            tracing::info!(address = %bound.local, "admin API over HTTP");
            let routes = api::routes(&self.api, bound.local);
            self.admin = Some(self.serve(bound, routes));
        }
    }

    fn serve(&self, bound: Bound, routes: Router) -> Listener {
        let token = CancellationToken::new();
        self.runtime.spawn(http::serve(bound.socket, routes, token.clone()));
        Listener { asked: bound.asked, local: bound.local, token }
    }

    /// The listeners' addresses, with the ports that port 0 became.
    pub fn addresses(&self) -> Addresses {
        let local = |listener: &Option<Listener>| listener.as_ref().map(|listener| listener.local);
        Addresses { health: local(&self.health), admin: local(&self.admin) }
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
