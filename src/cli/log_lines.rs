//! Query logs as they are read: one JSON object a line, bounded in length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use hashbrown::HashMap;
use serde_json::Value;

/// The longest line that is read, in octets.
const LONGEST_LINE: u64 = 1 << 20;

/// The fields of a line by their dotted keys in lower case.
pub(super) type Fields = HashMap<String, String>;

/// Calls `each` with the fields of every line that is not blank; none where it is no JSON.
///
/// # Errors
/// When the log cannot be read. `-` is standard input.
pub(super) fn each_line(log: &Path, mut each: impl FnMut(Option<Fields>)) -> anyhow::Result<()> {
    let source: Box<dyn Read> = if log == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(log).with_context(|| format!("cannot read {}", log.display()))?)
    };
    let mut lines = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        // What is left of a longer line counts as lines of its own.
        let mut bounded = (&mut lines).take(LONGEST_LINE);
        if bounded.read_until(b'\n', &mut line).context("cannot read the log")? == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            each(fields(&line));
        }
    }
}

/// The fields of a line; none where it is no JSON.
pub(super) fn fields(line: &[u8]) -> Option<Fields> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let mut fields = Fields::new();
    flatten(&line, "", &mut fields);
    Some(fields)
}

/// Every text and number of an object by its dotted key in lower case. What stands in `fields`, as in our own log
/// lines, counts as standing outside.
fn flatten(value: &Value, path: &str, fields: &mut Fields) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.to_ascii_lowercase();
                let path = match (path, &*key) {
                    ("", "fields") => String::new(),
                    ("", _) => key,
                    (path, _) => format!("{path}.{key}"),
                };
                flatten(value, &path, fields);
            }
        }
        Value::String(text) => drop(fields.insert(path.to_owned(), text.clone())),
        Value::Number(number) => drop(fields.insert(path.to_owned(), number.to_string())),
        _ => {}
    }
}
