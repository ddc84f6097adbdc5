//! What a configuration says, whatever wrote it: who is answered what from where.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{DnsName, Finding, Place, Source, codes};

/// The most names, zones, routes and views of a configuration.
const MOST: usize = 200_000;
/// The most things that are told one by one as not carried over.
const TOLD: usize = 1_000;

/// A whole configuration.
#[derive(Debug)]
pub(super) struct Setup {
    /// The text.
    source: Arc<Source>,
    /// Where it listens.
    pub(super) listen: Vec<SocketAddr>,
    /// What holds for everybody.
    pub(super) common: Scope,
    /// What holds for some.
    pub(super) views: Vec<ViewSetup>,
    /// Everybody else; empty: nobody else is answered.
    pub(super) rest: Vec<IpNet>,
    /// Whether it asks the root where nothing is forwarded.
    pub(super) iterates: bool,
    /// Whether reverse names of private addresses go where all else goes.
    pub(super) reverse: bool,
    /// What is not carried over, and what cannot be read.
    pub(super) left: Vec<Finding>,
    /// How much more of it there is.
    more: usize,
    /// How many things are held.
    held: usize,
}

/// The clients of a view and what they have of their own.
#[derive(Debug, Default)]
pub(super) struct ViewSetup {
    /// Its name.
    pub(super) name: String,
    /// Its clients.
    pub(super) networks: Vec<IpNet>,
    /// Addresses that it is asked at.
    pub(super) listeners: Vec<SocketAddr>,
    /// Whether the names that everybody has are not for it.
    pub(super) alone: bool,
    /// What it has.
    pub(super) scope: Scope,
    /// Where it stands.
    pub(super) place: Option<Place>,
}

/// Routes and names.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Servers for every name without a route.
    pub(super) default: Vec<String>,
    /// Suffixes and their servers.
    pub(super) routes: Vec<Route>,
    /// Zones.
    pub(super) zones: Vec<ZoneSetup>,
    /// Names; those in no zone stand alone: the names around them are not owned.
    pub(super) names: Vec<Named>,
    /// Apexes whose own addresses hold for all names below them.
    pub(super) redirects: Vec<String>,
}

impl Scope {
    /// Gives the names below redirected apexes what the apexes have.
    pub(super) fn redirect(&mut self) {
        let apexes: hashbrown::HashSet<String> = std::mem::take(&mut self.redirects).into_iter().collect();
        let below = self.names.iter().filter(|own| apexes.contains(&own.name)).map(|own| Named {
            name: format!("*.{}", own.name),
            data: own.data.clone(),
            ttl: own.ttl,
            place: own.place.clone(),
        });
        let below: Vec<Named> = below.collect();
        self.names.extend(below);
    }
}

/// A suffix and the servers that are asked for it; none: it goes where all else goes.
#[derive(Debug)]
pub(super) struct Route {
    /// The suffix, without a final dot.
    pub(super) suffix: String,
    /// The servers as our file writes them.
    pub(super) servers: Vec<String>,
    /// Where it stands.
    pub(super) place: Place,
}

/// A zone.
#[derive(Debug)]
pub(super) struct ZoneSetup {
    /// Its apex, without a final dot.
    pub(super) apex: String,
    /// Whether names that it lacks are forwarded.
    pub(super) forward: bool,
    /// Its master file, where it has one.
    pub(super) file: Option<String>,
    /// The TTL of its records, where all have one.
    pub(super) ttl: Option<u32>,
    /// Where it stands.
    pub(super) place: Place,
}

/// A name with what it has.
#[derive(Debug)]
pub(super) struct Named {
    /// The name, without a final dot; may begin with `*.`.
    pub(super) name: String,
    /// What it has.
    pub(super) data: NamedData,
    /// Its TTL in seconds, where it is told.
    pub(super) ttl: Option<u32>,
    /// Where it stands.
    pub(super) place: Place,
}

/// What a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NamedData {
    /// An address.
    Address(IpAddr),
    /// The target of an alias.
    Alias(String),
}

impl Setup {
    /// Of nothing yet.
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            listen: Vec::new(),
            common: Scope::default(),
            views: Vec::new(),
            rest: Vec::new(),
            iterates: false,
            reverse: false,
            left: Vec::new(),
            more: 0,
            held: 0,
        }
    }

    /// Counts one more thing that is held.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn hold(&mut self, place: &Place) -> Result<(), Box<Finding>> {
        self.held += 1;
        if self.held > MOST {
            let message = format!("more than {MOST} names, zones and routes");
            let finding = Finding::new(&codes::TOO_LARGE, place.clone(), "", message);
            return Err(Box::new(finding.hint("put the names into a zone file: [[zone]] with `file`")));
        }
        Ok(())
    }

    /// Something that is not carried over.
    pub(super) fn leave(&mut self, place: Place, message: impl Into<String>) {
        self.tell(Finding::new(&codes::NOT_CARRIED_OVER, place, "", message));
    }

    /// Something that cannot be read, and is not carried over either.
    pub(super) fn bad(&mut self, place: Place, message: impl Into<String>) {
        self.tell(Finding::new(&codes::BAD_STATEMENT, place, "", message));
    }

    fn tell(&mut self, finding: Finding) {
        if self.left.len() < TOLD {
            self.left.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Everything that is not carried over, the last with how much more there is.
    pub(super) fn take_left(&mut self) -> Vec<Finding> {
        if let (1.., Some(last)) = (self.more, self.left.last_mut()) {
            last.message.push_str(&format!(" (and {} more)", self.more));
        }
        std::mem::take(&mut self.left)
    }

    /// The whole text's first place.
    pub(super) fn start(&self) -> Place {
        self.source.place(0..0)
    }
}

/// Whether a list of words has this one.
pub(super) fn lists(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|own| own == word)
}

/// The clients of a server that says nothing of them: private addresses and the machine's own.
pub(super) fn private_networks() -> Vec<IpNet> {
    let texts =
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Everybody.
pub(super) fn everybody() -> Vec<IpNet> {
    ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok()).collect()
}

/// A name as our file writes it: lower-cased, without a final dot; the root is `.`.
pub(super) fn name_of(text: &str) -> Result<String, String> {
    DnsName::parse(text).map(|name| name.to_string()).map_err(|fault| fault.message)
}

/// A name that may be a wildcard.
pub(super) fn pattern_of(text: &str) -> Result<String, String> {
    match text.strip_prefix("*.") {
        Some(parent) => Ok(format!("*.{}", name_of(parent)?)),
        None => name_of(text),
    }
}

/// A server as our file writes it.
pub(super) fn server_of(address: IpAddr, port: Option<u16>) -> String {
    match port.filter(|port| *port != 53) {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

/// The reverse suffixes of a prefix: one where it ends between labels, else those of the next longer prefixes that do.
pub(super) fn reverse_of(net: IpNet) -> Vec<String> {
    let (step, most) = if net.addr().is_ipv4() { (8, 32) } else { (4, 128) };
    let length = net.prefix_len().div_ceil(step).saturating_mul(step).clamp(step, most);
    let one = |net: IpNet| match net.addr() {
        IpAddr::V4(address) => {
            let labels = address.octets().into_iter().take(usize::from(length / step));
            let labels: Vec<String> = labels.map(|octet| octet.to_string()).collect();
            format!("{}.in-addr.arpa", labels.into_iter().rev().collect::<Vec<_>>().join("."))
        }
        IpAddr::V6(address) => {
            let digits = format!("{:032x}", address.to_bits());
            let labels: Vec<String> = digits.chars().take(usize::from(length / step)).map(String::from).collect();
            format!("{}.ip6.arpa", labels.into_iter().rev().collect::<Vec<_>>().join("."))
        }
    };
    net.subnets(length).map(|nets| nets.map(one).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_suffixes_are_by_whole_labels() {
        let of = |net: &str| reverse_of(net.parse().unwrap());
        assert_eq!(of("10.0.0.0/8"), ["10.in-addr.arpa"]);
        assert_eq!(of("192.168.4.0/24"), ["4.168.192.in-addr.arpa"]);
        assert_eq!(of("192.168.4.0/23"), ["4.168.192.in-addr.arpa", "5.168.192.in-addr.arpa"]);
        assert_eq!(of("10.1.2.3/32"), ["3.2.1.10.in-addr.arpa"]);
        assert_eq!(of("fd00:30::/32"), ["0.3.0.0.0.0.d.f.ip6.arpa"]);
        assert_eq!(of("fd00::/31").len(), 2);
    }
}
