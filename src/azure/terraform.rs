//! What `terraform show -json` prints of a state: private endpoints and the A records of private zones, in the words of
//! the azurerm provider.

use super::json::{Node, last_segment, segment_after};
use super::private_endpoint::kind_of;
use super::{Draft, Endpoint, Record, Source};

/// Reads a state; `false` when it is none. A state without anything that concerns us is still one.
pub(super) fn read(root: Node<'_>, draft: &mut Draft) -> bool {
    let Some(module) = root.get("values").and_then(|values| values.get("root_module")) else { return false };
    read_module(module, draft);
    true
}

/// Reads a module and those below it; the depth of the text bounds it.
fn read_module(module: Node<'_>, draft: &mut Draft) {
    for resource in module.list("resources") {
        let Some(values) = resource.get("values") else { continue };
        match resource.text_of("type") {
            Some("azurerm_private_endpoint") => read_endpoint(values, draft),
            Some("azurerm_private_dns_a_record") => read_record(values, draft),
            _ => {}
        }
    }
    for child in module.list("child_modules") {
        read_module(child, draft);
    }
}

/// An `azurerm_private_endpoint`. `private_ip_address` of its connection is one of several and is not read.
fn read_endpoint(values: Node<'_>, draft: &mut Draft) {
    let mut endpoint = Endpoint::at(values);
    let id = values.text_of("id");
    endpoint.name = values.text_of("name").or(id.map(last_segment)).unwrap_or_default().to_owned();
    endpoint.id = id.map(str::to_ascii_lowercase);
    endpoint.subnet = values.id_of("subnet_id");
    endpoint.interfaces = values.list("network_interface").filter_map(|own| own.id_of("id")).collect();
    for connection in values.list("private_service_connection") {
        let resource = connection.id_of("private_connection_resource_id");
        let group = connection.list("subresource_names").find_map(|group| group.text());
        endpoint.kind = endpoint.kind.or(kind_of(group, resource.as_deref()));
        endpoint.resource = endpoint.resource.take().or(resource);
    }
    for config in values.list("custom_dns_configs") {
        let addresses = draft.addresses(config.field("ip_addresses"));
        if let (Some(fqdn), false) = (config.text_of("fqdn"), addresses.is_empty()) {
            endpoint.records.push(Record::new(fqdn, addresses, Source::CustomDns, config.at()));
        }
    }
    for config in values.list("private_dns_zone_configs") {
        let zone = config.text_of("private_dns_zone_id").and_then(|id| segment_after(id, "privateDnsZones"));
        for set in config.list("record_sets") {
            if !matches!(set.text_of("type"), None | Some("A" | "AAAA")) {
                continue;
            }
            let addresses = draft.addresses(set.field("ip_addresses"));
            let below = || Some(format!("{}.{}", set.text_of("name")?, zone?));
            let fqdn = set.text_of("fqdn").map(str::to_owned).or_else(below);
            if let (Some(fqdn), false) = (fqdn, addresses.is_empty()) {
                let ttl = set.number_of("ttl");
                endpoint.records.push(Record { ttl, ..Record::new(&fqdn, addresses, Source::ZoneGroup, set.at()) });
            }
        }
    }
    draft.add(endpoint);
}

/// An `azurerm_private_dns_a_record`.
fn read_record(values: Node<'_>, draft: &mut Draft) {
    let addresses = draft.addresses(values.field("records"));
    let (Some(name), Some(zone)) = (values.text_of("name"), values.text_of("zone_name")) else { return };
    if addresses.is_empty() {
        return;
    }
    let fqdn = if name == "@" { zone.to_owned() } else { format!("{name}.{zone}") };
    let mut endpoint = Endpoint::at(values);
    endpoint.records.push(Record {
        ttl: values.number_of("ttl"),
        zone: Some(zone.to_ascii_lowercase()),
        ..Record::new(&fqdn, addresses, Source::RecordSet, values.at())
    });
    draft.add(endpoint);
}
