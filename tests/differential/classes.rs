//! The differences that are meant: each class says by a rule which questions it is about, judged by the question and the
//! world alone, and which parts of the reply may then differ.

use crate::bind;
use crate::compare::Part;
use crate::filed;
use crate::harness::Query;
use crate::harness::message::kind;
use crate::oracle::guard::{Outcome, judge};
use crate::oracle::name::{is_below, is_within};
use crate::oracle::sight::{Sight, What};
use crate::oracle::world::{Data, Zone};
use crate::shapes::{self, LONG_DENIAL};
use crate::trace::{End, Place, Trace};

/// One question with where it leads; nowhere for a client in no view.
pub(crate) struct Case<'a> {
    pub(crate) query: &'a Query,
    pub(crate) seen: Option<(Sight<'a>, Trace)>,
}

/// A class of explained differences.
pub(crate) struct Class {
    pub(crate) rule: &'static str,
    pub(crate) reason: &'static str,
    /// What may differ.
    pub(crate) parts: &'static [Part],
    pub(crate) applies: fn(&Case<'_>) -> bool,
}

use Part::{Aa, Answer, Authority, Flags, Opt, Rcode, SoaTtl, Tc, Ttl};
const RECORDS: &[Part] = &[Rcode, Aa, Tc, Answer, Ttl, Authority, SoaTtl];
const HEADER: &[Part] = &[Rcode, Aa, Flags, Opt, Answer, Ttl, Authority, SoaTtl];

/// In order: the first that applies and covers a part explains it.
pub(crate) const CLASSES: &[Class] = &[
    Class {
        rule: "R6",
        reason: "opcodes, EDNS versions, classes and types that are refused",
        parts: HEADER,
        applies: is_refused,
    },
    Class { rule: "R10", reason: "ANY is one HINFO (RFC 8482)", parts: RECORDS, applies: is_any },
    Class {
        rule: "R10",
        reason: "RD=0 at forwarded names is REFUSED, whatever is cached",
        parts: RECORDS,
        applies: has_no_rd,
    },
    Class {
        rule: "R10",
        reason: "RD=0: an owned alias is followed into another owned zone",
        parts: RECORDS,
        applies: has_no_rd_but_is_owned,
    },
    Class {
        rule: "R11",
        reason: "aliases of a fallback zone or a public spelling: BIND has no zone with an alias at its apex",
        parts: RECORDS,
        applies: is_lone_alias,
    },
    Class {
        rule: "R11",
        reason: "a fallback zone's apex and empty non-terminals are owned",
        parts: RECORDS,
        applies: is_fallback_gap,
    },
    Class {
        rule: "R11",
        reason: "negative answers of a fallback zone's names carry the zone's SOA",
        parts: &[Answer, Authority],
        applies: is_fallback_node,
    },
    Class {
        rule: "R13",
        reason: "NS and SOA at an endpoint's name, DS at any apex",
        parts: RECORDS,
        applies: is_zone_type,
    },
    Class {
        rule: "R13",
        reason: "names below an endpoint's, a fallback zone's or a public spelling's name are forwarded",
        parts: RECORDS,
        applies: is_below_flat,
    },
    Class {
        rule: "R15",
        reason: "what the wildcard of an endpoint or a fallback zone does not cover is forwarded",
        parts: RECORDS,
        applies: is_beside_wildcard,
    },
    Class {
        rule: "R15",
        reason: "a name of a wildcard endpoint is its own apex",
        parts: &[Answer, Authority],
        applies: is_by_wildcard,
    },
    Class {
        rule: "R17",
        reason: "made reverse names: their SOA and their ancestors",
        parts: RECORDS,
        applies: is_reverse,
    },
    Class {
        rule: "R18",
        reason: "foreign names are blocked, private-link suffixes are NODATA",
        parts: RECORDS,
        applies: is_avd_rule,
    },
    Class { rule: "R19", reason: "no NXDOMAIN above an owned name", parts: &[Rcode], applies: is_above_owned },
    Class { rule: "R20", reason: "special-use and single-label names", parts: RECORDS, applies: is_special },
    Class {
        rule: "R21",
        reason: "a loop or more than 16 aliases: SERVFAIL, empty",
        parts: RECORDS,
        applies: is_endless,
    },
    Class {
        rule: "R21",
        reason: "QTYPE DNAME below a DNAME is redirected as any other type (RFC 6672 §3.2); BIND ends at the DNAME",
        parts: RECORDS,
        applies: is_dname_below_dname,
    },
    Class {
        rule: "R23",
        reason: "an upstream fails behind an alias; BIND may know the alias and go on by another route",
        parts: RECORDS,
        applies: is_failed_at_alias,
    },
    Class { rule: "R23", reason: "aliases before a cut take the lower TTL behind it", parts: &[Ttl], applies: is_cut },
    Class {
        rule: "R32",
        reason: "aliases before a negative end are kept no longer than it",
        parts: &[Ttl],
        applies: is_negative_chain,
    },
    Class { rule: "R25", reason: "the guard withholds addresses and hints", parts: RECORDS, applies: is_guarded },
    Class {
        rule: "R6",
        reason: "RA=1 also in the REFUSED of a client in no view",
        parts: &[Flags],
        applies: has_no_view,
    },
    Class {
        rule: "R24",
        reason: "a denial with the SOA of a zone above the route's suffix; BIND drops the SOA, or fails",
        parts: RECORDS,
        applies: is_denied_from_above,
    },
    Class { rule: "R9", reason: "how much fits: the servers compress differently", parts: &[Tc], applies: is_large },
    Class {
        rule: "R10",
        reason: "AD=0 in a truncated reply; BIND sets it for AD=1",
        parts: &[Flags],
        applies: is_large_with_ad,
    },
    Class {
        rule: "R24",
        reason: "a denied DS with the SOA of the name itself; BIND looks for the parent's and fails",
        parts: RECORDS,
        applies: is_denied_by_child,
    },
    Class {
        rule: "R32",
        reason: "a denial's TTL is at most its SOA's MINIMUM (RFC 2308 §5)",
        parts: &[SoaTtl],
        applies: is_long_denial,
    },
    Class {
        rule: "R32",
        reason: "a TTL with its highest bit set is 0 (RFC 2181 §8), not a large one (RFC 8767 §4)",
        parts: &[Ttl],
        applies: has_large_ttl,
    },
];

impl Case<'_> {
    fn names(&self) -> impl Iterator<Item = (&str, &Place)> {
        let names = self.seen.iter().flat_map(|(_, trace)| &trace.names);
        names.map(|(name, place)| (name.as_str(), place))
    }

    fn is_at(&self, wanted: fn(&What) -> bool) -> bool {
        self.names().any(|(_, place)| matches!(place, Place::Is(what) if wanted(what)))
    }

    fn ends(&self, wanted: fn(&End) -> bool) -> bool {
        self.seen.as_ref().is_some_and(|(_, trace)| wanted(&trace.end))
    }

    /// Whether a forwarded name of the chain is so in the eyes of the view.
    fn has_forwarded(&self, wanted: impl Fn(&Sight<'_>, &str) -> bool) -> bool {
        let Some((sight, _)) = &self.seen else { return false };
        self.names().any(|(name, place)| matches!(place, Place::Is(What::Route(_))) && wanted(sight, name))
    }
}

fn zones<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a Zone> {
    let world = sight.world;
    sight.view.zones.iter().map(move |&at| &world.zones[at])
}

/// The names that stand alone in BIND, each a zone of its own.
fn flat_names(sight: &Sight<'_>) -> Vec<String> {
    let mut names: Vec<String> = sight.records().into_iter().map(|(name, ..)| name).collect();
    for zone in zones(sight) {
        for (relative, _) in &zone.records {
            names.extend((!zone.strict).then(|| format!("{relative}.{}", zone.apex)));
            names.extend(zone.public.as_ref().map(|public| format!("{relative}.{public}")));
        }
    }
    names.retain(|name| !name.starts_with('*'));
    names
}

/// Opcodes, versions, classes and types with an answer of their own, whatever the name.
pub(crate) fn is_refused(case: &Case<'_>) -> bool {
    let version = case.query.opt.as_ref().map_or(0, |opt| opt.version);
    version > 0 || case.query.opcode != 0 || case.query.class != 1 || matches!(case.query.kind, 249..=254 | kind::OPT)
}

fn is_any(case: &Case<'_>) -> bool {
    case.query.kind == kind::ANY
}

fn has_no_rd(case: &Case<'_>) -> bool {
    !case.query.rd && case.is_at(|what| matches!(what, What::Route(_)))
}

fn has_no_rd_but_is_owned(case: &Case<'_>) -> bool {
    !case.query.rd && case.names().count() > 1
}

fn is_lone_alias(case: &Case<'_>) -> bool {
    let Some((sight, _)) = &case.seen else { return false };
    let alias = |place: &Place| matches!(place, Place::Is(What::Node { data: Some(Data::Alias(_)), .. }));
    case.names().any(|(name, place)| alias(place) && deepest(sight, name).is_none_or(|zone| !zone.strict))
}

fn deepest<'a>(sight: &Sight<'a>, name: &str) -> Option<&'a Zone> {
    zones(sight).filter(|zone| is_within(name, &zone.apex)).max_by_key(|zone| zone.apex.len())
}

fn in_fallback(sight: &Sight<'_>, name: &str) -> bool {
    deepest(sight, name).is_some_and(|zone| !zone.strict)
}

fn is_fallback_gap(case: &Case<'_>) -> bool {
    let Some((sight, _)) = &case.seen else { return false };
    let gap = |place: &Place| matches!(place, Place::Is(What::Node { data: None, .. }));
    case.names().any(|(name, place)| gap(place) && in_fallback(sight, name))
}

fn is_fallback_node(case: &Case<'_>) -> bool {
    let Some((sight, _)) = &case.seen else { return false };
    let node = |place: &Place| matches!(place, Place::Is(What::Node { .. } | What::Endpoint { .. }));
    case.names().last().is_some_and(|(name, place)| node(place) && in_fallback(sight, name))
}

fn is_zone_type(case: &Case<'_>) -> bool {
    let owned = |place: &Place| matches!(place, Place::Is(What::Node { .. } | What::Endpoint { .. }));
    let last = case.names().last();
    match case.query.kind {
        kind::NS | kind::SOA => last.is_some_and(|(_, place)| owned(place)),
        kind::DS => last.is_some_and(|(name, place)| owned(place) || name == filed::APEX),
        _ => false,
    }
}

fn is_below_flat(case: &Case<'_>) -> bool {
    case.has_forwarded(|sight, name| flat_names(sight).iter().any(|flat| is_below(name, flat)))
}

fn is_beside_wildcard(case: &Case<'_>) -> bool {
    case.has_forwarded(|sight, name| {
        let endpoints = sight.records().into_iter().map(|(owner, ..)| owner);
        let fallback = zones(sight).filter(|zone| !zone.strict);
        let nodes = fallback.flat_map(|zone| zone.records.iter().map(|(owner, _)| format!("{owner}.{}", zone.apex)));
        endpoints.chain(nodes).any(|owner| owner.strip_prefix("*.").is_some_and(|base| is_within(name, base)))
    })
}

fn is_by_wildcard(case: &Case<'_>) -> bool {
    case.names().last().is_some_and(|(_, place)| matches!(place, Place::Is(What::Endpoint { own_apex: false, .. })))
}

fn is_reverse(case: &Case<'_>) -> bool {
    case.is_at(|what| matches!(what, What::Reverse { .. } | What::ReverseAncestor | What::ReverseDenied))
}

fn is_avd_rule(case: &Case<'_>) -> bool {
    case.is_at(|what| matches!(what, What::Blocked | What::Gap))
}

fn is_above_owned(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Negative { rcode: 3, .. }))
        && case.seen.as_ref().is_some_and(|(sight, trace)| {
            let last = trace.names.last().map(|(name, _)| name);
            last.is_some_and(|last| sight.owned().iter().any(|owned| is_below(owned, last)))
        })
}

fn is_special(case: &Case<'_>) -> bool {
    case.is_at(|what| matches!(what, What::Special(_)))
}

fn is_endless(case: &Case<'_>) -> bool {
    let Some((_, trace)) = &case.seen else { return false };
    matches!(trace.end, End::Never) || trace.names.len() > 17
}

fn is_dname_below_dname(case: &Case<'_>) -> bool {
    case.query.kind == kind::DNAME && case.names().next().is_some_and(|(name, _)| shapes::is_below_dname(name))
}

/// Whether a reply would not fit its transport without the compression of names, of which the servers make different
/// use.
fn is_large(case: &Case<'_>) -> bool {
    let Some((_, trace)) = &case.seen else { return false };
    let limit = case.query.opt.as_ref().map_or(512, |opt| usize::from(opt.size.clamp(512, 1_232)));
    // An owner of at most two octets more than its text, ten octets of a record's own, and the target of an alias.
    let names: usize = trace.names.iter().map(|(name, _)| 2 * (name.len() + 2) + 10).sum();
    let records: usize = match &trace.end {
        End::Data(records) => records.iter().map(|rr| rr.name.len() + 12 + rr.data.len()).sum(),
        _ => 100,
    };
    names + records + 23 > limit
}

fn is_large_with_ad(case: &Case<'_>) -> bool {
    case.query.ad && is_large(case)
}

fn is_failed_at_alias(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Failed { at_alias: true }))
}

fn is_cut(case: &Case<'_>) -> bool {
    case.seen.as_ref().is_some_and(|(_, trace)| trace.is_cut)
}

fn is_negative_chain(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Negative { .. }))
        && case.seen.as_ref().is_some_and(|(_, trace)| trace.has_upstream_alias)
}

fn has_no_view(case: &Case<'_>) -> bool {
    case.seen.is_none()
}

/// The last name and the owner of the SOA that an upstream denied it with.
fn denial<'c>(case: &'c Case<'_>) -> Option<(&'c Sight<'c>, &'c str, &'c str)> {
    let (sight, trace) = case.seen.as_ref()?;
    let End::Negative { soa: Some(soa), .. } = &trace.end else { return None };
    Some((sight, trace.names.last()?.0.as_str(), soa))
}

fn is_denied_from_above(case: &Case<'_>) -> bool {
    denial(case).is_some_and(|(sight, name, soa)| {
        let fallback = zones(sight).filter(|zone| !zone.strict).map(|zone| zone.apex.as_str());
        let routes = sight.view.forward.iter().map(|(suffix, _)| suffix.as_str());
        let local = bind::LOCAL.into_iter().filter(|_| sight.view.reverse.is_some());
        let mut suffixes = fallback.chain(routes).chain(local).filter(|suffix| is_within(name, suffix));
        suffixes.any(|suffix| is_below(suffix, soa))
    })
}

fn is_denied_by_child(case: &Case<'_>) -> bool {
    case.query.kind == kind::DS && denial(case).is_some_and(|(_, name, soa)| name == soa)
}

fn is_long_denial(case: &Case<'_>) -> bool {
    denial(case).is_some_and(|(_, name, _)| name == LONG_DENIAL)
}

fn has_large_ttl(case: &Case<'_>) -> bool {
    let Some((_, Trace { end: End::Data(records), .. })) = &case.seen else { return false };
    records.iter().any(|rr| rr.ttl > i32::MAX as u32)
}

fn is_guarded(case: &Case<'_>) -> bool {
    let Some((sight, Trace { names, end: End::Data(records), .. })) = &case.seen else { return false };
    let services = matches!(case.query.kind, kind::HTTPS | kind::SVCB);
    let behind_owned = services && names.iter().any(|(_, place)| matches!(place, Place::Filed));
    let names: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    behind_owned || !matches!(judge(sight, &names, records), Outcome::Passes)
}
