//! The embedded default: the lab's views served on loopback beside a stand-in for the public DNS, and a table of what
//! the clients of each view get.
//!
//! Everything runs over real sockets on free ports of 127.0.0.0/8; nothing else is sent, and nothing is left behind.

mod stand_in;
mod stub;
mod table;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::net::NetError;
use tokio::runtime::Handle;

pub use stand_in::{StandIn, public_address};
pub use table::{Reach, Row, Table};

use crate::cache::Limits;
use crate::config::Finding;
use crate::load;
use crate::server::{self, Server, Settings};
use crate::upstream;
use crate::view::{Snapshot, View};
use crate::wire::Ttl;
use stub::Stub;
use table::Question;

/// The lab's configuration, as it is shipped.
const LAB: &str = include_str!("../../conf/lab.toml");
/// What it is called in findings and explanations.
const LAB_NAME: &str = "conf/lab.toml";

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The embedded configuration has errors.
    #[error("the embedded configuration is faulty")]
    Lab(Vec<Finding>),
    /// The stand-in has no port.
    #[error("the stand-in cannot listen: {0}")]
    StandIn(#[source] io::Error),
    /// hubdns cannot start.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// A client cannot be made.
    #[error("a client cannot ask: {0}")]
    Stub(#[from] NetError),
}

/// A running demo.
pub struct Demo {
    server: Server,
    address: SocketAddr,
    snapshot: Arc<Snapshot>,
    stand_in: StandIn,
}

impl Demo {
    /// Starts the stand-in (or, without it, leaves its address empty) and hubdns with the lab's views. Called on a
    /// multi-threaded tokio runtime, whose handle is `runtime`.
    ///
    /// # Errors
    /// What cannot be bound or started.
    pub async fn start(runtime: Handle, with_stand_in: bool) -> Result<Self, Error> {
        let stand_in = if with_stand_in { StandIn::start().await } else { StandIn::absent().await };
        let stand_in = stand_in.map_err(Error::StandIn)?;
        let (config, mut plan, _) = load::from_text(LAB_NAME, LAB).into_parts().map_err(Error::Lab)?;
        plan.generation = 1;
        let upstream = upstream::Server { address: stand_in.address(), transport: upstream::Transport::Plain };
        for group in &mut plan.groups {
            group.servers = vec![upstream.clone()];
        }
        let settings = Settings {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            workers: config.workers,
            cache_octets: config.cache.size_octets,
            limits: Limits {
                max_ttl: ttl(config.cache.max_ttl),
                max_negative_ttl: ttl(config.cache.max_negative_ttl),
                serve_stale: config.cache.serve_stale,
            },
        };
        let server = Server::start(&settings, Snapshot::build(plan), runtime)?;
        let address = server.local_addresses().first().copied().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let snapshot = server.shared().snapshot.load_full();
        Ok(Self { server, address, snapshot, stand_in })
    }

    /// Where hubdns listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the stand-in listens.
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// Asks every process in every view, and one public name that is none of AVD's. `begun` is when the process
    /// started, from which the time to the first answer counts.
    ///
    /// # Errors
    /// When a client cannot be made; a question without an answer is a row.
    pub async fn table(&self, begun: Instant) -> Result<Table, Error> {
        let mut rows = Vec::new();
        let mut first_answer = None;
        for view in &self.snapshot.views {
            let Some(client) = table::client_of(view) else { continue };
            let stub = Stub::new(client, self.address)?;
            for question in table::questions(&self.snapshot) {
                rows.push(self.row(view, client, &stub, &question).await);
                first_answer.get_or_insert_with(|| begun.elapsed());
            }
        }
        Ok(Table::new(rows, self.stand_in.total(), first_answer.unwrap_or_default()))
    }

    async fn row(&self, view: &View, client: std::net::IpAddr, stub: &Stub, question: &Question) -> Row {
        let before = self.stand_in.count(&question.name);
        let answer = stub.addresses(&question.name).await;
        let after = self.stand_in.count(&question.name);
        Row::new(view, client, question, answer, before..after)
    }

    /// Ends everything within `patience`.
    pub async fn stop(self, patience: Duration) {
        self.server.stop(patience).await;
    }
}

fn ttl(duration: Duration) -> Ttl {
    Ttl::from_seconds(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn every_row_is_as_expected_and_the_stand_in_agrees() {
        let demo = Demo::start(Handle::current(), true).await.unwrap();
        let table = demo.table(Instant::now()).await.unwrap();
        assert!(table.is_as_expected(), "{}", table.text());
        // Three processes and a public name in two views; only what is public reached the stand-in, once for both.
        assert_eq!((table.rows.len(), table.upstream_queries), (8, 3), "{}", table.text());
        demo.stop(Duration::from_secs(1)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn without_the_stand_in_private_rows_hold_and_the_table_does_not() {
        let demo = Demo::start(Handle::current(), false).await.unwrap();
        let table = demo.table(Instant::now()).await.unwrap();
        assert!(!table.is_as_expected());
        for row in &table.rows {
            assert_eq!(row.as_expected, row.expected == Reach::Private, "{row:?}");
        }
        demo.stop(Duration::from_secs(1)).await;
    }
}
