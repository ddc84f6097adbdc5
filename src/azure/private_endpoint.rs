//! A private endpoint (`az network private-endpoint show|list`) and flat rows of Resource Graph.
//!
//! `customDnsConfigs` has the public names, and is empty where a DNS zone group is attached.

use super::json::{Node, last_segment};
use super::{Draft, Endpoint, Kind, NoteKind, Record, Source};

/// Reads an endpoint.
pub(super) fn read(item: &Node<'_>, document: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    let id = item.text_of("id");
    endpoint.name = item.text_of("name").or(id.map(last_segment)).unwrap_or_default().to_owned();
    endpoint.id = id.map(str::to_ascii_lowercase);
    endpoint.subnet = item.reference("subnet");
    endpoint.interfaces = item.list("networkInterfaces").filter_map(|nic| nic.id_of("id")).collect();
    let connections =
        item.list("privateLinkServiceConnections").chain(item.list("manualPrivateLinkServiceConnections"));
    for connection in connections {
        read_connection(&connection, &mut endpoint, document);
    }
    for config in item.list("customDnsConfigs") {
        let Some(fqdn) = config.text_of("fqdn") else {
            continue;
        };
        let addresses = document.addresses(config.field("ipAddresses"));
        if !addresses.is_empty() {
            let record = Record { fqdn: fqdn.to_owned(), addresses, source: Source::CustomDns, at: config.at() };
            endpoint.records.push(record);
        }
    }
    document.add(endpoint);
}

/// Reads what a connection tells: the resource, the group, whether it is approved.
fn read_connection(connection: &Node<'_>, endpoint: &mut Endpoint, document: &mut Draft) {
    let resource = connection.id_of("privateLinkServiceId");
    let group = connection.list("groupIds").find_map(|group| group.text());
    endpoint.kind = endpoint.kind.or(kind_of(group, resource.as_deref()));
    endpoint.resource = endpoint.resource.take().or(resource);
    let state = connection.field("privateLinkServiceConnectionState");
    let Some(status) = state.as_ref().and_then(|state| state.text_of("status")) else {
        return;
    };
    let approved = status.eq_ignore_ascii_case("Approved");
    endpoint.approved = Some(endpoint.approved.unwrap_or(true) && approved);
    if !approved {
        let at = state.map(|state| state.at()).unwrap_or_default();
        let message = format!("the connection of {:?} is {status}, not Approved", endpoint.name);
        document.note(NoteKind::NotApproved, at, message);
    }
}

/// The kind by group id, or by the resource's type where there is none.
fn kind_of(group: Option<&str>, resource: Option<&str>) -> Option<Kind> {
    if let Some(group) = group {
        return Some(Kind::of_group(group));
    }
    let resource = resource?;
    if resource.contains("/microsoft.desktopvirtualization/hostpools/") {
        Some(Kind::HostPool)
    } else if resource.contains("/microsoft.desktopvirtualization/workspaces/") {
        None // global or feed: only the group id tells
    } else {
        Some(Kind::Other)
    }
}

/// Reads a flat row: `fqdn` with `ipAddress` or `ipAddresses`, and the endpoint's name if it is there.
pub(super) fn read_row(item: &Node<'_>, document: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    endpoint.name = item.text_of("name").unwrap_or_default().to_owned();
    endpoint.id = item.id_of("id");
    let one = item.field("ipAddress").and_then(|node| match node.text() {
        Some(_) => document.address(&node),
        None => None,
    });
    let mut addresses = document.addresses(item.field("ipAddresses"));
    addresses.extend(document.addresses(item.field("ipAddress")));
    addresses.extend(one);
    let Some(fqdn) = item.text_of("fqdn").filter(|_| !addresses.is_empty()) else {
        return;
    };
    endpoint.records.push(Record { fqdn: fqdn.to_owned(), addresses, source: Source::CustomDns, at: item.at() });
    document.add(endpoint);
}
