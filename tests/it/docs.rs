//! Documents and shipped configurations cannot rot: every TOML block and every file of `conf/` is loaded.

use crate::harness::server::run;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files directly in a folder that have an extension, in order of name; none where the folder is missing.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    found.retain(|path: &PathBuf| path.extension().is_some_and(|other| other == extension));
    found.sort();
    found
}

/// The blocks of a document that are marked `toml` and nothing else, with their line numbers. A fragment is marked
/// otherwise (`toml fragment`).
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start();
        match &mut open {
            Some((at, is_toml, block)) if fence.starts_with("```") => {
                if *is_toml {
                    found.push((*at, std::mem::take(block)));
                }
                open = None;
            }
            Some((_, _, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if fence.starts_with("```") => open = Some((number + 2, fence == "```toml", String::new())),
            None => {}
        }
    }
    found
}

#[test]
fn every_toml_block_of_the_documents_loads() {
    let documents: Vec<_> = [root().join("README.md")].into_iter().chain(files(&root().join("docs"), "md")).collect();
    let mut faults = String::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        for (line, block) in blocks(&text) {
            let folder = TempDir::new().expect("a temporary folder");
            let path = folder.path().join("hub.toml");
            fs::write(&path, block).expect("written");
            let (code, out, errors) = run(&["check", "-c", path.to_str().expect("a plain path")]);
            if code != 0 {
                faults += &format!("{}:{line}: exit {code}\n{out}{errors}\n", document.display());
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_shipped_configuration_is_clean() {
    let shipped = files(&root().join("conf"), "toml");
    for name in ["hub.toml", "lab.toml"] {
        assert!(shipped.iter().any(|path| path.ends_with(name)), "conf/{name} is missing");
    }
    for path in shipped {
        let (code, out, errors) = run(&["check", "--strict", "-c", path.to_str().expect("a plain path")]);
        assert_eq!(code, 0, "{}: {out}{errors}", path.display());
    }
}

/// The commands of a document's `sh` blocks that run hubdns: line and words.
fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if let Some(line) = line.strip_prefix("hubdns ").filter(|_| inside) {
            let command = line.split_once(" #").map_or(line, |(command, _)| command);
            let words = command.split_whitespace().map(str::to_owned).collect();
            found.push((number + 1, words));
        }
    }
    found
}

/// Whether a command reads files alone.
fn sends_nothing(words: &[String]) -> bool {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    match words.first().map(String::as_str) {
        Some("explain") => !has("--ask"),
        Some("doctor") => has("--offline"),
        Some("check" | "diff") => true,
        _ => false,
    }
}

#[test]
fn every_command_of_the_documents_is_one() {
    let documents = [root().join("README.md")].into_iter().chain(files(&root().join("docs"), "md"));
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        for (line, words) in commands(&text) {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.push("--help"); // read after all others, so that a wrong one is told
            let (code, _, errors) = run(&words);
            assert_eq!(code, 0, "{}:{line}: {errors}", document.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count} commands were found");
    assert_eq!(run(&["explain", "--no-such-flag", "--help"]).0, 2, "--help hides a wrong flag");
}

#[test]
fn the_commands_of_the_troubleshooting_guide_come_out_as_it_says() {
    let text = fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the guide");
    let folder = TempDir::new().expect("a temporary folder");
    let (_, configuration) = blocks(&text).into_iter().next().expect("its configuration");
    // The file before a change is here the same file.
    for name in ["hub.toml", "old.toml"] {
        fs::write(folder.path().join(name), &configuration).expect("written");
    }
    let place = |word: &String| match word.strip_suffix(".toml") {
        Some(_) => folder.path().join(word).to_str().expect("a plain path").to_owned(),
        None => word.clone(),
    };
    let mut count = 0;
    for (line, words) in commands(&text).into_iter().filter(|(_, words)| sends_nothing(words)) {
        let words: Vec<String> = words.iter().map(place).collect();
        let (code, out, errors) = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(code, 0, "docs/troubleshooting.md:{line}: {out}{errors}");
        count += 1;
    }
    assert!(count > 10, "{count} commands were run");
}

/// What a heading is linked by.
fn anchor(heading: &str) -> String {
    let kept =
        heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-')).collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn links_inside_the_documents_lead_somewhere() {
    let documents = [root().join("README.md")].into_iter().chain(files(&root().join("docs"), "md"));
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let anchors: Vec<String> =
            text.lines().filter_map(|line| Some(anchor(line.trim_start_matches('#').strip_prefix(' ')?))).collect();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let folder = document.parent().expect("a folder");
            let found = match target.strip_prefix('#') {
                Some(own) => anchors.iter().any(|anchor| anchor == own),
                None => target.contains("://") || folder.join(target.split('#').next().unwrap_or_default()).exists(),
            };
            assert!(found, "{}: {target} leads nowhere", document.display());
        }
    }
}

#[test]
fn the_lab_is_loopback_only() {
    let text = fs::read_to_string(root().join("conf/lab.toml")).expect("conf/lab.toml");
    let settings: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let listen = settings.iter().find(|line| line.trim_start().starts_with("listen")).expect("a listen line");
    assert!(listen.contains("127.0.0.1:5300"), "{listen}");
    assert!(settings.iter().any(|line| line.contains("127.0.0.1:5301")), "the stand-in's address");
}

#[test]
fn the_reader_of_blocks_tells_fragments_apart() {
    let text = "a\n```toml\nx = 1\n```\n```toml fragment\ny = 1\n```\n```sh\nls\n```\n```toml\nz = 1\n```\n";
    assert_eq!(blocks(text), [(3, "x = 1\n".to_owned()), (12, "z = 1\n".to_owned())]);
}
