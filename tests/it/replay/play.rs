//! A dialogue played: the product's loader, its one path and its cache in this process, a scripted upstream, and a clock
//! that moves only where the script says so.

use super::check;
use super::record::{absolute, type_text};
use super::script::{Action, Asked, Config, Dialogue, Entry, Fault, LISTEN, Matching, Says, Step};
use crate::harness::message::presentation;
use crate::harness::{Query, Reply, Seen, Transport};
use hubdns::cache::{Cache, Entry as Kept, Limits};
use hubdns::config::Config as Settings;
use hubdns::resolve::{self, Event, Observer, Outcome, Overdue, Scratch};
use hubdns::view::{Blocked, Route, Snapshot, Verdict};
use hubdns::wire::{Ede, Failure, Header, Key, MAX_ALIASES, Moment, RawAnswer, Ttl, rcode};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Plays a script from its first step to its last.
pub(super) fn play(file: &str, text: &str) -> Result<Dialogue, Fault> {
    let dialogue = Dialogue::read(file, text)?;
    let mut player = Player::start(&dialogue)?;
    for step in &dialogue.steps {
        player.step(step)?;
    }
    match dialogue.entries.iter().enumerate().find(|(at, _)| !player.used.contains(at)) {
        Some((_, entry)) => Err(dialogue.fault(entry.line, "this entry was never asked for")),
        None => Ok(dialogue),
    }
}

/// A script under way.
struct Player<'d> {
    dialogue: &'d Dialogue,
    settings: Settings,
    snapshot: Snapshot,
    cache: Cache,
    now: Moment,
    /// The last query and its reply.
    last: Option<(&'d Asked, Option<Reply>)>,
    /// Upstream questions since the last CHECK_ASKED.
    asked: Vec<String>,
    /// What the core told of the last answer.
    notes: Notes,
    /// Which entries were asked for.
    used: BTreeSet<usize>,
}

/// What an exchange left behind: an entry, or nothing in time.
enum Exchanged {
    Ended(Arc<Kept>),
    Late,
}

impl<'d> Player<'d> {
    fn start(dialogue: &'d Dialogue) -> Result<Self, Fault> {
        let loaded =
            load(&dialogue.file, &dialogue.config, 1).map_err(|what| dialogue.fault(dialogue.config.line, what));
        let (settings, snapshot) = loaded?;
        let ttl = |time: std::time::Duration| Ttl::from_seconds(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        let limits = Limits {
            max_ttl: ttl(settings.cache.max_ttl),
            max_negative_ttl: ttl(settings.cache.max_negative_ttl),
            serve_stale: settings.cache.serve_stale,
        };
        let cache = Cache::new(settings.cache.size_octets, limits);
        // A day ahead of zero, as the product's clock.
        let now = Moment::from_millis(86_400_000);
        let (last, asked, notes, used) = (None, Vec::new(), Notes::default(), BTreeSet::new());
        Ok(Self { dialogue, settings, snapshot, cache, now, last, asked, notes, used })
    }

    fn step(&mut self, step: &'d Step) -> Result<(), Fault> {
        match &step.action {
            Action::Query(asked) => {
                let reply = self.ask(step, asked)?;
                self.last = Some((asked, reply));
                Ok(())
            }
            Action::CheckAnswer(wanted) => match &self.last {
                Some((asked, Some(reply))) => check::reply(asked, wanted, reply, step.line)
                    .map_err(|(line, what)| self.dialogue.fault(line, format!("step {}: {what}", step.number))),
                _ => Err(self.fault(step, "a reply was expected, there is none")),
            },
            Action::CheckSilence => match &self.last {
                Some((_, Some(reply))) => {
                    Err(self.fault(step, format!("no reply was expected, got\n{}", check::show(reply))))
                }
                _ => Ok(()),
            },
            Action::CheckAsked(wanted) => {
                let got = std::mem::take(&mut self.asked);
                self.compare(step, "the upstream questions differ", wanted, &got)
            }
            Action::CheckNoted(wanted) => {
                let got = self.notes.0.clone();
                self.compare(step, "what the core told differs", wanted, &got)
            }
            Action::TimePasses(time) => {
                self.now = self.now.after(*time);
                Ok(())
            }
            Action::Reload(config, refused) => self.reload(step, config, *refused),
        }
    }

    fn fault(&self, step: &Step, what: impl std::fmt::Display) -> Fault {
        self.dialogue.fault(step.line, format!("step {}: {what}", step.number))
    }

    fn compare(&self, step: &Step, what: &str, wanted: &[(usize, String)], got: &[String]) -> Result<(), Fault> {
        let differs = |at: &usize| wanted.get(*at).map(|(_, line)| line) != got.get(*at);
        let Some(at) = (0..wanted.len().max(got.len())).find(differs) else { return Ok(()) };
        let line = wanted.get(at).map_or(step.line, |(line, _)| *line);
        let lines: Vec<_> = wanted.iter().map(|(_, line)| line.clone()).collect();
        let number = step.number;
        Err(self.dialogue.fault(line, format!("step {number}: {what}\n{}", check::two(&lines, got))))
    }

    fn reload(&mut self, step: &Step, config: &Config, refused: bool) -> Result<(), Fault> {
        match (load(&self.dialogue.file, config, self.snapshot.generation + 1), refused) {
            (Err(_), true) => Ok(()),
            (Ok(_), true) => Err(self.fault(step, "the configuration was to be refused")),
            (Err(what), false) => Err(self.dialogue.fault(config.line, what)),
            (Ok((settings, _)), false) if settings.cache != self.settings.cache => {
                Err(self.fault(step, "[cache] takes effect at the next start: a reload cannot show a change of it"))
            }
            (Ok((_, snapshot)), false) => {
                self.snapshot = snapshot;
                Ok(())
            }
        }
    }

    /// One query to its end: what the core needs is fetched, and the core run again from the start (R1).
    fn ask(&mut self, step: &Step, asked: &Asked) -> Result<Option<Reply>, Fault> {
        let transport = if asked.tcp { resolve::Transport::Stream } else { resolve::Transport::Udp };
        let source = SocketAddr::new(asked.client, asked.port);
        let client = resolve::Client::new(source, asked.local, transport);
        let message = asked.query.to_octets();
        let mut out = vec![0; if asked.tcp { resolve::MAX_OCTETS } else { resolve::MAX_UDP_OCTETS }];
        let mut fetched: Vec<(Key, Arc<Kept>)> = Vec::new();
        loop {
            let raw = Scratch { cache: &self.cache, fetched: &fetched };
            self.notes.0.clear();
            let notes = &mut self.notes;
            let (key, route) = match resolve::answer(&message, &client, &self.snapshot, &raw, self.now, &mut out, notes)
            {
                Outcome::Reply(length) => return Ok(Some(Reply::decode(out[..length].to_vec()))),
                Outcome::Discard(_) => return Ok(None),
                Outcome::Need(key, route) => (*key, route),
            };
            if fetched.len() > MAX_ALIASES {
                return Err(self.fault(step, "the core needs more answers than a chain has names"));
            }
            match self.exchange(step, &key, route)? {
                Exchanged::Ended(entry) => fetched.push((key, entry)),
                Exchanged::Late => {
                    let scratch = Scratch { cache: &self.cache, fetched: &fetched };
                    let notes = &mut self.notes;
                    let length = overdue(&message, &client, &self.snapshot, scratch, self.now, &mut out, notes);
                    return Ok(Some(Reply::decode(out[..length].to_vec())));
                }
            }
        }
    }

    /// What the scripted upstream says to a question; it goes the way into the cache that every exchange's end goes.
    fn exchange(&mut self, step: &Step, key: &Key, route: Route) -> Result<Exchanged, Fault> {
        let Some(group) = self.snapshot.group(route) else { return Err(self.fault(step, "a route without a group")) };
        let (name, _) = presentation(key.name_octets());
        let name = if name.is_empty() { ".".to_owned() } else { name };
        let flags = [(key.dnssec_ok(), " DO"), (key.checking_disabled(), " CD")];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        let question = format!("{} {} {}{flags}", group.name, absolute(&name), type_text(key.qtype()));
        let entries = self.dialogue.entries.iter().enumerate();
        let found = entries.into_iter().find(|(_, entry)| answers(entry, step.number, &group.name, &name, key));
        let Some((at, entry)) = found else {
            return Err(self.fault(step, format!("no entry answers the upstream question {question}")));
        };
        self.used.insert(at);
        self.asked.push(question.clone());
        let raw = match &entry.says {
            Says::Late => return Ok(Exchanged::Late),
            Says::Failed(failure) => RawAnswer::failed(*failure),
            // R29: these RCODEs are answers, the others failures.
            Says::Reply(script) if !matches!(script.rcode, 0 | 3 | 6) => RawAnswer::failed(Failure::Refused),
            Says::Reply(script) => {
                let mut query = Query::new(&name, key.qtype()).with_opt();
                query.name = key.name_octets().to_vec();
                (query.cd, query.opt.get_or_insert_default().dnssec_ok) = (key.checking_disabled(), key.dnssec_ok());
                let (octets, from) = (query.to_octets(), SocketAddr::from(([127, 0, 0, 1], 40_001)));
                let seen = Seen { name, kind: key.qtype(), transport: Transport::Tcp, from, octets, earlier: 0 };
                RawAnswer::from_upstream(&script.encode(&seen), key)
                    .map_err(|error| self.dialogue.fault(entry.line, format!("no answer to {question}: {error}")))?
            }
        };
        Ok(Exchanged::Ended(self.cache.insert(key, raw, self.now)))
    }
}

/// What a client gets whose timer ends before its exchange does: something stale, else SERVFAIL at its deadline (R27,
/// R33).
fn overdue(
    message: &[u8],
    client: &resolve::Client,
    snapshot: &Snapshot,
    scratch: Scratch<'_>,
    now: Moment,
    out: &mut [u8],
    notes: &mut Notes,
) -> usize {
    notes.0.clear();
    let failure = Arc::new(Kept::failed(Failure::Silent, now));
    let raw = Overdue { scratch, failure: &failure };
    match resolve::answer(message, client, snapshot, &raw, now, out, notes) {
        Outcome::Reply(length) if Header::read(out).is_ok_and(|header| header.rcode() != rcode::SERVFAIL) => length,
        _ => resolve::servfail(message, client.transport(), Ede::NO_REACHABLE_AUTHORITY, out),
    }
}

/// Loads a configuration in the place where it stands in its script, so that findings tell the script's lines.
fn load(file: &str, config: &Config, generation: u64) -> Result<(Settings, Snapshot), String> {
    let has_head = config.text.lines().any(|line| line.trim_start().starts_with("version"));
    let head = if has_head { String::new() } else { format!("version = 1\nserver = {{ listen = [\"{LISTEN}\"] }}\n") };
    let above = "\n".repeat(config.line.saturating_sub(head.lines().count()));
    let loaded = hubdns::load::from_text(file, &(above + &head + &config.text)).into_parts();
    let (settings, mut plan, _) = loaded.map_err(|findings| {
        let shown: String = findings.iter().map(|one| format!("\n  {}", hubdns::config::render::line(one))).collect();
        format!("the configuration does not load:{shown}")
    })?;
    plan.generation = generation;
    Ok((settings, Snapshot::build(plan)))
}

/// Whether an entry answers a question at a step.
fn answers(entry: &Entry, step: u32, group: &str, name: &str, key: &Key) -> bool {
    let Matching { name: wanted, kind, dnssec_ok, checking_disabled } = &entry.matching;
    let is_below =
        |parent: &str| name.strip_suffix(parent).is_some_and(|ahead| ahead.len() > 1 && ahead.ends_with('.'));
    entry.steps.contains(&step)
        && entry.upstream.as_ref().is_none_or(|upstream| upstream == group)
        && wanted.strip_prefix("*.").map_or(wanted == name, is_below)
        && kind.is_none_or(|kind| kind == key.qtype())
        && dnssec_ok.is_none_or(|wanted| wanted == key.dnssec_ok())
        && checking_disabled.is_none_or(|wanted| wanted == key.checking_disabled())
}

/// What the core told while it made an answer, as far as an operator sees it in counters and audit lines.
#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn note(&mut self, event: Event<'_>) {
        let name = |name: &dyn std::fmt::Display| absolute(name.to_string().trim_end_matches('.'));
        let line = match event {
            Event::NoView => "no-view".to_owned(),
            Event::Verdict(owner, Verdict::Forward { foreign: true, .. }) => {
                format!("foreign {} forwarded", name(&owner))
            }
            Event::Verdict(owner, Verdict::Blocked(Blocked::Unlisted)) => format!("foreign {} blocked", name(&owner)),
            Event::Withheld { name: owner, address, watch } => {
                let word = if watch { "watched" } else { "withheld" };
                let address = address.map_or("?".to_owned(), |address| address.to_string());
                format!("{word} {} {address}", name(&owner))
            }
            Event::Mate(owner) => format!("mate {}", name(&owner)),
            Event::HintsRemoved(owner) => format!("hints {}", name(&owner)),
            Event::Ancestor(owner) => format!("ancestor {}", name(&owner)),
            Event::Stale(..) => "stale".to_owned(),
            Event::Truncated => "truncated".to_owned(),
            _ => return,
        };
        self.0.push(line);
    }
}
