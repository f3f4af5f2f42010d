//! Files with the same content as another one of the same venue and day: a copy that somebody left beside
//! the file, whose quotes would count twice.

use super::unit::QuoteFile;
use super::unread::Unread;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the end of a file that are looked at first: they have the footer, with the statistics of all
/// columns.
const TAIL: u64 = 1 << 16;

/// Returns the files in order of path, without those that have the same content as an earlier one. Few files have
/// the same length, and only the ends of these are read.
pub(super) fn without(
    lake: &Path,
    mut files: Vec<QuoteFile>,
    unread: &mut Unread,
) -> Vec<QuoteFile> {
    files.sort();
    let mut lengths: BTreeMap<u64, usize> = BTreeMap::new();
    files.iter().for_each(|file| *lengths.entry(file.bytes).or_default() += 1);
    let mut seen: BTreeMap<(u64, u32), Vec<String>> = BTreeMap::new();
    files.retain(|file| {
        if file.bytes == 0 || lengths.get(&file.bytes) == Some(&1) {
            return true;
        }
        // A file that cannot be read is told when it is read for its quotes.
        let Ok(tail) = tail(&lake.join(&file.path)) else { return true };
        let alike = seen.entry((file.bytes, tail)).or_default();
        let is_copy = |other: &&String| are_same(&lake.join(other), &lake.join(&file.path));
        if let Some(first) = alike.iter().find(is_copy) {
            let reason = format!("has the same content as {first}, so it is not read");
            unread.add(&file.path, &reason, 1);
            return false;
        }
        alike.push(file.path.clone());
        true
    });
    files
}

/// Returns the checksum of the end of a file.
fn tail(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(crc32c::crc32c(&tail))
}

/// Returns whether two files have the same bytes.
fn are_same(one: &Path, other: &Path) -> bool {
    compare(one, other).unwrap_or(false)
}

fn compare(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let [mut of_one, mut of_other] = [Vec::new(), Vec::new()];
    loop {
        of_one.clear();
        of_other.clear();
        one.by_ref().take(TAIL).read_to_end(&mut of_one)?;
        other.by_ref().take(TAIL).read_to_end(&mut of_other)?;
        if of_one != of_other {
            return Ok(false);
        }
        if of_one.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_left_out_and_names_the_file_that_it_is_one_of() {
        let lake = tempfile::tempdir().unwrap();
        // The last two are as long as the others, and differ in the middle and at the end.
        let whole = vec![7_u8; 200_000];
        let [mut middle, mut end] = [whole.clone(), whole.clone()];
        middle[60_000] = 8;
        end[199_999] = 8;
        let contents = [("b", &whole), ("a", &whole), ("c", &middle), ("d", &end), ("e", &whole)];
        let file = |path: &str, bytes: &[u8]| {
            std::fs::write(lake.path().join(path), bytes).unwrap();
            let of = std::fs::metadata(lake.path().join(path)).unwrap();
            QuoteFile::new(path.to_owned(), &of, true)
        };
        let mut files: Vec<QuoteFile> =
            contents.iter().map(|(path, bytes)| file(path, bytes)).collect();
        files.extend([file("f", &[]), file("g", &[]), file("h", &[1])]);
        let mut unread = Unread::default();
        let left = without(lake.path(), files, &mut unread);
        let left: Vec<&str> = left.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(left, ["a", "c", "d", "f", "g", "h"]);
        let told: Vec<String> =
            unread.problems().iter().map(|of| format!("{} {}", of.subject, of.what)).collect();
        let reason = "has the same content as a, so it is not read";
        assert_eq!(told, [format!("b {reason}"), format!("e {reason}")]);
    }
}
