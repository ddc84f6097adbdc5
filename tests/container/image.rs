//! The image: the Dockerfile's last stage around a static binary that is built on this machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use tempfile::TempDir;

use crate::tools::must;

/// What the image is called here.
pub(crate) const NAME: &str = "localhost/hubdns:test";
/// What stands in for the Dockerfile's stage `build`: a folder /image, made beforehand.
const PROGRAM: &str = "localhost/hubdns-program:test";

/// Builds it, once a process.
pub(crate) fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let image = folder.path().join("image");
        lay_out(&static_binary(), &image);
        from_folder(&image);
        let root = env!("CARGO_MANIFEST_DIR");
        let program = format!("build=docker-image://{PROGRAM}");
        let arguments =
            ["bud", "--runtime", "runc", "--format", "docker", "--build-context", &program, "-t", NAME, root];
        println!("{}", must("buildah", &arguments));
    });
}

/// The binary as the Dockerfile's stage `build` has it.
fn static_binary() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bin", "hubdns", "--target", "x86_64-unknown-linux-gnu"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C strip=symbols")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo runs");
    let lines = BufReader::new(cargo.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let messages = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let binary = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).last();
    assert!(cargo.wait().expect("cargo ends").success(), "the static binary is not built");
    binary.expect("cargo names the binary")
}

/// The folder /image of the stage `build`.
fn lay_out(binary: &Path, image: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let put = |from: &Path, to: &str| {
        let to = image.join(to);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    put(binary, "hubdns");
    put(&root.join("conf/hub.toml"), "etc/hubdns/hubdns.toml");
    put(Path::new("/etc/ssl/certs/ca-certificates.crt"), "etc/ssl/certs/ca-certificates.crt");
    must("setcap", &["cap_net_bind_service=+p", &image.join("hubdns").to_string_lossy()]);
}

/// Makes the image that the stage `program` is taken from.
fn from_folder(image: &Path) {
    let container = must("buildah", &["from", "scratch"]);
    must("buildah", &["copy", "-q", &container, &image.to_string_lossy(), "/image"]);
    must("buildah", &["commit", "-q", "--rm", &container, PROGRAM]);
}

/// What podman knows of the image, as JSON.
pub(crate) fn inspect() -> serde_json::Value {
    let text = must("podman", &["image", "inspect", NAME]);
    let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    all[0].clone()
}
