//! An explanation with the exchange done, over what a server's threads share: its snapshot, cache, upstreams and caps.

use std::sync::{Mutex, PoisonError};

use super::{Explained, Noted, Question, Trail};
use crate::resolve::general::{Observe, Shared};
use crate::resolve::{Client, MAX_OCTETS, Observer, Transport};
use crate::view::Snapshot;
use crate::wire::Moment;

/// Asks as a client would, and tells how the answer came about.
pub async fn ask(shared: &Shared, question: Question, transport: Transport) -> Explained {
    let notes = Notes { question, noted: Mutex::default() };
    let mut out = vec![0; MAX_OCTETS];
    let client = question.client(transport);
    let length = shared.answer(&question.message(), &client, &mut out, &notes).await;
    let noted = notes.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    Explained::new(&question, noted, out.get(..length).unwrap_or(&[]))
}

/// Makes the observer of each pass; the last pass's notes stay.
struct Notes {
    question: Question,
    noted: Mutex<Noted>,
}

impl Observe for Notes {
    fn observer<'s>(&'s self, _: &'s Client, snapshot: &'s Snapshot, _: Moment) -> Box<dyn Observer + 's> {
        Box::new(Trail::new(snapshot, &self.question, &self.noted))
    }
}
