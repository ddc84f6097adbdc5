//! Private zones other than AVD's: exports, and record sets that no endpoint has by a better source.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::Request;
use crate::azure::{At, Record, Source};
use crate::config::{Finding, codes};
use crate::import::names::Names;
use crate::import::{Data, Zone, ZoneContent};
use crate::load::{Inventory, ZoneData, ZoneRecord};
use crate::wire::Name;
use crate::zone::avd::Clouds;

/// The TTL of a zone's records where the file does not say otherwise, in seconds.
const DEFAULT_TTL: u32 = 300;

/// A zone.
#[derive(Debug)]
pub(super) struct ZoneFound {
    /// Its name in our file.
    pub(super) name: String,
    /// Its id, or its apex where no id is known.
    pub(super) id: String,
    /// Its apex.
    pub(super) apex: String,
    /// Its file, where it is an export.
    file: Option<PathBuf>,
    /// Its records.
    records: Vec<ZoneRecord>,
    /// Whether all its links say that names it lacks go on to the internet.
    pub(super) forward: bool,
    /// Where it begins.
    pub(super) at: At,
}

/// What an owner has.
struct Owner {
    addresses: BTreeSet<IpAddr>,
    alias: Option<String>,
    at: At,
}

impl Owner {
    fn at(at: At) -> Self {
        Self { addresses: BTreeSet::new(), alias: None, at }
    }
}

/// Takes the zones out of an inventory, in order of apex.
pub(super) fn take(inventory: &mut Inventory, clouds: &Clouds, findings: &mut Vec<Finding>) -> Vec<ZoneFound> {
    let is_avd = |fqdn: &str| {
        let name = Name::from_presentation(fqdn.strip_prefix("*.").unwrap_or(fqdn));
        name.is_ok_and(|name| clouds.classify(name.as_ref()).is_some())
    };
    let mut sets: BTreeMap<String, Vec<ZoneRecord>> = BTreeMap::new();
    let mut add = |record: &Record| {
        let Some(zone) = &record.zone else { return };
        let apex = apex_of(zone);
        let fqdn = record.fqdn.to_ascii_lowercase();
        let owner = match fqdn.strip_suffix(apex).map(|head| head.trim_end_matches('.')) {
            Some("") => "@".to_owned(),
            Some(head) => head.to_owned(),
            None => format!("{fqdn}."),
        };
        let own = record.addresses.iter().map(|address| ZoneRecord {
            owner: owner.clone(),
            ttl: record.ttl,
            data: ZoneData::Address(*address),
            at: record.at.clone(),
        });
        sets.entry(zone.clone()).or_default().extend(own);
    };
    for endpoint in &mut inventory.endpoints {
        let of_zone = |own: &Record| own.source == Source::RecordSet && own.zone.is_some() && !is_avd(&own.fqdn);
        let nameless = endpoint.name.is_empty() && endpoint.id.is_none();
        // an endpoint that is known by its record sets alone is the zone's matter too
        if nameless || endpoint.records.iter().all(of_zone) {
            endpoint.records.retain(|own| {
                let goes = of_zone(own);
                if goes {
                    add(own);
                }
                !goes
            });
        }
    }
    inventory.endpoints.retain(|own| !own.records.is_empty() || own.kind.is_some() || own.id.is_some());
    let is_suffix = |apex: &str| is_avd(&format!("x.{apex}"));
    for other in inventory.others.iter().filter(|other| !is_suffix(apex_of(&other.zone))) {
        let data = match &other.target {
            Some(target) => ZoneData::Alias(target.trim_end_matches('.').to_owned()),
            None => ZoneData::Other(other.rtype.clone()),
        };
        let record = ZoneRecord { owner: other.owner.clone(), ttl: other.ttl, data, at: other.at.clone() };
        sets.entry(other.zone.clone()).or_default().push(record);
    }
    let mut zones: Vec<ZoneFound> = Vec::new();
    for zone in std::mem::take(&mut inventory.zones) {
        zones.push(ZoneFound {
            name: String::new(),
            id: zone.apex.clone(),
            apex: zone.apex,
            file: Some(zone.path),
            records: zone.records,
            forward: false,
            at: zone.at,
        });
    }
    for (id, records) in sets {
        let Some(at) = records.first().map(|own| own.at.clone()) else { continue };
        let apex = apex_of(&id).to_owned();
        // an export is whole, a list of record sets need not be
        if let Some(export) = zones.iter().find(|own| own.apex == apex && own.file.is_some()) {
            let file = export.file.as_deref().unwrap_or(Path::new("")).display();
            let message = format!("the record sets of {apex} are not used: its export {file} is");
            findings.push(Finding::new(&codes::NOT_CARRIED_OVER, inventory.place(&at), "", message));
            continue;
        }
        zones.push(ZoneFound { name: String::new(), apex, id, file: None, records, forward: false, at });
    }
    zones.sort_by(|one, other| (&one.apex, &one.id, &one.file).cmp(&(&other.apex, &other.id, &other.file)));
    let mut names = Names::default();
    for zone in &mut zones {
        zone.name = names.take(&zone.apex, "");
        let mut links = inventory.links.iter().filter(|link| apex_of(&link.zone) == zone.apex).peekable();
        zone.forward = links.peek().is_some() && links.all(|link| link.fallback);
    }
    zones
}

/// The apex in a zone's id.
pub(super) fn apex_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

impl ZoneFound {
    /// Its table. Records are written inline where that loses nothing, else the export is named; what neither can hold
    /// is told.
    pub(super) fn into_table(
        mut self,
        origin: String,
        request: &Request,
        inventory: &Inventory,
        findings: &mut Vec<Finding>,
    ) -> Zone {
        let mut comments = vec![origin];
        let ttls = || self.records.iter().map(|record| record.ttl.unwrap_or(DEFAULT_TTL));
        let least = ttls().min();
        let is_other = |record: &ZoneRecord| matches!(record.data, ZoneData::Other(_));
        let whole = ttls().max() == least && !self.records.iter().any(is_other);
        let place = Some(inventory.place(&self.at));
        let lossy = (!whole || self.records.is_empty()) && !request.compared;
        if let Some(file) = self.file.take().filter(|_| lossy) {
            let content = ZoneContent::File(beside(&file, request.output.as_deref()));
            let Self { name, apex, forward, .. } = self;
            return Zone { comments, name, apex, content, ttl: None, forward, place };
        }
        for record in self.records.iter().filter(|own| is_other(own) && !request.compared) {
            let ZoneData::Other(rtype) = &record.data else { continue };
            let message = format!("the {rtype} records of {} in {} are not carried over", record.owner, self.apex);
            comments.push(message.clone());
            findings.push(
                Finding::new(&codes::NOT_CARRIED_OVER, inventory.place(&record.at), "", message)
                    .hint("export the zone as a file instead: az network private-dns zone export"),
            );
        }
        let mut owners: BTreeMap<String, Owner> = BTreeMap::new();
        for record in self.records {
            let owner = owners.entry(record.owner.clone()).or_insert_with(|| Owner::at(record.at.clone()));
            match record.data {
                ZoneData::Address(address) => drop(owner.addresses.insert(address)),
                ZoneData::Alias(target) => owner.alias = Some(target),
                ZoneData::Other(_) => continue,
            }
            if owner.alias.is_some() && !owner.addresses.is_empty() {
                let message = format!("{} in {} has an alias beside addresses", record.owner, self.apex);
                findings.push(Finding::new(&codes::CNAME_BESIDE_DATA, inventory.place(&record.at), "", message));
            }
        }
        let records = owners.into_iter().filter_map(|(name, owner)| {
            let place = Some(inventory.place(&owner.at));
            let addresses = || Data::Addresses(owner.addresses.into_iter().collect());
            match owner.alias {
                Some(target) => Some((name, Data::Alias(target), place)),
                None => Some(addresses())
                    .filter(|data| *data != Data::Addresses(Vec::new()))
                    .map(|data| (name, data, place)),
            }
        });
        let records = records.collect();
        Zone {
            comments,
            name: self.name,
            apex: self.apex,
            content: ZoneContent::Records(records),
            ttl: least.filter(|ttl| *ttl != DEFAULT_TTL),
            forward: self.forward,
            place,
        }
    }
}

/// A file as the result names it: relative to the result's folder where it lies below that, else whole.
fn beside(file: &Path, output: Option<&Path>) -> String {
    let Some(folder) = output.map(|output| output.parent().unwrap_or(Path::new(""))) else {
        return file.display().to_string();
    };
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (file, folder) = (whole(file), whole(folder));
    file.strip_prefix(&folder).unwrap_or(&file).display().to_string()
}
