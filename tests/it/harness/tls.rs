//! Certificates made for a test, and a front of TLS before a scripted upstream: it ends TLS, or passes it through to a
//! server that ends it, and notes what came.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Whoever signs the certificates of a test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate as PEM.
    pub(crate) pem: String,
}

/// A server's certificate and key as PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own, so that it is not taken for another one.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {} of the tests", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.sign(CertificateParams::new(vec![name.to_owned()]).expect("a name"))
    }

    /// One that has run out.
    pub(crate) fn issue_expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Identity {
    /// As rustls wants it on a server's side.
    pub(crate) fn server_config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        builder.expect("versions").with_no_client_auth().with_single_cert(vec![chain], key).expect("they fit")
    }
}

/// What a front does with a connection.
#[derive(Clone)]
enum Deed {
    /// Ends TLS and hands on what is in it.
    End(TlsAcceptor, SocketAddr),
    /// Hands on the octets.
    Pass(SocketAddr),
    /// Takes it and says nothing.
    Hang,
}

/// What came to a front.
#[derive(Default)]
struct Noted {
    connections: AtomicUsize,
    handshakes: AtomicUsize,
    /// The server names that clients sent.
    names: Mutex<Vec<Option<String>>>,
    /// The first octet of each connection.
    first: Mutex<Vec<u8>>,
    datagrams: AtomicUsize,
    ended: AtomicBool,
}

/// A front. It ends, with all of its connections, when dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    noted: Arc<Noted>,
    runtime: Option<Runtime>,
    watch: Option<std::thread::JoinHandle<()>>,
}

impl Front {
    /// Ends TLS before an upstream that is spoken to over TCP.
    pub(crate) fn end(identity: &Identity, upstream: SocketAddr) -> Self {
        Self::end_at(any(), identity, upstream)
    }

    /// The same on a given address, say to take a server back that was gone.
    pub(crate) fn end_at(address: SocketAddr, identity: &Identity, upstream: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(identity.server_config()));
        Self::start(address, Deed::End(acceptor, upstream))
    }

    /// Passes TLS through to a server.
    pub(crate) fn pass(server: SocketAddr) -> Self {
        Self::pass_at(any(), server)
    }

    /// The same on a given address.
    pub(crate) fn pass_at(address: SocketAddr, server: SocketAddr) -> Self {
        Self::start(address, Deed::Pass(server))
    }

    /// Takes connections and never shakes hands.
    pub(crate) fn hang() -> Self {
        Self::start(any(), Deed::Hang)
    }

    fn start(address: SocketAddr, deed: Deed) -> Self {
        let (listener, udp) = bind(address);
        let address = listener.local_addr().expect("an address");
        let noted = Arc::new(Noted::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        listener.set_nonblocking(true).expect("it can be polled");
        let shared = Arc::clone(&noted);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::AcqRel);
                tokio::spawn(serve(stream, deed.clone(), Arc::clone(&shared)));
            }
        });
        let shared = Arc::clone(&noted);
        let watch = std::thread::spawn(move || {
            udp.set_read_timeout(Some(Duration::from_millis(20))).expect("a read timeout");
            while !shared.ended.load(Ordering::Acquire) {
                if udp.recv(&mut [0; 512]).is_ok() {
                    shared.datagrams.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        Self { address, noted, runtime: Some(runtime), watch: Some(watch) }
    }

    /// Connections that were taken.
    pub(crate) fn connections(&self) -> usize {
        self.noted.connections.load(Ordering::Acquire)
    }

    /// Handshakes that went well; none where TLS is passed through.
    pub(crate) fn handshakes(&self) -> usize {
        self.noted.handshakes.load(Ordering::Acquire)
    }

    /// The server names that clients sent.
    pub(crate) fn names(&self) -> Vec<Option<String>> {
        self.noted.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every connection began with a TLS handshake, and no datagram came to the same port.
    pub(crate) fn was_never_asked_in_plain(&self) -> bool {
        let first = self.noted.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.iter().all(|octet| *octet == 22) && self.noted.datagrams.load(Ordering::Acquire) == 0
    }

    /// As a `servers` entry: DNS over TLS.
    pub(crate) fn tls(&self, name: &str) -> String {
        format!("tls://{}#{name}", self.address)
    }

    /// As a `servers` entry: DNS over HTTPS.
    pub(crate) fn https(&self, name: &str) -> String {
        format!("https://{name}:{}/dns-query#{}", self.address.port(), self.address.ip())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.noted.ended.store(true, Ordering::Release);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

fn any() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The same port over TCP and UDP.
fn bind(address: SocketAddr) -> (TcpListener, UdpSocket) {
    for _ in 0..50 {
        let tcp = TcpListener::bind(address).expect("a TCP port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("an address")) {
            return (tcp, udp);
        }
    }
    panic!("no port that is free over UDP and TCP");
}

async fn serve(stream: TcpStream, deed: Deed, noted: Arc<Noted>) {
    let mut first = [0; 1];
    if stream.peek(&mut first).await.is_ok_and(|length| length == 1) {
        noted.first.lock().unwrap_or_else(PoisonError::into_inner).push(first[0]);
    }
    match deed {
        Deed::Hang => {
            let () = std::future::pending().await;
            drop(stream);
        }
        Deed::Pass(server) => hand_on(stream, server).await,
        Deed::End(acceptor, upstream) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            noted.handshakes.fetch_add(1, Ordering::AcqRel);
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            noted.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            hand_on(stream, upstream).await;
        }
    }
}

async fn hand_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    if let Ok(mut other) = TcpStream::connect(to).await {
        let _ = copy_bidirectional(&mut stream, &mut other).await;
    }
}
