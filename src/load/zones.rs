//! `[[zone]]` and `[[zones]]` → [`crate::zone::Zone`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Files, LARGEST_DATA};
use super::jail::Jail;
use super::names::{name_of, origin_of, ttl_of};
use super::services;
use crate::config::spec::{self, SetSpec, Spec, ZoneSpec, ZoneValue};
use crate::config::{Finding, Owner, Place, Spanned, codes};
use crate::wire::{Name, NameRef, WireName, rtype};
use crate::zone::master;
use crate::zone::{Fault, Missing, Origin, Zone, ZoneBuilder};

/// The most records of one file that are told one by one where they cannot be added.
const MOST_FAULTS: usize = 10_000;

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
        let mut origin = origin_of(&spec.name.place);
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
            if let Some(text) = self.text(&path, file, &format!("{}.file", spec.path)) {
                self.add_all(&text, &path, &apex, &mut builder);
                // the lines of its names are the file's
                origin = Origin { file: files::shown(&path), line: 1 };
            }
        }
        let public = match &spec.public {
            Some(public) => Some(name_of(&public.value)),
            None => services::public_of(&apex.to_string()).and_then(|text| Name::from_presentation(text).ok()),
        };
        let missing = missing_of(spec.missing.value);
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
                let Some(text) = self.text(&path, pattern, &key) else { continue };
                let file = files::shown(&path);
                let Some(apex) = master::apex_of(&text) else {
                    let message = "the apex cannot be told from $ORIGIN or a SOA".to_owned();
                    self.findings.push(
                        Finding::new(&codes::NO_APEX, Place::at(file, 1, 1), &*key, message)
                            .see(pattern.place.clone(), "named here"),
                    );
                    continue;
                };
                let mut builder = ZoneBuilder::new(apex.clone());
                self.add_all(&text, &path, &apex, &mut builder);
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

    /// The text of a master file.
    fn text(&mut self, path: &Path, named: &Spanned<String>, key: &str) -> Option<String> {
        match self.files.read(path, LARGEST_DATA) {
            Ok(text) => {
                self.note_read(path);
                Some(text)
            }
            Err(error) => {
                self.findings.push(files::unreadable(path, &error, &named.place, key));
                None
            }
        }
    }

    /// Keeps a file's path for `watch`.
    fn note_read(&mut self, path: &Path) {
        if !self.read.iter().any(|own| own == path) {
            self.read.push(path.to_owned());
        }
    }

    /// Adds the entries of a master file and of what it includes, one by one; what cannot be read or added is told.
    fn add_all(&mut self, text: &str, path: &Path, apex: &Name, builder: &mut ZoneBuilder) {
        let main = files::shown(path);
        let mut jail = Jail::new(self.files, path);
        // At most one name a line, and no record is shorter than `a A 10.0.0.4`; what is not needed is given back.
        let lines = text.bytes().filter(|octet| *octet == b'\n').count();
        builder.reserve(lines.min(text.len() / 12));
        let mut findings = Vec::new();
        let mut more = 0_usize;
        let faults = master::read(text, Some(apex), &mut jail, &mut |entry| {
            let added = builder.add(entry.owner.as_ref(), entry.rtype, entry.ttl, &entry.rdata, entry.main_line);
            if let Err(fault) = added {
                if findings.len() < MOST_FAULTS {
                    let place = Place::at(entry.file.unwrap_or_else(|| Arc::clone(&main)), entry.line, 1);
                    findings.push(fault_finding(fault, place, "", &Name::from(entry.owner)));
                } else {
                    more += 1;
                }
            }
        });
        if let (1.., Some(last)) = (more, findings.last_mut()) {
            last.message.push_str(&format!(" (and {more} more faults behind it)"));
        }
        for fault in faults {
            let place = Place::at(fault.file.unwrap_or_else(|| Arc::clone(&main)), fault.line, 1);
            let row = if fault.include { &codes::BAD_INCLUDE } else { &codes::BAD_ENTRY };
            findings.push(Finding::new(row, place, "", fault.message));
        }
        self.findings.append(&mut findings);
        for path in jail.read {
            self.note_read(&path);
        }
    }
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
