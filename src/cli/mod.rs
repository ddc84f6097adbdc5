//! The command line: one file a command. Findings and results become text here and nowhere else.

pub mod check;
mod matrix;

pub use matrix::{Matrix, Row};

/// Exit codes (DESIGN.md section 10).
pub mod exit {
    /// All is well.
    pub const FINE: u8 = 0;
    /// It failed at run time; the main file cannot be read.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The configuration has errors.
    pub const CONFIGURATION: u8 = 3;
    /// It has only warnings and `--strict` was given.
    pub const WARNINGS: u8 = 4;
    /// Something is not as expected.
    pub const UNEXPECTED: u8 = 5;
}
