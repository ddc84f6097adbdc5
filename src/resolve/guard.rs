//! The leak guard (R25): no address that the view does not hold leaves behind a guarded name, and no hint of one.

use std::net::IpAddr;

use super::observe::{Event, Observer};
use super::raw::Raw;
use super::walk::{Link, Walk};
use crate::view::{Blocked, GuardMode, Guarded, Verdict};
use crate::wire::{Age, Full, RawAnswer, Record, WireName, name_at, rtype, u16_at};

/// SvcParamKeys (RFC 9460 §14.3.2).
const MANDATORY: u16 = 0;
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// The first guarded name of the chain whose addresses must not leave; none when all may.
pub(super) fn withheld<R: Raw, O: Observer>(
    walk: &mut Walk<'_, '_, R, O>,
    raw: &RawAnswer,
    from: usize,
    counted: u16,
) -> Option<Link> {
    if walk.view.guard == GuardMode::Off || !matches!(walk.qtype(), rtype::A | rtype::AAAA) || raw.answers() == counted
    {
        return None;
    }
    let crossed = crossed(walk);
    let links: [Option<Link>; crate::wire::MAX_ALIASES + 1] = {
        let mut all = [None; crate::wire::MAX_ALIASES + 1];
        for (slot, link) in all.iter_mut().zip(walk.links()) {
            *slot = Some(link);
        }
        all
    };
    for link in links.into_iter().flatten() {
        let Some(name) = name_of(walk, link) else { continue };
        let Some(guarded) = walk.view.guarded(walk.snapshot, name.as_ref(), crossed) else {
            note_mate(walk, &name);
            continue;
        };
        let Some(address) = first_leak(walk, guarded, raw, from, counted) else { continue };
        let watch = walk.view.guard == GuardMode::Watch;
        walk.note(Event::Withheld { name: name.as_ref(), address, watch });
        return (!watch).then_some(link);
    }
    None
}

/// A GUID-mate whose chain did not cross a private-link suffix passes and is counted.
fn note_mate<R: Raw, O: Observer>(walk: &mut Walk<'_, '_, R, O>, name: &WireName) {
    let mate = walk.view.guarded(walk.snapshot, name.as_ref(), true).is_some_and(|guarded| guarded.mate);
    if mate {
        walk.note(Event::Mate(name.as_ref()));
    }
}

fn crossed<R: Raw, O: Observer>(walk: &Walk<'_, '_, R, O>) -> bool {
    let clouds = &walk.snapshot.clouds;
    walk.links().any(|link| {
        name_of(walk, link).is_some_and(|name| clouds.classify(name.as_ref()).is_some_and(|avd| avd.is_private_link()))
    })
}

fn name_of<R: Raw, O: Observer>(walk: &Walk<'_, '_, R, O>, link: Link) -> Option<WireName> {
    name_at(walk.reply.written(), usize::from(link.name_at)).ok()
}

/// The first address of the answer that the view does not let pass. RDATA of another size leaks too: it is no address
/// that the view holds.
fn first_leak<R: Raw, O: Observer>(
    walk: &Walk<'_, '_, R, O>,
    guarded: Guarded,
    raw: &RawAnswer,
    from: usize,
    counted: u16,
) -> Option<Option<IpAddr>> {
    let records = raw.answer_records(from, counted).map_while(Result::ok);
    let addresses = records.filter(|record| matches!(record.rtype, rtype::A | rtype::AAAA));
    let mut leaks = addresses.map(|record| crate::zone::address_of(record.rdata(raw.octets())));
    leaks.find(|address| address.is_none_or(|address| !walk.view.lets_pass(guarded, address)))
}

/// Whether a record of an HTTPS or SVCB answer has to lose its hints: its owner or its target is owned or guarded.
pub(super) fn has_hints_to_lose<R: Raw, O: Observer>(
    walk: &Walk<'_, '_, R, O>,
    raw: &RawAnswer,
    from: usize,
    counted: u16,
) -> bool {
    let records = raw.answer_records(from, counted).map_while(Result::ok);
    records.filter(is_service).any(|record| loses_hints(walk, raw, &record))
}

fn is_service(record: &Record) -> bool {
    matches!(record.rtype, rtype::HTTPS | rtype::SVCB)
}

fn loses_hints<R: Raw, O: Observer>(walk: &Walk<'_, '_, R, O>, raw: &RawAnswer, record: &Record) -> bool {
    if walk.view.guard == GuardMode::Off {
        return false;
    }
    // A target of "." is the owner (RFC 9460 §2.5.2).
    let target = record.rdata_at.checked_add(2).and_then(|at| name_at(raw.octets(), at).ok());
    let chain_crossed = crossed(walk);
    // The target goes on where the chain ends: under a private-link suffix it crosses one itself.
    let private_link =
        |name: WireName| walk.snapshot.clouds.classify(name.as_ref()).is_some_and(|avd| avd.is_private_link());
    let target_crossed = chain_crossed || target.is_some_and(private_link);
    let held = |name: &WireName, crossed: bool| {
        let verdict = walk.snapshot.look_up(walk.view, name.as_ref(), rtype::A);
        let owned = !matches!(verdict, Verdict::Forward { .. } | Verdict::Blocked(Blocked::Unlisted));
        owned || walk.view.guarded(walk.snapshot, name.as_ref(), crossed).is_some()
    };
    let chain = walk.links().any(|link| name_of(walk, link).is_some_and(|name| held(&name, chain_crossed)));
    chain || target.is_none_or(|target| !target.as_ref().is_root() && held(&target, target_crossed))
}

/// Writes an HTTPS or SVCB answer; records whose owner or target is owned or guarded leave without their hints, or not
/// at all where `mandatory` lists one. Returns how many were written.
pub(super) fn write_without_hints<R: Raw, O: Observer>(
    walk: &mut Walk<'_, '_, R, O>,
    raw: &RawAnswer,
    from: usize,
    counted: u16,
    age: Age,
) -> Result<u16, Full> {
    let mut count = 0_u16;
    walk.reply.writer.remember(crate::wire::HEADER_OCTETS);
    for record in raw.answer_records(from, counted).map_while(Result::ok) {
        if !is_service(&record) || !loses_hints(walk, raw, &record) {
            // Signatures would not hold over a changed set.
            if record.rtype != rtype::RRSIG {
                walk.reply.raw_record(raw, &record, age)?;
                count = count.saturating_add(1);
            }
            continue;
        }
        let owner = record.owner(raw.octets()).unwrap_or(WireName::ROOT);
        walk.note(Event::HintsRemoved(owner.as_ref()));
        if write_stripped(walk, raw, &record, &owner, age)? {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// Whether the record was written.
fn write_stripped<R: Raw, O: Observer>(
    walk: &mut Walk<'_, '_, R, O>,
    raw: &RawAnswer,
    record: &Record,
    owner: &WireName,
    age: Age,
) -> Result<bool, Full> {
    let message = raw.octets();
    let Some((_, params_at)) = record.rdata_at.checked_add(2).and_then(|at| WireName::read(message, at).ok()) else {
        return Ok(false);
    };
    let place = walk.reply.place();
    walk.reply.writer.record_head(owner.as_ref(), record.rtype, record.ttl().aged(age), 0)?;
    let rdata_at = walk.reply.writer.len();
    walk.reply.writer.octets(message.get(record.rdata_at..params_at).unwrap_or(&[]))?;
    let mut at = params_at;
    while at < record.end {
        let (Ok(key), Ok(length)) = (u16_at(message, at), u16_at(message, at.saturating_add(2))) else { break };
        let end = at.saturating_add(4).saturating_add(usize::from(length));
        let Some(whole) = message.get(at..end).filter(|_| end <= record.end) else { break };
        let lists_hint = key == MANDATORY
            && whole
                .get(4..)
                .unwrap_or(&[])
                .chunks_exact(2)
                .any(|pair| matches!(u16_at(pair, 0), Ok(IPV4_HINT | IPV6_HINT)));
        if lists_hint {
            walk.reply.rewind(place);
            return Ok(false);
        }
        if !matches!(key, IPV4_HINT | IPV6_HINT) {
            walk.reply.writer.octets(whole)?;
        }
        at = end;
    }
    let length = u16::try_from(walk.reply.writer.len().saturating_sub(rdata_at)).unwrap_or(0);
    walk.reply.writer.patch(rdata_at.saturating_sub(2), &length.to_be_bytes());
    Ok(true)
}
