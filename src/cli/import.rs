//! `hubdns import`: what Azure prints, or what another DNS server is configured by → a configuration.
//!
//! The result goes to standard output or to `-o`; findings go to standard error. A file is replaced whole or not at all.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Exit, complain, is_coloured, print, print_json};
use crate::config::value::socket_address;
use crate::config::{Finding, Severity, codes, has_errors, render};
use crate::import::azure::drift::{Difference, differences};
use crate::import::azure::{Request, ViewRule};
use crate::import::other::Format;
use crate::import::{self, Data, Options, Tables, Written, ZoneContent};
use crate::zone::avd::Kind;

/// What `import` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    source: Source,
}

/// From what.
#[derive(Debug, Subcommand)]
enum Source {
    /// Azure: interfaces, private endpoints, zone groups, record sets, zone exports, Terraform, Resource Graph, deployments
    Azure(Box<AzureArguments>),
    /// CoreDNS's Corefile
    Corefile(OtherArguments),
    /// Unbound's unbound.conf
    Unbound(OtherArguments),
    /// BIND's named.conf
    Bind(OtherArguments),
    /// dnsmasq.conf
    Dnsmasq(OtherArguments),
    /// A hosts file
    Hosts(OtherArguments),
}

/// What the importers of other servers take.
#[derive(Debug, Args)]
struct OtherArguments {
    /// The file; what it includes or refers to is listed, not read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// What every importer takes.
#[derive(Debug, Args)]
struct Common {
    /// Write here in place of standard output; the file is replaced whole or not at all
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Write tables for `include` alone, without [server] and upstream
    #[arg(long)]
    included: bool,
    /// Address to listen on, 0.0.0.0:53 unless given; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Server of the default upstream; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    upstream: Vec<SocketAddr>,
    /// Write what can be used where something cannot
    #[arg(long)]
    partial: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `import azure` takes.
#[derive(Debug, Args)]
struct AzureArguments {
    /// Files of any of the formats, in any number; what several say of one endpoint is joined
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Put virtual networks into one view: names, ids, globs, prefixes, or - for endpoints of no known network
    #[arg(long = "view", value_name = "NAME=MEMBER,…")]
    views: Vec<ViewRule>,
    /// The kind of endpoints whose data do not tell it
    #[arg(long, value_enum)]
    kind: Option<KindArgument>,
    /// Leave the views to another file
    #[arg(long, conflicts_with = "check")]
    no_views: bool,
    /// Write nothing; compare with this configuration and exit with 5 where it is not as Azure has it
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["output", "included", "listen", "upstream", "partial"])]
    check: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// A kind on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArgument {
    Global,
    Workspace,
    HostPool,
    Other,
}

impl From<KindArgument> for Kind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Global => Self::Global,
            KindArgument::Workspace => Self::Workspace,
            KindArgument::HostPool => Self::HostPool,
            KindArgument::Other => Self::Other,
        }
    }
}

/// An address with port 53 where none is written.
fn address(text: &str) -> Result<SocketAddr, String> {
    socket_address(text, 53).map_err(|fault| fault.message)
}

impl Common {
    fn options(&self) -> Options {
        Options {
            included: self.included,
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            partial: self.partial,
            no_views: false,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.source {
        Source::Azure(own) => azure(own),
        Source::Corefile(own) => other(Format::Corefile, own),
        Source::Unbound(own) => other(Format::Unbound, own),
        Source::Bind(own) => other(Format::Bind, own),
        Source::Dnsmasq(own) => other(Format::Dnsmasq, own),
        Source::Hosts(own) => other(Format::Hosts, own),
    }
}

fn other(format: Format, own: &OtherArguments) -> anyhow::Result<Exit> {
    let (tables, findings) = import::other::read(format, &own.file, &own.common.options());
    finish(&own.common, &own.common.options(), tables, findings)
}

fn azure(own: &AzureArguments) -> anyhow::Result<Exit> {
    let request = Request {
        files: own.files.clone(),
        views: own.views.clone(),
        kind: own.kind.map(Kind::from),
        output: own.common.output.clone(),
        compared: own.check.is_some(),
        options: Options { no_views: own.no_views, ..own.common.options() },
    };
    let (tables, findings) = import::azure::read(&request);
    match &own.check {
        Some(config) => compare(config, tables, findings, own.common.json),
        None => finish(&own.common, &request.options, tables, findings),
    }
}

/// `--check`.
fn compare(config: &Path, tables: Tables, findings: Vec<Finding>, json: bool) -> anyhow::Result<Exit> {
    let (made, mut findings) = import::finish(tables, findings, Path::new("import.toml"), &Options::default());
    // what a view without clients means is the written file's matter
    findings.retain(|own| own.code != codes::VIEW_UNUSED.code);
    let Some((tables, _)) = made else {
        let exit = exit_of(false, &findings);
        if json {
            print_json(&object(exit, None, &findings))?;
        } else {
            complain(&render::text(&findings, is_coloured(&io::stderr())));
        }
        return Ok(exit);
    };
    let (settings, plan) = match super::loaded(config)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let differences = differences(&tables, &plan, &settings.listen);
    let exit = if differences.is_empty() { Exit::Fine } else { Exit::NotAsExpected };
    if json {
        print_json(&json!({
            "schema": 1,
            "ok": exit == Exit::Fine,
            "findings": findings.iter().map(render::json).collect::<Vec<Value>>(),
            "differences": differences.iter().map(difference).collect::<Vec<Value>>(),
        }))?;
        return Ok(exit);
    }
    if !findings.is_empty() {
        complain(&render::text(&findings, is_coloured(&io::stderr())));
    }
    print(&differences.iter().map(|own| format!("{own}\n")).collect::<String>())?;
    let summary = match differences.len() {
        0 => format!("as Azure has it: {}", counts(&tables)),
        1 => "not as Azure has it: 1 difference".to_owned(),
        many => format!("not as Azure has it: {many} differences"),
    };
    complain(&format!("{}: {summary}\n", config.display()));
    Ok(exit)
}

/// A difference as JSON.
fn difference(own: &Difference) -> Value {
    json!({
        "what": own.what,
        "of": own.of,
        "name": own.name,
        "azure": own.azure,
        "configuration": own.configuration,
        "at": own.at,
        "message": own.to_string(),
    })
}

/// Writes the result and tells what was found.
fn finish(common: &Common, options: &Options, tables: Tables, findings: Vec<Finding>) -> anyhow::Result<Exit> {
    let path = common.output.clone().unwrap_or_else(|| PathBuf::from("import.toml"));
    let (made, findings) = import::finish(tables, findings, &path, options);
    let exit = exit_of(made.is_some(), &findings);
    if let (Some((_, written)), Some(output)) = (&made, &common.output) {
        replace(output, &written.text)?;
    }
    if common.json {
        print_json(&object(exit, made.as_ref(), &findings))?;
        return Ok(exit);
    }
    if !findings.is_empty() {
        complain(&render::text(&findings, is_coloured(&io::stderr())));
    }
    match &made {
        Some((tables, written)) => {
            if common.output.is_none() {
                print(&written.text)?;
            }
            complain(&format!("{}; {}\n", counts(tables), render::summary(&findings)));
        }
        None => complain(&format!("nothing is written; {}\n", render::summary(&findings))),
    }
    Ok(exit)
}

/// How it ended: unreadable files alone are a failure at run time, everything else that keeps the result back is a
/// fault of the input.
fn exit_of(is_made: bool, findings: &[Finding]) -> Exit {
    let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    if is_made || !has_errors(findings) {
        Exit::Fine
    } else if errors.all(|finding| finding.code == codes::UNREADABLE.code) {
        Exit::Failed
    } else {
        Exit::Faulty
    }
}

/// Replaces a file whole.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let describe = |error: io::Error| anyhow::anyhow!("cannot write {}: {error}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| anyhow::anyhow!("{} is no file", path.display()))?;
    let aside = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = std::fs::File::create(&aside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&aside, path)).map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        describe(error)
    })
}

/// `6 endpoints with 24 names, 1 zone, 2 views`.
fn counts(tables: &Tables) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let names = tables.endpoints().map(|own| own.records.len()).sum();
    format!(
        "{} with {}, {}, {}",
        many(tables.endpoints().count(), "endpoint"),
        many(names, "name"),
        many(tables.zones().count(), "zone"),
        many(tables.views.len(), "view")
    )
}

/// The JSON object.
fn object(exit: Exit, made: Option<&(Tables, Written)>, findings: &[Finding]) -> Value {
    json!({
        "schema": 1,
        "ok": exit == Exit::Fine,
        "findings": findings.iter().map(render::json).collect::<Vec<Value>>(),
        "endpoints": made.map(|(tables, _)| endpoints(tables)),
        "zones": made.map(|(tables, _)| zones(tables)),
        "views": made.map(|(tables, _)| views(tables)),
        "toml": made.map(|(_, written)| &*written.text),
    })
}

fn endpoints(tables: &Tables) -> Vec<Value> {
    let records = |own: &import::Endpoint| -> serde_json::Map<String, Value> {
        own.records.iter().map(|record| (record.name.clone(), json!(record.addresses))).collect()
    };
    let one = |own: &import::Endpoint| json!({ "name": own.name, "kind": own.kind.word(), "resource": own.resource, "records": records(own) });
    tables.endpoints().map(one).collect()
}

fn zones(tables: &Tables) -> Vec<Value> {
    let one = |own: &import::Zone| {
        let (file, records) = match &own.content {
            ZoneContent::File(file) => (Some(file), None),
            ZoneContent::Records(records) => {
                let all = records.iter().map(|(owner, data, _)| {
                    let data = match data {
                        Data::Addresses(addresses) => json!(addresses),
                        Data::Alias(target) => json!({ "cname": target }),
                    };
                    (owner.clone(), data)
                });
                (None, Some(all.collect::<serde_json::Map<String, Value>>()))
            }
        };
        let missing = if own.forward { "forward" } else { "nxdomain" };
        json!({ "name": own.name, "apex": own.apex, "missing": missing, "file": file, "records": records })
    };
    tables.zones().map(one).collect()
}

fn views(tables: &Tables) -> Vec<Value> {
    let one = |own: &import::View| {
        json!({
            "name": own.name,
            "networks": own.networks,
            "endpoints": own.endpoints,
            "zones": own.zones,
            "forward": own.forward.iter().map(|(suffix, to)| json!({ "suffix": suffix, "upstream": to })).collect::<Vec<_>>(),
        })
    };
    tables.views.iter().map(one).collect()
}
