//! Names as lower-case text without a trailing dot; the root is ".". No escapes: the generators make none.

/// The AVD clouds: what comes after `wvd.`, `privatelink.wvd.` and `privatelink-global.wvd.`.
const CLOUDS: [&str; 3] = ["microsoft.com", "azure.us", "azure.cn"];

/// Whether a name is a suffix of another by whole labels, or the same.
pub(crate) fn is_within(name: &str, suffix: &str) -> bool {
    suffix == "." || name == suffix || name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a name lies strictly below another.
pub(crate) fn is_below(name: &str, suffix: &str) -> bool {
    name != suffix && is_within(name, suffix)
}

/// The name without its first label; `None` for the root.
pub(crate) fn parent(name: &str) -> Option<&str> {
    match name.split_once('.') {
        _ if name == "." => None,
        Some((_, rest)) => Some(rest),
        None => Some("."),
    }
}

/// How many labels a name has.
pub(crate) fn depth(name: &str) -> usize {
    if name == "." { 0 } else { name.split('.').count() }
}

/// The name with a suffix replaced; `None` where it does not lie within it.
pub(crate) fn swap(name: &str, from: &str, to: &str) -> Option<String> {
    is_within(name, from).then(|| format!("{}{to}", &name[..name.len() - from.len()]))
}

/// The public AVD suffixes.
pub(crate) fn public_suffixes() -> impl Iterator<Item = String> {
    CLOUDS.iter().map(|cloud| format!("wvd.{cloud}"))
}

/// The AVD private-link suffixes: those of workspaces and host pools, or the global ones.
pub(crate) fn private_suffixes(global: bool) -> impl Iterator<Item = String> {
    let label = if global { "privatelink-global" } else { "privatelink" };
    CLOUDS.iter().map(move |cloud| format!("{label}.wvd.{cloud}"))
}

/// Whether a name lies at or under any AVD private-link suffix.
pub(crate) fn is_private_link(name: &str) -> bool {
    [false, true].into_iter().any(|global| private_suffixes(global).any(|suffix| is_within(name, &suffix)))
}

/// The GUID labels of an AVD name, in either spelling and any cloud.
pub(crate) fn guids(name: &str) -> Vec<&str> {
    if !public_suffixes().any(|suffix| is_below(name, &suffix)) {
        return Vec::new();
    }
    name.split('.').filter(|label| is_guid(label)).collect()
}

fn is_guid(label: &str) -> bool {
    let parts: Vec<_> = label.split('-').collect();
    parts.len() == 5
        && parts
            .iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(part, length)| part.len() == length && part.bytes().all(|octet| octet.is_ascii_hexdigit()))
}
