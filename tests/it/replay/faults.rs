//! The player itself: what is wrong with a script, or with a reply, is told with its file and line.

use super::play::play;

/// A script around a body, which begins at line 12.
fn script(body: &str) -> String {
    format!(
        r#"SCENARIO a test of the player
CONFIG
[[upstream]]
name = "azure"
servers = ["127.0.0.1:5301"]
[[endpoint]]
name = "web"
kind = "other"
records = {{ "web.example" = ["10.10.4.8"] }}
[[view]]
name = "v"
networks = ["10.10.0.0/16"]
endpoints = ["web"]
CONFIG_END
{body}"#
    )
}

const ENTRY: &str = "RANGE_BEGIN 0 99
ENTRY_BEGIN
MATCH www.example. A
REPLY NOERROR
SECTION ANSWER
www.example. 300 A 192.0.2.1
ENTRY_END
RANGE_END
";
const QUERY: &str = "STEP 1 QUERY 10.10.0.9 www.example. A\n";
const ANSWER: &str = "STEP 2 CHECK_ANSWER NOERROR
SECTION ANSWER
www.example. 300 A 192.0.2.1
";

/// Plays a text that has a fault; what is told of it.
fn told(text: &str) -> String {
    match play("x.rpl", text) {
        Ok(_) => panic!("no fault is told in\n{text}"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_dialogue_that_holds_is_played() {
    let text = script(&[ENTRY, QUERY, ANSWER].concat());
    assert!(play("x.rpl", &text).is_ok_and(|dialogue| dialogue.steps.len() == 2));
}

#[test]
fn a_broken_script_is_told_with_its_line() {
    let entry = |old: &str, new: &str| script(&[&ENTRY.replace(old, new), QUERY, ANSWER].concat());
    let query = |new: &str| script(&[ENTRY, &QUERY.replace("10.10.0.9 www.example. A", new), ANSWER].concat());
    let answer = |old: &str, new: &str| script(&[ENTRY, QUERY, &ANSWER.replace(old, new)].concat());
    for (text, line, what) in [
        (String::new(), 0, "an empty script"),
        ("CONFIG\n".to_owned(), 1, "begins with SCENARIO"),
        ("SCENARIO x\nSTEP 1".to_owned(), 2, "CONFIG has to follow"),
        ("SCENARIO x\nCONFIG\nversion = 1".to_owned(), 2, "without CONFIG_END"),
        (script(""), 1, "without a step"),
        (script("HELLO\n"), 15, "RANGE_BEGIN or STEP is expected"),
        (entry("RANGE_BEGIN 0 99", "RANGE_BEGIN 9 0"), 15, "a range is"),
        (entry("RANGE_BEGIN 0 99", "RANGE_BEGIN 0 x"), 15, "\"x\" is no number"),
        (entry("ENTRY_BEGIN", "ENTRY"), 16, "ENTRY_BEGIN or RANGE_END is expected"),
        (entry("MATCH www.example. A", "MATCH www.example A"), 17, "does not end in a dot"),
        (entry("MATCH www.example. A", "MATCH www..example. A"), 17, "has an empty label"),
        (entry("MATCH www.example. A", "MATCH www.example. AAA"), 17, "\"AAA\" is no record type"),
        (entry("MATCH www.example. A", "MATCH www.example. A XX"), 17, "is nothing to match"),
        (entry("REPLY NOERROR", "REPLY NOERROR XX"), 18, "\"XX\" is no RCODE and no flag"),
        (entry("REPLY NOERROR", "REPLY silent"), 19, "ENTRY_END has to follow a failure"),
        (entry("SECTION ANSWER", "SECTION"), 19, "SECTION or ENTRY_END is expected"),
        (entry("300 A 192.0.2.1", "300 A 192.0.2"), 20, "A: \"192.0.2\" is no number of this field"),
        (entry("300 A 192.0.2.1", "A 192.0.2.1"), 20, "\"A\" is no TTL"),
        (entry("300 A 192.0.2.1", "* A 192.0.2.1"), 20, "one owner and one TTL"),
        (entry("300 A 192.0.2.1", "300 MX mx.example."), 20, "MX: cannot be"),
        (entry("ENTRY_END\nRANGE_END\n", ""), 21, "ENTRY_BEGIN without ENTRY_END"),
        (query("10.10.0.9 www.example."), 23, "a query is"),
        (query("10.10.0 www.example. A"), 23, "\"10.10.0\" is no address"),
        (query("10.10.0.9 www.example. A RD"), 23, "\"RD\" is no flag of a query"),
        (query("10.10.0.9 www.example. A EDNS=x"), 23, "no number of this flag"),
        (answer("CHECK_ANSWER NOERROR", "CHECK_ANSWER"), 24, "needs an RCODE"),
        (answer("CHECK_ANSWER NOERROR", "CHECK_ANSWER OK"), 24, "\"OK\" is no RCODE"),
        (answer("CHECK_ANSWER NOERROR", "CHECK_ANSWER NOERROR RA"), 24, "\"RA\" is no flag of a reply"),
        (answer("SECTION ANSWER", "SECTIONS"), 25, "the next step is expected"),
        (answer("STEP 2", "STEP 1"), 24, "have to rise"),
        (answer("CHECK_ANSWER", "CHECK_REPLY"), 24, "\"CHECK_REPLY NOERROR\" is no step"),
        (script(&[ENTRY, QUERY].concat()), 23, "is not checked"),
        (script(ANSWER), 15, "there is no query"),
        (script(&[ENTRY, QUERY, ANSWER, "STEP 3 TIME_PASSES 10"].concat()), 27, "is no time"),
        (script(&[ENTRY, QUERY, ANSWER, "STEP 3 RELOAD\n"].concat()), 27, "CONFIG has to follow RELOAD"),
    ] {
        let told = told(&text);
        assert!(told.starts_with(&format!("x.rpl:{line}: ")) && told.contains(what), "{line}: {what}: {told}\n{text}");
    }
}

#[test]
fn a_configuration_that_does_not_load_is_told_with_the_scripts_lines() {
    let text = script(&[ENTRY, QUERY, ANSWER].concat()).replace("kind = \"other\"", "kind = \"none\"");
    let told = told(&text);
    assert!(told.starts_with("x.rpl:2: the configuration does not load:\n  x.rpl:8:"), "{told}");
}

#[test]
fn a_dialogue_that_does_not_hold_is_told_with_expected_and_got() {
    let answer = |old: &str, new: &str| script(&[ENTRY, QUERY, &ANSWER.replace(old, new)].concat());
    let more = |steps: &str| script(&[ENTRY, QUERY, ANSWER, steps].concat());
    for (text, line, what) in [
        (answer("NOERROR", "NXDOMAIN"), 24, "step 2: the RCODE: expected NXDOMAIN, got NOERROR"),
        (answer("NOERROR", "NOERROR AA"), 24, "the flags: expected AA, got none of AA, AD, TC"),
        (answer("NOERROR", "NOERROR\nEDE 15"), 24, "EDE: expected [15], got []"),
        (
            answer("300 A 192.0.2.1", "290-299 A 192.0.2.1"),
            26,
            "the answer section differs\nexpected:\n  www.example. 290-299 A 192.0.2.1\ngot:\n  www.example. 300 A 192.0.2.1",
        ),
        (answer("A 192.0.2.1", "A 192.0.2.2"), 26, "expected:\n  www.example. 300 A 192.0.2.2\ngot:"),
        (
            answer("SECTION ANSWER\nwww.example. 300 A 192.0.2.1\n", ""),
            24,
            "expected: nothing\ngot:\n  www.example. 300 A 192.0.2.1",
        ),
        (answer("SECTION ANSWER", "SECTION AUTHORITY"), 24, "the answer section differs"),
        (
            answer("CHECK_ANSWER NOERROR\nSECTION ANSWER\nwww.example. 300 A 192.0.2.1", "CHECK_SILENCE"),
            24,
            "no reply was expected",
        ),
        (script(&["STEP 1 QUERY 10.10.0.9 www.example. A QR\n", ANSWER].concat()), 16, "there is none"),
        (script(&[QUERY, ANSWER].concat()), 15, "no entry answers the upstream question azure www.example. A"),
        (script(&[&ENTRY.replace("0 99", "2 99"), QUERY, ANSWER].concat()), 23, "no entry answers"),
        (
            script(
                &[
                    ENTRY,
                    "STEP 1 QUERY 10.10.0.9 www.example. A DO\n",
                    ANSWER,
                    &ENTRY.replace("A\nREPLY", "A DO=0\nREPLY"),
                ]
                .concat(),
            ),
            28,
            "this entry was never asked for",
        ),
        (more("STEP 3 CHECK_ASKED\n"), 27, "expected: nothing\ngot:\n  azure www.example. A"),
        (more("STEP 3 CHECK_ASKED\nazure www.example. AAAA\n"), 28, "the upstream questions differ"),
        (more("STEP 3 CHECK_NOTED\nwithheld www.example. 192.0.2.1\n"), 28, "what the core told differs"),
        (
            more("STEP 3 RELOAD refused\nCONFIG\nx = 1\nCONFIG_END\nSTEP 4 RELOAD\nCONFIG\nx = 1\nCONFIG_END\n"),
            32,
            "does not load",
        ),
    ] {
        let told = told(&text);
        assert!(told.starts_with(&format!("x.rpl:{line}: ")) && told.contains(what), "{line}: {what}: {told}\n{text}");
        assert!(told.contains("(a test of the player)"), "{told}");
    }
}

#[test]
fn what_every_reply_owes_is_checked_without_a_word() {
    use super::check;
    use super::script::{Action, Dialogue};
    use crate::harness::Reply;
    let text = script(&[ENTRY, QUERY, ANSWER].concat());
    let dialogue = Dialogue::read("x.rpl", &text).expect("a sound script");
    let [query, answer] = dialogue.steps.as_slice() else { panic!("two steps") };
    let (Action::Query(asked), Action::CheckAnswer(wanted)) = (&query.action, &answer.action) else {
        panic!("as above")
    };
    let mut good = asked.query.header([1, 1, 0, 0]);
    (good[2], good[3]) = (0x81, 0x80);
    good.extend(asked.query.question());
    good.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1]);
    let judged = |octets: Vec<u8>| check::reply(asked, wanted, &Reply::decode(octets), 1);
    assert_eq!(judged(good.clone()), Ok(()));
    for (at, bits, what) in [
        (0, 1, "id or RD"),
        (2, 0x01, "id or RD"),
        (2, 0x08, "the opcode"),
        (2, 0x80, "QR is clear"),
        (3, 0x80, "RA is clear"),
        (3, 0x40, "Z is set"),
        (3, 0x10, "question or CD"),
        (13, 0x20, "question or CD"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= bits;
        let told = judged(bad).expect_err("a broken duty");
        assert!(told.1.contains(what), "{what}: {}", told.1);
    }
}
