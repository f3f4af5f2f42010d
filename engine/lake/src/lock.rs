//! The two locks of a lake.
//!
//! An engine holds the [recording lock](recording) as long as it records. Every program that adds
//! or replaces files holds the [change lock](changes) meanwhile.

use crate::files;
use crate::folder;
use crate::layout::{CHANGE_LOCK, RECORDING_LOCK};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The reason why a lake could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{path} is locked: another engine or tool works on this lake ({holder})")]
    Taken {
        /// File of the lock.
        path: PathBuf,
        /// Text that the holder wrote into the file: its process number.
        holder: String,
    },
    /// The lake's folder does not exist and cannot be created.
    #[error("cannot create the folder {folder}")]
    NoFolder {
        /// Folder of the lake.
        folder: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The operating system refused the operation.
    #[error("cannot lock {path}")]
    Io {
        /// File of the lock.
        path: PathBuf,
        /// Its error.
        #[source]
        source: io::Error,
    },
}

/// A lock that is held until it is dropped. If the process is killed, the operating system releases
/// it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Locks the lake for a recording engine, or for a tool that must not run beside one.
///
/// # Errors
/// [`LockError::Taken`], without waiting, if another process holds the lock.
pub fn recording(lake: &Path) -> Result<Lock, LockError> {
    let (file, path) = open_lock(lake, RECORDING_LOCK)?;
    match file.try_lock() {
        Ok(()) => signed(file, path),
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            Err(LockError::Taken { path, holder })
        }
        Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
    }
}

/// Returns whether an engine records into the lake now.
#[must_use]
pub fn is_recording(lake: &Path) -> bool {
    // Opened for reading only: the check must not create the file, and must work on a lake that
    // cannot be written to.
    let Ok(file) = File::open(lake.join(RECORDING_LOCK)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Waits until nobody else adds or replaces files of the lake, and then keeps others from doing so.
///
/// # Errors
/// [`LockError::Io`].
pub fn changes(lake: &Path) -> Result<Lock, LockError> {
    let (file, path) = open_lock(lake, CHANGE_LOCK)?;
    match file.lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// Waits until nobody adds or replaces files of the lake, and then keeps others from doing so while
/// they may read. Returns `None` if the lake was never changed, or its file system has no locks.
#[must_use]
pub fn reading(lake: &Path) -> Option<Lock> {
    let file = File::open(lake.join(CHANGE_LOCK)).ok()?;
    file.lock_shared().ok()?;
    Some(Lock { _file: file })
}

fn open_lock(lake: &Path, name: &str) -> Result<(File, PathBuf), LockError> {
    let path = lake.join(name);
    folder::create(lake)
        .map_err(|source| LockError::NoFolder { folder: lake.to_owned(), source })?;
    match files::own(&path) {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// Writes the process number into the file, for the message that others get.
fn signed(mut file: File, path: PathBuf) -> Result<Lock, LockError> {
    let written = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
    match written {
        Ok(()) => Ok(Lock { _file: file }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = recording(&file.join("lake")).unwrap_err().to_string();
        assert!(refused.starts_with("cannot create the folder "), "{refused}");
    }

    #[test]
    fn a_link_in_the_place_of_a_lock_is_refused_and_what_it_points_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let (lake, outside) = (home.path().join("lake"), home.path().join("outside"));
        std::fs::create_dir(&lake).unwrap();
        std::fs::write(&outside, "precious").unwrap();
        for (name, lock) in [
            (RECORDING_LOCK, recording as fn(&Path) -> Result<Lock, LockError>),
            (CHANGE_LOCK, changes),
        ] {
            std::os::unix::fs::symlink(&outside, lake.join(name)).unwrap();
            let refused = format!("{:#}", anyhow::Error::from(lock(&lake).unwrap_err()));
            assert!(refused.contains("which is not followed: remove it"), "{refused}");
            assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        }
    }

    #[test]
    fn a_lake_has_one_recorder_and_says_who_has_it() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        assert!(!is_recording(&lake));
        let lock = recording(&lake).unwrap();
        assert!(is_recording(&lake));
        let refused = recording(&lake).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(changes(&lake).unwrap());
        drop(lock);
        assert!(!is_recording(&lake));
        recording(&lake).unwrap();
    }
}
