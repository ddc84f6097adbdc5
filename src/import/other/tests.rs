//! Forms of each format that the served worlds of `tests/it/import_other.rs` do not have.

use super::*;
use crate::import::finish;

/// The TOML that a text comes to, and what was told: code and message.
fn import(format: Format, text: &str) -> (String, Vec<String>) {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("source");
    std::fs::write(&path, text).unwrap();
    let options = Options::default();
    let (tables, findings) = read(format, &path, &options);
    let (made, findings) = finish(tables, findings, Path::new("import.toml"), &options);
    let told = findings.iter().map(|own| format!("{} {}", own.code, own.message)).collect();
    (made.map(|(_, written)| written.text).unwrap_or_default(), told)
}

/// That each of these lines is in a text.
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|own| own == *line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn equal_servers_are_one_upstream_and_the_last_route_counts() {
    let text = "server=10.0.0.4\nserver=10.0.0.5#5353\nserver=/a.example/10.1.0.1\nserver=/b.example/10.1.0.1\nserver=/b.example/10.1.0.2\n";
    let (made, told) = import(Format::Dnsmasq, text);
    assert_eq!(told, Vec::<String>::new());
    assert_lines(
        &made,
        &[
            "servers = [\"10.0.0.4\", \"10.0.0.5:5353\"]",
            "servers = [\"10.1.0.1\"]",
            "servers = [\"10.1.0.1\", \"10.1.0.2\"]",
            "    { suffix = \"a.example\", upstream = \"a.example\" },",
            "    { suffix = \"b.example\", upstream = \"b.example\" },",
            "upstream = \"default\"",
        ],
    );
    assert_eq!(made.matches("[[upstream]]").count(), 3, "{made}");
}

#[test]
fn servers_of_dnsmasq_may_have_interface_port_and_ipv6() {
    let text = "server=10.0.0.4@eth0\nserver=/x.example/fd00::1#54\nserver=/y.example/10.0.0\nserver=/z.example\nserver=/u.example/10.0.0.9#0\n";
    let (made, told) = import(Format::Dnsmasq, text);
    assert_lines(&made, &["servers = [\"10.0.0.4\"]", "servers = [\"[fd00::1]:54\"]"]);
    let bad: Vec<&String> = told.iter().filter(|own| own.starts_with("H0620")).collect();
    assert_eq!(bad.len(), 3, "{told:?}");
}

#[test]
fn an_alias_in_no_zone_gets_the_zone_of_its_parent_which_forwards_all_else() {
    let (made, told) =
        import(Format::Dnsmasq, "server=10.0.0.4\ncname=www.office.example,web.host.example\ncname=single,x.example\n");
    assert_lines(
        &made,
        &["apex = \"office.example\"", "missing = \"forward\"", "\"www\" = { cname = \"web.host.example\" }"],
    );
    assert!(told.iter().any(|own| own.contains("the alias single")), "{told:?}");
}

#[test]
fn an_alias_beside_addresses_is_an_error() {
    let text = "server=10.0.0.4\nlocal=/office.example/\nhost-record=www.office.example,10.0.0.9\ncname=www.office.example,x.example\n";
    let (made, told) = import(Format::Dnsmasq, text);
    assert_eq!(made, "");
    assert!(told.iter().any(|own| own.starts_with("H0420")), "{told:?}");
}

#[test]
fn servers_of_unbound_have_ports_and_names() {
    let text = "server:\n access-control: 10.0.0.0/8 allow_snoop\nforward-zone:\n name: \".\"\n forward-addr: 10.0.0.4@5353\n forward-addr: 10.0.0.5\n\
                forward-zone:\n name: tls.example\n forward-tls-upstream: yes\n forward-addr: 9.9.9.9@853#dns.quad9.net\n";
    let (made, told) = import(Format::Unbound, text);
    assert_lines(&made, &["servers = [\"10.0.0.4:5353\", \"10.0.0.5\"]", "networks = [\"10.0.0.0/8\"]"]);
    // a transport that is not built in is told, or carried over where it is
    let left = told.iter().any(|own| own.contains("not built in"));
    assert_eq!(left, !load::TRANSPORTS.contains(&"tls"), "{told:?}");
}

#[test]
fn unbound_answers_the_machine_alone_unless_told_otherwise() {
    let (made, _) =
        import(Format::Unbound, "server:\n interface: 0.0.0.0\nforward-zone:\n name: .\n forward-addr: 10.0.0.4\n");
    assert_lines(&made, &["networks = [\"127.0.0.0/8\", \"::1/128\"]", "listen = [\"0.0.0.0\"]"]);
}

#[test]
fn a_view_of_unbound_without_clients_is_told() {
    let text = "server:\n access-control: 10.0.0.0/8 allow\n access-control-view: 10.1.0.0/16 other\nview:\n name: mine\n local-data: \"a.b A 10.0.0.1\"\n";
    let (made, told) = import(Format::Unbound, text);
    assert!(!made.contains("name = \"mine\""), "{made}");
    for words in ["there is no view other", "view mine: no access-control-view leads to it"] {
        assert!(told.iter().any(|own| own.contains(words)), "{told:?}");
    }
}

#[test]
fn a_corefile_forwards_what_its_blocks_are_for() {
    let text = "10.0.0.0/8 {\n forward . 10.0.0.9\n}\ncorp.example:53, dns://other.example {\n forward sub.corp.example 10.0.0.8:5353\n}\n. {\n forward . /etc/resolv.conf\n}\n";
    let (made, told) = import(Format::Corefile, text);
    assert_lines(
        &made,
        &["    { suffix = \"10.in-addr.arpa\", upstream = \"10.in-addr.arpa\" },", "servers = [\"10.0.0.8:5353\"]"],
    );
    assert!(told.iter().any(|own| own.contains("/etc/resolv.conf: a file or name, not an address")), "{told:?}");
    assert!(
        told.iter().any(|own| own.contains("names without a route had no server; here they go to 168.63.129.16")),
        "{told:?}"
    );
}

#[test]
fn a_named_conf_without_views_answers_those_it_allows() {
    let text = "acl mine { 10.0.0.0/8; 192.168.1.1; };\noptions { forwarders port 5353 { 10.0.0.4; 10.0.0.5 port 53; }; allow-recursion { mine; localhost; }; };\n\
                zone \"corp.example\" { type forward; forwarders { }; };\nzone \"localhost\" { type primary; file \"db.local\"; };\n";
    let (made, told) = import(Format::Bind, text);
    assert_lines(
        &made,
        &[
            "servers = [\"10.0.0.4:5353\", \"10.0.0.5\"]",
            "networks = [\"10.0.0.0/8\", \"127.0.0.0/8\", \"192.168.1.1/32\", \"::1/128\"]",
            "    { suffix = \"corp.example\", upstream = \"default\" },",
        ],
    );
    assert_eq!(told.len(), 1, "the zone of localhost: {told:?}");
}

#[test]
fn what_is_not_carried_over_is_bounded() {
    let text = format!("server=10.0.0.4\n{}", "dhcp-host=a,b\n".repeat(5_000));
    let (made, told) = import(Format::Dnsmasq, &text);
    assert!(told.len() <= 1_000, "{}", told.len());
    assert!(told.iter().any(|own| own.ends_with("(and 4000 more)")), "{:?}", told.last());
    assert!(made.lines().count() < 250, "{}", made.lines().count());
}
