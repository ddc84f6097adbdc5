//! hickory's server over HTTPS or QUIC, in this process, answering from the table of a small public DNS.

use super::public::Public;
use super::tls::Identity;
use super::upstream::{Seen, Transport};
use hickory_proto::op::{Header, HeaderCounts, Message, Metadata};
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// One query: its name, its id and its length in octets.
pub(crate) type Had = (String, u16, usize);

/// A running server. It ends when dropped.
pub(crate) struct Hickory {
    pub(crate) address: SocketAddr,
    had: Arc<Mutex<Vec<Had>>>,
    runtime: Option<Runtime>,
}

impl Hickory {
    /// DNS over HTTPS at `/dns-query` on a free port.
    pub(crate) fn https(identity: &Identity, public: Public) -> Self {
        let mut config = identity.server_config();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::start(public, async move |server| {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (patience, path) = (Duration::from_secs(5), "/dns-query".to_owned());
            let registered =
                server.register_https_listener_with_tls_config(listener, patience, Arc::new(config), None, path);
            registered.expect("it listens");
            address
        })
    }

    /// DNS over QUIC on a free port.
    #[cfg(feature = "doq")]
    pub(crate) fn quic(identity: &Identity, public: Public) -> Self {
        let mut config = identity.server_config();
        config.alpn_protocols = vec![b"doq".to_vec()];
        Self::start(public, async move |server| {
            let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let address = socket.local_addr().expect("an address");
            let patience = Duration::from_secs(5);
            server.register_quic_listener_and_tls_config(socket, patience, Arc::new(config)).expect("it listens");
            address
        })
    }

    fn start(public: Public, listen: impl AsyncFnOnce(&mut Server<Answers>) -> SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let had = Arc::new(Mutex::default());
        let (server, address) = runtime.block_on(async {
            let mut server = Server::new(Answers { public, had: Arc::clone(&had) });
            let address = listen(&mut server).await;
            (server, address)
        });
        // It lives as long as the runtime.
        runtime.spawn(async move {
            let () = std::future::pending().await;
            drop(server);
        });
        Self { address, had, runtime: Some(runtime) }
    }

    /// Every query so far.
    pub(crate) fn had(&self) -> Vec<Had> {
        self.had.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many queries came for a name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.had().iter().filter(|(other, ..)| other == name).count()
    }
}

impl Drop for Hickory {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

struct Answers {
    public: Public,
    had: Arc<Mutex<Vec<Had>>>,
}

#[async_trait::async_trait]
impl RequestHandler for Answers {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let octets = request.as_slice().to_vec();
        let query = request.request_info().expect("one question").query;
        let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
        let kind = query.query_type().into();
        self.had.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), request.metadata.id, octets.len()));
        let script = self.public.answer(&name, kind);
        let seen = Seen { name, kind, transport: Transport::Tcp, from: request.src(), octets, earlier: 0 };
        let message = Message::from_vec(&script.encode(&seen)).expect("what the table says is a message");
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        metadata.response_code = message.metadata.response_code;
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &message.edns {
            builder.edns(edns);
        }
        let reply = builder.build(metadata, &message.answers, &message.authorities, &[], &[]);
        let sent = response.send_response(reply).await;
        sent.unwrap_or_else(|_| Header { metadata, counts: HeaderCounts::default() }.into())
    }
}
