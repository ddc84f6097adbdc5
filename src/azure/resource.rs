//! Workspaces and host pools (`az desktopvirtualization workspace|hostpool show|list`): the GUID in their names, what
//! their public access is, which endpoints they know.

use super::json::Node;
use super::{At, Draft};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Its endpoints are `global` and `feed`.
    Workspace,
    /// Its endpoints are `connection`.
    HostPool,
}

/// A workspace or host pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its id, lower-cased.
    pub id: Option<String>,
    /// Which of the two.
    pub kind: ResourceKind,
    /// `objectId`, lower-cased: the GUID label of its names.
    pub guid: Option<String>,
    /// What people call it.
    pub friendly_name: Option<String>,
    /// `publicNetworkAccess`, as written.
    pub public_access: Option<String>,
    /// Whether a workspace has application groups: then it serves a feed.
    pub serves_feed: bool,
    /// The ids of the private endpoints that it knows, lower-cased, and whether each is approved.
    pub endpoints: Vec<(String, bool)>,
    /// Where.
    pub at: At,
}

/// Which of the two an object is: by its type, or by its id where it has none.
fn kind_of(item: Node<'_>) -> Option<ResourceKind> {
    let by = |text: &str, is_id: bool| {
        let lower = text.to_ascii_lowercase();
        let (_, rest) = lower.split_once("microsoft.desktopvirtualization/")?;
        let mut segments = rest.split('/');
        let kind = match segments.next()? {
            "workspaces" => ResourceKind::Workspace,
            "hostpools" => ResourceKind::HostPool,
            _ => return None,
        };
        // what lies below a host pool is none
        (segments.count() == usize::from(is_id)).then_some(kind)
    };
    match item.text_of("type") {
        Some(text) => by(text, false),
        None => by(item.text_of("id")?, true),
    }
}

/// Whether an object is one.
pub(super) fn is_one(item: Node<'_>) -> bool {
    kind_of(item).is_some()
}

/// Reads one.
pub(super) fn read(item: Node<'_>, draft: &mut Draft) {
    let Some(kind) = kind_of(item) else { return };
    let endpoints = item.list("privateEndpointConnections").filter_map(|connection| {
        let id = connection.reference("privateEndpoint")?;
        let state = connection.field("privateLinkServiceConnectionState");
        let status = state.and_then(|state| state.text_of("status"));
        Some((id, status.is_none_or(|status| status.eq_ignore_ascii_case("Approved"))))
    });
    draft.rest.resources.push(Resource {
        name: item.text_of("name").unwrap_or_default().to_owned(),
        id: item.id_of("id"),
        kind,
        guid: item.id_of("objectId"),
        friendly_name: item.text_of("friendlyName").map(str::to_owned),
        public_access: item.text_of("publicNetworkAccess").map(str::to_owned),
        serves_feed: item.list("applicationGroupReferences").next().is_some(),
        endpoints: endpoints.collect(),
        at: item.at(),
    });
}
