//! Unbound's configuration: clauses of `key: value`, with forward and stub zones, local zones and data, views.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::setup::{Named, NamedData, Route, Scope, Setup, ViewSetup, ZoneSetup, lists, name_of, server_of};
use super::tree::Word;
use crate::config::{Finding, Place, Source, codes};
use crate::load::TRANSPORTS;

/// Clauses.
const CLAUSES: &str =
    "server forward-zone stub-zone view auth-zone remote-control python dynlib dnscrypt cachedb dnstap rpz ipset";
/// Keys of `server` that change nothing of who is answered what, and are not worth a word.
const SILENT: &str = "verbosity num-threads port do-ip4 do-ip6 do-udp do-tcp do-daemonize username directory chroot pidfile logfile \
    use-syslog log-queries log-replies log-time-ascii statistics-interval hide-identity hide-version msg-cache-size \
    rrset-cache-size msg-cache-slabs rrset-cache-slabs infra-cache-slabs key-cache-slabs key-cache-size \
    outgoing-range num-queries-per-thread so-rcvbuf so-sndbuf so-reuseport prefetch prefetch-key cache-min-ttl \
    cache-max-ttl harden-glue harden-dnssec-stripped qname-minimisation minimal-responses edns-buffer-size \
    root-hints unwanted-reply-threshold use-caps-for-id interface-automatic tls-cert-bundle serve-expired";

/// A file under way.
struct Reader<'s> {
    source: &'s Arc<Source>,
    setup: Setup,
    clause: Clause,
    listen: Vec<(IpAddr, Option<u16>)>,
    port: u16,
    allowed: Option<Vec<IpNet>>,
    /// `access-control-view`: prefix and view.
    members: Vec<(IpNet, String, Place)>,
    known: bool,
}

/// The clause that is being read.
#[derive(Default)]
enum Clause {
    #[default]
    None,
    Server,
    /// `forward-zone` or `stub-zone`.
    Zone {
        name: Option<String>,
        servers: Vec<String>,
        tls: bool,
        place: Place,
    },
    View(ViewSetup),
    Auth {
        name: Option<String>,
        file: Option<String>,
        place: Place,
    },
    /// One that is not carried over.
    Other,
}

/// Reads a file.
pub(super) fn parse(source: &Arc<Source>) -> Result<Setup, Box<Finding>> {
    let mut setup = Setup::new(source);
    setup.iterates = true;
    let mut reader = Reader {
        source,
        setup,
        clause: Clause::None,
        listen: Vec::new(),
        port: 53,
        allowed: None,
        members: Vec::new(),
        known: false,
    };
    let mut key: Option<Word<'_>> = None;
    let mut values: Vec<Word<'_>> = Vec::new();
    for word in super::tree::quoted_words(source, "an unbound.conf")? {
        if let Some(name) = key_of(&word) {
            if let Some(key) = key.take() {
                reader.pair(&key, &values)?;
            }
            values.clear();
            if lists(CLAUSES, name) {
                reader.open(name, word.place(source))?;
            } else {
                key = Some(word);
            }
        } else if key.is_none() {
            let message = format!("no unbound.conf: {:?} stands where a key with its colon has to", word.shortened());
            return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, word.place(source), "", message)));
        } else {
            values.push(word);
        }
    }
    if let Some(key) = key {
        if values.is_empty() {
            let message = format!("not an unbound.conf: {} has no value where the file ends", key.text);
            return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, key.place(source), "", message)));
        }
        reader.pair(&key, &values)?;
    }
    reader.close()?;
    reader.finish()
}

/// The key that a word is: letters, digits and `-`, then one colon.
fn key_of<'w>(word: &'w Word<'_>) -> Option<&'w str> {
    let name = word.text.strip_suffix(':').filter(|_| !word.quoted)?;
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    fits.then_some(name)
}

impl Reader<'_> {
    /// The beginning of a clause.
    fn open(&mut self, name: &str, place: Place) -> Result<(), Box<Finding>> {
        self.close()?;
        self.known = true;
        self.clause = match name {
            "server" => Clause::Server,
            "forward-zone" | "stub-zone" => Clause::Zone { name: None, servers: Vec::new(), tls: false, place },
            "view" => Clause::View(ViewSetup { alone: true, place: Some(place), ..ViewSetup::default() }),
            "auth-zone" => Clause::Auth { name: None, file: None, place },
            "remote-control" => Clause::Other,
            other => {
                self.setup.leave(place, format!("the clause {other}"));
                Clause::Other
            }
        };
        Ok(())
    }

    /// The end of a clause.
    fn close(&mut self) -> Result<(), Box<Finding>> {
        match std::mem::take(&mut self.clause) {
            Clause::Zone { name, mut servers, tls, place } => {
                self.setup.hold(&place)?;
                if tls && !TRANSPORTS.contains(&"tls") {
                    self.setup.leave(place.clone(), "servers over TLS: this transport is not built in");
                    servers.clear();
                }
                match name {
                    None => self.setup.bad(place, "a zone without a name"),
                    Some(_) if servers.is_empty() => {}
                    Some(name) if name == "." => self.setup.common.default = servers,
                    Some(suffix) => self.setup.common.routes.push(Route { suffix, servers, place }),
                }
            }
            Clause::View(view) => {
                if view.name.is_empty() {
                    let place = view.place.unwrap_or_else(|| self.setup.start());
                    self.setup.bad(place, "a view without a name");
                } else {
                    self.setup.views.push(view);
                }
            }
            Clause::Auth { name: Some(apex), file: Some(file), place } => {
                let zone = ZoneSetup { apex, forward: false, file: Some(file), ttl: None, place };
                self.setup.common.zones.push(zone);
            }
            Clause::Auth { name, place, .. } => {
                let name = name.unwrap_or_default();
                self.setup.leave(place, format!("auth-zone {name}: it has no zonefile"));
            }
            Clause::None | Clause::Server | Clause::Other => {}
        }
        Ok(())
    }

    /// A key with its values.
    fn pair(&mut self, key: &Word<'_>, values: &[Word<'_>]) -> Result<(), Box<Finding>> {
        let place = key.place(self.source);
        self.setup.hold(&place)?;
        let name = key.text.trim_end_matches(':').to_owned();
        let texts: Vec<&str> = values.iter().map(|word| &*word.text).collect();
        if matches!(&*name, "include" | "include-toplevel") {
            self.setup.leave(place, format!("include {}: the file is not read; import it too", texts.join(" ")));
            return Ok(());
        }
        let done = match &mut self.clause {
            Clause::Other => Ok(()),
            Clause::None => Err(format!("{name} stands outside of every clause")),
            Clause::Zone { name: zone, servers, tls, .. } => match (&*name, &texts[..]) {
                ("name", [text]) => name_of(text).map(|name| *zone = Some(name)),
                ("forward-addr" | "stub-addr", [text]) => server(text).map(|server| servers.push(server)),
                ("forward-tls-upstream" | "forward-ssl-upstream" | "stub-tls-upstream", [text]) => {
                    *tls = *text == "yes";
                    Ok(())
                }
                (
                    "forward-tcp-upstream" | "forward-no-cache" | "stub-no-cache" | "stub-prime" | "stub-tcp-upstream",
                    _,
                ) => Ok(()),
                _ => {
                    self.setup.leave(place.clone(), format!("{name}: {}", texts.join(" ")));
                    Ok(())
                }
            },
            Clause::Auth { name: zone, file, .. } => match (&*name, &texts[..]) {
                ("name", [text]) => name_of(text).map(|name| *zone = Some(name)),
                ("zonefile", [text]) => {
                    *file = Some((*text).to_owned());
                    Ok(())
                }
                _ => Ok(()),
            },
            Clause::View(view) => match (&*name, &texts[..]) {
                ("name", [text]) => {
                    view.name = crate::import::names::label(text);
                    Ok(())
                }
                ("view-first", [text]) => {
                    view.alone = *text != "yes";
                    Ok(())
                }
                ("local-zone" | "local-data" | "local-data-ptr", texts) => local(&name, texts, &place, &mut view.scope)
                    .map(|left| {
                        left.into_iter().for_each(|message| self.setup.leave(place.clone(), message));
                    }),
                _ => {
                    self.setup.leave(place.clone(), format!("view: {name}: {}", texts.join(" ")));
                    Ok(())
                }
            },
            Clause::Server => self.server_pair(&name, &texts, &place),
        };
        if let Err(message) = done {
            self.setup.bad(place, message);
        }
        Ok(())
    }

    /// A key of `server`.
    fn server_pair(&mut self, name: &str, texts: &[&str], place: &Place) -> Result<(), String> {
        match (name, texts) {
            ("port", [text]) => {
                self.port = text.parse().map_err(|_| format!("{text:?} is not a port"))?;
            }
            ("interface" | "ip-address", [text]) => {
                let (address, port) =
                    text.split_once('@').map_or((*text, None), |(address, port)| (address, Some(port)));
                let port = match port.map(str::parse::<u16>) {
                    Some(Err(_)) => return Err(format!("{text:?} has no port behind its @")),
                    Some(Ok(port)) => Some(port),
                    None => None,
                };
                match address.parse::<IpAddr>() {
                    Ok(address) => self.listen.push((address, port)),
                    Err(_) => {
                        self.setup.leave(place.clone(), format!("interface: {text}: write its address into `listen`"))
                    }
                }
            }
            ("access-control", [net, action]) => {
                let net: IpNet = net.parse().map_err(|_| format!("{net:?} is not a prefix"))?;
                if action.starts_with("allow") {
                    self.allowed.get_or_insert_default().push(net.trunc());
                } else {
                    self.allowed.get_or_insert_default();
                    self.setup.leave(place.clone(), format!("access-control: {net} {action}"));
                }
            }
            ("access-control-view", [net, view]) => {
                let net: IpNet = net.parse().map_err(|_| format!("{net:?} is not a prefix"))?;
                self.members.push((net.trunc(), crate::import::names::label(view), place.clone()));
            }
            ("local-zone" | "local-data" | "local-data-ptr", texts) => {
                for message in local(name, texts, place, &mut self.setup.common)? {
                    self.setup.leave(place.clone(), message);
                }
            }
            (name, _) if lists(SILENT, name) => {}
            _ => self.setup.leave(place.clone(), format!("{name}: {}", texts.join(" "))),
        }
        Ok(())
    }

    /// Everything put together.
    fn finish(self) -> Result<Setup, Box<Finding>> {
        let Self { mut setup, listen, port, allowed, members, known, .. } = self;
        if !known {
            let message = "no unbound.conf: it has no clause".to_owned();
            return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, setup.start(), "", message)));
        }
        setup.common.redirect();
        setup.views.iter_mut().for_each(|view| view.scope.redirect());
        setup.listen = listen.iter().map(|(address, own)| SocketAddr::new(*address, own.unwrap_or(port))).collect();
        for (net, view, place) in members {
            match setup.views.iter_mut().find(|own| own.name == view) {
                Some(own) => own.networks.push(net),
                None => setup.bad(place, format!("access-control-view: there is no view {view}")),
            }
        }
        let empty: Vec<(String, Place)> = setup
            .views
            .iter()
            .filter(|view| view.networks.is_empty())
            .map(|view| (view.name.clone(), view.place.clone().unwrap_or_else(|| setup.start())))
            .collect();
        for (name, place) in empty {
            setup.leave(place, format!("view {name}: no access-control-view leads to it"));
        }
        setup.views.retain(|view| !view.networks.is_empty());
        let own = || ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse().ok()).collect();
        // Unbound answers the machine itself alone unless told otherwise
        setup.rest = allowed.unwrap_or_else(own);
        let taken: Vec<IpNet> = setup.views.iter().flat_map(|view| view.networks.clone()).collect();
        setup.rest.retain(|net| !taken.contains(net));
        Ok(setup)
    }
}

/// `address[@port][#name]`.
fn server(text: &str) -> Result<String, String> {
    let (text, name) = text.split_once('#').map_or((text, None), |(text, name)| (text, Some(name)));
    let (address, port) = match text.split_once('@') {
        Some((address, port)) => {
            let port = port.parse::<u16>().ok().filter(|port| *port != 0);
            (address, Some(port.ok_or_else(|| format!("{text:?} has no port behind its @"))?))
        }
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
    let address = address.to_canonical();
    Ok(match name {
        Some(name) => match port.filter(|port| *port != 853) {
            Some(port) => format!("tls://{}#{name}", SocketAddr::new(address, port)),
            None => format!("tls://{address}#{name}"),
        },
        None => server_of(address, port),
    })
}

/// `local-zone`, `local-data`, `local-data-ptr`. Returns what is not carried over.
fn local(key: &str, texts: &[&str], place: &Place, scope: &mut Scope) -> Result<Vec<String>, String> {
    match (key, texts) {
        ("local-zone", [zone, kind]) => local_zone(zone, kind, place, scope),
        ("local-data", [data]) => local_data(data, place, scope),
        ("local-data-ptr", [data]) => {
            // reverse names are made from the addresses of names
            let mut words = data.split_whitespace();
            let (Some(address), Some(name)) = (words.next(), words.next_back()) else {
                return Err(format!("{data:?} has no address and name"));
            };
            Ok(vec![format!("local-data-ptr: {address} {name}: reverse names are made from the addresses of names")])
        }
        _ => Err(format!("{key} does not take {}", texts.join(" "))),
    }
}

/// A zone of a type.
fn local_zone(zone: &str, kind: &str, place: &Place, scope: &mut Scope) -> Result<Vec<String>, String> {
    let apex = name_of(zone)?;
    let forward = match kind {
        "static" | "refuse" | "deny" | "always_nxdomain" | "always_refuse" | "always_deny" | "redirect" => false,
        "transparent" | "typetransparent" | "inform" => true,
        "nodefault" | "always_transparent" => return Ok(Vec::new()),
        other => return Ok(vec![format!("local-zone: {zone} {other}")]),
    };
    if kind == "redirect" {
        scope.redirects.push(apex.clone());
    }
    let known = match kind {
        "refuse" | "deny" | "always_refuse" | "always_deny" | "inform" | "typetransparent" => {
            Some(format!("local-zone: {zone} {kind} is taken as {}", if forward { "transparent" } else { "static" }))
        }
        _ => None,
    };
    scope.zones.push(ZoneSetup { apex, forward, file: None, ttl: None, place: place.clone() });
    Ok(known.into_iter().collect())
}

/// A record in the form of a zone file.
fn local_data(data: &str, place: &Place, scope: &mut Scope) -> Result<Vec<String>, String> {
    let words: Vec<&str> = data.split_whitespace().collect();
    let Some((owner, mut rest)) = words.split_first() else { return Err("local-data without a record".to_owned()) };
    let mut ttl = None;
    while let Some((first, more)) = rest.split_first() {
        if let Ok(seconds) = first.parse::<u32>() {
            ttl = Some(seconds);
        } else if !first.eq_ignore_ascii_case("IN") {
            break;
        }
        rest = more;
    }
    let [rtype, value @ ..] = rest else { return Err(format!("{data:?} has no type")) };
    let name = super::setup::pattern_of(owner)?;
    let data = match (rtype.to_ascii_uppercase().as_str(), value) {
        ("A" | "AAAA", [address]) => {
            NamedData::Address(address.parse().map_err(|_| format!("{address:?} is not an IP address"))?)
        }
        ("CNAME", [target]) => NamedData::Alias(name_of(target)?),
        ("A" | "AAAA" | "CNAME", _) => return Err(format!("{data:?} has not just one value")),
        (other, _) => return Ok(vec![format!("local-data: {name} {other}")]),
    };
    scope.names.push(Named { name, data, ttl, place: place.clone() });
    Ok(Vec::new())
}
