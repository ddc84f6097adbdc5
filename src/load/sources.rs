//! What a configuration depends on in the file system: every file that was read, or should have been, as it was just
//! before, and every pattern with what it fitted. `watch` compares it with what is there now.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::files::{Disk, Files, ReadError};

/// Links that one path may lead over, as Linux has it (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// What tells one state of a file from another. The time of change cannot be set by anyone, so a file put in the place of
/// another is told even where both are of one size and date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    octets: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            octets: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Files and patterns, as they were at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// None: it is not there, or cannot be looked at.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    patterns: BTreeMap<String, Vec<PathBuf>>,
}

impl Sources {
    /// A file that could not be read.
    pub fn missing(path: &Path) -> Self {
        Self { files: BTreeMap::from([(path.to_owned(), None)]), patterns: BTreeMap::new() }
    }

    /// The same files and patterns as they are now.
    pub fn now(&self) -> Self {
        Self {
            files: self.files.keys().map(|path| (path.clone(), stamp(path))).collect(),
            patterns: self.patterns.keys().map(|pattern| (pattern.clone(), Disk.matching(pattern))).collect(),
        }
    }

    /// The folders in which something happens when a file changes, or is put in the place of another, or a link on the
    /// way to it is: without links, each once.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let bases = self.patterns.keys().map(|pattern| base(pattern));
        for path in self.files.keys().cloned().chain(bases) {
            add_folders(&path, &mut found);
        }
        found
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().as_ref().map(Stamp::of)
}

/// The part of a pattern in front of the first component that is one, and a name in it.
fn base(pattern: &str) -> PathBuf {
    let parts = Path::new(pattern).components();
    let plain = parts.take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']));
    plain.collect::<PathBuf>().join("*")
}

/// The folder of each link on the way of a path and, at last, the folder of what it leads to.
fn add_folders(path: &Path, found: &mut BTreeSet<PathBuf>) {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MOST_LINKS {
        let Some((link, rest)) = first_link(&path) else { break };
        let folder = link.parent().unwrap_or(Path::new("/")).to_owned();
        let Ok(target) = std::fs::read_link(&link) else { break };
        path = folder.join(target).join(rest);
        found.extend(folder.canonicalize());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    // One that is not there yet appears in the next that is.
    found.extend(folder.ancestors().find_map(|folder| folder.canonicalize().ok()));
}

/// The first link on the way of a path, and what comes behind it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut before = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        match part {
            // By now there are no links in front of it.
            Component::ParentDir => {
                before.pop();
            }
            part => before.push(part),
        }
        if before.is_symlink() {
            return Some((before, parts.as_path().to_owned()));
        }
    }
    None
}

/// Files, with a record of all that was asked of them.
pub(super) struct Seen<'f> {
    below: &'f dyn Files,
    sources: RefCell<Sources>,
}

impl<'f> Seen<'f> {
    /// Those of `below`.
    pub(super) fn new(below: &'f dyn Files) -> Self {
        Self { below, sources: RefCell::default() }
    }

    /// What was asked so far.
    pub(super) fn sources(&self) -> Sources {
        self.sources.borrow().clone()
    }

    /// Taken before the file is read: what is written meanwhile differs from it.
    fn take(&self, path: &Path) {
        self.sources.borrow_mut().files.entry(path.to_owned()).or_insert_with(|| stamp(path));
    }
}

impl Files for Seen<'_> {
    fn read(&self, path: &Path, most: u64) -> Result<String, ReadError> {
        self.take(path);
        self.below.read(path, most)
    }

    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        let found = self.below.matching(pattern);
        self.sources.borrow_mut().patterns.insert(pattern.to_owned(), found.clone());
        found
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        self.below.real(path)
    }

    fn is_open_to_others(&self, path: &Path) -> bool {
        self.below.is_open_to_others(path)
    }

    fn system_certificates(&self) -> Option<(PathBuf, Vec<u8>)> {
        let found = self.below.system_certificates();
        if let Some((path, _)) = &found {
            self.take(path);
        }
        found
    }
}
