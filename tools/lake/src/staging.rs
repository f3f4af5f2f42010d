//! The staging folder of a lake, and the exchange of a folder with its replacement.
//!
//! Two folders are exchanged by one system call, so a listing of the place finds one or the other.
//! The remains of a killed tool in staging are copies of what is in the lake, or were already
//! replaced; they are deleted at the next start.

use anyhow::{Context, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use spreadwire_lake::{folder, layout, lock};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The staging folder, locked by one tool.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    /// The lock is held on the folder itself.
    _held: File,
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// File name.
    pub name: String,
    /// File length, bytes.
    pub bytes: u64,
    /// Whether it is a regular file.
    pub is_file: bool,
    modified: (i64, i64),
    inode: u64,
}

impl Staging {
    /// Opens and locks the staging folder of a lake.
    ///
    /// # Errors
    /// If another tool holds it, or it cannot be created.
    pub fn open(lake: &Path) -> anyhow::Result<Staging> {
        let path = lake.join(layout::STAGING);
        folder::create_in(lake, &path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        let held = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match held.try_lock() {
            Ok(()) => Ok(Staging { path, _held: held }),
            Err(TryLockError::WouldBlock) => {
                bail!("another lake compact is running on this lake: wait until it has ended")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Deletes the remains of a killed tool, under the change lock. Returns the entries that no
    /// tool could have left.
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

    /// Checks that folders can be exchanged on this file system.
    ///
    /// # Errors
    /// If they cannot.
    pub fn try_exchange(&self) -> anyhow::Result<()> {
        let (one, other) = (self.path("try-1"), self.path("try-2"));
        fs::create_dir(&one)?;
        fs::create_dir(&other)?;
        let done = exchange(&one, &other);
        fs::remove_dir(&one)?;
        fs::remove_dir(&other)?;
        done.context(
            "folders cannot be exchanged on this file system (renameat2 with RENAME_EXCHANGE, \
             which ext4, xfs, btrfs and tmpfs have): nothing was changed; compact a copy of the \
             lake on such a file system",
        )
    }
}

/// Deletes a folder of staging with its Parquet files. If the folder contains anything else, it
/// stays and that is added to `foreign`.
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

/// Exchanges two folders in one step.
///
/// # Errors
/// If the file system does not support this, or the folders are on different file systems.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Returns the entries of a folder, by name.
///
/// # Errors
/// If the folder cannot be listed.
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
