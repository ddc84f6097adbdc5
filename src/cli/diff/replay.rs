//! `--replay`: the questions of a log, answered by both configurations through the core.
//!
//! A line is one JSON object. Of it the client's address, the name and the type are needed; they are found under the
//! keys of the query log, of audit lines, of Azure Firewall's and Azure DNS's tables, flat, dotted or nested, whatever
//! their case. Lines without a client and a name are counted and left out.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hashbrown::HashMap;
use serde::Serialize;

use super::super::log_lines::{Fields, each_line};
use super::Side;
use crate::explain::{Explained, Question, listener, offline};
use crate::wire::{Name, RecordType, WireName, rtype};

/// Keys of the client's address, in lower case.
const CLIENT: [&str; 6] = ["source.ip", "client", "client.ip", "client.address", "sourceip", "sourceipaddress"];
/// Keys of the name.
const NAME: [&str; 4] = ["dns.question.name", "name", "queryname", "qname"];
/// Keys of the type.
const TYPE: [&str; 4] = ["dns.question.type", "type", "querytype", "qtype"];
/// Keys of the address that was asked.
const LOCAL: [&str; 3] = ["destination.ip", "server.ip", "local"];

/// Its port.
const PORT: [&str; 2] = ["destination.port", "server.port"];

/// What came of a log.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    /// Lines that hold a question.
    pub(super) questions: u64,
    /// Lines that do not.
    pub(super) skipped: u64,
    /// Different questions.
    pub(super) distinct: usize,
    /// Those that would be answered otherwise, the most frequent first.
    pub(super) differences: Vec<Difference>,
}

/// A question that would be answered otherwise.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// How often the log has it.
    pub(super) count: u64,
    /// One client that asked.
    pub(super) client: IpAddr,
    /// The clients' view before; none: refused.
    pub(super) old_view: Option<String>,
    /// Their view after.
    pub(super) new_view: Option<String>,
    /// QNAME.
    pub(super) name: String,
    /// QTYPE.
    #[serde(rename = "type")]
    pub(super) qtype: String,
    /// The answer before.
    pub(super) before: String,
    /// The answer after.
    pub(super) after: String,
}

/// What tells questions apart: both views, the name, the type.
type Key = (Option<usize>, Option<usize>, Name, u16);

/// Answers every question of a log by both sides.
pub(super) fn replay(log: &Path, old: &Side, new: &Side) -> anyhow::Result<Replayed> {
    let mut asked: HashMap<Key, (u64, Asked)> = HashMap::new();
    let mut replayed = Replayed { questions: 0, skipped: 0, distinct: 0, differences: Vec::new() };
    each_line(log, |fields| {
        let Some(question) = fields.and_then(|fields| Asked::read(&fields)) else {
            replayed.skipped += 1;
            return;
        };
        replayed.questions += 1;
        let view = |side: &Side| {
            let local = question.local(side);
            side.snapshot.select(question.client, local).map(|(_, selected)| selected.view)
        };
        let key = (view(old), view(new), question.name.into(), question.qtype);
        asked.entry(key).or_insert((0, question)).0 += 1;
    })?;
    replayed.distinct = asked.len();
    replayed.differences = asked.into_values().filter_map(|(count, own)| own.difference(count, old, new)).collect();
    let differences = &mut replayed.differences;
    differences.sort_by(|one, other| (other.count, &one.name, &one.qtype).cmp(&(one.count, &other.name, &other.qtype)));
    Ok(replayed)
}

/// A question of the log.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    client: IpAddr,
    local: Option<IpAddr>,
    port: Option<u16>,
    name: WireName,
    qtype: u16,
}

impl Asked {
    /// A line's question; none where it has none.
    fn read(fields: &Fields) -> Option<Self> {
        let text = |keys: &[&str]| keys.iter().find_map(|key| fields.get(*key)).map(|text| text.trim());
        let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let qtype = text(&TYPE).map_or(Some(rtype::A), |text| {
            text.parse::<RecordType>().map(|known| known.0).ok().or_else(|| text.parse().ok())
        });
        Some(Self {
            client: text(&CLIENT).and_then(address)?,
            local: text(&LOCAL).and_then(address),
            port: text(&PORT).and_then(|text| text.parse().ok()),
            name: WireName::from_presentation(text(&NAME)?).ok()?,
            qtype: qtype?,
        })
    }

    /// The address that was asked: the log's, or the side's first listener. A port that the side does not listen on is
    /// that of another server.
    fn local(&self, side: &Side) -> SocketAddr {
        let first = listener(&side.config.listen, self.client);
        let port = self.port.filter(|port| side.config.listen.iter().any(|listen| listen.port() == *port));
        self.local.map_or(first, |address| SocketAddr::new(address, port.unwrap_or(first.port())))
    }

    fn difference(&self, count: u64, old: &Side, new: &Side) -> Option<Difference> {
        let explained = |side: &Side| {
            let Self { client, name, qtype, .. } = *self;
            offline(&side.snapshot, &Question { client, local: self.local(side), name, qtype })
        };
        let (before, after) = (explained(old), explained(new));
        let texts = (text(&before), text(&after));
        (texts.0 != texts.1).then(|| Difference {
            count,
            client: self.client,
            name: before.name.clone(),
            qtype: before.qtype.clone(),
            old_view: before.view.map(|view| view.name),
            new_view: after.view.map(|view| view.name),
            before: texts.0,
            after: texts.1,
        })
    }
}

/// An answer in a line: its RCODE and records, or the route and conditions of what has to be asked.
fn text(explained: &Explained) -> String {
    let mut parts = Vec::new();
    if let Some(asks) = &explained.asks {
        if asks.name != explained.name {
            parts.push(format!("alias to {},", asks.name));
        }
        parts.push(format!("asked of {}", asks.servers.join(", ")));
        if asks.guarded == "yes" && !matches!(&*asks.guard, "off" | "watch") {
            parts.push("(guarded)".to_owned());
        }
    }
    if let Some(reply) = &explained.reply {
        parts.push(if reply.rcode == "NOERROR" && reply.answer.is_empty() {
            "NODATA".to_owned()
        } else if reply.answer.is_empty() {
            reply.rcode.clone()
        } else {
            let records = reply.answer.iter().map(|record| match &*record.rtype {
                "A" | "AAAA" => record.data.clone(),
                rtype => format!("{rtype} {}", record.data),
            });
            records.collect::<Vec<_>>().join(", ")
        });
    }
    if parts.is_empty() { "no reply".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::super::super::log_lines::fields;
    use super::*;

    fn read(line: &str) -> Option<Asked> {
        Asked::read(&fields(line.as_bytes())?)
    }

    #[test]
    fn a_question_is_found_under_the_keys_of_several_logs() {
        let wanted = Asked {
            client: "10.1.0.4".parse().unwrap(),
            local: None,
            port: None,
            name: WireName::from_presentation("rdweb.wvd.microsoft.com").unwrap(),
            qtype: rtype::AAAA,
        };
        for line in [
            r#"{"source.ip":"10.1.0.4","dns.question.name":"rdweb.wvd.microsoft.com","dns.question.type":"AAAA"}"#,
            r#"{"source":{"ip":"::ffff:10.1.0.4"},"dns":{"question":{"name":"RDWEB.wvd.microsoft.com.","type":"aaaa"}}}"#,
            r#"{"timestamp":"t","fields":{"action":"foreign","client":"10.1.0.4","name":"rdweb.wvd.microsoft.com","type":28}}"#,
            r#"{"SourceIp":"10.1.0.4","SourcePort":5,"QueryName":"rdweb.wvd.microsoft.com.","QueryType":"AAAA"}"#,
        ] {
            assert_eq!(read(line).as_ref(), Some(&wanted), "{line}");
        }
        let bare = read(r#"{"client":"10.1.0.4","name":"a.example"}"#).unwrap();
        assert_eq!(bare.qtype, rtype::A);
        for line in ["", "[]", "no JSON", r#"{"client":"10.1.0.4"}"#, r#"{"client":"x","name":"a"}"#] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
