//! A connection as hickory has it: `DnsExchange` over TLS, HTTP/2 or QUIC, with our own authorities and names.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_net::NetError;
use hickory_net::h2::HttpsClientStream;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tls::tls_client_connect;
use hickory_net::xfer::{DnsExchange, DnsMultiplexer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::Trust;
use crate::upstream::{Server, Transport};

/// The sending half. Every clone keeps the connection open.
pub(super) type Exchange = DnsExchange<TokioRuntimeProvider>;
/// What drives the connection, and ends with it.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// hickory's own time limit for one question: it only clears away what our deadlines, all shorter, have left.
const LEFTOVER: Duration = Duration::from_secs(60);

/// The TLS settings for a server: ring, TLS 1.2 and 1.3, no authority but these, tickets kept from one connection to
/// the next.
pub(super) fn settings(trust: &Trust) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(trust.roots()).with_no_client_auth()))
}

/// Connects and shakes hands. `most` questions are to be open on it at once.
///
/// Not `tls_exchange`: that sends no server name, and servers that hold several certificates then show another one.
pub(super) async fn connect(
    server: &Server,
    settings: Arc<ClientConfig>,
    most: usize,
) -> Result<(Exchange, Driver), NetError> {
    // Tasks are not spawned by it: its last clone ends those.
    let provider = TokioRuntimeProvider::new();
    match &server.transport {
        Transport::Plain => Err(NetError::Message("a plain server shakes no hands")),
        Transport::Tls(peer) => {
            let name = ServerName::try_from(peer.name.to_string())
                .map_err(|_| NetError::Message("no certificate can have that name"))?;
            let (stream, sender) = tls_client_connect(server.address, name, settings, provider);
            // Answered questions count until the driver's next turn: twice, so that it never says "busy".
            let multiplexer =
                DnsMultiplexer::new(stream.await?, sender).with_timeout(LEFTOVER).with_max_active_requests(2 * most);
            let (exchange, driver) = DnsExchange::from_stream(multiplexer);
            Ok((exchange, Box::pin(driver)))
        }
        Transport::Https(peer, path) => {
            let builder = HttpsClientStream::builder(settings, provider);
            let stream = builder.build(server.address, Arc::clone(&peer.name), Arc::clone(path)).await?;
            let (exchange, driver) = DnsExchange::from_stream(stream);
            Ok((exchange, Box::pin(driver)))
        }
        #[cfg(feature = "doq")]
        Transport::Quic(peer) => {
            let builder = hickory_net::quic::QuicClientStream::builder().crypto_config((*settings).clone());
            let stream = builder.build(server.address, Arc::clone(&peer.name)).await?;
            let (exchange, driver) = DnsExchange::from_stream(stream);
            Ok((exchange, Box::pin(driver)))
        }
        #[cfg(not(feature = "doq"))]
        Transport::Quic(_) => Err(NetError::Message("this program was built without QUIC")),
    }
}
