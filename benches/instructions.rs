//! Asks for one kind of answer a number of times, for a counter of instructions: `instructions KIND COUNT`, or with
//! what a worker counts beside it, `instructions KIND COUNT served`. `instructions kinds` prints the kinds.
//!
//! `benches/instructions.sh` runs it under callgrind with two counts: their difference is the core's own share, the same
//! on a busy machine as on a quiet one.

#![expect(clippy::print_stdout, reason = "what a script reads")]

mod kinds;

use std::hint::black_box;

use kinds::{KINDS, World};

fn main() {
    // Cargo runs every bench with `--bench`; then there is nothing to count.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (kind, count, served) = match arguments.as_slice() {
        [kind, count] => (kind, count, false),
        [kind, count, _] => (kind, count, true),
        [word] if word == "kinds" => return KINDS.iter().for_each(|kind| println!("{}", kind.name)),
        _ => return,
    };
    let count: u64 = count.parse().expect("a count");
    let kind = KINDS.iter().find(|own| own.name == kind).expect("a kind");
    let (world, (message, client)) = (World::new(), kind.question());
    let mut out = [0; 1_232];
    for _ in 0..count {
        let message = black_box(&message);
        let outcome =
            if served { world.serve(message, &client, &mut out) } else { world.ask(message, &client, &mut out) };
        black_box(outcome);
    }
}
