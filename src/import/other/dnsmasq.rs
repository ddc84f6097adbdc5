//! dnsmasq's configuration: `key=value`, a line each.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::setup::{
    Named, NamedData, Route, Setup, ZoneSetup, lists, name_of, private_networks, reverse_of, server_of,
};
use crate::config::{Finding, Place, Source, codes};

/// Keys that dnsmasq knows: what is none of them at all is no such file.
const KNOWN: &str = "addn-hosts address all-servers auth-server auth-zone bind-dynamic bind-interfaces bogus-nxdomain bogus-priv \
    cache-size clear-on-reload cname conf-dir conf-file dhcp-authoritative dhcp-boot dhcp-host dhcp-leasefile \
    dhcp-option dhcp-range dns-forward-max dns-loop-detect dnssec domain domain-needed edns-packet-max enable-ra \
    except-interface expand-hosts filterwin2k group host-record hostsdir interface interface-name keep-in-foreground \
    listen-address local local-service local-ttl localise-queries log-async log-facility log-queries max-cache-ttl \
    max-ttl min-cache-ttl mx-host naptr-record neg-ttl no-daemon no-hosts no-negcache no-poll no-resolv pid-file \
    port ptr-record query-port read-ethers rebind-domain-ok resolv-file rev-server selfmx server servers-file \
    srv-host stop-dns-rebind strict-order synth-domain trust-anchor txt-record user";
/// Keys that change nothing of who is answered what, and are not worth a word.
const SILENT: &str = "bind-dynamic bind-interfaces no-resolv no-poll no-hosts user group pid-file log-queries log-facility log-async \
    keep-in-foreground no-daemon cache-size domain-needed local-service";

/// A file under way.
struct Reader {
    setup: Setup,
    /// `port`.
    port: u16,
    /// `listen-address`.
    listen: Vec<IpAddr>,
    /// Routes by suffix.
    routes: HashMap<String, usize>,
    /// How many keys are dnsmasq's, and how many are not.
    known: (usize, usize),
}

/// Reads a file.
pub(super) fn parse(source: &Arc<Source>) -> Result<Setup, Box<Finding>> {
    let mut setup = Setup::new(source);
    setup.rest = private_networks();
    setup.reverse = true;
    let mut reader = Reader { setup, port: 53, listen: Vec::new(), routes: HashMap::new(), known: (0, 0) };
    let mut at = 0;
    let mut first = None;
    for line in source.text().split_inclusive('\n') {
        let start = at;
        at += line.len();
        let text = line.trim_start_matches('\u{feff}');
        let start = start + (line.len() - text.len());
        let content = uncommented(text);
        let trimmed = content.trim();
        if trimmed.is_empty() {
            continue;
        }
        let from = start + (content.len() - content.trim_start().len());
        let place = source.place(from..from + trimmed.len());
        first.get_or_insert_with(|| place.clone());
        let (key, value) = trimmed.split_once('=').map_or((trimmed, ""), |(key, value)| (key.trim(), value.trim()));
        reader.line(key, value.trim_matches('"'), &place)?;
    }
    // a key or two may be new; where most are none, it is something else
    if let (true, Some(place)) = (reader.known.1 >= reader.known.0, first) {
        let message = "no dnsmasq configuration: most of its keys are none of dnsmasq's".to_owned();
        return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, place, "", message)));
    }
    let Reader { mut setup, port, listen, .. } = reader;
    setup.listen = listen.into_iter().map(|address| (address, port).into()).collect();
    Ok(setup)
}

/// A line without its comment: `#` at its start or behind a blank.
fn uncommented(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or_default();
        }
        before = c;
    }
    line
}

impl Reader {
    /// One line.
    fn line(&mut self, key: &str, value: &str, place: &Place) -> Result<(), Box<Finding>> {
        match lists(KNOWN, key) {
            true => {
                self.known.0 += 1;
                self.setup.hold(place)?;
            }
            false => self.known.1 += 1,
        }
        let done = match key {
            "server" | "local" => self.server(value, place),
            "rev-server" => self.rev_server(value, place),
            "address" => self.address(value, place),
            "host-record" => self.host_record(value, place),
            "cname" => self.cname(value, place),
            "port" => match value.parse::<u16>() {
                Ok(0) => Err("port 0 turns DNS off".to_owned()),
                Ok(port) => {
                    self.port = port;
                    Ok(())
                }
                Err(_) => Err(format!("{value:?} is not a port")),
            },
            "listen-address" => {
                let all = value.split(',').map(|own| own.trim().parse::<IpAddr>());
                match all.collect::<Result<Vec<_>, _>>() {
                    Ok(all) => {
                        self.listen.extend(all);
                        Ok(())
                    }
                    Err(_) => Err(format!("{value:?} is not a list of addresses")),
                }
            }
            "bogus-priv" => {
                self.setup.reverse = false;
                Ok(())
            }
            key if lists(SILENT, key) => Ok(()),
            "addn-hosts" | "hostsdir" => {
                self.setup.leave(place.clone(), format!("{key}={value}: import it with `hubdns import hosts`"));
                Ok(())
            }
            "conf-file" | "conf-dir" | "servers-file" | "resolv-file" => {
                self.setup.leave(place.clone(), format!("{key}={value}: the file is not read; import it too"));
                Ok(())
            }
            key if lists(KNOWN, key) => {
                let value = if value.is_empty() { String::new() } else { format!("={value}") };
                self.setup.leave(place.clone(), format!("{key}{value}"));
                Ok(())
            }
            key => Err(format!("{key:?} is no key of dnsmasq")),
        };
        if let Err(message) = done {
            self.setup.bad(place.clone(), message);
        }
        Ok(())
    }

    /// `[/domain/…/][address[#port]]`; without an address the domains are local.
    fn server(&mut self, value: &str, place: &Place) -> Result<(), String> {
        let (domains, server) = domains(value)?;
        let servers = match server {
            "" if domains.is_empty() => return Err("neither domain nor server".to_owned()),
            "" => None,
            "#" => Some(Vec::new()),
            text => Some(vec![server_text(text)?]),
        };
        if domains.is_empty() {
            self.setup.common.default.extend(servers.into_iter().flatten());
            return Ok(());
        }
        for domain in domains {
            if domain.is_empty() {
                self.setup.leave(place.clone(), format!("server=//…: names without a dot go to {server:?}"));
                continue;
            }
            let suffix = name_of(domain)?;
            match &servers {
                None => self.zone(suffix, place),
                Some(servers) => self.route(suffix, servers.clone(), place),
            }
        }
        Ok(())
    }

    /// A suffix that is never forwarded.
    fn zone(&mut self, apex: String, place: &Place) {
        let zone = ZoneSetup { apex, forward: false, file: None, ttl: None, place: place.clone() };
        self.setup.common.zones.push(zone);
    }

    /// Servers of a suffix; several lines of one suffix are one list.
    fn route(&mut self, suffix: String, servers: Vec<String>, place: &Place) {
        let index = *self.routes.entry(suffix.clone()).or_insert(self.setup.common.routes.len());
        match self.setup.common.routes.get_mut(index) {
            Some(own) => own.servers.extend(servers),
            None => self.setup.common.routes.push(Route { suffix, servers, place: place.clone() }),
        }
    }

    /// `<prefix>,<address>[#port]`: the reverse names of a prefix.
    fn rev_server(&mut self, value: &str, place: &Place) -> Result<(), String> {
        let (net, server) = value.split_once(',').ok_or("it needs a prefix and a server")?;
        let net: IpNet = net.trim().parse().map_err(|_| format!("{net:?} is not a prefix"))?;
        let servers = vec![server_text(server.trim())?];
        for suffix in reverse_of(net.trunc()) {
            self.route(suffix, servers.clone(), place);
        }
        Ok(())
    }

    /// `/domain/…/[address]`: the domain and all below it.
    fn address(&mut self, value: &str, place: &Place) -> Result<(), String> {
        let (domains, address) = domains(value)?;
        if domains.is_empty() {
            return Err("it needs a domain between slashes".to_owned());
        }
        for domain in domains {
            if domain == "#" || domain.is_empty() {
                self.setup.leave(place.clone(), format!("address={value}: an address for every name"));
                continue;
            }
            let name = name_of(domain)?;
            if address.is_empty() || address == "#" {
                // NXDOMAIN, or zeros: both block
                self.zone(name, place);
                continue;
            }
            let parsed: IpAddr = address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
            for name in [format!("*.{name}"), name] {
                let data = NamedData::Address(parsed.to_canonical());
                self.setup.common.names.push(Named { name, data, ttl: None, place: place.clone() });
            }
        }
        Ok(())
    }

    /// `name,…,address,…[,ttl]`.
    fn host_record(&mut self, value: &str, place: &Place) -> Result<(), String> {
        let (mut names, mut addresses, mut ttl) = (Vec::new(), Vec::new(), None);
        for part in value.split(',').map(str::trim) {
            if let Ok(address) = part.parse::<IpAddr>() {
                addresses.push(address.to_canonical());
            } else if let Ok(seconds) = part.parse::<u32>() {
                ttl = Some(seconds);
            } else if !part.is_empty() {
                names.push(name_of(part)?);
            }
        }
        if names.is_empty() || addresses.is_empty() {
            return Err("it needs a name and an address".to_owned());
        }
        for name in names {
            for address in &addresses {
                let data = NamedData::Address(*address);
                self.setup.common.names.push(Named { name: name.clone(), data, ttl, place: place.clone() });
            }
        }
        Ok(())
    }

    /// `alias,…,target[,ttl]`.
    fn cname(&mut self, value: &str, place: &Place) -> Result<(), String> {
        let mut parts: Vec<&str> = value.split(',').map(str::trim).collect();
        let ttl = parts.last().and_then(|last| last.parse::<u32>().ok());
        if ttl.is_some() {
            parts.pop();
        }
        let (target, aliases) =
            parts.split_last().filter(|(_, aliases)| !aliases.is_empty()).ok_or("it needs an alias and a target")?;
        let target = name_of(target)?;
        for alias in aliases {
            let name = super::setup::pattern_of(alias)?;
            if !name.contains('.') {
                self.setup.leave(place.clone(), format!("the alias {name}: a single label has no zone to stand in"));
                continue;
            }
            let data = NamedData::Alias(target.clone());
            self.setup.common.names.push(Named { name, data, ttl, place: place.clone() });
        }
        Ok(())
    }
}

/// The domains between the slashes in front, and what stands behind them.
fn domains(value: &str) -> Result<(Vec<&str>, &str), String> {
    let Some(rest) = value.strip_prefix('/') else { return Ok((Vec::new(), value)) };
    let (domains, server) = rest.rsplit_once('/').ok_or("the second slash is missing")?;
    Ok((domains.split('/').collect(), server.trim()))
}

/// `address[#port]`, without the interface or source behind an `@`.
fn server_text(text: &str) -> Result<String, String> {
    let text = text.split('@').next().unwrap_or(text);
    let (address, port) = match text.split_once('#') {
        Some((address, port)) => (
            address,
            Some(port.parse::<u16>().ok().filter(|port| *port != 0).ok_or(format!("{port:?} is not a port"))?),
        ),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().map_err(|_| format!("{address:?} is not an IP address"))?;
    Ok(server_of(address.to_canonical(), port))
}
