//! JSON with the place of every value: keys without case, ARM's `properties` looked through, pointers.
//!
//! serde_json judges the text; what it has passed is scanned once more into a tree that borrows from it and knows
//! where each value begins and ends.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

/// Deepest nesting that is read.
const DEEPEST: usize = 128;

/// A value and the octets that it stands in.
#[derive(Debug)]
pub(super) struct Json<'t> {
    shape: Shape<'t>,
    span: Range<u32>,
}

/// What a value is, as far as anybody here asks.
#[derive(Debug)]
enum Shape<'t> {
    /// `null`.
    Null,
    /// A number or truth value.
    Other,
    /// A string.
    Text(Cow<'t, str>),
    /// A list.
    List(Vec<Json<'t>>),
    /// An object; of equal keys the last counts.
    Object(Vec<(Cow<'t, str>, Json<'t>)>),
}

impl<'t> Json<'t> {
    /// Reads a text of less than 4 GiB.
    ///
    /// # Errors
    /// What serde_json says, or that it is too deeply nested.
    pub(super) fn read(text: &'t str) -> Result<Self, super::Error> {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(&*message, |(head, _)| head).to_owned();
            super::Error::Json { line: error.line(), column: error.column(), message }
        })?;
        let mut scan = Scan { text, at: 0 };
        scan.value(0).ok_or_else(|| {
            let before = text.get(..scan.at).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = scan.at - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            super::Error::Json { line, column, message: format!("nested more than {DEEPEST} deep") }
        })
    }
}

/// A walk over a text that is known to be JSON.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    /// The octet at the cursor, blanks passed over.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blanks = rest.iter().take_while(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Passes over an octet if it is there.
    fn skip(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    /// The value at the cursor; none where it is too deep.
    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
        let first = self.peek()?;
        let start = self.at;
        let shape = match first {
            b'{' | b'[' if depth >= DEEPEST => return None,
            b'{' => {
                self.at += 1;
                let mut fields = Vec::new();
                while !self.skip(b'}') {
                    self.peek()?;
                    let key = self.string()?;
                    self.skip(b':');
                    fields.push((key, self.value(depth + 1)?));
                    self.skip(b',');
                }
                Shape::Object(fields)
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.skip(b']') {
                    items.push(self.value(depth + 1)?);
                    self.skip(b',');
                }
                Shape::List(items)
            }
            b'"' => Shape::Text(self.string()?),
            _ => {
                let rest = self.text.as_bytes().get(start..)?;
                let end = |octet: &u8| matches!(octet, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                self.at += rest.iter().position(end).unwrap_or(rest.len()).max(1);
                if first == b'n' { Shape::Null } else { Shape::Other }
            }
        };
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Some(Json { shape, span: offset(start)..offset(self.at) })
    }

    /// The string at the cursor, its escapes resolved.
    fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at;
        let octets = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        loop {
            match octets.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        if escaped {
            // half of a surrogate pair is passed by the judge; it stays as it is written
            let raw = self.text.get(start..self.at)?;
            return Some(Cow::Owned(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())));
        }
        self.text.get(start + 1..self.at - 1).map(Cow::Borrowed)
    }
}

/// A value and how to get there.
#[derive(Clone, Debug)]
pub(super) struct Node<'v> {
    value: &'v Json<'v>,
    pointer: String,
}

impl<'v> Node<'v> {
    /// The whole text.
    pub(super) fn root(value: &'v Json<'v>) -> Self {
        Self { value, pointer: String::new() }
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.shape, Shape::List(_))
    }

    /// Where it stands.
    pub(super) fn at(&self) -> super::At {
        let Range { start, end } = self.value.span;
        super::At { pointer: self.pointer.clone(), span: start as usize..end as usize, text: 0 }
    }

    /// A key of this object, matched without case; null is the same as missing.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let Shape::Object(fields) = &self.value.shape else { return None };
        let fields = || fields.iter().rev().filter(|(_, value)| !matches!(value.shape, Shape::Null));
        let found =
            fields().find(|(own, _)| own == key).or_else(|| fields().find(|(own, _)| own.eq_ignore_ascii_case(key)));
        let (own, value) = found?;
        let escaped = own.replace('~', "~0").replace('/', "~1");
        Some(Self { value, pointer: format!("{}/{escaped}", self.pointer) })
    }

    /// A key of this object or of its `properties`.
    pub(super) fn field(&self, key: &str) -> Option<Self> {
        self.get(key).or_else(|| self.get("properties")?.get(key))
    }

    /// The items of a list; nothing where it is none.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'v> {
        let pointer = self.pointer.clone();
        let items: &'v [Json<'v>] = if let Shape::List(items) = &self.value.shape { items } else { &[] };
        items
            .iter()
            .enumerate()
            .filter(|(_, value)| !matches!(value.shape, Shape::Null))
            .map(move |(index, value)| Self { value, pointer: format!("{pointer}/{index}") })
    }

    /// The items of a list below a key.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = Self> + use<'v> {
        let list = self.field(key);
        list.into_iter().flat_map(|list| list.items())
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&'v str> {
        if let Shape::Text(text) = &self.value.shape { Some(text) } else { None }
    }

    /// The text of a string below a key, if it is not empty.
    pub(super) fn text_of(&self, key: &str) -> Option<&'v str> {
        self.field(key)?.text().filter(|text| !text.is_empty())
    }

    /// An id below a key, lower-cased: Azure compares them without case.
    pub(super) fn id_of(&self, key: &str) -> Option<String> {
        self.text_of(key).map(str::to_ascii_lowercase)
    }

    /// The `id` of an object below a key, lower-cased.
    pub(super) fn reference(&self, key: &str) -> Option<String> {
        self.field(key)?.id_of("id")
    }
}

/// The segment of an id that follows `kind`, without case: the name of that resource.
pub(super) fn segment_after<'i>(id: &'i str, kind: &str) -> Option<&'i str> {
    let mut segments = id.split('/');
    segments.by_ref().find(|segment| segment.eq_ignore_ascii_case(kind))?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The last segment of an id.
pub(super) fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
