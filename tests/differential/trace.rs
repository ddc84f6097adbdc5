//! Where a question leads in its view: every name of its chain with what it is there, and how the chain ends. Made of
//! the world and the tables alone; no reply is looked at.

use crate::filed;
use crate::harness::message::{Rr, kind};
use crate::oracle::sight::{Sight, What};
use crate::oracle::world::Data;
use crate::scene::Scene;

/// More aliases than either server follows.
const LONGEST: usize = 40;

/// Whose a name is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The zone out of a file.
    Filed,
    /// As the rules say.
    Is(What),
}

/// How a chain ends.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// At a name that the view answers for, or that nobody may ask for.
    Here,
    /// With records of an upstream.
    Data(Vec<Rr>),
    /// With an upstream's NODATA or NXDOMAIN, and the owner of its SOA.
    Negative { rcode: u8, soa: Option<String> },
    /// With an upstream's failure; at an alias, which the upstream tells where it is asked for that alone.
    Failed { at_alias: bool },
    /// It does not end, or only past what is followed.
    Never,
}

/// A whole chain.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) names: Vec<(String, Place)>,
    pub(crate) end: End,
    /// Whether the chain left one upstream's answer, or an owned alias, for another piece.
    pub(crate) is_cut: bool,
    /// Whether an upstream's alias or DNAME stands in it.
    pub(crate) has_upstream_alias: bool,
}

impl Trace {
    /// Follows a name from a view.
    pub(crate) fn follow(scene: &Scene, sight: &Sight<'_>, qname: &str, qtype: u16) -> Self {
        let mut trace = Self { names: Vec::new(), end: End::Never, is_cut: false, has_upstream_alias: false };
        let mut next = Some(qname.to_owned());
        while let Some(name) = next.take() {
            let place = place(sight, &name, qtype);
            trace.names.push((name.clone(), place.clone()));
            if trace.names.len() > LONGEST {
                return trace;
            }
            next = match place {
                Place::Filed => filed::target(&name).map(str::to_owned),
                Place::Is(What::Node { data: Some(Data::Alias(target)), .. }) => Some(target),
                Place::Is(What::Route(upstream)) => trace.ask(scene, sight, &name, qtype, upstream),
                Place::Is(_) => None,
            }
            .filter(|_| qtype != kind::CNAME);
            if next.is_some() {
                trace.is_cut = true;
            } else if !matches!(trace.names.last(), Some((_, Place::Is(What::Route(_))))) {
                trace.end = End::Here;
            }
        }
        trace
    }

    /// Goes through one upstream's answer; gives the target at which the chain leaves it.
    fn ask(&mut self, scene: &Scene, sight: &Sight<'_>, qname: &str, qtype: u16, upstream: usize) -> Option<String> {
        let script = scene.upstream(upstream, qname, qtype);
        let table = scene.world.upstreams[upstream];
        let mut owner = qname.to_owned();
        self.has_upstream_alias |= script.answers.iter().any(|rr| rr.target().is_some() && rr.kind != qtype);
        while let Some(target) = target(&script.answers, &owner).filter(|_| qtype != kind::CNAME) {
            let place = place(sight, &target, qtype);
            let same = matches!(&place, Place::Is(What::Route(other)) if scene.world.upstreams[*other] == table);
            if !same {
                return Some(target);
            }
            if self.names.len() > LONGEST {
                return None;
            }
            self.names.push((target.clone(), place));
            owner = target;
        }
        let data: Vec<_> = script.answers.iter().filter(|rr| rr.name == owner && rr.kind == qtype).cloned().collect();
        let soa = script.authority.iter().find(|rr| rr.kind == kind::SOA).map(|rr| rr.name.clone());
        let failed = !matches!(script.rcode, 0 | 3);
        if data.is_empty() && soa.is_none() && !failed && script.rcode == 0 && owner != qname {
            // The upstream said nothing about the last target: it is asked.
            self.names.pop();
            return Some(owner);
        }
        let is_alias = |name: &str| !scene.upstream(upstream, name, kind::CNAME).answers.is_empty();
        self.end = match data {
            _ if failed => End::Failed { at_alias: is_alias(&owner) },
            data if !data.is_empty() => End::Data(data),
            _ => End::Negative { rcode: script.rcode, soa },
        };
        None
    }
}

fn place(sight: &Sight<'_>, name: &str, qtype: u16) -> Place {
    if filed::holds(name) { Place::Filed } else { Place::Is(sight.what(name, qtype)) }
}

/// The target of a CNAME, or what a DNAME makes of the name.
fn target(answers: &[Rr], owner: &str) -> Option<String> {
    if let Some(alias) = answers.iter().find(|rr| rr.name == owner && rr.kind == kind::CNAME) {
        return alias.target();
    }
    answers.iter().filter(|rr| rr.kind == kind::DNAME).find_map(|rr| {
        let below = owner.strip_suffix(&rr.name)?.strip_suffix('.')?;
        Some(format!("{below}.{}", rr.target()?))
    })
}
