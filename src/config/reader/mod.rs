//! Reads TOML through the section tables: every fault at once, each with its place.
//!
//! The result is rows of checked values; [`super::spec`] gives them their types. The parser's own
//! bound on nesting (80) and the fixed depth of the tables keep recursion small; no input panics.

mod path;
mod scalar;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned as At;
use toml::de::{DeTable, DeValue};

use super::codes::{self, CodeRow};
use super::expect::Answer;
use super::finding::{Finding, has_errors};
use super::place::{Place, Source, Spanned};
use super::sections::{self, Default, Key, Kind, Section};
use super::suggest::suggest;
use super::value::name::{DnsName, Owner, Pattern};
use super::value::{self, Fault, Listener, Server};
use path::{Path, Step};
use scalar::{choice, scalar, shorten, takes_text};

/// A checked value of a key.
#[derive(Clone, Debug)]
pub(super) enum Read {
    /// A whole number within its bounds.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// Text, a label, a path or a glob.
    Text(String),
    /// One of the words of a choice.
    Word(&'static str),
    /// A duration within its bounds.
    Duration(Duration),
    /// A size in octets within its bounds.
    Octets(u64),
    /// An address with a port.
    Socket(SocketAddr),
    /// A reference to a listener.
    Listener(Listener),
    /// A prefix without host bits.
    Prefix(IpNet),
    /// An address.
    Address(IpAddr),
    /// A server.
    Server(Server),
    /// A full name.
    Name(DnsName),
    /// A full name or wildcard.
    Pattern(Pattern),
    /// A list of values of one kind.
    List(Vec<Spanned<Read>>),
    /// An endpoint's records.
    Records(Vec<(Spanned<Pattern>, Vec<Spanned<IpAddr>>)>),
    /// A zone's records.
    ZoneRecords(Vec<(Spanned<Owner>, ZoneValue)>),
    /// An expected answer.
    Answer(Answer),
    /// Words by name.
    Choices(Vec<(Spanned<String>, Spanned<&'static str>)>),
    /// Tables.
    Rows(Vec<Row>),
}

/// What an owner of a zone's inline records has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneValue {
    /// A and AAAA records.
    Addresses(Vec<Spanned<IpAddr>>),
    /// An alias.
    Cname(Spanned<DnsName>),
}

/// One table as it was read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The table's header.
    pub(super) place: Place,
    /// The key path of the table, empty for the file.
    pub(super) path: String,
    /// Whether something of it could not be read.
    pub(super) faulty: bool,
    /// Whether a whole key is unknown, missing or unreadable: what it would have held is not here.
    pub(super) lacking: bool,
    /// What it is read through.
    section: &'static Section,
    /// The values in the order of the section's keys.
    values: Vec<Option<Box<Spanned<Read>>>>,
}

impl Row {
    /// Takes the value of a key out of the row, if it was written and is sound.
    pub(super) fn take(&mut self, name: &str) -> Option<Spanned<Read>> {
        let index = self.section.keys.iter().position(|key| key.name == name);
        debug_assert!(index.is_some(), "no key {name} in {}", self.section.title);
        self.values.get_mut(index?)?.take().map(|value| *value)
    }

    /// The value of a key or its default, which has the place of the table's header.
    pub(super) fn take_or_default(&mut self, name: &str) -> Option<Spanned<Read>> {
        if let Some(read) = self.take(name) {
            return Some(read);
        }
        let key = self.section.key(name)?;
        let Default::Value(text) = key.default else {
            return None;
        };
        default_value(key, text).map(|read| Spanned::new(read, self.place.clone()))
    }
}

/// A row without any value, for tables that were not written.
pub(super) fn empty_row(section: &'static Section) -> Row {
    Row {
        place: Place::at("default", 1, 1),
        path: section.name.to_owned(),
        faulty: false,
        lacking: false,
        section,
        values: section.keys.iter().map(|_| None).collect(),
    }
}

/// Reads the text of a default through its key's kind.
fn default_value(key: &'static Key, text: &'static str) -> Option<Read> {
    let source = Source::new("default", text);
    let value = DeValue::parse(text).ok()?;
    let mut reader = Reader::new(&source);
    let read = reader.value(&Path::root(), &key.kind, &value);
    read.filter(|_| reader.findings.is_empty())
}

/// Reads a whole file through a section. The last item tells whether the text had syntax faults.
pub(super) fn read_file(source: &Arc<Source>, section: &'static Section, findings: &mut Vec<Finding>) -> (Row, bool) {
    let text = source.text();
    // a byte order mark is three octets of nothing (RFC 3629 §6); the parser skips it
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(source);
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let place = source.place(span);
        if reader.broken_lines.insert(place.line()) {
            reader.findings.push(Finding::new(&codes::SYNTAX, place, "", error.message().trim()));
        }
    }
    reader.syntax_faults = !errors.is_empty();
    let row = reader.row(&Path::root(), section, table.get_ref(), source.place(0..0));
    findings.append(&mut reader.findings);
    (row, reader.syntax_faults)
}

/// The state of reading one file.
struct Reader<'s> {
    /// The text.
    source: &'s Arc<Source>,
    /// What was found so far.
    findings: Vec<Finding>,
    /// Lines with a syntax fault: what is found there besides is a consequence.
    broken_lines: HashSet<u32>,
    /// Whether there was any syntax fault.
    syntax_faults: bool,
}

impl<'s> Reader<'s> {
    /// A reader without findings.
    fn new(source: &'s Arc<Source>) -> Self {
        Self { source, findings: Vec::new(), broken_lines: HashSet::new(), syntax_faults: false }
    }

    /// Keeps a finding unless its line has a syntax fault.
    fn report(&mut self, finding: Finding) {
        if self.broken_lines.is_empty() || !self.broken_lines.contains(&finding.place.line()) {
            self.findings.push(finding);
        }
    }

    /// Makes and keeps a finding.
    fn fault(&mut self, row: &CodeRow, span: Range<usize>, path: &Path<'_>, message: String, hint: Option<String>) {
        let place = self.source.place(span);
        self.report(Finding::new(row, place, path.text(), message).maybe_hint(hint));
    }

    /// Reads a table: its known keys, then what is unknown or missing.
    fn row(&mut self, path: &Path<'_>, section: &'static Section, table: &DeTable<'_>, place: Place) -> Row {
        let mut values: Vec<Option<Box<Spanned<Read>>>> = section.keys.iter().map(|_| None).collect();
        let mut faulty = self.syntax_faults && path.parent.is_none();
        let mut lacking = false;
        let mut written = 0_u64;
        for (name, value) in table {
            let span = name.span();
            let name: &str = name.get_ref();
            let path = path.key(name);
            let Some(index) = section.keys.iter().position(|key| key.name == name) else {
                self.unknown_key(&path, section, name, span);
                (faulty, lacking) = (true, true);
                continue;
            };
            written |= 1 << index;
            let Some((key, slot)) = section.keys.get(index).zip(values.get_mut(index)) else {
                continue;
            };
            let before = self.findings.len();
            // a table has the place of its header's key; any other value its own
            let at = if value.get_ref().is_table() { span } else { value.span() };
            if let Some(read) = self.value(&path, &key.kind, value) {
                *slot = Some(Box::new(Spanned::new(read, self.source.place(at))));
            } else {
                (faulty, lacking) = (true, true);
            }
            faulty |= self.findings.get(before..).is_some_and(has_errors);
        }
        for (index, key) in section.keys.iter().enumerate() {
            if key.default == Default::Required && written & (1 << index) == 0 {
                (faulty, lacking) = (true, true);
                self.missing_key(path, section, key, &place);
            }
        }
        Row { place, path: path.text(), faulty, lacking, section, values }
    }

    /// Reports a key that the table does not have.
    fn unknown_key(&mut self, path: &Path<'_>, section: &Section, name: &str, span: Range<usize>) {
        let keys: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        if sections::MAIN_FILE_ONLY.contains(&name) && section.name == sections::INCLUDED.name {
            let message = format!("`{name}` may only stand in the main file");
            self.fault(&codes::MAIN_FILE_ONLY, span, path, message, None);
            return;
        }
        let hint = match suggest(name, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? allowed here: {}", keys.join(", ")),
            None => format!("allowed here: {}", keys.join(", ")),
        };
        let message = format!("{} has no key `{}`", section.title, shorten(name));
        self.fault(&codes::UNKNOWN_KEY, span, path, message, Some(hint));
    }

    /// Reports a required key that is not there, unless it may stand in text that was not read.
    fn missing_key(&mut self, path: &Path<'_>, section: &Section, key: &Key, place: &Place) {
        if self.syntax_faults {
            return;
        }
        let message = format!("{} needs `{}`", section.title, key.name);
        let finding = Finding::new(&codes::MISSING_KEY, place.clone(), path.key(key.name).text(), message);
        let hint = match key.kind {
            Kind::Table(section) => format!("add a {} table", section.title),
            _ => format!("for example: {} = {}", key.name, key.example),
        };
        self.report(finding.hint(hint));
    }

    /// Reads one value; `None` when it is not sound, which has been reported then.
    fn value(&mut self, path: &Path<'_>, kind: &'static Kind, at: &At<DeValue<'_>>) -> Option<Read> {
        let span = at.span();
        match (kind, at.get_ref()) {
            (Kind::Integer(least, most), DeValue::Integer(number)) => {
                let value = i64::from_str_radix(number.as_str(), number.radix());
                match value {
                    Ok(value) if (*least..=*most).contains(&value) => Some(Read::Integer(value)),
                    _ if kind_is_version(path) => {
                        let message = format!("version {} is not known", number.as_str());
                        self.fault(
                            &codes::BAD_VERSION,
                            span,
                            path,
                            message,
                            Some("this program reads version = 1".to_owned()),
                        );
                        None
                    }
                    _ => {
                        let message = format!("{} is not within {least} to {most}", number.as_str());
                        self.fault(&codes::OUT_OF_BOUNDS, span, path, message, None);
                        None
                    }
                }
            }
            (Kind::Boolean, DeValue::Boolean(value)) => Some(Read::Boolean(*value)),
            (Kind::List(item, least, most), DeValue::Array(items)) => {
                self.list(path, item, (*least, *most), items, span)
            }
            (Kind::Records, DeValue::Table(table)) => Some(self.records(path, table)),
            (Kind::ZoneRecords, DeValue::Table(table)) => Some(self.zone_records(path, table)),
            (Kind::Choices(words), DeValue::Table(table)) => Some(self.choices(path, words, table)),
            (Kind::Answer, DeValue::Array(items)) => self.answers(path, items, span),
            (Kind::Answer, DeValue::String(word)) => {
                self.checked(path, span, Answer::word(word)).map(|answer| Read::Answer(answer.value))
            }
            (Kind::Table(section), DeValue::Table(table)) => {
                let place = self.source.place(span);
                Some(Read::Rows(vec![self.row(path, section, table, place)]))
            }
            (Kind::Tables(section), DeValue::Array(items)) => self.rows(path, section, items),
            (kind, DeValue::String(text)) if takes_text(kind) => match scalar(kind, text) {
                Ok(read) => Some(read),
                Err(fault) => {
                    self.fault(fault.row, span, path, fault.message, fault.hint);
                    None
                }
            },
            (kind, value) => {
                self.wrong_type(path, kind, value, span);
                None
            }
        }
    }

    /// Reports a value of the wrong type.
    fn wrong_type(&mut self, path: &Path<'_>, kind: &Kind, value: &DeValue<'_>, span: Range<usize>) {
        let found = match value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let hint = match (kind, value) {
            (Kind::Duration(..), DeValue::Integer(number)) => {
                Some(format!("write the unit: \"{}s\"", shorten(number.as_str())))
            }
            (Kind::Size(..), DeValue::Integer(number)) => {
                Some(format!("write the unit: \"{}MiB\"", shorten(number.as_str())))
            }
            (Kind::List(..), DeValue::String(text)) => Some(format!("write [{:?}]", shorten(text))),
            (Kind::Tables(section), DeValue::Table(_)) if section.title.starts_with('[') => {
                Some(format!("write {} with double brackets", section.title))
            }
            (Kind::Table(section), DeValue::Array(_)) => Some(format!("write {} with single brackets", section.title)),
            _ => None,
        };
        let message = format!("expected {}, found {found}", kind.describe());
        self.fault(&codes::WRONG_TYPE, span, path, message, hint);
    }

    /// Reads the items of a list; unsound ones are left out.
    fn list(
        &mut self,
        path: &Path<'_>,
        item: &'static Kind,
        (least, most): (usize, usize),
        items: &[At<DeValue<'_>>],
        span: Range<usize>,
    ) -> Option<Read> {
        if !(least..=most).contains(&items.len()) {
            let message = if items.is_empty() {
                "the list is empty".to_owned()
            } else {
                format!("the list has {} items; {least} to {most} are allowed", items.len())
            };
            self.fault(&codes::OUT_OF_BOUNDS, span, path, message, None);
            return None;
        }
        let mut seen = HashSet::new();
        let mut list = Vec::with_capacity(items.len());
        for (index, at) in items.iter().enumerate() {
            let path = path.index(index);
            if let Some(text) = at.get_ref().as_str()
                && !seen.insert(text)
            {
                let message = format!("{:?} is in the list already", shorten(text));
                self.fault(&codes::REPEATED_ITEM, at.span(), &path, message, None);
                continue;
            }
            if let Some(read) = self.value(&path, item, at) {
                list.push(Spanned::new(read, self.source.place(at.span())));
            }
        }
        Some(Read::List(list))
    }

    /// Reads a list of tables.
    fn rows(&mut self, path: &Path<'_>, section: &'static Section, items: &[At<DeValue<'_>>]) -> Option<Read> {
        let mut rows = Vec::with_capacity(items.len());
        for (index, at) in items.iter().enumerate() {
            let path = path.index(index);
            match at.get_ref() {
                DeValue::Table(table) => {
                    let place = self.source.place(at.span());
                    rows.push(self.row(&path, section, table, place));
                }
                value => {
                    let message = format!("expected {}, found {}", section.title, value.type_str());
                    self.fault(&codes::WRONG_TYPE, at.span(), &path, message, None);
                }
            }
        }
        Some(Read::Rows(rows))
    }

    /// Reads a list of addresses that must not be empty.
    fn addresses(&mut self, path: &Path<'_>, at: &At<DeValue<'_>>) -> Vec<Spanned<IpAddr>> {
        static ADDRESSES: Kind = Kind::List(&Kind::Address, 1, 1_000);
        let Some(Read::List(list)) = self.value(path, &ADDRESSES, at) else {
            return Vec::new();
        };
        let address = |item: Spanned<Read>| match item.value {
            Read::Address(address) => Some(Spanned::new(address, item.place)),
            _ => None,
        };
        list.into_iter().filter_map(address).collect()
    }

    /// Reads an endpoint's records.
    fn records(&mut self, path: &Path<'_>, table: &DeTable<'_>) -> Read {
        let mut records = Vec::with_capacity(table.len());
        for (name, at) in table {
            let path = path.key(name.get_ref());
            let pattern = self.checked(&path, name.span(), Pattern::parse(name.get_ref()));
            let addresses = self.addresses(&path, at);
            if let (Some(pattern), false) = (pattern, addresses.is_empty()) {
                records.push((pattern, addresses));
            }
        }
        self.one_spelling(path, &records);
        Read::Records(records)
    }

    /// Reports names that differ in case or final dot alone.
    fn one_spelling<K: Eq + std::hash::Hash + std::fmt::Display, V>(
        &mut self,
        path: &Path<'_>,
        records: &[(Spanned<K>, V)],
    ) {
        let mut seen = std::collections::HashMap::new();
        for (name, _) in records {
            if let Some(first) = seen.insert(&name.value, &name.place) {
                let message = format!("{} is written twice in this table", name.value);
                let finding = Finding::new(&codes::DUPLICATE_NAME, name.place.clone(), path.text(), message);
                self.report(finding.see(first.clone(), "also here"));
            }
        }
    }

    /// Reads a zone's records.
    fn zone_records(&mut self, path: &Path<'_>, table: &DeTable<'_>) -> Read {
        let mut records = Vec::with_capacity(table.len());
        for (name, at) in table {
            let path = path.key(name.get_ref());
            let owner = self.checked(&path, name.span(), Owner::parse(name.get_ref()));
            let value = match at.get_ref() {
                DeValue::Table(alias) => self.cname(&path, alias, at.span()),
                _ => Some(ZoneValue::Addresses(self.addresses(&path, at)))
                    .filter(|value| *value != ZoneValue::Addresses(Vec::new())),
            };
            records.extend(owner.zip(value));
        }
        self.one_spelling(path, &records);
        Read::ZoneRecords(records)
    }

    /// Reads `{ cname = "…" }`.
    fn cname(&mut self, path: &Path<'_>, table: &DeTable<'_>, span: Range<usize>) -> Option<ZoneValue> {
        let mut target = None;
        for (name, at) in table {
            let path = path.key(name.get_ref());
            if name.get_ref() != "cname" {
                let hint = Some("write { cname = \"target.example\" }".to_owned());
                let message = format!("a record has no key `{}`", shorten(name.get_ref()));
                self.fault(&codes::UNKNOWN_KEY, name.span(), &path, message, hint);
            } else if let Some(Read::Name(name)) = self.value(&path, &Kind::Name, at) {
                target = Some(Spanned::new(name, self.source.place(at.span())));
            }
        }
        if table.is_empty() {
            self.fault(&codes::MISSING_KEY, span, path, "the table needs `cname`".to_owned(), None);
        }
        target.map(ZoneValue::Cname)
    }

    /// Reads the data of the records that an answer should have.
    fn answers(&mut self, path: &Path<'_>, items: &[At<DeValue<'_>>], span: Range<usize>) -> Option<Read> {
        let Read::List(list) = self.list(path, &Kind::Text, (1, 1_000), items, span)? else { return None };
        let data = list.into_iter().filter_map(|item| match item.value {
            Read::Text(text) => Some(Spanned::new(text, item.place)),
            _ => None,
        });
        Some(Read::Answer(Answer::Records(data.collect())))
    }

    /// Reads words by name.
    fn choices(&mut self, path: &Path<'_>, words: &'static [&'static str], table: &DeTable<'_>) -> Read {
        let mut choices = Vec::with_capacity(table.len());
        for (name, at) in table {
            let path = path.key(name.get_ref());
            let label = self.checked(&path, name.span(), value::label(name.get_ref()));
            let Some(text) = at.get_ref().as_str() else {
                self.wrong_type(&path, &Kind::Choice(words), at.get_ref(), at.span());
                continue;
            };
            let word = self.checked(&path, at.span(), choice(words, text));
            choices.extend(label.zip(word));
        }
        Read::Choices(choices)
    }

    /// Keeps a sound value with its place, or reports the fault.
    fn checked<T>(&mut self, path: &Path<'_>, span: Range<usize>, result: Result<T, Fault>) -> Option<Spanned<T>> {
        match result {
            Ok(value) => Some(Spanned::new(value, self.source.place(span))),
            Err(fault) => {
                self.fault(fault.row, span, path, fault.message, fault.hint);
                None
            }
        }
    }
}

/// Whether the path is the file's `version`.
fn kind_is_version(path: &Path<'_>) -> bool {
    matches!(path.step, Step::Key("version"))
}

#[cfg(test)]
mod tests;
