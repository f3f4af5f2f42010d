//! The files of a run as a chain: each has a serial number and the digest of the one before it.
//!
//! The digest is a SHA-256 of the entries, not of the bytes, so that it outlives a merge of files.

use super::{Entry, EntryKind};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The digest of the entries of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Returns the digest of entries, in whatever order they stand.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Hash {
        let mut lines: Vec<Vec<u8>> = entries.iter().map(encoded).collect();
        lines.sort_unstable();
        let mut sum = Sha256::new();
        lines.iter().for_each(|line| sum.update(line));
        Hash(sum.finalize().into())
    }

    /// Returns the digest that a text of 64 hexadecimal digits stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Hash> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Hash(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Returns an entry as bytes: every field in the order of the columns, each behind a byte that says
/// whether it is there, texts behind their length.
fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let mut number = |value: Option<u64>| {
        bytes.push(u8::from(value.is_some()));
        bytes.extend(value.unwrap_or(0).to_le_bytes());
    };
    number(Some(entry.time));
    let numbers = [entry.segment.map(u64::from), entry.first, entry.last, entry.rows, entry.bytes];
    numbers.into_iter().for_each(&mut number);
    [entry.digest, entry.until, entry.serial].into_iter().for_each(&mut number);
    let texts = [
        Some(entry.kind.name()),
        entry.run.as_deref(),
        entry.table.as_deref(),
        entry.folder.as_deref(),
        entry.file.as_deref(),
        entry.venue.as_deref(),
        entry.instrument.as_deref(),
        entry.cause.as_deref(),
    ];
    for text in texts {
        bytes.push(u8::from(text.is_some()));
        let text = text.unwrap_or_default();
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// What is known of one file of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) hash: Hash,
    /// The digest that it gives for the file before it.
    previous: Option<Hash>,
    /// Whether it has the link, and as many entries as that says.
    whole: bool,
}

impl Linked {
    pub(super) fn of(entries: &[Entry]) -> Linked {
        let mut links = entries.iter().filter(|entry| entry.kind == EntryKind::Link);
        let (link, more) = (links.next(), links.next());
        let previous = link.and_then(|link| Hash::parse(link.cause.as_deref()?));
        let stated = link.and_then(|link| link.rows);
        let whole = stated == (entries.len() as u64).checked_sub(1) && more.is_none();
        Linked { hash: Hash::of(entries), previous, whole }
    }
}

/// The chain of a run, as far as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// By serial number. Two files of one number are a break.
    links: BTreeMap<u64, Linked>,
    forked: Vec<u64>,
}

impl Chain {
    pub(super) fn add(&mut self, serial: u64, linked: Linked) {
        match self.links.insert(serial, linked) {
            Some(other) if other != linked => self.forked.push(serial),
            Some(_) | None => {}
        }
    }

    /// Returns the number after the last file, and that file's digest.
    #[must_use]
    pub fn tip(&self) -> (u64, Option<Hash>) {
        let last = self.links.last_key_value();
        last.map_or((0, None), |(serial, linked)| (serial + 1, Some(linked.hash)))
    }

    /// Returns the digest of a file.
    #[must_use]
    pub fn hash_of(&self, serial: u64) -> Option<Hash> {
        self.links.get(&serial).map(|linked| linked.hash)
    }

    /// Returns everything that is not as it was written.
    #[must_use]
    pub fn breaks(&self) -> Vec<Break> {
        let mut found = Vec::new();
        let (mut next, mut before) = (0, None);
        for (serial, linked) in &self.links {
            if next < *serial {
                found.push(Break::Gone { first: next, last: serial - 1 });
            } else if linked.previous != before {
                found.push(Break::Changed { serial: serial.saturating_sub(1) });
            }
            if !linked.whole {
                found.push(Break::Cut { serial: *serial });
            }
            (next, before) = (serial + 1, Some(linked.hash));
        }
        found.extend(self.forked.iter().map(|serial| Break::Forked { serial: *serial }));
        found
    }
}

/// Something in a chain that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Files of these numbers are gone.
    Gone {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A file is not the one that its successor was written after.
    Changed {
        /// Its number.
        serial: u64,
    },
    /// A file has more or fewer entries than it was written with.
    Cut {
        /// Its number.
        serial: u64,
    },
    /// There are two files of one number.
    Forked {
        /// The number.
        serial: u64,
    },
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Gone { first, last } if first == last => {
                write!(f, "file {first} of its ledger is gone")
            }
            Break::Gone { first, last } => {
                write!(f, "files {first} to {last} of its ledger are gone")
            }
            Break::Changed { serial } => {
                write!(f, "file {serial} of its ledger is not the one that was written")
            }
            Break::Cut { serial } => {
                write!(f, "file {serial} of its ledger does not have the entries it had")
            }
            Break::Forked { serial } => write!(f, "its ledger has two files of number {serial}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(serial: u64, previous: Option<Hash>, rows: u64) -> Entry {
        Entry {
            rows: Some(rows),
            serial: Some(serial),
            cause: previous.map(|hash| hash.to_string()),
            ..Entry::new(EntryKind::Link, 9)
        }
    }

    fn fact(serial: u64, rows: u64) -> Entry {
        Entry { rows: Some(rows), serial: Some(serial), ..Entry::new(EntryKind::Count, 9) }
    }

    /// Four files of two facts each.
    fn written() -> Vec<Vec<Entry>> {
        let (mut files, mut before) = (Vec::new(), None);
        for serial in 0..4 {
            let file = vec![fact(serial, 1), link(serial, before, 2), fact(serial, 2)];
            before = Some(Hash::of(&file));
            files.push(file);
        }
        files
    }

    fn chain(files: &[Vec<Entry>]) -> Chain {
        let mut chain = Chain::default();
        for file in files {
            chain.add(file[0].serial.unwrap(), Linked::of(file));
        }
        chain
    }

    #[test]
    fn a_digest_is_one_of_entries_and_each_of_their_fields() {
        let mut entries = written().remove(1);
        let hash = Hash::of(&entries);
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        entries.reverse();
        assert_eq!(Hash::of(&entries), hash);
        let text = || Some("x".to_owned());
        let changed: [fn(&mut Entry, Option<String>); 16] = [
            |e, _| e.time += 1,
            |e, _| e.kind = EntryKind::Stage,
            |e, x| e.run = x,
            |e, _| e.segment = Some(0),
            |e, x| e.table = x,
            |e, x| e.folder = x,
            |e, x| e.file = x,
            |e, x| e.venue = x,
            |e, x| e.instrument = x,
            |e, _| e.first = Some(0),
            |e, _| e.last = Some(0),
            |e, _| e.rows = None,
            |e, _| e.bytes = Some(0),
            |e, _| e.digest = Some(0),
            |e, _| e.until = Some(0),
            |e, x| e.cause = x,
        ];
        let mut hashes: Vec<Hash> = changed
            .iter()
            .map(|change| {
                let mut entries = entries.clone();
                change(&mut entries[0], text());
                Hash::of(&entries)
            })
            .collect();
        hashes.push(hash);
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 17);
        for bad in ["", "0", &"g".repeat(64), &"0".repeat(65)] {
            assert_eq!(Hash::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_file_that_goes_or_changes_but_the_last_is_noticed() {
        let files = written();
        assert!(chain(&files).breaks().is_empty());
        let last = Hash::of(&files[3]);
        assert_eq!(chain(&files).tip(), (4, Some(last)));
        assert_eq!(chain(&files).hash_of(3), Some(last));
        assert_eq!(chain(&[]).tip(), (0, None));
        for gone in 0..3 {
            let mut left = files.clone();
            left.remove(gone);
            let gone = gone as u64;
            assert_eq!(chain(&left).breaks(), [Break::Gone { first: gone, last: gone }]);
        }
        let early = chain(&files[2..]).breaks();
        assert_eq!(early, [Break::Gone { first: 0, last: 1 }]);
        assert_eq!(early[0].to_string(), "files 0 to 1 of its ledger are gone");
        for changed in 0..4 {
            let mut other = files.clone();
            other[changed][0].rows = Some(7);
            let serial = changed as u64;
            let expected = if changed == 3 { vec![] } else { vec![Break::Changed { serial }] };
            assert_eq!(chain(&other).breaks(), expected);
            let mut short = files.clone();
            short[changed].pop();
            assert!(chain(&short).breaks().contains(&Break::Cut { serial }));
        }
        let mut twice = files.clone();
        twice.push(vec![fact(1, 9), link(1, None, 1)]);
        assert!(chain(&twice).breaks().contains(&Break::Forked { serial: 1 }));
        let mut again = files.clone();
        again.push(files[1].clone());
        assert_eq!(chain(&again).breaks(), [], "the same file in two places");
    }
}
