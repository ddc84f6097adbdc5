//! "Did you mean": the nearest of a few names, at an edit distance of at most 2.

/// The nearest candidate, if one is near enough; of several equally near ones the first.
pub fn suggest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let text = text.to_ascii_lowercase();
    let most = if text.len() < 4 { 1 } else { 2 };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(text.len()) <= most)
        .map(|candidate| (distance(text.as_bytes(), candidate.to_ascii_lowercase().as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many octets must be changed, added, removed or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_within_two_is_suggested() {
        let keys = ["timeout", "servers", "policy", "case", "name"];
        assert_eq!(suggest("timeuot", keys), Some("timeout"));
        assert_eq!(suggest("sever", keys), Some("servers"));
        assert_eq!(suggest("Policy", keys), Some("policy"));
        assert_eq!(suggest("retries", keys), None);
        assert_eq!(suggest("x", keys), None);
        assert_eq!(suggest("", keys), None);
    }
}
