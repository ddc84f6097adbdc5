//! The revision of a configuration: a hash of every file that it was read from, taken from the very octets that were
//! read. Equal files in a folder of another name are the same revision.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256, digest};

use super::files::{Files, ReadError};

/// Files, with the hash of each that is read.
pub(super) struct Hashed<'f> {
    below: &'f dyn Files,
    /// The main file's folder.
    folder: PathBuf,
    hashes: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
}

impl<'f> Hashed<'f> {
    /// Those of `below`; paths count from the folder of `main`.
    pub(super) fn new(below: &'f dyn Files, main: &Path) -> Self {
        let folder = main.parent().map(Path::to_owned).unwrap_or_default();
        Self { below, folder, hashes: RefCell::default() }
    }

    /// The hash of all that was read, in hexadecimal digits.
    pub(super) fn revision(&self) -> String {
        let mut all = Context::new(&SHA256);
        for (path, hash) in &*self.hashes.borrow() {
            let path = path.strip_prefix(&self.folder).unwrap_or(path).as_os_str().as_encoded_bytes();
            all.update(&(path.len() as u64).to_be_bytes());
            all.update(path);
            all.update(hash);
        }
        all.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl Files for Hashed<'_> {
    fn read(&self, path: &Path, most: u64) -> Result<String, ReadError> {
        let text = self.below.read(path, most)?;
        let hash = digest(&SHA256, text.as_bytes()).as_ref().to_vec();
        self.hashes.borrow_mut().insert(path.to_owned(), hash);
        Ok(text)
    }

    fn matching(&self, pattern: &str) -> Vec<PathBuf> {
        self.below.matching(pattern)
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

#[cfg(test)]
mod tests {
    use crate::load;

    const MAIN: &str = "version = 1\ninclude = [\"more.toml\"]\n[server]\nlisten = [\"127.0.0.1:5300\"]\n";
    const MORE: &str = "[[upstream]]\nname = \"u\"\nservers = [\"127.0.0.2\"]\n";

    fn revision(folder: &str, main: &str, more: &str) -> String {
        let names = ["hub.toml", "more.toml"].map(|name| format!("{folder}{name}"));
        load::from_texts(&[(&names[0], main), (&names[1], more)]).revision
    }

    #[test]
    fn the_revision_is_of_the_contents_of_all_files_and_of_no_folder() {
        let own = revision("", MAIN, MORE);
        assert_eq!(own.len(), 64);
        assert_eq!(own, revision("etc/hubdns/", MAIN, MORE));
        let changed = [revision("", &MAIN.replace("5300", "5301"), MORE), revision("", MAIN, &format!("{MORE}\n"))];
        assert!(!changed.contains(&own) && changed[0] != changed[1], "{own} {changed:?}");
    }
}
