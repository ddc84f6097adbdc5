//! `POST explain`: how a client's question is answered now, by the snapshot and the cache that serve.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use serde::Deserialize;

use super::problem::Problem;
use super::request::body;
use super::{Answer, Api, answer};
use crate::explain::{self, Explained, Question};
use crate::resolve::Transport;
use crate::wire::{RecordType, WireName, rtype};

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    client: IpAddr,
    /// The address and port that the client sends to; else the first listener of its family.
    local: Option<SocketAddr>,
    name: String,
    #[serde(rename = "type")]
    qtype: Option<String>,
    /// Whether upstreams are asked for what is not here.
    #[serde(default)]
    ask: bool,
}

pub(super) async fn explain(State(api): State<Arc<Api>>, request: Request) -> Answer<Explained> {
    let asked: Asked = body(request).await?;
    let shared = &api.served()?.shared;
    let wrong = |what: &str| Problem::bad_request(format!("`{what}` cannot be asked"));
    let name = WireName::from_presentation(&asked.name).map_err(|_| wrong(&asked.name))?;
    let qtype = match &asked.qtype {
        None => rtype::A,
        Some(text) => text.parse::<RecordType>().map_err(|()| wrong(text))?.0,
    };
    let in_force = api.status().in_force.load_full();
    let local = asked.local.unwrap_or_else(|| explain::listener(&in_force.listening.dns, asked.client));
    let question = Question { client: asked.client, local, name, qtype };
    if asked.ask {
        let _asking = api.asking.try_acquire().map_err(|_| Problem::busy())?;
        return answer(explain::ask(shared, question, Transport::Udp).await);
    }
    answer(explain::now(&shared.snapshot.load(), &shared.cache, shared.clock.now(), &question))
}
