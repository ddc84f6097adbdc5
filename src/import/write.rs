//! Tables → TOML. The same tables give the same text: nothing of the time or the machine is in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::tables::{DEFAULT_UPSTREAM, Data, Endpoint, Tables, Upstream, View, Zone, ZoneContent};
use crate::config::Place;

/// A text and where its lines come from.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The TOML.
    pub text: String,
    /// Lines of it, from 1, and the places of the source that they were made of.
    pub origins: BTreeMap<u32, Place>,
}

/// Writes a whole file.
pub fn write(tables: &Tables) -> Written {
    let mut writer = Writer::default();
    for comment in &tables.comments {
        writer.comment(comment);
    }
    if !tables.comments.is_empty() {
        writer.line("");
    }
    writer.line("version = 1");
    if let Some(head) = &tables.head {
        writer.line("\n[server]");
        writer.pair("listen", &list(head.listen.iter().map(socket)));
        let servers = head.upstream.iter().map(socket).collect();
        let comments = Vec::new();
        writer.upstream(&Upstream { comments, name: DEFAULT_UPSTREAM.to_owned(), servers, place: None });
    }
    for upstream in &tables.upstreams {
        writer.upstream(upstream);
    }
    for group in &tables.groups {
        if !group.comments.is_empty() {
            writer.line("");
        }
        for comment in &group.comments {
            writer.comment(comment);
        }
        for endpoint in &group.endpoints {
            writer.endpoint(endpoint);
        }
        for zone in &group.zones {
            writer.zone(zone);
        }
    }
    for view in &tables.views {
        writer.view(view);
    }
    Written { text: writer.text, origins: writer.origins }
}

/// A text under way.
#[derive(Default)]
struct Writer {
    text: String,
    origins: BTreeMap<u32, Place>,
    /// How many lines there are.
    lines: u32,
}

impl Writer {
    /// Adds whole lines.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        let breaks = line.bytes().filter(|octet| *octet == b'\n').count();
        self.lines = self.lines.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX)).saturating_add(1);
    }

    /// Adds a line that comes from a place.
    fn from(&mut self, line: &str, place: Option<&Place>) {
        self.line(line);
        if let Some(place) = place {
            self.origins.insert(self.lines, place.clone());
        }
    }

    /// Adds a comment; what TOML allows in none becomes blanks.
    fn comment(&mut self, text: &str) {
        self.line(format!("# {}", commented(text)).trim_end());
    }

    /// Adds a key whose value is TOML.
    fn pair(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {value}"));
    }

    /// The head of a table: its comments and its name.
    fn table(&mut self, section: &str, comments: &[String], name: &str, place: Option<&Place>) {
        self.line("");
        for comment in comments {
            self.comment(comment);
        }
        self.from(&format!("[[{section}]]"), place);
        self.from(&format!("name = {}", quoted(name)), place);
    }

    /// A list with an item a line, or on one line where it is short.
    fn list(&mut self, key: &str, items: &[String]) {
        let one = format!("{key} = {}", list(items.iter().cloned()));
        if one.len() <= 110 {
            self.line(&one);
            return;
        }
        self.line(&format!("{key} = ["));
        for item in items {
            self.line(&format!("    {},", quoted(item)));
        }
        self.line("]");
    }

    fn upstream(&mut self, own: &Upstream) {
        self.table("upstream", &own.comments, &own.name, own.place.as_ref());
        self.list("servers", &own.servers);
    }

    fn endpoint(&mut self, own: &Endpoint) {
        let place = own.place.as_ref();
        self.table("endpoint", &own.comments, &own.name, place);
        self.from(&format!("kind = {}", quoted(own.kind.word())), place);
        if let Some(resource) = &own.resource {
            self.from(&format!("resource = {}", quoted(resource)), place);
        }
        self.ttl(own.ttl);
        self.line("[endpoint.records]");
        for record in &own.records {
            let addresses = list(record.addresses.iter().map(ToString::to_string));
            let mut line = format!("{} = {addresses}", quoted(&record.name));
            if let Some(comment) = &record.comment {
                let _ = write!(line, "  # {}", commented(comment));
            }
            self.from(&line, record.place.as_ref().or(place));
        }
    }

    fn zone(&mut self, own: &Zone) {
        let place = own.place.as_ref();
        self.table("zone", &own.comments, &own.name, place);
        self.from(&format!("apex = {}", quoted(&own.apex)), place);
        if own.forward {
            self.pair("missing", "\"forward\"");
        }
        match &own.content {
            ZoneContent::File(file) => self.from(&format!("file = {}", quoted(file)), place),
            ZoneContent::Records(records) => {
                self.ttl(own.ttl);
                self.line("[zone.records]");
                for (owner, data, from) in records {
                    let value = match data {
                        Data::Addresses(addresses) => list(addresses.iter().map(ToString::to_string)),
                        Data::Alias(target) => format!("{{ cname = {} }}", quoted(target)),
                    };
                    self.from(&format!("{} = {value}", quoted(owner)), from.as_ref().or(place));
                }
            }
        }
    }

    fn ttl(&mut self, ttl: Option<u32>) {
        if let Some(seconds) = ttl {
            self.pair("ttl", &format!("\"{seconds}s\""));
        }
    }

    fn view(&mut self, own: &View) {
        self.table("view", &own.comments, &own.name, own.place.as_ref());
        if own.networks.is_empty() && own.listeners.is_empty() && !own.is_abstract {
            self.comment("networks = []     # its clients are not known");
        } else if !own.networks.is_empty() {
            self.list("networks", &own.networks.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        if !own.listeners.is_empty() {
            self.list("listeners", &own.listeners.iter().map(socket).collect::<Vec<_>>());
        }
        if let Some(base) = &own.extends {
            self.pair("extends", &quoted(base));
        }
        if let Some(upstream) = &own.upstream {
            self.pair("upstream", &quoted(upstream));
        }
        if !own.forward.is_empty() {
            self.line("forward = [");
            for (suffix, upstream) in &own.forward {
                self.line(&format!("    {{ suffix = {}, upstream = {} }},", quoted(suffix), quoted(upstream)));
            }
            self.line("]");
        }
        if let Some(reverse) = &own.reverse {
            self.pair("reverse", &quoted(reverse));
        }
        if !own.endpoints.is_empty() {
            self.list("endpoints", &own.endpoints);
        }
        if !own.zones.is_empty() {
            self.list("zones", &own.zones);
        }
        if let Some(private) = &own.private {
            self.pair("private", &list(private.iter().map(|kind| kind.word().to_owned())));
        }
        if !own.missing.is_empty() {
            let word = |forward: bool| if forward { "forward" } else { "nxdomain" };
            let all = own.missing.iter().map(|(zone, forward)| format!("{} = \"{}\"", quoted(zone), word(*forward)));
            self.pair("missing", &format!("{{ {} }}", all.collect::<Vec<_>>().join(", ")));
        }
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of strings on one line.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.map(|item| quoted(&item)).collect::<Vec<_>>().join(", "))
}

/// Text of a comment: one line, nothing that TOML refuses there or that moves a terminal's cursor.
fn commented(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An address with its port where that is not 53.
fn socket(own: &SocketAddr) -> String {
    match own {
        own if own.port() != 53 => own.to_string(),
        own => own.ip().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_cannot_leave_their_line() {
        assert_eq!(quoted("a\"b\\c\nd\u{7f}"), "\"a\\\"b\\\\c\\u000Ad\\u007F\"");
        let tables = Tables { comments: vec!["x\n[server]\u{1b}[31m".to_owned()], ..Tables::default() };
        assert_eq!(write(&tables).text, "# x [server] [31m\n\nversion = 1\n");
    }

    #[test]
    fn lines_know_where_they_come_from() {
        let place = Place::at("a.json", 7, 3);
        let upstream = Upstream {
            comments: vec!["two\nlines".to_owned()],
            name: "u".to_owned(),
            servers: vec!["10.0.0.4".to_owned()],
            place: Some(place.clone()),
        };
        let written = write(&Tables { upstreams: vec![upstream], ..Tables::default() });
        let line = written.text.lines().position(|line| line == "name = \"u\"").unwrap();
        assert_eq!(written.origins.get(&(line as u32 + 1)), Some(&place), "{}", written.text);
    }
}
