//! What every test of this binary stands on: the real server as a child process, a scripted upstream in this
//! process, clients that choose their source address, and message builders that share no code with the product.

pub(crate) mod api;
pub(crate) mod authoritative;
pub(crate) mod client;
pub(crate) mod driven;
pub(crate) mod hickory;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod message;
pub(crate) mod metrics;
pub(crate) mod port;
pub(crate) mod public;
pub(crate) mod real;
pub(crate) mod reply;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod small;
pub(crate) mod tls;
pub(crate) mod upstream;

pub(crate) use client::Client;
pub(crate) use message::{Opt, Query};
pub(crate) use public::Public;
pub(crate) use reply::Reply;
pub(crate) use server::{Server, Setup};
pub(crate) use upstream::{Script, Seen, Transport, Upstream};
