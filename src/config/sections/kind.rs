//! What the keys of the file take: kinds of values with their bounds.

use std::time::Duration;

use super::Section;
use crate::config::value::{duration_text, size_text};

/// The greatest number of tables or items where nothing else bounds them.
pub const MANY: usize = 4_000_000;

/// What a key takes. Bounds are inclusive.
#[derive(Debug)]
pub enum Kind {
    /// A whole number.
    Integer(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// Any text that is not empty.
    Text,
    /// The name of a table.
    Label,
    /// The name of a table or a glob over names.
    LabelGlob,
    /// The relative path of a file.
    Path,
    /// The relative path of files, with `*` and `?`.
    PathGlob,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A duration.
    Duration(Duration, Duration),
    /// A size in octets; 0 is always allowed.
    Size(u64, u64),
    /// `ip` or `ip:port`, with the port used where none is written.
    SocketAddress(u16),
    /// `ip` or `ip:port` where no port means every port.
    Listener,
    /// An address prefix.
    Prefix,
    /// An address.
    Address,
    /// A server of an upstream.
    Server,
    /// A full DNS name.
    Name,
    /// A full DNS name or a wildcard.
    Pattern,
    /// A GUID.
    Guid,
    /// A list of at least and at most so many items.
    List(&'static Kind, usize, usize),
    /// A table from names or wildcards to lists of addresses.
    Records,
    /// A table from owners to lists of addresses or `{ cname = "…" }`.
    ZoneRecords,
    /// A table from names of tables to one of a few words.
    Choices(&'static [&'static str]),
    /// An expected answer: a list of record data, or a word.
    Answer,
    /// A table.
    Table(&'static Section),
    /// A list of tables.
    Tables(&'static Section),
}

impl Kind {
    /// What it takes, in words, with bounds: `a duration from 100ms to 30s`.
    pub fn describe(&self) -> String {
        let span = |least: String, most: String| {
            if least == most { least } else { format!("{least} to {most}") }
        };
        match self {
            Self::Integer(least, most) => {
                format!("a whole number, {}", span(least.to_string(), most.to_string()))
            }
            Self::Boolean => "true or false".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Label => "a name".to_owned(),
            Self::LabelGlob => "a name or a glob over names".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::PathGlob => "a path or a glob over paths".to_owned(),
            Self::Choice(words) => words.join(" | "),
            Self::Duration(least, most) => {
                format!("a duration, {}", span(duration_text(*least), duration_text(*most)))
            }
            Self::Size(least, most) => {
                format!("a size, \"0\" or {}", span(size_text(*least), size_text(*most)))
            }
            Self::SocketAddress(port) => format!("ip[:port], port {port} by default"),
            Self::Listener => "ip[:port], every port by default".to_owned(),
            Self::Prefix => "a network prefix".to_owned(),
            Self::Address => "an IP address".to_owned(),
            Self::Server => "a server".to_owned(),
            Self::Name => "a DNS name".to_owned(),
            Self::Pattern => "a DNS name or a wildcard".to_owned(),
            Self::Guid => "a GUID".to_owned(),
            Self::List(item, least, most) => {
                let items = match (least, most) {
                    (0, &(MANY..)) => String::new(),
                    (0, most) => format!(", at most {most}"),
                    (least, most) => format!(", {least} to {most}"),
                };
                format!("a list{items}: {}", item.describe())
            }
            Self::Records => "a table: name = [addresses]".to_owned(),
            Self::ZoneRecords => "a table: owner = [addresses] or { cname = name }".to_owned(),
            Self::Choices(words) => format!("a table: name = {}", words.join(" | ")),
            Self::Answer => {
                "a list of record data, or nodata | nxdomain | refused | servfail | forward | forward:UPSTREAM"
                    .to_owned()
            }
            Self::Table(_) => "a table".to_owned(),
            Self::Tables(_) => "a list of tables".to_owned(),
        }
    }
}
