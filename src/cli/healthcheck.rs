//! `hubdns healthcheck`: asks a running server whether it is ready. For images, which hold no other program that could.
//!
//! Of the configuration it reads `[server]` alone, and of the main file alone: a file that a reload would refuse must not
//! make a server look ill that serves on by the last one, and a probe every few seconds must not read a million names.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Exit, print};
use crate::config::value;
use crate::explain::listener;
use crate::load;
use crate::stub::{Stub, Transport};
use crate::wire::{WireName, rtype};

/// The port of `health` where an address has none.
const PORT: u16 = 8_080;
/// Octets of an answer that are read at most.
const ANSWER_OCTETS: usize = 64 << 10;

/// What `healthcheck` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to ask: ip[:port] or http://ip[:port]/path; by default `health` of the file, where a wildcard address means
    /// loopback. Without `health` the first of `listen` is asked over DNS whether it answers
    #[arg(long, value_name = "URL")]
    at: Option<Target>,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = super::query::duration)]
    timeout: Duration,
}

/// Where to ask over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: SocketAddr,
    path: String,
}

impl Target {
    fn ready(address: SocketAddr) -> Self {
        Self { address: listener(&[address], address.ip()), path: "/readyz".to_owned() }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return value::socket_address(text, PORT).map(Self::ready).map_err(|fault| fault.message);
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let Ok(ip) = host.parse::<IpAddr>() else { return Err(format!("{host:?} is not an IP address")) };
        if uri.scheme_str() != Some("http") {
            return Err("only http:// is spoken".to_owned());
        }
        let target = Self::ready(SocketAddr::new(ip, uri.port_u16().unwrap_or(80)));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(if path == "/" { target } else { Self { path: path.to_owned(), ..target } })
    }
}

/// Asks, and says what came in one line.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let line = match &arguments.at {
        Some(target) => over_http(target, arguments.timeout)?,
        None => {
            let server = load::server(config)?;
            let Some(server) = server else {
                bail!("{} has no [server] that can be read; name the listener with --at", config.display())
            };
            let listen: Vec<SocketAddr> = server.listen.iter().map(|address| address.value).collect();
            match server.health {
                Some(health) => over_http(&Target::ready(health.value), arguments.timeout)?,
                None => over_dns(&listen, arguments.timeout)?,
            }
        }
    };
    print(&format!("{line}\n"))?;
    Ok(Exit::Fine)
}

/// What a server that is ready says of itself.
fn over_http(target: &Target, timeout: Duration) -> anyhow::Result<String> {
    let Target { address, path } = target;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(timeout, get(*address, path)).await });
    let (status, body) = match asked {
        Ok(answer) => answer.with_context(|| format!("no answer at http://{address}{path}"))?,
        Err(_) => bail!("no answer at http://{address}{path} within {} ms", timeout.as_millis()),
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut line = body["phase"].as_str().unwrap_or("HTTP").to_owned();
    if let Some(generation) = body["generation"].as_u64() {
        line += &format!(", generation {generation}");
    }
    match status {
        StatusCode::OK => Ok(format!("ready: {line}")),
        _ => bail!("not ready: {line} (status {} at http://{address}{path})", status.as_u16()),
    }
}

/// One request, and its status and body.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_OCTETS).collect().await.map_err(anyhow::Error::from_boxed)?;
        Ok((head.status, body.to_bytes()))
    };
    // The connection moves what the request and its answer are made of; it ends with them.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended?;
            answer.await
        }
    }
}

/// Any reply over DNS is one: whether it is ready cannot be asked without `health`.
fn over_dns(listen: &[SocketAddr], timeout: Duration) -> anyhow::Result<String> {
    let server = listener(listen, IpAddr::from([127, 0, 0, 1]));
    let stub = Stub { timeout: timeout / 2, tries: 2, ..Stub::new(server) };
    let localhost = WireName::from_presentation("localhost").unwrap_or(WireName::ROOT);
    stub.ask(localhost.as_ref(), rtype::A, Transport::Udp)?;
    Ok(format!("answers over DNS at {server}; set `health` to have it asked whether it is ready"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_or_a_url() {
        let read = |text: &str| text.parse::<Target>().map(|target| format!("{} {}", target.address, target.path));
        for (text, target) in [
            ("127.0.0.1:80", "127.0.0.1:80 /readyz"),
            ("127.0.0.1", "127.0.0.1:8080 /readyz"),
            ("0.0.0.0:81", "127.0.0.1:81 /readyz"),
            ("[::]:81", "[::1]:81 /readyz"),
            ("http://127.0.0.1", "127.0.0.1:80 /readyz"),
            ("http://[::1]:8080/livez", "[::1]:8080 /livez"),
            ("http://10.0.0.4:8080/", "10.0.0.4:8080 /readyz"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(target), "{text}");
        }
        for text in ["https://127.0.0.1/", "http://hub.example/", "hub.example", "http://", "127.0.0.1:x", ""] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
