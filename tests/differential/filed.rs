//! A strict zone out of a master file that both servers load as it stands: types, wildcards, empty non-terminals and
//! aliases of every kind. It is in every view.

use crate::oracle::name::is_within;

/// Its apex.
pub(crate) const APEX: &str = "filed.example";

/// Its file.
pub(crate) const TEXT: &str = r#"$ORIGIN filed.example.
$TTL 300
@            3600 IN SOA ns hostmaster 7 3600 600 86400 60
@                 IN NS  ns
@                    A   10.0.9.1
@                    MX  10 mail
ns                   A   10.0.9.2
mail                 A   10.0.9.3
                     AAAA fd00::9:3
host            1h   A   10.0.9.4
                1h   A   10.0.9.5
                     TXT "first" "second string"
                     CAA 0 issue "ca.example"
                     TYPE65280 \# 4 c00c00ff
_sip._tcp            SRV 0 5 5060 host
deep.er.ent          A   10.0.9.6
*.wild               A   10.0.9.7
                     TXT "any"
x.y.wild             A   10.0.9.8
*.sub.wild           CNAME host
in                   CNAME host
twice                CNAME in
out                  CNAME www.public.example.
far                  CNAME a.plain.shapes.example.
dangling             CNAME nothing.shapes.example.
missing              CNAME none
loop1                CNAME loop2
loop2                CNAME loop1
self                 CNAME self
owned                CNAME rdweb.wvd.microsoft.com.
wide                 CNAME q.wild
a\.b                 A   10.0.9.9
UPPER                A   10.0.9.10
"#;

/// The targets of its aliases, wildcards left out.
const ALIASES: [(&str, &str); 12] = [
    ("in", "host.filed.example"),
    ("twice", "in.filed.example"),
    ("out", "www.public.example"),
    ("far", "a.plain.shapes.example"),
    ("dangling", "nothing.shapes.example"),
    ("missing", "none.filed.example"),
    ("loop1", "loop2.filed.example"),
    ("loop2", "loop1.filed.example"),
    ("self", "self.filed.example"),
    ("owned", "rdweb.wvd.microsoft.com"),
    ("wide", "q.wild.filed.example"),
    ("a.sub.wild", "host.filed.example"),
];

/// Other names to ask for.
const NAMES: [&str; 24] = [
    "ns",
    "mail",
    "host",
    "_sip._tcp",
    "_tcp",
    "deep.er.ent",
    "er.ent",
    "ent",
    "x.ent",
    "wild",
    "a.wild",
    "a.b.wild",
    "*.wild",
    "x.y.wild",
    "y.wild",
    "z.y.wild",
    "x.x.y.wild",
    "sub.wild",
    "none",
    "x.host",
    "upper",
    "a\\.b",
    "*",
    "x.*.wild",
];

/// Every name worth asking for.
pub(crate) fn names() -> Vec<String> {
    let labels = NAMES.into_iter().chain(ALIASES.map(|(name, _)| name));
    labels.map(|label| format!("{label}.{APEX}")).chain([APEX.to_owned()]).collect()
}

/// Whether a name is the zone's.
pub(crate) fn holds(name: &str) -> bool {
    is_within(name, APEX)
}

/// The target of the alias that a name is.
pub(crate) fn target(name: &str) -> Option<&'static str> {
    let label = name.strip_suffix(APEX)?.strip_suffix('.')?;
    ALIASES.into_iter().find(|(alias, _)| *alias == label).map(|(_, target)| target)
}
