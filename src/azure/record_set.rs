//! Record sets of a private zone (`az network private-dns record-set list`).
//!
//! A set that an endpoint made says so in its metadata, so sets are put together by endpoint. Only
//! addresses are taken: other types belong to zones, which have a file of their own.

use std::net::IpAddr;

use super::json::{Node, segment_after};
use super::{Draft, Endpoint, Record, Source};

/// Whether an object is a record set: by its type or id.
pub(super) fn is_one(item: &Node<'_>) -> bool {
    let of_zone = |text: &str| {
        let kind = segment_after(text, "privateDnsZones");
        kind.is_some() && !text.to_ascii_lowercase().contains("/virtualnetworklinks")
    };
    ["type", "id"].iter().filter_map(|key| item.text_of(key)).any(of_zone)
        || item.field("aRecords").is_some()
        || item.field("aaaaRecords").is_some()
}

/// Reads a set.
pub(super) fn read(item: &Node<'_>, document: &mut Draft) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (list, key) in [("aRecords", "ipv4Address"), ("aaaaRecords", "ipv6Address")] {
        for record in item.list(list) {
            addresses.extend(record.field(key).and_then(|node| document.address(&node)));
        }
    }
    let zone = item.text_of("id").and_then(|id| segment_after(id, "privateDnsZones"));
    let fqdn = item.text_of("fqdn").map(|fqdn| fqdn.trim_end_matches('.').to_owned());
    let fqdn = fqdn.or_else(|| match item.text_of("name")? {
        "@" => Some(zone?.to_owned()),
        name => Some(format!("{name}.{}", zone?)),
    });
    let Some(fqdn) = fqdn.filter(|_| !addresses.is_empty()) else {
        return;
    };
    let mut endpoint = Endpoint::at(item);
    if let Some(creator) = item.field("metadata").and_then(|metadata| metadata.text_of("creator")) {
        endpoint.name = endpoint_of(creator).unwrap_or_default().to_owned();
    }
    let record = Record { fqdn, addresses, source: Source::RecordSet, at: item.at() };
    endpoint.records.push(record);
    // sets that no endpoint made are one group without a name
    document.add(endpoint);
}

/// The endpoint in `created by private endpoint <name> with resource guid <guid>`.
fn endpoint_of(creator: &str) -> Option<&str> {
    let rest = creator.strip_prefix("created by private endpoint ")?;
    rest.split(" with resource guid").next().filter(|name| !name.is_empty())
}
