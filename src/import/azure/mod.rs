//! `hubdns import azure`: files of Azure's formats, joined by ids → endpoints, zones and a view for each virtual network.
//!
//! The order of truth where sources disagree is the loader's: network interface, zone group, custom DNS settings, record
//! set. Names are taken as they are; none is made up.

mod checks;
pub mod drift;
mod found;
mod unattached;
mod views;
mod zones;

use std::path::PathBuf;

use super::{Endpoint, Group, Options, Record, Tables};
use crate::config::Finding;
use crate::load::{self, Inventory, Origin};
use crate::zone::avd::{Clouds, Kind};
use found::Found;
pub(super) use found::by_names as kind_by_names;
use views::Views;
pub use views::{Member, ViewRule};

/// What is imported, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Which virtual networks make up which view.
    pub views: Vec<ViewRule>,
    /// The kind of endpoints whose data do not tell it.
    pub kind: Option<Kind>,
    /// Where the result is to stand; paths in it are relative to its folder.
    pub output: Option<PathBuf>,
    /// Whether it is made for [`drift`] alone: then nothing refers to a file.
    pub compared: bool,
    /// The rest.
    pub options: Options,
}

/// Reads, joins and checks. Findings may hold errors; the tables are then what is left.
pub fn read(request: &Request) -> (Tables, Vec<Finding>) {
    let mut findings = Vec::new();
    let clouds = Clouds::default();
    let mut inventory = load::inventory(&request.files, &mut findings);
    let zones = zones::take(&mut inventory, &clouds, &mut findings);
    unattached::name(&mut inventory, &clouds, &mut findings);
    let mut found = found::all(&inventory, request.kind, &clouds, &mut findings);
    let mut views = Views::new(&inventory, &found, &zones, request, &mut findings);
    checks::of_endpoints(&inventory, &found, &mut findings);
    if !request.options.no_views {
        checks::of_views(&inventory, &found, &views, &mut findings);
        let left_out = checks::conflicts(&found, &views, &mut findings);
        views.leave_out(&left_out);
    }
    inventory.add_pointers(&mut findings);
    let origins = origins(&inventory, &found, &zones);
    let tables = tables(request, &inventory, &mut found, &views, zones, origins, &mut findings);
    (tables, findings)
}

/// The comments that name the places of endpoints and zones, in step with both.
struct Origins {
    endpoints: Vec<Vec<String>>,
    zones: Vec<String>,
}

/// The most places of one file that are named.
const PLACES: usize = 2;

/// Comments of places: by file, the first few of each.
fn places(mut origins: Vec<Origin>) -> Vec<String> {
    origins.sort();
    origins.dedup();
    let mut comments = Vec::new();
    for of_file in origins.chunk_by(|one, other| one.file == other.file) {
        comments.extend(of_file.iter().take(PLACES).map(|own| format!("from {}{}", own.file, own.inside)));
        if let (Some(more @ 1..), Some(own)) = (of_file.len().checked_sub(PLACES), of_file.first()) {
            comments.push(format!("from {}, {more} more places", own.file));
        }
    }
    comments
}

/// Makes them in one go: a pointer costs a walk through its text.
fn origins(inventory: &Inventory, found: &[Found], zones: &[zones::ZoneFound]) -> Origins {
    let of_endpoint = |own: &Found| -> Vec<&crate::azure::At> {
        let endpoint = inventory.endpoints.get(own.index);
        endpoint.into_iter().flat_map(|endpoint| std::iter::once(&endpoint.at).chain(&endpoint.also)).collect()
    };
    let mut wanted = Vec::new();
    let counts: Vec<usize> = found
        .iter()
        .map(|own| {
            let at = of_endpoint(own);
            let count = at.len();
            wanted.extend(at);
            count
        })
        .collect();
    wanted.extend(zones.iter().map(|zone| &zone.at));
    let mut made = inventory.origins(&wanted).into_iter();
    let endpoints = counts.into_iter().map(|count| places(made.by_ref().take(count).collect()));
    let endpoints = endpoints.collect();
    Origins { endpoints, zones: made.map(|own| format!("from {}{}", own.file, own.inside)).collect() }
}

/// Everything in the order of the result: virtual networks by name, endpoints by kind and name, then zones, then views.
fn tables(
    request: &Request,
    inventory: &Inventory,
    found: &mut [Found],
    views: &Views,
    zones: Vec<zones::ZoneFound>,
    origins: Origins,
    findings: &mut Vec<Finding>,
) -> Tables {
    let mut files: Vec<String> = request.files.iter().map(|path| path.display().to_string()).collect();
    files.sort();
    let mut comments = vec![
        "Made by `hubdns import azure`: what is changed here is lost when it is made again.".to_owned(),
        "`hubdns import azure --check THIS-FILE …` tells whether Azure has changed since.".to_owned(),
    ];
    comments.extend(files.into_iter().map(|file| format!("from {file}")));
    let mut groups: Vec<Group> =
        views.networks().map(|network| Group { comments: network.heading(), ..Group::default() }).collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    let key = |index: &usize| found.get(*index).map(|own| (own.kind, own.name.clone()));
    order.sort_by_cached_key(key);
    let mut endpoints = origins.endpoints;
    for index in order {
        let (Some(own), Some(origin)) = (found.get_mut(index), endpoints.get_mut(index)) else { continue };
        let network = views.network_of(index);
        if let Some(group) = groups.get_mut(network) {
            group.endpoints.push(endpoint(own, inventory, std::mem::take(origin)));
        }
    }
    let mut zoned = Group { comments: vec!["Private zones".to_owned()], ..Group::default() };
    for (zone, origin) in zones.into_iter().zip(origins.zones) {
        zoned.zones.push(zone.into_table(origin, request, inventory, findings));
    }
    groups.retain(|group| !group.endpoints.is_empty());
    groups.extend((!zoned.zones.is_empty()).then_some(zoned));
    Tables {
        comments,
        head: request.options.head(),
        upstreams: Vec::new(),
        groups,
        views: if request.options.no_views { Vec::new() } else { views.tables(found) },
    }
}

/// One endpoint's table.
fn endpoint(own: &mut Found, inventory: &Inventory, origins: Vec<String>) -> Endpoint {
    let mut comments: Vec<String> = own.remarks.clone();
    comments.extend(origins);
    let records = std::mem::take(&mut own.records);
    Endpoint {
        comments,
        name: own.name.clone(),
        kind: own.kind,
        resource: own.resource.clone(),
        ttl: own.ttl,
        place: inventory.endpoints.get(own.index).map(|endpoint| inventory.place(&endpoint.at)),
        records: records
            .into_iter()
            .map(|record| Record {
                name: record.name,
                addresses: record.addresses,
                comment: None,
                place: Some(record.place),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
