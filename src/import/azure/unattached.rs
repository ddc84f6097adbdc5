//! Records of AVD zones that no endpoint is known for: one endpoint for each resource, told by the GUID label.

use std::collections::BTreeMap;

use super::found::{by_names, is_web};
use crate::azure::{self, Record};
use crate::config::{Finding, codes};
use crate::load::Inventory;
use crate::wire::Name;
use crate::zone::avd::{Clouds, Kind, guid_text};

/// Turns the group without a name into endpoints with names. What has neither GUID nor the names of discovery is told
/// and left out.
pub(super) fn name(inventory: &mut Inventory, clouds: &Clouds, findings: &mut Vec<Finding>) {
    let Some(at) = inventory.endpoints.iter().position(|own| own.name.is_empty() && own.id.is_none()) else { return };
    let group = inventory.endpoints.remove(at);
    // by the zone's id as well: two zones of one name are two sets of endpoints
    let mut groups: BTreeMap<(Option<String>, Option<u128>), Vec<Record>> = BTreeMap::new();
    let mut left = Vec::new();
    for record in group.records {
        let name = Name::from_presentation(record.fqdn.strip_prefix("*.").unwrap_or(&record.fqdn)).ok();
        let guid = name.as_ref().and_then(|name| clouds.classify(name.as_ref())).map(|avd| avd.guid);
        match (guid, name) {
            (Some(Some(guid)), _) => groups.entry((record.zone.clone(), Some(guid))).or_default().push(record),
            (Some(None), Some(name)) if is_web(name.as_ref()) => {
                groups.entry((record.zone.clone(), None)).or_default().push(record);
            }
            _ => left.push(record),
        }
    }
    let told: Vec<&Record> = groups.values().flatten().collect();
    if let Some(first) = told.first() {
        let message = format!("{} names belong to no endpoint of these files, {} the first", told.len(), first.fqdn);
        findings.push(
            Finding::new(&codes::WITHOUT_ENDPOINT, inventory.place(&first.at), "", message)
                .hint("they become endpoints by the GUID in them; import the network interfaces too"),
        );
    }
    if let Some(first) = left.first() {
        let message = format!(
            "{} names belong to no endpoint of these files and are left out, {} the first",
            left.len(),
            first.fqdn
        );
        findings.push(
            Finding::new(&codes::WITHOUT_ENDPOINT, inventory.place(&first.at), "", message)
                .hint("import the network interfaces too"),
        );
    }
    for ((_, guid), records) in groups {
        let names: Vec<Name> = records.iter().filter_map(|own| Name::from_presentation(&own.fqdn).ok()).collect();
        let kind = by_names(&names, clouds).unwrap_or(Kind::Global).word();
        let name = match guid {
            Some(guid) => format!("{kind}-{}", guid_text(guid).get(..8).unwrap_or_default()),
            None => "discovery".to_owned(),
        };
        let Some(at) = records.first().map(|own| own.at.clone()) else { continue };
        inventory.endpoints.push(azure::Endpoint { name, ..azure::Endpoint::nameless(records, at) });
    }
}
