//! The tables of the file: one for each section, one row for each key.
//!
//! These tables drive the reader, the lists of allowed keys and "did you mean", the JSON Schema
//! ([`super::schema`]), docs/configuration.md ([`super::manual`]) and the test that conf/hub.toml
//! shows every default. A new setting is a row here and a field in [`super::spec`].

mod kind;
#[rustfmt::skip] // one key in two lines
mod tables;

pub use kind::{Kind, MANY};
pub use tables::{
    CACHE, CLIENT_DETAILS, CLOUD, ENDPOINT, ENDPOINTS, FILE, FORWARD, INCLUDED, KINDS, KNOWN, LOG, MAIN_FILE_ONLY,
    MISSING, PRIVATE_RANGES, PROCESS_KINDS, QUERY_LEVELS, SERVER, TABLES, UPSTREAM, VIEW, ZONE, ZONES,
};

/// One table of the file.
#[derive(Debug)]
pub struct Section {
    /// The key it stands under; empty for the file itself.
    pub name: &'static str,
    /// The word for it in messages: `[server]`, `[[view]]`, `a route`.
    pub title: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
}

impl Section {
    /// The row of a key.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds without it.
    pub default: Default,
    /// An example as TOML, for keys whose default does not show the form.
    pub example: &'static str,
    /// One or two sentences, with the unit.
    pub doc: &'static str,
}

/// What holds where a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// The key must be there.
    Required,
    /// This value, as TOML.
    Value(&'static str),
    /// Something that depends on other values, in words.
    Words(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kebab_case_documented_and_unique() {
        for section in TABLES {
            for (index, key) in section.keys.iter().enumerate() {
                let name = key.name;
                assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
                assert!(key.doc.ends_with('.'), "{name}");
                assert!(!section.keys[..index].iter().any(|other| other.name == name), "{name}");
                let shown = matches!(key.default, Default::Value(text) if text != "[]" && text != "{}");
                let tables = matches!(key.kind, Kind::Table(_) | Kind::Tables(_));
                assert!(shown || tables || !key.example.is_empty(), "{name} has no example");
            }
        }
    }
}
