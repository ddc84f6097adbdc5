//! A private endpoint (`az network private-endpoint show|list`) and flat rows of Resource Graph.
//!
//! `customDnsConfigs` has the public names, and is empty where a DNS zone group is attached.

use super::json::{Node, last_segment};
use super::{Draft, Endpoint, Kind, NoteKind, Record, Source};

/// Reads an endpoint.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    let connections =
        || item.list("privateLinkServiceConnections").chain(item.list("manualPrivateLinkServiceConnections"));
    // a deployment's output has no id, but its connections have: they lie below the endpoint's
    let below = || connections().find_map(|connection| own_id(connection.text_of("id")?));
    let id = item.text_of("id").or_else(below);
    endpoint.name = item.text_of("name").or(id.map(last_segment)).unwrap_or_default().to_owned();
    endpoint.id = id.map(str::to_ascii_lowercase);
    endpoint.subnet = item.reference("subnet");
    endpoint.interfaces = item.list("networkInterfaces").filter_map(|nic| nic.id_of("id")).collect();
    for connection in connections() {
        read_connection(connection, &mut endpoint, draft);
    }
    for config in item.list("customDnsConfigs") {
        let Some(fqdn) = config.text_of("fqdn") else {
            continue;
        };
        let addresses = draft.addresses(config.field("ipAddresses"));
        if !addresses.is_empty() {
            endpoint.records.push(Record::new(fqdn, addresses, Source::CustomDns, config.at()));
        }
    }
    draft.add(endpoint);
}

/// The head of a connection's id that is the endpoint's.
fn own_id(connection: &str) -> Option<&str> {
    let lower = connection.to_ascii_lowercase();
    let marks = ["/privatelinkserviceconnections/", "/manualprivatelinkserviceconnections/"];
    let end = marks.iter().find_map(|mark| lower.find(mark))?;
    connection.get(..end).filter(|head| !head.is_empty())
}

/// Reads what a connection tells: the resource, the group, whether it is approved.
fn read_connection(connection: Node<'_>, endpoint: &mut Endpoint, draft: &mut Draft) {
    let resource = connection.id_of("privateLinkServiceId");
    let group = connection.list("groupIds").find_map(|group| group.text());
    endpoint.kind = endpoint.kind.or(kind_of(group, resource.as_deref()));
    endpoint.resource = endpoint.resource.take().or(resource);
    let state = connection.field("privateLinkServiceConnectionState");
    let Some(status) = state.and_then(|state| state.text_of("status")) else {
        return;
    };
    let approved = status.eq_ignore_ascii_case("Approved");
    endpoint.approved = Some(endpoint.approved.unwrap_or(true) && approved);
    if !approved {
        let at = state.map(|state| state.at()).unwrap_or_default();
        let message = format!("the connection of {:?} is {status}, not Approved", endpoint.name);
        draft.note(NoteKind::NotApproved, at, message);
    }
}

/// The kind by group id, or by the resource's type where there is none.
pub(super) fn kind_of(group: Option<&str>, resource: Option<&str>) -> Option<Kind> {
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
pub(super) fn read_row(item: Node<'_>, draft: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    endpoint.name = item.text_of("name").unwrap_or_default().to_owned();
    endpoint.id = item.id_of("id");
    let one = item.field("ipAddress").and_then(|node| match node.text() {
        Some(_) => draft.address(node),
        None => None,
    });
    let mut addresses = draft.addresses(item.field("ipAddresses"));
    addresses.extend(draft.addresses(item.field("ipAddress")));
    addresses.extend(one);
    let Some(fqdn) = item.text_of("fqdn").filter(|_| !addresses.is_empty()) else {
        return;
    };
    endpoint.records.push(Record::new(fqdn, addresses, Source::CustomDns, item.at()));
    draft.add(endpoint);
}
