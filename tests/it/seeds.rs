//! Every seed of `fuzz/corpus` as an ordinary test: what the fuzzers found once stays found.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks.rs"]
mod checks;

/// Runs one check over all seeds of its folder. The name of a seed that fails is in the panic's message.
fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let octets = fs::read(&path).expect("a seed");
        let outcome = std::panic::catch_unwind(|| check(&octets));
        assert!(outcome.is_ok(), "the seed {} fails", path.display());
        count += 1;
    }
    assert!(count >= 12, "{target} has {count} seeds");
}

#[test]
fn queries() {
    run("query", checks::query);
}

#[test]
fn raw_answers() {
    run("raw", checks::raw);
}

#[test]
fn answers() {
    run("answer", checks::answer);
}

#[test]
fn configurations() {
    run("config", checks::config);
}

#[test]
fn zones() {
    run("zone", checks::zone);
}
