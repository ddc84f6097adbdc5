//! The life of connections, against a TLS server in this process whose every move is scripted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::super::Transport;
use super::*;
use crate::wire::{Key, RouteId, WireName, upstream_query};

const NAME: &str = "dns.example";

/// What the server does with a question.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Answer,
    Ignore,
    Close,
}

struct TlsServer {
    server: Server,
    connections: Arc<AtomicUsize>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl TlsServer {
    /// One on a free port that does as it is told with the nth question of the nth connection, both counted from 0.
    async fn start(deed: impl Fn(usize, usize) -> Deed + Clone + Send + Sync + 'static) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let trust = Trust::from_pem(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![own.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (closes, closed) = mpsc::unbounded_channel();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = count.fetch_add(1, SeqCst);
                let (acceptor, deed, closes) = (acceptor.clone(), deed.clone(), closes.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    for number in 0.. {
                        let Ok(length) = stream.read_u16().await else { break };
                        let mut message = vec![0; usize::from(length)];
                        if stream.read_exact(&mut message).await.is_err() {
                            break;
                        }
                        match deed(connection, number) {
                            Deed::Answer => {}
                            Deed::Ignore => continue,
                            Deed::Close => break,
                        }
                        message[2] |= 0x80;
                        let framed = [length.to_be_bytes().as_slice(), &message].concat();
                        if stream.write_all(&framed).await.is_err() || stream.flush().await.is_err() {
                            break;
                        }
                    }
                    let _ = closes.send(());
                });
            }
        });
        let peer = Peer::new(NAME, trust).unwrap();
        Self { server: Server { address, transport: Transport::Tls(peer) }, connections, closed }
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

fn query() -> Vec<u8> {
    let name = WireName::from_presentation("a.example").unwrap();
    let key = Key::new(RouteId(1), name.as_ref(), 1, false, false);
    let mut out = [0; 512];
    let length = upstream_query(&mut out, 0x4321, &key, 1_232, true, None).unwrap();
    out[..length].to_vec()
}

const BUDGET: Duration = Duration::from_secs(5);

fn encrypted(change: impl FnOnce(&mut Limits)) -> Encrypted {
    let mut limits = Limits::DEFAULT;
    change(&mut limits);
    Encrypted::with(Handle::current(), limits)
}

/// Asks, and gives what will hold the outcome.
fn ask(encrypted: &Encrypted, server: &Server, budget: Duration) -> oneshot::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = oneshot::channel();
    encrypted.ask(server, &query(), budget, move |outcome| drop(sender.send(outcome)));
    receiver
}

/// Asks and waits; the kind of error where there is one.
async fn outcome(encrypted: &Encrypted, server: &Server) -> Result<Vec<u8>, io::ErrorKind> {
    ask(encrypted, server, BUDGET).await.unwrap().map_err(|error| error.kind())
}

#[tokio::test]
async fn a_reply_has_the_id_that_was_asked_with() {
    let server = TlsServer::start(|_, _| Deed::Answer).await;
    let reply = outcome(&encrypted(|_| {}), &server.server).await.unwrap();
    assert_eq!(reply[..2], [0x43, 0x21]);
    assert_eq!(reply.len() % padding::BLOCK, 0, "the query came padded");
}

#[tokio::test]
async fn an_unused_connection_is_closed_and_a_used_one_is_not() {
    let mut server = TlsServer::start(|_, _| Deed::Answer).await;
    let (turn, idle) = (Duration::from_millis(10), Duration::from_millis(200));
    let encrypted = encrypted(|limits| (limits.turn, limits.idle) = (turn, idle));
    let start = Instant::now();
    while start.elapsed() < 3 * idle {
        outcome(&encrypted, &server.server).await.unwrap();
        tokio::time::sleep(turn).await;
    }
    assert_eq!(server.connections(), 1);
    assert!(server.closed.try_recv().is_err());
    let start = Instant::now();
    server.closed.recv().await.unwrap();
    assert!(start.elapsed() >= idle - 2 * turn && start.elapsed() < 10 * idle, "{:?}", start.elapsed());
    outcome(&encrypted, &server.server).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn crowds_spread_over_a_few_connections_and_what_is_over_is_told_at_once() {
    let server = TlsServer::start(|_, _| Deed::Ignore).await;
    let encrypted = encrypted(|limits| {
        (limits.connections, limits.crowded, limits.open) = (3, 2, 4);
    });
    let mut waiting = Vec::new();
    for _ in 0..12 {
        let mut asked = ask(&encrypted, &server.server, BUDGET);
        // A connection is made when the last one is ready and crowded.
        let pool = encrypted.pool(&server.server);
        while pool.is_connecting() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(asked.try_recv().is_err(), "it waits");
        waiting.push(asked);
    }
    assert_eq!(server.connections(), 3);
    for _ in 0..3 {
        let refused = ask(&encrypted, &server.server, BUDGET).try_recv().unwrap();
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn questions_during_the_handshake_wait_for_it_together() {
    let server = TlsServer::start(|_, _| Deed::Answer).await;
    let encrypted = encrypted(|_| {});
    let asked: Vec<_> = (0..100).map(|_| ask(&encrypted, &server.server, BUDGET)).collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_under_a_question_is_replaced_once() {
    let server = TlsServer::start(|_, number| if number == 1 { Deed::Close } else { Deed::Answer }).await;
    let encrypted = encrypted(|_| {});
    for _ in 0..6 {
        outcome(&encrypted, &server.server).await.unwrap();
    }
    assert_eq!(server.connections(), 6, "the second question of each is its end, and the first of another");
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_asked_without_end() {
    let server = TlsServer::start(|_, _| Deed::Close).await;
    let encrypted = encrypted(|_| {});
    assert_eq!(outcome(&encrypted, &server.server).await, Err(io::ErrorKind::ConnectionReset));
    assert_eq!(server.connections(), 1, "a connection without a reply is no reason for another");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(outcome(&encrypted, &server.server).await, Err(io::ErrorKind::ConnectionReset));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Pauses of 50 to 100, 100 to 200, 200 to 400 and 400 to 800 ms.
    assert!((3..=7).contains(&server.connections()), "{}", server.connections());
}

#[tokio::test]
async fn pauses_grow_by_chance_and_end_with_the_first_reply() {
    let encrypted = encrypted(|_| {});
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = Peer::new(NAME, Trust::nobody()).unwrap();
    let closed = Server { address: SocketAddr::new(port.ip(), port.port()), transport: Transport::Tls(peer) };
    let pool = encrypted.pool(&closed);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        pool.could_not_connect(&hickory_net::NetError::Timeout);
        pauses.push(pool.pause_left());
    }
    for (pause, longest) in pauses.iter().zip([100, 200, 400, 800, 800]) {
        let longest = Duration::from_millis(longest);
        assert!(*pause > longest / 2 - Duration::from_millis(10) && *pause <= longest, "{pauses:?}");
    }
    assert!(!pool.is_unused(), "what is known of it is kept");
    assert_eq!(outcome(&encrypted, &closed).await, Err(io::ErrorKind::TimedOut), "the reason, without a try");
    pool.replied();
    assert_eq!(pool.pause_left(), Duration::ZERO);
    assert_eq!(outcome(&encrypted, &closed).await, Err(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_connection_that_says_nothing_gets_no_more_questions() {
    // The first connection falls silent after one answer, as behind a device that has forgotten it.
    let silent = |connection, number| connection == 0 && number > 0;
    let deed = move |connection, number| if silent(connection, number) { Deed::Ignore } else { Deed::Answer };
    let server = TlsServer::start(deed).await;
    let encrypted = encrypted(|limits| limits.stall = Duration::from_millis(100));
    outcome(&encrypted, &server.server).await.unwrap();
    let waiting = ask(&encrypted, &server.server, Duration::from_secs(1));
    let start = Instant::now();
    while server.connections() < 2 {
        assert!(start.elapsed() < BUDGET);
        let asked = ask(&encrypted, &server.server, Duration::from_millis(50));
        let _ = asked.await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    outcome(&encrypted, &server.server).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_question_ends_with_its_budget() {
    let server = TlsServer::start(|_, _| Deed::Ignore).await;
    let encrypted = encrypted(|_| {});
    let start = Instant::now();
    let asked = ask(&encrypted, &server.server, Duration::from_millis(100)).await.unwrap();
    assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn servers_that_are_gone_from_the_configuration_are_forgotten() {
    let encrypted = encrypted(|limits| (limits.turn, limits.idle) = (Duration::from_millis(5), Duration::ZERO));
    for _ in 0..5 {
        let mut server = TlsServer::start(|_, _| Deed::Answer).await;
        outcome(&encrypted, &server.server).await.unwrap();
        server.closed.recv().await.unwrap();
    }
    let kept = encrypted.pools.lock().unwrap().len();
    assert!(kept <= 2, "{kept}");
}
