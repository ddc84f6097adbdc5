//! An operator's set-ups, each in under 40 lines: forty zones, five spokes, two regions. Checked clean and served.

use crate::harness::message::{Rr, kind};
use crate::harness::reply::rcode;
use crate::harness::server::run;
use crate::harness::{Script, Server, Setup, Upstream};

/// How long a configuration may be, `version` and `[server]` included.
const MOST_LINES: usize = 40;

fn upstream() -> Upstream {
    Upstream::start(|seen| match seen.kind {
        kind::A => Script::records(vec![Rr::host(&seen.name, 300, "203.0.113.1")]),
        _ => Script::nodata("example"),
    })
}

/// Checks a set-up with `--strict` and starts it.
fn served(setup: Setup, text: &str) -> Server {
    let path = setup.write(text);
    let whole = std::fs::read_to_string(&path).expect("the configuration");
    assert!(whole.lines().count() < MOST_LINES, "{} lines", whole.lines().count());
    let (code, matrix, findings) = run(&["check", "--strict", "-c", path.to_str().expect("a path")]);
    assert_eq!(code, 0, "{findings}\n{matrix}");
    setup.start()
}

/// Over UDP and TCP the name has just this address.
fn expect(server: &Server, source: &str, name: &str, address: &str) {
    for reply in server.client(source).ask_both(name, kind::A) {
        let found: Vec<String> = reply.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(found, [address], "{name} for {source}");
    }
}

#[test]
fn forty_zones_for_every_spoke() {
    let public = upstream();
    let text = format!(
        r#"
[[upstream]]
name = "azure"
servers = ["{}"]
[[zones]]
from = ["zones/*.zone"]
[[view]]
name = "base"
zones = ["*"]
[[view]]
name = "spoke-1"
networks = ["127.0.10.0/24"]
extends = "base"
[[view]]
name = "spoke-2"
networks = ["127.0.20.0/24"]
extends = "base"
without = ["s7.privatelink.service.example"]
"#,
        public.server()
    );
    let mut setup = Setup::new(text.as_str());
    for number in 0..40 {
        let apex = format!("s{number}.privatelink.service.example");
        let zone = format!("$ORIGIN {apex}.\n$TTL 300\nacct A 10.40.0.{number}\n*.wild A 10.40.1.{number}\n");
        setup = setup.file(&format!("zones/{apex}.zone"), &zone);
    }
    let server = served(setup, &text);
    for number in 0..40 {
        let apex = format!("s{number}.privatelink.service.example");
        expect(&server, "127.0.10.9", &format!("acct.{apex}"), &format!("10.40.0.{number}"));
        expect(&server, "127.0.10.9", &format!("any.wild.{apex}"), &format!("10.40.1.{number}"));
        let address = if number == 7 { "203.0.113.1".to_owned() } else { format!("10.40.0.{number}") };
        expect(&server, "127.0.20.9", &format!("acct.{apex}"), &address);
    }
    let reply = server.client("127.0.10.9").ask("none.s3.privatelink.service.example", kind::A);
    assert_eq!(reply.rcode(), rcode::NXDOMAIN);
}

const POOL: &str = "fbc91b00-e6a4-4b2c-a7d8-68c7a740fe9f";

/// A host pool's endpoint of one spoke or region.
fn pool(number: usize) -> String {
    format!(
        "[[endpoint]]\nname = \"hp-{number}\"\nkind = \"host-pool\"\nresource = \"{POOL}\"\n\
         records = {{ \"{POOL}.rdbroker.wvd.microsoft.com\" = [\"10.{number}.1.7\"] }}\n"
    )
}

/// The network interface of one spoke's private endpoint, as the command line prints it.
fn interface(spoke: usize) -> String {
    let group = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network";
    format!(
        r#"{{ "name": "nic-hp-{spoke}", "id": "{group}/networkInterfaces/nic-hp-{spoke}",
             "privateEndpoint": {{ "id": "{group}/privateEndpoints/pe-hp-{spoke}" }},
             "ipConfigurations": [{{ "name": "broker", "privateIPAddress": "10.{spoke}.1.7",
                "privateLinkConnectionProperties": {{ "groupId": "connection", "requiredMemberName": "broker",
                   "fqdns": ["{POOL}.rdbroker.wvd.microsoft.com"] }} }}] }}"#
    )
}

#[test]
fn five_spokes_with_isolated_endpoints_to_one_pool() {
    let public = upstream();
    let mut text = format!(
        "[[upstream]]\nname = \"azure\"\nservers = [\"{}\"]\n[[endpoints]]\nfrom = [\"azure/nics.json\"]\n",
        public.server()
    );
    for spoke in 1..=5 {
        text += &format!(
            "[[view]]\nname = \"spoke-{spoke}\"\nnetworks = [\"127.0.{spoke}.0/24\"]\nendpoints = [\"pe-hp-{spoke}\"]\n"
        );
    }
    // What `az network nic list` prints of five private endpoints; synthetic.
    let interfaces: Vec<String> = (1..=5).map(interface).collect();
    let setup = Setup::new(text.as_str()).file("azure/nics.json", &format!("[{}]", interfaces.join(",")));
    let server = served(setup, &text);
    for spoke in 1..=5 {
        let source = format!("127.0.{spoke}.9");
        for name in ["wvd", "privatelink.wvd"].map(|zone| format!("{POOL}.rdbroker.{zone}.microsoft.com")) {
            expect(&server, &source, &name, &format!("10.{spoke}.1.7"));
        }
        expect(&server, &source, "www.public.example", "203.0.113.1");
    }
    assert_eq!(public.count("www.public.example"), 1, "one route, one upstream query");
}

#[test]
fn two_regions_with_endpoints_of_their_own() {
    let public = upstream();
    let text = format!(
        r#"
[[upstream]]
name = "azure"
servers = ["{}"]
{}{}[[view]]
name = "west"
networks = ["127.0.10.0/24"]
endpoints = ["hp-10"]
private = ["host-pool"]
[[view]]
name = "north"
networks = ["127.0.20.0/24"]
endpoints = ["hp-20"]
private = ["host-pool"]
guard = "all"
"#,
        public.server(),
        pool(10),
        pool(20)
    );
    let server = served(Setup::new(text.as_str()), &text);
    let name = format!("{POOL}.rdbroker.wvd.microsoft.com");
    expect(&server, "127.0.10.9", &name, "10.10.1.7");
    expect(&server, "127.0.20.9", &name, "10.20.1.7");
    // A ring that nobody imported yet: forwarded, and with `guard = "all"` its public address is withheld.
    let ring = format!("{POOL}.rdbroker-g-us-r9.privatelink.wvd.microsoft.com");
    for reply in server.client("127.0.20.9").ask_both(&ring, kind::A) {
        assert!(reply.is_nodata(), "{:?}", reply.message);
    }
}
