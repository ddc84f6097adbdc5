//! Servers behind TLS: DNS over TLS, over HTTPS and, where it is built, over QUIC. Connections are hickory's
//! `DnsExchange`; which there are, how long they live and what is told of them is decided here.
//!
//! Nothing here ever falls back to plain DNS: a server that cannot be reached, or whose certificate does not hold, gives
//! an error, and what becomes of that is the exchange's affair.

mod connect;
mod connection;
mod padding;
mod pool;
mod report;
#[cfg(test)]
mod tests;
mod trust;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use hickory_net::proto::op::Message;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Server;
use pool::{Limits, Pool};

#[cfg(test)]
pub(super) use trust::tests::authority;
pub use trust::{Peer, Trust, TrustError};

/// The encrypted connections of all workers.
pub(super) struct Encrypted {
    runtime: Handle,
    limits: Limits,
    /// By address, transport, name, path and authorities: whoever differs in one of them shares no connection.
    pools: Mutex<HashMap<Server, Arc<Pool>>>,
}

impl Encrypted {
    /// None yet; they run on `runtime`.
    pub(super) fn new(runtime: Handle) -> Self {
        Self::with(runtime, Limits::DEFAULT)
    }

    fn with(runtime: Handle, limits: Limits) -> Self {
        Self { runtime, limits, pools: Mutex::default() }
    }

    /// Asks a server; `done` is called once, within `budget`, from another thread or, where no place is free, at once.
    pub(super) fn ask(
        &self,
        server: &Server,
        query: &[u8],
        budget: Duration,
        done: impl FnOnce(io::Result<Vec<u8>>) + Send + 'static,
    ) {
        let deadline = Instant::now() + budget;
        let Ok(message) = Message::from_vec(&padding::padded(query)) else {
            return done(Err(io::ErrorKind::InvalidInput.into()));
        };
        let pool = self.pool(server);
        // The place is taken here: what is over the bound costs no task.
        match pool.take_place() {
            Err(kind) => done(Err(kind.into())),
            Ok(place) => {
                self.runtime.spawn(async move { done(pool.ask(place, message, deadline).await) });
            }
        }
    }

    fn pool(&self, server: &Server) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(server) {
            return Arc::clone(pool);
        }
        // Servers come and go with the configuration.
        pools.retain(|_, pool| !pool.is_unused());
        let pool = Pool::new(server, self.limits, self.runtime.clone());
        pools.insert(server.clone(), Arc::clone(&pool));
        pool
    }
}
