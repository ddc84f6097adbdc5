//! The command line: exit codes, `check`, `explain`, `demo` (DESIGN: the command line).

use crate::harness::message::kind;
use crate::harness::server::run;
use crate::harness::small::{Small, public};
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A sound configuration in a folder of its own; gives the folder and the file's path.
fn sound(change: impl Fn(String) -> String) -> (TempDir, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("hub.toml");
    let text = format!(
        "version = 1\n[server]\nlisten = [\"127.0.0.1:5300\"]\n{}",
        Small::default().text(&["127.0.0.1:5301".to_owned()])
    );
    fs::write(&path, change(text)).expect("the file can be written");
    let path = path.to_str().expect("a plain path").to_owned();
    (folder, path)
}

#[test]
fn exit_0_for_a_sound_file() {
    let (_folder, path) = sound(|text| text);
    let (code, out, errors) = run(&["check", "-c", &path]);
    assert_eq!(code, 0, "{out}{errors}");
    // The matrix of names and views.
    for word in ["spoke-a", "spoke-b", "rdweb.avd.example"] {
        assert!(out.contains(word), "{word}: {out}");
    }
}

#[test]
fn exit_2_for_a_wrong_command_line() {
    for arguments in [&["check", "--no-such-flag"][..], &["no-such-command"], &["explain"]] {
        assert_eq!(run(arguments).0, 2, "{arguments:?}");
    }
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    let (_, page, _) = run(&["man"]);
    let (_, script, _) = run(&["completions", "bash"]);
    for command in ["serve", "check", "explain", "demo", "ctl", "diff", "doctor", "healthcheck", "query", "test"] {
        for text in [&out, &page, &script] {
            assert!(text.contains(command), "{command}: {text}");
        }
    }
    assert_eq!(run(&["--version"]).0, 0);
}

#[test]
fn exit_1_for_a_main_file_that_cannot_be_read_and_3_for_an_included_one() {
    for command in ["check", "serve"] {
        let (code, _, errors) = run(&[command, "-c", "/nonexistent/hub.toml"]);
        assert_eq!(code, 1, "{command}: {errors}");
        assert!(errors.contains("/nonexistent/hub.toml"), "{errors}");
    }
    let (_folder, path) = sound(|text| format!("include = [\"gone.toml\"]\n{text}"));
    let (code, out, errors) = run(&["check", "-c", &path]);
    assert_eq!(code, 3, "{out}{errors}");
    assert!(format!("{out}{errors}").contains("gone.toml"));
}

#[test]
fn exit_3_for_errors_and_4_for_warnings_when_strict() {
    let (_folder, path) = sound(|text| text.replace("hp1\" = [\"10.10.4.4\"]", "hp1\" = [\"10.10.4\"]"));
    for command in ["check", "serve"] {
        let (code, out, errors) = run(&[command, "-c", &path]);
        assert_eq!(code, 3, "{command}: {out}{errors}");
        assert!(format!("{out}{errors}").contains("hub.toml:"), "{out}{errors}");
    }
    // An endpoint in no view is a warning.
    let stray = "[[endpoint]]\nname = \"stray\"\nkind = \"other\"\nrecords = { \"stray.example\" = [\"10.1.1.1\"] }\n";
    let (_folder, path) = sound(|text| text + stray);
    let (code, out, errors) = run(&["check", "-c", &path]);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(format!("{out}{errors}").contains("stray"), "{out}{errors}");
    assert_eq!(run(&["check", "--strict", "-c", &path]).0, 4);
}

#[test]
fn check_speaks_json() {
    let (_folder, path) = sound(|text| text);
    let (code, out, errors) = run(&["check", "--json", "-c", &path]);
    assert_eq!(code, 0, "{out}{errors}");
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON alone on standard output");
    assert_eq!(value["schema"], 1, "{out}");
}

#[test]
fn explain_names_view_prefix_entry_and_line() {
    let (_folder, path) = sound(|text| text);
    let text = fs::read_to_string(&path).expect("the file");
    let line = 1 + text.lines().position(|line| line.contains("\"rdweb.avd.example\"")).expect("the record");
    let (code, out, errors) = run(&["explain", "-c", &path, "--client", "127.0.10.9", "rdweb.avd.example"]);
    assert_eq!(code, 0, "{out}{errors}");
    for word in ["spoke-a", "127.0.10.0/24", "rdweb", "10.10.4.7", &format!("hub.toml:{line}")] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (code, out, errors) = run(&["explain", "-c", &path, "--client", "127.0.20.9", "rdweb.avd.example"]);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(out.contains("spoke-b") && !out.contains("10.10.4.7"), "{out}");
    assert!(out.contains("public"), "the route of a forwarded name: {out}");
}

#[test]
fn explain_expects() {
    let (_folder, path) = sound(|text| text);
    let explain = |expected: &str| {
        let arguments =
            ["explain", "-c", &path, "--client", "127.0.10.9", "--expect", expected, "hp1.privatelink.avd.example"];
        run(&arguments).0
    };
    assert_eq!(explain("10.10.4.4"), 0);
    assert_eq!(explain("10.20.4.4"), 5);
}

#[test]
fn explain_gives_the_answer_that_the_server_gives() {
    let world = Small::default().start(public());
    let path = world.server.path();
    let path = path.to_str().expect("a plain path");
    for (client, name) in [("127.0.10.9", "hp1.privatelink.avd.example"), ("127.0.20.9", "hp1.privatelink.avd.example")]
    {
        let served = world.server.client(client).ask(name, kind::A).addresses()[0].to_string();
        let (code, out, errors) = run(&["explain", "-c", path, "--client", client, name]);
        assert_eq!(code, 0, "{errors}");
        assert!(out.contains(&served), "{served}: {out}");
    }
}

#[test]
fn the_demo_shows_every_row_as_expected() {
    let begun = Instant::now();
    let (code, out, errors) = run(&["demo", "--once"]);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    for word in ["private", "public"] {
        assert!(out.contains(word), "{out}");
    }
}

#[test]
fn serve_says_ready_once() {
    let world = Small::default().start(public());
    world.server.wait_for_log(|line| line.contains("ready"));
    assert_eq!(world.server.log().lines().filter(|line| line.contains("ready")).count(), 1, "{}", world.server.log());
}
