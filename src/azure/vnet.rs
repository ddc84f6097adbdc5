//! A virtual network (`az network vnet show|list`): its address space.

use super::json::Node;
use super::{Draft, NoteKind, Vnet};

/// Reads a virtual network.
pub(super) fn read(item: &Node<'_>, document: &mut Draft) {
    let mut prefixes = Vec::new();
    for prefix in item.field("addressSpace").iter().flat_map(|space| space.list("addressPrefixes")) {
        let Some(text) = prefix.text() else { continue };
        match text.parse::<ipnet::IpNet>() {
            Ok(net) => prefixes.push(net.trunc()),
            Err(_) => {
                let message = format!("{text:?} is not a network prefix");
                document.note(NoteKind::BadValue, prefix.at(), message);
            }
        }
    }
    document.vnets.push(Vnet {
        name: item.text_of("name").unwrap_or_default().to_owned(),
        id: item.id_of("id"),
        prefixes,
        at: item.at(),
    });
}
