//! Strings as the kinds of the tables, without places.

use super::Read;
use crate::config::codes;
use crate::config::sections::Kind;
use crate::config::suggest::suggest;
use crate::config::value::name::{DnsName, Pattern};
pub(super) use crate::config::value::shorten;
use crate::config::value::{self, Fault, duration_text, size_text};

/// Whether a kind is written as a string.
pub(super) fn takes_text(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Integer(..)
            | Kind::Boolean
            | Kind::List(..)
            | Kind::Records
            | Kind::ZoneRecords
            | Kind::Choices(_)
            | Kind::Answer
            | Kind::Table(_)
            | Kind::Tables(_)
    )
}

/// Reads a string as its kind.
pub(super) fn scalar(kind: &Kind, text: &str) -> Result<Read, Fault> {
    let bounds = |fits: bool, least: String, most: String| {
        let message = format!("{text:?} is not within {least} to {most}");
        if fits { Ok(()) } else { Err(Fault::new(&codes::OUT_OF_BOUNDS, message)) }
    };
    match kind {
        Kind::Duration(least, most) => {
            let value = value::duration(text)?;
            let fits = (*least..=*most).contains(&value);
            bounds(fits, duration_text(*least), duration_text(*most))?;
            Ok(Read::Duration(value))
        }
        Kind::Size(least, most) => {
            let octets = value::size_octets(text)?;
            let fits = octets == 0 || (*least..=*most).contains(&octets);
            bounds(fits, size_text(*least), size_text(*most))?;
            Ok(Read::Octets(octets))
        }
        Kind::Choice(words) => choice(words, text).map(Read::Word),
        Kind::Label => value::label(text).map(Read::Text),
        Kind::LabelGlob => label_glob(text).map(Read::Text),
        Kind::Path | Kind::Text => not_empty(text).map(Read::Text),
        Kind::PathGlob => path_glob(text).map(Read::Text),
        Kind::SocketAddress(port) => value::socket_address(text, *port).map(Read::Socket),
        Kind::Listener => value::listener(text).map(Read::Listener),
        Kind::Prefix => value::prefix(text).map(Read::Prefix),
        Kind::Address => value::address(text).map(Read::Address),
        Kind::Server => value::server(text).map(Read::Server),
        Kind::Name => DnsName::parse(text).map(Read::Name),
        Kind::Pattern => Pattern::parse(text).map(Read::Pattern),
        Kind::Guid => value::guid(text).map(Read::Text),
        _ => Err(Fault::new(&codes::WRONG_TYPE, format!("expected {}", kind.describe()))),
    }
}

/// One of a few words.
pub(super) fn choice(words: &'static [&'static str], text: &str) -> Result<&'static str, Fault> {
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(word);
    }
    let fault = Fault::new(&codes::BAD_CHOICE, format!("{:?} is not one of the words allowed here", shorten(text)));
    let words_text = words.join(", ");
    Err(match suggest(text, words.iter().copied()) {
        Some(near) => fault.hint(format!("did you mean \"{near}\"? allowed: {words_text}")),
        None => fault.hint(format!("allowed: {words_text}")),
    })
}

/// Text that is not empty and has no control characters.
pub(super) fn not_empty(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.chars().any(char::is_control) {
        let message = format!("{:?} is empty or has control characters", shorten(text));
        return Err(Fault::new(&codes::OUT_OF_BOUNDS, message));
    }
    Ok(text.to_owned())
}

/// A path that may be a glob.
pub(super) fn path_glob(text: &str) -> Result<String, Fault> {
    let text = not_empty(text)?;
    match glob::Pattern::new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::new(&codes::BAD_GLOB, format!("{text:?}: {}", error.msg))),
    }
}

/// A table's name or a glob over names.
pub(super) fn label_glob(text: &str) -> Result<String, Fault> {
    if !text.contains(['*', '?', '[']) {
        return value::label(text);
    }
    let fits = text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*?[]!".contains(&b));
    match glob::Pattern::new(text) {
        Ok(_) if fits => Ok(text.to_owned()),
        _ => Err(Fault::new(&codes::BAD_GLOB, format!("{:?} is not a glob over names", shorten(text)))),
    }
}
