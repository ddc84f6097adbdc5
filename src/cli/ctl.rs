//! `hubdns ctl`: the admin API from the shell.

mod bundle;
mod clients;
mod text;
mod top;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::api::{Api, Refused, Target};
use super::who::Filter;
use super::{Exit, complain, print, print_json};
use crate::config::value;

/// What `ctl` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Tells how the server is: phase, revision, last load with its findings, counts
    Status(Json),
    /// Has the configuration loaded anew: whole, or not at all
    Reload(Json),
    /// Drops answers from the cache
    Flush(FlushArguments),
    /// Goes back to the revision before, which is held in memory, until the next reload
    Rollback(Json),
    /// Answers an endpoint's names otherwise in one view for a while, whatever the files say (break-glass)
    Override(OverrideArguments),
    /// Tells which clients asked lately, as far as the query log knows
    Who(WhoArguments),
    /// Shows rates by view and upstream, again and again
    Top(TopArguments),
    /// Writes what a support case needs into one JSON file: status, configuration, upstreams, metrics; names and
    /// addresses, no secrets
    Bundle(BundleArguments),
}

/// How to print.
#[derive(Debug, Args)]
struct Json {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `flush` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("meant").required(true))]
struct FlushArguments {
    /// Everything
    #[arg(long, group = "meant")]
    all: bool,
    /// One name, all types and upstreams
    #[arg(long, group = "meant", value_name = "NAME")]
    name: Option<String>,
    /// A name and all names below it
    #[arg(long, group = "meant", value_name = "NAME")]
    subtree: Option<String>,
    /// What came from an upstream
    #[arg(long, group = "meant", value_name = "UPSTREAM")]
    route: Option<String>,
    #[command(flatten)]
    json: Json,
}

/// What `override` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true))]
struct OverrideArguments {
    /// The view
    #[arg(long)]
    view: String,
    /// The endpoint
    #[arg(long)]
    endpoint: String,
    /// What its names are: public (forwarded, not guarded) or blocked (NXDOMAIN)
    #[arg(value_enum, group = "how")]
    state: Option<OverrideState>,
    /// End the override now
    #[arg(long, group = "how", conflicts_with = "lasts")]
    end: bool,
    /// For how long, 1s to 7d
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    lasts: String,
    #[command(flatten)]
    json: Json,
}

/// What an override makes of an endpoint.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OverrideState {
    Public,
    Blocked,
}

/// What `who` takes.
#[derive(Debug, Args)]
struct WhoArguments {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    json: Json,
}

/// What `top` takes.
#[derive(Debug, Args)]
struct TopArguments {
    /// How long one round takes
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    interval: Duration,
    /// How many rounds; else without end
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print one line of JSON a round
    #[arg(long)]
    json: bool,
}

/// What `bundle` takes.
#[derive(Debug, Args)]
struct BundleArguments {
    /// The file to write; else standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = value::duration(text).map_err(|fault| fault.message)?;
    if duration < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(duration) }
}

/// Runs the command.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let api = arguments.target.client(config)?;
    match carry_out(&api, &arguments.verb) {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => match error.downcast_ref::<Refused>() {
            Some(refused) => Ok(tell(refused, wants_json(&arguments.verb))?),
            None => Err(error),
        },
    }
}

fn carry_out(api: &Api, verb: &Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Status(format) => shown(api.get("/api/v1/status")?.json()?, format, text::status),
        Verb::Reload(format) => shown(api.post("/api/v1/reload", &json!({}))?.json()?, format, text::outcome),
        Verb::Flush(arguments) => {
            let answer = api.post("/api/v1/cache/flush", &meant(arguments))?.json()?;
            shown(answer, &arguments.json, text::flushed)
        }
        Verb::Rollback(format) => shown(api.post("/api/v1/rollback", &json!({}))?.json()?, format, text::outcome),
        Verb::Override(arguments) => {
            let (path, body) = overridden(arguments);
            shown(api.post(path, &body)?.json()?, &arguments.json, text::outcome)
        }
        Verb::Who(arguments) => clients::run(api, &arguments.filter, arguments.json.json),
        Verb::Top(arguments) => top::run(api, arguments.interval, arguments.count, arguments.json),
        Verb::Bundle(arguments) => bundle::run(api, arguments.output.as_deref()),
    }
}

fn shown(answer: Value, format: &Json, text: fn(&Value) -> String) -> anyhow::Result<()> {
    if format.json { print_json(&answer) } else { print(&text(&answer)) }
}

fn meant(arguments: &FlushArguments) -> Value {
    let FlushArguments { all: _, name, subtree, route, json: _ } = arguments;
    match (name, subtree, route) {
        (Some(name), ..) => json!({ "name": name }),
        (_, Some(name), _) => json!({ "subtree": name }),
        (.., Some(upstream)) => json!({ "route": upstream }),
        _ => json!({ "all": true }),
    }
}

fn overridden(arguments: &OverrideArguments) -> (&'static str, Value) {
    let OverrideArguments { view, endpoint, state, end: _, lasts, json: _ } = arguments;
    let state = match state {
        None => return ("/api/v1/override/end", json!({ "view": view, "endpoint": endpoint })),
        Some(OverrideState::Public) => "public",
        Some(OverrideState::Blocked) => "blocked",
    };
    ("/api/v1/override", json!({ "view": view, "endpoint": endpoint, "state": state, "for": lasts }))
}

fn wants_json(verb: &Verb) -> bool {
    match verb {
        Verb::Status(format) | Verb::Reload(format) | Verb::Rollback(format) => format.json,
        Verb::Flush(FlushArguments { json, .. }) | Verb::Override(OverrideArguments { json, .. }) => json.json,
        Verb::Who(arguments) => arguments.json.json,
        Verb::Top(arguments) => arguments.json,
        Verb::Bundle(_) => false,
    }
}

/// Tells a refusal: its findings where it has some.
fn tell(refused: &Refused, json: bool) -> anyhow::Result<Exit> {
    if json {
        print_json(&refused.problem)?;
    }
    complain(&format!("{}hubdns: {refused}\n", text::findings(&refused.problem)));
    let is_faulty = refused.problem.get("code").and_then(Value::as_str) == Some("faulty");
    Ok(if is_faulty { Exit::Faulty } else { Exit::Failed })
}
