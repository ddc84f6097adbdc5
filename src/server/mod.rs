//! Transports: the UDP workers and the TCP listeners, bound, run, changed and drained as one [`Server`].

mod audit;
mod count;
mod held;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::background;
use crate::cache::{Cache, Limits};
use crate::metrics::Board;
use crate::query_log::{self, QueryLog};
use crate::resolve::Waiting;
use crate::resolve::general::{Clock, Shared, draw_mark};
use crate::socket;
use crate::upstream::{Mailbox, Pending, Servers, Streams};
use crate::view::Snapshot;
pub use audit::{Audit, Seen};
pub use count::{Batch, follow, reply as count_reply};
use tcp::TcpLimits;
use udp::{Control, Worker};

/// How long the query log may take to be written at the end.
const LOG_PATIENCE: Duration = Duration::from_millis(500);

/// What a server is started with beside its snapshot.
#[derive(Debug, Clone)]
pub struct Settings {
    /// UDP and TCP on each.
    pub listen: Vec<SocketAddr>,
    /// UDP workers; 0: one for each available core.
    pub workers: usize,
    /// The cache's bound in octets; 0: no cache.
    pub cache_octets: u64,
    /// How long answers are kept at most.
    pub limits: Limits,
}

/// Why a server could not start or change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener could not be bound.
    #[error("cannot listen on {address} over {protocol}: {error}{}", socket::cure(error))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// UDP or TCP.
        protocol: &'static str,
        /// What the kernel says.
        error: io::Error,
    },
    /// A thread or an event loop could not be made.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
    /// A worker has ended though nobody stopped it.
    #[error("a worker has ended")]
    Ended,
}

/// One address that is listened on.
struct Listener {
    id: usize,
    local: SocketAddr,
    tcp: CancellationToken,
}

struct WorkerHandle {
    control: Arc<Mailbox<Control>>,
    thread: Option<JoinHandle<()>>,
    /// The generation of the snapshot that it last looked at.
    seen: Arc<AtomicU64>,
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    board: Arc<Board>,
    workers: Vec<WorkerHandle>,
    listeners: BTreeMap<SocketAddr, Listener>,
    next_listener: usize,
    runtime: Handle,
    tcp: Arc<TcpLimits>,
    log: Arc<QueryLog>,
    /// Snapshots that a worker may still hold.
    old: Vec<Arc<Snapshot>>,
}

impl Server {
    /// Binds every listener, then starts the workers. With an error nothing is left running.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or a thread that cannot be made.
    pub fn start(settings: &Settings, snapshot: Snapshot, runtime: Handle) -> Result<Self, Error> {
        let descriptors = socket::raise_descriptor_limit();
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if settings.workers == 0 { available } else { settings.workers };
        let servers = Arc::new(Servers::default());
        let streams = Arc::new(Streams::new(runtime.clone()));
        let (mut parts, mut mailboxes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let part = udp::Part::new().map_err(Error::Worker)?;
            mailboxes.push(Arc::clone(&part.messages));
            parts.push(part);
        }
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            cache: Cache::new(settings.cache_octets, settings.limits),
            pending: Pending::default(),
            waiting: Waiting::default(),
            servers: Arc::clone(&servers),
            workers: mailboxes,
            clock: Clock::default(),
            mark: draw_mark(),
        });
        let board = Arc::new(Board::default());
        let log = Arc::new(QueryLog::new(&board));
        let mut server = Self {
            shared: Arc::clone(&shared),
            board: Arc::clone(&board),
            workers: Vec::new(),
            listeners: BTreeMap::new(),
            next_listener: 0,
            runtime,
            tcp: Arc::new(TcpLimits::new(descriptors, &board, &log)),
            log: Arc::clone(&log),
            old: Vec::new(),
        };
        let bound = server.bind(&settings.listen, count)?;
        for (index, part) in parts.into_iter().enumerate() {
            let handle =
                Worker::start(index, part, &shared, (&board, &log), &servers, &streams).map_err(Error::Worker)?;
            server.workers.push(handle);
        }
        server.add(bound);
        Ok(server)
    }

    /// The addresses listened on, with the ports that port 0 became.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.values().map(|listener| listener.local).collect()
    }

    /// What the threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The counters of all its threads.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The query log. It is off until [`Server::set_log`] turns it on.
    pub fn log(&self) -> &Arc<QueryLog> {
        &self.log
    }

    /// Logs queries by these settings, and by those of the views that are served.
    pub fn set_log(&self, settings: &query_log::Settings) {
        if let Err(error) = self.log.apply(settings, &self.shared.snapshot.load()) {
            tracing::warn!(%error, "queries are not logged: no thread can be had");
        }
    }

    /// Serves by another snapshot and on other listeners. New listeners are bound first, so that an error changes
    /// nothing. Returns once every worker has seen the new snapshot (R5).
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn replace(&mut self, listen: &[SocketAddr], snapshot: Snapshot) -> Result<(), Error> {
        let fresh: Vec<SocketAddr> =
            listen.iter().copied().filter(|address| !self.listeners.contains_key(address)).collect();
        let bound = self.bind(&fresh, self.workers.len())?;
        let generation = snapshot.generation;
        let old = self.shared.snapshot.swap(Arc::new(snapshot));
        self.add(bound);
        let gone: Vec<SocketAddr> =
            self.listeners.keys().copied().filter(|address| !listen.contains(address)).collect();
        for address in gone {
            if let Some(listener) = self.listeners.remove(&address) {
                listener.tcp.cancel();
                self.tell(|| Control::Remove(listener.id));
            }
        }
        self.wait_until_seen(generation)?;
        // No worker drops a snapshot last: the old ones are kept here until nobody else holds them.
        self.old.push(old);
        self.sweep();
        Ok(())
    }

    /// Frees the snapshots that nobody holds any more, in the background.
    pub fn sweep(&mut self) {
        let gone: Vec<_> = self.old.extract_if(.., |old| Arc::strong_count(old) == 1).collect();
        if !gone.is_empty() {
            background::discard(gone);
        }
    }

    fn wait_until_seen(&self, generation: u64) -> Result<(), Error> {
        let until = Instant::now() + Duration::from_secs(10);
        for worker in &self.workers {
            worker.control.wake();
            while worker.seen.load(Ordering::Acquire) < generation {
                let ended = worker.thread.as_ref().is_none_or(JoinHandle::is_finished);
                if ended || Instant::now() > until {
                    return Err(Error::Ended);
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    /// Whether a worker has ended, which it does only by a fault of ours.
    pub fn has_failed(&self) -> bool {
        self.workers.iter().any(|worker| worker.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// Takes no more queries, finishes what is in flight within `patience`, and ends every thread.
    pub async fn stop(mut self, patience: Duration) {
        for listener in self.listeners.values() {
            listener.tcp.cancel();
        }
        self.tell(|| Control::Drain(patience));
        self.tcp.drain(patience).await;
        // Only now: the workers' exchanges bring what streams wait for.
        self.tell(|| Control::End);
        let threads: Vec<JoinHandle<()>> = self.workers.iter_mut().filter_map(|worker| worker.thread.take()).collect();
        let log = Arc::clone(&self.log);
        let joining = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
            log.stop(LOG_PATIENCE);
        });
        let _ = joining.await;
    }

    /// Binds all of `addresses` for `count` workers.
    fn bind(&self, addresses: &[SocketAddr], count: usize) -> Result<Vec<Bound>, Error> {
        let bind = || addresses.iter().map(|address| Bound::new(*address, addresses, count)).collect();
        if addresses.is_empty() { Ok(Vec::new()) } else { socket::with_bind_service(bind).map_err(Error::Worker)? }
    }

    fn add(&mut self, bound: Vec<Bound>) {
        for Bound { asked, local, udp, tcp } in bound {
            let id = self.next_listener;
            self.next_listener += 1;
            for (worker, socket) in self.workers.iter().zip(udp) {
                let _ = worker.control.post(Control::Add(id, local, socket));
            }
            let token = CancellationToken::new();
            tcp::listen(&self.runtime, tcp, local, &self.shared, &self.tcp, token.clone());
            self.listeners.insert(asked, Listener { id, local, tcp: token });
        }
    }

    fn tell(&self, control: impl Fn() -> Control) {
        for worker in &self.workers {
            let _ = worker.control.post(control());
        }
    }
}

/// A listener that is bound and not yet served.
struct Bound {
    asked: SocketAddr,
    local: SocketAddr,
    udp: Vec<std::net::UdpSocket>,
    tcp: std::net::TcpListener,
}

impl Bound {
    /// TCP first: it is what a second instance fails on.
    fn new(asked: SocketAddr, all: &[SocketAddr], count: usize) -> Result<Self, Error> {
        // `[::]` is dual-stack unless IPv4 has a wildcard listener of its own on the port (R7).
        let v6_only = asked.is_ipv6()
            && (!asked.ip().is_unspecified()
                || all
                    .iter()
                    .any(|other| other.is_ipv4() && other.ip().is_unspecified() && other.port() == asked.port()));
        let failed = |protocol, address| move |error| Error::Bind { address, protocol, error };
        let mut tries = 0;
        loop {
            let tcp = socket::bind_tcp(asked, v6_only).map_err(failed("TCP", asked))?;
            let local = tcp.local_addr().map_err(failed("TCP", asked))?;
            let udp: io::Result<Vec<_>> = (0..count).map(|_| socket::bind_udp(local, v6_only)).collect();
            match udp {
                Ok(udp) => return Ok(Self { asked, local, udp, tcp }),
                // A free port of TCP's may be taken in UDP.
                Err(_) if asked.port() == 0 && tries < 16 => tries += 1,
                Err(error) => return Err(failed("UDP", asked)(error)),
            }
        }
    }
}
