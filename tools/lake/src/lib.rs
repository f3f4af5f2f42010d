//! The commands of the `lake` tool, with a file for each. They read and write lakes through the
//! lake library and know nothing of a running engine except its locks.

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
