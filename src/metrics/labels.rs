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

/// A number of a view in [`Labels`]; 0 is no view.
pub type ViewId = u32;
/// The number of every view that is not in the newest snapshot any more.
pub(super) const GONE: ViewId = ViewId::MAX;

// From the lowest bit: source 3, RCODE or bucket 5, type 4, process 2, carrier 3, what 3, view 32.
const RCODE: u32 = 3;
const TYPE: u32 = 8;
const PROCESS: u32 = 12;
const CARRIER: u32 = 14;
const WHAT: u32 = 17;
const VIEW: u32 = 20;

/// A set of labels with what it counts, as one number that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(u64);

impl Labels {
    /// Those of a query.
    #[inline]
    pub fn query(view: ViewId, carrier: Carrier, process: Process, qtype: u16, rcode: u8, source: Source) -> Self {
        let place = match PLACES.get(usize::from(qtype)) {
            Some(place) => *place,
            None if qtype == 255 => 12,
            None => 0,
        };
        Self(
            u64::from(view) << VIEW
                | (What::Query as u64) << WHAT
                | (carrier as u64) << CARRIER
                | (process as u64) << PROCESS
                | u64::from(place) << TYPE
                | u64::from(rcode & 31) << RCODE
                | source as u64,
        )
    }

    /// Those of the durations of a query's view and source, without a bucket.
    #[inline]
    pub fn durations(self) -> Self {
        let kept = self.0 >> VIEW << VIEW | self.0 & 7;
        Self(kept | (What::Duration as u64) << WHAT)
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
    pub fn of_view(view: ViewId, what: What) -> Self {
        Self(u64::from(view) << VIEW | (what as u64) << WHAT)
    }

    /// The packed number.
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

    /// The view; 0 is none.
    pub fn view(self) -> ViewId {
        (self.0 >> VIEW) as ViewId
    }

    /// The words of carrier, process, type and source.
    pub fn words(self) -> [&'static str; 4] {
        let qtype = self.bits(TYPE, 15).checked_sub(1).and_then(|place| TYPES.get(place)).map_or("other", |own| own.1);
        [
            CARRIERS.get(self.bits(CARRIER, 7)).copied().unwrap_or("udp"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_were_packed() {
        for (number, word) in TYPES.into_iter().chain([(0, "other"), (66, "other"), (256, "other"), (65_535, "other")])
        {
            let labels = Labels::query(u32::MAX, Carrier::Tcp, Process::Connection, number, BADVERS, Source::Policy);
            assert_eq!(labels.words(), ["tcp", "connection", word, "policy"], "{number}");
            assert_eq!((labels.view(), labels.rcode(), labels.what()), (u32::MAX, BADVERS, What::Query));
        }
    }

    #[test]
    fn durations_keep_view_and_source_alone() {
        let one = Labels::query(7, Carrier::Udp, Process::Feed, 1, 3, Source::Upstream);
        let other = Labels::query(7, Carrier::Tcp, Process::Other, 28, 0, Source::Upstream);
        assert_eq!(one.durations(), other.durations());
        let bucket = one.durations().bucket(15);
        assert_eq!(
            (bucket.what(), bucket.view(), bucket.rcode(), bucket.words()[3]),
            (What::Duration, 7, 15, "upstream")
        );
        assert_eq!(one.durations().sum().what(), What::Microseconds);
        assert_eq!(Labels::of_view(9, What::Foreign).what(), What::Foreign);
    }
}
