//! The DNS zone group of an endpoint (`az network private-endpoint dns-zone-group show|list`): its
//! records under the private-link names.

use super::json::{Node, segment_after};
use super::{Draft, Endpoint, Record, Source};

/// Reads a group; the endpoint is in the group's own id.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    if let Some(id) = item.text_of("id") {
        let lower = id.to_ascii_lowercase();
        let end = lower.find("/privatednszonegroups/").unwrap_or(lower.len());
        endpoint.id = lower.get(..end).map(str::to_owned);
        endpoint.name = segment_after(id, "privateEndpoints").unwrap_or_default().to_owned();
    }
    for config in item.list("privateDnsZoneConfigs") {
        let zone = config.text_of("privateDnsZoneId");
        let zone = zone.and_then(|id| segment_after(id, "privateDnsZones"));
        for set in config.list("recordSets") {
            let kind = set.text_of("recordType").unwrap_or("A");
            if !kind.eq_ignore_ascii_case("A") && !kind.eq_ignore_ascii_case("AAAA") {
                continue;
            }
            let relative = set.text_of("recordSetName");
            let whole = set.text_of("fqdn").map(str::to_owned);
            let Some(fqdn) = whole.or_else(|| Some(format!("{}.{}", relative?, zone?))) else {
                continue;
            };
            let addresses = draft.addresses(set.field("ipAddresses"));
            if !addresses.is_empty() {
                let ttl = set.number_of("ttl");
                endpoint.records.push(Record { ttl, ..Record::new(&fqdn, addresses, Source::ZoneGroup, set.at()) });
            }
        }
    }
    draft.add(endpoint);
}
