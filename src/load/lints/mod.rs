//! DESIGN.md section 4: one function a lint, each with its code. A new lint is a function in one of
//! these files and a line in its `check`.

pub(super) mod endpoints;
mod networks;
mod upstreams;
mod views;
mod zones;

use super::extends::{FlatView, Tables};
use crate::config::Finding;
use crate::zone::avd::Clouds;

/// Everything that lints look at.
pub(super) struct Input<'i, 't> {
    /// The tables of the file.
    pub(super) tables: &'i Tables<'t>,
    /// The views with what they inherit.
    pub(super) views: &'i [FlatView<'t>],
    /// The clouds.
    pub(super) clouds: &'i Clouds,
}

impl Input<'_, '_> {
    /// Whether something that could be used may be missing from what was read: lints that say
    /// "nothing uses it" keep quiet then.
    fn incomplete(&self) -> bool {
        self.tables.spec.incomplete || self.views.iter().any(|view| view.faulty)
    }
}

/// Runs all lints.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    upstreams::check(input, findings);
    endpoints::check(input, findings);
    zones::check(input, findings);
    networks::check(input, findings);
    views::check(input, findings);
}
