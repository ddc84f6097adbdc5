//! Break-glass: an endpoint's names answered otherwise in one view for a while, whatever the files say. It is a change of
//! the plan, so that the path of a query knows nothing of it.

use std::sync::Arc;
use std::time::SystemTime;

use super::plan::SnapshotPlan;
use crate::zone::{Endpoint, State};

/// An override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The view, by name.
    pub view: Arc<str>,
    /// The endpoint, by name.
    pub endpoint: Arc<str>,
    /// What is done with its names there.
    pub state: State,
    /// When it ends.
    pub until: SystemTime,
}

impl SnapshotPlan {
    /// Has an override hold. Returns whether the view has such an endpoint.
    pub fn apply(&mut self, own: &Override) -> bool {
        let Some(view) = self.views.iter_mut().find(|view| view.name == own.view) else { return false };
        let view = Arc::make_mut(view);
        let mut holds = false;
        for endpoint in view.endpoints.iter_mut().filter(|endpoint| endpoint.name == own.endpoint) {
            *endpoint = Arc::new(Endpoint { state: own.state, ..(**endpoint).clone() });
            holds = true;
        }
        if holds {
            view.overrides.push(own.clone());
        }
        holds
    }
}
