//! The differences that are meant: each class says by a rule which questions it is about, judged by the question and the
//! world alone, and which parts of the reply may then differ.

use crate::compare::Part;
use crate::harness::Query;
use crate::harness::message::kind;
use crate::oracle::guard::{Outcome, judge};
use crate::oracle::name::{is_below, is_within};
use crate::oracle::sight::{Sight, What};
use crate::oracle::world::Zone;
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

use Part::{Aa, Answer, Authority, Flags, Rcode, Tc, Ttl};
const RECORDS: &[Part] = &[Rcode, Aa, Tc, Answer, Ttl, Authority];
const HEADER: &[Part] = &[Rcode, Aa, Flags, Answer, Ttl, Authority];

/// In order: the first that applies and covers a part explains it.
pub(crate) const CLASSES: &[Class] = &[
    Class { rule: "R6", reason: "opcodes, classes and types that are refused", parts: HEADER, applies: is_refused },
    Class { rule: "R10", reason: "ANY is one HINFO (RFC 8482)", parts: RECORDS, applies: is_any },
    Class {
        rule: "R10",
        reason: "RD=0 at forwarded names is REFUSED, whatever is cached",
        parts: RECORDS,
        applies: has_no_rd,
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
    Class { rule: "R13", reason: "NS, DS and SOA at an endpoint's name", parts: RECORDS, applies: is_zone_type },
    Class {
        rule: "R13",
        reason: "names below an endpoint's, a fallback zone's or a public spelling's name are forwarded",
        parts: RECORDS,
        applies: is_below_flat,
    },
    Class {
        rule: "R15",
        reason: "what a wildcard endpoint does not cover is forwarded",
        parts: RECORDS,
        applies: is_beside_wildcard,
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
        rule: "R23",
        reason: "a failure behind aliases: SERVFAIL, empty",
        parts: &[Answer, Ttl, Aa],
        applies: is_failed,
    },
    Class { rule: "R23", reason: "aliases before a cut take the lower TTL behind it", parts: &[Ttl], applies: is_cut },
    Class {
        rule: "R32",
        reason: "aliases before a negative end are kept no longer than it",
        parts: &[Ttl],
        applies: is_negative_chain,
    },
    Class { rule: "R25", reason: "the guard withholds addresses and hints", parts: RECORDS, applies: is_guarded },
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

fn is_refused(case: &Case<'_>) -> bool {
    case.query.opcode != 0 || case.query.class != 1 || matches!(case.query.kind, 249..=254 | kind::OPT)
}

fn is_any(case: &Case<'_>) -> bool {
    case.query.kind == kind::ANY
}

fn has_no_rd(case: &Case<'_>) -> bool {
    !case.query.rd && case.is_at(|what| matches!(what, What::Route(_)))
}

fn in_fallback(sight: &Sight<'_>, name: &str) -> bool {
    let deepest = zones(sight).filter(|zone| is_within(name, &zone.apex)).max_by_key(|zone| zone.apex.len());
    deepest.is_some_and(|zone| !zone.strict)
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
    matches!(case.query.kind, kind::NS | kind::DS | kind::SOA)
        && case.names().last().is_some_and(|(_, place)| owned(place))
}

fn is_below_flat(case: &Case<'_>) -> bool {
    case.has_forwarded(|sight, name| flat_names(sight).iter().any(|flat| is_below(name, flat)))
}

fn is_beside_wildcard(case: &Case<'_>) -> bool {
    case.has_forwarded(|sight, name| {
        let records = sight.records();
        records.iter().filter_map(|(owner, ..)| owner.strip_prefix("*.")).any(|base| is_within(name, base))
    })
}

fn is_reverse(case: &Case<'_>) -> bool {
    case.is_at(|what| matches!(what, What::Reverse { .. } | What::ReverseAncestor | What::ReverseDenied))
}

fn is_avd_rule(case: &Case<'_>) -> bool {
    case.is_at(|what| matches!(what, What::Blocked | What::Gap))
}

fn is_above_owned(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Negative { rcode: 3 }))
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

fn is_failed(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Failed)) && case.names().count() > 1
}

fn is_cut(case: &Case<'_>) -> bool {
    case.seen.as_ref().is_some_and(|(_, trace)| trace.is_cut)
}

fn is_negative_chain(case: &Case<'_>) -> bool {
    case.ends(|end| matches!(end, End::Negative { .. }))
        && case.seen.as_ref().is_some_and(|(_, trace)| trace.has_upstream_alias)
}

fn is_guarded(case: &Case<'_>) -> bool {
    let Some((sight, Trace { names, end: End::Data(records), .. })) = &case.seen else { return false };
    let names: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    !matches!(judge(sight, &names, records), Outcome::Passes)
}
