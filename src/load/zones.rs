//! `[[zone]]` and `[[zones]]` → [`crate::zone::Zone`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Files, LARGEST_DATA};
use super::names::{name_of, origin_of, ttl_of};
use super::services;
use crate::config::spec::{self, SetSpec, Spec, ZoneSpec, ZoneValue};
use crate::config::{Finding, Owner, Place, Spanned, codes};
use crate::wire::{Name, NameRef, WireName, rtype};
use crate::zone::master::{self, Entry, Parsed};
use crate::zone::{Fault, Missing, Origin, Zone, ZoneBuilder};

/// A zone with its places.
pub(super) struct ZoneModel {
    /// Its name and where that stands.
    pub(super) name: Spanned<String>,
    /// The key path of its table.
    pub(super) path: String,
    /// Where `apex` stands.
    pub(super) apex_place: Place,
    /// Whether something of it could not be read.
    pub(super) faulty: bool,
    /// What views share.
    pub(super) built: Arc<Zone>,
}

impl ZoneModel {
    /// The apex.
    pub(super) fn apex(&self) -> NameRef<'_> {
        self.built.apex()
    }
}

/// Makes all zones of a spec.
pub(super) fn build(
    spec: &Spec,
    files: &dyn Files,
    read: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Vec<ZoneModel> {
    let mut maker = Maker { files, read, findings };
    let mut zones: Vec<ZoneModel> = spec.zones.iter().map(|zone| maker.one(zone)).collect();
    for set in &spec.zone_sets {
        maker.set(set, &mut zones);
    }
    zones
}

/// Reads zone files and adds records.
struct Maker<'m> {
    files: &'m dyn Files,
    read: &'m mut Vec<PathBuf>,
    findings: &'m mut Vec<Finding>,
}

impl Maker<'_> {
    /// A `[[zone]]`.
    fn one(&mut self, spec: &ZoneSpec) -> ZoneModel {
        let before = self.findings.len();
        let apex = name_of(&spec.apex.value);
        let mut builder = ZoneBuilder::new(apex.clone());
        if let Some(records) = &spec.records {
            if let Some(file) = &spec.file {
                let message = format!("zone {:?} has both `file` and `records`", spec.name.value);
                self.findings.push(
                    Finding::new(
                        &codes::FILE_AND_RECORDS,
                        records.place.clone(),
                        format!("{}.records", spec.path),
                        message,
                    )
                    .see(file.place.clone(), "and here"),
                );
            }
            for (owner, value) in &records.value {
                self.inline(spec, &apex, owner, value, &mut builder);
            }
        } else if let Some(file) = &spec.file {
            let path = files::beside(&file.place, &file.value);
            let entries = self.entries(&path, Some(&apex), file, &format!("{}.file", spec.path));
            self.add_all(entries.unwrap_or_default().entries, &path, &mut builder);
        }
        let public = match &spec.public {
            Some(public) => Some(name_of(&public.value)),
            None => services::public_of(&apex.to_string()).and_then(|text| Name::from_presentation(text).ok()),
        };
        let missing = missing_of(spec.missing.value);
        let origin = origin_of(&spec.name.place);
        let failed = self.findings.get(before..).is_some_and(crate::config::has_errors);
        ZoneModel {
            name: spec.name.clone(),
            path: spec.path.clone(),
            apex_place: spec.apex.place.clone(),
            faulty: spec.faulty || failed,
            built: Arc::new(builder.finish(spec.name.value.as_str().into(), public, missing, origin)),
        }
    }

    /// One inline owner.
    fn inline(
        &mut self,
        spec: &ZoneSpec,
        apex: &Name,
        owner: &Spanned<Owner>,
        value: &ZoneValue,
        builder: &mut ZoneBuilder,
    ) {
        let key = format!("{}.records.\"{}\"", spec.path, owner.value);
        let full = match owner.value.under(&spec.apex.value) {
            Ok(full) => name_of(&full),
            Err(fault) => {
                self.findings.push(Finding::new(fault.row, owner.place.clone(), key, fault.message));
                return;
            }
        };
        if !owner.value.absolute
            && name_of(&owner.value.name).as_ref().is_at_or_below(apex.as_ref())
            && !apex.as_ref().is_root()
        {
            let message = format!("{} is relative, so it means {full}", owner.value);
            self.findings.push(
                Finding::new(&codes::APEX_WRITTEN_OUT, owner.place.clone(), &*key, message)
                    .hint(format!("leave {apex} out, or write a final dot: \"{}.\"", owner.value)),
            );
        }
        let ttl = ttl_of(spec.ttl.value);
        let line = owner.place.line();
        let mut add = |rtype, rdata: &[u8]| {
            if let Err(fault) = builder.add(full.as_ref(), rtype, ttl, rdata, line) {
                let finding = fault_finding(fault, owner.place.clone(), &key, &full);
                self.findings.push(finding.hint(format!("names without a final dot are relative to {apex}")));
            }
        };
        match value {
            ZoneValue::Addresses(addresses) => {
                for address in addresses {
                    match address.value {
                        std::net::IpAddr::V4(four) => add(rtype::A, &four.octets()),
                        std::net::IpAddr::V6(six) => add(rtype::AAAA, &six.octets()),
                    }
                }
            }
            ZoneValue::Cname(target) => add(rtype::CNAME, target.value.wire()),
        }
    }

    /// A `[[zones]]`: one zone a file.
    fn set(&mut self, spec: &SetSpec, zones: &mut Vec<ZoneModel>) {
        let key = format!("{}.from", spec.path);
        for pattern in &spec.from {
            for path in files::expand(self.files, pattern, &key, self.findings) {
                let before = self.findings.len();
                let Some(parsed) = self.entries(&path, None, pattern, &key) else { continue };
                let file = files::shown(&path);
                let Some(apex) = apex_of(&parsed) else {
                    let message = "the apex cannot be told from $ORIGIN or a SOA".to_owned();
                    self.findings.push(
                        Finding::new(&codes::NO_APEX, Place::at(file, 1, 1), &*key, message)
                            .see(pattern.place.clone(), "named here"),
                    );
                    continue;
                };
                let mut builder = ZoneBuilder::new(apex.clone());
                self.add_all(parsed.entries, &path, &mut builder);
                let public = services::public_of(&apex.to_string());
                let public = public.and_then(|text| Name::from_presentation(text).ok());
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let name = stem.unwrap_or_else(|| apex.to_string());
                let place = Place::at(Arc::clone(&file), 1, 1);
                let origin = Origin { file, line: 1 };
                let failed = self.findings.get(before..).is_some_and(crate::config::has_errors);
                zones.push(ZoneModel {
                    name: Spanned::new(name.clone(), pattern.place.clone()),
                    path: key.clone(),
                    apex_place: place,
                    faulty: failed,
                    built: Arc::new(builder.finish(name.as_str().into(), public, Missing::NxDomain, origin)),
                });
            }
        }
    }

    /// The entries of a master file; what cannot be read of it is told.
    fn entries(&mut self, path: &Path, apex: Option<&Name>, named: &Spanned<String>, key: &str) -> Option<Parsed> {
        let text = match self.files.read(path, LARGEST_DATA) {
            Ok(text) => text,
            Err(error) => {
                self.findings.push(files::unreadable(path, &error, &named.place, key));
                return None;
            }
        };
        if !self.read.iter().any(|own| own == path) {
            self.read.push(path.to_owned());
        }
        let file = files::shown(path);
        let parsed = master::parse(&text, apex);
        for fault in &parsed.faults {
            let place = Place::at(Arc::clone(&file), fault.line, 1);
            self.findings.push(Finding::new(&codes::BAD_ENTRY, place, "", fault.message.clone()));
        }
        Some(parsed)
    }

    /// Adds the entries of a file.
    fn add_all(&mut self, entries: Vec<Entry>, path: &Path, builder: &mut ZoneBuilder) {
        let file = files::shown(path);
        for entry in entries {
            let owner = entry.owner.as_ref();
            if let Err(fault) = builder.add(owner, entry.rtype, entry.ttl, &entry.rdata, entry.line) {
                let place = Place::at(Arc::clone(&file), entry.line, 1);
                self.findings.push(fault_finding(fault, place, "", &Name::from(entry.owner)));
            }
        }
    }
}

/// The apex by the SOA's owner, else by the first `$ORIGIN`.
fn apex_of(parsed: &Parsed) -> Option<Name> {
    let soa = parsed.entries.iter().find(|entry| entry.rtype == rtype::SOA);
    soa.map(|entry| Name::from(entry.owner)).or_else(|| parsed.origin.clone())
}

/// The finding of a record that a zone cannot hold.
fn fault_finding(fault: Fault, place: Place, key: &str, owner: &Name) -> Finding {
    let row = match fault {
        Fault::OutOfZone => &codes::OUT_OF_ZONE,
        Fault::CnameBesideData => &codes::CNAME_BESIDE_DATA,
        Fault::Delegation => &codes::NS_BELOW_APEX,
        _ => &codes::BAD_ENTRY,
    };
    Finding::new(row, place, key, format!("{owner}: {fault}"))
}

/// The data floors' word for it.
pub(super) fn missing_of(missing: spec::Missing) -> Missing {
    match missing {
        spec::Missing::NxDomain => Missing::NxDomain,
        spec::Missing::Forward => Missing::Forward,
    }
}

/// A name out of text that is known to be one.
pub(super) fn known_name(text: &str) -> Name {
    WireName::from_presentation(text).map_or_else(|_| Name::from(WireName::ROOT), Name::from)
}
