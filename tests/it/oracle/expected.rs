//! What is expected of a reply, and whether a reply is that.

use crate::harness::Reply;
use crate::harness::message::{Rr, kind, wire_name};

/// What the oracle says about a query.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Reply(Box<Expected>),
    /// The rules do not settle it; why.
    Open(&'static str),
}

/// A record with the TTLs that it may have at age 0.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) rr: Rr,
    /// The least TTL; `rr.ttl` is the greatest.
    pub(crate) least: u32,
    /// Whether the TTL runs down with time.
    pub(crate) runs: bool,
}

/// The authority section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Empty,
    /// One SOA, of one of these owners; any owner where there is none.
    Soa(Vec<String>),
    /// A positive answer may keep nothing, a denial of nobody's may hold anything.
    Any,
}

/// One reply. `None` stands for what is not judged.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) rcode: u16,
    pub(crate) aa: Option<bool>,
    pub(crate) ad: Option<bool>,
    pub(crate) answers: Vec<Record>,
    /// One of these PTR targets has to be the whole answer.
    pub(crate) reverse: Vec<String>,
    pub(crate) authority: Authority,
    pub(crate) ede: Option<Option<u16>>,
}

/// The RCODE of an opcode that is not served.
const NOTIMP: u16 = 4;

impl Expected {
    pub(crate) fn rcode(rcode: u16) -> Self {
        Self {
            rcode,
            aa: None,
            ad: Some(false),
            answers: Vec::new(),
            reverse: Vec::new(),
            authority: Authority::Empty,
            ede: None,
        }
    }

    /// What a reply does not meet, if anything. `elapsed` is how old in seconds its raw answers may be.
    pub(crate) fn fault(&self, reply: &Reply, elapsed: u32) -> Option<String> {
        if reply.rcode() != self.rcode {
            return Some(format!("RCODE {} instead of {}", reply.rcode(), self.rcode));
        }
        // NOTIMP answers no query: what RA means is known for queries alone (RFC 8906 §3.1.4).
        if reply.ra() == (self.rcode == NOTIMP) || reply.z() {
            return Some("RA has to be 1 but for NOTIMP, and Z 0".to_owned());
        }
        if self.aa.is_some_and(|aa| aa != reply.aa()) {
            return Some(format!("AA={}", reply.aa()));
        }
        // A cut answer may have been left before all its pieces were looked at.
        if !reply.tc() && self.ad.is_some_and(|ad| ad != reply.ad()) {
            return Some(format!("AD={}", reply.ad()));
        }
        if let Some(ede) = self.ede
            && reply.edns().is_some()
            && reply.ede() != ede
        {
            return Some(format!("EDE {:?} instead of {ede:?}", reply.ede()));
        }
        self.answer_fault(reply, elapsed).or_else(|| self.authority_fault(reply))
    }

    fn answer_fault(&self, reply: &Reply, elapsed: u32) -> Option<String> {
        let answers = reply.answers();
        if !self.reverse.is_empty() {
            let fits = |rr: &Rr| rr.kind == kind::PTR && self.reverse.iter().any(|name| wire_name(name) == rr.data);
            return (answers.len() != 1 || !fits(&answers[0]))
                .then(|| format!("the PTR has to name one of {:?}", self.reverse));
        }
        let wanted = &self.answers;
        // A cut answer is a prefix by whole RRsets (R9).
        let cut = reply.tc() && answers.len() < wanted.len() && {
            let (last, next) = (answers.last(), &wanted[answers.len()].rr);
            last.is_none_or(|last| (&last.name, last.kind) != (&next.name, next.kind))
        };
        if answers.len() != wanted.len() && !cut {
            return Some(format!("{} answer records instead of {}", answers.len(), wanted.len()));
        }
        for (got, wanted) in answers.iter().zip(wanted) {
            let rr = &wanted.rr;
            if (&got.name, got.kind, &got.data) != (&rr.name, rr.kind, &rr.data) {
                return Some(format!("{got:?} instead of {rr:?}"));
            }
            let least = if wanted.runs { wanted.least.saturating_sub(elapsed) } else { wanted.least };
            // What a cut answer lacks cannot lower the TTLs before it.
            if !reply.tc() && !(least..=rr.ttl).contains(&got.ttl) {
                return Some(format!("{got:?}: TTL not in {least}..={}", rr.ttl));
            }
        }
        None
    }

    fn authority_fault(&self, reply: &Reply) -> Option<String> {
        let authority = reply.authority();
        match &self.authority {
            Authority::Any => None,
            Authority::Empty => (!authority.is_empty()).then(|| format!("an authority section: {authority:?}")),
            Authority::Soa(_) if reply.tc() && authority.is_empty() => None,
            Authority::Soa(owners) => {
                let fits = authority.len() == 1
                    && authority[0].kind == kind::SOA
                    && (owners.is_empty() || owners.contains(&authority[0].name));
                (!fits).then(|| format!("the authority has to be one SOA of {owners:?}: {authority:?}"))
            }
        }
    }
}
