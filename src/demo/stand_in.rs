//! A stand-in for the public DNS: it answers AVD's names as Azure's public DNS does, on hickory-server.
//!
//! A public name is an alias of its private-link spelling, that one of a traffic manager's name, and that one has a
//! documentation address (RFC 5737). Whatever it is asked it counts by name, so that the demo can prove what was
//! forwarded and what was not.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Edns, Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::{A, CNAME, SOA};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use crate::wire::WireName;
use crate::zone::avd::{Clouds, Kind};

/// TTL of every record in seconds: the demo's views share one answer.
const TTL: u32 = 300;
/// UDP payload size that it offers, in octets.
const PAYLOAD_OCTETS: u16 = 1_232;
/// How long a TCP connection may be idle.
const IDLE: Duration = Duration::from_secs(10);

/// The queries had, by name. The same datagram sent twice (R28) is one query.
type Asked = Mutex<HashMap<String, HashSet<(SocketAddr, u16)>>>;

/// A running stand-in; it ends when dropped.
pub struct StandIn {
    address: SocketAddr,
    asked: Arc<Asked>,
    /// None: nothing listens at the address.
    _server: Option<Server<Handler>>,
}

impl StandIn {
    /// Binds a free port of the loopback address, over UDP and TCP, and serves. Called on a tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let (udp, tcp) = bind().await?;
        let address = udp.local_addr()?;
        let asked = Arc::new(Asked::default());
        let mut server = Server::new(Handler { asked: Arc::clone(&asked), clouds: Clouds::default() });
        server.register_socket(udp);
        server.register_listener(tcp, IDLE, 16);
        Ok(Self { address, asked, _server: Some(server) })
    }

    /// An address where nobody listens: for the proof that the demo's table needs its stand-in.
    ///
    /// # Errors
    /// As [`StandIn::start`].
    pub async fn absent() -> std::io::Result<Self> {
        let (udp, _) = bind().await?;
        Ok(Self { address: udp.local_addr()?, asked: Arc::default(), _server: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a name was asked.
    pub fn count(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&name.to_ascii_lowercase()).map_or(0, HashSet::len)
    }

    /// How many queries it had.
    pub fn total(&self) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.values().map(HashSet::len).sum()
    }
}

/// One free port in both protocols.
async fn bind() -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            // A free port of TCP's may be taken in UDP.
            Err(_) if tries < 16 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The public address that the stand-in has for a name: one of 203.0.113.0/24.
pub fn public_address(name: &str) -> Ipv4Addr {
    let sum =
        name.to_ascii_lowercase().bytes().fold(0_u32, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
    let [.., last] = (sum % 254 + 1).to_be_bytes();
    Ipv4Addr::new(203, 0, 113, last)
}

/// The names of a chain: what was asked, then each alias target.
fn chain(name: &str, clouds: &Clouds) -> Vec<String> {
    let wire = WireName::from_presentation(name).unwrap_or(WireName::ROOT);
    let avd = clouds.classify(wire.as_ref()).filter(|avd| !avd.is_suffix);
    let mut names = vec![name.to_owned()];
    match avd {
        Some(avd) => {
            let kind = if avd.guid.is_none() { Kind::Global } else { Kind::HostPool };
            let pair = clouds.pair(wire.as_ref(), kind).map(|pair| pair.map(|name| name.to_string()));
            if let Some([public, private]) = pair.filter(|_| !avd.is_private_link()) {
                names = vec![public, private];
            }
        }
        // As sign-in names do: across a private-link name that is none of AVD's (R18).
        None => names.push("ak.privatelink.msidentity.com".to_owned()),
    }
    let first = name.split('.').next().unwrap_or("name");
    names.push(format!("{first}-prod.trafficmanager.net"));
    names
}

/// Answers every question by [`chain`].
struct Handler {
    asked: Arc<Asked>,
    clouds: Clouds,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut response: R) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        let (mut answers, mut authorities) = (Vec::new(), Vec::new());
        match request.request_info() {
            Ok(info) => {
                let name = info.query.name().to_string().trim_end_matches('.').to_owned();
                let source = (request.src(), request.metadata.id);
                // HINFO is the server's own look for loops of forwarders, no client's question.
                if info.query.query_type() != RecordType::HINFO {
                    let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                    asked.entry(name.clone()).or_default().insert(source);
                }
                (answers, authorities) = records(&name, info.query.query_type(), &self.clouds);
            }
            Err(_) => metadata.response_code = ResponseCode::FormErr,
        }
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_OCTETS);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let message = builder.build(metadata, &answers, &authorities, &[], &[]);
        // Who asked may have gone away, which is no fault of the stand-in.
        let sent = response.send_response(message).await;
        sent.unwrap_or_else(|_| Header { metadata, counts: HeaderCounts::default() }.into())
    }
}

/// Answer and authority section: aliases, then an address, or a SOA where another type was asked for.
fn records(name: &str, qtype: RecordType, clouds: &Clouds) -> (Vec<Record>, Vec<Record>) {
    let names: Vec<Name> =
        chain(name, clouds).iter().filter_map(|name| Name::from_utf8(format!("{name}.")).ok()).collect();
    let aliases = names.windows(2).filter_map(|pair| match pair {
        [owner, target] => Some(Record::from_rdata(owner.clone(), TTL, RData::CNAME(CNAME(target.clone())))),
        _ => None,
    });
    let mut answers: Vec<Record> = aliases.collect();
    let Some(last) = names.last().cloned() else { return (answers, Vec::new()) };
    if qtype == RecordType::CNAME {
        answers.truncate(1);
        return (answers, Vec::new());
    }
    if qtype == RecordType::A {
        answers.push(Record::from_rdata(last, TTL, RData::A(A(public_address(name)))));
        return (answers, Vec::new());
    }
    let apex = last.base_name();
    let soa = SOA::new(apex.clone(), apex.clone(), 1, 3_600, 300, 604_800, 30);
    (answers, vec![Record::from_rdata(apex, 30, RData::SOA(soa))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avd_names_cross_the_private_link_spelling_of_their_kind() {
        let clouds = Clouds::default();
        assert_eq!(
            chain("rdweb.wvd.microsoft.com", &clouds),
            ["rdweb.wvd.microsoft.com", "rdweb.privatelink-global.wvd.microsoft.com", "rdweb-prod.trafficmanager.net",]
        );
        let pool = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";
        let broker = chain(&format!("{pool}.rdbroker.wvd.microsoft.com"), &clouds);
        assert_eq!(broker[1], format!("{pool}.rdbroker.privatelink.wvd.microsoft.com"));
        assert_eq!(chain(&broker[1], &clouds).len(), 2);
        assert_eq!(chain("login.microsoftonline.com", &clouds)[1], "ak.privatelink.msidentity.com");
    }

    #[test]
    fn another_type_than_a_has_aliases_and_a_soa() {
        let (answers, authorities) = records("rdweb.wvd.microsoft.com", RecordType::AAAA, &Clouds::default());
        assert_eq!((answers.len(), authorities.len()), (2, 1));
        let (answers, authorities) = records("rdweb.wvd.microsoft.com", RecordType::A, &Clouds::default());
        assert_eq!((answers.len(), authorities.len()), (3, 0));
        assert_eq!(answers[2].data, RData::A(A(public_address("RDWEB.wvd.microsoft.com"))));
    }
}
