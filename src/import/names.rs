//! Names of tables: 1 to 63 letters, digits, `-`, `_` or `.`, each once.

use hashbrown::{HashMap, HashSet};

/// The longest name.
const LONGEST: usize = 63;

/// Names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The number to go on with, by the name that was wanted.
    next: HashMap<String, usize>,
}

impl Names {
    /// A free name as near to the wanted one as can be; `other` is put behind it before a number is.
    pub(super) fn take(&mut self, wanted: &str, other: &str) -> String {
        let plain = label(wanted);
        if self.taken.insert(plain.clone()) {
            return plain;
        }
        let longer = label(&format!("{plain}-{other}"));
        if !other.is_empty() && self.taken.insert(longer.clone()) {
            return longer;
        }
        loop {
            let number = self.next.entry(plain.clone()).or_insert(2);
            let end = format!("-{number}");
            *number += 1;
            let head: String = plain.chars().take(LONGEST - end.len()).collect();
            let numbered = format!("{head}{end}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// A text as a name.
pub(super) fn label(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let label: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(LONGEST).collect();
    if label.is_empty() { "unnamed".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_never_repeat() {
        let mut names = Names::default();
        assert_eq!(names.take("pe hp/1", ""), "pe-hp-1");
        assert_eq!(names.take("pe-hp-1", "rg"), "pe-hp-1-rg");
        assert_eq!(names.take("pe-hp-1", "rg"), "pe-hp-1-2");
        assert_eq!(names.take("pe-hp-1", ""), "pe-hp-1-3");
        assert_eq!(names.take("", ""), "unnamed");
        let long = "x".repeat(80);
        assert_eq!(names.take(&long, "").len(), LONGEST);
        assert_eq!(names.take(&long, "rg").len(), LONGEST);
    }
}
