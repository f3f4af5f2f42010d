//! `lake verify --repair`: mends what the ledger proves, and touches nothing else.
//!
//! Three things are mended. A file whose bytes the ledger knows in that folder under another name,
//! which is not there, gets that name. A file that the ledger does not know, but that is byte for
//! byte another file of its folder, is a copy and is deleted. An unfinished file is deleted where no
//! engine records, because nothing of it ever counted.

use super::Tree;
use super::expected::{Expected, Folder};
use spreadwire_lake::layout::UNFINISHED_SUFFIX;
use spreadwire_lake::{folder, table};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// Mends a lake and returns a sentence for each thing that was done. The caller holds the lock of
/// changes.
pub(super) fn repair(
    lake: &Path,
    tree: &Tree,
    expected: &Expected,
    recording: bool,
) -> io::Result<Vec<String>> {
    let mut done = Vec::new();
    for (place, files) in &tree.files {
        if let Some(known) = expected.folders.get(place) {
            repair_folder(lake, place, files, known, &mut done)?;
        }
    }
    let unfinished = tree.others.iter().filter(|path| path.ends_with(UNFINISHED_SUFFIX));
    for path in unfinished.filter(|_| !recording) {
        fs::remove_file(lake.join(path))?;
        done.push(format!("{path}: deleted, it was never finished"));
    }
    Ok(done)
}

fn repair_folder(
    lake: &Path,
    place: &str,
    files: &BTreeSet<String>,
    known: &Folder,
    done: &mut Vec<String>,
) -> io::Result<()> {
    let strangers = files.iter().filter(|name| !known.files.contains_key(*name));
    for name in strangers {
        let path = lake.join(place).join(name);
        let sum = table::checksum(&path)?;
        let named: Vec<&String> = names_of(known, sum).collect();
        let there = |name: &&&String| lake.join(place).join(name).symlink_metadata().is_ok();
        if let Some(twin) = named.iter().find(there) {
            if !is_same(&path, &lake.join(place).join(twin))? {
                continue;
            }
            fs::remove_file(&path)?;
            done.push(format!("{place}/{name}: deleted, a copy of {twin}"));
        } else if let [lost] = named[..] {
            fs::rename(&path, lake.join(place).join(lost))?;
            done.push(format!("{place}/{name}: has its name {lost} again"));
        }
    }
    folder::sync(&lake.join(place))
}

/// Returns the names under which the ledger knows these bytes in a folder.
fn names_of(known: &Folder, sum: (u64, u32)) -> impl Iterator<Item = &String> {
    let files: &BTreeMap<String, BTreeSet<(u64, u32)>> = &known.files;
    files.iter().filter(move |(_, sums)| sums.contains(&sum)).map(|(name, _)| name)
}

/// Whether two files are the same, byte for byte.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::read(one)? == fs::read(other)?)
}
