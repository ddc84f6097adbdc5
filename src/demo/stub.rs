//! A client of a view: hickory's resolver as a stub on a socket bound to the client's address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

/// How long the stub waits for one reply: longer than the server lets a client wait (R27).
const TIMEOUT: Duration = Duration::from_secs(6);

/// Asks a server over UDP from one address. It keeps nothing, so every question reaches the server.
pub(super) struct Stub {
    resolver: Resolver<TokioRuntimeProvider>,
}

impl Stub {
    /// A stub at `client` that asks `server`.
    ///
    /// # Errors
    /// When the resolver cannot be built.
    pub(super) fn new(client: IpAddr, server: SocketAddr) -> Result<Self, NetError> {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        connection.bind_addr = Some(SocketAddr::new(client, 0));
        let config =
            ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, vec![connection])]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = 0;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.edns0 = true;
        options.os_port_selection = true;
        Ok(Self { resolver: builder.build()? })
    }

    /// The A records of a name, or in a word why there are none.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        match self.resolver.lookup(format!("{name}."), RecordType::A).await {
            Ok(found) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    _ => None,
                })
                .collect()),
            Err(error) => Err(word(&error)),
        }
    }
}

/// A failure as an RCODE where it is one.
fn word(error: &NetError) -> String {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => rcode(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => rcode(*code),
        NetError::Timeout => "no reply".to_owned(),
        other => other.to_string(),
    }
}

fn rcode(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NODATA".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => other.to_string(),
    }
}
