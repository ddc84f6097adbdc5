//! Connected UDP sockets to upstream servers: random ports, random ids, replies matched to what is open (R30, RFC 5452).
//!
//! Each server has a few open sockets; a query draws one of them evenly. A socket is retired after 64 queries or 10 s
//! and closed when nothing waits on it, so that neither its port nor its ids can be learnt and used.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use super::case::Case;
use crate::socket::{Arrivals, Departures, OUTGOING_OCTETS};
use crate::wire::Moment;

/// Sockets that are open for new queries, per server and worker.
const OPEN_SOCKETS: usize = 8;
/// Queries that one socket carries at most.
const QUERIES_PER_SOCKET: u32 = 64;
/// How long a socket takes new queries.
const SOCKET_LIFE: Duration = Duration::from_secs(10);
/// Sockets of one worker in all; more mean a leak or a flood, and a query then fails.
const MAX_SOCKETS: usize = 4_096;

/// Where a query is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    socket: u32,
    id: u16,
}

impl Opened {
    /// The query's id.
    pub(super) fn id(&self) -> u16 {
        self.id
    }
}

struct Socket {
    io: UdpSocket,
    server: SocketAddr,
    opened: Moment,
    queries: u32,
    /// Open questions: id and the exchange's slot.
    open: Vec<(u16, u32)>,
    retired: bool,
}

/// One worker's sockets.
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
    free: Vec<u32>,
    /// The sockets that take new queries, by server; servers are few.
    pools: Vec<(SocketAddr, Vec<u32>)>,
    rng: StdRng,
    first_token: usize,
    /// What leaves with the next [`Sockets::flush`].
    departures: Departures,
}

impl Sockets {
    /// None yet. Their tokens are `first_token` and more.
    pub(super) fn new(first_token: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            pools: Vec::new(),
            rng: rand::make_rng(),
            first_token,
            departures: Departures::default(),
        }
    }

    /// Draws the case of a query's letters.
    pub(super) fn draw_case(&mut self) -> Case {
        Case::new([self.rng.next_u64(), self.rng.next_u64(), self.rng.next_u64(), self.rng.next_u64()])
    }

    /// Takes a socket and a random id for a query to `server`.
    pub(super) fn open(
        &mut self,
        registry: &Registry,
        server: SocketAddr,
        slot: u32,
        now: Moment,
    ) -> io::Result<Opened> {
        let pool = match self.pools.iter().position(|(address, _)| *address == server) {
            Some(pool) => pool,
            None => {
                self.pools.push((server, Vec::with_capacity(OPEN_SOCKETS)));
                self.pools.len() - 1
            }
        };
        let draw = self.rng.random_range(0..OPEN_SOCKETS);
        let known = self.pools[pool].1.get(draw).copied();
        let usable = known.filter(|index| {
            let socket = self.slots[*index as usize].as_ref();
            socket.is_some_and(|socket| now.since(socket.opened) < SOCKET_LIFE && socket.queries < QUERIES_PER_SOCKET)
        });
        let index = match usable {
            Some(index) => index,
            None => {
                let index = self.connect(registry, server, now)?;
                match known {
                    Some(old) => {
                        self.pools[pool].1[draw] = index;
                        self.retire(registry, old);
                    }
                    None => self.pools[pool].1.push(index),
                }
                index
            }
        };
        let Some(socket) = self.slots[index as usize].as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut id = (self.rng.next_u32() >> 8) as u16;
        while socket.open.iter().any(|(open, _)| *open == id) {
            id = (self.rng.next_u32() >> 8) as u16;
        }
        socket.queries += 1;
        socket.open.push((id, slot));
        Ok(Opened { socket: index, id })
    }

    /// Whether [`Sockets::flush`] must be called before the next [`Sockets::send`].
    pub(super) fn is_full(&self) -> bool {
        self.departures.is_full()
    }

    /// Has a query leave with the next flush, on the socket it was opened on. `write` writes it and returns its octets.
    pub(super) fn send(&mut self, opened: Opened, write: impl FnOnce(&mut [u8; OUTGOING_OCTETS]) -> usize) {
        if let Some(buffer) = self.departures.buffer() {
            let length = write(buffer);
            self.departures.push(length, opened.socket);
        }
    }

    /// Sends all that waits, a system call for each socket. The tokens of sockets that failed are added to `failed`.
    pub(super) fn flush(&mut self, failed: &mut Vec<Token>) {
        if self.departures.is_empty() {
            return;
        }
        let (slots, first) = (&self.slots, self.first_token);
        let descriptor = |socket: u32| Some(slots.get(socket as usize)?.as_ref()?.io.as_raw_fd());
        self.departures.flush(descriptor, |socket| failed.push(Token(first + socket as usize)));
    }

    /// A query waits no more.
    pub(super) fn close(&mut self, registry: &Registry, opened: Opened) {
        if let Some(socket) = self.slots.get_mut(opened.socket as usize).and_then(Option::as_mut) {
            socket.open.retain(|(id, _)| *id != opened.id);
            if socket.retired && socket.open.is_empty() {
                self.drop_socket(registry, opened.socket);
            }
        }
    }

    /// The server of the socket with this token.
    pub(super) fn server(&self, token: Token) -> Option<SocketAddr> {
        self.socket(token).map(|socket| socket.server)
    }

    /// Receives a batch of datagrams.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else what the socket reports.
    pub(super) fn receive(&self, token: Token, into: &mut Arrivals) -> io::Result<usize> {
        match self.socket(token) {
            Some(socket) => into.receive(&socket.io),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The exchange that a reply with this id on this socket may belong to.
    pub(super) fn waiting(&self, token: Token, id: u16) -> Option<(Opened, u32)> {
        let socket = u32::try_from(token.0.checked_sub(self.first_token)?).ok()?;
        let open = &self.socket(token)?.open;
        open.iter().find(|(open, _)| *open == id).map(|(id, slot)| (Opened { socket, id: *id }, *slot))
    }

    /// All exchanges that wait on this socket: it failed. The socket takes no more queries.
    pub(super) fn failed(&mut self, registry: &Registry, token: Token, into: &mut Vec<(Opened, u32)>) {
        let Some(index) = token.0.checked_sub(self.first_token).and_then(|index| u32::try_from(index).ok()) else {
            return;
        };
        if let Some(socket) = self.slots.get(index as usize).and_then(Option::as_ref) {
            into.extend(socket.open.iter().map(|(id, slot)| (Opened { socket: index, id: *id }, *slot)));
            let server = socket.server;
            if let Some((_, pool)) = self.pools.iter_mut().find(|(address, _)| *address == server) {
                pool.retain(|other| *other != index);
            }
            self.retire(registry, index);
        }
    }

    fn socket(&self, token: Token) -> Option<&Socket> {
        self.slots.get(token.0.checked_sub(self.first_token)?)?.as_ref()
    }

    fn connect(&mut self, registry: &Registry, server: SocketAddr, now: Moment) -> io::Result<u32> {
        let any: SocketAddr =
            if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        if self.free.is_empty() && self.slots.len() >= MAX_SOCKETS {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // The kernel draws the port from its whole range, and only the server's datagrams get in.
        let mut io = UdpSocket::bind(any)?;
        io.connect(server)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        let token = Token(self.first_token + index as usize);
        if let Err(error) = registry.register(&mut io, token, Interest::READABLE) {
            self.free.push(index);
            return Err(error);
        }
        let socket = Socket { io, server, opened: now, queries: 0, open: Vec::with_capacity(8), retired: false };
        self.slots[index as usize] = Some(socket);
        Ok(index)
    }

    fn retire(&mut self, registry: &Registry, index: u32) {
        if let Some(socket) = self.slots.get_mut(index as usize).and_then(Option::as_mut) {
            socket.retired = true;
            if socket.open.is_empty() {
                self.drop_socket(registry, index);
            }
        }
    }

    fn drop_socket(&mut self, registry: &Registry, index: u32) {
        if let Some(mut socket) = self.slots.get_mut(index as usize).and_then(Option::take) {
            let _ = registry.deregister(&mut socket.io);
            self.free.push(index);
        }
    }
}
