//! Master files: what they include, lints of their records, clouds.

use super::*;

/// A folder of this test's own, with a main file that has one zone by file.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("hubdns-zones-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let main = format!(
            "{HEAD}[[zone]]\nname = \"z\"\napex = \"z.example\"\nfile = \"zones/z.zone\"\n{VIEW}zones = [\"z\"]\n"
        );
        for (path, text) in files.iter().chain([&("hub.toml", &*main)]) {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    /// `code file:line` of each finding, and whether there is a plan; files relative to the folder.
    fn load(&self) -> (Vec<String>, Option<SnapshotPlan>, Vec<PathBuf>) {
        let loaded = load(&self.0.join("hub.toml")).unwrap();
        let relative = |path: &Path| path.strip_prefix(&self.0).unwrap().to_owned();
        let told = loaded.findings.iter().map(|own| {
            let file = relative(Path::new(&**own.place.file()));
            format!("{} {}:{}", own.code, file.display(), own.place.line())
        });
        let told = told.collect();
        let files = loaded.files.iter().map(|path| relative(path)).collect();
        (told, loaded.plan, files)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn included_files_are_part_of_the_zone_and_of_what_is_watched() {
    let folder = Folder::new(
        "whole",
        &[
            ("zones/z.zone", "a A 10.0.0.4\n$INCLUDE sub/b.inc\n\n$INCLUDE ./sub/b.inc c\n"),
            ("zones/sub/b.inc", "b A 10.0.0.5\n$INCLUDE d.inc\n"),
            ("zones/sub/d.inc", "d A 10.0.0.6\n"),
        ],
    );
    let (told, plan, files) = folder.load();
    assert_eq!(told, Vec::<String>::new());
    let plan = plan.unwrap();
    let zone = &plan.views[0].zones[0].0;
    assert!(zone.origin.to_string().ends_with("zones/z.zone:1"));
    let mut nodes: Vec<(Vec<u8>, u32)> = zone.nodes().map(|(name, node)| (name.to_vec(), node.line())).collect();
    nodes.sort();
    let named = |name: &[u8], line| (name.to_vec(), line);
    assert_eq!(nodes[1..3], [named(b"\x01a", 1), named(b"\x01b", 2)]);
    assert!(nodes.contains(&named(b"\x01d\x01c", 4)));
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(files, ["hub.toml", "zones/z.zone", "zones/sub/b.inc", "zones/sub/d.inc"]);
}

#[cfg(unix)]
#[test]
fn an_include_stays_in_the_zone_files_folder() {
    let main = "$INCLUDE /etc/hostname\n$INCLUDE ../secret.inc\n$INCLUDE sub/../../secret.inc\n$INCLUDE link.inc\n\
        $INCLUDE links/secret.inc\n$INCLUDE none.inc\n$INCLUDE sub\n$INCLUDE me.inc\n$INCLUDE z.zone\n$INCLUDE\n\
        $INCLUDE inside.inc\na A 10.0.0\nb A 10.0.0.4\n";
    let folder = Folder::new(
        "jail",
        &[
            ("secret.inc", "leak A 10.0.0.66\n"),
            ("zones/z.zone", main),
            ("zones/sub/x", ""),
            ("zones/me.inc", "e A 10.0.0.5\n$INCLUDE you.inc\n"),
            ("zones/you.inc", "f A\n$INCLUDE me.inc\n"),
        ],
    );
    let zones = folder.0.join("zones");
    std::os::unix::fs::symlink("../secret.inc", zones.join("link.inc")).unwrap();
    std::os::unix::fs::symlink("..", zones.join("links")).unwrap();
    std::os::unix::fs::symlink("sub/x", zones.join("inside.inc")).unwrap();
    let (told, plan, files) = folder.load();
    let mut expected: Vec<String> = (1..=7).chain(9..=10).map(|line| format!("H0427 zones/z.zone:{line}")).collect();
    expected.push("H0422 zones/z.zone:12".to_owned());
    expected.extend(["H0422 zones/you.inc:1".to_owned(), "H0427 zones/you.inc:2".to_owned()]);
    assert_eq!(told, expected);
    assert!(plan.is_none());
    assert!(!files.iter().any(|path| path.ends_with("secret.inc")), "{files:?}");
}

#[test]
fn includes_have_a_depth_and_a_number() {
    let mut files: Vec<(String, String)> =
        (1..=9).map(|n| (format!("zones/{n}.inc"), format!("n{n} A 10.0.0.4\n$INCLUDE {}.inc\n", n + 1))).collect();
    files.push(("zones/z.zone".to_owned(), "$INCLUDE 1.inc\n".to_owned()));
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    assert_eq!(Folder::new("deep", &borrowed).load().0, ["H0427 zones/8.inc:2"]);
    let many = "$INCLUDE a.inc\n".repeat(1_003);
    let (told, ..) = Folder::new("many", &[("zones/z.zone", &many), ("zones/a.inc", "a A 10.0.0.4\n")]).load();
    assert_eq!(told, ["H0427 zones/z.zone:1001", "H0427 zones/z.zone:1002", "H0427 zones/z.zone:1003"]);
}

#[test]
fn records_of_zones_with_avd_names_are_linted_with_their_lines() {
    let main = format!(
        "{HEAD}[[zone]]\nname = \"z\"\napex = \"microsoft.com\"\nfile = \"z.zone\"\nmissing = \"forward\"\n{VIEW}zones = [\"z\"]\n"
    );
    let zone = format!(
        "{POOL}.wvd A 10.0.0.4\n{POOL}.wvd A 10.0.0.5\nworld.relay.avd A 10.0.0.6\n*.wvd A 10.0.0.7\n\
        *.rdbroker.wvd A 10.0.0.8\n*.{POOL}.wvd A 10.0.0.9\nrdweb.wvd A 203.0.113.4\nwww A 203.0.113.5\n"
    );
    let loaded = from_texts(&[("hub.toml", &main), ("z.zone", &zone)]);
    let told: Vec<String> = loaded.findings.iter().map(|own| format!("{} {}", own.code, own.place)).collect();
    assert_eq!(
        told,
        ["H0411 z.zone:1:1", "H0425 z.zone:3:1", "H0412 z.zone:4:1", "H0413 z.zone:5:1", "H0410 z.zone:7:1"]
    );
}

#[test]
fn a_cloud_of_the_file_is_a_cloud() {
    let cloud = "[[cloud]]\nname = \"gov\"\npublic = \"wvd.example.gov\"\n";
    let text = format!(
        "{cloud}one-zone = true\n[[endpoint]]\nname = \"g\"\nkind = \"global\"\nrecords = {{ \"rdweb.privatelink.wvd.example.gov\" = [\"10.0.0.4\"] }}\n{VIEW}endpoints = [\"g\"]\n"
    );
    let loaded = head_and(&text);
    let plan = clean(&loaded).plan.as_ref().unwrap();
    let names: Vec<String> = plan.views[0].endpoints[0].records[0].names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["rdweb.wvd.example.gov", "rdweb.privatelink.wvd.example.gov"]);
    assert_eq!(plan.clouds.iter().count(), 4);
    // with two zones a global name under the plain suffix is told; without the cloud it is under no suffix at all
    assert_eq!(codes_of(&text.replace("true", "false")), ["H0407"]);
    assert_eq!(codes_of(&text.replace(&format!("{cloud}one-zone = true\n"), "")), ["H0406"]);
    for bad in ["wvd.microsoft.com", "microsoft.com", "privatelink.wvd.azure.us", "gov", "example.gov"] {
        let more = format!("{cloud}[[cloud]]\nname = \"more\"\npublic = \"{bad}\"\n{VIEW}");
        assert_eq!(codes_of(&more), ["H0428"], "{bad}");
    }
    assert_eq!(codes_of(&format!("{cloud}{cloud}{VIEW}")), ["H0110", "H0428"]);
}
