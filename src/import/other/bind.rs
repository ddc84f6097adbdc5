//! BIND's `named.conf`: options, access lists, zones, and views by client prefix.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::setup::{Route, Scope, Setup, ViewSetup, ZoneSetup, everybody, lists, name_of, private_networks, server_of};
use super::tree::{Statement, Syntax, Word, not_a_tree, tree};
use crate::config::{Finding, Source, codes};

/// Statements of the top that are known.
const KNOWN: &str = "acl options zone view include logging controls key keys server masters primaries parental-agents \
    statistics-channels trusted-keys managed-keys trust-anchors dnssec-policy tls http dlz dyndb plugin";
/// Options that change nothing of who is answered what, and are not worth a word.
const SILENT: &str = "directory recursion dnssec-validation dnssec-enable auth-nxdomain version hostname pid-file session-keyfile \
    dump-file statistics-file memstatistics-file managed-keys-directory bindkeys-file forward max-cache-size \
    querylog edns-udp-size max-udp-size minimal-responses notify recursive-clients tcp-clients listen-on-v6 \
    secroots-file recursing-file server-id";

/// A file under way.
struct Reader<'s> {
    source: &'s Arc<Source>,
    setup: Setup,
    acls: HashMap<String, &'s Statement<'s>>,
    /// `directory`: what files are relative to.
    directory: Option<String>,
}

/// Reads a file.
pub(super) fn parse(source: &Arc<Source>) -> Result<Setup, Box<Finding>> {
    let syntax = Syntax { by_line: false, slashes: true, single: false };
    let statements = tree(source, syntax).map_err(|fault| not_a_tree(source, "a named.conf", fault))?;
    if let Some(strange) = statements.iter().find(|own| !lists(KNOWN, own.key())) {
        let message = format!("not a named.conf: {:?} is no statement of its top", strange.text());
        return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, strange.place(source), "", message)));
    }
    let mut reader = Reader { source, setup: Setup::new(source), acls: HashMap::new(), directory: None };
    reader.setup.iterates = true;
    for own in &statements {
        if let ("acl", Some(name)) = (own.key(), own.values().first()) {
            reader.acls.insert(name.text.to_string(), own);
        }
    }
    let mut allowed = None;
    for own in statements.iter().filter(|own| own.key() == "options") {
        allowed = reader.options(own).or(allowed);
    }
    let mut views = 0;
    for own in &statements {
        match own.key() {
            "zone" => {
                let mut scope = std::mem::take(&mut reader.setup.common);
                let done = reader.zone(own, &mut scope);
                reader.setup.common = scope;
                done?;
            }
            "view" => {
                views += 1;
                reader.view(own)?;
            }
            "include" => {
                let message = format!("{}: the file is not read; import it too", own.text());
                reader.setup.leave(own.place(source), message);
            }
            "acl" | "options" | "logging" | "controls" | "key" | "statistics-channels" => {}
            _ => reader.setup.leave(own.place(source), own.text()),
        }
    }
    reader.setup.rest = match views {
        // BIND answers local networks; which those are only the machine knows
        0 => allowed.unwrap_or_else(private_networks),
        _ => Vec::new(),
    };
    reader.shadowed();
    Ok(reader.setup)
}

impl<'s> Reader<'s> {
    /// `options`; returns whom it answers, where it says so.
    fn options(&mut self, options: &'s Statement<'s>) -> Option<Vec<IpNet>> {
        let mut allowed: Option<Vec<IpNet>> = None;
        for own in options.inside() {
            let place = own.place(self.source);
            match own.key() {
                "directory" => self.directory = own.values().first().map(|word| word.text.to_string()),
                "forwarders" => self.setup.common.default = self.servers(own),
                "listen-on" => {
                    let port = self.port_of(own.values()).unwrap_or(53);
                    for inside in own.inside() {
                        match inside.key().parse::<IpAddr>() {
                            Ok(address) => self.setup.listen.push(SocketAddr::new(address, port)),
                            Err(_) if inside.key() == "any" => {
                                self.setup.listen.push(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port));
                            }
                            Err(_) => {
                                self.setup.leave(inside.place(self.source), format!("listen-on {}", inside.text()))
                            }
                        }
                    }
                }
                "allow-recursion" | "allow-query" => {
                    let found = self.networks(own.inside(), 0);
                    // recursion is what matters here
                    if own.key() == "allow-recursion" || allowed.is_none() {
                        allowed = Some(found);
                    }
                }
                key if lists(SILENT, key) => {}
                _ => self.setup.leave(place, format!("options: {}", own.text())),
            }
        }
        allowed
    }

    /// `port N` among words.
    fn port_of(&self, words: &[Word<'_>]) -> Option<u16> {
        let at = words.iter().position(|word| word.text == "port")?;
        words.get(at + 1)?.text.parse().ok()
    }

    /// The servers of `forwarders`, `primaries` and the like.
    fn servers(&mut self, own: &'s Statement<'s>) -> Vec<String> {
        let common = self.port_of(own.values());
        let mut servers = Vec::new();
        for inside in own.inside() {
            let place = inside.place(self.source);
            match inside.key().parse::<IpAddr>() {
                Ok(_) if inside.values().iter().any(|word| word.text == "tls") => {
                    self.setup.leave(place, format!("{}: servers over TLS", inside.text()));
                }
                Ok(address) => {
                    let port = self.port_of(inside.values()).or(common);
                    servers.push(server_of(address.to_canonical(), port));
                }
                Err(_) => self.setup.leave(place, format!("{} {}: not an address", own.key(), inside.text())),
            }
        }
        servers
    }

    /// The prefixes of an address match list.
    fn networks(&mut self, list: &'s [Statement<'s>], depth: usize) -> Vec<IpNet> {
        let mut found = Vec::new();
        for own in list {
            let place = own.place(self.source);
            let text = own.key();
            if let Ok(net) = text.parse::<IpNet>() {
                found.push(net.trunc());
            } else if let Ok(address) = text.parse::<IpAddr>() {
                found.push(IpNet::from(address));
            } else if let Some(net) = short_prefix(text) {
                found.push(net);
            } else if text == "any" {
                found.extend(everybody());
            } else if text == "localhost" {
                found.extend(["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse::<IpNet>().ok()));
            } else if text == "none" {
            } else if let (Some(acl), true) = (self.acls.get(text).copied(), depth < 16) {
                found.extend(self.networks(acl.inside(), depth + 1));
            } else {
                self.setup.leave(place, format!("{}: only prefixes and named lists of them", own.text()));
            }
            if found.len() > 100_000 {
                break; // lists of lists
            }
        }
        found
    }

    /// A zone, into a scope.
    fn zone(&mut self, own: &'s Statement<'s>, scope: &mut Scope) -> Result<(), Box<Finding>> {
        let place = own.place(self.source);
        self.setup.hold(&place)?;
        let Some(name) = own.values().first() else {
            self.setup.bad(place, "a zone without a name");
            return Ok(());
        };
        let suffix = match name_of(&name.text) {
            Ok(suffix) => suffix,
            Err(message) => {
                self.setup.bad(name.place(self.source), message);
                return Ok(());
            }
        };
        let value = |key: &str| own.inside().iter().find(|inside| inside.key() == key);
        let kind = value("type").and_then(|own| own.values().first()).map_or("", |word| &word.text);
        let servers_of = |keys: &[&str]| own.inside().iter().find(|inside| keys.contains(&inside.key()));
        match kind {
            "hint" => {}
            "forward" => {
                let servers = value("forwarders").map(|own| self.servers(own)).unwrap_or_default();
                if suffix == "." {
                    scope.default = servers;
                } else {
                    // an empty list turns forwarding off for the suffix
                    scope.routes.push(Route { suffix, servers, place });
                }
            }
            "stub" | "static-stub" => {
                let list = servers_of(&["masters", "primaries", "server-addresses"]);
                let servers = list.map(|own| self.servers(own)).unwrap_or_default();
                if servers.is_empty() {
                    self.setup.leave(place, format!("zone {suffix}: it names no server by address"));
                } else {
                    scope.routes.push(Route { suffix, servers, place });
                }
            }
            "master" | "primary" => match value("file").and_then(|own| own.values().first()) {
                Some(file) if is_built_in(&suffix) => {
                    let message = format!("zone {suffix}: {}: it is answered without one", file.shortened());
                    self.setup.leave(place, message);
                }
                Some(file) => {
                    let file = match &self.directory {
                        Some(folder) if !file.text.starts_with('/') => format!("{folder}/{}", file.text),
                        _ => file.text.to_string(),
                    };
                    scope.zones.push(ZoneSetup { apex: suffix, forward: false, file: Some(file), ttl: None, place });
                }
                None => self.setup.leave(place, format!("zone {suffix}: it has no file")),
            },
            "slave" | "secondary" | "mirror" => {
                let message =
                    format!("zone {suffix}: zone transfers; forward the suffix to its primaries, or use their file");
                self.setup.leave(place, message);
            }
            kind => self.setup.leave(place, format!("zone {suffix}: type {kind:?}")),
        }
        Ok(())
    }

    /// A view.
    fn view(&mut self, own: &'s Statement<'s>) -> Result<(), Box<Finding>> {
        let place = own.place(self.source);
        self.setup.hold(&place)?;
        let name = own.values().first().map_or("view", |word| &word.text);
        let mut view =
            ViewSetup { name: crate::import::names::label(name), place: Some(place.clone()), ..ViewSetup::default() };
        let mut matched = false;
        for inside in own.inside() {
            match inside.key() {
                "match-clients" => {
                    matched = true;
                    view.networks = self.networks(inside.inside(), 0);
                }
                "match-destinations" => {
                    for word in inside.inside() {
                        match word.key().parse::<IpAddr>() {
                            Ok(address) => view.listeners.push(SocketAddr::new(address, 53)),
                            Err(_) => {
                                let message = format!("view {name}: match-destinations {}", word.text());
                                self.setup.leave(word.place(self.source), message);
                            }
                        }
                    }
                }
                "forwarders" => view.scope.default = self.servers(inside),
                "zone" => self.zone(inside, &mut view.scope)?,
                key if lists(SILENT, key) => {}
                _ => {
                    let message = format!("view {name}: {}", inside.text());
                    self.setup.leave(inside.place(self.source), message);
                }
            }
        }
        if !matched && view.listeners.is_empty() {
            view.networks = everybody();
        }
        if view.networks.is_empty() && view.listeners.is_empty() {
            let message = format!("view {name}: no clients by prefix; the whole view is left out");
            self.setup.leave(place, message);
            return Ok(());
        }
        self.setup.views.push(view);
        Ok(())
    }

    /// In BIND the first view that fits wins, here the longest prefix: a longer one in a later view was never reached.
    fn shadowed(&mut self) {
        let mut before: Vec<(IpNet, String)> = Vec::new();
        let mut told = Vec::new();
        for view in &mut self.setup.views {
            let own = std::mem::take(&mut view.networks);
            let bound = !view.listeners.is_empty();
            for net in own {
                let other = before.iter().find(|(other, _)| other.contains(&net)).filter(|_| !bound);
                match other {
                    Some((other, name)) => told.push((
                        view.place.clone(),
                        format!("view {}: {net} lies in {other} of view {name}, which stands before it", view.name),
                    )),
                    None => view.networks.push(net),
                }
            }
            if !bound {
                before.extend(view.networks.iter().map(|net| (*net, view.name.clone())));
            }
        }
        self.setup.views.retain(|view| !view.networks.is_empty() || !view.listeners.is_empty());
        for (place, message) in told {
            let place = place.unwrap_or_else(|| self.setup.start());
            self.setup.leave(place, message);
        }
    }
}

/// A prefix with its zeros left out, as BIND takes it: `10/8`, `192.168/16`.
fn short_prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let labels = address.split('.').count();
    let whole = format!("{address}{}/{length}", ".0".repeat(4_usize.checked_sub(labels)?));
    whole.parse::<IpNet>().ok().map(|net| net.trunc())
}

/// Whether a zone is one of those that every BIND has a file for and that are answered here anyway (R17, R20).
fn is_built_in(suffix: &str) -> bool {
    let special = ["localhost", "127.in-addr.arpa", "0.in-addr.arpa", "255.in-addr.arpa", "0.0.127.in-addr.arpa"];
    special.contains(&suffix) || suffix.ends_with("ip6.arpa")
}
