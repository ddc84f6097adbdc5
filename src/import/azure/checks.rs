//! What the files together show to be wrong: feeds that stay public, routes that a resource denies, addresses outside
//! their subnet, endpoints that overwrite each other (the checks of the loader's lints are not repeated here).

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::found::Found;
use super::views::{ViewFound, Views};
use crate::azure::{Resource, ResourceKind};
use crate::config::{Finding, codes};
use crate::load::Inventory;
use crate::zone::avd::Kind;

/// The checks of endpoints and resources.
pub(super) fn of_endpoints(inventory: &Inventory, found: &[Found], findings: &mut Vec<Finding>) {
    let known: HashSet<&str> = inventory.endpoints.iter().filter_map(|own| own.id.as_deref()).collect();
    for resource in &inventory.resources {
        elsewhere(inventory, resource, &known, findings);
        placeholder(inventory, found, resource, findings);
    }
    outside_subnet(inventory, found, findings);
}

/// The checks of views but [`conflicts`].
pub(super) fn of_views(inventory: &Inventory, found: &[Found], views: &Views, findings: &mut Vec<Finding>) {
    for view in &views.views {
        no_feed(inventory, found, view, findings);
    }
    denied(inventory, found, views, findings);
}

/// The endpoints of a view.
fn of<'f>(view: &ViewFound, found: &'f [Found]) -> Vec<&'f Found> {
    view.endpoints.iter().filter_map(|index| found.get(*index)).collect()
}

/// A view with private discovery or connections whose feed stays public.
fn no_feed(inventory: &Inventory, found: &[Found], view: &ViewFound, findings: &mut Vec<Finding>) {
    let own = of(view, found);
    let of_kind = |kind| own.iter().find(|own| own.kind == kind);
    if of_kind(Kind::Workspace).is_some() {
        return;
    }
    let Some(other) = of_kind(Kind::Global).or(of_kind(Kind::HostPool)) else { return };
    let Some(at) = inventory.endpoints.get(other.index).map(|own| &own.at) else { return };
    let message = format!(
        "view {:?} has the {} endpoint {:?} and no workspace endpoint: feed download stays public there",
        view.name, other.kind, other.name
    );
    findings.push(
        Finding::new(&codes::NO_FEED, inventory.place(at), "", message)
            .hint("as meant for session hosts, and where only connections are private; else add the feed's endpoint"),
    );
}

/// Resources without public access that views have no endpoint of; the first three views are named.
fn denied(inventory: &Inventory, found: &[Found], views: &Views, findings: &mut Vec<Finding>) {
    let held: Vec<(&str, HashSet<(Kind, &str)>)> = views
        .views
        .iter()
        .filter(|view| !view.endpoints.is_empty())
        .map(|view| {
            let own = of(view, found);
            let held = own.iter().filter_map(|own| Some((own.kind, own.resource.as_deref()?))).collect();
            (&*view.name, held)
        })
        .collect();
    for resource in &inventory.resources {
        let closed = resource.public_access.as_deref().is_some_and(|own| own.eq_ignore_ascii_case("Disabled"));
        let serves = resource.kind == ResourceKind::HostPool || resource.serves_feed;
        if !closed || !serves {
            continue;
        }
        let kind = match resource.kind {
            ResourceKind::Workspace => Kind::Workspace,
            ResourceKind::HostPool => Kind::HostPool,
        };
        let ids = || [&resource.id, &resource.guid].into_iter().flatten();
        let lacking = held.iter().filter(|(_, held)| !ids().any(|id| held.contains(&(kind, &**id))));
        let lacking: Vec<String> = lacking.take(3).map(|(view, _)| format!("{view:?}")).collect();
        if lacking.is_empty() {
            continue;
        }
        let message = format!(
            "{kind} {:?} denies public access and has no endpoint in view {}: clients there get a public address that fails",
            resource.name,
            lacking.join(", ")
        );
        findings.push(
            Finding::new(&codes::ACCESS_DENIED, inventory.place(&resource.at), "", message)
                .hint("give the view's networks a private endpoint, or allow public access"),
        );
    }
}

/// Whether an endpoint leads to a resource.
fn is_of(own: &Found, resource: &Resource) -> bool {
    own.resource.is_some() && (own.resource == resource.id || own.resource == resource.guid)
}

/// Endpoints that a resource knows and the files lack.
fn elsewhere(inventory: &Inventory, resource: &Resource, known: &HashSet<&str>, findings: &mut Vec<Finding>) {
    if known.is_empty() {
        return; // the files have no ids at all
    }
    for (id, approved) in &resource.endpoints {
        if known.contains(&**id) || !approved {
            continue;
        }
        let message = format!("{:?} has the private endpoint {id}, which none of these files has", resource.name);
        findings.push(Finding::new(&codes::ENDPOINT_ELSEWHERE, inventory.place(&resource.at), "", message));
    }
}

/// The global endpoint on a workspace that serves a feed.
fn placeholder(inventory: &Inventory, found: &[Found], resource: &Resource, findings: &mut Vec<Finding>) {
    let global = found.iter().find(|own| own.kind == Kind::Global && is_of(own, resource));
    let feed = found.iter().any(|own| own.kind == Kind::Workspace && is_of(own, resource));
    // with a feed endpoint too the loader says so
    let Some(global) = global.filter(|_| resource.serves_feed && !feed) else { return };
    let message =
        format!("global endpoint {:?} is on workspace {:?}, which has applications", global.name, resource.name);
    findings.push(
        Finding::new(&codes::GLOBAL_WITH_FEED, inventory.place(&resource.at), "", message)
            .hint("put it on a placeholder workspace: deleting it stops all discovery"),
    );
}

/// Addresses outside the subnet of their endpoint, where the subnet is known.
fn outside_subnet(inventory: &Inventory, found: &[Found], findings: &mut Vec<Finding>) {
    let subnets: HashMap<&str, &[ipnet::IpNet]> = inventory
        .vnets
        .iter()
        .flat_map(|vnet| &vnet.subnets)
        .filter(|subnet| !subnet.prefixes.is_empty())
        .map(|subnet| (&*subnet.id, &*subnet.prefixes))
        .collect();
    for own in found {
        let Some(id) = inventory.endpoints.get(own.index).and_then(|endpoint| endpoint.subnet.as_deref()) else {
            continue;
        };
        let Some(prefixes) = subnets.get(id) else { continue };
        for record in &own.records {
            let outside = |address: &&IpAddr| !prefixes.iter().any(|net| net.contains(*address));
            let Some(address) = record.addresses.iter().find(outside) else { continue };
            let message = format!("{} has {address}, which is outside the subnet of {:?}", record.name, own.name);
            findings.push(
                Finding::new(&codes::OUTSIDE_SUBNET, record.place.clone(), "", message)
                    .hint("the data are old or of another endpoint: export both again"),
            );
            break;
        }
    }
}

/// Endpoints that cannot be in one view: a second global one, and those that give a name other addresses. Returns
/// those that have to be left out: view, endpoint, why.
pub(super) fn conflicts(found: &[Found], views: &Views, findings: &mut Vec<Finding>) -> Vec<(usize, usize, String)> {
    let mut left_out = Vec::new();
    for (number, view) in views.views.iter().enumerate() {
        let mut global: Option<&Found> = None;
        let mut names: HashMap<&str, (&Found, usize)> = HashMap::new();
        for &index in &view.endpoints {
            let Some(own) = found.get(index) else { continue };
            if own.kind == Kind::Global {
                if let Some(first) = global {
                    let message =
                        format!("view {:?} has two global endpoints: {:?} and {:?}", view.name, first.name, own.name);
                    if let (Some(here), Some(there)) = (own.records.first(), first.records.first()) {
                        findings.push(
                            Finding::new(&codes::TWO_GLOBALS, here.place.clone(), "", &*message)
                                .see(there.place.clone(), "the first")
                                .hint(
                                    "the global names are shared: keep one endpoint a view (--view takes them apart)",
                                ),
                        );
                    }
                    left_out.push((number, index, message));
                    continue;
                }
                global = Some(own);
            }
            let clash = own.records.iter().find_map(|record| {
                let (first, at) = names.get(&*record.name)?;
                let other = first.records.get(*at).filter(|other| other.addresses != record.addresses)?;
                Some((record, *first, other))
            });
            if let Some((record, first, other)) = clash {
                let message = format!(
                    "view {:?}: {} has other addresses by {:?} than by {:?}",
                    view.name, record.name, own.name, first.name
                );
                findings.push(
                    Finding::new(&codes::TWO_ADDRESS_SETS, record.place.clone(), "", &*message)
                        .see(other.place.clone(), "the first")
                        .hint("isolated endpoints belong into different views (--view takes them apart)"),
                );
                left_out.push((number, index, message));
                continue;
            }
            names.extend(own.records.iter().enumerate().map(|(at, record)| (&*record.name, (own, at))));
        }
    }
    left_out
}
