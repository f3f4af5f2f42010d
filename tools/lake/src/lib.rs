//! The commands of the `lake` tool, with a file for each. They read and write lakes through the
//! lake library and know nothing of a running engine except its locks.

use spreadwire_lake::layout::{JOURNAL, LEDGER};
use std::path::Path;

pub mod compact;
pub mod drop_run;
mod event;
pub mod export;
pub mod findings;
pub mod formats;
pub mod gaps;
pub mod head;
pub mod import;
pub mod merge;
pub mod numbers;
pub mod progress;
pub mod prune;
pub mod recover;
pub mod staging;
pub mod stats;
pub mod verify;

/// Refuses a folder that has nothing of a lake in it, so that no command calls it a lake in which all
/// is well, or leaves files there.
fn ensure_lake(folder: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(folder.is_dir(), "{} is not a folder", folder.display());
    let mut names = std::fs::read_dir(folder)?.flatten().map(|entry| entry.file_name());
    let is_part = |name: &str| name == LEDGER || name == JOURNAL || name.starts_with("exchange=");
    anyhow::ensure!(
        names.any(|name| is_part(&name.to_string_lossy())),
        "{} is not a lake: it holds no {LEDGER}/, no {JOURNAL}/ and no exchange=.../",
        folder.display()
    );
    Ok(())
}
