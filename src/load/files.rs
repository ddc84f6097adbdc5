//! The files of a configuration: the main file, what it includes, what its tables refer to.
//!
//! All reading goes through [`Files`], so that tests and the demo load from texts. Sizes are bounded
//! before anything is read; paths are relative to the file that names them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::config::{Finding, Place, Source, Spanned, Spec, codes, read_included, read_main};

/// The largest configuration file, in octets.
pub(super) const LARGEST_CONFIG: u64 = 64 << 20;
/// The largest JSON or zone file, in octets.
pub(super) const LARGEST_DATA: u64 = 512 << 20;

/// Why a file gives no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The system says why.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is a folder, device or socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It is over the bound.
    #[error("it has {octets} octets; at most {most} are read")]
    TooLarge {
        /// Its size.
        octets: u64,
        /// The bound.
        most: u64,
    },
    /// It is not UTF-8.
    #[error("it is not UTF-8 (octet {at})")]
    NotUtf8 {
        /// Where the text ends.
        at: usize,
    },
}

/// Where texts come from.
pub(super) trait Files {
    /// A whole file as text.
    fn read(&self, path: &Path, most: u64) -> Result<String, ReadError>;
    /// The files that fit a pattern, in lexical order.
    fn matching(&self, pattern: &str) -> Vec<PathBuf>;
    /// A path with all links followed; it must exist.
    fn real(&self, path: &Path) -> std::io::Result<PathBuf>;
    /// Whether users other than its owner and group can read it.
    fn is_open_to_others(&self, path: &Path) -> bool;
    /// The certificates that the system trusts, as PEM.
    fn system_certificates(&self) -> Option<(PathBuf, Vec<u8>)>;
}

/// The file system.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, most: u64) -> Result<String, ReadError> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(ReadError::NotRegular);
        }
        if metadata.len() > most {
            return Err(ReadError::TooLarge { octets: metadata.len(), most });
        }
        let mut octets = Vec::new();
        // the file may grow meanwhile
        std::fs::File::open(path)?.take(most + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 > most {
            return Err(ReadError::TooLarge { octets: octets.len() as u64, most });
        }
        String::from_utf8(octets).map_err(|error| ReadError::NotUtf8 { at: error.utf8_error().valid_up_to() })
    }

    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let paths = glob::glob_with(pattern, options).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
        paths.sort();
        paths
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        path.canonicalize()
    }

    fn is_open_to_others(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
    }

    fn system_certificates(&self) -> Option<(PathBuf, Vec<u8>)> {
        super::upstreams::system_bundle()
    }
}

/// Texts by name.
pub(super) struct Memory(pub(super) BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path, _most: u64) -> Result<String, ReadError> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let own = path.strip_prefix("/").ok().and_then(|relative| self.0.get(relative));
        Ok(self.0.get(path).or(own).ok_or_else(missing)?.clone())
    }

    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        let Ok(pattern) = glob::Pattern::new(pattern) else { return Vec::new() };
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        self.0.keys().filter(|path| pattern.matches_path_with(path, options)).cloned().collect()
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }

    fn is_open_to_others(&self, _: &Path) -> bool {
        false
    }

    /// Texts say all there is to say: they may have one that goes by the system's usual path.
    fn system_certificates(&self) -> Option<(PathBuf, Vec<u8>)> {
        let path = PathBuf::from("etc/ssl/certs/ca-certificates.crt");
        let text = self.0.get(&path)?;
        Some((path, text.clone().into_bytes()))
    }
}

/// Texts that stand in front of files.
pub(super) struct Overlay<'f> {
    /// The texts.
    pub(super) texts: Memory,
    /// Where all else is.
    pub(super) below: &'f dyn Files,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path, most: u64) -> Result<String, ReadError> {
        self.texts.read(path, most).or_else(|_| self.below.read(path, most))
    }

    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        let mut found = self.texts.matching(pattern);
        found.extend(self.below.matching(pattern));
        found.sort();
        found.dedup();
        found
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        self.below.real(path)
    }

    fn is_open_to_others(&self, path: &Path) -> bool {
        self.below.is_open_to_others(path)
    }

    fn system_certificates(&self) -> Option<(PathBuf, Vec<u8>)> {
        self.below.system_certificates()
    }
}

/// All texts of a configuration put together.
pub(super) struct Gathered {
    /// What they say; tables of all files in order.
    pub(super) spec: Spec,
    /// What was found so far.
    pub(super) findings: Vec<Finding>,
    /// Every file that was read, the main file first.
    pub(super) files: Vec<PathBuf>,
}

/// Reads the main file and what it includes.
///
/// # Errors
/// When the main file cannot be read.
pub(super) fn gather(files: &dyn Files, main: &Path) -> Result<Gathered, ReadError> {
    let text = files.read(main, LARGEST_CONFIG)?;
    let mut findings = Vec::new();
    let source = Source::new(shown(main), text);
    let mut spec = read_main(&source, &mut findings);
    let mut read = vec![main.to_owned()];
    let include = std::mem::take(&mut spec.include);
    for pattern in &include {
        for path in expand(files, pattern, "include", &mut findings) {
            if read.contains(&path) {
                continue;
            }
            let text = match files.read(&path, LARGEST_CONFIG) {
                Ok(text) => text,
                Err(error) => {
                    findings.push(unreadable(&path, &error, &pattern.place, "include"));
                    spec.incomplete = true;
                    continue;
                }
            };
            let mut more = read_included(&Source::new(shown(&path), text), &mut findings);
            read.push(path);
            spec.upstreams.append(&mut more.upstreams);
            spec.endpoints.append(&mut more.endpoints);
            spec.endpoint_sets.append(&mut more.endpoint_sets);
            spec.zones.append(&mut more.zones);
            spec.zone_sets.append(&mut more.zone_sets);
            spec.known.append(&mut more.known);
            spec.clouds.append(&mut more.clouds);
            spec.views.append(&mut more.views);
            spec.incomplete |= more.incomplete;
        }
    }
    spec.include = include;
    Ok(Gathered { spec, findings, files: read })
}

/// The files that a pattern names; a name without `*`, `?` or `[` is itself, there or not.
pub(super) fn expand(
    files: &dyn Files,
    pattern: &Spanned<String>,
    key: &str,
    findings: &mut Vec<Finding>,
) -> Vec<PathBuf> {
    let path = beside(&pattern.place, &pattern.value);
    if !pattern.value.contains(['*', '?', '[']) {
        return vec![path];
    }
    // the folder is the operator's, not a pattern
    let folder = folder_of(&pattern.place);
    let whole = if Path::new(&pattern.value).is_absolute() || folder.as_os_str().is_empty() {
        pattern.value.clone()
    } else {
        format!("{}/{}", glob::Pattern::escape(&folder.to_string_lossy()), pattern.value)
    };
    let found: Vec<PathBuf> = files.matching(&whole).iter().map(|path| plain(path)).collect();
    if found.is_empty() {
        let message = format!("no file fits {:?}", pattern.value);
        findings.push(Finding::new(&codes::NO_MATCH, pattern.place.clone(), key, message));
    }
    found
}

/// A path as the file at `place` means it.
pub(super) fn beside(place: &Place, path: &str) -> PathBuf {
    plain(&folder_of(place).join(path))
}

/// The folder of the file that `place` is in.
fn folder_of(place: &Place) -> PathBuf {
    Path::new(&**place.file()).parent().map(Path::to_owned).unwrap_or_default()
}

/// A path without `.` in it.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// A path as findings print it.
pub(super) fn shown(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

/// The finding of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &ReadError, place: &Place, key: &str) -> Finding {
    let row = match error {
        ReadError::TooLarge { .. } => &codes::TOO_LARGE,
        _ => &codes::UNREADABLE,
    };
    Finding::new(row, place.clone(), key, format!("cannot read {}: {error}", path.display()))
}
