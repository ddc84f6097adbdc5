//! A client of the HTTP listeners: one request a connection, the answer read to its end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines between the status and the body.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let own = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Connects to a listener.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the listener accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

/// Waits until nothing listens there any more: what accepts ends by itself once it is told.
///
/// # Panics
/// When it goes on.
pub(crate) fn wait_until_gone(address: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "{address} still accepts");
        std::thread::yield_now();
    }
}

/// Sends octets as they are and reads what comes until the connection ends; none when nothing came.
pub(crate) fn raw(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    stream.write_all(request).expect("sent");
    read(&mut stream)
}

/// Reads an answer to the connection's end.
pub(crate) fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut octets = Vec::new();
    // A reset ends the connection as well.
    let _ = stream.read_to_end(&mut octets);
    let text = String::from_utf8(octets).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Answer { status, headers: headers.collect(), body: body.to_owned() })
}

/// One request with a method, more header lines and a body.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, more: &[&str], body: &str) -> Answer {
    let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
    let host = if more.to_ascii_lowercase().contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    let length =
        if body.is_empty() && method == "GET" { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let text = format!("{method} {path} HTTP/1.1\r\n{host}{more}{length}connection: close\r\n\r\n{body}");
    raw(address, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

/// GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, &[], "")
}
