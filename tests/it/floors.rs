//! The floors of the source tree: imports go down only, never beside or above.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders by floor, as `src/lib.rs` draws them; `stub.rs` apart, what lies directly in `src/`, `cli`, `demo` and `doctor` are
/// the top.
const FLOORS: [&[&str]; 8] = [
    &["background", "wire", "metrics", "socket", "config"],
    &["zone", "cache", "azure", "stub", "upstream"],
    &["view"],
    &["load", "resolve"],
    &["explain", "import", "query_log"],
    &["server"],
    &["admin"],
    &["reload", "run", "asker", "cli", "main", "lib", "demo", "doctor"],
];

fn floors() -> BTreeMap<&'static str, usize> {
    FLOORS.iter().enumerate().flat_map(|(floor, names)| names.iter().map(move |&name| (name, floor))).collect()
}

/// Every Rust file under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules that a text names by `crate::`, also inside braces.
fn arrows(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for (at, marker) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + marker.len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (offset, c) in group.char_indices() {
                if start && (c.is_alphanumeric() || c == '_') {
                    found.push(word(&group[offset..]));
                    start = false;
                }
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found
}

#[test]
fn imports_go_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors = floors();
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(!files.is_empty());
    let mut faults = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let first = relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let home = first.trim_end_matches(".rs").to_owned();
        let Some(&floor) = floors.get(&*home) else {
            faults.push(format!("{}: `{home}` is on no floor", relative.display()));
            continue;
        };
        let top = FLOORS.len() - 1;
        for target in arrows(&fs::read_to_string(&file).expect("a text")) {
            match floors.get(&*target) {
                _ if target == home || floor == top => {}
                // A name that is no module: an item of the crate's root.
                None => faults.push(format!("{}: crate::{target} is on no floor", relative.display())),
                Some(&below) if below < floor => {}
                Some(&other) => {
                    faults.push(format!("{}: {home} (floor {floor}) uses {target} (floor {other})", relative.display()))
                }
            }
        }
    }
    assert!(faults.is_empty(), "arrows that go up or sideways:\n{}", faults.join("\n"));
}

#[test]
fn the_reader_of_arrows_sees_groups_and_skips_comments() {
    let text =
        "use crate::wire::Name;\n// crate::server\nuse crate::{zone::{self, Zone}, view};\nlet x = crate::load::y();";
    assert_eq!(arrows(text), ["wire", "zone", "view", "load"]);
}
