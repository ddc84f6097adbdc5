//! `[[endpoint]]` and `[[endpoints]]` → [`crate::zone::Endpoint`]: records of the file and of Azure's
//! JSON put together in the order of truth, each name with its second spelling (R13).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::files::{self, Files};
use super::names::{WRITTEN, name_of, origin_of, ttl_of};
use super::services;
use crate::azure;
use crate::config::spec::{EndpointKind, EndpointSpec, EndpointState, SetSpec, Spec};
use crate::config::{Finding, Pattern, Place, Source, Spanned, codes};
use crate::wire::{Name, WireName};
use crate::zone::avd::{Clouds, Kind};
use crate::zone::{Endpoint, EndpointRecord, State};

/// An endpoint with its places.
pub(super) struct EndpointModel {
    /// Its name and where that stands.
    pub(super) name: Spanned<String>,
    /// The key path of its table.
    pub(super) path: String,
    /// The `[[endpoints]]` table that it came by, an index into the spec.
    pub(super) set: Option<usize>,
    /// Whether something of it could not be read.
    pub(super) faulty: bool,
    /// Its records, in step with the built endpoint's.
    pub(super) records: Vec<RecordModel>,
    /// What views share.
    pub(super) built: Arc<Endpoint>,
}

/// A record with its place.
pub(super) struct RecordModel {
    /// The name as it was written; a wildcard's parent.
    pub(super) written: Name,
    /// Whether it is a wildcard.
    pub(super) wildcard: bool,
    /// Its spellings, the public one first.
    pub(super) names: Vec<Name>,
    /// Its addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Where it stands.
    pub(super) place: Place,
    /// The key path or JSON pointer.
    pub(super) key: String,
    /// How far it is to be trusted.
    rank: u8,
    /// What said so.
    source: &'static str,
}

/// The rank of a hand-written record, below all of Azure's.
const WRITTEN_RANK: u8 = 9;

/// An endpoint before its names are paired.
struct Draft {
    name: Spanned<String>,
    path: String,
    set: Option<usize>,
    kind: Option<EndpointKind>,
    resource: Option<String>,
    state: EndpointState,
    ttl: Duration,
    faulty: bool,
    records: Vec<RecordModel>,
}

/// Makes all endpoints of a spec.
pub(super) fn build(
    spec: &Spec,
    clouds: &Clouds,
    files: &dyn Files,
    read: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Vec<EndpointModel> {
    let mut importer = Importer { files, read, findings };
    let mut drafts = Vec::new();
    for endpoint in &spec.endpoints {
        drafts.push(importer.one(endpoint));
    }
    for (index, set) in spec.endpoint_sets.iter().enumerate() {
        importer.set(index, set, &mut drafts);
    }
    drafts.into_iter().filter_map(|draft| finish(draft, clouds, findings)).collect()
}

/// Reads the files of `from`.
struct Importer<'i> {
    files: &'i dyn Files,
    read: &'i mut Vec<PathBuf>,
    findings: &'i mut Vec<Finding>,
}

/// An imported endpoint with the file that spoke of it first.
type Imported = (azure::Endpoint, Arc<str>);

impl Importer<'_> {
    /// An `[[endpoint]]`.
    fn one(&mut self, spec: &EndpointSpec) -> Draft {
        let mut records: Vec<RecordModel> = spec.records.iter().map(|record| written(record, &spec.path)).collect();
        let key = format!("{}.from", spec.path);
        let before = self.findings.len();
        let mut found = self.import(&spec.from, &key);
        let failed = self.findings.get(before..).is_some_and(crate::config::has_errors);
        // record sets that no endpoint made belong to the one that is meant here
        if let Some(at) = found.iter().position(|(own, _)| own.name.is_empty())
            && found.len() > 1
        {
            let (nameless, _) = found.remove(at);
            if let Some((first, _)) = found.first_mut() {
                first.absorb(nameless);
            }
        }
        if let [_, (other, file), ..] = &found[..] {
            let message = format!("the files hold {} endpoints, among them {:?} in {file}", found.len(), other.name);
            let place = spec.from.first().map_or(&spec.name.place, |from| &from.place);
            self.findings.push(
                Finding::new(&codes::SEVERAL_ENDPOINTS, place.clone(), &*key, message)
                    .hint("use [[endpoints]] for lists"),
            );
        } else if found.is_empty() && !spec.from.is_empty() && !failed {
            let place = spec.from.first().map_or(&spec.name.place, |from| &from.place);
            let message = "the files hold no private endpoint".to_owned();
            self.findings.push(
                Finding::new(&codes::NO_ENDPOINT, place.clone(), &*key, message)
                    .hint("export the endpoint's own interface: az network nic show --ids <id> -o json"),
            );
        }
        let mut kind = spec.kind.as_ref().map(|kind| kind.value);
        let mut resource = spec.resource.as_ref().map(|resource| resource.value.to_ascii_lowercase());
        if let Some((first, file)) = found.into_iter().next() {
            kind = kind.or(first.kind.map(kind_of));
            resource = resource.or(first.resource.clone());
            self.records(&first, &file, &mut records);
        }
        Draft {
            name: spec.name.clone(),
            path: spec.path.clone(),
            set: None,
            kind,
            resource,
            state: spec.state.value,
            ttl: spec.ttl.value,
            faulty: spec.faulty || failed,
            records,
        }
    }

    /// An `[[endpoints]]`: one for each endpoint found, with the name it has in Azure.
    fn set(&mut self, index: usize, spec: &SetSpec, drafts: &mut Vec<Draft>) {
        let key = format!("{}.from", spec.path);
        for (own, file) in self.import(&spec.from, &key) {
            if own.name.is_empty() {
                continue;
            }
            let mut records = Vec::new();
            self.records(&own, &file, &mut records);
            drafts.push(Draft {
                name: Spanned::new(own.name.clone(), spec.place.clone()),
                path: spec.path.clone(),
                set: Some(index),
                kind: own.kind.map(kind_of),
                resource: own.resource.clone(),
                state: EndpointState::Private,
                ttl: Duration::from_secs(10),
                faulty: false,
                records,
            });
        }
    }

    /// Everything that the patterns lead to; what several files say of one endpoint is joined.
    fn import(&mut self, patterns: &[Spanned<String>], key: &str) -> Vec<Imported> {
        let (mut pool, mut first_file) = (azure::Pool::default(), Vec::new());
        for pattern in patterns {
            for path in files::expand(self.files, pattern, key, self.findings) {
                let Some(document) = self.document(&path, pattern, key) else { continue };
                let file = files::shown(&path);
                for mut endpoint in document.endpoints {
                    for record in &mut endpoint.records {
                        record.pointer = format!("{file}#{}", record.pointer);
                    }
                    if pool.add(endpoint) == first_file.len() {
                        first_file.push(Arc::clone(&file));
                    }
                }
            }
        }
        let mut found: Vec<Imported> = pool.into_endpoints().into_iter().zip(first_file).collect();
        found.retain(|(own, file)| {
            if own.approved == Some(false) {
                return false; // told by its note
            }
            if own.records.is_empty() {
                let message = format!("private endpoint {:?} comes without names", own.name);
                let place = Place::at(Arc::clone(file), 1, 1);
                let finding = Finding::new(&codes::NO_NAMES, place, own.pointer.clone(), message);
                self.findings
                    .push(finding.hint("import its network interface too: az network nic show --ids <id> -o json"));
            }
            true
        });
        found
    }

    /// One file of JSON.
    fn document(&mut self, path: &std::path::Path, pattern: &Spanned<String>, key: &str) -> Option<azure::Document> {
        let text = match self.files.read(path, azure::LARGEST as u64) {
            Ok(text) => text,
            Err(error) => {
                self.findings.push(files::unreadable(path, &error, &pattern.place, key));
                return None;
            }
        };
        if !self.read.iter().any(|own| own == path) {
            self.read.push(path.to_owned());
        }
        let file = files::shown(path);
        let document = match azure::read(&text) {
            Ok(document) => document,
            Err(azure::Error::Json { line, column, message }) => {
                let source = Source::new(file, text);
                let place = source.place_of(line, column);
                self.findings
                    .push(Finding::new(&codes::BAD_JSON, place, "", message).see(pattern.place.clone(), "named here"));
                return None;
            }
            Err(error) => {
                let row = match error {
                    azure::Error::TooLarge { .. } => &codes::TOO_LARGE,
                    _ => &codes::NOT_AZURE,
                };
                let message = format!("{}: {error}", path.display());
                self.findings.push(Finding::new(row, pattern.place.clone(), key, message));
                return None;
            }
        };
        for note in &document.notes {
            let row = match note.kind {
                azure::NoteKind::Partial => &codes::PARTIAL,
                azure::NoteKind::NotApproved => &codes::NOT_APPROVED,
                azure::NoteKind::BadValue => &codes::BAD_IMPORT_VALUE,
                azure::NoteKind::NoNames => continue, // another file may have them
            };
            let place = Place::at(Arc::clone(&file), 1, 1);
            self.findings.push(
                Finding::new(row, place, note.pointer.clone(), note.message.clone())
                    .see(pattern.place.clone(), "named here"),
            );
        }
        Some(document)
    }

    /// The records of an imported endpoint.
    fn records(&mut self, endpoint: &azure::Endpoint, file: &Arc<str>, records: &mut Vec<RecordModel>) {
        for record in &endpoint.records {
            let (file, pointer) = record.pointer.split_once('#').unwrap_or((file, &record.pointer));
            let place = Place::at(file, 1, 1);
            match Pattern::parse(&record.fqdn) {
                Ok(pattern) => records.push(RecordModel {
                    written: name_of(&pattern.name),
                    wildcard: pattern.wildcard,
                    names: Vec::new(),
                    addresses: record.addresses.clone(),
                    place,
                    key: pointer.to_owned(),
                    rank: record.source as u8,
                    source: record.source.label(),
                }),
                Err(fault) => {
                    self.findings.push(Finding::new(&codes::BAD_IMPORT_VALUE, place, pointer, fault.message));
                }
            }
        }
    }
}

/// A record of the file.
fn written((name, addresses): &crate::config::spec::RecordSpec, path: &str) -> RecordModel {
    RecordModel {
        written: name_of(&name.value.name),
        wildcard: name.value.wildcard,
        names: Vec::new(),
        addresses: addresses.iter().map(|address| address.value).collect(),
        place: name.place.clone(),
        key: format!("{path}.records.\"{}\"", name.value),
        rank: WRITTEN_RANK,
        source: WRITTEN,
    }
}

/// Azure's kind in the file's words.
fn kind_of(kind: azure::Kind) -> EndpointKind {
    match kind {
        azure::Kind::Global => EndpointKind::Global,
        azure::Kind::Workspace => EndpointKind::Workspace,
        azure::Kind::HostPool => EndpointKind::HostPool,
        azure::Kind::Other => EndpointKind::Other,
    }
}

/// The kind of the data floors.
pub(super) fn avd_kind(kind: EndpointKind) -> Kind {
    match kind {
        EndpointKind::Global => Kind::Global,
        EndpointKind::Workspace => Kind::Workspace,
        EndpointKind::HostPool => Kind::HostPool,
        EndpointKind::Other => Kind::Other,
    }
}

/// Settles kind and spellings, joins records of one name, and builds.
fn finish(mut draft: Draft, clouds: &Clouds, findings: &mut Vec<Finding>) -> Option<EndpointModel> {
    let told = draft.kind.map(avd_kind).or_else(|| {
        let mut kinds = draft.records.iter().filter_map(|record| clouds.kind_by_name(record.written.as_ref()));
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first)
    });
    if draft.records.is_empty() {
        if !draft.faulty && draft.set.is_none() {
            let message = format!("endpoint {:?} has no records", draft.name.value);
            findings.push(
                Finding::new(&codes::ENDPOINT_EMPTY, draft.name.place.clone(), draft.path, message)
                    .hint("add `records`, or import its network interface with `from`"),
            );
        }
        return None;
    }
    let Some(kind) = told else {
        if !draft.faulty {
            let message = format!("the kind of endpoint {:?} cannot be told from its data", draft.name.value);
            findings.push(
                Finding::new(&codes::KIND_UNKNOWN, draft.name.place.clone(), draft.path, message)
                    .hint("set kind = \"global\", \"workspace\", \"host-pool\" or \"other\""),
            );
        }
        return None;
    };
    for record in &mut draft.records {
        record.names = spellings(record, kind, clouds);
    }
    let records = join(draft.records, findings);
    let ttl = ttl_of(draft.ttl);
    let build = |record: &RecordModel| {
        let origin = origin_of(&record.place);
        EndpointRecord::new(record.names.clone(), record.wildcard, &record.addresses, ttl, origin)
    };
    let built = Endpoint {
        name: draft.name.value.as_str().into(),
        kind,
        resource: draft.resource,
        state: match draft.state {
            EndpointState::Private => State::Private,
            EndpointState::Public => State::Public,
            EndpointState::Blocked => State::Blocked,
        },
        records: records.iter().map(build).collect(),
        origin: origin_of(&draft.name.place),
    };
    Some(EndpointModel {
        name: draft.name,
        path: draft.path,
        set: draft.set,
        faulty: draft.faulty,
        records,
        built: Arc::new(built),
    })
}

/// Both spellings of a record's name, the public one first, or the one there is.
fn spellings(record: &RecordModel, kind: Kind, clouds: &Clouds) -> Vec<Name> {
    let own = record.written.as_ref();
    if kind != Kind::Other {
        if let Some(pair) = clouds.pair(own, kind) {
            return pair.into_iter().map(Name::from).collect();
        }
    } else if !record.wildcard
        && let Some(other) = services::other_spelling(&own.to_string())
        && let Ok(other) = WireName::from_presentation(&other)
    {
        let other = Name::from(other);
        let private = own.labels().nth(1) == Some(b"privatelink");
        return if private { vec![other, record.written.clone()] } else { vec![record.written.clone(), other] };
    }
    vec![record.written.clone()]
}

/// Joins records of one name: the most trusted source wins, and a disagreement is told.
fn join(mut records: Vec<RecordModel>, findings: &mut Vec<Finding>) -> Vec<RecordModel> {
    records.sort_by_key(|record| record.rank);
    let mut joined: Vec<RecordModel> = Vec::with_capacity(records.len());
    let mut at = hashbrown::HashMap::new();
    for record in records {
        let Some(first) = record.names.first() else { continue };
        let key = (first.clone(), record.wildcard);
        let Some(own) = at.get(&key).and_then(|index: &usize| joined.get_mut(*index)) else {
            at.insert(key, joined.len());
            joined.push(record);
            continue;
        };
        let same = own.addresses.iter().all(|address| record.addresses.contains(address))
            && record.addresses.iter().all(|address| own.addresses.contains(address));
        if !same {
            let list = |addresses: &[IpAddr]| addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
            let row = if own.rank == record.rank { &codes::TWO_ADDRESS_SETS } else { &codes::SOURCES_DISAGREE };
            let message = format!(
                "{}: {} says {}, {} says {}",
                first,
                own.source,
                list(&own.addresses),
                record.source,
                list(&record.addresses)
            );
            findings.push(
                Finding::new(row, record.place.clone(), record.key.clone(), message)
                    .see(own.place.clone(), format!("{} is used", own.source)),
            );
        }
    }
    joined
}
