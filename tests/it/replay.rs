//! Dialogues (tests/replay/README.md): a configuration, what the upstreams say, then query by query what a client gets,
//! over the product's one path and its cache, in this process and on a stepped clock. A file's name is
//! `theme_ids_words.rpl`; each theme is a test.

mod check;
mod faults;
mod play;
mod record;
mod script;

use std::path::Path;

/// The least number of dialogues.
const LEAST: usize = 60;

/// Every script: its name from the repository's root, and its text.
fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay");
    let files = std::fs::read_dir(folder).expect("the folder of the scripts").map(|file| file.expect("a file").path());
    let mut scripts: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rpl"))
        .map(|path| {
            let name = path.file_name().expect("a file's name").to_string_lossy().into_owned();
            (format!("tests/replay/{name}"), std::fs::read_to_string(&path).expect("a script in UTF-8"))
        })
        .collect();
    scripts.sort();
    scripts
}

/// The theme of a script.
fn theme_of(file: &str) -> &str {
    let stem = file.rsplit('/').next().unwrap_or_default();
    stem.split('_').next().unwrap_or_default()
}

/// Plays these scripts and tells of all that fail.
fn play_all(scripts: &[(String, String)]) -> usize {
    let faults: Vec<_> =
        scripts.iter().filter_map(|(file, text)| play::play(file, text).err()).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{} of {} dialogues fail:\n{}", faults.len(), scripts.len(), faults.join("\n\n"));
    scripts.len()
}

macro_rules! themes {
    ($($theme:ident),+ $(,)?) => {
        const THEMES: &[&str] = &[$(stringify!($theme)),+];
        mod dialogues_of {
            $(#[test]
            fn $theme() {
                let all = super::scripts();
                let own: Vec<_> =
                    all.into_iter().filter(|(file, _)| super::theme_of(file) == stringify!($theme)).collect();
                assert!(!own.is_empty(), "a theme without a dialogue");
                println!("{} dialogues of {}", super::play_all(&own), stringify!($theme));
            })+
        }
    };
}

themes!(
    views, endpoints, zones, reverse, special, policy, unlisted, alias, ancestors, guard, cache, negative, failures,
    stale, reload, truncation, errors,
);

#[test]
fn every_dialogue_has_a_theme_and_there_are_enough() {
    let scripts = scripts();
    let stray: Vec<_> = scripts.iter().map(|(file, _)| file).filter(|file| !THEMES.contains(&theme_of(file))).collect();
    assert!(stray.is_empty(), "without a theme of {THEMES:?}: {stray:?}");
    let played = play_all(&scripts);
    println!("{played} dialogues played");
    assert!(played >= LEAST, "{played} dialogues, fewer than {LEAST}");
}
