//! `[[endpoint]]` and `[[endpoints]]` → [`crate::zone::Endpoint`]: records of the file and of Azure's
//! JSON put together in the order of truth, each name with its second spelling (R13).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::azure::{Named, Reader, place};
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
    /// The key path of the table that it is written in; empty for an imported one.
    table: Arc<str>,
    /// How far it is to be trusted.
    rank: u8,
    /// What said so.
    source: &'static str,
}

impl RecordModel {
    /// The key path; empty for an imported record, whose findings get their JSON pointer later.
    pub(super) fn key(&self) -> String {
        let star = if self.wildcard { "*." } else { "" };
        match &*self.table {
            "" => String::new(),
            table => format!("{table}.records.\"{star}{}\"", self.written),
        }
    }
}

/// The rank of a hand-written record, below all of Azure's.
const WRITTEN_RANK: u8 = 9;
/// How many addresses of a name a finding shows.
const SHOWN: usize = 5;

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

/// Makes all endpoints of a spec; also the texts that their data were read from.
pub(super) fn build(
    spec: &Spec,
    clouds: &Clouds,
    files: &dyn Files,
    read: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> (Vec<EndpointModel>, Vec<Arc<Source>>) {
    let mut importer = Importer { reader: Reader { files, read, findings, sources: Vec::new() } };
    let mut drafts = Vec::new();
    for endpoint in &spec.endpoints {
        drafts.push(importer.one(endpoint));
    }
    for (index, set) in spec.endpoint_sets.iter().enumerate() {
        importer.set(index, set, &mut drafts);
    }
    let sources = importer.reader.sources;
    (drafts.into_iter().filter_map(|draft| finish(draft, clouds, findings)).collect(), sources)
}

/// Makes one endpoint of Azure's under a name of the caller's.
pub(super) fn import(
    own: &azure::Endpoint,
    name: &str,
    sources: &[Arc<Source>],
    clouds: &Clouds,
    findings: &mut Vec<Finding>,
) -> Option<EndpointModel> {
    let mut records = Vec::new();
    add_records(own, sources, &mut records, findings);
    let draft = Draft {
        name: Spanned::new(name.to_owned(), place(sources, &own.at)),
        path: String::new(),
        set: None,
        kind: own.kind.map(kind_of),
        resource: own.resource.clone(),
        state: EndpointState::Private,
        ttl: Duration::from_secs(10),
        faulty: false,
        records,
    };
    finish(draft, clouds, findings)
}

/// Reads the files of `from`.
struct Importer<'i> {
    reader: Reader<'i>,
}

impl Importer<'_> {
    /// An `[[endpoint]]`.
    fn one(&mut self, spec: &EndpointSpec) -> Draft {
        let table: Arc<str> = spec.path.as_str().into();
        let mut records: Vec<RecordModel> = spec.records.iter().map(|record| written(record, &table)).collect();
        let key = format!("{}.from", spec.path);
        let before = self.reader.findings.len();
        let mut found = self.import(&spec.from, &key);
        let failed = self.reader.findings.get(before..).is_some_and(crate::config::has_errors);
        // record sets that no endpoint made belong to the one that is meant here
        if let Some(at) = found.iter().position(|own| own.name.is_empty())
            && found.len() > 1
        {
            let nameless = found.remove(at);
            if let Some(first) = found.first_mut() {
                first.absorb(nameless);
            }
        }
        if let [_, other, ..] = &found[..] {
            let message = format!("the files hold {} endpoints, among them {:?}", found.len(), other.name);
            let also = place(&self.reader.sources, &other.at);
            let named = spec.from.first().map_or(&spec.name.place, |from| &from.place);
            self.reader.findings.push(
                Finding::new(&codes::SEVERAL_ENDPOINTS, named.clone(), &*key, message)
                    .see(also, "this one")
                    .hint("use [[endpoints]] for lists"),
            );
        } else if found.is_empty() && !spec.from.is_empty() && !failed {
            let named = spec.from.first().map_or(&spec.name.place, |from| &from.place);
            let message = "the files hold no private endpoint".to_owned();
            self.reader.findings.push(
                Finding::new(&codes::NO_ENDPOINT, named.clone(), &*key, message)
                    .hint("export the endpoint's own interface: az network nic show --ids <id> -o json"),
            );
        }
        let mut kind = spec.kind.as_ref().map(|kind| kind.value);
        let mut resource = spec.resource.as_ref().map(|resource| resource.value.to_ascii_lowercase());
        if let Some(first) = found.into_iter().next() {
            kind = kind.or(first.kind.map(kind_of));
            resource = resource.or(first.resource.clone());
            add_records(&first, &self.reader.sources, &mut records, self.reader.findings);
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
        for own in self.import(&spec.from, &key) {
            if own.name.is_empty() {
                self.without_endpoint(&own);
                continue;
            }
            let mut records = Vec::new();
            add_records(&own, &self.reader.sources, &mut records, self.reader.findings);
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
    fn import(&mut self, patterns: &[Spanned<String>], key: &str) -> Vec<azure::Endpoint> {
        let mut found = Vec::new();
        for pattern in patterns {
            for path in files::expand(self.reader.files, pattern, key, self.reader.findings) {
                let document = self.reader.document(&path, Named::In(&pattern.place, key));
                found.extend(document.into_iter().flat_map(|document| document.endpoints));
            }
        }
        self.reader.join(found)
    }

    /// Record sets of a list that no endpoint of it has.
    fn without_endpoint(&mut self, group: &azure::Endpoint) {
        let Some(first) = group.records.first() else { return };
        let message = match group.records.len() {
            1 => format!("{} belongs to no endpoint of these files and is left out", first.fqdn),
            more => format!(
                "{} and {} more names belong to no endpoint of these files and are left out",
                first.fqdn,
                more - 1
            ),
        };
        self.reader.findings.push(
            Finding::new(&codes::WITHOUT_ENDPOINT, place(&self.reader.sources, &first.at), "", message)
                .hint("give them an [[endpoint]] or [[zone]] of their own if clients need them"),
        );
    }
}

/// The records of an imported endpoint.
fn add_records(
    endpoint: &azure::Endpoint,
    sources: &[Arc<Source>],
    records: &mut Vec<RecordModel>,
    findings: &mut Vec<Finding>,
) {
    let table: Arc<str> = "".into();
    for record in &endpoint.records {
        let place = place(sources, &record.at);
        match Pattern::parse(&record.fqdn) {
            Ok(pattern) => records.push(RecordModel {
                written: name_of(&pattern.name),
                wildcard: pattern.wildcard,
                names: Vec::new(),
                addresses: record.addresses.clone(),
                place,
                table: Arc::clone(&table),
                rank: record.source as u8,
                source: record.source.label(),
            }),
            Err(fault) => findings.push(Finding::new(&codes::BAD_IMPORT_VALUE, place, "", fault.message)),
        }
    }
}

/// A record of the file.
fn written((name, addresses): &crate::config::spec::RecordSpec, table: &Arc<str>) -> RecordModel {
    RecordModel {
        written: name_of(&name.value.name),
        wildcard: name.value.wildcard,
        names: Vec::new(),
        addresses: addresses.iter().map(|address| address.value).collect(),
        place: name.place.clone(),
        table: Arc::clone(table),
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
            let list = |addresses: &[IpAddr]| {
                let more = if addresses.len() > SHOWN { ", …" } else { "" };
                addresses.iter().take(SHOWN).map(IpAddr::to_string).collect::<Vec<_>>().join(", ") + more
            };
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
                Finding::new(row, record.place.clone(), record.key(), message)
                    .see(own.place.clone(), format!("{} is used", own.source)),
            );
        }
    }
    joined
}
