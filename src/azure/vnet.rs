//! A virtual network (`az network vnet show|list`): its address space, its subnets, the DNS servers that its machines
//! are told.

use std::net::IpAddr;

use ipnet::IpNet;

use super::json::Node;
use super::{At, Draft};

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnet {
    /// Its name.
    pub name: String,
    /// Its id, lower-cased.
    pub id: Option<String>,
    /// Its address space.
    pub prefixes: Vec<IpNet>,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// The DNS servers of its machines; none: Azure's own.
    pub dns_servers: Vec<(IpAddr, At)>,
    /// Where.
    pub at: At,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id, lower-cased.
    pub id: String,
    /// Its prefixes.
    pub prefixes: Vec<IpNet>,
}

/// The id of the virtual network that a subnet is in.
pub fn vnet_of(subnet: &str) -> &str {
    subnet.split_once("/subnets/").map_or(subnet, |(vnet, _)| vnet)
}

/// Reads a virtual network.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let space = item.field("addressSpace");
    let prefixes = draft.prefixes(space.and_then(|space| space.field("addressPrefixes")));
    let mut subnets = Vec::new();
    for subnet in item.list("subnets") {
        let mut prefixes = draft.prefixes(subnet.field("addressPrefix"));
        prefixes.extend(draft.prefixes(subnet.field("addressPrefixes")));
        prefixes.dedup();
        subnets.extend(subnet.id_of("id").map(|id| Subnet { id, prefixes }));
    }
    let servers = item.field("dhcpOptions").into_iter().flat_map(|options| options.list("dnsServers"));
    let dns_servers = servers.filter_map(|server| Some((draft.address(server)?, server.at()))).collect();
    draft.rest.vnets.push(Vnet {
        name: item.text_of("name").unwrap_or_default().to_owned(),
        id: item.id_of("id"),
        prefixes,
        subnets,
        dns_servers,
        at: item.at(),
    });
}
