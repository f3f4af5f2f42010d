//! The folder of a lake in which folders are made ready, and the step by which one of them takes
//! the place of another.
//!
//! Two folders change places by one call of the operating system, so that whoever lists the place
//! finds the one or the other. What a killed tool left in staging is a copy of what is in the lake,
//! or has been replaced, and is deleted at the next start. It must not know what files hold.

use anyhow::{Context, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use spreadwire_lake::{folder, layout, lock};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Staging, held by one tool.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    /// The lock is on the folder itself.
    _held: File,
}

/// A file as its folder has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it is a plain file.
    pub is_file: bool,
    modified: (i64, i64),
    inode: u64,
}

impl Staging {
    /// Takes the staging of a lake.
    ///
    /// # Errors
    /// If somebody has it, or it cannot be made.
    pub fn open(lake: &Path) -> anyhow::Result<Staging> {
        let path = lake.join(layout::STAGING);
        folder::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let held = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match held.try_lock() {
            Ok(()) => Ok(Staging { path, _held: held }),
            Err(TryLockError::WouldBlock) => {
                bail!("another lake compact works on this lake: wait until it has ended")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Deletes what a killed tool left, under the change lock; returns what it could not have left.
    ///
    /// # Errors
    /// If something cannot be deleted.
    pub fn sweep(&self, lake: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let _lock = lock::changes(lake)?;
        let mut foreign = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                delete(&entry.path(), &mut foreign)?;
            } else {
                foreign.push(entry.path());
            }
        }
        Ok(foreign)
    }

    /// Finds out whether two folders can change places here.
    ///
    /// # Errors
    /// If not.
    pub fn try_exchange(&self) -> anyhow::Result<()> {
        let (one, other) = (self.path("try-1"), self.path("try-2"));
        fs::create_dir(&one)?;
        fs::create_dir(&other)?;
        let done = exchange(&one, &other);
        fs::remove_dir(&one)?;
        fs::remove_dir(&other)?;
        done.context(
            "folders cannot change places on this file system (renameat2 with RENAME_EXCHANGE, \
             which ext4, xfs, btrfs and tmpfs have): nothing was changed; compact a copy of the \
             lake on such a file system",
        )
    }
}

/// Deletes a folder of staging with the Parquet files in it; a folder that holds anything else
/// stays, and that is listed.
///
/// # Errors
/// If something cannot be deleted.
pub fn delete(folder: &Path, foreign: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut empty = true;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(layout::PARQUET_SUFFIX) || name.ends_with(layout::UNFINISHED_SUFFIX) {
            fs::remove_file(&path)?;
        } else {
            empty = false;
            foreign.push(path);
        }
    }
    if empty { fs::remove_dir(folder) } else { Ok(()) }
}

/// Two folders change places, in one step.
///
/// # Errors
/// If the file system cannot do that, or they lie on two.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// What lies in a folder, by name.
///
/// # Errors
/// If it cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        found.push(Listed {
            name: entry.file_name().to_string_lossy().into_owned(),
            bytes: about.len(),
            is_file: about.is_file(),
            modified: (about.mtime(), about.mtime_nsec()),
            inode: about.ino(),
        });
    }
    found.sort();
    Ok(found)
}
