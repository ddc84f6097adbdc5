//! A strict reader of OpenMetrics text 1.0, by its specification and with none of the product's code: what it takes is
//! what a scraper takes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::http;

/// One metric family.
#[derive(Debug, Default, Clone)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// (suffix of the name, labels) → value.
    pub(crate) samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// A scrape.
#[derive(Debug, Clone)]
pub(crate) struct Scrape {
    pub(crate) families: BTreeMap<String, Family>,
}

/// The suffixes that samples of a type may have.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => panic!("an unexpected type: {other}"),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|own| own.is_ascii_alphanumeric() || own == '_')
}

/// Reads `name="value",…}` up to the brace; gives what stands behind.
fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let (mut found, mut rest) = (BTreeMap::new(), text);
    while !rest.starts_with('}') {
        let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("a label: {rest}"));
        assert!(is_name(name), "the name of a label: {name:?}");
        let (mut value, mut end) = (String::new(), None);
        let mut characters = behind.char_indices();
        while let Some((at, own)) = characters.next() {
            match own {
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('"' | '\\')) => value.push(escaped),
                    other => panic!("an escape: {other:?} in {text}"),
                },
                own => {
                    assert!(!own.is_control(), "a control character in {text}");
                    value.push(own);
                }
            }
        }
        rest = &behind[end.unwrap_or_else(|| panic!("a quote is open: {text}"))..];
        assert!(found.insert(name.to_owned(), value).is_none(), "a label twice: {text}");
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (found, &rest[1..])
}

impl Scrape {
    /// Scrapes a listener.
    pub(crate) fn of(health: SocketAddr) -> Self {
        let answer =
            http::request(health, "GET", "/metrics", &["accept: application/openmetrics-text; version=1.0.0"], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::read(&answer.body)
    }

    /// Reads a text.
    ///
    /// # Panics
    /// When it is not valid.
    pub(crate) fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let [what, name, rest] = [words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
                assert!(is_name(name), "a family's name: {line}");
                if current != name {
                    assert!(!families.contains_key(name), "a family in two places: {line}");
                    current = name.to_owned();
                }
                let family = families.entry(name.to_owned()).or_default();
                match what {
                    "HELP" => family.help = rest.to_owned(),
                    "TYPE" => family.kind = rest.to_owned(),
                    "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "a unit that the name lacks: {line}"),
                    _ => panic!("a comment: {line}"),
                }
                assert!(family.samples.is_empty(), "a comment behind samples: {line}");
                continue;
            }
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("a sample without a family: {line}"));
            let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("a sample: {line}"));
            let suffix = line[..end].strip_prefix(&current).unwrap_or_else(|| panic!("of another family: {line}"));
            assert!(suffixes(&family.kind).contains(&suffix), "a suffix: {line}");
            let (labels, rest) = match line[end..].strip_prefix('{') {
                Some(rest) => labels(rest),
                None => (BTreeMap::new(), &line[end..]),
            };
            let value = rest.strip_prefix(' ').and_then(|value| value.parse().ok());
            let value: f64 = value.unwrap_or_else(|| panic!("a value: {line}"));
            let old = family.samples.insert((suffix.to_owned(), labels), value);
            assert!(old.is_none(), "a series twice: {line}");
        }
        let scrape = Self { families };
        scrape.families.iter().for_each(|(name, family)| histogram_is_whole(name, family));
        scrape
    }

    /// The value of a series; 0 where there is none.
    pub(crate) fn value(&self, family: &str, suffix: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let family = self.families.get(family).unwrap_or_else(|| panic!("no {family}"));
        family.samples.get(&(suffix.to_owned(), labels)).copied().unwrap_or(0.0)
    }

    /// A counter without labels, or the sum of one with labels that has all of these.
    pub(crate) fn count(&self, family: &str, with: &[(&str, &str)]) -> f64 {
        let family = self.families.get(family).unwrap_or_else(|| panic!("no {family}"));
        let fits = |labels: &BTreeMap<String, String>| {
            with.iter().all(|(name, value)| labels.get(*name).is_some_and(|own| own == value))
        };
        let own = family.samples.iter().filter(|((suffix, labels), _)| suffix == "_total" && fits(labels));
        own.map(|(_, value)| value).sum()
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.families.values().map(|family| family.samples.len()).sum()
    }

    /// All values that labels have.
    pub(crate) fn label_values(&self) -> BTreeSet<String> {
        let labels = self.families.values().flat_map(|family| family.samples.keys().map(|(_, labels)| labels));
        labels.flat_map(|labels| labels.values().cloned()).collect()
    }
}

/// Buckets add up, the last one is the count, and the sum is there.
fn histogram_is_whole(name: &str, family: &Family) {
    if family.kind != "histogram" {
        return;
    }
    let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for ((suffix, labels), value) in &family.samples {
        if suffix == "_bucket" {
            let mut labels = labels.clone();
            let bound = labels.remove("le").unwrap_or_else(|| panic!("{name}: a bucket without a bound"));
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
            buckets.entry(labels).or_default().push((bound, *value));
        }
    }
    for (labels, mut buckets) in buckets {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name}: {buckets:?}");
        let last = buckets.last().expect("a bucket");
        let count = family.samples.get(&("_count".to_owned(), labels.clone()));
        assert_eq!((last.0, Some(&last.1)), (f64::INFINITY, count), "{name}: {labels:?}");
        assert!(family.samples.contains_key(&("_sum".to_owned(), labels)), "{name} lacks its sum");
    }
}

#[test]
fn the_reader_of_metrics_is_strict() {
    let good = "# HELP a Of a.\n# TYPE a counter\na_total{x=\"\\\"\\n\"} 1\na_total 2\n# EOF\n";
    let scrape = Scrape::read(good);
    assert_eq!((scrape.count("a", &[("x", "\"\n")]), scrape.count("a", &[]), scrape.series()), (1.0, 3.0, 2));
    for bad in [
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a counter\na_total 1\n",
        "# TYPE a counter\na_total{x=\"y} 1\n# EOF\n",
        "# TYPE a counter\na_total 1\na_total 2\n# EOF\n",
        "# TYPE a counter\nb_total 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_count 1\na_sum 1\n# EOF\n",
    ] {
        assert!(std::panic::catch_unwind(|| Scrape::read(bad)).is_err(), "{bad}");
    }
}
