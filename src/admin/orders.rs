//! What the API is told to do and only the run loop can: bounded, one at a time, each with its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::outcome::Outcome;
use crate::zone::State;

/// Orders that wait while one is carried out; one more is refused.
const WAITING: usize = 1;

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Order {
    /// Load the files and serve by them.
    Reload,
    /// Serve by the revision before.
    Rollback,
    /// Answer an endpoint otherwise.
    Override(Asked),
}

/// An override that is asked for, or its end.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The view, by name.
    pub view: String,
    /// The endpoint, by name.
    pub endpoint: String,
    /// What is to be done with its names; none: as the files say.
    pub state: Option<State>,
    /// For how long.
    pub lasts: Duration,
}

impl Order {
    /// Its word in the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Rollback => "rollback",
            Self::Override(_) => "override",
        }
    }
}

/// An order, who gave it, and where its outcome goes.
#[derive(Debug)]
pub struct Ordered {
    /// What is to be done.
    pub order: Order,
    /// Who said so.
    pub peer: SocketAddr,
    answer: oneshot::Sender<Arc<Outcome>>,
}

impl Ordered {
    /// Tells the outcome. Who gave the order may have left, and then nobody minds.
    pub fn answer(self, outcome: Arc<Outcome>) {
        drop(self.answer.send(outcome));
    }
}

/// Where orders come in.
pub type Orders = mpsc::Receiver<Ordered>;

/// Where orders are given.
#[derive(Debug, Clone)]
pub struct Sender(mpsc::Sender<Ordered>);

/// Why an order was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Another one is being carried out, and one more waits.
    Busy,
    /// The process is about to end, or failed while it was at it.
    Ended,
}

/// Both ends.
pub fn orders() -> (Sender, Orders) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Sender(sender), receiver)
}

impl Sender {
    /// Gives an order and waits until it is carried out.
    pub(super) async fn give(&self, order: Order, peer: SocketAddr) -> Result<Arc<Outcome>, NotTaken> {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Ordered { order, peer, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotTaken::Busy,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Ended,
        })?;
        outcome.await.map_err(|_| NotTaken::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_order_waits_and_one_more_is_refused() {
        let (sender, mut orders) = orders();
        let peer = "127.0.0.1:9".parse().unwrap();
        let first = tokio::spawn({
            let sender = sender.clone();
            async move { sender.give(Order::Reload, peer).await }
        });
        while orders.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sender.give(Order::Reload, peer).await.err(), Some(NotTaken::Busy));
        let order = orders.recv().await.unwrap();
        assert_eq!(order.peer, peer);
        order.answer(Arc::new(Outcome { generation: 7, ..Outcome::default() }));
        assert_eq!(first.await.unwrap().unwrap().generation, 7);
        drop(orders);
        assert_eq!(sender.give(Order::Reload, peer).await.err(), Some(NotTaken::Ended));
    }
}
