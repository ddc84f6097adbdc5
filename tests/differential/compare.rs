//! What differs between two replies to one question.

use crate::harness::Reply;
use crate::harness::message::{Rr, kind};
use std::collections::BTreeMap;

/// A part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Rcode,
    Aa,
    Tc,
    /// RD, RA, AD or CD.
    Flags,
    /// Whether there is an OPT record, and its DO bit.
    Opt,
    /// The answer section as RRsets, TTLs aside.
    Answer,
    /// The TTLs of its RRsets.
    Ttl,
    /// The SOA of the authority section, and anything else there.
    Authority,
}

/// The parts that differ. TTLs may do so by the age that an answer can have in a cache, `elapsed` seconds. Records are
/// not compared where either reply was truncated.
pub(crate) fn differences(own: &Reply, other: &Reply, elapsed: u32) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut check = |part, differs| {
        if differs {
            parts.push(part);
        }
    };
    check(Part::Rcode, own.rcode() != other.rcode());
    check(Part::Aa, own.aa() != other.aa());
    check(Part::Tc, own.tc() != other.tc());
    let flags = |reply: &Reply| [reply.rd(), reply.ra(), reply.ad(), reply.cd(), reply.z()];
    check(Part::Flags, flags(own) != flags(other));
    let opt = |reply: &Reply| reply.edns().map(|edns| (edns.version(), edns.flags().dnssec_ok));
    check(Part::Opt, opt(own) != opt(other));
    if own.tc() || other.tc() {
        return parts;
    }
    let (ours, theirs) = (sets(own.answers()), sets(other.answers()));
    let data = |sets: &Sets| sets.iter().map(|(key, set)| (key.clone(), set.data.clone())).collect::<Vec<_>>();
    check(Part::Answer, data(&ours) != data(&theirs));
    let far = |(key, set): (&(String, u16), &Set)| {
        theirs.get(key).is_some_and(|other| set.least.abs_diff(other.least) > elapsed)
    };
    check(Part::Ttl, ours.iter().any(far) || ours.values().any(|set| set.least != set.most));
    let authority = |reply: &Reply| {
        let all = reply.authority();
        let rest = all.iter().filter(|rr| rr.kind != kind::SOA).count();
        (all.iter().find(|rr| rr.kind == kind::SOA).map(|rr| (rr.name.clone(), rr.data.clone(), rr.ttl)), rest)
    };
    let ((our_soa, our_rest), (their_soa, their_rest)) = (authority(own), authority(other));
    let same = match (&our_soa, &their_soa) {
        (Some((name, data, ttl)), Some((other_name, other_data, other_ttl))) => {
            (name, data) == (other_name, other_data) && ttl.abs_diff(*other_ttl) <= elapsed
        }
        (None, None) => true,
        _ => false,
    };
    check(Part::Authority, !same || our_rest != their_rest);
    parts
}

/// An RRset: its RDATA in order, and its lowest and highest TTL.
struct Set {
    data: Vec<Vec<u8>>,
    least: u32,
    most: u32,
}

type Sets = BTreeMap<(String, u16), Set>;

fn sets(records: Vec<Rr>) -> Sets {
    let mut sets = Sets::new();
    for rr in records {
        let set = sets.entry((rr.name, rr.kind)).or_insert(Set { data: Vec::new(), least: rr.ttl, most: rr.ttl });
        set.data.push(rr.data);
        set.data.sort();
        (set.least, set.most) = (set.least.min(rr.ttl), set.most.max(rr.ttl));
    }
    sets
}
