//! What a load came to, for the admin API and the shell.

use super::Refused;
use crate::admin::{InForce, MOST_CHANGES, MOST_FINDINGS, Outcome, Refusal, ToldChange};
use crate::config::{Finding, render};
use crate::view::Changes;

/// A load's outcome; `in_force` is what is served since.
pub(super) fn outcome(
    trigger: &'static str,
    in_force: &InForce,
    loaded: Result<(&[Finding], Option<&Changes>), &Refused>,
) -> Outcome {
    let (findings, changes, refused) = match loaded {
        Ok((findings, changes)) => (findings, changes, None),
        Err(refused) => {
            let findings = if let Refused::Findings { findings, .. } = refused { findings.as_slice() } else { &[] };
            (findings, None, Some(Refusal { why: why(refused), message: refused.to_string() }))
        }
    };
    let told = changes.into_iter().flat_map(Changes::resources).take(MOST_CHANGES).map(|change| ToldChange {
        view: change.view.to_string(),
        resource: change.resource.name().to_string(),
        text: change.to_string(),
        discovery_stops: change.discovery_stops,
    });
    Outcome {
        trigger,
        done: refused.is_none(),
        refused,
        generation: in_force.generation,
        revision: in_force.revision.clone(),
        findings: findings.iter().take(MOST_FINDINGS).map(render::json).collect(),
        findings_total: findings.len(),
        changes: told.collect(),
        changes_total: changes.map_or(0, |changes| changes.resources().count()),
        ..Outcome::default()
    }
}

/// The outcome of an order that cannot be carried out.
pub(super) fn refused(trigger: &'static str, in_force: &InForce, why: &'static str, message: &str) -> Outcome {
    Outcome {
        trigger,
        refused: Some(Refusal { why, message: message.to_owned() }),
        generation: in_force.generation,
        revision: in_force.revision.clone(),
        ..Outcome::default()
    }
}

fn why(refused: &Refused) -> &'static str {
    match refused {
        Refused::Unreadable(_) => "unreadable",
        Refused::Findings { .. } => "faulty",
        Refused::Canary(_) => "canary",
        Refused::Server(_) | Refused::Http(_) => "listener",
    }
}
