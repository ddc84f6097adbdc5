//! The network interface of a private endpoint: the best source, since it lists name, address and
//! group in every DNS set-up (`az network nic show|list`).

use hashbrown::HashMap;

use super::json::{Node, last_segment};
use super::{Draft, Endpoint, Kind, MOST_ADDRESSES, Record, Source};

/// Reads an interface; that of a virtual machine has no private-link properties and is passed over.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
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
        let Some(address) = address.and_then(|node| draft.address(node)) else {
            continue;
        };
        for fqdn in link.list("fqdns") {
            let Some(name) = fqdn.text().filter(|name| !name.is_empty()) else {
                continue;
            };
            endpoint.records.push(Record::new(name, vec![address], Source::Interface, fqdn.at()));
        }
    }
    if !is_one {
        return;
    }
    if !join_addresses(&mut endpoint.records) {
        draft.too_many(item);
    }
    endpoint.interfaces.extend(item.id_of("id"));
    endpoint.id = item.reference("privateEndpoint");
    let own = item.text_of("name").unwrap_or_default();
    // the back link keeps the name's case; the id that is compared does not
    let back = item.field("privateEndpoint").and_then(|node| node.text_of("id").map(last_segment));
    endpoint.name = back.unwrap_or(own).to_owned();
    draft.add(endpoint);
}

/// Makes one record of a name that several configurations of an interface have; `false` where one has too many
/// addresses.
fn join_addresses(records: &mut Vec<Record>) -> bool {
    let mut joined: Vec<Record> = Vec::with_capacity(records.len());
    let mut by_name: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut fit = true;
    for record in records.drain(..) {
        let index = *by_name.entry(record.fqdn.to_ascii_lowercase()).or_insert(joined.len());
        match joined.get_mut(index) {
            Some(own) if own.addresses.len() >= MOST_ADDRESSES => fit = false,
            Some(own) => own.addresses.extend(record.addresses),
            None => joined.push(record),
        }
    }
    *records = joined;
    fit
}
