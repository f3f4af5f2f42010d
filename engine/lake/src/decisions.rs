//! The journal of decisions: what the trader decided, sent, heard and earned, so that a restart finds
//! its balances, orders and positions again.
//!
//! A text file to which lines of JSON are appended. Each begins with the mode and ends with a serial
//! number, which counts from 1 without a hole, and a CRC32C of all before it. The first line, and the
//! first of each later run, is a [`Head`]; the others are entries (`spreadwire_trading::line`).
//! Whoever sends orders [appends](Decisions::append) their entries and [syncs](Decisions::sync) first.
//!
//! A process that is killed while it writes leaves a line without its end. Nothing was sent for that line,
//! so it is cut off and reported. Any other line that is not as it was written is damage: nobody may
//! trade by such a journal until a person has looked. A journal has one writer, one mode and one owner.

mod head;
mod seal;
#[cfg(test)]
mod tests;

pub use head::{Head, HeadInstrument, HeadMarket, VERSION};

use crate::files;
use crate::folder;
use crate::inode::Inode;
use crate::lock;
use head::Union;
use spreadwire_market::clock::Nanos;
use spreadwire_market::escape::escape;
use spreadwire_market::instrument::Catalogue;
use spreadwire_trading::entry::Entry;
use spreadwire_trading::gateway::Mode;
use spreadwire_trading::line::{self, LineError, Names};
use spreadwire_trading::settings::Settings;
use spreadwire_trading::terms::Assets;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the folder of a trader.
pub const FILE_NAME: &str = "decisions.jsonl";
/// Longest line, bytes: a head names every instrument and market.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Why a journal of decisions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DecisionsError {
    /// Another process writes to it.
    #[error("{path} is in use by {holder}: one trader writes to a journal")]
    Taken {
        /// The file.
        path: PathBuf,
        /// Who holds it, in words.
        holder: String,
    },
    /// It is not at its path any more.
    #[error("{path} was moved or deleted while it was in use: put it back, and start again")]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// A line is not as it was written.
    #[error(
        "{path}: line {line} is damaged: {why}; nothing is traded by this journal until it is repaired from a copy, or moved away"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A line is whole, and does not fit the configuration or this version.
    #[error("{path}: line {line}: {error}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What does not fit, which the text has.
        error: LineError,
    },
    /// It is that of another mode, owner or version, or of other decimals.
    #[error("{path}: {why}; name another folder, or move the file away")]
    Other {
        /// The file.
        path: PathBuf,
        /// What is other.
        why: String,
    },
    /// The operating system refused, or did so before.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Its error, which the text has.
        error: io::Error,
    },
}

/// A line that had no end, and was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Number of the line, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// What was found in a journal that was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Number of entries.
    pub entries: u64,
    /// Number of earlier runs.
    pub runs: u64,
    /// The line that was cut off.
    pub torn: Option<Torn>,
}

/// The writer of a journal, which holds its lock.
#[derive(Debug)]
pub struct Decisions {
    path: PathBuf,
    file: File,
    inode: Inode,
    mode: Mode,
    catalogue: Catalogue,
    /// Serial number of the last line.
    serial: u64,
    bytes: u64,
    text: String,
    is_synced: bool,
    /// Whether a write or sync has failed: what the disk holds is not known any more.
    has_failed: bool,
}

impl Decisions {
    /// Opens a journal, or begins it, for one trader: takes its lock, gives each entry of earlier runs to
    /// `restore`, cuts off a line without an end, and writes the head of this run. The names of entries
    /// are those of the catalogue and the assets.
    ///
    /// # Errors
    /// [`DecisionsError`]. Nothing was changed then, except that a new file may be there, and entries may
    /// have been restored.
    pub fn open(
        path: &Path,
        head: &Head,
        (catalogue, assets): (&Catalogue, &Assets),
        mut restore: impl FnMut(&Entry),
    ) -> Result<(Decisions, Found), DecisionsError> {
        let mut file = locked(path)?;
        let names = Names { catalogue, assets };
        let (mut entries, mut runs) = (0, 0);
        let scan = scan(path, &mut file, |line, text| {
            if let Some(found) = Head::read(text) {
                let found = found.map_err(|why| damaged(path, line, &why))?;
                runs += 1;
                return found.fits(head, catalogue).map_err(|why| other(path, why));
            }
            if runs == 0 {
                return Err(other(path, "it does not begin as a journal of decisions".to_owned()));
            }
            let (mode, entry) = line::read(text, names).map_err(|error| DecisionsError::Line {
                path: path.to_owned(),
                line,
                error,
            })?;
            if mode != head.mode {
                return Err(damaged(path, line, &format!("it is of the mode {}", mode.name())));
            }
            entries += 1;
            restore(&entry);
            Ok(())
        })?;
        let inode = Inode::of_file(&file).map_err(|source| failed(path, source))?;
        let mut decisions = Decisions {
            path: path.to_owned(),
            file,
            inode,
            mode: head.mode,
            catalogue: catalogue.clone(),
            serial: scan.lines,
            bytes: scan.bytes,
            text: String::new(),
            is_synced: true,
            has_failed: false,
        };
        decisions.begin(head, scan.torn.is_some())?;
        Ok((decisions, Found { entries, runs, torn: scan.torn }))
    }

    fn begin(&mut self, head: &Head, is_torn: bool) -> Result<(), DecisionsError> {
        if is_torn {
            self.file.set_len(self.bytes).map_err(|source| failed(&self.path, source))?;
        }
        let at = SeekFrom::Start(self.bytes);
        self.file.seek(at).map_err(|source| failed(&self.path, source))?;
        self.line(&head.write());
        self.write()?;
        self.sync()?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder::sync(folder.unwrap_or(Path::new("."))).map_err(|source| failed(&self.path, source))
    }

    /// Appends entries. They survive the end of the process, however it ends; [`sync`](Decisions::sync)
    /// makes them survive a power cut.
    ///
    /// # Errors
    /// If the disk refuses. Then every later call fails too: nothing more may be sent.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), DecisionsError> {
        for entry in entries {
            let line = line::write(entry, self.mode, &self.catalogue);
            self.line(&line);
        }
        self.write()
    }

    /// Waits until all that was appended is on the disk.
    ///
    /// # Errors
    /// If the disk refuses, or the file is not at its path any more. Then every later call fails too.
    pub fn sync(&mut self) -> Result<(), DecisionsError> {
        self.check()?;
        if self.is_synced {
            return Ok(());
        }
        if self.inode.has_left(&self.path) {
            self.has_failed = true;
            return Err(DecisionsError::Moved { path: self.path.clone() });
        }
        let synced = self.file.sync_data();
        self.has_failed = synced.is_err();
        synced.map_err(|source| failed(&self.path, source))?;
        self.is_synced = true;
        Ok(())
    }

    /// Returns where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its length, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn line(&mut self, json: &str) {
        self.serial += 1;
        seal::seal(json, self.serial, &mut self.text);
    }

    fn write(&mut self) -> Result<(), DecisionsError> {
        self.check()?;
        if self.text.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(self.text.as_bytes());
        self.has_failed = written.is_err();
        self.bytes += self.text.len() as u64;
        self.is_synced = false;
        self.text.clear();
        written.map_err(|source| failed(&self.path, source))
    }

    fn check(&self) -> Result<(), DecisionsError> {
        if !self.has_failed {
            return Ok(());
        }
        let source = io::Error::other("an earlier write failed: start again once the disk is well");
        Err(failed(&self.path, source))
    }
}

/// All of a journal, by the names and decimals of its own heads.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Mode of all its entries.
    pub mode: Mode,
    /// Who placed the orders.
    pub owner: String,
    /// Begin of each run, ns since 1970 UTC, and the place of its first entry.
    pub runs: Vec<(Nanos, usize)>,
    /// Every venue and instrument that a head names.
    pub catalogue: Catalogue,
    /// Settings by which a desk can restore the entries: assets, rates and markets are those of the heads,
    /// the last one first; there are no limits.
    pub settings: Settings,
    /// The entries.
    pub entries: Vec<Entry>,
    /// A line without an end, which a writer may be writing now.
    pub torn: Option<Torn>,
}

impl Journal {
    /// Returns the entries of the last run that began at or after `from` and before `until`, ns since 1970
    /// UTC; none if there is no such run.
    #[must_use]
    pub fn run(&self, from: Nanos, until: Nanos) -> &[Entry] {
        let is_it = |(began, _): &(Nanos, usize)| from <= *began && *began < until;
        let Some(place) = self.runs.iter().rposition(is_it) else { return &[] };
        let end = self.runs.get(place + 1).map_or(self.entries.len(), |(_, first)| *first);
        &self.entries[self.runs[place].1..end]
    }
}

/// Reads a journal without changing it, also while a trader writes to it.
///
/// # Errors
/// [`DecisionsError`].
pub fn read(path: &Path) -> Result<Journal, DecisionsError> {
    let open = || OpenOptions::new().read(true).open(path).map_err(|source| failed(path, source));
    let mut union = Union::default();
    let scanned = scan(path, &mut open()?, |line, text| {
        let Some(head) = Head::read(text) else { return Ok(()) };
        let head = head.map_err(|why| damaged(path, line, &why))?;
        union.add(head).map_err(|why| other(path, why))
    })?;
    let Some((mode, owner)) = union.whose() else {
        return Err(other(path, "it does not begin as a journal of decisions".to_owned()));
    };
    let (catalogue, settings) = union.build();
    let names = Names { catalogue: &catalogue, assets: &settings.assets };
    let mut entries = Vec::new();
    // A writer may have added lines since: they are left out.
    let mut runs = Vec::new();
    scan(path, &mut open()?.take(scanned.bytes), |line, text| {
        if let Some(Ok(head)) = Head::read(text) {
            runs.push((head.began, entries.len()));
        } else {
            let read = line::read(text, names);
            let at = |error| DecisionsError::Line { path: path.to_owned(), line, error };
            entries.push(read.map_err(at)?.1);
        }
        Ok(())
    })?;
    let torn = scanned.torn;
    Ok(Journal { mode, owner, runs, catalogue, settings, entries, torn })
}

/// What a walk over the lines found.
struct Scan {
    /// Whole lines.
    lines: u64,
    /// Their bytes.
    bytes: u64,
    torn: Option<Torn>,
}

/// Gives each whole line to `on` with its number, after its serial number and checksum were checked.
fn scan(
    path: &Path,
    file: &mut impl Read,
    mut on: impl FnMut(u64, &str) -> Result<(), DecisionsError>,
) -> Result<Scan, DecisionsError> {
    let mut input = BufReader::with_capacity(1 << 18, file);
    let mut found = Scan { lines: 0, bytes: 0, torn: None };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let bytes = length.map_err(|source| failed(path, source))? as u64;
        let number = found.lines + 1;
        if bytes == LINE_BYTES_MAX {
            return Err(damaged(path, number, "it is too long"));
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            found.torn = (0 < bytes).then_some(Torn { line: number, bytes });
            return Ok(found);
        }
        let text = seal::open(&line, number).map_err(|why| damaged(path, number, &why))?;
        on(number, text)?;
        (found.lines, found.bytes) = (number, found.bytes + bytes);
    }
}

/// Opens the file and takes its lock, which is one of the inode.
fn locked(path: &Path) -> Result<File, DecisionsError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder::create(parent).map_err(|source| failed(path, source))?;
    }
    let file = files::own(path).map_err(|source| failed(path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = lock::owner_of(path).ok().flatten();
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            return Err(DecisionsError::Taken { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(failed(path, source)),
    }
    let inode = Inode::of_file(&file).map_err(|source| failed(path, source))?;
    if inode.has_left(path) {
        return Err(DecisionsError::Moved { path: path.to_owned() });
    }
    Ok(file)
}

fn failed(path: &Path, source: io::Error) -> DecisionsError {
    DecisionsError::Io { path: path.to_owned(), error: source }
}

fn damaged(path: &Path, line: u64, why: &str) -> DecisionsError {
    let why = escape(why).at_most(200).to_string();
    DecisionsError::Damaged { path: path.to_owned(), line, why }
}

fn other(path: &Path, why: String) -> DecisionsError {
    DecisionsError::Other { path: path.to_owned(), why }
}
