//! The table of all finding codes: title, weight, rule, cause, example and cure of each.
//!
//! docs/findings.md is made from this table and compared with it by a test. A code is stable for
//! ever and never reused; the weight is not part of it, so a lint may become an error.
//! H01 file and syntax, H02 server and cache, H03 upstreams and routes, H04 endpoints and zones,
//! H05 views, H06 imports.

use super::finding::{Code, Severity};

/// One row of the table.
#[derive(Debug)]
pub struct CodeRow {
    /// The code.
    pub code: Code,
    /// The weight a finding has unless the place that makes it says otherwise.
    pub severity: Severity,
    /// A few words for headings.
    pub title: &'static str,
    /// The rule of the product that it breaks.
    pub rule: &'static str,
    /// How one gets there.
    pub cause: &'static str,
    /// What it looks like in a file.
    pub example: &'static str,
    /// What to do.
    pub cure: &'static str,
}

/// Makes a constant for each row and the table of them all.
macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident, $title:literal, $rule:literal,
        $cause:literal, $example:literal, $cure:literal;)+) => {
        $(
            #[doc = $title]
            pub static $name: CodeRow = CodeRow {
                code: Code($number),
                severity: Severity::$severity,
                title: $title,
                rule: $rule,
                cause: $cause,
                example: $example,
                cure: $cure,
            };
        )+
        /// Every code, in order.
        pub static ALL: &[&CodeRow] = &[$(&$name),+];
    };
}

codes! {
    // H01: file and syntax
    SYNTAX = 101 Error, "the text is not TOML", "DESIGN 2",
        "A quote, bracket or value is missing or stands where TOML 1.0 does not allow it, or a key is set twice.",
        "timeout = 5s", "Put the text right at the place shown; after a syntax fault missing keys are not reported.";
    UNKNOWN_KEY = 102 Error, "a key that does not exist", "DESIGN 2",
        "A misspelt key, or a key of another table or version.",
        "[server]\nlisten-on = [\"10.0.0.4\"]", "Use one of the keys that the finding lists.";
    WRONG_TYPE = 103 Error, "a value of the wrong type", "DESIGN 2",
        "A number where a string with a unit is needed, a string where a list is needed, `[view]` for `[[view]]`.",
        "lameduck = 5", "Write the type that the finding names: durations and sizes are strings with a unit.";
    MISSING_KEY = 104 Error, "a required key is missing", "DESIGN 2",
        "A table without a key that has no default.",
        "[[upstream]]\nname = \"azure\"", "Add the key.";
    OUT_OF_BOUNDS = 105 Error, "a value outside its bounds", "DESIGN 2",
        "A number, duration, size or count of items below the least or above the greatest allowed.",
        "timeout = \"10m\"", "Choose a value within the bounds that the finding names.";
    BAD_DURATION = 106 Error, "not a duration", "DESIGN 2",
        "A duration is a decimal number and one of the units ms, s, m, h, d.",
        "ttl = \"10 sec\"", "Write for example \"250ms\", \"4.8s\" or \"1d\".";
    BAD_SIZE = 107 Error, "not a size", "DESIGN 2",
        "A size is a whole number and one of the units KiB, MiB, GiB, or \"0\".",
        "size = \"256MB\"", "Write for example \"256MiB\".";
    BAD_CHOICE = 108 Error, "not one of the allowed words", "DESIGN 2",
        "The key takes one of a few words.",
        "policy = \"roundrobin\"", "Use one of the words that the finding lists.";
    BAD_LABEL = 109 Error, "a name that cannot name a table", "DESIGN 2",
        "Names of tables are 1 to 63 letters, digits, `-`, `_` or `.`; they appear in metrics and in globs.",
        "name = \"spoke *\"", "Choose another name.";
    DUPLICATE_NAME = 110 Error, "two tables of one kind with one name", "DESIGN 2",
        "The same `name` twice, in one file or in two.",
        "[[view]]\nname = \"a\"\n[[view]]\nname = \"a\"", "Rename one, or remove it; included files do not override.";
    BAD_VERSION = 111 Error, "an unknown version of the file's format", "DESIGN 2",
        "This program reads `version = 1`.",
        "version = 2", "Write `version = 1`, or use the program that the file was written for.";
    MAIN_FILE_ONLY = 112 Error, "a key that only the main file may have", "DESIGN 2",
        "Included files add tables; they hold no `[server]`, `[cache]`, `include` or `watch`.",
        "include = [\"more.toml\"]   # in an included file", "Move it into the main file.";
    UNREADABLE = 113 Error, "a file cannot be read", "DESIGN 2",
        "The file does not exist, is not a regular file, may not be read, or is not UTF-8.",
        "file = \"zones/blob.zon\"", "Check the path, which is relative to the file that names it, and the rights.";
    NO_MATCH = 114 Warning, "a glob of files without a match", "DESIGN 2",
        "No file fits the pattern.",
        "include = [\"endpoint.d/*.toml\"]", "Check the folder, or remove the pattern.";
    TOO_LARGE = 115 Error, "a file is too large", "DESIGN 2",
        "Files have a bound on their size, so that a wrong path cannot fill the memory.",
        "file = \"/dev/zero\"", "Split the file, or name the right one.";
    BAD_ADDRESS = 117 Error, "not an IP address", "DESIGN 2",
        "Records hold IPv4 or IPv6 addresses without port, prefix or name.",
        "records = { \"rdweb.wvd.microsoft.com\" = [\"10.0.1\"] }", "Write one address a string.";
    BAD_SOCKET_ADDRESS = 118 Error, "not an address with a port", "DESIGN 2",
        "Listeners are `ip`, `ip:port` or `[ip6]:port`.",
        "listen = [\"localhost:53\"]", "Write an address: names are never looked up for listeners.";
    BAD_DNS_NAME = 119 Error, "not a DNS name", "RFC 1035 §5.1",
        "Labels have 1 to 63 octets, names at most 255; other octets than printable ASCII are written `\\DDD`.",
        "suffix = \"corp..example\"", "Write the name in presentation form; international names as `xn--…`.";
    BAD_PREFIX = 120 Error, "not a network prefix", "DESIGN 2",
        "Networks are `address/length`; a lone address is one client.",
        "networks = [\"10.0.0.0/33\"]", "Write for example \"10.10.0.0/16\" or \"fd00:10::/48\".";
    HOST_BITS = 121 Error, "a prefix with host bits set", "R7",
        "The address has bits beyond the prefix length, so it is unclear which network is meant.",
        "networks = [\"10.1.2.3/16\"]", "Write the masked prefix that the finding names.";
    BAD_GLOB = 122 Error, "a pattern that cannot be read", "DESIGN 2",
        "Patterns know `*`, `?` and `[abc]`.",
        "endpoints = [\"hp-[\"]", "Close the bracket, or write the name itself.";
    REPEATED_ITEM = 123 Warning, "the same item twice in a list", "DESIGN 2",
        "A list names one thing twice; the second changes nothing.",
        "networks = [\"10.0.0.0/8\", \"10.0.0.0/8\"]", "Remove one.";
    BAD_WILDCARD = 124 Error, "a wildcard where none is allowed", "R15",
        "`*` is a wildcard only as the whole leftmost label, and only in records and `must-be-private`.",
        "records = { \"a.*.example\" = [\"10.0.0.4\"] }", "Write the names out, or put the `*` first.";
    BAD_GUID = 125 Error, "not a GUID", "R18",
        "A GUID is 32 hexadecimal digits in groups of 8-4-4-4-12.",
        "guids = [\"34c6de84\"]", "Copy the `objectId` of the workspace or host pool.";
    BAD_RECORD_TYPE = 126 Error, "not a record type", "RFC 3597 §5",
        "Types are written by name (`AAAA`) or number (`TYPE65`); questions of zone transfers and the like have no answer.",
        "type = \"A6A\"", "Write the type's name as `dig` does.";
    BAD_RECORD = 127 Error, "not a record", "RFC 1035 §5.1",
        "The data are not what the type takes, or a scripted row has both `data` and `end`, or neither.",
        "{ name = \"a.example\", type = \"A\", data = \"10.0.0\" }", "Write the data as a zone file has them, names whole.";

    // H02: server and cache
    LISTEN_TWICE = 201 Error, "an address is used by two listeners", "DESIGN 2",
        "`listen`, `health` and `admin` name one address and port more than once.",
        "health = \"0.0.0.0:8080\"\nadmin = \"0.0.0.0:8080\"", "Give each its own port.";
    ADMIN_EXPOSED = 202 Error, "the admin listener is not on loopback and has no token", "DESIGN 11",
        "Away from loopback the admin listener demands a bearer token for all but health and metrics, and none is set.",
        "admin = \"0.0.0.0:8053\"", "Keep it on 127.0.0.1 or ::1, or set `token-file`.";
    NEGATIVE_OVER_MAX = 203 Warning, "negative answers may live longer than positive ones", "R32",
        "`max-negative-ttl` is above `max-ttl`; the lesser of both is used.",
        "max-ttl = \"1m\"\nmax-negative-ttl = \"5m\"", "Lower `max-negative-ttl`.";
    BAD_TOKEN = 204 Error, "not a bearer token", "RFC 6750 §2.1",
        "The file of `token-file` holds one token: 16 to 1,024 letters, digits and `-._~+/=`; white space around it does \
         not count.",
        "token-file = \"empty-file\"", "Write one anew, for example with `openssl rand -hex 32`.";
    TOKEN_OPEN = 205 Warning, "others can read the token file", "DESIGN 11",
        "The permissions of the file let every user of the host read it.",
        "token-file = \"/etc/hubdns/token\"   # mode 0644", "Take the right away: `chmod o-r`; for a mounted secret set its mode.";

    // H03: upstreams and routes
    BAD_SERVER = 301 Error, "not a server", "DESIGN 2",
        "Servers are `ip[:port]`, `tls://ip[:port]#name`, `https://name/path#ip` or `quic://ip[:port]#name`.",
        "servers = [\"dns.example\"]", "Write the address; encrypted transports need the name to check as well.";
    UNKNOWN_UPSTREAM = 302 Error, "an upstream that does not exist", "DESIGN 2",
        "A view or route names an upstream that no `[[upstream]]` table defines.",
        "upstream = \"azur\"", "Use a defined name.";
    NO_UPSTREAM = 303 Error, "a view without an upstream", "DESIGN 2",
        "`upstream` may be left out only where the file has exactly one upstream.",
        "[[view]]\nname = \"a\"\nnetworks = [\"10.0.0.0/8\"]", "Say which one.";
    OWN_LISTENER = 304 Error, "an upstream that is one of our own listeners", "DESIGN 4",
        "Queries would go around in a circle.",
        "listen = [\"10.0.0.4\"]\nservers = [\"10.0.0.4\"]", "Name the servers behind us; in Azure that is the platform resolver.";
    PLATFORM_TIMEOUT = 305 Warning, "too short a timeout for Azure's resolver", "DESIGN 4",
        "The platform resolver may need more than 4 s; a forwarder that gives up sooner turns private names into failures.",
        "servers = [\"168.63.129.16\"]\ntimeout = \"2s\"", "Leave the default of 5 s.";
    PLATFORM_IN_FLIGHT = 306 Warning, "too many queries in flight for Azure's resolver", "DESIGN 4",
        "The platform resolver drops what exceeds 200 pending queries per virtual machine.",
        "servers = [\"168.63.129.16\"]\nmax-in-flight = 500", "Leave the default of 150.";
    PLATFORM_QPS = 307 Warning, "too many queries a second for Azure's resolver", "DESIGN 4",
        "The platform resolver drops what exceeds 1,000 queries a second per virtual machine.",
        "servers = [\"168.63.129.16\"]\nmax-qps = 2000", "Leave the default of 900.";
    ROUTE_TWICE = 308 Error, "two routes for one suffix in a view", "R12",
        "Two `forward` entries of one view have the same suffix.",
        "forward = [{ suffix = \"corp.example\", upstream = \"a\" }, { suffix = \"corp.example\", upstream = \"b\" }]",
        "Keep one; put several servers into one upstream.";
    NO_REVERSE = 309 Warning, "a directory's names are forwarded, its reverse names are not", "DESIGN 4",
        "The view forwards a suffix to a private server but answers NXDOMAIN for the private reverse names.",
        "forward = [{ suffix = \"corp.example\", upstream = \"onprem\" }]", "Set `reverse` to the same upstream, or forward the reverse suffix.";
    UPSTREAM_UNUSED = 310 Warning, "an upstream that nothing uses", "DESIGN 2",
        "No view, route or `reverse` names it.",
        "[[upstream]]\nname = \"old\"", "Remove it, or use it.";
    SERVER_TWICE = 311 Error, "one server twice in an upstream", "DESIGN 2",
        "The same address, port and transport appears twice in `servers`.",
        "servers = [\"10.1.0.4\", \"10.1.0.4:53\"]", "Remove one.";
    TRANSPORT_NOT_BUILT = 312 Error, "a transport that this program does not have", "DESIGN 6",
        "The server needs a transport that was left out when the program was built: `quic` needs the feature `doq`.",
        "servers = [\"quic://9.9.9.9#dns.example\"]", "Use `tls` or `https`, or a build with `--features doq`.";
    REPLY_AFTER_TIMEOUT = 313 Warning, "clients wait longer than the exchange lasts", "R27",
        "`reply-within` is not below the `timeout` of the view's upstream, so it never ends a wait.",
        "timeout = \"2s\"\nreply-within = \"4s\"", "Lower `reply-within` or leave it out.";
    BAD_CERTIFICATES = 314 Error, "a file without usable certificates", "DESIGN 6",
        "`ca` names a file that holds no certificate, or one that cannot be read as PEM or X.509.",
        "ca = \"dns.key\"", "Name a PEM file with the certificates of the authorities that sign the servers' certificates.";
    NO_AUTHORITIES = 315 Error, "no authorities to check encrypted servers against", "DESIGN 6",
        "The upstream has encrypted servers and no `ca`, and this system has no bundle of trusted certificates.",
        "servers = [\"tls://9.9.9.9#dns.quad9.net\"]",
        "Set `ca`, install the system's bundle (ca-certificates), or name it in the environment as SSL_CERT_FILE.";
    CA_UNUSED = 316 Warning, "authorities for no encrypted server", "DESIGN 6",
        "`ca` is set in an upstream whose servers are all plain.",
        "servers = [\"10.1.0.4\"]\nca = \"dns-ca.pem\"", "Remove `ca`, or write the servers as `tls://ip#name` or `https://name/path#ip`.";
    PLAIN_BESIDE_ENCRYPTED = 317 Warning, "plain and encrypted servers in one upstream", "DESIGN 6",
        "Where the encrypted server fails, or is slow, the same question goes to the plain one, for all to read.",
        "servers = [\"tls://9.9.9.9#dns.quad9.net\", \"9.9.9.9\"]", "Give the upstream servers of one kind.";

    // H04: endpoints and zones
    UNKNOWN_ENDPOINT = 401 Error, "an endpoint that does not exist", "DESIGN 2",
        "A view names an endpoint that no table defines.",
        "endpoints = [\"discovry\"]", "Use a defined name or a glob.";
    NAME_GLOB_EMPTY = 402 Warning, "a glob of names without a match", "DESIGN 2",
        "No table of this kind has a name that fits.",
        "endpoints = [\"hp-*\"]", "Check the names, or remove the glob.";
    UNKNOWN_ZONE = 403 Error, "a zone that does not exist", "DESIGN 2",
        "A view names a zone that no table defines.",
        "zones = [\"blobb\"]", "Use a defined name or a glob.";
    ENDPOINT_EMPTY = 404 Error, "an endpoint without records", "R13",
        "An endpoint with neither `records` nor `from`, or whose files give no names.",
        "[[endpoint]]\nname = \"hp-weu\"", "Add `records`, or import its network interface with `from`.";
    KIND_UNKNOWN = 405 Error, "an endpoint whose kind cannot be told", "DESIGN 1",
        "`kind` is left out and the data do not tell it.",
        "[[endpoint]]\nname = \"e\"\nrecords = { … }", "Set `kind` to global, workspace, host-pool or other.";
    OUTSIDE_SUFFIXES = 406 Warning, "an AVD endpoint's name outside every AVD suffix", "R13",
        "The name is under none of the suffixes of the cloud table, so it has no second spelling.",
        "kind = \"host-pool\"\nrecords = { \"x.example\" = [\"10.0.0.4\"] }", "Check the name; for other services use kind = \"other\".";
    GLOBAL_IN_FEED_ZONE = 407 Warning, "a global record under the plain private-link suffix", "DESIGN 4",
        "Since September 2023 the global endpoint has a zone of its own, privatelink-global.wvd.",
        "kind = \"global\"\nrecords = { \"rdweb.privatelink.wvd.microsoft.com\" = [\"10.0.1.4\"] }", "Use the name under privatelink-global, or the public spelling.";
    GLOBAL_WITH_FEED = 408 Warning, "the global endpoint on a workspace that also serves a feed", "DESIGN 4",
        "Deleting that workspace stops discovery for everybody.",
        "resource = \"ws1\"   # in a global and in a workspace endpoint", "Put the global endpoint on a placeholder workspace without application groups.";
    ENDPOINT_UNUSED = 409 Warning, "an endpoint in no view", "DESIGN 4",
        "No view lists it, so nobody gets its addresses.",
        "[[endpoint]]\nname = \"hp-old\"", "Add it to a view, or remove it.";
    OUTSIDE_RANGES = 410 Warning, "a record's address outside the view's private ranges", "DESIGN 4",
        "A private endpoint with a public address is most often a public answer that was copied.",
        "records = { \"rdweb.wvd.microsoft.com\" = [\"203.0.113.4\"] }", "Check the address, or widen `private-ranges`.";
    FOLDED_LABELS = 411 Warning, "a bare GUID with several addresses", "DESIGN 4",
        "A script took only the first label of each name and folded all names of a resource into one record.",
        "records = { \"fbc91b00-….wvd.microsoft.com\" = [\"10.0.1.7\", \"10.0.1.8\"] }", "Import the network interface: each member has names and an address of its own.";
    WILDCARD_TOO_WIDE = 412 Error, "a wildcard at or above an AVD suffix", "R15",
        "It would take names that must stay public.",
        "records = { \"*.wvd.microsoft.com\" = [\"10.0.1.4\"] }", "List the endpoint's names.";
    WILDCARD_TAKES_OTHERS = 413 Warning, "a wildcard above the GUID label", "R15",
        "It also takes other tenants' workspaces and pools.",
        "records = { \"*.rdbroker.wvd.microsoft.com\" = [\"10.0.1.7\"] }", "List the endpoint's names.";
    ZONE_AT_AVD = 414 Error, "a zone at an AVD private-link suffix", "R16",
        "As a zone it would answer for every tenant's names.",
        "apex = \"privatelink.wvd.microsoft.com\"", "Import its records as endpoints: `[[endpoint]]` with `records` or `from`.";
    ZONE_OVER_AVD = 415 Error, "a strict zone at, above or below a public AVD suffix", "R16",
        "It would hide every name of the service that it lacks.",
        "apex = \"wvd.microsoft.com\"", "Own names, never the whole zone: use endpoints.";
    HIDES_NEEDED = 416 Warning, "a strict zone hides names that AVD needs", "DESIGN 4",
        "Session hosts and clients need names under this apex that the zone does not have.",
        "apex = \"blob.core.windows.net\"", "Set `missing = \"forward\"` for it.";
    ZONE_UNUSED = 417 Warning, "a zone in no view", "DESIGN 4",
        "No view lists it, so nobody gets its records.",
        "[[zone]]\nname = \"old\"", "Add it to a view, or remove it.";
    FILE_AND_RECORDS = 418 Error, "a zone with both a file and records", "DESIGN 2",
        "A zone has its records either inline or in a master file.",
        "file = \"blob.zone\"\nrecords = { … }", "Keep one.";
    OUT_OF_ZONE = 419 Error, "a record outside its zone", "R16",
        "The owner is not at or below the apex.",
        "apex = \"a.example\"\nrecords = { \"b.example.\" = [\"10.0.0.4\"] }", "Names without a final dot are relative to the apex.";
    CNAME_BESIDE_DATA = 420 Error, "an alias beside other data", "RFC 1034 §3.6.2",
        "A name with a CNAME has no other records, and only one CNAME.",
        "www CNAME a\nwww A 10.0.0.4", "Remove one.";
    NS_BELOW_APEX = 421 Error, "a delegation inside a zone", "R16",
        "Clients of ours are stubs and cannot use a referral.",
        "sub NS ns1.sub", "Make a zone of its own, or forward the suffix.";
    BAD_ENTRY = 422 Error, "an entry of a zone file that cannot be read", "RFC 1035 §5.1",
        "Unknown type, wrong number of fields, or a value that the type does not take.",
        "www A 10.0.0", "Put the entry right.";
    APEX_WRITTEN_OUT = 423 Warning, "a relative owner that ends with the apex", "RFC 1035 §5.1",
        "Without a final dot it is relative, so the apex is appended once more.",
        "apex = \"a.example\"\nrecords = { \"www.a.example\" = [\"10.0.0.4\"] }", "Write \"www\", or add the final dot.";
    NO_APEX = 424 Error, "a zone file whose apex cannot be told", "DESIGN 2",
        "`[[zones]]` takes the apex from $ORIGIN or from the SOA's owner.",
        "www 300 IN A 10.0.0.4", "Add $ORIGIN or a SOA with an absolute owner, or use `[[zone]]` with `apex`.";
    RELAY_OWNED = 425 Error, "a relay name in an endpoint", "DESIGN 4",
        "Relay and STUN names are never private.",
        "records = { \"world.relay.avd.microsoft.com\" = [\"10.0.1.4\"] }", "Remove the record.";
    KIND_AND_SUFFIX = 426 Warning, "a name under the suffix of another kind", "DESIGN 4",
        "Names under privatelink-global belong to the global endpoint alone.",
        "kind = \"host-pool\"\nrecords = { \"x.privatelink-global.wvd.microsoft.com\" = [\"10.0.1.4\"] }", "Check the endpoint's kind.";
    BAD_INCLUDE = 427 Error, "an $INCLUDE that is not followed", "DESIGN 2",
        "Zone files include files of their own folder and below, at most 8 deep: no absolute path, no `..`, no link that leads out, no circle.",
        "$INCLUDE ../other.zone", "Move the file into the zone file's folder.";
    BAD_CLOUD = 428 Error, "a cloud's suffix that cannot be one", "DESIGN 1",
        "It is at, above or below the suffix of another cloud, or a single label.",
        "[[cloud]]\nname = \"azure\"\npublic = \"wvd.microsoft.com\"", "Remove it where the built-in table has it; else write the suffix that clients ask in.";

    // H05: views
    UNKNOWN_VIEW = 501 Error, "a view that does not exist", "R8",
        "`extends` names a view that no table defines.",
        "extends = \"bas\"", "Use a defined name.";
    EXTENDS_CYCLE = 502 Error, "views that extend each other", "R8",
        "Following `extends` leads back, or deeper than 8.",
        "a extends b, b extends a", "Make one of them the base.";
    WITHOUT_NOTHING = 503 Warning, "`without` removes nothing", "R8",
        "No inherited endpoint, zone or route has this name.",
        "without = [\"blobb\"]", "Check the name.";
    SAME_NETWORK = 504 Error, "two views with the same prefix and listener", "R7",
        "A client of this prefix would belong to both.",
        "networks = [\"10.0.0.0/8\"]   # in two views", "Give each its own prefixes, or listeners that differ.";
    TWO_ADDRESS_SETS = 505 Error, "one name with two sets of addresses in a view", "R8",
        "Two endpoints of the view give one name different addresses: in a shared Azure zone one would overwrite the other.",
        "endpoints = [\"hp-weu\", \"hp-neu\"]", "Put isolated endpoints into views of their own, or remove one.";
    TWO_GLOBALS = 506 Error, "more than one global endpoint in a view", "DESIGN 4",
        "The global names are shared: each view has at most one global endpoint.",
        "endpoints = [\"discovery-a\", \"discovery-b\"]", "Keep one.";
    PRIVATE_WITHOUT_ENDPOINT = 507 Error, "a kind listed in `private` without an endpoint", "DESIGN 4",
        "The view says that this process is private, but has no endpoint for it.",
        "private = [\"workspace\"]\nendpoints = []", "Add the endpoint, or remove the kind.";
    CROSSED_NETWORKS = 508 Warning, "views that partly duplicate each other's networks", "DESIGN 4",
        "Each of two views holds a network of the other, which is rarely meant.",
        "a: 10.0.0.0/8, 172.16.1.0/24; b: 172.16.0.0/12, 10.1.0.0/16", "Check the lists; proper nesting is fine.";
    VIEW_UNUSED = 509 Warning, "an abstract view that nothing extends", "R7",
        "A view with neither `networks` nor `listeners` has no clients.",
        "[[view]]\nname = \"base\"", "Extend it, give it clients, or remove it.";
    NOT_LISTENING = 510 Error, "a view's listener that is not a listener", "R7",
        "`listeners` must be covered by an address of `listen`.",
        "listen = [\"10.0.0.4\"]\nlisteners = [\"10.0.0.5\"]", "Add the address to `listen`.";
    HIDDEN = 511 Info, "an own entry hides an inherited one", "R8",
        "The view defines a name, zone or route that its base has too.",
        "extends = \"base\"", "Nothing, if it is meant.";
    TWO_SCOPES = 512 Info, "two global endpoints in different views", "DESIGN 4",
        "Each view is a DNS scope of its own. In a shared Azure zone the two would overwrite each other.",
        "view a: discovery-a; view b: discovery-b", "Keep them out of one Azure private zone.";
    PUBLIC_FOR_HOSTS = 513 Info, "session hosts private, clients public", "DESIGN 4",
        "DNS decides addresses, not access: where session hosts may use the public route, clients may too.",
        "scenario: clients public, hosts private", "Set the host pool's public network access as you mean it.";
    NO_VIEWS = 514 Warning, "a configuration without a view that has clients", "R7",
        "Clients in no view get REFUSED.",
        "no [[view]] table", "Add a view.";
    APEX_TWICE = 515 Error, "two zones of one apex in a view", "R16",
        "It would be unclear which one answers.",
        "zones = [\"blob-a\", \"blob-b\"]", "Keep one, or put them into different views.";
    MISSING_OF_NO_ZONE = 516 Error, "`missing` for a zone that the view does not have", "R16",
        "`missing` changes zones of the view.",
        "missing = { blobb = \"nxdomain\" }", "Use the name of a zone of the view.";
    WILDCARD_SUFFIX_TWICE = 517 Error, "one wildcard with two sets of addresses in a view", "R12",
        "Two endpoints of the view give one wildcard different addresses.",
        "\"*.a.example\" in two endpoints", "Keep one.";

    // H06: imports
    BAD_JSON = 601 Error, "a file is not JSON", "DESIGN 2",
        "The text is cut, or is not what `az … -o json` prints.",
        "from = [\"notes.txt\"]", "Export again with `-o json`.";
    NOT_AZURE = 602 Error, "JSON without anything we know", "DESIGN 2",
        "Neither a network interface, private endpoint, zone group, record set, virtual network, workspace, host pool, \
         deployment output nor Terraform state; for `hubdns import azure` nor the export of a zone.",
        "from = [\"vm.json\"]", "Use `az network nic show` of the endpoint's interface.";
    PARTIAL = 603 Warning, "a page of a longer list", "DESIGN 2",
        "`nextLink` or `skip_token` is set: the rest is missing.",
        "{ \"value\": [ … ], \"nextLink\": \"https://…\" }", "Export with the command line, which follows the pages.";
    NOT_APPROVED = 604 Warning, "a connection that is not approved", "DESIGN 2",
        "The endpoint's connection is Pending, Rejected or Disconnected; its records are not used.",
        "\"status\": \"Pending\"", "Approve it at the resource, then export again.";
    NO_ENDPOINT = 605 Error, "no endpoint in an imported file", "DESIGN 2",
        "The file has no private endpoint and no interface of one.",
        "from = [\"nic-of-a-vm.json\"]", "Export the endpoint's own interface.";
    SEVERAL_ENDPOINTS = 606 Error, "several endpoints where one is meant", "DESIGN 2",
        "`[[endpoint]]` is one endpoint; the files hold more.",
        "[[endpoint]]\nfrom = [\"all-nics.json\"]", "Use `[[endpoints]]` for lists.";
    BAD_IMPORT_VALUE = 607 Error, "a value in imported data that cannot be read", "DESIGN 2",
        "An address or a name is malformed.",
        "\"privateIPAddress\": \"10.0.1\"", "Export again; report it if Azure really printed that.";
    SOURCES_DISAGREE = 608 Warning, "two sources disagree about one name", "DESIGN 2",
        "The order of truth is interface, zone group, custom DNS settings, record set, hand-written record.",
        "zone says 10.0.1.4, interface says 10.0.1.9", "The zone's record was overwritten by another endpoint: put it right in Azure.";
    NO_NAMES = 609 Warning, "an imported endpoint without names", "DESIGN 2",
        "`customDnsConfigs` is empty when a zone group is attached.",
        "\"customDnsConfigs\": []", "Import the endpoint's network interface instead.";
    WITHOUT_ENDPOINT = 610 Info, "imported names that belong to no endpoint", "DESIGN 2",
        "Record sets say nothing of the endpoint that made them, and no endpoint of these files has their names.",
        "from = [\"azure/record-sets.json\"]   # in [[endpoints]], alone", "Import the network interfaces too, or write an `[[endpoint]]` for them.";
    OUTSIDE_SUBNET = 611 Warning, "an address outside the endpoint's subnet", "DESIGN 4",
        "The files give an endpoint an address that its subnet does not have.",
        "subnet 10.10.1.0/24, privateIPAddress 10.10.9.4", "The data are old or of another endpoint: export both again.";
    NETWORK_IN_NO_VIEW = 612 Warning, "a virtual network, or part of one, in no view", "R7",
        "Its clients get REFUSED.",
        "az network vnet list: spoke-3, 10.30.0.0/16", "Add its prefixes to a view's `networks`, or join it with `--view` when importing.";
    OTHER_DNS_SERVER = 613 Warning, "a virtual network that asks someone else", "R7",
        "Its list of DNS servers names a server that is none of our listeners, or is empty: then Azure's own resolver is asked. \
         Clients that try it leak around the views.",
        "\"dnsServers\": [\"10.0.0.4\", \"168.63.129.16\"]", "Let every entry be one of ours; name a load balancer's address with `--dns-server`.";
    NO_FEED = 614 Info, "discovery or connections private, feed public", "DESIGN 4",
        "A view has a global or host-pool endpoint and no workspace endpoint.",
        "a view of session hosts", "Nothing, if it is meant; else make and import the feed's endpoint.";
    ACCESS_DENIED = 615 Warning, "a resource that denies the route a view takes", "DESIGN 4",
        "The workspace or host pool has its public access disabled, and the view has no private endpoint of it. That shows as a failed logon, \
         not as a DNS error.",
        "\"publicNetworkAccess\": \"Disabled\"", "Give the view's networks a private endpoint, or allow public access.";
    ENDPOINT_ELSEWHERE = 616 Info, "an endpoint that none of the files has", "DESIGN 2",
        "A workspace or host pool names a private endpoint that was not exported: of another subscription, or new.",
        "\"privateEndpointConnections\": [ … ]", "Export its network interface too, if clients of a view are to use it.";
    NOT_CARRIED_OVER = 617 Info, "something that is not carried over", "DESIGN 2",
        "The imported format has it, our file has not, or an importer does not read it.",
        "rate_limit 100   # in a Corefile", "Look at each one: does anything rely on it?";
    MEMBER_UNKNOWN = 618 Warning, "a `--view` member that fits no virtual network", "DESIGN 2",
        "No virtual network of the files has this name or id.",
        "--view clients=vnet-weu,vnet-x", "Check the name; networks are known by `az network vnet list` or by their endpoints.";
    NOT_THIS_FORMAT = 619 Error, "not a configuration of this kind", "DESIGN 2",
        "The file is empty, cut, or something else.",
        "hubdns import unbound named.conf", "Name the right importer and file.";
    BAD_STATEMENT = 620 Warning, "a statement that cannot be read", "DESIGN 2",
        "An address, name or prefix in the imported configuration is malformed.",
        "forward . 10.0.0", "Put it right in the source, or write it into the result by hand.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_never_twice() {
        for pair in ALL.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} {}", pair[0].code, pair[1].code);
        }
    }

    #[test]
    fn every_code_has_cause_example_and_cure() {
        for row in ALL {
            for text in [row.title, row.rule, row.cause, row.example, row.cure] {
                assert!(!text.is_empty(), "{}", row.code);
            }
            assert!((101..700).contains(&row.code.number()));
        }
    }
}
