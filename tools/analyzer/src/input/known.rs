//! What a lake holds besides quotes: these files are counted, and that they are not read is no
//! problem.

use spreadwire_lake::layout;

/// Folders and files at the top of a lake that our recorder wrote.
const BESIDE_QUOTES: [&str; 14] = [
    layout::JOURNAL,
    layout::LEDGER,
    layout::STATUS,
    layout::SPREADS,
    layout::ENDS,
    layout::OPPORTUNITIES,
    layout::TRADING,
    layout::CAPTURE,
    layout::DAMAGED,
    layout::STAGING,
    layout::HEAD,
    layout::UNFINISHED_HEAD,
    layout::RECORDING_LOCK,
    layout::CHANGE_LOCK,
];
/// What names of hidden files begin with. Writers that finish a file by renaming it hide it
/// meanwhile; others mark folders with such files.
const HIDDEN: [char; 2] = ['.', '_'];
/// Endings of the names of unfinished files.
const UNFINISHED: [&str; 4] = [".tmp", ".part", ".partial", ".inprogress"];

/// Returns whether an entry at the top of a lake belongs to its other tables.
pub(super) fn is_beside_quotes(name: &str) -> bool {
    BESIDE_QUOTES.contains(&name)
}

/// Returns whether an entry is hidden or not finished.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN) || UNFINISHED.iter().any(|ending| name.ends_with(ending))
}
