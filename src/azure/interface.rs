//! The network interface of a private endpoint: the best source, since it lists name, address and
//! group in every DNS set-up (`az network nic show|list`).

use super::json::{Node, last_segment};
use super::{Draft, Endpoint, Kind, Record, Source};

/// Reads an interface; that of a virtual machine has no private-link properties and is passed over.
pub(super) fn read(item: &Node<'_>, document: &mut Draft) {
    let mut endpoint = Endpoint::at(item);
    let mut is_one = item.field("privateEndpoint").is_some();
    for configuration in item.list("ipConfigurations") {
        endpoint.subnet = endpoint.subnet.take().or_else(|| configuration.reference("subnet"));
        let Some(link) = configuration.field("privateLinkConnectionProperties") else {
            continue;
        };
        is_one = true;
        if let Some(group) = link.text_of("groupId") {
            endpoint.kind = endpoint.kind.or(Some(Kind::of_group(group)));
        }
        // `privateIPAddress` and `privateIpAddress` both occur; keys are matched without case
        let address = configuration.field("privateIPAddress");
        let Some(address) = address.and_then(|node| document.address(&node)) else {
            continue;
        };
        for fqdn in link.list("fqdns") {
            let Some(name) = fqdn.text().filter(|name| !name.is_empty()) else {
                continue;
            };
            endpoint.records.push(Record {
                fqdn: name.to_owned(),
                addresses: vec![address],
                source: Source::Interface,
                at: fqdn.at(),
            });
        }
    }
    if !is_one {
        return;
    }
    join_addresses(&mut endpoint.records);
    endpoint.interfaces.extend(item.id_of("id"));
    endpoint.id = item.reference("privateEndpoint");
    let own = item.text_of("name").unwrap_or_default();
    // the back link keeps the name's case; the id that is compared does not
    let back = item.field("privateEndpoint").and_then(|node| node.text_of("id").map(last_segment));
    endpoint.name = back.unwrap_or(own).to_owned();
    document.add(endpoint);
}

/// Makes one record of a name that several configurations of an interface have.
fn join_addresses(records: &mut Vec<Record>) {
    let mut joined: Vec<Record> = Vec::with_capacity(records.len());
    for record in records.drain(..) {
        match joined.iter_mut().find(|own| own.fqdn.eq_ignore_ascii_case(&record.fqdn)) {
            Some(own) => own.addresses.extend(record.addresses),
            None => joined.push(record),
        }
    }
    *records = joined;
}
