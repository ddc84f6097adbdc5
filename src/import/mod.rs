//! Importers: what Azure prints, or what another DNS server is configured by → tables of our file.
//!
//! Every importer fills [`Tables`], which one writer turns into TOML ([`write`](write())), and the loader has the last word:
//! what was written is loaded and what it finds is told at the place in the source. Nothing is opened here but the
//! files that are named; nothing is printed.

pub mod azure;
mod names;
pub mod other;
mod tables;
mod verify;
mod write;

pub use tables::{Data, Endpoint, Group, Head, Record, Tables, Upstream, View, Zone, ZoneContent};
pub use write::{Written, write};

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hashbrown::HashSet;

use crate::config::{Finding, Place, Severity, codes, has_errors};

/// What all importers are told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Write tables for `include` and no `[server]`.
    pub included: bool,
    /// What to listen on; empty: 0.0.0.0:53.
    pub listen: Vec<SocketAddr>,
    /// The servers of the default upstream; empty: Azure's resolver.
    pub upstream: Vec<SocketAddr>,
    /// Write what can be used where something cannot.
    pub partial: bool,
    /// Leave the views to another file.
    pub no_views: bool,
}

/// Azure's resolver, the same in every virtual network.
pub const PLATFORM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

impl Options {
    /// `[server]` and the upstream of a main file; nothing for an included one.
    fn head(&self) -> Option<Head> {
        let or = |own: &[SocketAddr], default: IpAddr| match own {
            [] => vec![SocketAddr::new(default, 53)],
            own => own.to_vec(),
        };
        (!self.included).then(|| Head {
            listen: or(&self.listen, IpAddr::from([0, 0, 0, 0])),
            upstream: or(&self.upstream, PLATFORM),
        })
    }
}

/// The most rounds of leaving out what the loader refuses.
const MOST_ROUNDS: usize = 100;

/// Writes tables, lets the loader judge the text, and returns it with everything that was found. With an error there is
/// no text, unless `partial` is set: then what is at fault is left out, as far as that can be told.
///
/// `path` is where the text is to stand; it need not exist.
pub fn finish(
    mut tables: Tables,
    mut findings: Vec<Finding>,
    path: &Path,
    options: &Options,
) -> (Option<(Tables, Written)>, Vec<Finding>) {
    let mut written = None;
    if !has_errors(&findings) || options.partial {
        for _ in 0..MOST_ROUNDS {
            if has_errors(&findings) {
                mark_partial(&mut tables);
            }
            let made = write(&tables);
            let judged = verify::verify(&made, path, options);
            let refused: HashSet<String> = judged
                .iter()
                .filter(|finding| finding.severity == Severity::Error)
                .map(|finding| finding.place.to_string())
                .collect();
            findings.extend(judged.into_iter().map(hinted));
            if refused.is_empty() {
                written = Some(made);
                break;
            }
            if !options.partial || !leave_out(&mut tables, &refused) {
                break;
            }
        }
    }
    let mut seen = HashSet::new();
    findings.retain(|own| seen.insert((own.code, own.place.to_string(), own.message.clone())));
    (written.map(|written| (tables, written)), findings)
}

/// A finding of the loader with what the importer can do about it.
fn hinted(finding: Finding) -> Finding {
    match finding.code {
        code if code == codes::VIEW_UNUSED.code => {
            finding.hint("its clients are not known: import `az network vnet list` too, or say --view NAME=PREFIX")
        }
        _ => finding,
    }
}

/// Says at the head of a file that something is not in it.
fn mark_partial(tables: &mut Tables) {
    let mark = "PARTIAL: something of the source is left out.".to_owned();
    if tables.comments.first() != Some(&mark) {
        tables.comments.insert(0, mark);
    }
}

/// Leaves out what comes from these places; `false` when nothing does.
fn leave_out(tables: &mut Tables, refused: &HashSet<String>) -> bool {
    let sound = |place: &Option<Place>| place.as_ref().is_none_or(|place| !refused.contains(&place.to_string()));
    let mut any = false;
    let mut kept = |fine: bool| {
        any |= !fine;
        fine
    };
    for group in &mut tables.groups {
        for endpoint in &mut group.endpoints {
            endpoint.records.retain(|own| kept(sound(&own.place)));
        }
        group.endpoints.retain(|own| !own.records.is_empty() && kept(sound(&own.place)));
        for zone in &mut group.zones {
            if let ZoneContent::Records(records) = &mut zone.content {
                records.retain(|(_, _, place)| kept(sound(place)));
            }
        }
        group.zones.retain(|own| kept(sound(&own.place)));
    }
    tables.upstreams.retain(|own| kept(sound(&own.place)));
    let endpoints: HashSet<&str> = tables.groups.iter().flat_map(|own| &own.endpoints).map(|own| &*own.name).collect();
    let zones: HashSet<&str> = tables.groups.iter().flat_map(|own| &own.zones).map(|own| &*own.name).collect();
    for view in &mut tables.views {
        view.endpoints.retain(|own| endpoints.contains(&**own));
        view.zones.retain(|own| zones.contains(&**own));
    }
    any
}
