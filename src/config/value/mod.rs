//! Single values out of strings: durations, sizes, addresses, prefixes, servers, names.
//!
//! Pure functions from text to value or [`Fault`]; they know no place and no key. The reader calls
//! them by the kind that a section's table gives.

pub mod name;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::codes::{self, CodeRow};
use name::DnsName;

/// Azure's platform resolver.
pub const PLATFORM_RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// Why a value was refused.
#[derive(Debug)]
pub struct Fault {
    /// The row of the code.
    pub row: &'static CodeRow,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(row: &'static CodeRow, message: impl Into<String>) -> Self {
        Self { row, message: message.into(), hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// At most 60 characters of a text that is quoted in a message.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Reads a decimal number with one of the units `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// When it is not of that form or more than a century.
pub fn duration(text: &str) -> Result<Duration, Fault> {
    let wrong = || {
        Fault::new(&codes::BAD_DURATION, format!("{text:?} is not a duration"))
            .hint("write a number and a unit: \"250ms\", \"4.8s\", \"5m\", \"1h\" or \"1d\"")
    };
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let unit_in_us: u64 = match unit {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 6 || fraction.contains('.') {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let scale = 10_u64.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let fraction: u64 = fraction.parse().map_err(|_| wrong())?;
    let century = 36_525 * 86_400_000_000;
    whole
        .checked_mul(unit_in_us)
        .and_then(|us| us.checked_add(unit_in_us / 1_000 * fraction * 1_000 / scale))
        .filter(|us| *us <= century)
        .map(Duration::from_micros)
        .ok_or_else(wrong)
}

/// Writes a duration as the file would have it: the largest unit that divides it.
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, label) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms > 0 && ms.is_multiple_of(unit) {
            return format!("{}{label}", ms / unit);
        }
    }
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms > 1_000 { format!("{}s", ms as f64 / 1_000.0) } else { format!("{ms}ms") }
}

/// Reads a whole number of `KiB`, `MiB` or `GiB`, or `0`. The result is in octets.
///
/// # Errors
/// When it is not of that form or overflows.
pub fn size_octets(text: &str) -> Result<u64, Fault> {
    let wrong = || {
        Fault::new(&codes::BAD_SIZE, format!("{text:?} is not a size"))
            .hint("write a number and a unit: \"64KiB\", \"256MiB\", \"2GiB\", or \"0\"")
    };
    if text == "0" {
        return Ok(0);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Writes a size as the file would have it.
pub fn size_text(octets: u64) -> String {
    for (shift, label) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if octets > 0 && octets.is_multiple_of(1 << shift) {
            return format!("{}{label}", octets >> shift);
        }
    }
    octets.to_string()
}

/// Reads an address; a v4-mapped one becomes v4.
///
/// # Errors
/// When it is not an address.
pub fn address(text: &str) -> Result<IpAddr, Fault> {
    text.parse().map(|address: IpAddr| address.to_canonical()).map_err(|_| {
        let fault = Fault::new(&codes::BAD_ADDRESS, format!("{text:?} is not an IP address"));
        if text.contains('/') {
            fault.hint("an address has no prefix length")
        } else if text.parse::<SocketAddr>().is_ok() {
            fault.hint("an address has no port here")
        } else {
            fault
        }
    })
}

/// Reads `ip` or `ip:port`; without a port it is `port`.
///
/// # Errors
/// When it is neither.
pub fn socket_address(text: &str, port: u16) -> Result<SocketAddr, Fault> {
    host_and_port(text, port).ok_or_else(|| {
        Fault::new(&codes::BAD_SOCKET_ADDRESS, format!("{text:?} is not an address with a port"))
            .hint("write an IP address, `ip:port` or `[ip6]:port`")
    })
}

/// An `ip` or `ip:port` of a view's `listeners`: without a port every port of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// The local address.
    pub address: IpAddr,
    /// The local port, or any.
    pub port: Option<u16>,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Reads a listener's reference.
///
/// # Errors
/// When it is neither `ip` nor `ip:port`.
pub fn listener(text: &str) -> Result<Listener, Fault> {
    if let Ok(address) = bare_address(text) {
        return Ok(Listener { address, port: None });
    }
    let socket = socket_address(text, 0)?;
    Ok(Listener { address: socket.ip(), port: Some(socket.port()) })
}

/// Reads `ip`, `ip:port`, `[ip6]` or `[ip6]:port`; port 0 is refused where it is written.
fn host_and_port(text: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = bare_address(text) {
        return Some(SocketAddr::new(address, port));
    }
    let socket: SocketAddr = text.parse().ok()?;
    (socket.port() != 0).then(|| SocketAddr::new(socket.ip().to_canonical(), socket.port()))
}

/// Reads an address that may stand in brackets.
fn bare_address(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().map(|address| IpAddr::V6(address).to_canonical()),
        None => text.parse::<IpAddr>().map(|address| address.to_canonical()),
    }
}

/// Reads `address/length`, or an address as a prefix of its whole length.
///
/// # Errors
/// When it is malformed or has host bits set; the hint names the masked prefix.
pub fn prefix(text: &str) -> Result<IpNet, Fault> {
    let bad = |hint: &str| Fault::new(&codes::BAD_PREFIX, format!("{text:?} is not a network prefix")).hint(hint);
    let Some((head, length)) = text.split_once('/') else {
        let address = address(text).map_err(|_| bad("write `address/length`, for example \"10.10.0.0/16\""))?;
        return Ok(IpNet::from(address));
    };
    let address: IpAddr = head.parse().map_err(|_| bad("what stands before `/` is no address"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length
        .parse()
        .ok()
        .filter(|length| *length <= most && !text.contains('+'))
        .ok_or_else(|| bad(&format!("the length is a number from 0 to {most}")))?;
    let (address, length) = match (address, address.to_canonical()) {
        // R7: a mapped network is the IPv4 network
        (IpAddr::V6(_), IpAddr::V4(mapped)) if length >= 96 => (IpAddr::V4(mapped), length - 96),
        _ => (address, length),
    };
    let net = IpNet::new(address, length).map_err(|_| bad("the length is too great"))?;
    if net.addr() != net.network() {
        return Err(Fault::new(&codes::HOST_BITS, format!("{text:?} has host bits set beyond /{length}"))
            .hint(format!("write \"{}\" for the network, or the address alone for one client", net.trunc())));
    }
    Ok(net)
}

/// Reads a GUID of 8-4-4-4-12 hexadecimal digits; lower-cased.
///
/// # Errors
/// When it is not of that form.
pub fn guid(text: &str) -> Result<String, Fault> {
    let groups: Vec<_> = text.split('-').collect();
    let fits = groups.len() == 5
        && groups
            .iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(group, length)| group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit()));
    if fits {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Fault::new(&codes::BAD_GUID, format!("{text:?} is not a GUID"))
            .hint("it looks like \"34c6de84-0b0c-42ba-9a48-e164ed43a9ef\""))
    }
}

/// Reads a table's name.
///
/// # Errors
/// When it has other characters than letters, digits, `-`, `_`, `.`, or is too long.
pub fn label(text: &str) -> Result<String, Fault> {
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits {
        return Ok(text.to_owned());
    }
    Err(Fault::new(&codes::BAD_LABEL, format!("{text:?} cannot be a name"))
        .hint("use 1 to 63 letters, digits, `-`, `_` or `.`"))
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// UDP, and TCP for what does not fit.
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls {
        /// The name in the server's certificate.
        name: DnsName,
    },
    /// DNS over HTTPS (RFC 8484).
    Https {
        /// The name in the server's certificate and in the request.
        name: DnsName,
        /// The path, with its leading `/`.
        path: String,
    },
    /// DNS over QUIC (RFC 9250).
    Quic {
        /// The name in the server's certificate.
        name: DnsName,
    },
}

impl Transport {
    /// The scheme as it is written; plain servers have none.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Plain => "udp",
            Self::Tls { .. } => "tls",
            Self::Https { .. } => "https",
            Self::Quic { .. } => "quic",
        }
    }
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: Transport,
}

impl Server {
    /// Whether this is Azure's platform resolver, which has limits of its own.
    pub fn is_platform(&self) -> bool {
        self.address.ip() == PLATFORM_RESOLVER
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Plain => write!(f, "{}", self.address),
            Transport::Tls { name } => write!(f, "tls://{}#{name}", self.address),
            Transport::Https { name, path } => {
                write!(f, "https://{name}:{}{path}#{}", self.address.port(), self.address.ip())
            }
            Transport::Quic { name } => write!(f, "quic://{}#{name}", self.address),
        }
    }
}

/// Reads a server in one of its four forms.
///
/// # Errors
/// When it is none of them.
pub fn server(text: &str) -> Result<Server, Fault> {
    let bad = |hint: &str| Fault::new(&codes::BAD_SERVER, format!("{text:?} is not a server")).hint(hint);
    let Some((scheme, rest)) = text.split_once("://") else {
        let address = host_and_port(text, 53).ok_or_else(|| {
            bad("write ip[:port] | tls://ip[:port]#name | https://name/path#ip | quic://ip[:port]#name")
        })?;
        return Ok(Server { address, transport: Transport::Plain });
    };
    let (head, tail) = rest.rsplit_once('#').ok_or_else(|| bad("what follows `#` is missing"))?;
    let named = |name: &str| DnsName::parse(name).map_err(|fault| bad(&fault.message));
    match scheme {
        "tls" | "quic" => {
            let address = host_and_port(head, 853).ok_or_else(|| bad("between `://` and `#` stands ip or ip:port"))?;
            let name = named(tail)?;
            let transport = if scheme == "tls" { Transport::Tls { name } } else { Transport::Quic { name } };
            Ok(Server { address, transport })
        }
        "https" => {
            let slash = head.find('/').ok_or_else(|| bad("the path is missing: /dns-query"))?;
            let (host, path) = head.split_at(slash);
            let (host, port) = match host.split_once(':') {
                None => (host, 443),
                Some((host, port)) => {
                    let port = port.parse().ok().filter(|port| *port != 0);
                    (host, port.ok_or_else(|| bad("the port is not a number"))?)
                }
            };
            // RFC 3986 §3.3, and a query; questions are posted, so a template's variable has no place (RFC 8484 §4.1)
            if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@?".contains(&b)) {
                return Err(bad("the path has a character that a URL's path cannot have, or a `{variable}`"));
            }
            let ip = bare_address(tail).map_err(|_| bad("after `#` stands the server's address"))?;
            Ok(Server {
                address: SocketAddr::new(ip, port),
                transport: Transport::Https { name: named(host)?, path: path.to_owned() },
            })
        }
        _ => Err(bad("the transports are tls, https and quic; plain DNS has no scheme")),
    }
}

#[cfg(test)]
mod tests;
