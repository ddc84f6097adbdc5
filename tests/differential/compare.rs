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
    /// The SOA of the authority section, TTL aside, and anything else there.
    Authority,
    /// The TTL of that SOA.
    SoaTtl,
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
    let (our_soa, their_soa) = (soa(own), soa(other));
    let data = |soa: &Option<Rr>| soa.clone().map(|rr| (rr.name, rr.data));
    let rest = |reply: &Reply| reply.authority().iter().filter(|rr| rr.kind != kind::SOA).count();
    check(Part::Authority, data(&our_soa) != data(&their_soa) || rest(own) != rest(other));
    let ttls = our_soa.zip(their_soa).map(|(ours, theirs)| ours.ttl.abs_diff(theirs.ttl));
    check(Part::SoaTtl, ttls.is_some_and(|apart| apart > elapsed));
    parts
}

fn soa(reply: &Reply) -> Option<Rr> {
    reply.authority().into_iter().find(|rr| rr.kind == kind::SOA)
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
