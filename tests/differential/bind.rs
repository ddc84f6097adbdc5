//! The same views as BIND has them: a zone for each endpoint's name and for each name of a fallback zone or of a public
//! spelling, whole zones where hubdns has strict ones, forward zones for the routes.

use crate::filed;
use crate::oracle::World;
use crate::oracle::name::{depth, is_below, is_within, swap};
use crate::oracle::sight::Sight;
use crate::oracle::world::{Data, View, Zone};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The start of every zone that hubdns would give the SOA of R14. BIND wants an NS too.
const HEAD: &str = "$TTL 10\n@ SOA hubdns.invalid. nobody.invalid. 1 3600 1200 604800 10\n@ NS hubdns.invalid.\n";

/// The zones of RFC 6303 that the questions touch.
pub(crate) const LOCAL: [&str; 4] = ["10.in-addr.arpa", "168.192.in-addr.arpa", "127.in-addr.arpa", "d.f.ip6.arpa"];

/// The zones of one view: apex → owner → lines of its records without the owner.
type Zones = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Writes `named.conf` and the zone files into a folder.
pub(crate) fn write(folder: &Path, world: &World, servers: &[SocketAddr], port: u16) -> std::io::Result<()> {
    let mut text = format!(
        "options {{\n  directory \"{}\";\n  listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n",
        folder.display()
    );
    text.push_str(
        "  query-source address 127.0.0.1;\n  recursion yes;\n  allow-query { 127.0.0.0/8; };\n  \
         allow-recursion { 127.0.0.0/8; };\n  dnssec-validation no;\n  empty-zones-enable no;\n  minimal-responses yes;\n  \
         max-cache-ttl 86400;\n  max-ncache-ttl 300;\n  max-query-restarts 16;\n  max-cache-size 64m;\n  check-names primary ignore;\n  prefetch 0;\n  zero-no-soa-ttl no;\n  notify no;\n  \
         pid-file none;\n  session-keyfile none;\n  lock-file none;\n};\ncontrols { };\n",
    );
    fs::write(folder.join("filed.zone"), filed::TEXT)?;
    for view in &world.views {
        let forwarder = |upstream: usize| {
            let server = servers[world.upstreams[upstream]];
            format!("forwarders {{ {} port {}; }};", server.ip(), server.port())
        };
        let (address, length) = view.network;
        writeln!(text, "view \"{}\" {{\n  match-clients {{ {address}/{length}; }};", view.name).unwrap();
        writeln!(text, "  forward only;\n  {}", forwarder(view.upstream)).unwrap();
        writeln!(text, "  zone \"{}\" {{ type primary; file \"filed.zone\"; }};", filed::APEX).unwrap();
        let (zones, forwards) = view_of(world, view);
        for (number, (apex, owners)) in zones.iter().enumerate() {
            let file = format!("{}-{number}.zone", view.name);
            fs::write(folder.join(&file), zone_text(owners))?;
            writeln!(text, "  zone \"{apex}\" {{ type primary; file \"{file}\"; }};").unwrap();
        }
        for (suffix, upstream) in forwards {
            writeln!(text, "  zone \"{suffix}\" {{ type forward; forward only; {} }};", forwarder(upstream)).unwrap();
        }
        text.push_str("};\n");
    }
    fs::write(folder.join("named.conf"), text)
}

fn zone_text(owners: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = HEAD.to_owned();
    for (owner, lines) in owners {
        for line in lines {
            writeln!(text, "{owner}. {line}").unwrap();
        }
    }
    text
}

/// A view's own zones and its routes, by suffix.
fn view_of(world: &World, view: &View) -> (Zones, BTreeMap<String, usize>) {
    let sight = Sight { world, view };
    let mut zones = Zones::new();
    let own: Vec<&Zone> = view.zones.iter().map(|&at| &world.zones[at]).collect();
    for zone in own.iter().filter(|zone| zone.strict) {
        zones.entry(zone.apex.clone()).or_default();
    }
    for zone in &own {
        for (relative, data) in &zone.records {
            let name = format!("{relative}.{}", zone.apex);
            // What lies at or below a deeper zone's apex is that zone's.
            if own.iter().any(|other| is_below(&other.apex, &zone.apex) && is_within(&name, &other.apex)) {
                continue;
            }
            // No zone has an alias at its apex: where a name would stand alone, BIND forwards it.
            let is_data = matches!(data, Data::Addresses(_));
            if zone.strict || is_data || relative.starts_with('*') {
                let home = if zone.strict { zone.apex.clone() } else { home_of(&name) };
                set(&mut zones, home, &name, &lines(data, zone.ttl));
            }
            let public = zone.public.as_ref().and_then(|public| swap(&name, &zone.apex, public));
            if let Some(public) = public.filter(|_| is_data) {
                set(&mut zones, public.clone(), &public, &lines(data, zone.ttl));
            }
        }
    }
    // An endpoint's record in a zone of the view is a node of that zone, in place of what the zone has (R13).
    for (name, endpoint, addresses) in sight.records() {
        let within = own.iter().filter(|zone| is_within(&name, &zone.apex)).max_by_key(|zone| depth(&zone.apex));
        let home = within.filter(|zone| zone.strict).map_or_else(|| home_of(&name), |zone| zone.apex.clone());
        set(&mut zones, home, &name, &lines(&Data::Addresses(addresses.to_vec()), endpoint.ttl));
    }
    let mut forwards: BTreeMap<String, usize> =
        view.forward.iter().filter(|(suffix, _)| !zones.contains_key(suffix)).cloned().collect();
    // What a fallback zone lacks takes its normal route, also where it lies in a strict zone.
    for zone in own.iter().filter(|zone| !zone.strict && !zones.contains_key(&zone.apex)) {
        let route = sight.route(&zone.apex).map_or(view.upstream, |(_, upstream)| upstream);
        forwards.entry(zone.apex.clone()).or_insert(route);
    }
    reverse_zones(&sight, &mut zones, &mut forwards);
    // BIND forwards below a zone of its own only where that zone delegates.
    for suffix in forwards.keys() {
        let above = zones.keys().filter(|apex| is_below(suffix, apex)).max_by_key(|apex| depth(apex)).cloned();
        if let Some(owners) = above.and_then(|apex| zones.get_mut(&apex)) {
            owners.retain(|owner, _| !is_within(owner, suffix));
            owners.insert(suffix.clone(), vec!["10 NS hubdns.invalid.".to_owned()]);
        }
    }
    (zones, forwards)
}

/// PTR records, in the zones of RFC 6303 or each in its own where those are forwarded.
fn reverse_zones(sight: &Sight<'_>, zones: &mut Zones, forwards: &mut BTreeMap<String, usize>) {
    for local in LOCAL {
        match sight.view.reverse {
            Some(upstream) => drop(forwards.insert(local.to_owned(), upstream)),
            None => drop(zones.entry(local.to_owned()).or_default()),
        }
    }
    // One PTR an address: the first name (R17).
    let mut pointers: BTreeMap<String, String> = BTreeMap::new();
    for (name, target) in sight.reversed() {
        let first = pointers.entry(name).or_insert_with(|| target.clone());
        *first = target.min(first.clone());
    }
    for (name, target) in pointers {
        let local = LOCAL.into_iter().find(|zone| is_within(&name, zone) && sight.view.reverse.is_none());
        let home = local.map_or_else(|| name.clone(), str::to_owned);
        set(zones, home, &name, &[format!("PTR {target}.")]);
    }
}

/// The zone of a name that stands alone: its own, or its parent for a wildcard.
fn home_of(name: &str) -> String {
    name.strip_prefix("*.").unwrap_or(name).to_owned()
}

fn set(zones: &mut Zones, apex: String, owner: &str, lines: &[String]) {
    zones.entry(apex).or_default().insert(owner.to_owned(), lines.to_vec());
}

fn lines(data: &Data, ttl: u32) -> Vec<String> {
    match data {
        Data::Alias(target) => vec![format!("{ttl} CNAME {target}.")],
        Data::Addresses(addresses) => addresses
            .iter()
            .map(|address| match address {
                IpAddr::V4(four) => format!("{ttl} A {four}"),
                IpAddr::V6(six) => format!("{ttl} AAAA {six}"),
            })
            .collect(),
    }
}
