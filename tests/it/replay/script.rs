//! A dialogue's text → [`Dialogue`]. The format is that of tests/replay/README.md; what is wrong with a text is told with
//! its file and line.

use super::record::{TtlRange, name, record, type_number, wire};
use crate::harness::message::{Opt, Query, Rr};
use crate::harness::upstream::Script;
use hubdns::wire::Failure;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What is wrong with a script, or with what a dialogue came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// A whole script.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) file: String,
    /// The rules and the case that it holds, in words.
    pub(super) about: String,
    pub(super) config: Config,
    pub(super) entries: Vec<Entry>,
    pub(super) steps: Vec<Step>,
}

/// A configuration's text, without `version` and `[server]` unless it has its own.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) line: usize,
    pub(super) text: String,
}

/// What an upstream says to a question, within a range of steps.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) steps: RangeInclusive<u32>,
    /// The upstream group; none: any.
    pub(super) upstream: Option<String>,
    pub(super) matching: Matching,
    pub(super) says: Says,
}

/// Which questions an entry answers.
#[derive(Debug)]
pub(super) struct Matching {
    /// In lower case; a leftmost `*` stands for one label or more.
    pub(super) name: String,
    /// None: any.
    pub(super) kind: Option<u16>,
    pub(super) dnssec_ok: Option<bool>,
    pub(super) checking_disabled: Option<bool>,
}

/// What comes of an exchange.
#[derive(Debug)]
pub(super) enum Says {
    /// A reply.
    Reply(Box<Script>),
    /// No usable reply.
    Failed(Failure),
    /// A reply that comes after the client's timer: neither it nor a failure is there in time (R33).
    Late,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) line: usize,
    pub(super) action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    Query(Box<Asked>),
    CheckAnswer(Box<Wanted>),
    CheckSilence,
    /// Upstream questions since the last such step, with their lines.
    CheckAsked(Vec<(usize, String)>),
    /// What the core told of its last answer.
    CheckNoted(Vec<(usize, String)>),
    TimePasses(Duration),
    /// The new configuration; whether it has to be refused.
    Reload(Config, bool),
}

/// A client's query.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) client: IpAddr,
    pub(super) port: u16,
    pub(super) local: SocketAddr,
    pub(super) tcp: bool,
    pub(super) query: Query,
}

/// What a reply has to be.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) rcode: u16,
    /// None: the rules leave it open.
    pub(super) aa: Option<bool>,
    pub(super) ad: bool,
    pub(super) tc: bool,
    pub(super) ede: Vec<u16>,
    pub(super) answers: Vec<(usize, Rr, TtlRange)>,
    pub(super) authority: Vec<(usize, Rr, TtlRange)>,
}

/// RCODEs by name (RFC 1035 §4.1.1, RFC 2136, RFC 6891).
pub(super) const RCODES: [(&str, u16); 9] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("NOTAUTH", 9),
    ("BADVERS", 16),
];

/// Where clients send to unless a query says otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:5300";

impl Dialogue {
    /// Reads a script.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, Fault> {
        let mut lines = Lines { file, lines: text.lines().collect(), at: 0 };
        let about = match lines.next() {
            Some(line) => line.strip_prefix("SCENARIO ").map(str::to_owned),
            None => return Err(lines.fault("an empty script")),
        };
        let about = about.ok_or_else(|| lines.fault("a script begins with SCENARIO and what it shows"))?;
        if lines.next() != Some("CONFIG") {
            return Err(lines.fault("CONFIG has to follow SCENARIO"));
        }
        let config = lines.config()?;
        let (mut entries, mut steps) = (Vec::new(), Vec::<Step>::new());
        while let Some(line) = lines.next() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["RANGE_BEGIN", from, to, upstream @ ..] => {
                    let range = lines.number(from)?..=lines.number(to)?;
                    if range.is_empty() || upstream.len() > 1 {
                        return Err(lines.fault("a range is: RANGE_BEGIN first-step last-step [upstream]"));
                    }
                    lines.range(&range, upstream.first().copied(), &mut entries)?;
                }
                ["STEP", number, action, rest @ ..] => {
                    let (number, at) = (lines.number(number)?, lines.at);
                    if steps.last().is_some_and(|last| last.number >= number) {
                        return Err(lines.fault("the numbers of steps have to rise"));
                    }
                    steps.push(Step { number, line: at, action: lines.action(action, rest)? });
                }
                _ => return Err(lines.fault(format!("RANGE_BEGIN or STEP is expected, not {line:?}"))),
            }
        }
        let dialogue = Self { file: file.to_owned(), about, config, entries, steps };
        dialogue.check()?;
        Ok(dialogue)
    }

    pub(super) fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        let what = format!("{}\n({})", what.into(), self.about);
        Fault { file: self.file.clone(), line, what }
    }

    /// Every query is checked, and every check has a query.
    fn check(&self) -> Result<(), Fault> {
        let mut open: Option<usize> = None;
        for step in &self.steps {
            match step.action {
                Action::Query(_) => match open.replace(step.line) {
                    None => {}
                    Some(line) => return Err(self.fault(line, "the reply to this query is not checked")),
                },
                Action::CheckAnswer(_) | Action::CheckSilence if open.take().is_none() => {
                    return Err(self.fault(step.line, "there is no query to check the reply of"));
                }
                _ => {}
            }
        }
        match open {
            Some(line) => Err(self.fault(line, "the reply to this query is not checked")),
            None if self.steps.is_empty() => Err(self.fault(1, "a script without a step")),
            None => Ok(()),
        }
    }
}

/// The lines of a script; comments and empty ones are passed over outside of CONFIG.
struct Lines<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    /// The number of the line that was read last.
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with(';') {
                return Some(line);
            }
        }
        None
    }

    /// The next line, if it belongs to what the last one began.
    fn next_inside(&mut self) -> Option<&'a str> {
        let before = self.at;
        let line = self.next();
        if line.is_none_or(begins_anew) {
            self.at = before;
            return None;
        }
        line
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault { file: self.file.to_owned(), line: self.at, what: what.into() }
    }

    fn number(&self, text: &str) -> Result<u32, Fault> {
        text.parse().map_err(|_| self.fault(format!("{text:?} is no number")))
    }

    fn told<T>(&self, result: Result<T, String>) -> Result<T, Fault> {
        result.map_err(|what| self.fault(what))
    }

    fn config(&mut self) -> Result<Config, Fault> {
        let begin = self.at;
        let rest = &self.lines[begin..];
        match rest.iter().position(|line| line.trim() == "CONFIG_END") {
            Some(end) => {
                self.at = begin + end + 1;
                Ok(Config { line: begin, text: rest[..end].join("\n") })
            }
            None => Err(self.fault("CONFIG without CONFIG_END")),
        }
    }

    fn range(
        &mut self,
        steps: &RangeInclusive<u32>,
        upstream: Option<&str>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Fault> {
        loop {
            match self.next() {
                Some("RANGE_END") => return Ok(()),
                Some("ENTRY_BEGIN") => {
                    let line = self.at;
                    let (matching, says) = self.entry()?;
                    let upstream = upstream.map(str::to_owned);
                    entries.push(Entry { line, steps: steps.clone(), upstream, matching, says });
                }
                Some(other) => return Err(self.fault(format!("ENTRY_BEGIN or RANGE_END is expected, not {other:?}"))),
                None => return Err(self.fault("RANGE_BEGIN without RANGE_END")),
            }
        }
    }

    fn entry(&mut self) -> Result<(Matching, Says), Fault> {
        let line = self.next().unwrap_or_default();
        let Some(words) = line.strip_prefix("MATCH ") else { return Err(self.fault("an entry begins with MATCH")) };
        let matching = self.matching(words)?;
        let line = self.next().unwrap_or_default();
        let Some(words) = line.strip_prefix("REPLY ") else { return Err(self.fault("REPLY has to follow MATCH")) };
        let failed = match words {
            "silent" => Some(Says::Failed(Failure::Silent)),
            "network-error" => Some(Says::Failed(Failure::Network)),
            "refused" => Some(Says::Failed(Failure::Refused)),
            "capped" => Some(Says::Failed(Failure::Capped)),
            "queue-full" => Some(Says::Failed(Failure::Full)),
            "late" => Some(Says::Late),
            _ => None,
        };
        if let Some(says) = failed {
            return match self.next() {
                Some("ENTRY_END") => Ok((matching, says)),
                _ => Err(self.fault("ENTRY_END has to follow a failure")),
            };
        }
        let mut script = Script::default();
        for word in words.split_whitespace() {
            match word {
                "AA" => script.aa = true,
                "AD" => script.ad = true,
                _ => {
                    let rcode = RCODES.iter().find(|(name, code)| *name == word && *code < 16);
                    let (_, code) = rcode.ok_or_else(|| self.fault(format!("{word:?} is no RCODE and no flag")))?;
                    script.rcode = u8::try_from(*code).expect("below 16");
                }
            }
        }
        let mut section = None;
        loop {
            let line = self.next().filter(|line| !begins_anew(line));
            let line = line.ok_or_else(|| self.fault("ENTRY_BEGIN without ENTRY_END"))?;
            let section = match (line, section) {
                ("ENTRY_END", _) => return Ok((matching, Says::Reply(Box::new(script)))),
                ("SECTION ANSWER", _) => {
                    section = Some(0);
                    continue;
                }
                ("SECTION AUTHORITY", _) => {
                    section = Some(1);
                    continue;
                }
                ("SECTION ADDITIONAL", _) => {
                    section = Some(2);
                    continue;
                }
                (line, None) => match line.strip_prefix("EDE ") {
                    Some(error) => {
                        let (code, text) = error.split_once(' ').unwrap_or((error, ""));
                        let code = self.told(code.parse::<u16>().map_err(|_| format!("{code:?} is no EDE code")))?;
                        script.options.push((15, [&code.to_be_bytes(), text.as_bytes()].concat()));
                        continue;
                    }
                    None => return Err(self.fault(format!("SECTION or ENTRY_END is expected, not {line:?}"))),
                },
                (_, Some(section)) => section,
            };
            let (rr, range) = self.told(record(line))?;
            if range.least != range.most || rr.name == "*" {
                return Err(self.fault("a record of an upstream has one owner and one TTL"));
            }
            [&mut script.answers, &mut script.authority, &mut script.additional][section].push(rr);
        }
    }

    fn matching(&self, words: &str) -> Result<Matching, Fault> {
        let words: Vec<&str> = words.split_whitespace().collect();
        let [owner, kind, flags @ ..] = words.as_slice() else {
            return Err(self.fault("a match is: MATCH name type [DO|DO=0] [CD|CD=0]"));
        };
        let owner = match owner.strip_prefix("*.") {
            Some(parent) => format!("*.{}", self.told(name(parent))?),
            None => self.told(name(owner))?,
        };
        let kind = if *kind == "*" { None } else { Some(self.told(type_number(kind))?) };
        let mut matching = Matching { name: owner, kind, dnssec_ok: None, checking_disabled: None };
        for flag in flags {
            match *flag {
                "DO" | "DO=0" => matching.dnssec_ok = Some(*flag == "DO"),
                "CD" | "CD=0" => matching.checking_disabled = Some(*flag == "CD"),
                other => return Err(self.fault(format!("{other:?} is nothing to match"))),
            }
        }
        Ok(matching)
    }

    fn action(&mut self, action: &str, rest: &[&str]) -> Result<Action, Fault> {
        match action {
            "QUERY" => self.query(rest).map(|asked| Action::Query(Box::new(asked))),
            "CHECK_ANSWER" => self.wanted(rest).map(|wanted| Action::CheckAnswer(Box::new(wanted))),
            "CHECK_SILENCE" if rest.is_empty() => Ok(Action::CheckSilence),
            "CHECK_ASKED" | "CHECK_NOTED" if rest.is_empty() => {
                let mut lines = Vec::new();
                while let Some(line) = self.next_inside() {
                    lines.push((self.at, line.split_whitespace().collect::<Vec<_>>().join(" ")));
                }
                Ok(if action == "CHECK_ASKED" { Action::CheckAsked(lines) } else { Action::CheckNoted(lines) })
            }
            "TIME_PASSES" => match rest {
                [time] => self.told(duration(time)).map(Action::TimePasses),
                _ => Err(self.fault("TIME_PASSES takes one time: 10s, 250ms")),
            },
            "RELOAD" => {
                let refused = match rest {
                    [] => false,
                    ["refused"] => true,
                    _ => return Err(self.fault("RELOAD takes nothing, or refused")),
                };
                match self.next() {
                    Some("CONFIG") => Ok(Action::Reload(self.config()?, refused)),
                    _ => Err(self.fault("CONFIG has to follow RELOAD")),
                }
            }
            other => Err(self.fault(format!("{:?} is no step", [&[other], rest].concat().join(" ")))),
        }
    }

    fn query(&self, words: &[&str]) -> Result<Asked, Fault> {
        let [client, owner, kind, words @ ..] = words else {
            return Err(self.fault("a query is: QUERY client name type [flags]"));
        };
        let client = self.told(client.parse().map_err(|_| format!("{client:?} is no address")))?;
        let mut query = Query::new(".", self.told(type_number(kind))?);
        query.name = self.told(wire(owner))?;
        let local = LISTEN.parse().expect("an address and port");
        let mut asked = Asked { client, port: 40_000, local, tcp: false, query };
        for word in words {
            let (key, value) = word.split_once('=').map_or((*word, None), |(key, value)| (key, Some(value)));
            let known = self.told(apply(&mut asked, key, value))?;
            if !known {
                return Err(self.fault(format!("{word:?} is no flag of a query")));
            }
        }
        Ok(asked)
    }

    fn wanted(&mut self, words: &[&str]) -> Result<Wanted, Fault> {
        let mut wanted = Wanted { aa: Some(false), ..Wanted::default() };
        let Some((rcode, flags)) = words.split_first() else {
            return Err(self.fault("CHECK_ANSWER needs an RCODE"));
        };
        let known = RCODES.iter().find(|(name, _)| name == rcode);
        wanted.rcode = known.ok_or_else(|| self.fault(format!("{rcode:?} is no RCODE")))?.1;
        for flag in flags {
            match *flag {
                "AA" => wanted.aa = Some(true),
                "AA?" => wanted.aa = None,
                "AD" => wanted.ad = true,
                "TC" => wanted.tc = true,
                other => return Err(self.fault(format!("{other:?} is no flag of a reply; RA, RD and CD are implied"))),
            }
        }
        let mut section = None;
        while let Some(line) = self.next_inside() {
            match (line, section) {
                ("SECTION ANSWER", _) => section = Some(true),
                ("SECTION AUTHORITY", _) => section = Some(false),
                (line, None) => {
                    let codes = line.strip_prefix("EDE ").ok_or_else(|| {
                        self.fault(format!("EDE, SECTION or the next step is expected, not {line:?}"))
                    })?;
                    for code in codes.split_whitespace() {
                        let code = code.parse().map_err(|_| format!("{code:?} is no EDE code"));
                        wanted.ede.push(self.told(code)?);
                    }
                }
                (line, Some(is_answer)) => {
                    let (rr, range) = self.told(record(line))?;
                    let records = if is_answer { &mut wanted.answers } else { &mut wanted.authority };
                    records.push((self.at, rr, range));
                }
            }
        }
        Ok(wanted)
    }
}

/// Whether a line ends whatever the lines before it began.
fn begins_anew(line: &str) -> bool {
    line.starts_with("STEP ") || line.starts_with("RANGE_")
}

/// Applies a word of a query; false where there is none like it.
fn apply(asked: &mut Asked, key: &str, value: Option<&str>) -> Result<bool, String> {
    fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
        value.parse().map_err(|_| format!("{value:?} is no number of this flag"))
    }
    let query = &mut asked.query;
    match (key, value) {
        ("TCP", None) => asked.tcp = true,
        ("QR", None) => query.qr = true,
        ("AD", None) => query.ad = true,
        ("CD", None) => query.cd = true,
        ("Z", None) => query.z = true,
        ("RD", Some("0")) => query.rd = false,
        ("DO", None) => query.opt.get_or_insert_default().dnssec_ok = true,
        ("EDNS", None) => drop(query.opt.get_or_insert_default()),
        ("EDNS", Some(size)) => query.opt.get_or_insert_default().size = number(size)?,
        ("VERSION", Some(version)) => query.opt.get_or_insert_with(Opt::default).version = number(version)?,
        ("CLASS", Some(class)) => query.class = number(class)?,
        ("OPCODE", Some(opcode)) => query.opcode = number::<u8>(opcode)? & 0x0f,
        ("PORT", Some(port)) => asked.port = number(port)?,
        ("LOCAL", Some(local)) => asked.local = number(local)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// `10s`, `250ms`, `2m`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{text:?} is no time: 10s, 250ms")),
    };
    let count: u64 = count.parse().map_err(|_| format!("{text:?} is no time: 10s, 250ms"))?;
    Ok(Duration::from_millis(count.saturating_mul(millis)))
}
