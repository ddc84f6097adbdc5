//! One query as it waits for the writer: fixed in size, filled in place.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::draft::{Draft, Fact};
use crate::config::ClientDetail;
use crate::metrics::{Carrier, Source};
use crate::wire::rcode;

/// Octets of a reply that are kept; records behind them are not told.
const REPLY_OCTETS: usize = 1_232;

/// What became of a query: `event.action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Answered from the view's data.
    Owned,
    /// An endpoint's name with `state = "blocked"`.
    Blocked,
    /// The guard held addresses back.
    Withheld,
    /// Not answered by our own will: no view, no RD, a kind that is not served, over a bound.
    Refused,
    /// An AVD resource that is neither here nor known, blocked or forwarded.
    Foreign,
    /// The query could not be read.
    Malformed,
    /// A fault of ours.
    Failed,
    /// Answered by an upstream, now or earlier.
    Forwarded,
}

impl Action {
    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Owned => "owned",
            Self::Blocked => "blocked",
            Self::Withheld => "withheld",
            Self::Refused => "refused",
            Self::Foreign => "foreign",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
            Self::Forwarded => "forwarded",
        }
    }

    /// Of a query whose reply has this RCODE and is made of this source.
    pub(super) fn of(draft: &Draft, source: Source, code: u16) -> Self {
        let refused = source == Source::Policy || code == rcode::REFUSED && source == Source::Local;
        match () {
            () if draft.has(Fact::PANICKED) => Self::Failed,
            () if draft.has(Fact::MALFORMED) => Self::Malformed,
            () if !draft.has(Fact::VERDICT) => Self::Refused,
            () if draft.has(Fact::WITHHELD) => Self::Withheld,
            () if draft.has(Fact::FOREIGN) => Self::Foreign,
            () if draft.has(Fact::BLOCKED) => Self::Blocked,
            () if refused => Self::Refused,
            () if draft.has(Fact::OWNED) => Self::Owned,
            () => Self::Forwarded,
        }
    }

    /// Whether hubdns decided by itself; what a watching guard would have held back counts.
    pub(super) fn is_decision(self, draft: &Draft) -> bool {
        self != Self::Forwarded || draft.has(Fact::WATCHED)
    }
}

/// What is left of a query.
pub(super) struct Record {
    /// When it came.
    pub(super) begun: Instant,
    /// How long it took.
    pub(super) took: Duration,
    /// Who asked, as much as may be told.
    pub(super) client: Option<(IpAddr, Option<u16>)>,
    /// Where.
    pub(super) local: SocketAddr,
    pub(super) carrier: Carrier,
    pub(super) source: Source,
    pub(super) action: Action,
    pub(super) draft: Draft,
    reply: [u8; REPLY_OCTETS],
    length: usize,
    /// Whether the reply is longer than what is kept of it.
    pub(super) is_cut: bool,
}

impl Record {
    pub(super) fn empty() -> Self {
        Self {
            begun: Instant::now(),
            took: Duration::ZERO,
            client: None,
            local: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
            carrier: Carrier::Udp,
            source: Source::Local,
            action: Action::Forwarded,
            draft: Draft::default(),
            reply: [0; REPLY_OCTETS],
            length: 0,
            is_cut: false,
        }
    }

    pub(super) fn set_reply(&mut self, reply: &[u8]) {
        self.length = reply.len().min(REPLY_OCTETS);
        self.is_cut = reply.len() > self.length;
        if let (Some(room), Some(kept)) = (self.reply.get_mut(..self.length), reply.get(..self.length)) {
            room.copy_from_slice(kept);
        }
    }

    /// The reply's octets, as many as are kept.
    pub(super) fn reply(&self) -> &[u8] {
        self.reply.get(..self.length).unwrap_or(&[])
    }
}

/// As much of a client as may be told.
pub(super) fn told(address: IpAddr, port: u16, detail: ClientDetail) -> Option<(IpAddr, Option<u16>)> {
    match detail {
        ClientDetail::Whole => Some((address, Some(port))),
        ClientDetail::Cut => Some((cut(address), None)),
        ClientDetail::None => None,
    }
}

/// The /24 or /56 of an address.
fn cut(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(own) => IpAddr::V4((own.to_bits() & !0xff).into()),
        IpAddr::V6(own) => IpAddr::V6((own.to_bits() & (!0 << 72)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_to_24_and_56_bits() {
        for (address, expected) in [("10.1.2.3", "10.1.2.0"), ("2001:db8:1:2ff:a::1", "2001:db8:1:200::")] {
            let told = |detail| told(address.parse().unwrap(), 4_000, detail);
            assert_eq!(told(ClientDetail::Cut), Some((expected.parse().unwrap(), None)));
            assert_eq!(told(ClientDetail::Whole), Some((address.parse().unwrap(), Some(4_000))));
            assert_eq!(told(ClientDetail::None), None);
        }
    }
}
