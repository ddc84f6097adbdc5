//! The tables themselves, one static a section.

use std::time::Duration;

use super::Default::{Required, Value, Words};
use super::{Key, Kind, Section};

/// Milliseconds.
const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}
/// Seconds.
const fn s(number: u64) -> Duration {
    Duration::from_secs(number)
}
/// One day.
const DAY: Duration = s(86_400);
/// One mebibyte.
const MIB: u64 = 1 << 20;

/// The kinds of endpoints as the file has them; `feed` and `connection` are Azure's group ids.
pub static KINDS: &[&str] = &[
    "global",
    "workspace",
    "host-pool",
    "other",
    "feed",
    "connection",
];
/// The kinds that a view's `private` may list.
pub static PROCESS_KINDS: &[&str] = &["global", "workspace", "host-pool", "feed", "connection"];
/// Which queries are logged.
pub static QUERY_LEVELS: &[&str] = &["off", "decisions", "sampled", "all"];
/// How much of a client's address is logged.
pub static CLIENT_DETAILS: &[&str] = &["whole", "cut", "none"];
/// What a zone does with a name that it lacks.
pub static MISSING: &[&str] = &["nxdomain", "forward"];
/// The default of `private-ranges`.
pub const PRIVATE_RANGES: &str =
    r#"["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"]"#;
/// Keys that only the main file may have.
pub static MAIN_FILE_ONLY: &[&str] = &["include", "watch", "server", "cache", "log"];

/// A row; `example` may be left out.
macro_rules! key {
    ($name:literal, $kind:expr, $default:expr, $doc:literal) => {
        key!($name, $kind, $default, "", $doc)
    };
    ($name:literal, $kind:expr, $default:expr, $example:literal, $doc:literal) => {
        Key { name: $name, kind: $kind, default: $default, example: $example, doc: $doc }
    };
}

/// The file itself.
pub static FILE: Section = Section {
    name: "",
    title: "the file",
    doc: "The keys at the top of the main file. Included files have `version` (which they may leave \
          out) and the tables that are written in double brackets.",
    keys: &[
        key!("version", Kind::Integer(1, 1), Required, "1",
            "The version of this format."),
        key!("include", Kind::List(&Kind::PathGlob, 0, 1_000), Value("[]"), "[\"endpoints.d/*.toml\"]",
            "More files of tables, read in lexical order, relative to this file."),
        key!("watch", Kind::Boolean, Value("false"),
            "Reload when this file, an included or a referenced one changes."),
        key!("server", Kind::Table(&SERVER), Required, "The listeners."),
        key!("cache", Kind::Table(&CACHE), Words("each key's default"),
            "The cache of upstream answers."),
        key!("log", Kind::Table(&LOG), Words("each key's default"),
            "The query log."),
        key!("upstream", Kind::Tables(&UPSTREAM), Words("none"),
            "Groups of servers that are asked."),
        key!("endpoint", Kind::Tables(&ENDPOINT), Words("none"),
            "Private endpoints, one a table."),
        key!("endpoints", Kind::Tables(&ENDPOINTS), Words("none"),
            "Private endpoints out of lists."),
        key!("zone", Kind::Tables(&ZONE), Words("none"),
            "Other private zones, one a table."),
        key!("zones", Kind::Tables(&ZONES), Words("none"),
            "Other private zones, one a file."),
        key!("known", Kind::Tables(&KNOWN), Words("none"),
            "Resources that are not foreign (R18)."),
        key!("cloud", Kind::Tables(&CLOUD), Words("none"),
            "Clouds that the built-in table lacks."),
        key!("view", Kind::Tables(&VIEW), Words("none"),
            "Clients and what they see."),
    ],
};

/// An included file: tables only.
pub static INCLUDED: Section = Section {
    name: "included",
    title: "an included file",
    doc: "An included file.",
    keys: &[
        key!("version", Kind::Integer(1, 1), Words("the main file's"), "1",
            "The version of this format."),
        key!("upstream", Kind::Tables(&UPSTREAM), Words("none"),
            "Groups of servers that are asked."),
        key!("endpoint", Kind::Tables(&ENDPOINT), Words("none"),
            "Private endpoints, one a table."),
        key!("endpoints", Kind::Tables(&ENDPOINTS), Words("none"),
            "Private endpoints out of lists."),
        key!("zone", Kind::Tables(&ZONE), Words("none"),
            "Other private zones, one a table."),
        key!("zones", Kind::Tables(&ZONES), Words("none"),
            "Other private zones, one a file."),
        key!("known", Kind::Tables(&KNOWN), Words("none"),
            "Resources that are not foreign (R18)."),
        key!("cloud", Kind::Tables(&CLOUD), Words("none"),
            "Clouds that the built-in table lacks."),
        key!("view", Kind::Tables(&VIEW), Words("none"),
            "Clients and what they see."),
    ],
};

/// `[server]`.
pub static SERVER: Section = Section {
    name: "server",
    title: "[server]",
    doc: "The listeners and their life cycle.",
    keys: &[
        key!("listen", Kind::List(&Kind::SocketAddress(53), 1, 256), Required, "[\"127.0.0.1:5300\"]",
            "Addresses that answer DNS over UDP and TCP: `ip[:port]`, port 53 where none is written."),
        key!("workers", Kind::Integer(0, 1_024), Value("0"),
            "UDP worker threads; 0 is one for each available core."),
        key!("health", Kind::SocketAddress(8_080), Words("none"), "\"0.0.0.0:8080\"",
            "HTTP listener for /livez, /readyz and /metrics alone; a load balancer's probe comes from \
             168.63.129.16. Ready is a server that serves a snapshot and got no signal to stop, whatever its \
             upstreams are."),
        key!("admin", Kind::SocketAddress(8_053), Words("none"), "\"127.0.0.1:8053\"",
            "HTTP listener of the admin API; without it there is none. Away from loopback it needs `token-file`."),
        key!("token-file", Kind::Path, Words("none"), "\"/run/secrets/hubdns-token\"",
            "A file that holds the bearer token of the admin API, 16 or more characters, relative to this file; read \
             again on reload. With one, calls that change something demand it; away from loopback all do."),
        key!("lameduck", Kind::Duration(s(0), s(600)), Value("\"5s\""),
            "After SIGTERM: not ready at once, still answering this long. Behind a load balancer it \
             must reach (failures to mark down + 1) × probe interval."),
    ],
};

/// `[cache]`.
pub static CACHE: Section = Section {
    name: "cache",
    title: "[cache]",
    doc: "The cache holds raw upstream answers, never what a view made of them.",
    keys: &[
        key!("size", Kind::Size(MIB, MIB << 20), Value("\"256MiB\""),
            "A bound on all of it, keys and bookkeeping included; \"0\" turns the cache off."),
        key!("serve-stale", Kind::Duration(s(0), s(7 * 86_400)), Value("\"1d\""),
            "How long an expired answer may still be used when the upstream fails (RFC 8767); \"0s\" \
             is off."),
        key!("max-ttl", Kind::Duration(s(1), s(7 * 86_400)), Value("\"1d\""),
            "The longest life of an answer."),
        key!("max-negative-ttl", Kind::Duration(s(0), DAY), Value("\"5m\""),
            "The longest life of a negative answer."),
        key!("file", Kind::Text, Words("none"), "\"/var/lib/hubdns/cache.bin\"",
            "A file that the answers are saved in at the end and read from at the next start; a path, relative to \
             this file. What was cut or changed is left out."),
    ],
};

/// `[log]`.
pub static LOG: Section = Section {
    name: "log",
    title: "[log]",
    doc: "The query log: one JSON object a line, in fields of the Elastic Common Schema (docs/query-log.md). A writer \
          that cannot keep up loses lines, counted; answers never wait for it.",
    keys: &[
        key!("queries", Kind::Choice(QUERY_LEVELS), Value("\"off\""),
            "Which queries are written: `off`, `decisions` (what hubdns decided itself: owned, blocked, withheld, \
             refused, foreign, malformed), `sampled` (one in `sample`) or `all`. A view's `log-queries` goes first."),
        key!("sample", Kind::Integer(1, 1_000_000), Value("100"),
            "Of how many queries one is written where they are `sampled`."),
        key!("clients", Kind::Choice(CLIENT_DETAILS), Value("\"whole\""),
            "How much of a client's address is written: `whole`, `cut` (to /24 and /56, without the port) or `none`. A \
             view's `log-clients` goes first."),
        key!("file", Kind::Text, Words("standard output"), "\"/var/log/hubdns/queries.jsonl\"",
            "The file or FIFO that lines are appended to; a path, relative to this file. SIGHUP opens it anew."),
    ],
};

/// `[[upstream]]`.
pub static UPSTREAM: Section = Section {
    name: "upstream",
    title: "[[upstream]]",
    doc: "A named group of servers. Failures go to the next server, answers never do.",
    keys: &[
        key!("name", Kind::Label, Required, "\"azure\"",
            "The name that views and routes use."),
        key!("servers", Kind::List(&Kind::Server, 1, 64), Required, "[\"168.63.129.16\"]",
            "`ip[:port]`, `tls://ip[:port]#name`, `https://name/path#ip` or `quic://ip[:port]#name`."),
        key!("policy", Kind::Choice(&["ordered", "round-robin", "fastest", "race"]), Value("\"ordered\""),
            "Which server is asked first."),
        key!("timeout", Kind::Duration(ms(100), s(30)), Value("\"5s\""),
            "The budget of a whole exchange, all tries included; Azure's resolver needs more than 4 \
             s."),
        key!("max-in-flight", Kind::Integer(1, 60_000), Words("150 for 168.63.129.16, 5000 for any other server"), "150",
            "Pending queries per server address, over all groups. Azure's resolver drops past 200."),
        key!("max-qps", Kind::Integer(1, 10_000_000), Words("900 for 168.63.129.16, no limit for any other server"), "900",
            "Queries a second per server address, over all groups. Azure's resolver drops past 1,000."),
        key!("case", Kind::Choice(&["auto", "on", "off"]), Value("\"auto\""),
            "Random letter case in questions (0x20) against forged replies."),
        key!("ca", Kind::Path, Words("the system's bundle"), "\"dns-ca.pem\"",
            "PEM file of the authorities that may have signed the certificates of its encrypted servers; none \
             else is believed then."),
    ],
};

/// `[[endpoint]]`.
pub static ENDPOINT: Section = Section {
    name: "endpoint",
    title: "[[endpoint]]",
    doc: "One private endpoint: names and their private addresses.",
    keys: &[
        key!("name", Kind::Label, Required, "\"hp-weu\"",
            "The name that views use."),
        key!("kind", Kind::Choice(KINDS), Words("what the imported data tell"), "\"host-pool\"",
            "`global` is initial feed discovery, `workspace` (Azure: feed) feed download, `host-pool` \
             (Azure: connection) connections, `other` any other service."),
        key!("resource", Kind::Text, Words("what the imported data tell"), "\"fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f\"",
            "The workspace's or host pool's id or GUID; guard and advice need it."),
        key!("ttl", Kind::Duration(s(0), DAY), Value("\"10s\""),
            "The TTL of its records."),
        key!("state", Kind::Choice(&["private", "public", "blocked"]), Value("\"private\""),
            "`public` forwards its names unguarded (break-glass), `blocked` answers NXDOMAIN."),
        key!("records", Kind::Records, Words("none"), "{ \"rdweb.wvd.microsoft.com\" = [\"10.0.1.4\"] }",
            "Names in either spelling to addresses; a leftmost `*` label is a wildcard (R13, R15)."),
        key!("from", Kind::List(&Kind::PathGlob, 0, 1_000), Value("[]"), "[\"azure/hp-weu-nic.json\"]",
            "Files that `az network nic show` or `az network private-endpoint show` printed; one \
             endpoint."),
    ],
};

/// `[[endpoints]]`.
pub static ENDPOINTS: Section = Section {
    name: "endpoints",
    title: "[[endpoints]]",
    doc: "Private endpoints out of lists: one for each one found, named as in Azure.",
    keys: &[key!(
        "from",
        Kind::List(&Kind::PathGlob, 1, 1_000),
        Required,
        "[\"azure/all-*.json\"]",
        "Files that `az network nic list` or `az network private-endpoint list` printed."
    )],
};

/// `[[zone]]`.
pub static ZONE: Section = Section {
    name: "zone",
    title: "[[zone]]",
    doc: "Any other private zone.",
    keys: &[
        key!("name", Kind::Label, Required, "\"blob\"",
            "The name that views use."),
        key!("apex", Kind::Name, Required, "\"privatelink.blob.core.windows.net\"",
            "The zone's own name."),
        key!("public", Kind::Name, Words("built in for the known services, else none"), "\"blob.core.windows.net\"",
            "Its names are owned under this suffix too (R16)."),
        key!("file", Kind::Path, Words("none"), "\"zones/blob.zone\"",
            "A master file with its records."),
        key!("records", Kind::ZoneRecords, Words("none"), "{ \"acct1\" = [\"10.0.2.4\"] }",
            "Instead of a file: owners, relative to the apex unless they end with a dot (`@` is the \
             apex), to addresses or to `{ cname = \"target\" }` (a full name)."),
        key!("ttl", Kind::Duration(s(0), DAY), Value("\"5m\""),
            "The TTL of `records`."),
        key!("missing", Kind::Choice(MISSING), Value("\"nxdomain\""),
            "A name that the zone lacks: `nxdomain`, or `forward` (Azure: fallback to internet)."),
    ],
};

/// `[[zones]]`.
pub static ZONES: Section = Section {
    name: "zones",
    title: "[[zones]]",
    doc: "Private zones, one a file: the apex comes from $ORIGIN or the SOA, the name is the file's stem.",
    keys: &[key!(
        "from",
        Kind::List(&Kind::PathGlob, 1, 1_000),
        Required,
        "[\"zones/*.zone\"]",
        "Master files."
    )],
};

/// `[[known]]`.
pub static KNOWN: Section = Section {
    name: "known",
    title: "[[known]]",
    doc: "Resources that are not foreign though no endpoint is here (R18).",
    keys: &[
        key!("name", Kind::Label, Required, "\"w365\"",
            "A word for logs."),
        key!("guids", Kind::List(&Kind::Guid, 1, 100_000), Required, "[\"34c6de84-0b0c-42ba-9a48-e164ed43a9ef\"]",
            "Object ids of workspaces and host pools."),
    ],
};

/// `[[cloud]]`.
pub static CLOUD: Section = Section {
    name: "cloud",
    title: "[[cloud]]",
    doc: "A cloud that the built-in table lacks: Azure, Azure US Government and Azure China are known. Its private-link \
          suffixes are `privatelink` and `privatelink-global` in front of `public`.",
    keys: &[
        key!("name", Kind::Label, Required, "\"sovereign\"",
            "A word for messages."),
        key!("public", Kind::Name, Required, "\"wvd.example.gov\"",
            "The suffix that clients ask in."),
        key!("one-zone", Kind::Boolean, Value("false"),
            "Global names are below `privatelink` too: the cloud has no `privatelink-global` zone."),
    ],
};

/// An entry of a view's `forward`.
pub static FORWARD: Section = Section {
    name: "forward",
    title: "a route",
    doc: "A suffix and the upstream that is asked for it.",
    keys: &[
        key!("suffix", Kind::Name, Required, "\"corp.example\"",
            "The name itself and all names below it."),
        key!("upstream", Kind::Label, Required, "\"onprem\"",
            "The name of an upstream."),
    ],
};

/// `[[view]]`.
pub static VIEW: Section = Section {
    name: "view",
    title: "[[view]]",
    doc: "The clients of one or more virtual networks and what they see. A view with neither `networks` nor \
          `listeners` is abstract: only `extends` may use it.",
    keys: &[
        key!("name", Kind::Label, Required, "\"clients-weu\"",
            "The name in logs and metrics."),
        key!("networks", Kind::List(&Kind::Prefix, 0, 100_000), Value("[]"), "[\"10.10.0.0/16\", \"fd00:10::/48\"]",
            "Client addresses; the longest prefix of all views wins (R7)."),
        key!("listeners", Kind::List(&Kind::Listener, 0, 256), Value("[]"), "[\"10.0.0.5\"]",
            "Only queries to these addresses: for clients behind a domain controller, proxy or NAT \
             (R7)."),
        key!("extends", Kind::Label, Words("none"), "\"base\"",
            "The view whose settings are taken over (R8)."),
        key!("without", Kind::List(&Kind::LabelGlob, 0, 10_000), Value("[]"), "[\"blob\"]",
            "Endpoints and zones of the extended view that are not taken over."),
        key!("upstream", Kind::Label, Words("the one upstream of the file"), "\"azure\"",
            "The default route."),
        key!("forward", Kind::Tables(&FORWARD), Value("[]"), "[{ suffix = \"corp.example\", upstream = \"onprem\" }]",
            "Routes of suffixes; the longest wins."),
        key!("reverse", Kind::Label, Words("NXDOMAIN (RFC 6303)"), "\"onprem\"",
            "The upstream for private reverse names without a record here (R17)."),
        key!("endpoints", Kind::List(&Kind::LabelGlob, 0, 100_000), Value("[]"), "[\"discovery\", \"hp-*\"]",
            "Endpoints of this view, by name or glob."),
        key!("zones", Kind::List(&Kind::LabelGlob, 0, 100_000), Value("[]"), "[\"blob\"]",
            "Zones of this view, by name or glob."),
        key!("private", Kind::List(&Kind::Choice(PROCESS_KINDS), 0, 5), Words("the kinds that the view has endpoints for"), "[\"global\", \"host-pool\"]",
            "The intent: which kinds must answer privately. A listed kind without an endpoint is an \
             error."),
        key!("unlisted", Kind::Choice(&["forward", "nxdomain"]), Value("\"forward\""),
            "AVD names of resources that are neither here nor `known` (R18)."),
        key!("guard", Kind::Choice(&["own", "all", "watch", "off"]), Value("\"own\""),
            "Which names never get an address that the view does not hold (R25)."),
        key!("must-be-private", Kind::List(&Kind::Pattern, 0, 100_000), Value("[]"), "[\"acct1.file.core.windows.net\", \"*.vault.azure.net\"]",
            "More names that the guard holds private."),
        key!("private-ranges", Kind::List(&Kind::Prefix, 0, 10_000), Value(PRIVATE_RANGES),
            "What counts as a private address."),
        key!("reply-within", Kind::Duration(ms(100), s(30)), Words("the upstream's `timeout` less 200ms"), "\"4.8s\"",
            "Clients wait this long at most (R27); \"2.5s\" for Windows DNS servers, which give up at \
             3 s."),
        key!("keep-warm", Kind::List(&Kind::Name, 0, 10_000), Value("[]"), "[\"login.microsoftonline.com\"]",
            "Names that are asked again before they expire."),
        key!("missing", Kind::Choices(MISSING), Value("{}"), "{ blob = \"nxdomain\" }",
            "`missing` of zones by name, in this view."),
        key!("log-queries", Kind::Choice(QUERY_LEVELS), Words("`queries` of [log]"), "\"all\"",
            "Which queries of this view are written to the query log."),
        key!("log-clients", Kind::Choice(CLIENT_DETAILS), Words("`clients` of [log]"), "\"cut\"",
            "How much of this view's clients' addresses is written to it."),
    ],
};

/// All sections that are written as tables, in the order of the documentation.
pub static TABLES: &[&Section] = &[
    &FILE, &SERVER, &CACHE, &LOG, &UPSTREAM, &ENDPOINT, &ENDPOINTS, &ZONE, &ZONES, &KNOWN, &CLOUD,
    &VIEW, &FORWARD,
];
