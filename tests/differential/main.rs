//! hubdns beside BIND: both serve equal views over the same upstreams on loopback, both get every question, and what
//! they say is compared. A difference is explained by a rule that follows from the question and the world
//! ([`classes`]), and hubdns's reply then has to be what the oracle says; any other difference is a fault.
//!
//! `cargo test --test differential -- [--questions N] [--seed N] [--verbose]`. It is not part of `cargo test`, and is
//! skipped, with a line that says so, where `named` is not installed.

#![expect(clippy::print_stdout, reason = "a report is what it is for")]

mod bind;
mod classes;
mod compare;
mod filed;
#[path = "../it/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the integration tests, which use all of it")]
mod harness;
mod named;
#[path = "../it/oracle/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the integration tests, which use all of it")]
mod oracle;
mod round;
mod scene;
mod shapes;
mod trace;

use round::Tally;
use std::process::ExitCode;
use std::time::Instant;

/// Questions of one world.
const A_ROUND: usize = 500;

/// The most questions in ten thousand that may differ without a reason.
const MOST_UNEXPLAINED: usize = 15;

/// What to run.
struct Arguments {
    questions: usize,
    seed: u64,
    verbose: bool,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut arguments = Self { questions: 20_000, seed: 1, verbose: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64, String> {
                let text = words.next().ok_or_else(|| format!("{word} takes a number"))?;
                text.parse().map_err(|_| format!("{word}: {text:?} is no number"))
            };
            match &*word {
                "--questions" => arguments.questions = usize::try_from(number()?).map_err(|error| error.to_string())?,
                "--seed" => arguments.seed = number()?,
                "--verbose" => arguments.verbose = true,
                _ => return Err(format!("{word:?} is not known; there are --questions N, --seed N and --verbose")),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    };
    let Some(binary) = named::find() else {
        println!("SKIPPED: named not found (Debian's bind9): 0 of {} questions asked", arguments.questions);
        return ExitCode::SUCCESS;
    };
    println!("{} beside hubdns, seed {}", named::version(&binary), arguments.seed);
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut left = arguments.questions;
    for number in 0.. {
        if left == 0 {
            break;
        }
        let count = left.min(A_ROUND);
        // Each world has a seed of its own that runs it alone.
        round::run(&binary, arguments.seed.wrapping_add(number), count, arguments.verbose, &mut tally);
        left -= count;
    }
    tally.print(begun.elapsed());
    let fails = tally.unexplained * 10_000 > tally.asked * MOST_UNEXPLAINED || tally.asked < arguments.questions;
    if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
