//! `hubdns import corefile|unbound|bind|dnsmasq|hosts`: the part of another server's configuration that our file has too:
//! listeners, forwarded suffixes, local names, views by client prefix. Everything else is listed, never dropped in
//! silence.
//!
//! One file a format, each a function from a text to a `Setup`; `build` makes tables of it. Files that a text
//! refers to are not opened.

mod bind;
mod build;
mod corefile;
mod dnsmasq;
mod hosts;
mod setup;
mod tree;
mod unbound;

use std::path::Path;

use super::{Options, Tables};
use crate::config::{Finding, Source, codes};
use crate::load;
use setup::Setup;

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CoreDNS.
    Corefile,
    /// Unbound.
    Unbound,
    /// BIND's `named.conf`.
    Bind,
    /// dnsmasq.
    Dnsmasq,
    /// A hosts file.
    Hosts,
}

impl Format {
    /// The word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Corefile => "corefile",
            Self::Unbound => "unbound",
            Self::Bind => "bind",
            Self::Dnsmasq => "dnsmasq",
            Self::Hosts => "hosts",
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The place and what is wrong, where it is not of this format.
    fn parse(self, source: &std::sync::Arc<Source>) -> Result<Setup, Box<Finding>> {
        match self {
            Self::Corefile => corefile::parse(source),
            Self::Unbound => unbound::parse(source),
            Self::Bind => bind::parse(source),
            Self::Dnsmasq => dnsmasq::parse(source),
            Self::Hosts => hosts::parse(source),
        }
    }
}

/// Reads a file. Findings may hold an error; the tables are then empty.
pub fn read(format: Format, path: &Path, options: &Options) -> (Tables, Vec<Finding>) {
    let mut findings = Vec::new();
    let text = match load::bounded_text(path) {
        Ok(text) => text,
        Err(finding) => return (Tables::default(), vec![*finding]),
    };
    let source = Source::new(path.to_string_lossy(), text);
    if source.text().trim_start_matches('\u{feff}').trim().is_empty() {
        let message = format!("{}: the file is empty", path.display());
        findings.push(Finding::new(&codes::NOT_THIS_FORMAT, source.place(0..0), "", message));
        return (Tables::default(), findings);
    }
    match format.parse(&source) {
        Ok(setup) => {
            let tables = build::tables(format, path, setup, options, &mut findings);
            (tables, findings)
        }
        Err(finding) => (Tables::default(), vec![*finding]),
    }
}

#[cfg(test)]
mod tests;
