//! CoreDNS's Corefile: server blocks by zone, with `forward`, `hosts`, `file`, `bind` and `view`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::setup::{Named, NamedData, Route, Scope, Setup, ViewSetup, ZoneSetup, everybody, lists, name_of, server_of};
use super::tree::{Statement, Syntax, Word, not_a_tree, tree};
use crate::config::{Finding, Place, Source, codes};
use crate::load::TRANSPORTS;

/// Plugins that change nothing of who is answered what, and are not worth a word.
const SILENT: &str = "errors log health ready prometheus reload loop cache debug pprof lameduck loadbalance nsid bufsize trace \
    timeouts whoami metadata cancel prefetch";

/// A file under way.
struct Reader<'s> {
    source: &'s Arc<Source>,
    setup: Setup,
    snippets: Vec<(String, &'s [Statement<'s>])>,
    /// Whether any block has no view: then everybody is answered.
    open: bool,
    /// Whether any plugin was met.
    plugins: usize,
}

/// Reads a Corefile.
pub(super) fn parse(source: &Arc<Source>) -> Result<Setup, Box<Finding>> {
    let fault = |fault| not_a_tree(source, "a Corefile", fault);
    let statements = tree(source, Syntax { by_line: true, slashes: false, single: false }).map_err(fault)?;
    let mut reader = Reader { source, setup: Setup::new(source), snippets: Vec::new(), open: false, plugins: 0 };
    let mut keys: Vec<&Word<'_>> = Vec::new();
    let mut blocks = 0;
    for statement in &statements {
        if let Some(name) = snippet(statement) {
            reader.snippets.push((name.to_owned(), statement.inside()));
            blocks += 1;
            continue;
        }
        keys.extend(&statement.words);
        if statement.block.is_none() {
            // the keys of a block may go on in the next line, behind a comma
            let goes_on = statement.words.last().is_some_and(|word| word.text.ends_with(','));
            if !goes_on {
                reader.alone(statement);
                keys.clear();
            }
            continue;
        }
        blocks += 1;
        let own = std::mem::take(&mut keys);
        reader.block(&own, statement)?;
    }
    reader.setup.reverse = true;
    if blocks == 0 || reader.plugins == 0 {
        let place = statements.first().map_or_else(|| reader.setup.start(), |own| own.place(source));
        let message = "no Corefile: it has no server block with a plugin".to_owned();
        return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, place, "", message)));
    }
    if reader.open {
        reader.setup.rest = everybody();
    }
    if reader.setup.listen.iter().any(|own| Some(own.port()) != reader.setup.listen.first().map(SocketAddr::port)) {
        let start = reader.setup.start();
        reader.setup.leave(start, "server blocks on different ports: here every listener answers alike");
    }
    Ok(reader.setup)
}

/// The name of a snippet: `(name) { … }`.
fn snippet<'s>(statement: &'s Statement<'_>) -> Option<&'s str> {
    let [word] = &statement.words[..] else { return None };
    statement.block.as_ref()?;
    word.text.strip_prefix('(')?.strip_suffix(')')
}

/// What a server block says, before it is known whose it is.
#[derive(Default)]
struct Block {
    zones: Vec<(String, Place)>,
    ports: Vec<u16>,
    bind: Vec<IpAddr>,
    view: Option<(String, Vec<IpNet>, Place)>,
    /// A `view` that cannot be carried over: then nothing of the block is.
    dropped: bool,
    scope: Scope,
    forwards: Vec<(String, Vec<String>, Place)>,
}

impl<'s> Reader<'s> {
    /// A statement outside of every block.
    fn alone(&mut self, statement: &Statement<'_>) {
        let place = statement.place(self.source);
        match statement.key() {
            "import" => self.setup.leave(place, format!("{}: the file is not read", statement.text())),
            _ => self.setup.bad(place, format!("{:?} stands outside of every server block", statement.text())),
        }
    }

    /// A server block.
    fn block(&mut self, keys: &[&Word<'s>], statement: &'s Statement<'s>) -> Result<(), Box<Finding>> {
        let mut block = Block::default();
        for word in keys {
            for key in word.text.split(',').filter(|key| !key.is_empty()) {
                self.key(key, &word.place(self.source), &mut block);
            }
        }
        for plugin in statement.inside() {
            self.plugin(plugin, &mut block, 0)?;
        }
        if block.zones.is_empty() || block.dropped {
            return Ok(());
        }
        let port = block.ports.first().copied().unwrap_or(53);
        let addresses = if block.bind.is_empty() { vec![IpAddr::from([0, 0, 0, 0])] } else { block.bind.clone() };
        self.setup.listen.extend(addresses.iter().map(|address| SocketAddr::new(*address, port)));
        self.place_forwards(&mut block)?;
        let scope = match block.view {
            None => {
                self.open = true;
                &mut self.setup.common
            }
            Some((name, networks, place)) => {
                let found = self.setup.views.iter().position(|view| view.name == name);
                let index = found.unwrap_or(self.setup.views.len());
                if found.is_none() {
                    self.setup.views.push(ViewSetup { name, place: Some(place), ..ViewSetup::default() });
                }
                let Some(view) = self.setup.views.get_mut(index) else { return Ok(()) };
                view.networks.extend(networks);
                &mut view.scope
            }
        };
        scope.default.extend(block.scope.default);
        scope.routes.extend(block.scope.routes);
        scope.zones.extend(block.scope.zones);
        scope.names.extend(block.scope.names);
        Ok(())
    }

    /// A key of a block: `[dns://]zone[:port]`.
    fn key(&mut self, key: &str, place: &Place, block: &mut Block) {
        let rest = match key.split_once("://") {
            None | Some(("dns", _)) => key.rsplit("://").next().unwrap_or(key),
            Some((scheme, _)) => {
                self.setup.leave(place.clone(), format!("{key}: the server over {scheme}"));
                return;
            }
        };
        let (zone, port) = match rest.rsplit_once(':') {
            Some((zone, port)) if !zone.contains(':') => (zone, Some(port)),
            _ => (rest, None),
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => return self.setup.bad(place.clone(), format!("{key}: no port")),
        };
        let zones = match zone.parse::<IpNet>() {
            Ok(net) => super::setup::reverse_of(net.trunc()),
            Err(_) => match name_of(if zone.is_empty() { "." } else { zone }) {
                Ok(name) => vec![name],
                Err(message) => return self.setup.bad(place.clone(), message),
            },
        };
        block.zones.extend(zones.into_iter().map(|zone| (zone, place.clone())));
        block.ports.extend(port);
    }

    /// A plugin of a block.
    fn plugin(&mut self, own: &'s Statement<'s>, block: &mut Block, depth: usize) -> Result<(), Box<Finding>> {
        let place = own.place(self.source);
        self.setup.hold(&place)?;
        self.plugins += 1;
        match own.key() {
            "forward" | "proxy" => self.forward(own, block),
            "hosts" => self.hosts(own, block)?,
            "file" => self.file(own, block),
            "bind" => {
                for word in own.values() {
                    match word.text.parse::<IpAddr>() {
                        Ok(address) => block.bind.push(address),
                        Err(_) => self.setup.leave(word.place(self.source), format!("bind {}", word.shortened())),
                    }
                }
            }
            "view" => self.view(own, block),
            "import" => {
                let name = own.values().first().map_or("", |word| &word.text);
                let found = self.snippets.iter().find(|(own, _)| own == name).map(|(_, inside)| *inside);
                match found.filter(|_| depth < 8) {
                    Some(inside) => {
                        for plugin in inside {
                            self.plugin(plugin, block, depth + 1)?;
                        }
                    }
                    None => self.setup.leave(place, format!("{}: the file is not read", own.text())),
                }
            }
            key if lists(SILENT, key) => {}
            _ => self.setup.leave(place, own.text()),
        }
        Ok(())
    }

    /// `forward FROM TO…`.
    fn forward(&mut self, own: &Statement<'_>, block: &mut Block) {
        let place = own.place(self.source);
        let Some((from, to)) = own.values().split_first() else {
            return self.setup.bad(place, "forward without a suffix");
        };
        let option = |name: &str| own.inside().iter().find(|inside| inside.key() == name);
        let name = option("tls_servername").and_then(|own| own.values().first()).map(|word| word.text.to_string());
        let mut servers = Vec::new();
        for word in to {
            match self.server(&word.text, name.as_deref()) {
                Ok(server) => servers.push(server),
                Err(message) => self.setup.leave(word.place(self.source), message),
            }
        }
        for inside in own.inside().iter().filter(|inside| !matches!(inside.key(), "tls_servername" | "tls")) {
            self.setup.leave(inside.place(self.source), format!("forward: {}", inside.text()));
        }
        if servers.is_empty() {
            return;
        }
        match name_of(&from.text) {
            Ok(suffix) => block.forwards.push((suffix, servers, place)),
            Err(message) => self.setup.bad(from.place(self.source), message),
        }
    }

    /// A server as our file writes it.
    fn server(&self, text: &str, name: Option<&str>) -> Result<String, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("dns", text));
        let address = |text: &str, port: u16| -> Result<SocketAddr, String> {
            let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, port));
            bare.or_else(|_| text.parse()).map_err(|_| format!("forward to {text}: a file or name, not an address"))
        };
        match scheme {
            "dns" => address(rest, 53).map(|own| server_of(own.ip(), Some(own.port()))),
            "tls" if TRANSPORTS.contains(&"tls") => {
                let name = name.ok_or_else(|| format!("forward to {text}: tls_servername is missing"))?;
                let own = address(rest, 853)?;
                let port = if own.port() == 853 { own.ip().to_string() } else { own.to_string() };
                Ok(format!("tls://{port}#{name}"))
            }
            _ => Err(format!("forward to {text}: this transport is not built in")),
        }
    }

    /// `hosts [FILE] [ZONES…] { ADDRESS NAME… }`.
    fn hosts(&mut self, own: &Statement<'_>, block: &mut Block) -> Result<(), Box<Finding>> {
        if let Some(file) = own.values().first() {
            let message = format!("hosts {}: import it with `hubdns import hosts`", file.shortened());
            self.setup.leave(file.place(self.source), message);
        }
        let option = |name: &str| own.inside().iter().find(|inside| inside.key() == name);
        let ttl = option("ttl").and_then(|own| own.values().first()?.text.parse::<u32>().ok());
        // without `fallthrough` a name of the zone that the list lacks does not exist
        let strict = option("fallthrough").is_none();
        for (zone, place) in block.zones.iter().filter(|(zone, _)| strict && zone != ".") {
            let (apex, place) = (zone.clone(), place.clone());
            block.scope.zones.push(ZoneSetup { apex, forward: false, file: None, ttl: None, place });
        }
        for line in own.inside() {
            let place = line.place(self.source);
            let Ok(address) = line.key().parse::<IpAddr>() else {
                if !matches!(line.key(), "fallthrough" | "ttl" | "reload" | "no_reverse") {
                    self.setup.leave(place, format!("hosts: {}", line.text()));
                }
                continue;
            };
            for word in line.values() {
                self.setup.hold(&place)?;
                match name_of(&word.text) {
                    Ok(name) => {
                        let data = NamedData::Address(address.to_canonical());
                        block.scope.names.push(Named { name, data, ttl, place: word.place(self.source) });
                    }
                    Err(message) => self.setup.bad(word.place(self.source), message),
                }
            }
        }
        Ok(())
    }

    /// `file DBFILE [ZONES…]`.
    fn file(&mut self, own: &Statement<'_>, block: &mut Block) {
        let place = own.place(self.source);
        let Some((file, zones)) = own.values().split_first() else {
            return self.setup.bad(place, "file without a name");
        };
        let zones: Vec<String> = match zones {
            [] => block.zones.iter().map(|(zone, _)| zone.clone()).collect(),
            zones => zones.iter().filter_map(|word| name_of(&word.text).ok()).collect(),
        };
        for apex in zones.into_iter().filter(|apex| apex != ".") {
            let (file, place) = (Some(file.text.to_string()), place.clone());
            block.scope.zones.push(ZoneSetup { apex, forward: false, file, ttl: None, place });
        }
    }

    /// `view NAME { expr … }`: only clients by prefix are carried over.
    fn view(&mut self, own: &Statement<'_>, block: &mut Block) {
        let place = own.place(self.source);
        let name = own.values().first().map_or("view", |word| &word.text).to_owned();
        let mut networks = Vec::new();
        for inside in own.inside() {
            let expression: String = inside.values().iter().map(|word| &*word.text).collect();
            match prefixes(&expression) {
                Some(found) if inside.key() == "expr" => networks.extend(found),
                _ => {
                    let message = format!("view {name}: {}: the whole block is left out", inside.text());
                    self.setup.leave(inside.place(self.source), message);
                    block.dropped = true;
                }
            }
        }
        if networks.is_empty() && !block.dropped {
            self.setup.leave(place.clone(), format!("view {name}: no clients by prefix; the whole block is left out"));
            block.dropped = true;
        }
        block.view = Some((crate::import::names::label(&name), networks, place));
    }

    /// Turns the forwards of a block into routes: `forward .` is for the block's own zones.
    fn place_forwards(&mut self, block: &mut Block) -> Result<(), Box<Finding>> {
        for (from, servers, place) in std::mem::take(&mut block.forwards) {
            for (zone, _) in &block.zones {
                self.setup.hold(&place)?;
                let suffix = if from == "." { zone.clone() } else { from.clone() };
                if suffix == "." {
                    block.scope.default = servers.clone();
                } else {
                    block.scope.routes.push(Route { suffix, servers: servers.clone(), place: place.clone() });
                }
            }
        }
        Ok(())
    }
}

/// The prefixes of `incidr(client_ip(), '10.0.0.0/8') || …`; none where it says anything else.
fn prefixes(expression: &str) -> Option<Vec<IpNet>> {
    let mut found = Vec::new();
    for part in expression.split("||") {
        let rest = part.trim().strip_prefix("incidr(client_ip(),")?;
        let text = rest.trim().strip_suffix(')')?.trim();
        let text = text.trim_matches(|c| c == '\'' || c == '"');
        found.push(text.parse::<IpNet>().ok()?.trunc());
    }
    Some(found)
}
