//! What leaves, counted by label: one look-up in the writer's own table a query.

use std::time::Duration;

use super::audit::Seen;
use crate::metrics::{BADVERS, Board, Carrier, Labels, Source, Tally, What};
use crate::view::Snapshot;
use crate::wire::{HEADER_OCTETS, Header, Question, Records, flags, rcode, rtype, u16_at};

/// Counts a reply to `message` and returns what its duration is counted under.
#[inline]
pub fn reply(
    (tally, board): (&mut Tally, &Board),
    snapshot: &Snapshot,
    carrier: Carrier,
    seen: &Seen,
    message: &[u8],
    reply: &[u8],
) -> Labels {
    if !tally.is_of(snapshot.generation) {
        board.renew(tally, snapshot.generation, snapshot.views.iter().map(|view| &view.name));
    }
    let view = tally.view(seen.view);
    let labels = if seen.qname_octets == 0 {
        without_verdict(view, carrier, seen, reply)
    } else {
        // The name was read: its type stands right behind it.
        let qtype = u16_at(message, HEADER_OCTETS + seen.qname_octets).unwrap_or(0);
        let code = reply.get(3).map_or(0, |octet| octet & 15);
        let refused = u16::from(code) == rcode::REFUSED && seen.source == Source::Local;
        let source = if refused { Source::Policy } else { seen.source };
        Labels::query(view, carrier, seen.process, qtype, code, source)
    };
    tally.add(labels, 1);
    if (seen.withheld, seen.watched, seen.foreign) != (0, 0, 0) {
        by_view(tally, view, seen);
    }
    labels.durations()
}

/// A query that came to no verdict: refused, malformed, or of a kind that is not served.
#[cold]
fn without_verdict(view: u32, carrier: Carrier, seen: &Seen, reply: &[u8]) -> Labels {
    let source = seen.source.max(Source::Policy);
    Labels::query(view, carrier, seen.process, 0, whole_rcode(reply), source)
}

#[cold]
fn by_view(tally: &mut Tally, view: u32, seen: &Seen) {
    for (what, count) in [(What::Withheld, seen.withheld), (What::Watched, seen.watched), (What::Foreign, seen.foreign)]
    {
        if count > 0 {
            tally.add(Labels::of_view(view, what), u64::from(count));
        }
    }
}

/// The RCODE with its upper bits, which stand in the OPT record (RFC 6891 §6.1.3); of those only BADVERS is ours.
fn whole_rcode(reply: &[u8]) -> u8 {
    let Ok(header) = Header::read(reply) else { return 0 };
    let code = (header.flags & flags::RCODE) as u8;
    if code != 0 || header.additionals == 0 || header.answers != 0 || header.authorities != 0 {
        return code;
    }
    let Ok(question) = Question::read(reply) else { return code };
    let mut opt = Records::new(reply, question.end, header.additionals).map_while(Result::ok);
    match opt.find(|record| record.rtype == rtype::OPT) {
        Some(record) if record.ttl_bits >> 24 == 1 => BADVERS,
        _ => code,
    }
}

/// Replies that leave together and so took equally long: counted in runs of equal labels.
pub(super) struct Batch {
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
    pub(super) fn push(&mut self, labels: Labels) {
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
    pub(super) fn end(&mut self, tally: &mut Tally, took: Duration) {
        self.end_run();
        for (labels, queries) in self.runs.drain(..) {
            tally.took(labels, took, queries);
        }
    }
}
