//! The last word on what was written: the loader's. What it finds is told where the source says it.

use std::path::{Component, Path, PathBuf};

use super::write::Written;
use crate::config::{Finding, Place, codes};
use crate::load;

/// Loads a text as the file at `path`, which need not exist: what the text refers to is looked for beside it. Places
/// inside the text become the places that its lines come from; those of lines that come from nowhere stay.
pub(super) fn verify(written: &Written, path: &Path, included: bool) -> Vec<Finding> {
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let loaded = load::text_at(&path, &written.text, included);
    let shown = path.to_string_lossy();
    let origin = |place: &Place| {
        let inside = **place.file() == *shown;
        let origin = inside.then(|| written.origins.get(&place.line())).flatten();
        origin.cloned()
    };
    let mut findings = loaded.findings;
    let is_bare = findings.iter().any(|own| own.code == codes::VIEW_UNUSED.code);
    // what is found in front of an included file, and what a view without clients says already
    findings.retain(|own| own.code != codes::NO_VIEWS.code || !(included || is_bare));
    for finding in &mut findings {
        if let Some(place) = origin(&finding.place) {
            finding.place = place;
            finding.key.clear();
        }
        for (place, _) in &mut finding.related {
            if let Some(other) = origin(place) {
                *place = other;
            }
        }
    }
    findings
}
