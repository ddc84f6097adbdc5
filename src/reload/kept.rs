//! What is kept beside the snapshot, so that it can be built again: the plan in force, the one before it, overrides.

use std::sync::Arc;
use std::time::SystemTime;

use crate::admin::{Asked, ToldOverride};
use crate::config::Config;
use crate::view::{Override, Snapshot, SnapshotPlan};
use crate::zone::State;

/// What a load came to, to be served again.
#[derive(Clone)]
pub(super) struct Revision {
    /// The settings.
    pub(super) config: Config,
    /// The plan, without overrides.
    pub(super) plan: SnapshotPlan,
    /// Its hash.
    pub(super) revision: String,
}

/// An override, and who gave it.
#[derive(Clone)]
struct Held {
    own: Override,
    by: String,
}

/// All that is kept.
pub(super) struct Kept {
    /// What is served.
    pub(super) current: Revision,
    /// What was served before, to go back to.
    pub(super) previous: Option<Revision>,
    /// Whether the revision in force is one that was gone back to.
    pub(super) is_rolled_back: bool,
    overrides: Vec<Held>,
}

impl Kept {
    /// The first revision.
    pub(super) fn new(current: Revision) -> Self {
        Self { current, previous: None, is_rolled_back: false, overrides: Vec::new() }
    }

    /// Whether there is any override.
    pub(super) fn has_overrides(&self) -> bool {
        !self.overrides.is_empty()
    }

    /// A snapshot of a plan with all overrides.
    pub(super) fn build(&self, plan: &SnapshotPlan, generation: u64) -> Snapshot {
        let mut plan = SnapshotPlan { generation, ..plan.clone() };
        for held in &self.overrides {
            plan.apply(&held.own);
        }
        Snapshot::build(plan)
    }

    /// Another revision is served. The one before is held only where somebody can go back to it; what is held no more
    /// comes back, to be freed.
    pub(super) fn step(&mut self, revision: Revision) -> [Option<Revision>; 2] {
        let has_api = revision.config.admin.is_some();
        let before = std::mem::replace(&mut self.current, revision);
        let (held, gone) = if has_api { (Some(before), None) } else { (None, Some(before)) };
        self.is_rolled_back = false;
        [std::mem::replace(&mut self.previous, held), gone]
    }

    /// The revision before is served again.
    pub(super) fn step_back(&mut self, revision: Revision) {
        (self.current, self.previous, self.is_rolled_back) = (revision, None, true);
    }

    /// Takes an override in place of one for the same endpoint and view. False where the view has no such endpoint.
    pub(super) fn add(&mut self, asked: &Asked, state: State, by: String) -> bool {
        let until = SystemTime::now() + asked.lasts;
        let (view, endpoint): (Arc<str>, Arc<str>) = (asked.view.as_str().into(), asked.endpoint.as_str().into());
        let own = Override { view, endpoint, state, until };
        if !self.current.plan.clone().apply(&own) {
            return false;
        }
        self.remove(&asked.view, &asked.endpoint);
        self.overrides.push(Held { own, by });
        true
    }

    /// Ends an override; whether there was one.
    pub(super) fn remove(&mut self, view: &str, endpoint: &str) -> bool {
        let before = self.overrides.len();
        self.overrides.retain(|held| (&*held.own.view, &*held.own.endpoint) != (view, endpoint));
        self.overrides.len() < before
    }

    /// Whether the time of any is over.
    pub(super) fn has_ended(&self, now: SystemTime) -> bool {
        self.overrides.iter().any(|held| held.own.until <= now)
    }

    /// Ends those whose time is over, and returns them.
    pub(super) fn expire(&mut self, now: SystemTime) -> Vec<Override> {
        self.overrides.extract_if(.., |held| held.own.until <= now).map(|held| held.own).collect()
    }

    /// All overrides, as they are told of a snapshot.
    pub(super) fn told(&self, snapshot: &Snapshot) -> Vec<ToldOverride> {
        let told = self.overrides.iter().map(|Held { own, by }| ToldOverride {
            view: own.view.to_string(),
            endpoint: own.endpoint.to_string(),
            state: own.state.word(),
            until: own.until,
            by: by.clone(),
            holds: snapshot.views.iter().any(|view| view.overrides.contains(own)),
        });
        told.collect()
    }

    /// What there was of overrides, for a change that fails.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides(self.overrides.clone())
    }

    /// Puts back what there was.
    pub(super) fn restore(&mut self, overrides: Overrides) {
        self.overrides = overrides.0;
    }
}

/// Overrides at one time.
pub(super) struct Overrides(Vec<Held>);
