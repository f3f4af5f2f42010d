//! The doctor on hosts that a test makes: every check, and the program as a user runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checks;
mod cli;
mod folder;
