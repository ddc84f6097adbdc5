//! `$INCLUDE` of zone files, kept inside the folder of the zone's own file: no absolute path, no `..`, no link that
//! leads out, bounded in depth (by the reader), number and size, no circle.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, LARGEST_DATA, shown};
use crate::zone::master::Include;

/// The most files that one zone file may include, counted each time.
const MOST: usize = 1_000;

/// The files that a zone file may include.
pub(super) struct Jail<'j> {
    files: &'j dyn Files,
    /// The zone's own file.
    main: &'j Path,
    /// Its folder without links, asked for when first needed.
    root: Option<PathBuf>,
    /// The files being read, the zone's own first, without links.
    open: Vec<PathBuf>,
    /// The octets that may still be read.
    octets: u64,
    /// Every file that was read.
    pub(super) read: Vec<PathBuf>,
    /// How many were opened.
    opened: usize,
}

impl<'j> Jail<'j> {
    /// The jail of the file at `main`.
    pub(super) fn new(files: &'j dyn Files, main: &'j Path) -> Self {
        Self { files, main, root: None, open: Vec::new(), octets: LARGEST_DATA, read: Vec::new(), opened: 0 }
    }

    /// The folder that nothing leads out of.
    fn root(&mut self) -> Result<PathBuf, String> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        let main =
            self.files.real(self.main).map_err(|error| format!("cannot tell the zone file's folder: {error}"))?;
        // a zone file that is a link: what counts is where it was named
        let folder = self.main.parent().filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = self.files.real(folder).map_err(|error| format!("cannot tell the zone file's folder: {error}"))?;
        self.open.push(main);
        self.root = Some(root.clone());
        Ok(root)
    }
}

impl Include for Jail<'_> {
    fn enter(&mut self, name: &str, from: Option<&Arc<str>>) -> Result<(Arc<str>, String), String> {
        let wanted = Path::new(name);
        if name.is_empty() || !wanted.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(format!("{name:?} is not a path below the zone file's folder"));
        }
        let root = self.root()?;
        let from = from.map_or(self.main, |file| Path::new(&**file));
        let path: PathBuf = from.parent().unwrap_or(Path::new("")).join(wanted);
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let real = self.files.real(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if !real.starts_with(&root) {
            return Err(format!("{} leads out of the zone file's folder", path.display()));
        }
        if self.open.contains(&real) {
            return Err(format!("{} includes itself", path.display()));
        }
        self.opened += 1;
        if self.opened > MOST {
            return Err(format!("more than {MOST} files are included"));
        }
        let text =
            self.files.read(&real, self.octets).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        self.octets = self.octets.saturating_sub(text.len() as u64);
        self.open.push(real);
        let file = shown(&path);
        if !self.read.contains(&path) {
            self.read.push(path);
        }
        Ok((file, text))
    }

    fn leave(&mut self) {
        self.open.pop();
    }
}
