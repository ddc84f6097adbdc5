//! Where a value stands: a source text and the octets in it.
//!
//! Places are kept as offsets and turned into line and column only when somebody asks, so a file
//! of a million records costs nothing for places that nobody prints. No file is opened here: the
//! loader reads and hands the text over.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One text as it was read, with the offsets of its lines.
pub struct Source {
    /// The file as the operator knows it: relative to the working folder or as given.
    name: Arc<str>,
    /// The whole text.
    text: Box<str>,
    /// The offset of each line's first octet.
    lines: Vec<u32>,
    /// Whether columns can be counted by subtraction.
    ascii: bool,
}

impl Source {
    /// Takes a text of fewer than 4 GiB; the loader bounds files far below that.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Box<str>>) -> Arc<Self> {
        let text: Box<str> = text.into();
        let mut lines = vec![0];
        for (offset, octet) in text.bytes().enumerate() {
            if octet == b'\n' {
                lines.push(to_u32(offset + 1));
            }
        }
        let ascii = text.is_ascii();
        Arc::new(Self { name: name.into(), text, lines, ascii })
    }

    /// The name that findings print.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a span of octets; what lies outside the text is moved to its end.
    pub fn place(self: &Arc<Self>, span: Range<usize>) -> Place {
        let start = self.on_boundary(span.start);
        let end = self.on_boundary(span.end.max(start));
        Place(At::Span { source: Arc::clone(self), start: to_u32(start), end: to_u32(end) })
    }

    /// The place of a line and column, both from 1; columns in octets, as other parsers give them.
    pub fn place_of(self: &Arc<Self>, line: usize, column: usize) -> Place {
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied();
        let start = start.map_or(self.text.len(), |start| start as usize);
        let at = start + column.saturating_sub(1);
        self.place(at..at + 1)
    }

    /// The nearest character boundary at or before `offset`.
    fn on_boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    /// The line that holds `offset`, from 1.
    fn line(&self, offset: u32) -> u32 {
        to_u32(self.lines.partition_point(|start| *start <= offset))
    }

    /// The column of `offset` in characters, from 1.
    fn column(&self, offset: u32) -> u32 {
        let line = self.line(offset) as usize - 1;
        let start = self.lines.get(line).copied().unwrap_or(0);
        if self.ascii {
            return offset - start + 1;
        }
        let before = self.text.get(start as usize..offset as usize).unwrap_or("");
        to_u32(before.chars().count() + 1)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}, {} octets)", self.name, self.text.len())
    }
}

/// Where something stands. Cheap to clone: one reference count.
#[derive(Clone)]
pub struct Place(At);

/// The two ways to know a place.
#[derive(Clone)]
enum At {
    /// Octets of a text that is at hand.
    Span { source: Arc<Source>, start: u32, end: u32 },
    /// A line of a text that is not kept (a large zone file, JSON).
    Line { file: Arc<str>, line: u32, column: u32 },
}

impl Place {
    /// A place in a text that is not kept. `line` and `column` count from 1.
    pub fn at(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self(At::Line { file: file.into(), line: line.max(1), column: column.max(1) })
    }

    /// The file as findings print it.
    pub fn file(&self) -> &Arc<str> {
        match &self.0 {
            At::Span { source, .. } => source.name(),
            At::Line { file, .. } => file,
        }
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        match &self.0 {
            At::Span { source, start, .. } => source.line(*start),
            At::Line { line, .. } => *line,
        }
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> u32 {
        match &self.0 {
            At::Span { source, start, .. } => source.column(*start),
            At::Line { column, .. } => *column,
        }
    }

    /// The octets of the text, where the text is at hand; else `0..0`.
    pub fn span(&self) -> Range<usize> {
        match &self.0 {
            At::Span { start, end, .. } => *start as usize..*end as usize,
            At::Line { .. } => 0..0,
        }
    }

    /// The text it stands in, where that is at hand.
    pub fn source(&self) -> Option<&Arc<Source>> {
        match &self.0 {
            At::Span { source, .. } => Some(source),
            At::Line { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.file() == other.file() && self.line() == other.line() && self.column() == other.column()
    }
}

impl Eq for Place {}

/// A value and where it was written. A default has the place of the table that lacks the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value itself.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), place: self.place }
    }
}

/// Offsets are bounded by the loader's file limit; what is larger is cut to the largest.
fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_from_one_in_characters() {
        let source = Source::new("hub.toml", "a = 1\nübër = 2\n");
        let at = source.text().find("= 2").unwrap();
        let place = source.place(at..at + 3);
        assert_eq!((place.line(), place.column()), (2, 6));
        assert_eq!(place.to_string(), "hub.toml:2:6");
        assert_eq!(source.place(0..1).to_string(), "hub.toml:1:1");
    }

    #[test]
    fn a_span_outside_the_text_is_its_end() {
        let source = Source::new("x", "ü");
        assert_eq!(source.place(1..99).span(), 0..2);
        assert_eq!(source.place(50..99).to_string(), "x:1:2");
        assert_eq!(Source::new("x", "").place(0..0).to_string(), "x:1:1");
    }
}
