//! A client of the admin API. Every answer is held against docs/openapi.json: path, method, status and body.

use super::http::{Answer, request};
use super::schema::faults;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;

/// The description in the repository.
pub(crate) fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        let text = std::fs::read_to_string(path).expect("docs/openapi.json");
        serde_json::from_str(&text).expect("it is JSON")
    })
}

/// A listener and what opens it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    pub(crate) fn token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// GET, with any status.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "")
    }

    /// GET that succeeds.
    pub(crate) fn read(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// POST of JSON, with any status.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &["content-type: application/json"], &body.to_string())
    }

    /// POST of JSON that succeeds.
    pub(crate) fn told(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        answer.json()
    }

    /// Any request of the API; its answer is as described.
    pub(crate) fn call(&self, method: &str, path: &str, more: &[&str], body: &str) -> Answer {
        let token = self.token.as_ref().map(|token| format!("authorization: Bearer {token}"));
        let more: Vec<&str> = more.iter().copied().chain(token.as_deref()).collect();
        let answer = request(self.address, method, path, &more, body);
        hold(method, path, &answer);
        answer
    }

    /// Many requests over one connection.
    pub(crate) fn session(&self) -> Session {
        Session { stream: BufReader::new(super::http::connect(self.address)), address: self.address }
    }
}

/// Holds an answer against the description.
///
/// # Panics
/// When it is not as described.
pub(crate) fn hold(method: &str, path: &str, answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}: {answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "no CORS");
    let path = path.split('?').next().expect("a path");
    let document = description();
    let is_problem = answer.status >= 400;
    let kind = if is_problem { "application/problem+json" } else { "application/json" };
    assert_eq!(answer.header("content-type"), Some(kind), "{method} {path}: {answer:?}");
    let body = answer.json();
    let operation = &document["paths"][path][method.to_lowercase()];
    // What is not described is no operation, and every problem there is one of these.
    let schema = if operation.is_null() {
        assert!(matches!(answer.status, 401 | 403 | 404 | 405 | 421), "{method} {path}: {answer:?}");
        &document["components"]["schemas"]["Problem"]
    } else {
        let response = &operation["responses"][answer.status.to_string()];
        assert!(!response.is_null(), "{method} {path} is not said to answer {}: {answer:?}", answer.status);
        &response["content"][kind]["schema"]
    };
    let faults = faults(document, schema, &body);
    assert!(faults.is_empty(), "{method} {path}: {faults:#?}\n{body:#}");
    if is_problem {
        assert_eq!(body["status"], answer.status, "{body}");
    }
}

/// A connection that is kept.
pub(crate) struct Session {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Session {
    /// POST of JSON that succeeds.
    pub(crate) fn told(&mut self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all((head + &body).as_bytes()).expect("sent");
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).expect("a status");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header line");
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut octets = vec![0; length];
        self.stream.read_exact(&mut octets).expect("a body");
        assert!(status.contains(" 200 "), "{status}{}", String::from_utf8_lossy(&octets));
        serde_json::from_slice(&octets).expect("JSON")
    }
}
