//! Master files (RFC 1035 §5) → entries with their lines, every fault at once.
//!
//! Our own splitter and the nine common types; the record parser of hickory reads the rest, one entry
//! at a time. Entries are handed over one by one, so that memory does not grow with the file. The export of
//! Azure's command line and the portal's form (which doubles the word SOA and leaves final dots out of `$ORIGIN`)
//! are taken. No file is opened here: what `$INCLUDE` names is asked of an [`Include`].

mod rdata;
mod split;
mod state;

use std::sync::Arc;

use crate::wire::{Name, Ttl, WireName, rtype};
use state::State;

/// The TTL of records where neither they nor `$TTL` give one.
const DEFAULT_TTL: Ttl = Ttl::from_seconds(300);
/// How deep `$INCLUDE` may lead.
pub const DEEPEST: usize = 8;

/// One record.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its owner.
    pub owner: WireName,
    /// Its type.
    pub rtype: u16,
    /// Its TTL.
    pub ttl: Ttl,
    /// Its RDATA; names in it are whole.
    pub rdata: Box<[u8]>,
    /// The line that it begins at, from 1.
    pub line: u32,
    /// The line of the main text that it comes by: its own, or that of the outermost `$INCLUDE`.
    pub main_line: u32,
    /// The included file that it stands in; none for the main text.
    pub file: Option<Arc<str>>,
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// The included file; none for the main text.
    pub file: Option<Arc<str>>,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, without a full stop.
    pub message: String,
    /// Whether it is a `$INCLUDE` that was not followed.
    pub include: bool,
}

/// Opens what a text includes.
pub trait Include {
    /// The text that `name` means in the file `from` (none: the main text), and what findings call it. Called again
    /// only after [`Include::leave`], unless what it gave includes something itself.
    ///
    /// # Errors
    /// Why it is not opened, without a full stop.
    fn enter(&mut self, name: &str, from: Option<&Arc<str>>) -> Result<(Arc<str>, String), String>;

    /// The text that was entered last has been read.
    fn leave(&mut self);
}

/// A text that may include nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whole;

impl Include for Whole {
    fn enter(&mut self, _: &str, _: Option<&Arc<str>>) -> Result<(Arc<str>, String), String> {
        Err("$INCLUDE is not taken here: the text is whole".to_owned())
    }

    fn leave(&mut self) {}
}

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its records, in order.
    pub entries: Vec<Entry>,
    /// Its faults, in order.
    pub faults: Vec<LineFault>,
    /// The first `$ORIGIN`.
    pub origin: Option<Name>,
}

/// Reads a whole text that includes nothing. Relative names are below `apex` until a `$ORIGIN` says otherwise.
pub fn parse(text: &str, apex: Option<&Name>) -> Parsed {
    let mut entries = Vec::new();
    let (faults, origin) = State::new(apex, &mut Whole, &mut |entry| entries.push(entry)).read(text);
    Parsed { entries, faults, origin }
}

/// Reads a text and what it includes, and hands each record over as it is met. Relative names are below `apex` until a
/// `$ORIGIN` says otherwise. Returns the faults, in order.
pub fn read(text: &str, apex: Option<&Name>, include: &mut dyn Include, each: &mut dyn FnMut(Entry)) -> Vec<LineFault> {
    State::new(apex, include, each).read(text).0
}

/// The apex that a text tells by itself: the owner of its first SOA, else its first `$ORIGIN`. Included files are not
/// looked into.
pub fn apex_of(text: &str) -> Option<Name> {
    let mut apex = None;
    let mut note = |entry: Entry| {
        if entry.rtype == rtype::SOA && apex.is_none() {
            apex = Some(Name::from(entry.owner));
        }
    };
    let (_, origin) = State::new(None, &mut Whole, &mut note).read_to_soa(text);
    apex.or(origin)
}

/// Reads a name as it stands.
fn read_name(text: &str) -> Result<WireName, String> {
    if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(format!("{} is not a name: write other octets as \\DDD", shorten(text)));
    }
    WireName::from_presentation(text).map_err(|error| format!("{} is not a name: {error}", shorten(text)))
}

/// Whether a name ends with a dot that is no part of a label.
fn is_absolute(text: &str) -> bool {
    let escapes = text.strip_suffix('.').map(|head| head.bytes().rev().take_while(|octet| *octet == b'\\').count());
    escapes.is_some_and(|count| count.is_multiple_of(2))
}

/// A relative name below an origin.
fn below(name: WireName, origin: WireName) -> Result<WireName, String> {
    let relative = name.octets().strip_suffix(&[0]).unwrap_or_default();
    origin.as_ref().prefixed(relative).ok_or_else(|| format!("{name} below {origin} is too long"))
}

/// Seconds, or numbers with the units w, d, h, m, s as BIND has them.
fn ttl(text: &str) -> Option<Ttl> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Ttl::from_seconds(seconds));
    }
    let mut total = 0_u32;
    let mut number: Option<u32> = None;
    for octet in text.bytes() {
        match octet {
            b'0'..=b'9' => {
                let digit = u32::from(octet.saturating_sub(b'0'));
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            }
            _ => {
                let unit = match octet.to_ascii_lowercase() {
                    b'w' => 604_800,
                    b'd' => 86_400,
                    b'h' => 3_600,
                    b'm' => 60,
                    b's' => 1,
                    _ => return None,
                };
                total = total.checked_add(number.take()?.checked_mul(unit)?)?;
            }
        }
    }
    number.is_none().then(|| Ttl::from_seconds(total))
}

/// At most 60 characters of a text that is quoted in a message.
fn shorten(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
