//! A stub resolver: one question to one server, over UDP or TCP, from a chosen address. Blocking, on the caller's thread.
//!
//! For `query` and `doctor`, which ask servers themselves. What clients are served goes through [`crate::resolve`] and
//! [`crate::upstream`], never through here.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde::Serialize;
use socket2::{Domain, Socket, Type};

use crate::wire::{CLASS_IN, Header, NameRef, Question, flags};

/// Payload size that is offered over UDP, in octets (DNS flag day 2020).
const PAYLOAD: u16 = 1_232;
/// The DO bit of an OPT record's flags (RFC 3225 §3).
const DNSSEC_OK: u16 = 0x8000;

/// What a question travels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Datagrams; a cut reply stays cut.
    Udp,
    /// One connection.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Udp { "UDP" } else { "TCP" })
    }
}

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Stub {
    /// The server.
    pub server: SocketAddr,
    /// The address to ask from; none: as the system chooses.
    pub source: Option<IpAddr>,
    /// How long to wait for one reply.
    pub timeout: Duration,
    /// How often a question is sent over UDP before it is given up; at least once.
    pub tries: u32,
    /// RD.
    pub recursion: bool,
    /// DO.
    pub dnssec: bool,
    /// CD.
    pub unchecked: bool,
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Received {
    /// The message.
    pub message: Vec<u8>,
    /// How it came.
    pub transport: Transport,
    /// From the first octet sent to the reply.
    pub elapsed: Duration,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address to ask from is not one of this host.
    #[error("cannot ask from {source_address}: {error}")]
    Source {
        /// The address.
        source_address: IpAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system says why.
    #[error("{server} over {transport}: {error}")]
    Io {
        /// The server.
        server: SocketAddr,
        /// How it was asked.
        transport: Transport,
        /// What the system says.
        error: io::Error,
    },
    /// Nothing came.
    #[error("{server} over {transport}: no reply within {} ms", waited.as_millis())]
    Silent {
        /// The server.
        server: SocketAddr,
        /// How it was asked.
        transport: Transport,
        /// How long.
        waited: Duration,
    },
}

impl Stub {
    /// A stub with the settings of an ordinary client.
    pub fn new(server: SocketAddr) -> Self {
        let (timeout, tries) = (Duration::from_secs(5), 3);
        Self { server, source: None, timeout, tries, recursion: true, dnssec: false, unchecked: false }
    }

    /// Asks one question. Only a response with the id and the question of the query counts.
    ///
    /// # Errors
    /// Why there is no reply.
    pub fn ask(&self, name: NameRef<'_>, qtype: u16, transport: Transport) -> Result<Received, Error> {
        let begun = Instant::now();
        let query = self.query(name, qtype);
        let received = match transport {
            Transport::Udp => self.over_udp(&query),
            Transport::Tcp => self.over_tcp(&query),
        };
        match received {
            Ok(Some(message)) => Ok(Received { message, transport, elapsed: begun.elapsed() }),
            Ok(None) => Err(Error::Silent { server: self.server, transport, waited: begun.elapsed() }),
            Err(error) => match self.source {
                Some(source_address) if error.kind() == ErrorKind::AddrNotAvailable => {
                    Err(Error::Source { source_address, error })
                }
                _ => Err(Error::Io { server: self.server, transport, error }),
            },
        }
    }

    fn query(&self, name: NameRef<'_>, qtype: u16) -> Vec<u8> {
        let set = [(self.recursion, flags::RD), (self.unchecked, flags::CD)];
        let bits = set.iter().filter(|(set, _)| *set).fold(0, |bits, (_, flag)| bits | flag);
        let header = Header { id: rand::random(), flags: bits, questions: 1, additionals: 1, ..Header::default() };
        let mut query = header.octets().to_vec();
        query.extend(name.octets());
        query.extend(qtype.to_be_bytes());
        query.extend(CLASS_IN.to_be_bytes());
        // RFC 6891 §6.1.2: the root, OPT, our payload size, no extended RCODE, version 0, flags, no options.
        query.extend([0, 0, 41]);
        query.extend(PAYLOAD.to_be_bytes());
        query.extend([0, 0]);
        query.extend(if self.dnssec { DNSSEC_OK } else { 0 }.to_be_bytes());
        query.extend([0, 0]);
        query
    }

    fn over_udp(&self, query: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let any: IpAddr =
            if self.server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((self.source.unwrap_or(any), 0))?;
        // Connected: nobody else's datagrams arrive, and an ICMP error does.
        socket.connect(self.server)?;
        let mut message = vec![0; usize::from(u16::MAX)];
        for _ in 0..self.tries.max(1) {
            socket.send(query)?;
            let until = Instant::now() + self.timeout;
            while let Some(left) = left_until(until) {
                socket.set_read_timeout(Some(left))?;
                match socket.recv(&mut message) {
                    Ok(length) if is_reply(query, message.get(..length).unwrap_or(&[])) => {
                        message.truncate(length);
                        return Ok(Some(message));
                    }
                    Ok(_) => {}
                    Err(error) if is_timeout(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    fn over_tcp(&self, query: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let until = Instant::now() + self.timeout;
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM, None)?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect_timeout(&self.server.into(), self.timeout) {
            Err(error) if is_timeout(&error) => return Ok(None),
            connected => connected?,
        }
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        // RFC 1035 §4.2.2: two octets of length in front.
        let mut frame = u16::try_from(query.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
        frame.extend(query);
        stream.write_all(&frame)?;
        loop {
            let mut length = [0; 2];
            if !fill(&mut stream, &mut length, until)? {
                return Ok(None);
            }
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            if !fill(&mut stream, &mut message, until)? {
                return Ok(None);
            }
            if is_reply(query, &message) {
                return Ok(Some(message));
            }
        }
    }
}

fn left_until(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Reads all of `octets`; false when the time is up.
fn fill(stream: &mut TcpStream, octets: &mut [u8], until: Instant) -> io::Result<bool> {
    let mut done = 0;
    while let Some(rest) = octets.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let Some(left) = left_until(until) else { return Ok(false) };
        stream.set_read_timeout(Some(left))?;
        match stream.read(rest) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => done += length,
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether a message answers a query: a response with its id, and its question or, as some servers reply to what they
/// cannot read, none.
fn is_reply(query: &[u8], message: &[u8]) -> bool {
    let (Ok(asked), Ok(reply)) = (Header::read(query), Header::read(message)) else { return false };
    if !reply.has(flags::QR) || reply.id != asked.id {
        return false;
    }
    match (Question::read(query), Question::read(message)) {
        (Ok(own), Ok(other)) => {
            let octets = |message: &'_ [u8], end| message.get(12..end).unwrap_or(&[]).to_ascii_lowercase();
            octets(query, own.end) == octets(message, other.end)
        }
        _ => reply.questions == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Name, rtype};

    fn stub(server: SocketAddr) -> Stub {
        Stub { timeout: Duration::from_millis(300), tries: 1, ..Stub::new(server) }
    }

    fn name() -> Name {
        Name::from_presentation("www.public.example").unwrap()
    }

    #[test]
    fn only_a_reply_to_the_question_counts() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let mut query = [0; 512];
            let (length, from) = server.recv_from(&mut query).unwrap();
            let query = query[..length].to_vec();
            let mut reply = query.clone();
            reply[2] |= 0x80;
            let mut other_id = reply.clone();
            other_id[1] ^= 1;
            let mut other_name = reply.clone();
            other_name[14] ^= 1;
            for message in [query, other_id, other_name, reply.clone()] {
                server.send_to(&message, from).unwrap();
            }
            reply
        });
        let received = stub(address).ask(name().as_ref(), rtype::A, Transport::Udp).unwrap();
        assert_eq!(received.message, serving.join().unwrap());
    }

    #[test]
    fn silence_a_closed_port_and_a_foreign_source_are_told_apart() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let ask = |stub: Stub, transport| stub.ask(name().as_ref(), rtype::A, transport).unwrap_err();
        assert!(matches!(ask(stub(address), Transport::Udp), Error::Silent { .. }));
        // Nothing listens there over TCP.
        let closed = ask(stub(address), Transport::Tcp);
        assert!(matches!(&closed, Error::Io { error, .. } if error.kind() == ErrorKind::ConnectionRefused), "{closed}");
        let source = Some("192.0.2.1".parse().unwrap());
        for transport in [Transport::Udp, Transport::Tcp] {
            let error = ask(Stub { source, ..stub(address) }, transport);
            assert!(matches!(error, Error::Source { .. }), "{error}");
        }
    }
}
