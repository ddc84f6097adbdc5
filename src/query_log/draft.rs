//! What the core tells of a query while it is answered, as far as the log wants it: texts and facts in fixed room.

use crate::resolve::{Event, Observer};
use crate::view::{Blocked, Snapshot, Verdict, Why};

/// Room for all texts of a query: names of the configuration (63 octets as the file has them, more where Azure named
/// them) and a suffix. What does not fit is cut.
const TEXT_OCTETS: usize = 640;
/// Extended errors that are kept.
const MAX_ERRORS: usize = 4;

/// A text of a query. Of several the first stays: that of QNAME, or of the first alias target that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Text {
    /// The view.
    View,
    /// The endpoint.
    Endpoint,
    /// The zone.
    Zone,
    /// The upstream that a name is forwarded to.
    Upstream,
    /// The suffix of the route, in wire form.
    Suffix,
}

/// What chose a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Nothing is forwarded.
    None,
    /// The view's `upstream`.
    Default,
    /// An entry of `forward`.
    Suffix,
    /// The view's `reverse`.
    Reverse,
    /// An endpoint's `state = "public"`.
    Public,
}

/// Something that happened, as a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact(u16);

impl Fact {
    pub(super) const VERDICT: Self = Self(1);
    pub(super) const OWNED: Self = Self(1 << 1);
    pub(super) const BLOCKED: Self = Self(1 << 2);
    pub(super) const FOREIGN: Self = Self(1 << 3);
    pub(super) const WITHHELD: Self = Self(1 << 4);
    pub(super) const WATCHED: Self = Self(1 << 5);
    pub(super) const MATE: Self = Self(1 << 6);
    pub(super) const MALFORMED: Self = Self(1 << 7);
    pub(super) const PANICKED: Self = Self(1 << 8);
}

/// The notes of one pass.
#[derive(Clone)]
pub struct Draft {
    octets: [u8; TEXT_OCTETS],
    used: usize,
    /// Where each text stands.
    places: [(u16, u16); 5],
    facts: u16,
    pub(super) route: Route,
    errors: [u16; MAX_ERRORS],
    error_count: usize,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            octets: [0; TEXT_OCTETS],
            used: 0,
            places: [(0, 0); 5],
            facts: 0,
            route: Route::None,
            errors: [0; MAX_ERRORS],
            error_count: 0,
        }
    }
}

impl Draft {
    /// Before a pass.
    pub fn clear(&mut self) {
        self.used = 0;
        self.places = [(0, 0); 5];
        self.facts = 0;
        self.route = Route::None;
        self.error_count = 0;
    }

    /// Takes note of an event of the pass. No allocation.
    pub fn note(&mut self, event: &Event<'_>, snapshot: &Snapshot) {
        match event {
            Event::View(view, _) => self.put(Text::View, view.name.as_bytes()),
            Event::Verdict(_, verdict) => {
                self.mark(Fact::VERDICT);
                self.verdict(verdict, snapshot);
            }
            Event::Malformed(_) => self.mark(Fact::MALFORMED),
            Event::Withheld { watch, .. } => self.mark(if *watch { Fact::WATCHED } else { Fact::WITHHELD }),
            Event::Mate(_) => self.mark(Fact::MATE),
            Event::Panicked => self.mark(Fact::PANICKED),
            Event::Error(error) => {
                if let Some(free) = self.errors.get_mut(self.error_count) {
                    *free = error.code;
                    self.error_count += 1;
                }
            }
            _ => {}
        }
    }

    fn verdict(&mut self, verdict: &Verdict<'_>, snapshot: &Snapshot) {
        match verdict {
            Verdict::Endpoint { endpoint, .. } => {
                self.mark(Fact::OWNED);
                self.put(Text::Endpoint, endpoint.name.as_bytes());
            }
            Verdict::Zone { zone, .. } => {
                self.mark(Fact::OWNED);
                self.put(Text::Zone, zone.name.as_bytes());
            }
            Verdict::Pointer(_) | Verdict::Empty(_) | Verdict::Special(_) => self.mark(Fact::OWNED),
            Verdict::Blocked(why) => {
                self.mark(Fact::BLOCKED);
                if *why == Blocked::Unlisted {
                    self.mark(Fact::FOREIGN);
                }
            }
            Verdict::Forward { route, why, foreign, .. } => {
                if *foreign {
                    self.mark(Fact::FOREIGN);
                }
                if self.route != Route::None {
                    return;
                }
                if let Some(group) = snapshot.group(*route) {
                    self.put(Text::Upstream, group.name.as_bytes());
                }
                self.route = match why {
                    Why::Default => Route::Default,
                    Why::Reverse => Route::Reverse,
                    Why::Suffix(suffix, _) => {
                        self.put(Text::Suffix, suffix.octets());
                        Route::Suffix
                    }
                    Why::Public(endpoint) => {
                        self.put(Text::Endpoint, endpoint.name.as_bytes());
                        Route::Public
                    }
                };
            }
        }
    }

    fn mark(&mut self, fact: Fact) {
        self.facts |= fact.0;
    }

    pub(super) fn has(&self, fact: Fact) -> bool {
        self.facts & fact.0 != 0
    }

    fn put(&mut self, text: Text, octets: &[u8]) {
        let (from, to) = (self.used, (self.used + octets.len()).min(TEXT_OCTETS));
        if let Some(place) = self.places.get_mut(text as usize).filter(|place| place.1 == 0)
            && let (Some(room), Some(octets)) = (self.octets.get_mut(from..to), octets.get(..to - from))
        {
            room.copy_from_slice(octets);
            (*place, self.used) = ((from as u16, to as u16), to);
        }
    }

    /// A text's octets, empty where there is none.
    pub(super) fn octets(&self, text: Text) -> &[u8] {
        let (from, to) = self.places.get(text as usize).copied().unwrap_or_default();
        self.octets.get(usize::from(from)..usize::from(to)).unwrap_or(&[])
    }

    /// The extended errors that were told.
    pub(super) fn errors(&self) -> &[u16] {
        self.errors.get(..self.error_count).unwrap_or(&[])
    }

    /// Takes over what another one has: the used part of its texts alone is copied.
    pub(super) fn copy(&mut self, other: &Self) {
        if let (Some(room), Some(used)) = (self.octets.get_mut(..other.used), other.octets.get(..other.used)) {
            room.copy_from_slice(used);
        }
        (self.used, self.places, self.facts, self.route) = (other.used, other.places, other.facts, other.route);
        (self.errors, self.error_count) = (other.errors, other.error_count);
    }
}

/// Observes a pass for the log alone.
pub struct Notes<'d> {
    /// What is noted.
    pub draft: &'d mut Draft,
    /// What the pass is over.
    pub snapshot: &'d Snapshot,
}

impl Observer for Notes<'_> {
    fn note(&mut self, event: Event<'_>) {
        self.draft.note(&event, self.snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_text_stays_and_what_does_not_fit_is_cut() {
        let mut draft = Draft::default();
        draft.put(Text::View, b"one");
        draft.put(Text::View, b"two");
        draft.put(Text::Endpoint, &[b'x'; TEXT_OCTETS]);
        draft.put(Text::Zone, b"none is left");
        assert_eq!(draft.octets(Text::View), b"one");
        assert_eq!(draft.octets(Text::Endpoint).len(), TEXT_OCTETS - 3);
        assert_eq!(draft.octets(Text::Zone), b"");
        let mut other = Draft::default();
        other.copy(&draft);
        assert_eq!(other.octets(Text::View), b"one");
        draft.clear();
        assert_eq!(draft.octets(Text::View), b"");
    }
}
