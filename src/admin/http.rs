//! HTTP/1.1 on a bound listener: bounded in connections, in the size and time of headers, and in the life of a
//! connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections of one listener. One more ends the oldest.
const MAX_CONNECTIONS: usize = 128;
/// Connections of one client to one listener, likewise.
const MAX_PER_CLIENT: usize = 32;
/// Within what time a request's headers must be whole, also how long a connection may be idle.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection lives; a request that is at work then has [`LAST_REQUEST`] to end.
const LIFE: Duration = Duration::from_secs(60);
const LAST_REQUEST: Duration = Duration::from_secs(10);
/// Octets of a request's head at most.
const HEAD_OCTETS: usize = 16 * 1024;
/// Header fields of a request at most.
const MAX_HEADERS: usize = 64;
/// Pause after an error of accept, such as no free descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Both ends of the connection that a request came by; among its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The client.
    pub(super) peer: SocketAddr,
    /// The address that it connected to.
    pub(super) local: SocketAddr,
}

/// Binds a listener.
pub(super) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves a listener until `token` is cancelled. No error of accept ends it.
pub(super) async fn serve(listener: std::net::TcpListener, routes: Router, token: CancellationToken) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "an HTTP listener cannot be watched"),
    };
    let places = Arc::new(Places::default());
    loop {
        let accepted = tokio::select! {
            () = token.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = places.take(peer.ip().to_canonical());
                // A connection that is gone already has no local address.
                let Ok(local) = stream.local_addr() else { continue };
                tokio::spawn(connection(stream, Ends { peer, local }, routes.clone(), place, token.clone()));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection's life.
async fn connection(stream: TcpStream, ends: Ends, routes: Router, place: Place, token: CancellationToken) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ends);
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(MAX_HEADERS)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What a client does to its connection is no fault of ours.
        _ = connection.as_mut() => return,
        () = place.end.cancelled() => return,
        () = token.cancelled() => {}
        () = sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST, connection).await;
}

/// Who is connected, the oldest first.
#[derive(Default)]
struct Places {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection. Where there is none the oldest gives its own: of the same client when that has too
    /// many, else of all. So nobody can keep a prober out.
    fn take(self: &Arc<Self>, client: IpAddr) -> Place {
        let mut open = self.lock();
        let own = open.connections.values().filter(|(other, _)| *other == client).count();
        let oldest = if own >= MAX_PER_CLIENT {
            open.connections.iter().find(|(_, (other, _))| *other == client)
        } else if open.connections.len() >= MAX_CONNECTIONS {
            open.connections.iter().next()
        } else {
            None
        };
        if let Some(oldest) = oldest.map(|(id, _)| *id)
            && let Some((_, end)) = open.connections.remove(&oldest)
        {
            end.cancel();
        }
        let (id, end) = (open.next, CancellationToken::new());
        open.next += 1;
        open.connections.insert(id, (client, end.clone()));
        Place { places: Arc::clone(self), id, end }
    }
}

/// A connection's place; given back when dropped.
struct Place {
    places: Arc<Places>,
    id: u64,
    end: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().connections.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_connection_makes_room_its_own_client_first() {
        let places = Arc::new(Places::default());
        let client = |number: u8| IpAddr::from([127, 0, 9, number]);
        let greedy: Vec<Place> = (0..=MAX_PER_CLIENT).map(|_| places.take(client(1))).collect();
        assert!(greedy[0].end.is_cancelled() && !greedy[1].end.is_cancelled());
        let others: Vec<Place> =
            (0..MAX_CONNECTIONS as u8).map(|number| places.take(client(number / 2 + 10))).collect();
        assert_eq!(places.lock().connections.len(), MAX_CONNECTIONS);
        assert!(greedy.iter().all(|place| place.end.is_cancelled()));
        assert!(!others[0].end.is_cancelled());
        drop((greedy, others));
        assert!(places.lock().connections.is_empty());
    }
}
