//! `hubdns query`: asks a server as a client would, from a chosen address.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::expect::{Expect, actual};
use super::{Exit, complain, print, print_json};
use crate::config::value;
use crate::explain::{RecordLine, Reply};
use crate::stub::{Received, Stub, Transport};
use crate::wire::{Header, RecordType, WireName, flags, rtype};
use crate::zone::reverse::reverse_name;

/// What `query` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// [@SERVER[:PORT]] NAME [TYPE]: the server (127.0.0.1, port 53), the name (an address: its reverse name), and the
    /// type (A)
    #[arg(required = true, num_args = 1..=3, value_name = "WORD")]
    words: Vec<String>,
    /// The address to ask from, one of this host: it chooses the view
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// Ask over TCP; else over UDP, and over TCP where the reply is cut
    #[arg(long)]
    tcp: bool,
    /// Do not ask for recursion
    #[arg(long)]
    no_recurse: bool,
    /// Ask for DNSSEC's records
    #[arg(long)]
    dnssec: bool,
    /// Ask for unchecked data (CD)
    #[arg(long)]
    unchecked: bool,
    /// How long to wait for a reply
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// How often to send a question over UDP
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=10))]
    tries: u32,
    /// Print the data of the answer alone
    #[arg(long, conflicts_with = "json")]
    short: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit with 5 unless the reply is so: ADDRESS, nodata, nxdomain, refused, servfail; given again, all must be
    #[arg(long, value_name = "ANSWER")]
    expect: Vec<Expect>,
}

/// Reads a length of time as the configuration has it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    value::duration(text).map_err(|fault| fault.message)
}

/// Whom to ask what.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    server: SocketAddr,
    name: WireName,
    qtype: u16,
}

impl Asked {
    /// Reads the words in any order that `dig` takes: the server anywhere, the name before the type.
    fn read(words: &[String]) -> Result<Self, String> {
        let mut asked = Self { server: SocketAddr::from(([127, 0, 0, 1], 53)), name: WireName::ROOT, qtype: rtype::A };
        let mut named = false;
        let (servers, others): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.starts_with('@'));
        if servers.len() > 1 {
            return Err("more than one server".to_owned());
        }
        if let Some(server) = servers.first().and_then(|word| word.strip_prefix('@')) {
            asked.server =
                value::socket_address(server, 53).map_err(|fault| format!("@{server}: {}", fault.message))?;
        }
        for word in others {
            if !named {
                named = true;
                match word.parse::<IpAddr>() {
                    Ok(address) => (asked.name, asked.qtype) = (reverse_name(address), rtype::PTR),
                    Err(_) => {
                        asked.name = WireName::from_presentation(word).map_err(|error| format!("{word}: {error}"))?
                    }
                }
            } else {
                let known = word.parse::<RecordType>().map_err(|()| format!("`{word}` is no record type"))?;
                asked.qtype = known.0;
            }
        }
        if named && words.len() - servers.len() <= 2 { Ok(asked) } else { Err("one name and one type".to_owned()) }
    }
}

/// Asks.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let asked = match Asked::read(&arguments.words) {
        Ok(asked) => asked,
        Err(fault) => {
            complain(&format!("hubdns: {fault}; usage: hubdns query [@SERVER[:PORT]] NAME [TYPE]\n"));
            return Ok(Exit::Usage);
        }
    };
    let stub = Stub {
        server: asked.server,
        source: arguments.from,
        timeout: arguments.timeout,
        tries: arguments.tries,
        recursion: !arguments.no_recurse,
        dnssec: arguments.dnssec,
        unchecked: arguments.unchecked,
    };
    let first = if arguments.tcp { Transport::Tcp } else { Transport::Udp };
    let mut received = stub.ask(asked.name.as_ref(), asked.qtype, first)?;
    let cut = received.transport == Transport::Udp && is_cut(&received);
    if cut {
        received = stub.ask(asked.name.as_ref(), asked.qtype, Transport::Tcp)?;
    }
    let reply = Reply::read(&received.message);
    let qtype = RecordType(asked.qtype).to_string();
    if arguments.json {
        print_json(&object(&asked, &stub, &received, reply.as_ref(), cut))?;
    } else if arguments.short {
        print(&reply.iter().flat_map(|reply| &reply.answer).map(|own| format!("{}\n", own.data)).collect::<String>())?;
    } else {
        print(&text(&asked, &received, reply.as_ref(), cut))?;
    }
    let fits = |expect: &&Expect| !reply.as_ref().is_some_and(|reply| expect.fits_reply(reply, &qtype));
    let Some(wrong) = arguments.expect.iter().find(fits) else { return Ok(Exit::Fine) };
    complain(&format!("hubdns: {wrong} expected, {} came\n", actual(reply.as_ref())));
    Ok(Exit::NotAsExpected)
}

fn is_cut(received: &Received) -> bool {
    Header::read(&received.message).is_ok_and(|header| header.has(flags::TC))
}

/// The flags that are set, as `dig` names them.
fn set_flags(header: &Header) -> Vec<&'static str> {
    let known = [
        ("qr", flags::QR),
        ("aa", flags::AA),
        ("tc", flags::TC),
        ("rd", flags::RD),
        ("ra", flags::RA),
        ("ad", flags::AD),
        ("cd", flags::CD),
    ];
    known.into_iter().filter(|(_, bit)| header.has(*bit)).map(|(name, _)| name).collect()
}

fn object(asked: &Asked, stub: &Stub, received: &Received, reply: Option<&Reply>, cut: bool) -> Value {
    let header = Header::read(&received.message).unwrap_or_default();
    json!({
        "schema": 1,
        "server": asked.server.to_string(),
        "from": stub.source.map(|source| source.to_string()),
        "name": asked.name.to_string(),
        "type": RecordType(asked.qtype).to_string(),
        "transport": received.transport,
        "truncated_over_udp": cut,
        "elapsed_ms": millis(received.elapsed),
        "octets": received.message.len(),
        "id": header.id,
        "flags": set_flags(&header),
        "reply": reply,
    })
}

/// Milliseconds with three decimals.
fn millis(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// Everything, in lines whose remarks begin with `;;` as those of `dig`.
fn text(asked: &Asked, received: &Received, reply: Option<&Reply>, cut: bool) -> String {
    let mut out = String::new();
    let header = Header::read(&received.message).unwrap_or_default();
    let rcode = reply.map_or("an unreadable reply", |reply| &reply.rcode);
    let _ = writeln!(out, ";; {rcode}, id {}, flags {}", header.id, set_flags(&header).join(" "));
    for error in reply.iter().flat_map(|reply| &reply.errors) {
        let text = if error.text.is_empty() { String::new() } else { format!(": {}", error.text) };
        let _ = writeln!(out, ";; EDE {} {}{text}", error.code, error.meaning);
    }
    let _ = writeln!(out, ";; question\n;{} IN {}", asked.name, RecordType(asked.qtype));
    let sections = reply.map(|reply| [("answer", &reply.answer), ("authority", &reply.authority)]);
    for (title, records) in sections.into_iter().flatten().filter(|(_, records)| !records.is_empty()) {
        let _ = writeln!(out, ";; {title}");
        for RecordLine { name, ttl, rtype, data } in records {
            let _ = writeln!(out, "{name} {ttl} IN {rtype} {data}");
        }
    }
    let cut = if cut { "; cut over UDP, so asked again" } else { "" };
    let _ = writeln!(
        out,
        ";; {} octets from {} over {} in {:.1} ms{cut}",
        received.message.len(),
        asked.server,
        received.transport,
        millis(received.elapsed)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<(String, String, String), String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let asked = Asked::read(&words)?;
        Ok((asked.server.to_string(), asked.name.to_string(), RecordType(asked.qtype).to_string()))
    }

    #[test]
    fn the_words_are_server_name_and_type() {
        let own = |server: &str, name: &str, qtype: &str| Ok((server.to_owned(), name.to_owned(), qtype.to_owned()));
        assert_eq!(read("a.example"), own("127.0.0.1:53", "a.example", "A"));
        assert_eq!(read("@127.0.0.2:5300 a.example. aaaa"), own("127.0.0.2:5300", "a.example", "AAAA"));
        assert_eq!(read("a.example TYPE65 @[::1]:54"), own("[::1]:54", "a.example", "HTTPS"));
        assert_eq!(read("10.0.1.4 @127.0.0.2"), own("127.0.0.2:53", "4.1.0.10.in-addr.arpa", "PTR"));
        for words in ["@127.0.0.1", "@a.example b.example", "a.example b.example", "@127.0.0.1 @127.0.0.2 a", "a..b"] {
            assert!(read(words).is_err(), "{words}");
        }
    }
}
