//! Compaction, export and import of small lakes. `outside.rs` has the tests that need Python.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod compact;
mod deletions;
mod export;
mod exported;
mod formats;
mod import;
mod recorded;
mod tamper;
