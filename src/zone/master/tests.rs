//! Master files, the exports of Azure among them.

use super::*;

fn apex() -> Name {
    Name::from_presentation("privatelink.blob.core.windows.net").unwrap()
}

/// `owner type ttl rdata-length line` of each entry.
fn brief(parsed: &Parsed) -> Vec<String> {
    let one = |entry: &Entry| {
        format!("{} {} {} {} {}", entry.owner, entry.rtype, entry.ttl.seconds(), entry.rdata.len(), entry.line)
    };
    parsed.entries.iter().map(one).collect()
}

fn faults(text: &str) -> Vec<String> {
    let parsed = parse(text, Some(&apex()));
    parsed.faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect()
}

#[test]
fn the_command_lines_export_is_read() {
    let text = "
; Exported zone file from Azure Private DNS
; Zone name: privatelink.blob.core.windows.net
$TTL 3600
$ORIGIN privatelink.blob.core.windows.net.
 
@ 3600 IN SOA azureprivatedns.net. azureprivatedns-host.microsoft.com. (
                                1 ; serial
                                3600 ; refresh
                                300 ; retry
                                2419200 ; expire
                                10 ; minimum
                                )

acct1 10 IN A 10.0.2.4
      10 IN A 10.0.2.5
*.deep IN TXT \"a;b\" \"\" \"\\\"q\\\"\"
mail 60 MX 10 mx.example.
_s._tcp SRV 0 0 443 acct1
";
    let parsed = parse(text, Some(&apex()));
    assert_eq!(parsed.faults, []);
    let suffix = "privatelink.blob.core.windows.net";
    assert_eq!(
        brief(&parsed),
        [
            format!("{suffix} 6 3600 {} 7", 21 + 36 + 20),
            format!("acct1.{suffix} 1 10 4 15"),
            format!("acct1.{suffix} 1 10 4 16"),
            format!("*.deep.{suffix} 16 3600 9 17"),
            format!("mail.{suffix} 15 60 14 18"),
            format!("_s._tcp.{suffix} 33 3600 {} 19", 6 + suffix.len() + 2 + 6),
        ]
    );
}

#[test]
fn the_portals_export_is_read() {
    let text = "$ORIGIN\tprivatelink.blob.core.windows.net\n\n; SOA\n@\t3600\tIN\tSOA\tSOA\tazureprivatedns.net.\tazureprivatedns-host.microsoft.com.\t1\t3600\t300\t2419200\t10\n\n; A Records\nacct1\t3600\tIN\tA\t10.0.2.4\n";
    for known in [Some(apex()), None] {
        let parsed = parse(text, known.as_ref());
        assert_eq!(parsed.faults, []);
        assert_eq!(parsed.entries.len(), 2);
        assert_eq!(parsed.entries[1].owner.to_string(), "acct1.privatelink.blob.core.windows.net");
        assert_eq!(parsed.origin, Some(apex()));
    }
}

#[test]
fn every_fault_has_its_line() {
    let text = "a A 10.0.0\nb A 10.0.0.4 10.0.0.5\nc 5x A 10.0.0.4\nd WKS x\n$INCLUDE other.zone\ne CH A 10.0.0.4\nf TXT \"open\ng A 10.0.0.9\n..x A 10.0.0.4\nh (\nA 10.0.0.4\n";
    let found = faults(text);
    let lines: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["1", "2", "3", "4", "5", "6", "7", "9", "10"], "{found:#?}");
    assert_eq!(parse(text, Some(&apex())).entries.len(), 1);
}

#[test]
fn names_are_relative_unless_they_end_with_a_dot() {
    let parsed = parse("a A 10.0.0.4\nb.example. A 10.0.0.4\n@ A 10.0.0.4\nx\\. A 10.0.0.4\n", Some(&apex()));
    let owners: Vec<String> = parsed.entries.iter().map(|entry| entry.owner.to_string()).collect();
    let suffix = "privatelink.blob.core.windows.net";
    assert_eq!(owners, [format!("a.{suffix}"), "b.example".to_owned(), suffix.to_owned(), format!("x\\..{suffix}")]);
    assert_eq!(parse("a A 10.0.0.4\n", None).faults.len(), 1);
}

#[test]
fn ttls_have_units_and_are_inherited() {
    let text = "a 1h30m A 10.0.0.4\nb A 10.0.0.4\n$TTL 2d\nc A 10.0.0.4\nd IN 7 A 10.0.0.4\n";
    let parsed = parse(text, Some(&apex()));
    let ttls: Vec<u32> = parsed.entries.iter().map(|entry| entry.ttl.seconds()).collect();
    assert_eq!(ttls, [5_400, 5_400, 172_800, 7]);
}

#[test]
fn other_types_are_read_by_hickory() {
    let parsed = parse("a CAA 0 issue \"ca.example\"\n", Some(&apex()));
    assert_eq!(parsed.faults, []);
    assert_eq!(parsed.entries[0].rtype, 257);
    assert_eq!(&*parsed.entries[0].rdata, b"\x00\x05issueca.example");
    assert_eq!(faults("a DNAME b.example.\n").len(), 1);
}

#[test]
fn rfc_3597_unknown_types_are_octets_in_hexadecimal() {
    let text = "a TYPE65280 \\# 4 c0 0c00FF\na TYPE1 \\# 4 0a000004\na TXT \\# 2 0161\na TYPE65281 \\# 0\n";
    let parsed = parse(text, Some(&apex()));
    assert_eq!(parsed.faults, []);
    let all: Vec<_> = parsed.entries.iter().map(|entry| (entry.rtype, entry.rdata.to_vec())).collect();
    let wanted = [(65_280, vec![0xc0, 0x0c, 0, 0xff]), (1, vec![10, 0, 0, 4]), (16, vec![1, b'a']), (65_281, vec![])];
    assert_eq!(all, wanted);
    for entry in [
        "a TYPE65280 \\#",
        "a TYPE65280 \\# x",
        "a TYPE65280 \\# 2 00",
        "a TYPE65280 \\# 1 0",
        "a TYPE65280 \\# 1 0g",
        "a TYPE65280 00",
        "a TYPE65280 \"\\#\" 1 00",
        "a TYPE0 \\# 1 00",
        "a OPT \\# 1 00",
        "a TYPE255 \\# 1 00",
        "a DNAME \\# 1 00",
        "a CNAME \\# 2 c000",
        "a A \\# 3 0a0000",
        "a AAAA \\# 4 0a000004",
        "a WHAT \\# 1 00",
    ] {
        assert_eq!(faults(&format!("{entry}\n")).len(), 1, "{entry}");
    }
}

#[test]
fn odd_texts_never_panic() {
    for text in [
        "",
        "\u{feff}",
        "\0",
        "(",
        ")",
        "\"",
        "\\",
        "a \\",
        "a A \\",
        "a TXT \"\\",
        "ü A 10.0.0.4",
        "a TXT \\ü",
        "a TXT \\2",
        "$TTL",
        "$ORIGIN ü",
        "$",
        " ",
        " A 10.0.0.4",
        "a SOA SOA",
        "a 1 1 1",
        "a\\ü A 1.2.3.4",
    ] {
        let _ = parse(text, Some(&apex()));
        let _ = parse(text, None);
    }
}

/// Texts by name.
struct Texts(Vec<(&'static str, &'static str)>);

impl Include for Texts {
    fn enter(&mut self, name: &str, _: Option<&Arc<str>>) -> Result<(Arc<str>, String), String> {
        let found = self.0.iter().find(|(own, _)| *own == name);
        found.map(|(name, text)| ((*name).into(), (*text).to_owned())).ok_or_else(|| "not there".to_owned())
    }

    fn leave(&mut self) {}
}

#[test]
fn an_include_keeps_origin_and_owner_of_its_text() {
    let mut texts = Texts(vec![
        ("a.inc", "b A 10.0.0.2\n$ORIGIN y.example.\nc A 10.0.0.3\n$TTL 7\nd A x\n"),
        ("deep.inc", "@ A 10.0.0.9\n$INCLUDE deep.inc\n"),
    ]);
    let text = "$ORIGIN x.example.\n$TTL 9\na A 10.0.0.1\n$INCLUDE a.inc\n A 10.0.0.4\n$INCLUDE a.inc sub\ne A 10.0.0.5\n\n$INCLUDE none\n$INCLUDE\n$INCLUDE deep.inc\n";
    let mut found = Vec::new();
    let faults = read(text, None, &mut texts, &mut |entry| {
        let file = entry.file.as_deref().unwrap_or("main").to_owned();
        found.push(format!("{} {} {file}:{} {}", entry.owner, entry.ttl.seconds(), entry.line, entry.main_line));
    });
    assert_eq!(
        found[..7],
        [
            "a.x.example 9 main:3 3",
            "b.x.example 9 a.inc:1 4",
            "c.y.example 9 a.inc:3 4",
            "a.x.example 7 main:5 5",
            "b.sub.x.example 7 a.inc:1 6",
            "c.y.example 7 a.inc:3 6",
            "e.x.example 7 main:7 7",
        ]
    );
    assert_eq!(found.len(), 7 + DEEPEST);
    let faults: Vec<String> = faults
        .iter()
        .map(|own| format!("{}:{} {}", own.file.as_deref().unwrap_or("main"), own.line, own.include))
        .collect();
    assert_eq!(faults, ["a.inc:5 false", "a.inc:5 false", "main:9 true", "main:10 true", "deep.inc:2 true"]);
}

#[test]
fn the_apex_is_told_by_the_soa_or_the_origin() {
    let soa = "SOA a. b. 1 2 3 4 5";
    let told = |text: &str| apex_of(text).map(|apex| apex.to_string());
    assert_eq!(told(&format!("$ORIGIN x.example.\nz {soa}\n")).as_deref(), Some("z.x.example"));
    assert_eq!(told("$ORIGIN x.example.\n$ORIGIN y.example.\na A 10.0.0.4\n").as_deref(), Some("x.example"));
    assert_eq!(told("a.x.example. A 10.0.0.4\n"), None);
}

#[test]
fn a_file_of_faults_is_told_in_bounds() {
    let text = "x\n".repeat(12_000);
    let parsed = parse(&text, Some(&apex()));
    assert_eq!(parsed.faults.len(), 10_000);
    assert!(parsed.faults.last().unwrap().message.ends_with("(and 2000 more faults behind it)"));
}
