//! Record sets of a private zone (`az network private-dns record-set list`).
//!
//! A set that an endpoint made says so in its metadata, so sets are put together by endpoint. Sets of other types than
//! addresses are kept beside them, for the zone that they make up.

use std::net::IpAddr;

use super::json::{Node, last_segment, segment_after, zone_id};
use super::{At, Draft, Endpoint, MOST_ADDRESSES, Record, Source};

/// A record set that holds no addresses; SOA and NS of an apex are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSet {
    /// The id of its zone, lower-cased.
    pub zone: String,
    /// Its owner, relative to the zone; `@` is the apex.
    pub owner: String,
    /// Its type.
    pub rtype: String,
    /// The target of a CNAME.
    pub target: Option<String>,
    /// The TTL in seconds, where it is told.
    pub ttl: Option<u32>,
    /// Where.
    pub at: At,
}

/// Whether an object is a record set: by its type or id.
pub(super) fn is_one(item: Node<'_>) -> bool {
    let of_zone = |text: &str| segment_after(text, "privateDnsZones").is_some();
    ["type", "id"].iter().filter_map(|key| item.text_of(key)).any(of_zone)
        || item.field("aRecords").is_some()
        || item.field("aaaaRecords").is_some()
}

/// Reads a set.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (list, key) in [("aRecords", "ipv4Address"), ("aaaaRecords", "ipv6Address")] {
        for record in item.list(list) {
            if addresses.len() == MOST_ADDRESSES {
                draft.too_many(item);
                break;
            }
            addresses.extend(record.field(key).and_then(|node| draft.address(node)));
        }
    }
    let zone = item.text_of("id").and_then(|id| segment_after(id, "privateDnsZones"));
    if addresses.is_empty() {
        other(item, draft);
        return;
    }
    let fqdn = item.text_of("fqdn").map(str::to_owned);
    let fqdn = fqdn.or_else(|| match item.text_of("name")? {
        "@" => Some(zone?.to_owned()),
        name => Some(format!("{name}.{}", zone?)),
    });
    let Some(fqdn) = fqdn else { return };
    let mut endpoint = Endpoint::at(item);
    if let Some(creator) = item.field("metadata").and_then(|metadata| metadata.text_of("creator")) {
        endpoint.name = endpoint_of(creator).unwrap_or_default().to_owned();
    }
    endpoint.records.push(Record {
        ttl: item.number_of("ttl"),
        zone: item.text_of("id").and_then(zone_id),
        ..Record::new(&fqdn, addresses, Source::RecordSet, item.at())
    });
    // sets that no endpoint made are one group without a name
    draft.add(endpoint);
}

/// Keeps a set of another type.
fn other(item: Node<'_>, draft: &mut Draft) {
    let (Some(zone), Some(owner)) = (item.text_of("id").and_then(zone_id), item.text_of("name")) else { return };
    let Some(rtype) = item.text_of("type").map(last_segment) else { return };
    if ["SOA", "NS", "A", "AAAA", "privateDnsZones"].iter().any(|own| rtype.eq_ignore_ascii_case(own)) {
        return; // made by the zone itself, empty, or the zone
    }
    let target = item.field("cnameRecord").and_then(|record| record.text_of("cname"));
    draft.rest.others.push(OtherSet {
        zone,
        owner: owner.to_owned(),
        rtype: rtype.to_ascii_uppercase(),
        target: target.map(str::to_owned),
        ttl: item.number_of("ttl"),
        at: item.at(),
    });
}

/// The endpoint in `created by private endpoint <name> with resource guid <guid>`.
fn endpoint_of(creator: &str) -> Option<&str> {
    let rest = creator.strip_prefix("created by private endpoint ")?;
    rest.split(" with resource guid").next().filter(|name| !name.is_empty())
}
