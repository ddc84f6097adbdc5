//! Every rule of the contract, every field case and every security test that is due has a test or a dialogue that bears
//! its id: `r22_…`, `d_01a_…`, `s_05_…`, also behind other words of the name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many rules the contract has: R01 to R33.
const RULES: u8 = 33;

/// The field cases. D-10d, D-11b, D-13c and D-13d also have bars under load, and are not due before those are measured.
const CASES: [&str; 47] = [
    "D-01a", "D-01b", "D-02a", "D-02b", "D-02c", "D-03a", "D-03b", "D-03c", "D-03d", "D-03e", "D-04a", "D-04b",
    "D-05a", "D-05b", "D-05c", "D-05d", "D-06a", "D-06b", "D-06c", "D-06d", "D-06e", "D-07a", "D-07b", "D-07c",
    "D-08a", "D-08b", "D-08c", "D-08d", "D-08e", "D-09a", "D-09b", "D-09c", "D-10a", "D-10b", "D-10c", "D-11a",
    "D-12a", "D-12b", "D-13a", "D-13b", "D-14a", "D-14b", "D-14c", "D-15a", "D-15b", "D-15c", "D-15d",
];

/// The security tests.
const SECURITY: [&str; 10] = ["S-01", "S-02", "S-03", "S-04", "S-05", "S-06", "S-07", "S-08", "S-09", "S-23"];

/// Whole families of ids that a name may bear, as their letters.
const LETTERS: [&str; 6] = ["d", "s", "b", "f", "l", "o"];

/// The ids in a test's name.
fn ids(name: &str) -> BTreeSet<String> {
    let words: Vec<&str> = name.split('_').collect();
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
    let number =
        |word: &str| digits(word) || word.len() == 3 && digits(&word[..2]) && word.ends_with(char::is_lowercase);
    let mut ids = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        if word.strip_prefix('r').is_some_and(digits) {
            ids.insert(word.to_uppercase());
        }
        if let Some(next) = words.get(at + 1).filter(|next| LETTERS.contains(word) && next.is_ascii() && number(next)) {
            ids.insert(format!("{}-{next}", word.to_uppercase()));
        }
    }
    ids
}

/// The names of the tests in a source file; an ignored one is none.
fn tests(source: &str) -> Vec<&str> {
    let (mut names, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
            continue;
        }
        let declared = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some((name, _)) = declared.and_then(|rest| rest.split_once('(')).filter(|_| is_test && !is_ignored) {
            names.push(name);
        }
        (is_test, is_ignored) = (false, false);
    }
    names
}

/// Every file below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry of a folder").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path, extension),
            false if path.extension().is_some_and(|own| own == extension) => vec![path],
            false => Vec::new(),
        })
        .collect()
}

/// The tests and dialogues of the repository by the ids that they bear.
fn borne() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for path in [files(&root.join("src"), "rs"), files(&root.join("tests/it"), "rs")].concat() {
        let source = fs::read_to_string(&path).expect("a source file in UTF-8");
        names.extend(tests(&source).into_iter().map(str::to_owned));
    }
    for path in files(&root.join("tests/replay"), "rpl") {
        names.push(path.file_stem().expect("a file's name").to_string_lossy().into_owned());
    }
    let mut borne = BTreeMap::<String, Vec<String>>::new();
    for name in names {
        for id in ids(&name) {
            borne.entry(id).or_default().push(name.clone());
        }
    }
    borne
}

#[test]
fn every_id_that_is_due_has_a_test() {
    let borne = borne();
    let rules = (1..=RULES).map(|number| format!("R{number:02}"));
    let due: Vec<String> = rules.chain(CASES.iter().chain(&SECURITY).map(|id| (*id).to_owned())).collect();
    let missing: Vec<_> = due.iter().filter(|id| !borne.contains_key(*id)).collect();
    assert!(missing.is_empty(), "no test and no dialogue bears {missing:?}");
    println!("{} ids are due, and each is borne by a test or a dialogue", due.len());
}

#[test]
fn ids_are_read_from_names_and_tests_from_sources() {
    let read = |name: &str| ids(name).into_iter().collect::<Vec<_>>();
    assert_eq!(read("d_04a_and_d_04b_empty_non_terminals"), ["D-04a", "D-04b"]);
    assert_eq!(read("guard_r09_r25_cut_for_the_client"), ["R09", "R25"]);
    assert_eq!(read("s_23_leak_matrix"), ["S-23"]);
    assert_eq!(read("servers_23_r2_r123_d_4a_d_004_d_04ab_x_01"), [] as [&str; 0]);
    let source = "#[test]\nfn r01_a() {}\n    #[tokio::test(flavor = \"current_thread\")]\n    async fn r02_b() {}\n\
                  fn r03_c() {}\n// #[test]\nfn r04_d() {}\n#[test]\n#[ignore]\nfn r05_e() {}\n#[test]\n\
                  #[should_panic]\nfn r06_f() {}\nconst X: &str = \"#[test]\";\nfn r07_g() {}\n";
    assert_eq!(tests(source), ["r01_a", "r02_b", "r06_f"]);
}
