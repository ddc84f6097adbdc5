//! A large zone file: seconds to load it and to build a snapshot, and the memory that is held and was needed at most.
//!
//! `cargo bench --bench load -- NAMES`, 100,000 where none is given; one process a figure. Memory is Linux's
//! `/proc/self/status`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use hubdns::load;
use hubdns::view::Snapshot;

/// One view of one zone out of a file.
const CONFIGURATION: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:5300"]
[[upstream]]
name = "stand-in"
servers = ["127.0.0.1:5301"]
[[zone]]
name = "large"
apex = "large.example"
file = "large.zone"
[[view]]
name = "clients"
networks = ["127.0.10.0/24"]
zones = ["large"]
"#;

fn main() {
    let number = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let names: u32 = number.unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("hubdns-load-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder of our own");
    write(&folder, names);
    let begun = Instant::now();
    let loaded = load::load(&folder.join("hub.toml"));
    let took = begun.elapsed();
    fs::remove_dir_all(&folder).expect("the folder can be removed");
    let (_, plan, _) = loaded.expect("it can be read").into_parts().expect("it has no errors");
    let begun = Instant::now();
    let snapshot = Snapshot::build(plan);
    let built = begun.elapsed();
    let (held, most) = (memory("VmRSS:"), memory("VmHWM:"));
    println!(
        "{names} names: load {:.2} s, build {:.2} s, {held} KiB held, {most} KiB at most",
        took.as_secs_f64(),
        built.as_secs_f64()
    );
    drop(snapshot);
}

fn write(folder: &Path, names: u32) {
    let mut text = "$ORIGIN large.example.\n$TTL 300\n@ SOA ns host 1 3600 600 86400 60\n@ NS ns\n".to_owned();
    for number in 0..names {
        let [_, b, c, d] = number.to_be_bytes();
        writeln!(text, "host-{number:07} A 10.{b}.{c}.{d}").expect("a string takes all");
    }
    fs::write(folder.join("large.zone"), text).expect("a zone file");
    fs::write(folder.join("hub.toml"), CONFIGURATION).expect("a configuration");
}

/// A line of `/proc/self/status`, in KiB.
fn memory(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
