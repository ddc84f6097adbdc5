//! The link of a private zone to a virtual network: who sees the zone, and whether names that it lacks go on to the
//! internet.

use super::json::{Node, segment_after, zone_id};
use super::{At, Draft};

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The id of the zone, lower-cased.
    pub zone: String,
    /// The id of the virtual network, lower-cased.
    pub vnet: String,
    /// Whether the resolution policy is `NxDomainRedirect`: fallback to the internet.
    pub fallback: bool,
    /// Where.
    pub at: At,
}

/// The zone of a link's id.
fn zone_of(item: Node<'_>) -> Option<String> {
    let id = item.text_of("id")?;
    segment_after(id, "virtualNetworkLinks")?;
    zone_id(id)
}

/// Whether an object is a link.
pub(super) fn is_one(item: Node<'_>) -> bool {
    zone_of(item).is_some()
}

/// Reads a link.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let (Some(zone), Some(vnet)) = (zone_of(item), item.reference("virtualNetwork")) else { return };
    let policy = item.text_of("resolutionPolicy");
    let fallback = policy.is_some_and(|policy| policy.eq_ignore_ascii_case("NxDomainRedirect"));
    draft.rest.links.push(Link { zone, vnet, fallback, at: item.at() });
}
