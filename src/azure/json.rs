//! JSON with the place of every value: keys without case, ARM's `properties` looked through.
//!
//! serde_json judges the text; what it has passed is scanned once more into a tree that borrows from it and knows
//! where each value begins and ends. Pointers are made afterwards, for the few values that somebody asks about.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use serde::de::IgnoredAny;

/// Deepest nesting that is read.
const DEEPEST: usize = 128;
/// The most values of one text: what Azure prints has some 30 octets a value, so this is beyond any text that may be
/// read, and bounds the tree of a text that is nothing but brackets.
const MOST: usize = 4_000_000;

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
    /// A whole number.
    Number(u32),
    /// Any other number or a truth value.
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
        let mut scan = Scan { text, at: 0, left: MOST };
        scan.value(0).ok_or_else(|| {
            let before = text.get(..scan.at).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = scan.at - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            let message = match scan.left {
                0 => format!("more than {MOST} values"),
                _ => format!("nested more than {DEEPEST} deep"),
            };
            super::Error::Json { line, column, message }
        })
    }

    /// The pointer (RFC 6901) of the value that begins where `span` does.
    pub(super) fn pointer(&self, span: &Range<usize>) -> String {
        let mut pointer = String::new();
        let mut value = self;
        while value.span.start as usize != span.start || value.span.end as usize != span.end {
            // values stand in the order of the text
            value = match &value.shape {
                Shape::List(items) => {
                    let index = items.partition_point(|item| item.span.end as usize <= span.start);
                    let Some(item) = items.get(index) else { break };
                    let _ = write!(pointer, "/{index}");
                    item
                }
                Shape::Object(fields) => {
                    let index = fields.partition_point(|(_, field)| field.span.end as usize <= span.start);
                    let Some((key, field)) = fields.get(index) else { break };
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    field
                }
                _ => break,
            };
        }
        pointer
    }
}

/// A walk over a text that is known to be JSON.
struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// How many values may still come.
    left: usize,
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

    /// The value at the cursor; none where it is too deep or one too many.
    fn value(&mut self, depth: usize) -> Option<Json<'t>> {
        let first = self.peek()?;
        let start = self.at;
        if self.left == 0 {
            return None;
        }
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
                let number = self.text.get(start..self.at).and_then(|text| text.parse().ok());
                if first == b'n' { Shape::Null } else { number.map_or(Shape::Other, Shape::Number) }
            }
        };
        self.left = self.left.saturating_sub(1);
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

/// A value of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'v> {
    value: &'v Json<'v>,
}

impl<'v> Node<'v> {
    /// The whole text.
    pub(super) fn root(value: &'v Json<'v>) -> Self {
        Self { value }
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.shape, Shape::List(_))
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.value.shape, Shape::Object(_))
    }

    /// Where it stands.
    pub(super) fn at(&self) -> super::At {
        let Range { start, end } = self.value.span;
        super::At { span: start as usize..end as usize, text: 0 }
    }

    /// A key of this object, matched without case; null is the same as missing.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let fields = || self.fields().iter().rev().filter(|(_, value)| !matches!(value.shape, Shape::Null));
        let found =
            fields().find(|(own, _)| own == key).or_else(|| fields().find(|(own, _)| own.eq_ignore_ascii_case(key)));
        found.map(|(_, value)| Self { value })
    }

    /// The fields of an object; nothing where it is none.
    fn fields(&self) -> &'v [(Cow<'v, str>, Json<'v>)] {
        if let Shape::Object(fields) = &self.value.shape { fields } else { &[] }
    }

    /// The keys and values of an object, null left out; nothing where it is none.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'v str, Self)> + use<'v> {
        let entries = self.fields().iter().filter(|(_, value)| !matches!(value.shape, Shape::Null));
        entries.map(|(key, value)| (&**key, Self { value }))
    }

    /// A key of this object or of its `properties`.
    pub(super) fn field(&self, key: &str) -> Option<Self> {
        self.get(key).or_else(|| self.get("properties")?.get(key))
    }

    /// The items of a list; nothing where it is none.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'v> {
        let items: &'v [Json<'v>] = if let Shape::List(items) = &self.value.shape { items } else { &[] };
        items.iter().filter(|value| !matches!(value.shape, Shape::Null)).map(|value| Self { value })
    }

    /// The items of a list below a key; an object in its place is its one item, as `mv-expand` leaves it.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = Self> + use<'v> {
        let list = self.field(key);
        let one = list.filter(Self::is_object);
        list.into_iter().flat_map(|list| list.items()).chain(one)
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

    /// The number below a key.
    pub(super) fn number_of(&self, key: &str) -> Option<u32> {
        match &self.field(key)?.value.shape {
            Shape::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// The segment of an id that follows `kind`, without case: the name of that resource.
pub(super) fn segment_after<'i>(id: &'i str, kind: &str) -> Option<&'i str> {
    let mut segments = id.split('/');
    segments.by_ref().find(|segment| segment.eq_ignore_ascii_case(kind))?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The head of an id that ends with the private zone in it, lower-cased: zones of one name in two resource groups are two.
pub(super) fn zone_id(id: &str) -> Option<String> {
    let lower = id.to_ascii_lowercase();
    let mark = "/privatednszones/";
    let from = lower.find(mark)? + mark.len();
    let rest = lower.get(from..)?;
    let end = from + rest.find('/').unwrap_or(rest.len());
    lower.get(..end).filter(|_| end > from).map(str::to_owned)
}

/// The last segment of an id.
pub(super) fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
