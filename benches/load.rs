//! A large zone file: seconds to load it and to build a snapshot, the memory that is held and was needed at most, and the
//! core's time for an answer about its names in no order.
//!
//! `cargo bench --bench load -- NAMES`, 100,000 where none is given; one process a figure. Memory is Linux's
//! `/proc/self/status`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use hubdns::cache::{Cache, Limits};
use hubdns::load;
use hubdns::resolve::{Client, Outcome, Silence, Transport, answer};
use hubdns::view::Snapshot;
use hubdns::wire::Moment;

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
        "{names} names: load {:.2} s, build {:.2} s, {held} KiB held, {most} KiB at most, {:.0} ns an answer",
        took.as_secs_f64(),
        built.as_secs_f64(),
        nanoseconds(&snapshot, names)
    );
}

/// The core's time for one answer, the least of five rounds.
fn nanoseconds(snapshot: &Snapshot, names: u32) -> f64 {
    const ASKED: u32 = 200_000;
    let cache = Cache::new(0, Limits::default());
    let address = |text: &str| text.parse().expect("an address");
    let client = Client::new(address("127.0.10.1:4000"), address("127.0.0.1:5300"), Transport::Udp);
    let mut message =
        b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0chost-0000000\x05large\x07example\x00\x00\x01\x00\x01"
            .to_vec();
    let mut out = [0; 1_232];
    let mut round = || {
        let (begun, mut number) = (Instant::now(), 1_u32);
        for _ in 0..ASKED {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut name = (u64::from(number) * u64::from(names)) >> 32;
            for digit in message[18..25].iter_mut().rev() {
                *digit = b'0' + u8::try_from(name % 10).expect("a digit");
                name /= 10;
            }
            let outcome = answer(&message, &client, snapshot, &cache, Moment::from_millis(1), &mut out, &mut Silence);
            assert!(matches!(outcome, Outcome::Reply(_)) && out[7] == 1, "an answer with one record");
        }
        begun.elapsed().as_nanos() as f64 / f64::from(ASKED)
    };
    (0..5).map(|_| round()).fold(f64::INFINITY, f64::min)
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
