//! Master files (RFC 1035 §5) → entries with their lines, every fault at once.
//!
//! Our own splitter and the nine common types; the record parser of hickory reads the rest, one entry
//! at a time. The export of Azure's command line and the portal's form (which doubles the word SOA and
//! leaves final dots out of `$ORIGIN`) are taken. No file is opened here: `$INCLUDE` is a fault.

mod rdata;
mod split;

use crate::wire::{Name, Ttl, WireName, rtype};
use split::{Line, Token};

/// The TTL of records where neither they nor `$TTL` give one.
const DEFAULT_TTL: Ttl = Ttl::from_seconds(300);

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
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, without a full stop.
    pub message: String,
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

/// Reads a text. Relative names are below `apex` until a `$ORIGIN` says otherwise.
pub fn parse(text: &str, apex: Option<&Name>) -> Parsed {
    let mut state = State {
        apex: apex.map(|apex| apex.as_ref().to_wire()),
        origin: apex.map(|apex| apex.as_ref().to_wire()),
        ttl: None,
        last_ttl: None,
        owner: None,
        parsed: Parsed::default(),
    };
    for line in split::lines(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let number = line.number;
        if let Err(message) = state.line(&line) {
            state.parsed.faults.push(LineFault { line: number, message });
        }
    }
    state.parsed
}

/// What goes on from line to line.
struct State {
    /// The zone's apex, where it is known beforehand.
    apex: Option<WireName>,
    /// What relative names are below.
    origin: Option<WireName>,
    /// `$TTL`.
    ttl: Option<Ttl>,
    /// The TTL of the record before (RFC 1035 §5.1).
    last_ttl: Option<Ttl>,
    /// The owner of the record before.
    owner: Option<WireName>,
    /// What was read.
    parsed: Parsed,
}

impl State {
    /// One logical line.
    fn line(&mut self, line: &Line<'_>) -> Result<(), String> {
        if let Some(fault) = line.fault {
            return Err(fault.to_owned());
        }
        let Some((first, rest)) = line.tokens.split_first() else { return Ok(()) };
        if !line.blank && !first.quoted && first.text.starts_with('$') {
            return self.directive(first.text, rest);
        }
        let mut rest = rest;
        let owner = if line.blank {
            rest = &line.tokens;
            self.owner.ok_or("the first record has no owner")?
        } else {
            self.name(first)?
        };
        self.owner = Some(owner);
        self.record(owner, rest, line.number)
    }

    /// `$ORIGIN` and `$TTL`.
    fn directive(&mut self, word: &str, rest: &[Token<'_>]) -> Result<(), String> {
        let [value] = rest else {
            return Err(format!("{word} is not taken here"));
        };
        if word.eq_ignore_ascii_case("$TTL") {
            self.ttl = Some(ttl(value.text).ok_or_else(|| format!("{} is not a TTL", shorten(value.text)))?);
            Ok(())
        } else if word.eq_ignore_ascii_case("$ORIGIN") {
            let mut name = read_name(value.text)?;
            // the portal leaves the final dot out of its one $ORIGIN
            let whole = is_absolute(value.text)
                || self.origin.is_none()
                || self.apex.is_some_and(|apex| name.as_ref().is_at_or_below(apex.as_ref()));
            if let (false, Some(origin)) = (whole, self.origin) {
                name = below(name, origin)?;
            }
            self.origin = Some(name);
            self.parsed.origin.get_or_insert_with(|| Name::from(name));
            Ok(())
        } else {
            Err(format!("{} is not taken here: each file is whole", shorten(word)))
        }
    }

    /// `[ttl] [class] type rdata`, TTL and class in either order.
    fn record(&mut self, owner: WireName, tokens: &[Token<'_>], line: u32) -> Result<(), String> {
        let mut rest = tokens;
        let mut own_ttl = None;
        let mut class = false;
        let kind = loop {
            let Some((token, tail)) = rest.split_first() else {
                return Err("the record has no type".to_owned());
            };
            rest = tail;
            if own_ttl.is_none()
                && token.text.starts_with(|c: char| c.is_ascii_digit())
                && let Some(seconds) = ttl(token.text)
            {
                own_ttl = Some(seconds);
            } else if !class && token.text.eq_ignore_ascii_case("IN") {
                class = true;
            } else if !class && ["CH", "HS", "CS"].iter().any(|other| token.text.eq_ignore_ascii_case(other)) {
                return Err(format!("class {} is not served", token.text));
            } else {
                break token.text;
            }
        };
        // the portal's export doubles the word
        if let ("SOA", Some((again, tail))) = (&*kind.to_ascii_uppercase(), rest.split_first())
            && again.text.eq_ignore_ascii_case("SOA")
            && rest.len() == 8
        {
            rest = tail;
        }
        let (rtype, rdata) = rdata::read(kind, rest, &|token| self.name(token))?;
        let ttl = own_ttl.or(self.ttl).or(self.last_ttl).unwrap_or(DEFAULT_TTL);
        self.last_ttl = Some(ttl);
        if rtype == rtype::SOA {
            self.apex.get_or_insert(owner);
        }
        self.parsed.entries.push(Entry { owner, rtype, ttl, rdata: rdata.into(), line });
        Ok(())
    }

    /// A name: `@`, absolute, or below the origin.
    fn name(&self, token: &Token<'_>) -> Result<WireName, String> {
        if !token.quoted && token.text == "@" {
            return self.origin.ok_or_else(|| "`@` stands for $ORIGIN, which is not set".to_owned());
        }
        let name = read_name(token.text)?;
        if is_absolute(token.text) {
            return Ok(name);
        }
        let origin =
            self.origin.ok_or_else(|| format!("{} is relative and there is no $ORIGIN", shorten(token.text)))?;
        below(name, origin)
    }
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
