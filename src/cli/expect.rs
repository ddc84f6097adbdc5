//! `--expect`: what an answer should be, for pipelines.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::explain::{Explained, Reply, Step, What};

/// One expectation, in the words of the tables of `hubdns test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// The answer has this address, behind whatever aliases.
    Address(IpAddr),
    /// NOERROR without a record of the type asked.
    NoData,
    /// NXDOMAIN.
    NxDomain,
    /// REFUSED.
    Refused,
    /// SERVFAIL.
    ServFail,
    /// The last name is asked upstream, of this group where one is named.
    Forward(Option<String>),
}

impl FromStr for Expect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "nodata" => Self::NoData,
            "nxdomain" => Self::NxDomain,
            "refused" => Self::Refused,
            "servfail" => Self::ServFail,
            "forward" => Self::Forward(None),
            _ => match text.split_once(':') {
                Some(("forward", group)) if !group.is_empty() => Self::Forward(Some(group.to_owned())),
                _ => Self::Address(text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| {
                    "neither an address nor nodata, nxdomain, refused, servfail, forward or forward:UPSTREAM".to_owned()
                })?),
            },
        })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::NoData => f.write_str("nodata"),
            Self::NxDomain => f.write_str("nxdomain"),
            Self::Refused => f.write_str("refused"),
            Self::ServFail => f.write_str("servfail"),
            Self::Forward(None) => f.write_str("forward"),
            Self::Forward(Some(group)) => write!(f, "forward:{group}"),
        }
    }
}

impl Expect {
    /// Whether an explanation is so.
    pub(super) fn fits(&self, explained: &Explained) -> bool {
        let Self::Forward(group) = self else {
            return explained.reply.as_ref().is_some_and(|reply| self.fits_reply(reply, &explained.qtype));
        };
        let last = explained.trail.iter().rev().find_map(|step| match step {
            Step::Name { what, .. } => Some(what),
            _ => None,
        });
        let asked = match last {
            Some(What::Forward { upstream, .. }) => Some(upstream),
            _ => explained.asks.as_ref().map(|asks| &asks.upstream),
        };
        asked.is_some_and(|asked| group.as_ref().is_none_or(|group| group == asked))
    }

    /// Whether a reply to a question of a type is so. What is forwarded a reply does not tell.
    pub(super) fn fits_reply(&self, reply: &Reply, qtype: &str) -> bool {
        match self {
            Self::Address(address) => reply.has_address(*address),
            Self::NoData => reply.rcode == "NOERROR" && reply.answer.iter().all(|own| own.rtype != qtype),
            Self::NxDomain => reply.rcode == "NXDOMAIN",
            Self::Refused => reply.rcode == "REFUSED",
            Self::ServFail => reply.rcode == "SERVFAIL",
            Self::Forward(_) => false,
        }
    }
}

/// A reply in the words of [`Expect`].
pub(super) fn actual(reply: Option<&Reply>) -> String {
    let Some(reply) = reply else { return "no answer".to_owned() };
    let data: Vec<&str> = reply.answer.iter().map(|own| &*own.data).collect();
    match &*reply.rcode {
        "NOERROR" if data.is_empty() => "nodata".to_owned(),
        "NOERROR" => data.join(", "),
        rcode => rcode.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::RecordLine;

    #[test]
    fn expectations_are_read_and_shown_by_the_same_words() {
        for text in ["10.0.0.1", "fd00::1", "nodata", "nxdomain", "refused", "servfail", "forward", "forward:azure"] {
            assert_eq!(text.parse::<Expect>().map(|expect| expect.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("NXDOMAIN".parse(), Ok(Expect::NxDomain));
        for text in ["", "10.0.0", "forward:", "noerror"] {
            assert!(text.parse::<Expect>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_alias_without_data_is_nodata() {
        let alias = RecordLine { name: "a".into(), ttl: 1, rtype: "CNAME".into(), data: "b.".into() };
        let reply = Reply {
            rcode: "NOERROR".into(),
            authoritative: false,
            truncated: false,
            authentic: false,
            answer: vec![alias],
            authority: Vec::new(),
            errors: Vec::new(),
        };
        assert!(Expect::NoData.fits_reply(&reply, "A"));
        assert!(!Expect::NoData.fits_reply(&reply, "CNAME"));
        assert!(!Expect::NxDomain.fits_reply(&reply, "A"));
    }
}
