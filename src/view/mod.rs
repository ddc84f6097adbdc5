//! Views: which clients see what. A [`Snapshot`] is all of it, immutable and swapped whole.

mod build;
mod changes;
mod index;
mod overrides;
mod owned;
mod plan;
mod select;
mod snapshot;

pub use changes::{
    Change, Changes, Fate, NameChange, RecordSet, Resource, Setting, Verb as ChangeVerb, ViewChange, changes,
};
pub use index::Union;
pub use overrides::Override;
pub use owned::{Blocked, Guarded, Special, Verdict, Why};
pub use plan::{Forward, GuardMode, ListenerMatch, Pattern, SnapshotPlan, Unlisted, ViewPlan};
pub use select::{Selected, Selector};
pub use snapshot::{Route, Snapshot, View};
