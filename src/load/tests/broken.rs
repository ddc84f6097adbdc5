//! Broken configurations and zone files made from sound ones: for each fault a file, a line, a key and a rule, and
//! nothing is loaded.

use super::*;
use crate::config::sections::{Key, Kind, Section, TABLES};

/// What goes in front of a table's key, how the path to it begins, and what goes behind.
fn frame(section: &Section) -> (String, String, &'static str) {
    let title = section.title;
    match section.name {
        "" => (String::new(), String::new(), ""),
        "forward" => ("[[view]]\nforward = [{ ".to_owned(), "view[0].forward[0].".to_owned(), " }]"),
        name if title.starts_with("[[") => (format!("{title}\n"), format!("{name}[0]."), ""),
        name => (format!("{title}\n"), format!("{name}."), ""),
    }
}

/// Whether a kind takes a value of this TOML type.
fn takes(kind: &Kind, value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b't') => matches!(kind, Kind::Boolean),
        Some(b'7') => matches!(kind, Kind::Integer(..)),
        Some(b'[') => matches!(kind, Kind::List(..) | Kind::Tables(_)),
        Some(b'{') => matches!(kind, Kind::Records | Kind::ZoneRecords | Kind::Choices(_) | Kind::Table(_)),
        Some(b'"') => !matches!(
            kind,
            Kind::Boolean
                | Kind::Integer(..)
                | Kind::List(..)
                | Kind::Tables(_)
                | Kind::Records
                | Kind::ZoneRecords
                | Kind::Choices(_)
                | Kind::Table(_)
        ),
        _ => false,
    }
}

/// A text with one key, and the line that the key stands in.
fn with_key(section: &Section, key: &Key, value: &str) -> (String, u32, String) {
    let (before, path, behind) = frame(section);
    let text = format!("{before}{} = {value}{behind}\n", key.name);
    let line = u32::try_from(before.matches('\n').count()).unwrap() + 1;
    (text, line, format!("{path}{}", key.name))
}

/// Asserts that a text is not loaded, and that there is an error of `code` (any, if none is given) at a line and key.
fn assert_told(text: &str, code: Option<&str>, line: u32, key: &str) {
    let loaded = from_text("hub.toml", text);
    assert!(loaded.plan.is_none() && loaded.config.is_none(), "loaded:\n{text}");
    let fits = |own: &&Finding| {
        let code_fits = code.is_none_or(|code| own.code.to_string() == code) && own.severity == Severity::Error;
        code_fits && own.place.line() == line && own.key == key && &**own.place.file() == "hub.toml"
    };
    let found = loaded.findings.iter().find(fits);
    let found = found.unwrap_or_else(|| panic!("{code:?} {line} {key} is not told of\n{text}\n{:#?}", loaded.findings));
    assert!(found.place.column() > 0 && !found.rule.is_empty() && !found.message.is_empty());
}

#[test]
fn b_05_every_key_of_every_table_refuses_values_of_other_types() {
    let mut texts = 0;
    for section in TABLES {
        for key in section.keys {
            for value in ["1.5", "1979-05-27", "true", "7", "[1.5]", "{ x = 1 }", "\"x\""] {
                if !takes(&key.kind, value) {
                    let (text, line, path) = with_key(section, key, value);
                    assert_told(&text, Some("H0103"), line, &path);
                    texts += 1;
                }
            }
            // a list of the right type with an item of the wrong one
            if let Kind::List(..) | Kind::Tables(_) = key.kind {
                let (text, line, path) = with_key(section, key, "[1.5]");
                assert_told(&text, Some("H0103"), line, &format!("{path}[0]"));
                texts += 1;
            }
        }
    }
    assert!(texts > 300, "{texts}");
}

#[test]
fn b_05_every_key_refuses_text_that_is_none_of_its_own() {
    let mut texts = 0;
    for (section, key) in TABLES.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key))) {
        for text in ["", "\\u0001", "a b\\t", "ü\\n"] {
            let (value, item) = match key.kind {
                Kind::List(..) => (format!("[\"{text}\"]"), "[0]"),
                _ => (format!("\"{text}\""), ""),
            };
            if takes(&key.kind, &value) {
                let (text, line, path) = with_key(section, key, &value);
                assert_told(&text, None, line, &format!("{path}{item}"));
                texts += 1;
            }
        }
    }
    assert!(texts > 100, "{texts}");
}

#[test]
fn b_05_unknown_and_repeated_keys_are_told_in_every_table() {
    for section in TABLES {
        let (before, path, behind) = frame(section);
        let line = u32::try_from(before.matches('\n').count()).unwrap() + 1;
        assert_told(&format!("{before}zz = 1{behind}\n"), Some("H0102"), line, &format!("{path}zz"));
        for key in section.keys.iter().filter(|_| behind.is_empty()) {
            let text = format!("{before}{0} = 1\n{0} = 1\n", key.name);
            assert_told(&text, Some("H0101"), line + 1, "");
        }
    }
}

#[test]
fn b_05_bad_and_overlapping_prefixes_are_told() {
    for (prefix, code) in [
        ("10.0.0.0/33", "H0120"),
        ("10.0.0.0/-1", "H0120"),
        ("10.0.0.0/", "H0120"),
        ("10.0.0/8", "H0120"),
        ("/8", "H0120"),
        ("x/8", "H0120"),
        ("::1/129", "H0120"),
        ("fd00::/8/8", "H0120"),
        ("10.0.0.0/8 ", "H0120"),
        ("10.1.2.3/8", "H0121"),
        ("fd00::1/8", "H0121"),
        ("::ffff:10.0.0.1/96", "H0121"),
    ] {
        let text = format!("{HEAD}[[view]]\nname = \"a\"\nnetworks = [\"10.9.0.0/16\", \"{prefix}\"]\n");
        assert_told(&text, Some(code), 9, "view[0].networks[1]");
    }
    let same = format!("{HEAD}{VIEW}[[view]]\nname = \"b\"\nnetworks = [\"192.0.2.0/24\", \"10.0.0.0/8\"]\n");
    assert_told(&same, Some("H0504"), 12, "view[1].networks");
}

#[test]
fn b_05_nesting_has_an_end() {
    for depth in [100, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{ a = ", "}")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for text in [format!("include = {value}\n"), format!("[[view]]\nmissing = {value}\n")] {
                assert!(from_text("hub.toml", &text).has_errors());
            }
        }
        let dotted = format!("{}a = 1\n", "a.".repeat(depth));
        assert!(from_text("hub.toml", &dotted).has_errors());
        let header = format!("[{}a]\n", "a.".repeat(depth));
        assert!(from_text("hub.toml", &header).has_errors());
    }
}

/// Sound texts: every file of conf/, and one with every key.
fn sound_texts() -> Vec<String> {
    let mut texts: Vec<String> = conf_files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.push(include_str!("../../config/reader/example.toml").to_owned());
    texts
}

/// Loads a damaged text: with errors there is no plan, and each finding has file, place and rule.
fn damaged(text: &str) -> Loaded {
    let loaded = from_text("hub.toml", text);
    let lines = u32::try_from(text.matches('\n').count()).unwrap() + 1;
    for own in &loaded.findings {
        assert_eq!(&**own.place.file(), "hub.toml");
        assert!((1..=lines).contains(&own.place.line()) && own.place.column() > 0, "{own:?}");
        assert!(!own.rule.is_empty() && !own.message.is_empty(), "{own:?}");
    }
    assert_eq!(loaded.has_errors(), loaded.plan.is_none());
    assert_eq!(loaded.has_errors(), loaded.config.is_none());
    let _ = render::text(&loaded.findings, true);
    loaded
}

#[test]
fn b_05_texts_that_were_cut_are_told_or_whole() {
    let (mut cut, mut faulty) = (0, 0);
    for text in sound_texts() {
        for end in (0..text.len()).step_by(97).filter(|end| text.is_char_boundary(*end)) {
            let loaded = damaged(&text[..end]);
            cut += 1;
            faulty += usize::from(loaded.has_errors());
        }
    }
    assert!(cut > 200 && faulty > 100, "{faulty} of {cut}");
}

#[test]
fn b_05_nul_and_a_misplaced_byte_order_mark_are_told_with_their_line() {
    for text in sound_texts() {
        assert_eq!(damaged(&format!("\u{feff}{text}")).has_errors(), damaged(&text).has_errors());
        for at in (0..text.len()).step_by(397).filter(|at| text.is_char_boundary(*at)) {
            let line = u32::try_from(text[..at].matches('\n').count()).unwrap() + 1;
            let broken = format!("{}\0{}", &text[..at], &text[at..]);
            let loaded = damaged(&broken);
            let told = loaded.findings.iter().any(|own| own.code.to_string() == "H0101" && own.place.line() == line);
            assert!(told, "NUL in line {line}: {:#?}", loaded.findings);
        }
        let (head, tail) = text.split_at(text.find("[server]").unwrap());
        assert!(damaged(&format!("{head}\u{feff}{tail}")).has_errors());
    }
}

/// A sound zone file.
const ZONE: &str = "\
$ORIGIN z.example.
$TTL 300
@ 3600 IN SOA ns.z.example. host.z.example. (
  1 3600 300 ; serial, refresh, retry
  2419200 10 )
@ NS ns
ns A 10.0.0.53
a 60 IN A 10.0.0.4
  AAAA fd00::4
b CNAME a
c TXT \"one\" \"two; three\"
d MX 10 mail
_s._tcp SRV 1 2 443 a
*.w A 10.0.0.5
";

/// Loads a zone file by the one loading path: codes and lines of what was told of it.
fn load_zone(zone: &str) -> (Vec<String>, bool) {
    let main =
        format!("{HEAD}[[zone]]\nname = \"z\"\napex = \"z.example\"\nfile = \"z.zone\"\n{VIEW}zones = [\"z\"]\n");
    let loaded = from_texts(&[("hub.toml", &main), ("z.zone", zone)]);
    let lines = u32::try_from(zone.matches('\n').count()).unwrap() + 1;
    for own in &loaded.findings {
        assert_eq!(&**own.place.file(), "z.zone", "{own:?}");
        assert!((1..=lines).contains(&own.place.line()) && !own.rule.is_empty(), "{own:?}");
    }
    assert_eq!(loaded.has_errors(), loaded.plan.is_none());
    let told = loaded.findings.iter().map(|own| format!("{} {}", own.code, own.place.line())).collect();
    (told, loaded.plan.is_some())
}

#[test]
fn b_05_each_broken_entry_of_a_zone_file_is_told_with_its_line() {
    assert_eq!(load_zone(ZONE), (Vec::new(), true));
    let entries = [
        "x A",
        "x A 10.0.0",
        "x A 10.0.0.4 10.0.0.5",
        "x A fd00::4",
        "x AAAA 10.0.0.4",
        "x AAAA fd00:::4",
        "x CNAME",
        "x CNAME a b",
        "x MX a",
        "x MX 70000 a",
        "x MX 1",
        "x SRV 1 2 3",
        "x SRV 1 2 70000 a",
        "x TXT",
        "x TXT \"open",
        "x TXT \\9",
        "x NS",
        "x SOA a b 1 2 3 4",
        "x SOA a b x 2 3 4 5",
        "x WKS 1",
        "x TYPE65280 \\# 2 00",
        "x",
        "x 5",
        "x 5 IN",
        "x CH A 10.0.0.4",
        "x 5x A 10.0.0.4",
        "x..y A 10.0.0.4",
        ".x A 10.0.0.4",
        "x )",
        "ü A 10.0.0.4",
        "$GENERATE 1-9 x$ A 10.0.0.4",
        "$TTL",
        "$TTL x",
        "$TTL 1 2",
        "$ORIGIN",
        "$ORIGIN a..b",
        "$INCLUDE",
        "$INCLUDE none",
        "$INCLUDE ../x",
        "$INCLUDE /x",
        "$X 1",
        "x\0y",
        "x A 10.0.0.4\0",
        "x DNAME a",
        "x ANY a",
        "x.example. A 10.0.0.4",
        "b A 10.0.0.4",
        "b CNAME c",
        "a CNAME b",
        "@ SOA a b 1 2 3 4 5",
        "x SOA a b 1 2 3 4 5",
        "x NS a",
        "x CAA 0",
        "x PTR",
        "x A 10.0.0.4 ; fine\ny A",
    ];
    for entry in entries {
        for (at, line) in [(ZONE.len(), 15), (ZONE.find("a 60").unwrap(), 8)] {
            let text = format!("{}{entry}\n{}", &ZONE[..at], &ZONE[at..]);
            let (told, sound) = load_zone(&text);
            // the entry that hides another may be the later one of both
            let later = entry.starts_with("b ") || entry.starts_with("a ") || entry.contains('\n');
            let near = |own: &String| own.split(' ').nth(1).unwrap().parse::<u32>().unwrap() >= line;
            let here = |own: &String| own.ends_with(&format!(" {line}"));
            assert!(!sound, "{entry}");
            assert!(told.iter().any(|own| here(own) || later && near(own)), "{entry}: {told:?}");
        }
    }
    let (told, _) = load_zone(&format!("{ZONE}x (\ny A 10.0.0.4\n"));
    assert_eq!(told, ["H0422 15"]);
}

#[test]
fn b_05_zone_files_that_were_cut_or_damaged_are_told_or_whole() {
    for end in 0..ZONE.len() {
        let _ = load_zone(&ZONE[..end]);
        let (told, sound) = load_zone(&format!("{}\0{}", &ZONE[..end], &ZONE[end..]));
        assert!(sound || !told.is_empty());
    }
    assert_eq!(load_zone(&format!("\u{feff}{ZONE}")), (Vec::new(), true));
    assert_eq!(load_zone(&ZONE.replace('\n', "\r\n")), (Vec::new(), true));
}
