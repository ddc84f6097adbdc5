//! `hubdns schema`: the JSON Schema of the configuration file, for editors.

use super::{Exit, print_json};

/// Prints it.
pub(super) fn run() -> anyhow::Result<Exit> {
    print_json(&crate::config::schema::schema())?;
    Ok(Exit::Fine)
}
