//! What the core tells while it answers: the trail of `explain`, the counters and the audit lines. One mechanism; on the
//! fast path an observer that only counts costs nothing else.

use std::net::IpAddr;

use crate::view::{Route, Selected, Verdict, View};
use crate::wire::{Ede, Error, Key, NameRef};

use super::raw::Held;

/// One thing that happened, in the order of events.
#[derive(Debug)]
pub enum Event<'e> {
    /// The client is in no view.
    NoView,
    /// The client's view.
    View(&'e View, Selected),
    /// The message is malformed.
    Malformed(Error),
    /// What QNAME or an alias target is.
    Verdict(NameRef<'e>, &'e Verdict<'e>),
    /// A raw answer is used.
    Raw(&'e Key, &'e Held<'e>, Route),
    /// A stale raw answer is used in place of a failure (R33).
    Stale(&'e Key, &'e Held<'e>),
    /// A raw answer is needed.
    Need(&'e Key, Route),
    /// An alias of a raw answer leads to a name that the view answers, blocks or routes elsewhere.
    Cut(NameRef<'e>),
    /// The guard withheld (or, where it only watches, would have withheld) an address behind a guarded name.
    Withheld {
        /// The guarded name.
        name: NameRef<'e>,
        /// The address.
        address: Option<IpAddr>,
        /// Whether the guard only watches.
        watch: bool,
    },
    /// A name that shares a resource's GUID passed, since its chain crossed no private-link suffix (R25).
    Mate(NameRef<'e>),
    /// A hint was taken out of an HTTPS or SVCB record.
    HintsRemoved(NameRef<'e>),
    /// An NXDOMAIN for a name above an owned one leaves as NODATA (R19).
    Ancestor(NameRef<'e>),
    /// The answer did not fit and TC is set.
    Truncated,
    /// An extended error of the reply.
    Error(Ede),
    /// The core panicked: a fault of ours, answered with SERVFAIL.
    Panicked,
}

/// Takes note of events.
pub trait Observer {
    /// Called in the order of events; an answer that needs more is observed again from the start.
    fn note(&mut self, event: Event<'_>);
}

impl<O: Observer + ?Sized> Observer for Box<O> {
    fn note(&mut self, event: Event<'_>) {
        (**self).note(event);
    }
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl Observer for Silence {
    #[inline(always)]
    fn note(&mut self, _: Event<'_>) {}
}
