//! Streams to upstream servers: TCP (RFC 7766), one connection a server, pipelined, reused, opened when first needed; for
//! encrypted servers see [`super::encrypted`].
//!
//! Runs on tokio, off the workers; a worker hands over a question and gets the reply by the closure that it gave.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::encrypted::Encrypted;
use super::group::{Server, Transport};
use crate::wire::HEADER_OCTETS;

/// Questions that wait for a connection's attention.
const QUEUE: usize = 256;
/// Questions open on one connection.
const MAX_OPEN: usize = 128;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);

/// What a stream brought for an exchange.
#[derive(Debug)]
pub struct StreamReply {
    /// The exchange's slot.
    pub slot: u32,
    /// Tells a slot's exchanges apart.
    pub serial: u32,
    /// Tells an exchange's tries apart.
    pub number: u8,
    /// The message, its id as asked.
    pub message: io::Result<Vec<u8>>,
}

type Done = Box<dyn FnOnce(io::Result<Vec<u8>>) + Send>;

struct Request {
    query: Vec<u8>,
    deadline: Instant,
    done: Done,
    /// It was already on a connection that its server closed.
    again: bool,
}

/// The connections of all workers.
pub struct Streams {
    runtime: Handle,
    connections: Mutex<HashMap<SocketAddr, mpsc::Sender<Request>>>,
    encrypted: Encrypted,
}

impl Streams {
    /// None yet; they run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        let encrypted = Encrypted::new(runtime.clone());
        Self { runtime, connections: Mutex::new(HashMap::new()), encrypted }
    }

    /// Asks a server, a plain one over TCP and any other by its own transport; `done` is called once, within `budget`,
    /// from another thread or, where there is no room, at once.
    pub fn ask(
        self: &Arc<Self>,
        server: &Server,
        query: Vec<u8>,
        budget: Duration,
        done: impl FnOnce(io::Result<Vec<u8>>) + Send + 'static,
    ) {
        if server.transport != Transport::Plain {
            return self.encrypted.ask(server, &query, budget, done);
        }
        let deadline = Instant::now() + budget;
        self.hand_over(server.address, Request { query, deadline, done: Box::new(done), again: false });
    }

    fn hand_over(self: &Arc<Self>, server: SocketAddr, request: Request) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let request = match connections.get(&server) {
            None => request,
            Some(connection) => match connection.try_send(request) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Closed(request)) => request,
                Err(mpsc::error::TrySendError::Full(request)) => {
                    drop(connections);
                    return (request.done)(Err(io::ErrorKind::WouldBlock.into()));
                }
            },
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        // An empty queue has room.
        let _ = sender.try_send(request);
        connections.insert(server, sender);
        drop(connections);
        let streams = Arc::clone(self);
        self.runtime.spawn(async move { serve(&streams, server, receiver).await });
    }
}

/// A connection's life.
async fn serve(streams: &Arc<Streams>, server: SocketAddr, mut requests: mpsc::Receiver<Request>) {
    let mut open: HashMap<u16, Request> = HashMap::new();
    let error = match timeout(CONNECT, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            exchange(streams, server, stream, &mut requests, &mut open).await
        }
        Ok(Err(error)) => error,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    requests.close();
    let asks_again = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    while let Ok(request) = requests.try_recv() {
        if asks_again && !request.again {
            streams.hand_over(server, Request { again: true, ..request });
        } else {
            (request.done)(Err(error.kind().into()));
        }
    }
    for (_, request) in open {
        // A server may close an idle connection just as a question goes out (RFC 7766 §6.2.4): once more.
        if asks_again && !request.again {
            streams.hand_over(server, Request { again: true, ..request });
        } else {
            (request.done)(Err(error.kind().into()));
        }
    }
}

/// Reads and writes until the connection ends, and returns why.
async fn exchange(
    streams: &Arc<Streams>,
    server: SocketAddr,
    stream: TcpStream,
    requests: &mut mpsc::Receiver<Request>,
    open: &mut HashMap<u16, Request>,
) -> io::Error {
    let (mut reader, mut writer) = stream.into_split();
    let (frames, mut received) = mpsc::channel(MAX_OPEN);
    let reading = tokio::spawn(async move {
        loop {
            let frame = read_frame(&mut reader).await;
            let ends = frame.is_err();
            if frames.send(frame).await.is_err() || ends {
                return;
            }
        }
    });
    let mut next_id: u16 = rand::random();
    let mut retired = false;
    let ended = loop {
        let earliest = open.values().map(|request| request.deadline).min();
        let wakes = earliest.unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            request = requests.recv(), if open.len() < MAX_OPEN && !retired => {
                let Some(request) = request else { break io::ErrorKind::ConnectionAborted.into() };
                while open.contains_key(&next_id) {
                    next_id = next_id.wrapping_add(1);
                }
                let frame = framed(&request.query, next_id);
                open.insert(next_id, request);
                next_id = rand::random();
                if let Err(error) = writer.write_all(&frame).await {
                    break error;
                }
            }
            frame = received.recv() => match frame {
                Some(Ok(mut message)) => {
                    let id = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
                    if let Some(request) = id.and_then(|id| open.remove(&id)) {
                        if !answers(&message, &request.query) {
                            // Who mixes up questions once may do so again: this connection is not used any more.
                            (request.done)(Err(io::ErrorKind::InvalidData.into()));
                            break io::ErrorKind::InvalidData.into();
                        }
                        if let (Some(place), Some(own)) = (message.first_chunk_mut::<2>(), request.query.first_chunk::<2>()) {
                            *place = *own;
                        }
                        (request.done)(Ok(message));
                    }
                }
                Some(Err(error)) => break error,
                None => break io::ErrorKind::UnexpectedEof.into(),
            },
            () = sleep_until(wakes) => {
                let now = Instant::now();
                let late: Vec<u16> = open.iter().filter(|(_, request)| request.deadline <= now).map(|(id, _)| *id).collect();
                for request in late.iter().filter_map(|id| open.remove(id)) {
                    (request.done)(Err(io::ErrorKind::TimedOut.into()));
                }
                // A connection that let a question run out of time takes no more; what is open on it may yet be answered.
                if !late.is_empty() && !std::mem::replace(&mut retired, true) {
                    requests.close();
                    while let Ok(request) = requests.try_recv() {
                        streams.hand_over(server, Request { again: true, ..request });
                    }
                }
                if open.is_empty() {
                    break io::ErrorKind::UnexpectedEof.into();
                }
            }
        }
    };
    reading.abort();
    ended
}

/// Whether a reply is to this query by its question, QNAME's case apart. A bare header says that the question could not
/// be read.
fn answers(message: &[u8], query: &[u8]) -> bool {
    let question = |message: &[u8]| {
        let mut end = HEADER_OCTETS;
        while let Some(length) = message.get(end).filter(|length| **length > 0 && **length < 64) {
            end += 1 + usize::from(*length);
        }
        message.get(HEADER_OCTETS..end + 5).map(<[u8]>::to_ascii_lowercase)
    };
    message.len() == HEADER_OCTETS || question(query).is_some_and(|own| question(message) == Some(own))
}

async fn read_frame(reader: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

/// A query with its length in front (RFC 1035 §4.2.2) and an id of this connection.
fn framed(query: &[u8], id: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(query.len() + 2);
    frame.extend((query.len() as u16).to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend(query.get(2..).unwrap_or(&[]));
    frame
}
