//! What goes on from line to line of a master file: `$ORIGIN`, `$TTL`, `$INCLUDE`, the last owner and TTL.

use std::sync::Arc;

use super::split::{self, Line, Token};
use super::{DEEPEST, DEFAULT_TTL, Entry, Include, LineFault, below, is_absolute, rdata, read_name, shorten, ttl};
use crate::wire::{Name, Ttl, WireName, rtype};

/// The most faults that are told one by one: a file that is none of ours has one a line.
const MOST_FAULTS: usize = 10_000;

/// A text being read.
pub(super) struct State<'s> {
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
    /// The included file being read.
    file: Option<Arc<str>>,
    /// How many included files are being read.
    depth: usize,
    /// The line of the main text that is being read.
    main_line: u32,
    /// Whether a SOA was met.
    soa: bool,
    /// Opens what is included.
    include: &'s mut dyn Include,
    /// Takes the records.
    each: &'s mut dyn FnMut(Entry),
    /// The faults so far, at most [`MOST_FAULTS`].
    faults: Vec<LineFault>,
    /// How many more there were.
    more_faults: usize,
    /// The first `$ORIGIN`.
    first_origin: Option<Name>,
}

/// Why a line gives nothing.
enum Fault {
    /// It cannot be read.
    Entry(String),
    /// What it includes is not opened.
    Include(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Entry(message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::Entry(message.to_owned())
    }
}

impl<'s> State<'s> {
    /// The state before the first line.
    pub(super) fn new(apex: Option<&Name>, include: &'s mut dyn Include, each: &'s mut dyn FnMut(Entry)) -> Self {
        Self {
            apex: apex.map(|apex| apex.as_ref().to_wire()),
            origin: apex.map(|apex| apex.as_ref().to_wire()),
            ttl: None,
            last_ttl: None,
            owner: None,
            file: None,
            depth: 0,
            main_line: 1,
            soa: false,
            include,
            each,
            faults: Vec::new(),
            more_faults: 0,
            first_origin: None,
        }
    }

    /// Reads all of it: its faults, and its first `$ORIGIN`.
    pub(super) fn read(mut self, text: &str) -> (Vec<LineFault>, Option<Name>) {
        self.text(text, false);
        if let (1.., Some(last)) = (self.more_faults, self.faults.last_mut()) {
            last.message.push_str(&format!(" (and {} more faults behind it)", self.more_faults));
        }
        (self.faults, self.first_origin)
    }

    /// Reads up to the first SOA.
    pub(super) fn read_to_soa(mut self, text: &str) -> (Vec<LineFault>, Option<Name>) {
        self.text(text, true);
        (self.faults, self.first_origin)
    }

    /// The main text, or an included one.
    fn text(&mut self, text: &str, to_soa: bool) {
        for line in split::lines(text.strip_prefix('\u{feff}').unwrap_or(text)) {
            if self.depth == 0 {
                self.main_line = line.number;
            }
            match self.line(&line) {
                Ok(()) => {}
                Err(Fault::Entry(message)) => self.fault(line.number, message, false),
                Err(Fault::Include(message)) => self.fault(line.number, message, true),
            }
            if to_soa && self.soa {
                return;
            }
        }
    }

    /// Keeps a fault.
    fn fault(&mut self, line: u32, message: String, include: bool) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(LineFault { file: self.file.clone(), line, message, include });
        } else {
            self.more_faults += 1;
        }
    }

    /// One logical line.
    fn line(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        if let Some(fault) = line.fault {
            return Err(fault.into());
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

    /// A line that begins with `$`.
    fn directive(&mut self, word: &str, rest: &[Token<'_>]) -> Result<(), Fault> {
        if word.eq_ignore_ascii_case("$INCLUDE") {
            return self.included(rest).map_err(Fault::Include);
        }
        let [value] = rest else {
            return Err(format!("{} takes one word", shorten(word)).into());
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
            self.first_origin.get_or_insert_with(|| Name::from(name));
            Ok(())
        } else {
            Err(format!("{} is not taken here", shorten(word)).into())
        }
    }

    /// `$INCLUDE file [origin]`. Origin and owner are what they were once the file has been read (RFC 1035 §5.1); a
    /// `$TTL` in it holds on (RFC 2308 §4).
    fn included(&mut self, rest: &[Token<'_>]) -> Result<(), String> {
        let (name, origin) = match rest {
            [name] => (name, self.origin),
            [name, origin] => (name, Some(self.name(origin)?)),
            _ => return Err("$INCLUDE takes a file and perhaps an origin".to_owned()),
        };
        if self.depth >= DEEPEST {
            return Err(format!("files include each other more than {DEEPEST} deep"));
        }
        let (file, text) = self.include.enter(name.text, self.file.as_ref())?;
        let (old_origin, old_owner, old_file) = (self.origin, self.owner, self.file.replace(file));
        self.origin = origin;
        self.depth += 1;
        self.text(&text, false);
        self.depth -= 1;
        (self.origin, self.owner, self.file) = (old_origin, old_owner, old_file);
        self.include.leave();
        Ok(())
    }

    /// `[ttl] [class] type rdata`, TTL and class in either order.
    fn record(&mut self, owner: WireName, tokens: &[Token<'_>], line: u32) -> Result<(), Fault> {
        let mut rest = tokens;
        let mut own_ttl = None;
        let mut class = false;
        let kind = loop {
            let Some((token, tail)) = rest.split_first() else {
                return Err("the record has no type".into());
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
                return Err(format!("class {} is not served", token.text).into());
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
            self.soa = true;
        }
        let (main_line, file) = (self.main_line, self.file.clone());
        (self.each)(Entry { owner, rtype, ttl, rdata: rdata.into(), line, main_line, file });
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
