//! What a load came to, as the API and the shell tell it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Findings that are told at most; a count tells of the rest.
pub const MOST_FINDINGS: usize = 500;
/// Changed endpoints and zones that are told at most; a count tells of the rest.
pub const MOST_CHANGES: usize = 200;

/// What a load came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// When, in seconds since 1970.
    #[serde(serialize_with = "epoch_seconds")]
    pub at: SystemTime,
    /// What made it happen: `start`, the word of a trigger, or `override`.
    pub trigger: &'static str,
    /// Whether it is served.
    pub done: bool,
    /// Why nothing changed.
    pub refused: Option<Refusal>,
    /// The generation in force since.
    pub generation: u64,
    /// The revision in force since.
    pub revision: String,
    /// What was found in the files, errors, warnings and remarks.
    pub findings: Vec<Value>,
    /// How many findings there are.
    pub findings_total: usize,
    /// What it changed for whom.
    pub changes: Vec<ToldChange>,
    /// How many changes there are.
    pub changes_total: usize,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            at: SystemTime::now(),
            trigger: "start",
            done: false,
            refused: None,
            generation: 0,
            revision: String::new(),
            findings: Vec::new(),
            findings_total: 0,
            changes: Vec::new(),
            changes_total: 0,
        }
    }
}

/// Why a load changed nothing.
#[derive(Debug, Clone, Serialize)]
pub struct Refusal {
    /// `faulty`: the configuration has errors; `unreadable`: the main file cannot be read; `listener`: an address cannot
    /// be listened on, or a thread has failed; `no-previous`: there is nothing to go back to; `unknown`: no view has such
    /// an endpoint, or there is no such override.
    pub why: &'static str,
    /// For people.
    pub message: String,
}

/// One changed endpoint or zone for the clients of one view.
#[derive(Debug, Clone, Serialize)]
pub struct ToldChange {
    /// The view.
    pub view: String,
    /// The endpoint or zone.
    pub resource: String,
    /// What happened, for people.
    pub text: String,
    /// Whether initial feed discovery stops for clients.
    pub discovery_stops: bool,
}

/// An endpoint whose names are answered otherwise in a view for a while.
#[derive(Debug, Clone, Serialize)]
pub struct ToldOverride {
    /// The view.
    pub view: String,
    /// The endpoint.
    pub endpoint: String,
    /// What is done with its names.
    pub state: &'static str,
    /// When it ends, in seconds since 1970.
    #[serde(serialize_with = "epoch_seconds")]
    pub until: SystemTime,
    /// Who gave it.
    pub by: String,
    /// Whether the revision in force has such an endpoint in such a view.
    pub holds: bool,
}

/// A moment as whole seconds since 1970.
pub(super) fn epoch_seconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
