//! Azure's files: read within bounds, joined by ids, every value with its place. `from` and `hubdns import` both come
//! here, so that what one takes the other takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Files};
use crate::azure::{self, At};
use crate::config::{Finding, Place, Source, codes};

/// Where a file was named, for findings about it.
#[derive(Clone, Copy)]
pub(super) enum Named<'n> {
    /// In a configuration: the place and the key.
    In(&'n Place, &'n str),
    /// On the command line.
    Alone,
}

impl Named<'_> {
    /// The place of a finding about a whole file.
    fn place(self, path: &Path) -> Place {
        match self {
            Self::In(place, _) => place.clone(),
            Self::Alone => Place::at(files::shown(path), 1, 1),
        }
    }

    /// The key of such a finding.
    fn key(self) -> String {
        match self {
            Self::In(_, key) => key.to_owned(),
            Self::Alone => String::new(),
        }
    }

    /// Adds where the file was named to a finding about its inside.
    fn add(self, finding: Finding) -> Finding {
        match self {
            Self::In(place, _) => finding.see(place.clone(), "named here"),
            Self::Alone => finding,
        }
    }
}

/// Reads files of Azure's JSON.
pub(super) struct Reader<'r> {
    /// Where files come from.
    pub(super) files: &'r dyn Files,
    /// Every file that was read.
    pub(super) read: &'r mut Vec<PathBuf>,
    /// What was found.
    pub(super) findings: &'r mut Vec<Finding>,
    /// The texts that were read, as [`At::text`] counts them.
    pub(super) sources: Vec<Arc<Source>>,
}

impl Reader<'_> {
    /// One file; none where it cannot be read, which is told.
    pub(super) fn document(&mut self, path: &Path, named: Named<'_>) -> Option<azure::Document> {
        let text = match self.files.read(path, azure::LARGEST as u64) {
            Ok(text) => text,
            Err(error) => {
                self.findings.push(files::unreadable(path, &error, &named.place(path), &named.key()));
                return None;
            }
        };
        if !self.read.iter().any(|own| own == path) {
            self.read.push(path.to_owned());
        }
        self.text(path, text, named)
    }

    /// A text of JSON that was read.
    pub(super) fn text(&mut self, path: &Path, text: String, named: Named<'_>) -> Option<azure::Document> {
        let file = files::shown(path);
        let mut document = match azure::read(&text) {
            Ok(document) => document,
            Err(azure::Error::Json { line, column, message }) => {
                let place = Source::new(file, text).place_of(line, column);
                self.findings.push(named.add(Finding::new(&codes::BAD_JSON, place, "", message)));
                return None;
            }
            Err(error) => {
                let row = match error {
                    azure::Error::TooLarge { .. } => &codes::TOO_LARGE,
                    _ => &codes::NOT_AZURE,
                };
                let message = format!("{}: {error}", path.display());
                self.findings.push(Finding::new(row, named.place(path), named.key(), message));
                return None;
            }
        };
        document.number(self.sources.len());
        self.sources.push(Source::new(file, text));
        for note in document.notes.drain(..) {
            let row = match note.kind {
                azure::NoteKind::Partial => &codes::PARTIAL,
                azure::NoteKind::NotApproved => &codes::NOT_APPROVED,
                azure::NoteKind::BadValue => &codes::BAD_IMPORT_VALUE,
                azure::NoteKind::NoNames => continue, // another file may have them
            };
            self.findings.push(named.add(Finding::new(row, place(&self.sources, &note.at), "", note.message)));
        }
        Some(document)
    }

    /// What several files say of one endpoint joined; what is not approved or has no names is told. The last may be
    /// a group without a name: record sets that no endpoint made.
    pub(super) fn join(&mut self, documents: impl IntoIterator<Item = azure::Endpoint>) -> Vec<azure::Endpoint> {
        let mut pool = azure::Pool::default();
        for endpoint in documents {
            pool.add(endpoint);
        }
        let mut found = pool.into_endpoints();
        found.retain(|own| {
            if own.approved == Some(false) {
                return false; // told by its note
            }
            if own.records.is_empty() {
                let message = format!("private endpoint {:?} comes without names", own.name);
                let finding = Finding::new(&codes::NO_NAMES, place(&self.sources, &own.at), "", message);
                self.findings
                    .push(finding.hint("import its network interface too: az network nic show --ids <id> -o json"));
            }
            true
        });
        settle(&mut found);
        found
    }
}

/// Where a value of a text stands.
pub(super) fn place(sources: &[Arc<Source>], at: &At) -> Place {
    let source = sources.get(at.text);
    source.map_or_else(|| Place::at("", 1, 1), |source| source.place(at.span.clone()))
}

/// Gives findings inside of JSON their pointers, a text at a time: making one costs a walk through the whole text.
pub(super) fn add_pointers(sources: &[Arc<Source>], findings: &mut [Finding]) {
    for source in sources {
        let inside = |own: &&mut Finding| {
            own.key.is_empty() && own.place.source().is_some_and(|other| Arc::ptr_eq(other, source))
        };
        let mut inside: Vec<&mut Finding> = findings.iter_mut().filter(inside).collect();
        if inside.is_empty() {
            continue;
        }
        let spans: Vec<_> = inside.iter().map(|own| own.place.span()).collect();
        let pointers = azure::pointers(source.text(), &spans);
        inside.iter_mut().zip(pointers).for_each(|(own, pointer)| own.key = pointer);
    }
}

/// Gives record sets that no endpoint made to the endpoint that has their name by a better source: there they agree, or
/// are told as overwritten. Names are compared without their private-link label.
fn settle(found: &mut Vec<azure::Endpoint>) {
    let Some(at) = found.iter().position(|own| own.name.is_empty()) else { return };
    let plain = |fqdn: &str| {
        let name = fqdn.trim_end_matches('.').to_ascii_lowercase();
        name.replacen(".privatelink-global.", ".", 1).replacen(".privatelink.", ".", 1)
    };
    let mut owners = hashbrown::HashMap::new();
    for (index, own) in found.iter().enumerate().filter(|(index, _)| *index != at) {
        owners.extend(own.records.iter().map(|record| (plain(&record.fqdn), index)));
    }
    let Some(nameless) = found.get_mut(at) else { return };
    let (owned, left) = std::mem::take(&mut nameless.records)
        .into_iter()
        .partition::<Vec<_>, _>(|record| owners.contains_key(&plain(&record.fqdn)));
    nameless.records = left;
    for record in owned {
        let owner = owners.get(&plain(&record.fqdn)).and_then(|index| found.get_mut(*index));
        if let Some(owner) = owner {
            owner.records.push(record);
        }
    }
    if found.get(at).is_some_and(|nameless| nameless.records.is_empty()) {
        found.remove(at);
    }
}
