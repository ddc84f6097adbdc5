//! Files → findings and the plan of a snapshot. The one way in: `serve`, `check`, `explain`, `diff`,
//! `test`, `demo` and the reload all call it, so that they agree on what a file means.
//!
//! Everything is found in one pass: reading (`files`), upstreams, endpoints and zones (`upstreams`, `endpoints`,
//! `zones`), inheritance and references (`extends`), views (`views`), DESIGN.md section 4 (`lints`).
//! Nothing is half loaded: with an error there is no plan.

mod azure;
mod endpoints;
mod expectations;
mod extends;
mod files;
mod inventory;
mod jail;
mod lints;
mod names;
mod revision;
mod services;
mod sources;
mod token;
mod upstreams;
mod views;
mod vnets;
mod zones;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::spec::{ServerSpec, Spec};
use crate::config::value::guid;
use crate::config::{Config, Finding, Source, codes, duplicate_names, has_errors, read_main, sort};
use crate::view::SnapshotPlan;
use crate::zone::avd::{Cloud, Clouds, guid_of_label};
pub use expectations::{Case, Expectations, Expected, Scripted, What, expectations, expectations_of_text};
use extends::Tables;
use files::{Disk, Files, Memory, ReadError};
pub use inventory::{Inventory, Origin, Settled, SettledRecord, ZoneData, ZoneFile, ZoneRecord, inventory};

pub use sources::Sources;
pub use vnets::check_vnets;

/// The transports of upstreams that this program has.
pub const TRANSPORTS: &[&str] =
    if cfg!(feature = "doq") { &["udp", "tls", "https", "quic"] } else { &["udp", "tls", "https"] };

/// The name that a single text goes by in findings unless the caller gives another.
pub const TEXT_NAME: &str = "hubdns.toml";

/// What a configuration comes to.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settings that live on; none with errors.
    pub config: Option<Config>,
    /// What a snapshot is built of; none with errors. Its generation is 0.
    pub plan: Option<SnapshotPlan>,
    /// Everything that was found, in the order of the files.
    pub findings: Vec<Finding>,
    /// Every file that was read, the main file first.
    pub files: Vec<PathBuf>,
    /// What `watch` looks at.
    pub sources: Sources,
    /// A hash of all of them.
    pub revision: String,
}

impl Loaded {
    /// Whether it cannot be served.
    pub fn has_errors(&self) -> bool {
        has_errors(&self.findings)
    }

    /// Settings and plan, or the findings that are in the way.
    ///
    /// # Errors
    /// All findings, at least one of them an error.
    pub fn into_parts(self) -> Result<(Config, SnapshotPlan, Vec<Finding>), Vec<Finding>> {
        match (self.config, self.plan) {
            (Some(config), Some(plan)) => Ok((config, plan, self.findings)),
            _ => Err(self.findings),
        }
    }
}

/// The main file cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {message}", path.display())]
pub struct Unreadable {
    /// The main file.
    pub path: PathBuf,
    /// Why.
    pub message: String,
}

impl Unreadable {
    /// The place of a finding about it.
    pub fn place(&self) -> crate::config::Place {
        crate::config::Place::at(files::shown(&self.path), 1, 1)
    }
}

/// Loads a main file and everything that it refers to.
///
/// # Errors
/// When the main file cannot be read; every other fault is a finding.
pub fn load(path: &Path) -> Result<Loaded, Unreadable> {
    load_with(&Disk, path)
}

/// `[server]` of a main file, whatever else is wrong in it; no other file is read. None where the table cannot be read.
///
/// # Errors
/// When the main file cannot be read.
pub fn server(path: &Path) -> Result<Option<ServerSpec>, Unreadable> {
    let text = Disk.read(path, files::LARGEST_CONFIG).map_err(|error| unreadable(path, &error))?;
    let source = Source::new(files::shown(path), text);
    Ok(read_main(&source, &mut Vec::new()).server)
}

/// Loads a text that refers to no other file.
pub fn from_text(name: &str, text: &str) -> Loaded {
    from_texts(&[(name, text)])
}

/// Loads the first text as main file; the others are the files that it may refer to, by path.
pub fn from_texts(texts: &[(&str, &str)]) -> Loaded {
    let files: BTreeMap<PathBuf, String> =
        texts.iter().map(|(name, text)| (PathBuf::from(name), (*text).to_owned())).collect();
    let main = texts.first().map_or(TEXT_NAME, |(name, _)| name);
    load_with(&Memory(files), Path::new(main)).unwrap_or_default()
}

/// Loads a text as if it stood in the file at `path`; what it refers to is read from the disk. With `included` it is a
/// file for `include`, and a main file that has nothing of its own but a listener and an upstream is put in front.
pub fn text_at(path: &Path, text: &str, included: bool) -> Loaded {
    let main = path.with_file_name(files::shown(path).rsplit('/').next().unwrap_or_default().to_owned() + ".main");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let head = format!(
        "version = 1\ninclude = [{:?}]\n[server]\nlisten = [\"127.0.0.1\"]\n[[upstream]]\nname = \"import\"\nservers = [\"127.0.0.2\"]\n",
        glob::Pattern::escape(&name)
    );
    let mut texts = BTreeMap::from([(path.to_owned(), text.to_owned())]);
    if included {
        texts.insert(main.clone(), head);
    }
    let files = files::Overlay { texts: Memory(texts), below: &Disk };
    load_with(&files, if included { &main } else { path }).unwrap_or_default()
}

/// The text of a file that is read for an importer, within the bound of Azure's files.
///
/// # Errors
/// A finding that says why there is none.
pub fn bounded_text(path: &Path) -> Result<String, Box<Finding>> {
    Disk.read(path, crate::azure::LARGEST as u64).map_err(|error| {
        let place = crate::config::Place::at(files::shown(path), 1, 1);
        Box::new(files::unreadable(path, &error, &place, ""))
    })
}

/// Loads by any source of files.
fn load_with(files: &dyn Files, main: &Path) -> Result<Loaded, Unreadable> {
    let seen = &sources::Seen::new(files);
    let secrets: &dyn Files = seen;
    let files = &revision::Hashed::new(seen, main);
    let gathered = files::gather(files, main).map_err(|error| unreadable(main, &error))?;
    let files::Gathered { spec, mut findings, files: mut read } = gathered;
    let clouds = clouds(&spec, &mut findings);
    let groups = upstreams::build(&spec, files, &mut read, &mut findings);
    let (endpoints, sources) = endpoints::build(&spec, &clouds, files, &mut read, &mut findings);
    let zones = zones::build(&spec, files, &mut read, &mut findings);
    unique_names(&spec, &endpoints, &zones, &mut findings);
    let tables = Tables::new(&spec, &endpoints, &zones);
    let flat = extends::flatten(&tables, &mut findings);
    let views = views::plan(&tables, &flat, &mut findings);
    lints::check(&lints::Input { tables: &tables, views: &flat, clouds: &clouds }, &mut findings);
    let token = token::read(&spec, secrets, &mut read, &mut findings);
    azure::add_pointers(&sources, &mut findings);
    let names: Vec<Arc<str>> = read.iter().map(|path| files::shown(path)).collect();
    sort(&mut findings, &names.iter().map(|name| &**name).collect::<Vec<_>>());
    findings.dedup();
    let sound = !has_errors(&findings);
    let plan = sound.then(|| SnapshotPlan { generation: 0, known: known(&spec), groups, views, clouds });
    let config = Config::from_spec(&spec).filter(|_| sound).map(|config| Config { token, ..config });
    Ok(Loaded { config, plan, findings, files: read, sources: seen.sources(), revision: files.revision() })
}

/// A main file that cannot be read, with what to do about it.
fn unreadable(path: &Path, error: &ReadError) -> Unreadable {
    let cure = match error {
        ReadError::Io(error) if error.kind() == ErrorKind::NotFound => {
            "; mount or write it there, or name another with -c or HUBDNS_CONFIG"
        }
        ReadError::Io(error) if error.kind() == ErrorKind::PermissionDenied => {
            "; let the user that hubdns runs as read it (65532 in the image), and enter its folders"
        }
        ReadError::NotRegular => "; mount a file there: a runtime makes a folder where the file to mount is missing",
        _ => "",
    };
    Unreadable { path: path.to_owned(), message: format!("{error}{cure}") }
}

/// Tables of one kind with one name, over all files, imported ones included.
fn unique_names(
    spec: &Spec,
    endpoints: &[endpoints::EndpointModel],
    zones: &[zones::ZoneModel],
    findings: &mut Vec<Finding>,
) {
    duplicate_names("upstream", spec.upstreams.iter().map(|own| (&own.name, &*own.path)), findings);
    duplicate_names("view", spec.views.iter().map(|own| (&own.name, &*own.path)), findings);
    let known = spec.known.iter().map(|own| (&own.name, "known"));
    duplicate_names("known", known, findings);
    duplicate_names("cloud", spec.clouds.iter().map(|own| (&own.name, &*own.path)), findings);
    // endpoints that could not be built count too
    let imported = endpoints.iter().filter(|own| own.set.is_some()).map(|own| (&own.name, &*own.path));
    let written = spec.endpoints.iter().map(|own| (&own.name, &*own.path));
    duplicate_names("endpoint", written.chain(imported), findings);
    duplicate_names("zone", zones.iter().map(|own| (&own.name, &*own.path)), findings);
}

/// The built-in clouds and those of `[[cloud]]`.
fn clouds(spec: &Spec, findings: &mut Vec<Finding>) -> Clouds {
    let mut clouds = Clouds::default();
    for own in &spec.clouds {
        let public = names::name_of(&own.public.value);
        let name = public.as_ref();
        let near =
            |cloud: &Cloud| name.is_at_or_below(cloud.public.as_ref()) || cloud.public.as_ref().is_at_or_below(name);
        let other = clouds.iter().find(|cloud| near(cloud)).map(|cloud| (cloud.name.clone(), cloud.public.clone()));
        let message = match other {
            Some((other, suffix)) => format!("{public} is at, above or below {suffix}, the suffix of {other}"),
            None if name.label_count() < 2 => format!("{public} is too short for a cloud's suffix"),
            None => match Cloud::new(&own.name.value, &public.to_string(), own.one_zone) {
                Some(cloud) => {
                    clouds.add(cloud);
                    continue;
                }
                None => format!("{public} is too long for a cloud's suffix"),
            },
        };
        let place = own.public.place.clone();
        findings.push(Finding::new(&codes::BAD_CLOUD, place, format!("{}.public", own.path), message));
    }
    clouds
}

/// The GUIDs of `[[known]]`.
fn known(spec: &Spec) -> Vec<u128> {
    let guids = spec.known.iter().flat_map(|known| &known.guids);
    guids.filter_map(|own| guid_of_label(guid(&own.value).ok()?.as_bytes())).collect()
}

/// The row of a code by its text (`H0102`), for tests and documents.
pub fn code_row(code: &str) -> Option<&'static codes::CodeRow> {
    codes::ALL.iter().copied().find(|row| row.code.to_string() == code)
}

#[cfg(test)]
mod tests;
