//! A hosts file: an address and its names, a line each.

use std::net::IpAddr;
use std::sync::Arc;

use super::setup::{Named, NamedData, Setup, name_of};
use super::tree::words;
use crate::config::{Finding, Source, codes};

/// Reads a hosts file.
pub(super) fn parse(source: &Arc<Source>) -> Result<Setup, Box<Finding>> {
    let mut setup = Setup::new(source);
    setup.rest = super::setup::private_networks();
    let (mut good, mut bad, mut blocked, mut own) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut first_bad = None;
    for line in words(source, &['#']) {
        let Some((address, names)) = line.split_first() else { continue };
        let Ok(parsed) = without_scope(&address.text).parse::<IpAddr>() else {
            let message = format!("{:?} is not an IP address", address.shortened());
            first_bad.get_or_insert_with(|| (address.place(source), message.clone()));
            bad += 1;
            setup.bad(address.place(source), message);
            continue;
        };
        good += 1;
        if parsed.is_unspecified() {
            blocked += names.len();
            continue;
        }
        if parsed.is_loopback() || parsed.is_multicast() {
            own += names.len();
            continue;
        }
        for name in names {
            let place = name.place(source);
            match name_of(&name.text) {
                Ok(name) => {
                    setup.hold(&place)?;
                    let data = NamedData::Address(parsed.to_canonical());
                    setup.common.names.push(Named { name, data, ttl: None, place });
                }
                Err(message) => setup.bad(place, message),
            }
        }
    }
    // a line or two may be broken; where most are, it is something else
    if let (true, Some((place, message))) = (bad >= good, first_bad) {
        return Err(Box::new(Finding::new(&codes::NOT_THIS_FORMAT, place, "", format!("no hosts file: {message}"))));
    }
    let start = setup.start();
    if blocked > 0 {
        setup.leave(start.clone(), format!("names blocked by an address of zeros: {blocked}"));
    }
    if own > 0 {
        setup.leave(start, format!("names of the machine itself, by loopback and multicast addresses: {own}"));
    }
    Ok(setup)
}

/// An IPv6 address without its zone (`fe80::1%eth0`).
fn without_scope(text: &str) -> &str {
    text.split('%').next().unwrap_or(text)
}
