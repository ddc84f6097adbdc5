//! Clients: a chosen source address, UDP or TCP, one reply or none.

use super::message::Query;
use super::reply::Reply;
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Longer than any reply may take: the client's deadline is 4.8 s by default (R27).
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// A client at a source address that asks one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    source: IpAddr,
    server: SocketAddr,
}

impl Client {
    pub(crate) fn new(source: &str, server: SocketAddr) -> Self {
        Self { source: source.parse().expect("a source address"), server }
    }

    /// One question over UDP.
    ///
    /// # Panics
    /// When no reply comes, or one that does not repeat the id, the question, RD and CD.
    pub(crate) fn ask(&self, name: &str, kind: u16) -> Reply {
        self.udp(&Query::new(name, kind))
    }

    /// One query over UDP; panics as [`Client::ask`].
    pub(crate) fn udp(&self, query: &Query) -> Reply {
        self.sent(query, self.datagram(&query.to_octets(), PATIENCE), "UDP")
    }

    /// One query over a TCP connection of its own; panics as [`Client::ask`].
    pub(crate) fn tcp(&self, query: &Query) -> Reply {
        let mut session = self.connect();
        session.send(&query.to_octets());
        self.sent(query, session.receive(PATIENCE), "TCP")
    }

    /// The same query over UDP and over TCP.
    pub(crate) fn both(&self, query: &Query) -> [Reply; 2] {
        [self.udp(query), self.tcp(query)]
    }

    /// The same question over UDP and over TCP.
    pub(crate) fn ask_both(&self, name: &str, kind: u16) -> [Reply; 2] {
        self.both(&Query::new(name, kind))
    }

    fn sent(&self, query: &Query, octets: Option<Vec<u8>>, transport: &str) -> Reply {
        let Some(octets) = octets else {
            panic!("no reply over {transport} to {} for {query:?}", self.source);
        };
        let reply = Reply::decode(octets);
        assert!(reply.repeats(query), "the reply does not repeat the query {query:?}: {:?}", reply.message);
        reply
    }

    /// Sends octets over UDP and waits for whatever comes back.
    pub(crate) fn datagram(&self, octets: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let socket = self.socket();
        socket.send(octets).ok()?;
        receive(&socket, patience)
    }

    /// A connected UDP socket: only replies from the very address that was asked reach it.
    pub(crate) fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind((self.source, 0)).expect("a source address of this machine");
        socket.connect(self.server).expect("a route on loopback");
        socket
    }

    /// A TCP connection from this client's address.
    ///
    /// # Panics
    /// When the server does not take it.
    pub(crate) fn connect(&self) -> Session {
        self.try_connect().expect("the server takes a TCP connection")
    }

    /// As [`Client::connect`], with the reason where the connection fails.
    pub(crate) fn try_connect(&self) -> std::io::Result<Session> {
        let socket = Socket::new(Domain::for_address(self.server), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(self.source, 0).into())?;
        socket.connect_timeout(&self.server.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(Session { stream })
    }
}

/// A TCP connection with the two-octet framing of RFC 1035 §4.2.2.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
}

impl Session {
    /// Sends one message.
    pub(crate) fn send(&mut self, message: &[u8]) {
        self.write(&framed(message));
    }

    /// Sends octets as they are.
    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).expect("the server reads");
    }

    /// Waits for one message; `None` when the connection ends or the time is up.
    pub(crate) fn receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + patience;
        let mut length = [0; 2];
        self.fill(&mut length, deadline)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.fill(&mut message, deadline)?;
        Some(message)
    }

    /// Waits until the server has closed the connection; false when it is still open after `patience`.
    pub(crate) fn is_closed_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream.set_read_timeout(Some(left)).expect("a read timeout");
            match self.stream.read(&mut [0; 512]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
    }

    fn fill(&mut self, mut octets: &mut [u8], deadline: Instant) -> Option<()> {
        while !octets.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).expect("a read timeout");
            match self.stream.read(octets) {
                Ok(0) => return None,
                Ok(length) => octets = &mut octets[length..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
        }
        Some(())
    }
}

/// A message behind its length.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(message.len()).expect("a message fits a frame").to_be_bytes().to_vec();
    out.extend_from_slice(message);
    out
}

/// Waits for one datagram on a connected socket.
pub(crate) fn receive(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let mut octets = vec![0; 65535];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        socket.set_read_timeout(Some(left)).expect("a read timeout");
        match socket.recv(&mut octets) {
            Ok(length) => {
                octets.truncate(length);
                return Some(octets);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
    }
}
