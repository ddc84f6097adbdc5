//! What leaves, counted by label: one look-up in the writer's own table a query.

use std::time::Duration;

use super::audit::Seen;
use crate::metrics::{BADVERS, Carrier, Labels, Source, Tally, What};
use crate::view::Snapshot;
use crate::wire::{HEADER_OCTETS, Header, Question, Records, rtype};

/// Counts a reply to `message`, which left by the snapshot that the tally follows, and returns what its duration is
/// counted under.
#[inline]
pub fn reply(tally: &mut Tally, carrier: Carrier, seen: &Seen, message: &[u8], reply: &[u8]) -> Labels {
    let mut code = reply.get(3).map_or(0, |octet| octet & 15);
    // The name was read: its type stands right behind it.
    let qtype_at = HEADER_OCTETS + usize::from(seen.qname_octets);
    let mut qtype = message.get(qtype_at..qtype_at + 2).map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]));
    let mut origin = seen.origin;
    if seen.qname_octets == 0 {
        // Refused, malformed, or of a kind that is not served: its type is not told.
        (qtype, origin) = (0, origin.with(Source::Policy));
        if code == 0 {
            code = whole_rcode(reply);
        }
    }
    let labels = Labels::query(seen.view, carrier, origin, qtype, code);
    tally.add(labels, 1);
    if seen.is_rare {
        by_view(tally, seen);
    }
    labels.durations()
}

/// Has the tally count by a snapshot's views.
#[inline]
pub fn follow(tally: &mut Tally, snapshot: &Snapshot) {
    tally.follow(snapshot.generation, snapshot.views.iter().map(|view| &view.name));
}

#[cold]
fn by_view(tally: &mut Tally, seen: &Seen) {
    let rare = &seen.rare;
    for (what, count) in [(What::Withheld, rare.withheld), (What::Watched, rare.watched), (What::Foreign, rare.foreign)]
    {
        if count > 0 {
            tally.add(Labels::of_view(seen.view, what), u64::from(count));
        }
    }
}

/// The RCODE with its upper bits, which stand in the OPT record (RFC 6891 §6.1.3); of those only BADVERS is ours.
#[cold]
fn whole_rcode(reply: &[u8]) -> u8 {
    let header = Header::read(reply).unwrap_or_default();
    let Some(question) = Question::read(reply).ok().filter(|_| header.answers == 0 && header.authorities == 0) else {
        return 0;
    };
    let mut opt = Records::new(reply, question.end, header.additionals).map_while(Result::ok);
    match opt.find(|record| record.rtype == rtype::OPT) {
        Some(record) if record.ttl_bits >> 24 == 1 => BADVERS,
        _ => 0,
    }
}

/// Replies that leave together and so took equally long: counted in runs of equal labels.
pub struct Batch {
    run: Option<Labels>,
    queries: u64,
    runs: Vec<(Labels, u64)>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { run: None, queries: 0, runs: Vec::with_capacity(crate::socket::BATCH) }
    }
}

impl Batch {
    /// One more reply.
    #[inline]
    pub fn push(&mut self, labels: Labels) {
        if self.run == Some(labels) {
            self.queries += 1;
        } else {
            self.end_run();
            (self.run, self.queries) = (Some(labels), 1);
        }
    }

    fn end_run(&mut self) {
        if let Some(labels) = self.run.take() {
            self.runs.push((labels, self.queries));
        }
    }

    /// They have left.
    pub fn end(&mut self, tally: &mut Tally, took: Duration) {
        self.end_run();
        for (labels, queries) in self.runs.drain(..) {
            tally.took(labels, took, queries);
        }
    }
}
