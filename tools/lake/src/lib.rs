//! What the `lake` tool does, a file for each command. It reads and writes lakes through the
//! engine's library and must not know a running engine.

pub mod compact;
pub mod export;
pub mod findings;
pub mod formats;
pub mod import;
pub mod merge;
pub mod numbers;
pub mod progress;
pub mod recover;
pub mod staging;
pub mod stats;
pub mod tape;
pub mod verify;
