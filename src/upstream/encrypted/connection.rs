//! One connection to an encrypted server: shaken once, asked many questions at a time, closed when unused.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hickory_net::NetError;
use hickory_net::proto::op::{DnsRequest, DnsRequestOptions, Message};
use hickory_net::xfer::{DnsHandle, FirstAnswer};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::connect::Exchange;
use super::pool::Pool;

/// Where a connection is in its life.
#[derive(Clone)]
enum State {
    Connecting,
    Open(Exchange),
    Ended(io::ErrorKind),
}

/// Why a question got no reply.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no connection; the pool has told why.
    Unconnected(io::ErrorKind),
    /// The connection ended under the question.
    Ended,
    /// What came is not a reply to it.
    Reply(NetError),
}

/// One connection.
pub(super) struct Connection {
    state: watch::Sender<State>,
    /// Questions that hold a place on it.
    open: AtomicUsize,
    replies: AtomicU64,
    /// It takes no more questions.
    retired: AtomicBool,
}

impl Connection {
    /// One that is about to connect.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(State::Connecting),
            open: AtomicUsize::new(0),
            replies: AtomicU64::new(0),
            retired: AtomicBool::new(false),
        })
    }

    /// How many questions hold a place on it.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Whether the handshake is not over.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(*self.state.borrow(), State::Connecting)
    }

    /// Whether it takes no more questions.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }

    /// Whether it was ever of use. A server may close such a one just as a question goes out (RFC 7766 §6.2.4).
    pub(super) fn has_replied(&self) -> bool {
        self.replies.load(Relaxed) > 0
    }

    /// Takes no more questions; those that are open may still be answered.
    pub(super) fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    /// A question takes a place; called under the pool's lock.
    pub(super) fn enter(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    /// It gives the place back.
    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// Asks and waits. The reply is as the server sent it, but for what TLS and HTTP put around it.
    pub(super) async fn ask(&self, message: &Message, stall: Duration) -> Result<Vec<u8>, Fault> {
        let exchange = self.opened().await?;
        let before = self.replies.load(Relaxed);
        let request = DnsRequest::new(message.clone(), DnsRequestOptions::default());
        let mut answer = exchange.send(request).first_answer();
        let answered = match timeout(stall, &mut answer).await {
            Ok(answered) => answered,
            Err(_) => {
                // Nothing at all has come since: the other end may be gone without a word. The next questions go over
                // another connection, and this one waits on: its server may just be slow.
                if self.replies.load(Relaxed) == before {
                    self.retire();
                }
                answer.await
            }
        };
        match answered {
            Ok(response) => {
                self.replies.fetch_add(1, Relaxed);
                Ok(response.into_buffer())
            }
            Err(error) => {
                let reply = is_reply(&error);
                if !reply {
                    self.retire();
                }
                Err(if reply { Fault::Reply(error) } else { Fault::Ended })
            }
        }
    }

    /// Waits for the handshake.
    async fn opened(&self) -> Result<Exchange, Fault> {
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match state.as_deref() {
            Ok(State::Open(exchange)) => Ok(exchange.clone()),
            Ok(State::Ended(kind)) => Err(Fault::Unconnected(*kind)),
            Ok(State::Connecting) | Err(_) => Err(Fault::Ended),
        }
    }

    fn end(&self, kind: io::ErrorKind) {
        self.retire();
        self.state.send_replace(State::Ended(kind));
    }
}

/// Whether an error is about one reply and not about the connection.
fn is_reply(error: &NetError) -> bool {
    match error {
        NetError::Proto(_) | NetError::Decode(_) | NetError::ParseInt(_) | NetError::RequestTooLarge => true,
        // A status other than 2xx, or another content type. The other text: a connection that cannot be written to.
        NetError::Msg(text) => !text.starts_with("mpsc::SendError"),
        // One stream was reset, or all of them.
        NetError::H2(_) => !error.is_connection_closed(),
        _ => false,
    }
}

/// A connection's life: the handshake, the questions, the end.
pub(super) async fn live(pool: Arc<Pool>, connection: Arc<Connection>) {
    let limits = pool.limits();
    let handshake = timeout(limits.handshake, pool.connect()).await.unwrap_or(Err(NetError::Timeout));
    let (exchange, mut driver) = match handshake {
        Ok(connected) => connected,
        Err(error) => {
            // The pool first: who wakes up by the end finds the pause already there.
            let kind = pool.could_not_connect(&error);
            pool.forget(&connection);
            return connection.end(kind);
        }
    };
    pool.connected();
    connection.state.send_replace(State::Open(exchange));
    let (mut busy, mut replies) = (Instant::now(), 0);
    loop {
        // Each turn polls the driver too, which is how an HTTP/2 connection learns that the other end has left.
        tokio::select! {
            () = &mut driver => break,
            () = tokio::time::sleep(limits.turn) => {}
        }
        let before = std::mem::replace(&mut replies, connection.replies.load(Relaxed));
        if connection.open() > 0 || replies != before {
            busy = Instant::now();
        }
        let idle = if connection.is_retired() { Duration::ZERO } else { limits.idle };
        if busy.elapsed() >= idle && pool.forget_unused(&connection) {
            return connection.end(io::ErrorKind::ConnectionAborted);
        }
    }
    if connection.open() > 0 && !connection.has_replied() {
        pool.was_closed_unanswered();
    }
    pool.forget(&connection);
    connection.end(io::ErrorKind::ConnectionReset);
}
