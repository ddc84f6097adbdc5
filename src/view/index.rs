//! The union index (R4): tells in a few look-ups whether any view could shape a raw answer.

use std::sync::Arc;

use hashbrown::HashSet;

use super::owned;
use super::plan::ViewPlan;
use crate::wire::{Name, NameRef};
use crate::zone::avd::Clouds;
use crate::zone::reverse;

type Names = HashSet<Name, foldhash::fast::RandomState>;

/// Names of all views at which an answer might be cut, blocked or withheld.
#[derive(Debug, Default)]
pub struct Union {
    /// Names at and below which a view owns or routes.
    cutting: Names,
    /// Names at and below which a view guards.
    guarded: Names,
    /// Names at and below which a view has a route of its own.
    routed: Names,
    /// Ancestors of owned names: an NXDOMAIN for them leaves as NODATA (R19).
    above: Names,
}

impl Union {
    /// Collects the names of all views.
    pub(super) fn new(views: &[Arc<ViewPlan>]) -> Self {
        let mut union = Self::default();
        for view in views {
            for name in view.endpoints.iter().flat_map(|endpoint| &endpoint.records).flat_map(|record| &record.names) {
                union.guarded.insert(name.clone());
                union.cutting.insert(name.clone());
            }
            union.guarded.extend(view.must_be_private.iter().map(|pattern| pattern.name.clone()));
            union.routed.extend(view.forwards.iter().map(|forward| forward.suffix.clone()));
            for (zone, _) in &view.zones {
                union.cutting.insert(zone.apex().to_owned());
                union.cutting.extend(zone.public().map(NameRef::to_owned));
            }
        }
        let owned: Vec<Name> = union.cutting.iter().cloned().collect();
        union.cutting.extend(union.routed.iter().cloned());
        for name in &owned {
            union
                .above
                .extend(name.as_ref().suffixes().skip(1).filter(|above| !above.is_root()).map(NameRef::to_owned));
        }
        union
    }

    /// Whether a view may withhold an address behind `name`.
    pub fn may_guard(&self, name: NameRef<'_>, clouds: &Clouds) -> bool {
        meets(&self.guarded, name) || clouds.classify(name).is_some()
    }

    /// Whether a view may own, block, route or guard `name` as an alias target.
    pub fn may_cut(&self, name: NameRef<'_>, clouds: &Clouds) -> bool {
        self.may_guard(name, clouds)
            || meets(&self.cutting, name)
            || reverse::is_reverse(name)
            || owned::is_special(name)
    }

    /// Whether a view may ask for `name` elsewhere than by its default route: an alias of it then may leave that route
    /// for the default one, whatever its target is (R22).
    pub fn may_route(&self, name: NameRef<'_>) -> bool {
        meets(&self.routed, name) || reverse::is_reverse(name)
    }

    /// Whether a view may own a name below `name`.
    pub fn is_above(&self, name: NameRef<'_>) -> bool {
        // Above reverse names any view may have made a PTR record (R17).
        self.above.contains(name.octets()) || name.octets().ends_with(b"\x04arpa\0")
    }
}

fn meets(names: &Names, name: NameRef<'_>) -> bool {
    !names.is_empty() && name.suffixes().any(|suffix| names.contains(suffix.octets()))
}
