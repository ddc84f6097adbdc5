//! The last word on what was written: the loader's. What it finds is told where the source says it.

use std::path::{Component, Path, PathBuf};

use super::Options;
use super::write::Written;
use crate::config::{Finding, Place, codes};
use crate::load;

/// Loads a text as the file at `path`, which need not exist: what the text refers to is looked for beside it. Places
/// inside the text become the places that its lines come from; those of lines that come from nowhere stay.
pub(super) fn verify(written: &Written, path: &Path, options: &Options) -> Vec<Finding> {
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let loaded = load::text_at(&path, &written.text, options.included);
    let shown = path.to_string_lossy();
    let origin = |place: &Place| {
        let inside = **place.file() == *shown;
        let origin = inside.then(|| written.origins.get(&place.line())).flatten();
        origin.cloned()
    };
    let mut findings = loaded.findings;
    let is_bare = findings.iter().any(|own| own.code == codes::VIEW_UNUSED.code);
    // not what is found in front of an included file, nor what a view without clients says already
    let in_front = format!("{shown}.main");
    findings.retain(|own| {
        let is = |row: &codes::CodeRow| own.code == row.code;
        let elsewhere = options.no_views && (is(&codes::ENDPOINT_UNUSED) || is(&codes::ZONE_UNUSED));
        let no_clients = is(&codes::NO_VIEWS) && (options.no_views || is_bare);
        !elsewhere && !no_clients && **own.place.file() != in_front
    });
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
