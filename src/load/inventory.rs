//! What files of Azure's formats say, put together for `hubdns import azure`: JSON by the reader that `from` uses, and
//! exports of private zones.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use super::azure::{Named, Reader, add_pointers, place};
use super::endpoints::{self, RecordModel};
use super::files::{self, Disk, Files, ReadError};
use super::lints;
use crate::azure::{self, At};
use crate::config::{Finding, Place, Source, codes};
use crate::wire::{Name, RecordType, rtype};
use crate::zone::address_of;
use crate::zone::avd::{Clouds, Kind};
use crate::zone::master::{self, Entry};

/// The most octets of all files together.
const LARGEST: u64 = 512 << 20;
/// The most records of one exported zone; Azure's own limit is 25,000 sets of 20.
const MOST_RECORDS: usize = 500_000;

/// Everything that the files say, joined by ids.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Endpoints; one without a name holds the records that no endpoint is known for.
    pub endpoints: Vec<azure::Endpoint>,
    /// Virtual networks.
    pub vnets: Vec<azure::Vnet>,
    /// Workspaces and host pools.
    pub resources: Vec<azure::Resource>,
    /// Links of private zones.
    pub links: Vec<azure::Link>,
    /// Record sets without addresses.
    pub others: Vec<azure::OtherSet>,
    /// Exported zones that are none of AVD's.
    pub zones: Vec<ZoneFile>,
    /// The texts that were read.
    sources: Vec<Arc<Source>>,
}

/// An exported zone.
#[derive(Debug)]
pub struct ZoneFile {
    /// Its apex, without a final dot.
    pub apex: String,
    /// Its file.
    pub path: PathBuf,
    /// Its records but SOA and NS of the apex, in the order of the file.
    pub records: Vec<ZoneRecord>,
    /// Where it begins.
    pub at: At,
}

/// A record of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneRecord {
    /// Its owner, relative to the apex; `@` is the apex.
    pub owner: String,
    /// Its TTL in seconds, where it is told.
    pub ttl: Option<u32>,
    /// What it holds.
    pub data: ZoneData,
    /// Where it stands.
    pub at: At,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneData {
    /// A or AAAA.
    Address(IpAddr),
    /// The target of a CNAME, without a final dot.
    Alias(String),
    /// Any other type, by name.
    Other(String),
}

/// An endpoint whose names are settled: one record a name, the most trusted source first.
#[derive(Debug)]
pub struct Settled {
    /// What it is for.
    pub kind: Kind,
    /// The id or GUID of its resource.
    pub resource: Option<String>,
    /// Its records.
    pub records: Vec<SettledRecord>,
}

/// A record of such an endpoint.
#[derive(Debug)]
pub struct SettledRecord {
    /// The name that is written: the public spelling where there is one; `*.` in front of a wildcard.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Where it stands.
    pub place: Place,
}

/// How a comment names a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// Where in it: ` /pointer`, `:line`, or nothing for all of it.
    pub inside: String,
}

/// Reads files; what cannot be read is told and left out.
pub fn inventory(paths: &[PathBuf], findings: &mut Vec<Finding>) -> Inventory {
    let mut read = Vec::new();
    let mut reader = Reader { files: &Disk, read: &mut read, findings, sources: Vec::new() };
    let mut found = Inventory::default();
    let mut endpoints = Vec::new();
    let clouds = Clouds::default();
    let mut left = LARGEST;
    for path in paths {
        let text = match Disk.read(path, left.min(azure::LARGEST as u64)) {
            Ok(text) => text,
            Err(error) => {
                // what was read before counts too
                let error = match error {
                    ReadError::TooLarge { octets, most } if most < azure::LARGEST as u64 => {
                        ReadError::TooLarge { octets: octets.saturating_add(LARGEST - left), most: LARGEST }
                    }
                    error => error,
                };
                let here = Place::at(files::shown(path), 1, 1);
                reader.findings.push(files::unreadable(path, &error, &here, ""));
                continue;
            }
        };
        left = left.saturating_sub(text.len() as u64);
        if text.trim_start_matches('\u{feff}').trim_start().is_empty() {
            let message = format!("{}: the file is empty", path.display());
            reader.findings.push(Finding::new(&codes::NOT_AZURE, Place::at(files::shown(path), 1, 1), "", message));
        } else if is_json(path, &text) {
            let Some(document) = reader.text(path, text, Named::Alone) else { continue };
            endpoints.extend(document.endpoints);
            found.vnets.extend(document.vnets);
            found.resources.extend(document.resources);
            found.links.extend(document.links);
            found.others.extend(document.others);
        } else if let Some((zone, source)) = zone_file(path, text, reader.sources.len(), reader.findings) {
            reader.sources.push(source);
            if Name::from_presentation(&zone.apex).is_ok_and(|apex| clouds.is_private_link_suffix(apex.as_ref())) {
                endpoints.push(unattached(&zone));
            } else {
                found.zones.push(zone);
            }
        }
    }
    found.endpoints = reader.join(endpoints);
    found.sources = reader.sources;
    found
}

impl Inventory {
    /// Where a value stands.
    pub fn place(&self, at: &At) -> Place {
        place(&self.sources, at)
    }

    /// How comments name the places of values: the file and, inside JSON, the pointer, else the line.
    pub fn origins(&self, wanted: &[&At]) -> Vec<Origin> {
        let mut origins = vec![Origin::default(); wanted.len()];
        let mut by_text: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, at) in wanted.iter().enumerate() {
            by_text.entry(at.text).or_default().push(index);
        }
        for (number, inside) in by_text {
            let Some(source) = self.sources.get(number) else { continue };
            let spans: Vec<_> = inside.iter().filter_map(|index| Some(wanted.get(*index)?.span.clone())).collect();
            let is_json = is_json(Path::new(&**source.name()), source.text());
            let pointers = if is_json { azure::pointers(source.text(), &spans) } else { Vec::new() };
            for (position, (index, span)) in inside.iter().zip(&spans).enumerate() {
                let Some(origin) = origins.get_mut(*index) else { continue };
                origin.file = source.name().to_string();
                origin.inside = match pointers.get(position) {
                    Some(pointer) if pointer.is_empty() => String::new(),
                    Some(pointer) => format!(" {pointer}"),
                    None => format!(":{}", source.place(span.clone()).line()),
                };
            }
        }
        origins
    }

    /// Settles the names of an endpoint; disagreements and names under a wrong suffix are told.
    pub fn settle(
        &self,
        own: &azure::Endpoint,
        name: &str,
        clouds: &Clouds,
        findings: &mut Vec<Finding>,
    ) -> Option<Settled> {
        let before = findings.len();
        let model = endpoints::import(own, name, &self.sources, clouds, findings)?;
        // of every source, not only of the one that is used
        let spelled = own.records.iter().filter_map(|record| {
            let name = Name::from_presentation(record.fqdn.strip_prefix("*.").unwrap_or(&record.fqdn)).ok()?;
            Some((record, name))
        });
        if model.built.kind != Kind::Other {
            for (record, name) in spelled {
                if let Some((row, message, hint)) =
                    lints::endpoints::suffix_fault(model.built.kind, name.as_ref(), clouds)
                {
                    findings.push(Finding::new(row, self.place(&record.at), "", message).hint(hint));
                }
            }
        }
        if let Some(new) = findings.get_mut(before..) {
            add_pointers(&self.sources, new);
        }
        let records = model.records.iter().map(settled).collect();
        Some(Settled { kind: model.built.kind, resource: model.built.resource.clone(), records })
    }

    /// Gives findings inside of JSON their pointers.
    pub fn add_pointers(&self, findings: &mut [Finding]) {
        add_pointers(&self.sources, findings);
    }
}

/// A record as it is written.
fn settled(record: &RecordModel) -> SettledRecord {
    let star = if record.wildcard { "*." } else { "" };
    let name = record.names.first().unwrap_or(&record.written);
    SettledRecord { name: format!("{star}{name}"), addresses: record.addresses.clone(), place: record.place.clone() }
}

/// Whether a file is JSON and not the export of a zone: by its first character, or by what it is called.
fn is_json(path: &Path, text: &str) -> bool {
    let first = text.trim_start_matches('\u{feff}').trim_start().as_bytes().first();
    matches!(first, Some(b'{' | b'[')) || path.extension().is_some_and(|own| own.eq_ignore_ascii_case("json"))
}

/// Reads the export of a zone. A file with faults gives nothing, and one finding: the first fault.
fn zone_file(path: &Path, text: String, number: usize, findings: &mut Vec<Finding>) -> Option<(ZoneFile, Arc<Source>)> {
    let file = files::shown(path);
    let Some(apex) = master::apex_of(&text) else {
        let message = format!("{}: neither JSON nor the export of a zone (no $ORIGIN, no SOA)", path.display());
        findings.push(Finding::new(&codes::NOT_AZURE, Place::at(file, 1, 1), "", message));
        return None;
    };
    let source = Source::new(file, text);
    let mut records = Vec::new();
    let mut more = 0_usize;
    let faults = master::read(source.text(), Some(&apex), &mut master::Whole, &mut |entry| {
        let Some((owner, data)) = record_of(&entry, &apex) else { return };
        if records.len() == MOST_RECORDS {
            more += 1;
            return;
        }
        let span = source.place_of(entry.line as usize, 1).span();
        let at = At { span, text: number };
        records.push(ZoneRecord { owner, ttl: Some(entry.ttl.seconds()), data, at });
    });
    let fault = faults.first().map(|fault| {
        let rest = if faults.len() > 1 { format!(" (and {} more faults)", faults.len() - 1) } else { String::new() };
        (fault.line, format!("{}{rest}", fault.message))
    });
    let too_many = (more > 0).then(|| (1, format!("more than {MOST_RECORDS} records")));
    if let Some((line, message)) = fault.or(too_many) {
        let place = source.place_of(line as usize, 1);
        findings.push(Finding::new(&codes::BAD_ENTRY, place, "", message));
        return None;
    }
    let at = At { span: 0..0, text: number };
    Some((ZoneFile { apex: apex.to_string(), path: path.to_owned(), records, at }, source))
}

/// A record that is carried over: not the SOA and NS of the apex.
fn record_of(entry: &Entry, apex: &Name) -> Option<(String, ZoneData)> {
    let relative = entry.owner.as_ref().relative_to(apex.as_ref())?;
    if relative.is_empty() && matches!(entry.rtype, rtype::SOA | rtype::NS) {
        return None;
    }
    let whole = entry.owner.to_string();
    let owner = match whole.strip_suffix(&apex.to_string()) {
        _ if relative.is_empty() => "@".to_owned(),
        Some(head) => head.trim_end_matches('.').to_owned(),
        None => whole,
    };
    let data = match entry.rtype {
        rtype::A | rtype::AAAA => ZoneData::Address(address_of(&entry.rdata)?),
        rtype::CNAME => {
            let (target, _) = crate::wire::WireName::read_plain(&entry.rdata, 0).ok()?;
            ZoneData::Alias(target.to_string())
        }
        other => ZoneData::Other(RecordType(other).to_string()),
    };
    Some((owner, data))
}

/// The addresses of an exported AVD zone as records that no endpoint is known for.
fn unattached(zone: &ZoneFile) -> azure::Endpoint {
    let mut records: Vec<azure::Record> = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for own in &zone.records {
        let ZoneData::Address(address) = own.data else { continue };
        let index = *by_name.entry(&own.owner).or_insert(records.len());
        match records.get_mut(index) {
            Some(record) if record.addresses.len() < azure::MOST_ADDRESSES => record.addresses.push(address),
            Some(_) => {}
            None => records.push(azure::Record {
                fqdn: if own.owner == "@" { zone.apex.clone() } else { format!("{}.{}", own.owner, zone.apex) },
                addresses: vec![address],
                ttl: own.ttl,
                zone: Some(zone.apex.clone()),
                source: azure::Source::RecordSet,
                at: own.at.clone(),
            }),
        }
    }
    azure::Endpoint::nameless(records, zone.at.clone())
}
