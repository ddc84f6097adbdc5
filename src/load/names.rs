//! Values of the file in the types of the floors above it.

use std::time::Duration;

use crate::config::{DnsName, Place};
use crate::wire::{Name, Ttl, WireName};
use crate::zone::Origin;

/// What a hand-written record is called in messages.
pub(super) const WRITTEN: &str = "the configuration";

/// A name; the file's type has checked it.
pub(super) fn name_of(name: &DnsName) -> Name {
    let read = WireName::read_plain(name.wire(), 0);
    read.map_or_else(|_| Name::from(WireName::ROOT), |(name, _)| Name::from(name))
}

/// A place as the data floors keep it.
pub(super) fn origin_of(place: &Place) -> Origin {
    Origin { file: place.file().clone(), line: place.line() }
}

/// A TTL in whole seconds.
pub(super) fn ttl_of(duration: Duration) -> Ttl {
    Ttl::from_seconds(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX))
}
