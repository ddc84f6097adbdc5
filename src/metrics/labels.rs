//! The label sets of counted queries: small, closed, packed into one number.

/// What an AVD client is about when it asks (DESIGN.md section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Process {
    /// Initial feed discovery.
    Discovery,
    /// Feed download.
    Feed,
    /// Connections.
    Connection,
    /// Nothing of AVD's, or nothing that its name tells.
    Other,
}

/// What an answer was made of; where several things were, the last of them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Source {
    /// Data of the view, or a name that never leaves.
    Local,
    /// The cache.
    Cache,
    /// An exchange with an upstream.
    Upstream,
    /// The cache, past its end, in place of a failure.
    Stale,
    /// A rule in place of an answer: refused, blocked, withheld, malformed, over a bound.
    Policy,
}

/// How queries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Carrier {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

const PROCESSES: [&str; 4] = ["discovery", "feed", "connection", "other"];
const SOURCES: [&str; 5] = ["local", "cache", "upstream", "stale", "policy"];
const CARRIERS: [&str; 2] = ["udp", "tcp"];

impl Process {
    /// The label's word.
    pub fn word(self) -> &'static str {
        PROCESSES.get(self as usize).copied().unwrap_or("other")
    }
}

impl Source {
    /// The label's word.
    pub fn word(self) -> &'static str {
        SOURCES.get(self as usize).copied().unwrap_or("local")
    }
}

impl Carrier {
    /// The label's word.
    pub fn word(self) -> &'static str {
        CARRIERS.get(self as usize).copied().unwrap_or("udp")
    }
}

/// The record types that have a label value of their own; all others are `other`.
const TYPES: [(u16, &str); 12] = [
    (1, "A"),
    (28, "AAAA"),
    (65, "HTTPS"),
    (12, "PTR"),
    (33, "SRV"),
    (16, "TXT"),
    (5, "CNAME"),
    (15, "MX"),
    (2, "NS"),
    (6, "SOA"),
    (64, "SVCB"),
    (255, "ANY"),
];

/// Of each type below 66 its place in [`TYPES`], from 1; 0 is `other`.
const PLACES: [u8; 66] = {
    let mut places = [0; 66];
    let mut index = 0;
    while index < TYPES.len() {
        if (TYPES[index].0 as usize) < places.len() {
            places[TYPES[index].0 as usize] = index as u8 + 1;
        }
        index += 1;
    }
    places
};

/// The RCODE that stands for BADVERS, which has more than four bits.
pub const BADVERS: u8 = 16;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    /// Queries.
    Query = 1,
    /// Queries that took as long as a bucket of the histogram says.
    Duration,
    /// Microseconds that queries took.
    Microseconds,
    /// Answers withheld by the guard.
    Withheld,
    /// Answers that a watching guard would have withheld.
    Watched,
    /// AVD names of resources that are neither here nor known.
    Foreign,
}

const WHATS: [What; 6] =
    [What::Query, What::Duration, What::Microseconds, What::Withheld, What::Watched, What::Foreign];

/// The place of a view among those of a snapshot, in [`Labels`]; [`NO_VIEW`] is none.
pub type ViewIndex = u32;
/// A client in no view.
pub const NO_VIEW: ViewIndex = ViewIndex::MAX;

// From the lowest bit: source 3, process 2, RCODE or bucket 5, type 4, carrier 2, what 3; the view above them.
const PROCESS: u32 = 3;
const RCODE: u32 = 5;
const TYPE: u32 = 10;
const CARRIER: u32 = 14;
const WHAT: u32 = 16;
const VIEW: u32 = 32;

/// Source and process of a query while it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(u32);

impl Origin {
    /// Before anything is known of it.
    pub const START: Self = Self((Process::Other as u32) << PROCESS | Source::Local as u32);

    /// A part of the answer came from there.
    #[inline]
    pub fn came_from(&mut self, source: Source) {
        let own = self.0 & 7;
        self.0 = self.0 & !7 | own.max(source as u32);
    }

    /// Where the answer came from.
    #[inline]
    pub fn source(self) -> Source {
        match self.0 & 7 {
            0 => Source::Local,
            1 => Source::Cache,
            2 => Source::Upstream,
            3 => Source::Stale,
            _ => Source::Policy,
        }
    }

    /// The same with another source.
    #[inline]
    pub fn with(self, source: Source) -> Self {
        Self(self.0 & !7 | source as u32)
    }

    /// Sets the process unless it is known.
    #[inline]
    pub fn set_process(&mut self, process: Process) {
        if self.0 >> PROCESS == Process::Other as u32 {
            self.0 = self.0 & 7 | (process as u32) << PROCESS;
        }
    }
}

/// A set of labels with what it counts, as one number that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(u64);

impl Labels {
    /// Those of a query.
    #[inline]
    pub fn query(view: ViewIndex, carrier: Carrier, origin: Origin, qtype: u16, rcode: u8) -> Self {
        let place = match PLACES.get(usize::from(qtype)) {
            Some(place) => *place,
            None => other_place(qtype),
        };
        let low = origin.0
            | u32::from(rcode & 31) << RCODE
            | u32::from(place) << TYPE
            | (carrier as u32) << CARRIER
            | (What::Query as u32) << WHAT;
        Self(u64::from(view) << VIEW | u64::from(low))
    }

    /// Those of the durations of a query's view and source, without a bucket.
    #[inline]
    pub fn durations(self) -> Self {
        const KEPT: u64 = !0 << VIEW | 7;
        Self(self.0 & KEPT | (What::Duration as u64) << WHAT)
    }

    /// A bucket of durations.
    #[inline]
    pub fn bucket(self, bucket: u8) -> Self {
        Self(self.0 | u64::from(bucket & 31) << RCODE)
    }

    /// The sum that goes with durations.
    #[inline]
    pub fn sum(self) -> Self {
        Self(self.0 & !(7 << WHAT) | (What::Microseconds as u64) << WHAT)
    }

    /// Those of what is counted by view alone.
    pub fn of_view(view: ViewIndex, what: What) -> Self {
        Self(u64::from(view) << VIEW | (what as u64) << WHAT)
    }

    /// The same for another view.
    pub fn in_view(self, view: ViewIndex) -> Self {
        Self(self.0 & !(!0 << VIEW) | u64::from(view) << VIEW)
    }

    /// The packed number.
    #[inline]
    pub(super) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn from_number(number: u64) -> Self {
        Self(number)
    }

    fn bits(self, from: u32, mask: u64) -> usize {
        (self.0 >> from & mask) as usize
    }

    /// What is counted.
    pub fn what(self) -> What {
        WHATS.get(self.bits(WHAT, 7).wrapping_sub(1)).copied().unwrap_or(What::Query)
    }

    /// The view.
    pub fn view(self) -> ViewIndex {
        (self.0 >> VIEW) as ViewIndex
    }

    /// The words of carrier, process, type and source.
    pub fn words(self) -> [&'static str; 4] {
        let qtype = self.bits(TYPE, 15).checked_sub(1).and_then(|place| TYPES.get(place)).map_or("other", |own| own.1);
        [
            CARRIERS.get(self.bits(CARRIER, 3)).copied().unwrap_or("udp"),
            PROCESSES.get(self.bits(PROCESS, 3)).copied().unwrap_or("other"),
            qtype,
            SOURCES.get(self.bits(0, 7)).copied().unwrap_or("local"),
        ]
    }

    /// The RCODE, or the bucket.
    pub fn rcode(self) -> u8 {
        self.bits(RCODE, 31) as u8
    }
}

/// The place of a type above those in [`PLACES`].
#[cold]
fn other_place(qtype: u16) -> u8 {
    TYPES.iter().position(|(own, _)| *own == qtype).map_or(0, |place| place as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(process: Process, source: Source) -> Origin {
        let mut origin = Origin::START;
        origin.set_process(process);
        origin.came_from(source);
        origin
    }

    #[test]
    fn labels_are_read_as_they_were_packed() {
        for (number, word) in TYPES.into_iter().chain([(0, "other"), (66, "other"), (256, "other"), (65_535, "other")])
        {
            let own = origin(Process::Connection, Source::Policy);
            let labels = Labels::query(NO_VIEW, Carrier::Tcp, own, number, BADVERS);
            assert_eq!(labels.words(), ["tcp", "connection", word, "policy"], "{number}");
            assert_eq!((labels.view(), labels.rcode(), labels.what()), (NO_VIEW, BADVERS, What::Query));
            let moved = labels.in_view(7);
            assert_eq!((moved.view(), moved.words()), (7, labels.words()));
        }
    }

    #[test]
    fn the_last_source_stays_and_the_first_process() {
        let mut own = origin(Process::Feed, Source::Stale);
        own.came_from(Source::Cache);
        own.set_process(Process::Discovery);
        assert_eq!(own, origin(Process::Feed, Source::Stale));
        assert_eq!(own.with(Source::Local), origin(Process::Feed, Source::Local));
        for source in [Source::Local, Source::Cache, Source::Upstream, Source::Stale, Source::Policy] {
            assert_eq!(own.with(source).source(), source);
        }
    }

    #[test]
    fn durations_keep_view_and_source_alone() {
        let one = Labels::query(7, Carrier::Udp, origin(Process::Feed, Source::Upstream), 1, 3);
        let other = Labels::query(7, Carrier::Tcp, origin(Process::Other, Source::Upstream), 28, 0);
        assert_eq!(one.durations(), other.durations());
        let bucket = one.durations().bucket(15);
        assert_eq!((bucket.what(), bucket.view(), bucket.rcode()), (What::Duration, 7, 15));
        assert_eq!(bucket.words()[3], "upstream");
        assert_eq!(one.durations().sum().what(), What::Microseconds);
        assert_eq!(Labels::of_view(9, What::Foreign).what(), What::Foreign);
    }
}
