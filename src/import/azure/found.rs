//! Endpoints with all that is known of them: name in our file, kind, resource, settled records.

use hashbrown::HashMap;

use crate::azure::{self, Resource, ResourceKind};
use crate::config::{Finding, codes};
use crate::import::names::Names;
use crate::load::{Inventory, SettledRecord};
use crate::wire::{Name, NameRef};
use crate::zone::avd::{Clouds, Kind, guid_of_label, guid_text};

/// The TTL of an endpoint's records where the file does not say otherwise, in seconds.
const DEFAULT_TTL: u32 = 10;

/// An endpoint.
#[derive(Debug)]
pub(super) struct Found {
    /// Its index in the inventory.
    pub(super) index: usize,
    /// Its name in our file.
    pub(super) name: String,
    /// What it is for.
    pub(super) kind: Kind,
    /// The id or GUID of its resource.
    pub(super) resource: Option<String>,
    /// The TTL of its records, where it is not the default.
    pub(super) ttl: Option<u32>,
    /// Its records, in order of name.
    pub(super) records: Vec<SettledRecord>,
    /// Comments.
    pub(super) remarks: Vec<String>,
}

/// All endpoints of an inventory that have names.
pub(super) fn all(
    inventory: &Inventory,
    default: Option<Kind>,
    clouds: &Clouds,
    findings: &mut Vec<Finding>,
) -> Vec<Found> {
    let known = Known::new(inventory, clouds);
    let mut order: Vec<usize> = (0..inventory.endpoints.len()).collect();
    // names that clash are told apart in an order of their own, whatever the order of the files
    let key = |index: &usize| inventory.endpoints.get(*index).map(|own| (own.name.clone(), own.id.clone()));
    order.sort_by_cached_key(key);
    let mut names = Names::default();
    let mut found = Vec::new();
    for index in order {
        let Some(own) = inventory.endpoints.get(index) else { continue };
        if own.records.is_empty() {
            continue; // told when it was read
        }
        let group = own.id.as_deref().and_then(|id| id.split("/resourcegroups/").nth(1)?.split('/').next());
        let name = names.take(&own.name, group.unwrap_or_default());
        let mut remarks = Vec::new();
        let Some(kind) = known.kind(own, &mut remarks).or(default) else {
            let message = format!("the kind of endpoint {:?} cannot be told from its data", own.name);
            findings.push(
                Finding::new(&codes::KIND_UNKNOWN, inventory.place(&own.at), "", message)
                    .hint("import its interface or the workspace or host pool too, or say --kind"),
            );
            continue;
        };
        let resource = known.resource(own, &mut remarks);
        let typed = azure::Endpoint { kind: Some(azure_kind(kind)), resource, ..own.clone() };
        let Some(settled) = inventory.settle(&typed, &name, clouds, findings) else { continue };
        let ttl = own.records.iter().filter_map(|record| record.ttl).min();
        let mut records = settled.records;
        records.sort_by(|one, other| one.name.cmp(&other.name));
        for record in &mut records {
            record.addresses.sort_unstable();
            record.addresses.dedup();
        }
        found.push(Found {
            index,
            name,
            kind: settled.kind,
            resource: settled.resource,
            ttl: ttl.filter(|ttl| *ttl != DEFAULT_TTL),
            records,
            remarks,
        });
    }
    found
}

/// Azure's word for a kind.
fn azure_kind(kind: Kind) -> azure::Kind {
    match kind {
        Kind::Global => azure::Kind::Global,
        Kind::Workspace => azure::Kind::Workspace,
        Kind::HostPool => azure::Kind::HostPool,
        Kind::Other => azure::Kind::Other,
    }
}

/// The GUID labels of an endpoint's AVD names, without repeats.
pub(super) fn guids(own: &azure::Endpoint, clouds: &Clouds) -> Vec<u128> {
    let mut guids = Vec::new();
    for name in own.records.iter().filter_map(|record| Name::from_presentation(&record.fqdn).ok()) {
        let guid = clouds.classify(name.as_ref()).and_then(|avd| avd.guid);
        guids.extend(guid.filter(|guid| guids.last() != Some(guid)));
    }
    guids.sort_unstable();
    guids.dedup();
    guids
}

/// What the files tell about resources.
struct Known<'i> {
    clouds: &'i Clouds,
    by_id: HashMap<&'i str, &'i Resource>,
    by_guid: HashMap<u128, &'i Resource>,
    /// By the id of an endpoint that it knows.
    by_endpoint: HashMap<&'i str, &'i Resource>,
    /// Ids of resources that one endpoint has, by the GUID in its names.
    ids: HashMap<u128, &'i str>,
}

impl<'i> Known<'i> {
    fn new(inventory: &'i Inventory, clouds: &'i Clouds) -> Self {
        let resources = &inventory.resources;
        let guid = |own: &Resource| guid_of_label(own.guid.as_deref()?.as_bytes());
        let by_endpoint = resources.iter().flat_map(|own| own.endpoints.iter().map(move |(id, _)| (&**id, own)));
        let mut ids = HashMap::new();
        for own in inventory.endpoints.iter() {
            if let (Some(id), [guid]) = (own.resource.as_deref(), &guids(own, clouds)[..]) {
                ids.entry(*guid).or_insert(id);
            }
        }
        Self {
            clouds,
            by_id: resources.iter().filter_map(|own| Some((own.id.as_deref()?, own))).collect(),
            by_guid: resources.iter().filter_map(|own| Some((guid(own)?, own))).collect(),
            by_endpoint: by_endpoint.collect(),
            ids,
        }
    }

    /// The workspace or host pool of an endpoint, where the files have it.
    fn object(&self, own: &azure::Endpoint) -> Option<&'i Resource> {
        let by_id = own.resource.as_deref().and_then(|id| self.by_id.get(id));
        let by_endpoint = || own.id.as_deref().and_then(|id| self.by_endpoint.get(id));
        let by_guid = || match &guids(own, self.clouds)[..] {
            [guid] => self.by_guid.get(guid),
            _ => None,
        };
        by_id.or_else(by_endpoint).or_else(by_guid).copied()
    }

    /// The kind: as the data say, by the object behind it, or by its names.
    fn kind(&self, own: &azure::Endpoint, remarks: &mut Vec<String>) -> Option<Kind> {
        if let Some(kind) = own.kind {
            return Some(match kind {
                azure::Kind::Global => Kind::Global,
                azure::Kind::Workspace => Kind::Workspace,
                azure::Kind::HostPool => Kind::HostPool,
                azure::Kind::Other => Kind::Other,
            });
        }
        let names: Vec<Name> = own.records.iter().filter_map(|own| Name::from_presentation(&own.fqdn).ok()).collect();
        let object = self.object(own).map(|object| object.kind);
        if object == Some(ResourceKind::HostPool) {
            return Some(Kind::HostPool);
        }
        let kind = by_names(&names, self.clouds);
        if object.is_none() && kind.is_some_and(|kind| kind != Kind::Other) {
            remarks.push("its kind is told by its names alone".to_owned());
        }
        kind.or(object.map(|_| Kind::Workspace))
    }

    /// The resource: its id where any file has it, else the GUID in its names.
    fn resource(&self, own: &azure::Endpoint, remarks: &mut Vec<String>) -> Option<String> {
        let object = self.object(own);
        if let Some(object) = object {
            let what = match object.kind {
                ResourceKind::Workspace => "workspace",
                ResourceKind::HostPool => "host pool",
            };
            let called = object.friendly_name.as_ref().map(|own| format!(" ({own})")).unwrap_or_default();
            let access = object.public_access.as_ref().map(|own| format!(", public access {own}"));
            remarks.push(format!("{what} {}{called}{}", object.name, access.unwrap_or_default()));
        }
        let id = own.resource.clone().or_else(|| object?.id.clone());
        let guids = guids(own, self.clouds);
        let guid = if let [guid] = guids[..] { Some(guid) } else { None };
        id.or_else(|| self.ids.get(&guid?).map(|id| (*id).to_owned())).or_else(|| guid.map(guid_text))
    }
}

/// The kind that names tell. AVD names with a GUID of which none is a host pool's are a workspace's: pools always have a
/// broker.
pub(in crate::import) fn by_names(names: &[Name], clouds: &Clouds) -> Option<Kind> {
    let avd = |name: &Name| clouds.classify(name.as_ref());
    if let Some(kind) = names.iter().find_map(|name| clouds.kind_by_name(name.as_ref())) {
        return Some(kind);
    }
    if names.iter().all(|name| avd(name).is_none()) {
        return Some(Kind::Other);
    }
    if names.iter().filter_map(avd).all(|avd| avd.guid.is_some()) {
        return Some(Kind::Workspace);
    }
    names.iter().all(|name| is_web(name.as_ref())).then_some(Kind::Global)
}

/// Whether a name without a GUID is one of discovery.
pub(super) fn is_web(name: NameRef<'_>) -> bool {
    name.first_label().starts_with(b"rdweb")
}
