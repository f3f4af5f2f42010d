//! What the `lake` tool does, a file for each command. It reads and writes lakes through the
//! engine's library and must not know a running engine.

pub mod findings;
pub mod numbers;
pub mod progress;
pub mod recover;
pub mod stats;
pub mod verify;
