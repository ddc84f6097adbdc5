//! A worker's mailbox: other threads leave things in it and wake the worker's event loop.

use std::sync::{Arc, Mutex, PoisonError};

/// Bounded, many writers, one reader.
pub struct Mailbox<T> {
    things: Mutex<Vec<T>>,
    most: usize,
    waker: Arc<mio::Waker>,
}

impl<T> Mailbox<T> {
    /// An empty one that wakes the event loop of `waker` and holds at most `most` things.
    pub fn new(waker: Arc<mio::Waker>, most: usize) -> Arc<Self> {
        Arc::new(Self { things: Mutex::new(Vec::new()), most, waker })
    }

    /// Leaves a thing and wakes the reader.
    ///
    /// # Errors
    /// Gives the thing back when the box is full.
    pub fn post(&self, thing: T) -> Result<(), T> {
        let mut things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        if things.len() >= self.most {
            return Err(thing);
        }
        things.push(thing);
        let first = things.len() == 1;
        drop(things);
        // Whoever finds it empty wakes the reader, which takes everything at once.
        if first {
            self.wake();
        }
        Ok(())
    }

    /// Wakes the reader though nothing is left for it here.
    pub fn wake(&self) {
        // Writing to an eventfd of ours fails only when its counter is full: then the reader is awake.
        let _ = self.waker.wake();
    }

    /// How many things wait.
    pub fn len(&self) -> usize {
        self.things.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes everything; `into` keeps its capacity from one call to the next.
    pub fn take(&self, into: &mut Vec<T>) {
        let mut things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *things, into);
    }
}
