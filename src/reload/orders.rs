//! What the admin API has the run loop do: reload, go back a revision, answer an endpoint otherwise for a while.

use std::sync::Arc;
use std::time::SystemTime;

use super::kept::Revision;
use super::{Refused, Reloader, log_change, told};
use crate::admin::{Asked, Order, Ordered, Outcome, Trigger};
use crate::config::Finding;
use crate::view::Changes;

impl Reloader {
    /// Carries out an order, and answers it.
    pub fn carry_out(&mut self, ordered: Ordered) {
        let by = ordered.peer.to_string();
        let outcome = match &ordered.order {
            Order::Reload => {
                self.reload(Trigger::Api);
                self.status.reloads.last().unwrap_or_default()
            }
            Order::Rollback => self.roll_back(),
            Order::Override(asked) => Arc::new(self.override_endpoint(&asked.clone(), by)),
        };
        ordered.answer(outcome);
    }

    /// Serves the revision before again, until the next reload. The API stays where it is, and no token that was
    /// replaced comes back.
    fn roll_back(&mut self) -> Arc<Outcome> {
        let Some(mut revision) = self.kept.previous.clone() else {
            let message = "no revision before this one is held";
            return Arc::new(told::refused(
                Trigger::Rollback.word(),
                &self.status.in_force.load(),
                "no-previous",
                message,
            ));
        };
        (revision.config.admin, revision.config.token) = (self.config.admin, self.config.token.clone());
        let rolled_back = self.serve_kept(&revision).map(|changes| (Vec::new(), changes));
        if rolled_back.is_ok() {
            self.kept.step_back(revision);
            self.tell();
        }
        self.note(Trigger::Rollback, &rolled_back);
        self.log(Trigger::Rollback.word(), rolled_back);
        self.status.reloads.last().unwrap_or_default()
    }

    /// Has an override hold, or end.
    fn override_endpoint(&mut self, asked: &Asked, by: String) -> Outcome {
        const TRIGGER: &str = "override";
        let before = self.kept.overrides();
        let Asked { view, endpoint, state, .. } = asked;
        let is_known = match state {
            Some(state) => self.kept.add(asked, *state, by),
            None => self.kept.remove(view, endpoint),
        };
        if !is_known {
            let message = match state {
                Some(_) => format!("no view {view} has an endpoint {endpoint}"),
                None => format!("there is no override of endpoint {endpoint} in view {view}"),
            };
            return told::refused(TRIGGER, &self.status.in_force.load(), "unknown", &message);
        }
        let rebuilt = self.rebuild();
        let state = state.map_or("as configured", |state| state.word());
        match &rebuilt {
            Ok(changes) => {
                changes.resources().for_each(log_change);
                let for_seconds = asked.lasts.as_secs();
                tracing::warn!(
                    action = "override",
                    view,
                    endpoint,
                    state,
                    for_seconds,
                    generation = self.generation,
                    "overridden"
                );
            }
            Err(error) => {
                self.kept.restore(before);
                tracing::error!(action = "override", view, endpoint, state, %error, "override refused");
            }
        }
        let none: &[Finding] = &[];
        let loaded = rebuilt.as_ref().map(|changes| (none, Some(changes)));
        told::outcome(TRIGGER, &self.status.in_force.load(), loaded)
    }

    /// Whether an override's time is over.
    pub fn has_ended_overrides(&self) -> bool {
        self.kept.has_ended(SystemTime::now())
    }

    /// Ends the overrides whose time is over.
    pub fn end_overrides(&mut self) {
        let before = self.kept.overrides();
        let ended = self.kept.expire(SystemTime::now());
        match self.rebuild() {
            Ok(changes) => {
                changes.resources().for_each(log_change);
                for own in ended {
                    let (view, endpoint) = (&*own.view, &*own.endpoint);
                    tracing::warn!(
                        action = "override",
                        view,
                        endpoint,
                        generation = self.generation,
                        "the override has ended"
                    );
                }
            }
            Err(error) => {
                self.kept.restore(before);
                tracing::error!(action = "override", %error, "overrides cannot be ended");
            }
        }
    }

    /// Serves the revision in force with the overrides that there are now.
    fn rebuild(&mut self) -> Result<Changes, Refused> {
        let changes = self.serve_kept(&self.kept.current.clone())?;
        self.tell();
        Ok(changes)
    }

    fn serve_kept(&mut self, revision: &Revision) -> Result<Changes, Refused> {
        let snapshot = self.kept.build(&revision.plan, self.generation + 1);
        self.serve(&revision.config, snapshot)
    }
}
