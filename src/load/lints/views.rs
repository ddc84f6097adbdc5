//! Lints of what views mean together.

use super::Input;
use crate::config::{Finding, codes};
use crate::load::endpoints::EndpointModel;
use crate::load::extends::FlatView;
use crate::load::views::{endpoints_of, private_of};
use crate::zone::avd::Kind;

/// Runs them.
pub(super) fn check(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    no_views(input, findings);
    unused(input, findings);
    two_scopes(input, findings);
    public_for_hosts(input, findings);
}

/// A configuration in which everybody gets REFUSED.
fn no_views(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let Some(server) = input.tables.spec.server.as_ref().filter(|_| !input.incomplete()) else { return };
    if input.views.iter().all(|view| view.spec.is_abstract()) {
        let message = "no view has clients: every query gets REFUSED".to_owned();
        findings.push(
            Finding::new(&codes::NO_VIEWS, server.place.clone(), "view", message)
                .hint("a view with networks = [\"0.0.0.0/0\", \"::/0\"] is the catch-all"),
        );
    }
}

/// An abstract view that nothing extends.
fn unused(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    if input.incomplete() {
        return;
    }
    for view in input.views.iter().filter(|view| view.spec.is_abstract()) {
        let name = &view.spec.name;
        let extended =
            |other: &FlatView<'_>| other.spec.extends.as_ref().is_some_and(|extends| extends.value == name.value);
        if !input.views.iter().any(extended) {
            let message = format!("view {:?} has no clients and nothing extends it", name.value);
            findings.push(
                Finding::new(&codes::VIEW_UNUSED, name.place.clone(), view.spec.path.clone(), message)
                    .hint("give it `networks` or `listeners`"),
            );
        }
    }
}

/// Different global endpoints in different views.
fn two_scopes(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let mut first: Option<(&EndpointModel, &FlatView<'_>)> = None;
    for view in input.views {
        for endpoint in endpoints_of(input.tables, view).filter(|own| own.built.kind == Kind::Global) {
            match first {
                None => first = Some((endpoint, view)),
                Some((other, other_view))
                    if !std::ptr::eq(other, endpoint) && other_view.spec.name != view.spec.name =>
                {
                    let message = format!(
                        "views {:?} and {:?} have different global endpoints: two DNS scopes",
                        other_view.spec.name.value, view.spec.name.value
                    );
                    let place = endpoint.name.place.clone();
                    findings.push(
                        Finding::new(&codes::TWO_SCOPES, place, endpoint.path.clone(), message)
                            .see(other.name.place.clone(), "the other")
                            .hint("in a shared Azure private zone they overwrite each other's records"),
                    );
                    return;
                }
                Some(_) => {}
            }
        }
    }
}

/// Session hosts private, clients deliberately public.
fn public_for_hosts(input: &Input<'_, '_>, findings: &mut Vec<Finding>) {
    let private = |view: &&FlatView<'_>| private_of(input.tables, view).contains(&Kind::HostPool);
    let clients = || input.views.iter().filter(|view| !view.spec.is_abstract());
    let Some(hosts) = clients().find(private) else { return };
    for view in clients().filter(|view| !private(view)) {
        let Some(written) = &view.spec.private else { continue };
        let message = format!(
            "host pools are private in view {:?} and public in view {:?}",
            hosts.spec.name.value, view.spec.name.value
        );
        let key = format!("{}.private", view.spec.path);
        findings.push(
            Finding::new(&codes::PUBLIC_FOR_HOSTS, written.place.clone(), key, message)
                .see(hosts.spec.name.place.clone(), "private here")
                .hint(
                    "DNS decides addresses, not access: public access for session hosts is public access for clients",
                ),
        );
        return;
    }
}
