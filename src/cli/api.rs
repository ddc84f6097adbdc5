//! A client of the admin API: for `ctl` and `explain --at`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::config::{Source, read_main};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: a reload of very large files is not quick.
const ANSWER: Duration = Duration::from_secs(65);
/// Octets of an answer at most.
const MOST_OCTETS: usize = 256 << 20;

/// Where the API is, and what opens it.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The admin API of a running server, as http://127.0.0.1:8053
    #[arg(long, value_name = "URL", global = true)]
    pub(super) at: Option<String>,
    /// The file that holds its bearer token; else the configuration's `token-file`, where it can be read
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

/// A client.
pub(super) struct Api {
    runtime: Runtime,
    /// Host and port, as the URL has them.
    authority: String,
    address: SocketAddr,
    token: Option<String>,
}

/// An answer.
pub(super) struct Answer {
    status: u16,
    body: Bytes,
}

/// A refusal, as problem JSON.
#[derive(Debug, thiserror::Error)]
#[error("the server says {status}: {detail}")]
pub(super) struct Refused {
    status: u16,
    detail: String,
    /// All that it says.
    pub(super) problem: Value,
}

impl Target {
    /// A client of the server at `--at`, or of the one that the configuration is for.
    pub(super) fn client(&self, config: &Path) -> anyhow::Result<Api> {
        let (authority, address, own_token) = match &self.at {
            Some(url) => {
                let (authority, address) = resolved(url)?;
                (authority, address, None)
            }
            None => {
                let (address, token) = of_file(config)?;
                (address.to_string(), address, token)
            }
        };
        let read = |path: &Path| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
        let token = match &self.token_file {
            Some(path) => Some(read(path).with_context(|| format!("cannot read {}", path.display()))?),
            // Not everyone who may look may also change.
            None => own_token.and_then(|path| read(&path).ok()),
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Api { runtime, authority, address, token })
    }
}

/// Host and port of a URL, and the address that it stands for.
fn resolved(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
    if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        bail!("{url}: the admin API is at http://HOST:PORT; through networks that others see it needs a tunnel");
    }
    let authority = uri.authority().context("a URL without a host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    let mut found =
        std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).with_context(|| format!("cannot find {host}"))?;
    let address = found.next().with_context(|| format!("{host} has no address"))?;
    Ok((authority.as_str().to_owned(), address))
}

/// Where a configuration has the API, and the file of its token. Faults elsewhere in the files do not matter: a server
/// is asked by what it was started with.
fn of_file(path: &Path) -> anyhow::Result<(SocketAddr, Option<PathBuf>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let source = Source::new(path.to_string_lossy(), text);
    let server = read_main(&source, &mut Vec::new()).server;
    let admin = server.as_ref().and_then(|server| server.admin.as_ref()).map(|admin| admin.value);
    let admin = admin.ok_or_else(|| anyhow!("{} has no `admin` listener; --at names one", path.display()))?;
    let host = match admin.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let token = server.and_then(|server| server.token_file).map(|file| folder.join(file.value));
    Ok((SocketAddr::new(host, admin.port()), token))
}

impl Api {
    /// GET.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, Bytes::new())
    }

    /// POST of a JSON body.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, body.to_string().into())
    }

    fn call(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        request = request.header(header::CONTENT_TYPE, "application/json").header(header::CONNECTION, "close");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).context("a token that no header can carry")?;
        let reached = self.runtime.block_on(self.exchange(request));
        let answer = reached.with_context(|| format!("cannot reach the admin API at {}", self.address))?;
        if answer.status < 400 {
            return Ok(answer);
        }
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("no reason is given");
        let hint = if answer.status == 401 && self.token.is_none() { " (--token-file)" } else { "" };
        let detail = format!("{}{hint}", super::printable(detail));
        Err(Refused { status: answer.status, detail, problem }.into())
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let stream = timeout(CONNECT, TcpStream::connect(self.address)).await.context("no connection in time")??;
        let asked = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let driven = tokio::spawn(connection);
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), MOST_OCTETS).collect().await;
            let body = body.map_err(|error| anyhow!("{error}"))?.to_bytes();
            driven.abort();
            anyhow::Ok(Answer { status, body })
        };
        timeout(ANSWER, asked).await.context("no answer in time")?
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not what is expected, as another version's.
    pub(super) fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body).context("the server's answer is not understood; is it of another version?")
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        let own = |url: &str| resolved(url).map(|(authority, address)| (authority, address.to_string()));
        assert_eq!(own("http://127.0.0.1:8053").unwrap(), ("127.0.0.1:8053".to_owned(), "127.0.0.1:8053".to_owned()));
        assert_eq!(own("http://[::1]:8053/").unwrap().1, "[::1]:8053");
        assert_eq!(own("http://127.0.0.1").unwrap().1, "127.0.0.1:80");
        for wrong in ["https://127.0.0.1:8053", "127.0.0.1:8053", "http://127.0.0.1:8053/api", "http://", "x"] {
            assert!(own(wrong).is_err(), "{wrong}");
        }
    }
}
