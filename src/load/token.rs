//! `token-file`: the admin listener's token. It is no part of the revision, which is public.

use std::path::PathBuf;

use super::files::{self, Files};
use crate::config::spec::Spec;
use crate::config::{Finding, Token, codes};

/// The largest token file, in octets.
const LARGEST: u64 = 4 << 10;
const KEY: &str = "server.token-file";

/// Reads the token, where a file is named.
pub(super) fn read(
    spec: &Spec,
    files: &dyn Files,
    read: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Option<Token> {
    let named = spec.server.as_ref()?.token_file.as_ref()?;
    let path = files::beside(&named.place, &named.value);
    let text = match files.read(&path, LARGEST) {
        Ok(text) => text,
        Err(error) => {
            findings.push(files::unreadable(&path, &error, &named.place, KEY));
            return None;
        }
    };
    if files.is_open_to_others(&path) {
        let message = format!("every user of this host can read {}", path.display());
        findings.push(
            Finding::new(&codes::TOKEN_OPEN, named.place.clone(), KEY, message)
                .hint("chmod o-r, or `defaultMode: 0440` of a mounted secret"),
        );
    }
    let found = Token::read(&text).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Finding::new(&codes::BAD_TOKEN, named.place.clone(), KEY, message)
    });
    read.push(path);
    found.map_err(|finding| findings.push(finding)).ok()
}
