//! The locks of a lake.
//!
//! An engine holds the [recording lock](recording) as long as it records. Every program that adds
//! or replaces files holds the [change lock](changes) meanwhile. A lock is one of an inode, not of a
//! path: whoever deletes its file or moves the lake leaves the holder with a lock that keeps nobody
//! out. The holder [watches](Watch) for that, and what belongs to a run that lives, its mark and its
//! open segment, is [locked itself](try_own), so that nobody recovers it meanwhile.

use crate::files;
use crate::folder;
use crate::inode::Inode;
use crate::layout::{CHANGE_LOCK, RECORDING_LOCK};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait of a tool for whoever else changes the lake.
const CHANGES_WAIT: Duration = Duration::from_secs(60);
/// Interval at which a lock is tried that somebody else holds.
const TRY_INTERVAL: Duration = Duration::from_millis(20);

/// The reason why a lake could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{path} is locked: another engine or tool works on this lake ({holder})")]
    Taken {
        /// File of the lock.
        path: PathBuf,
        /// Who holds it, in words: process number and name.
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
    /// The lake is not the folder any more that was locked.
    #[error("{lake} was moved or deleted: it is not the folder that was locked")]
    Moved {
        /// Path of the lake.
        lake: PathBuf,
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
    file: File,
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
            let holder = holder_of(&file);
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

/// Waits up to a minute until nobody else adds or replaces files of the lake, and then keeps others
/// from doing so.
///
/// # Errors
/// [`LockError::Taken`] if somebody does for longer.
pub fn changes(lake: &Path) -> Result<Lock, LockError> {
    changes_within(lake, CHANGES_WAIT)
}

/// Does what [`changes`] does, and waits for another time.
///
/// # Errors
/// The same as [`changes`].
pub fn changes_within(lake: &Path, patience: Duration) -> Result<Lock, LockError> {
    let (file, path) = open_lock(lake, CHANGE_LOCK)?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { file }),
            Err(TryLockError::WouldBlock) if waited < patience => {
                std::thread::sleep(TRY_INTERVAL);
                waited += TRY_INTERVAL;
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder_of(&file);
                return Err(LockError::Taken { path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }),
        }
    }
}

/// Waits until nobody adds or replaces files of the lake, and then keeps others from doing so while
/// they may read. Returns `None` if the lake was never changed, or its file system has no locks.
#[must_use]
pub fn reading(lake: &Path) -> Option<Lock> {
    let file = File::open(lake.join(CHANGE_LOCK)).ok()?;
    file.lock_shared().ok()?;
    Some(Lock { file })
}

/// Locks a file that belongs to a run as long as the run lives. Returns nothing where the file system
/// has no locks.
///
/// # Errors
/// If the file cannot be opened, or somebody else holds it.
pub fn try_own(path: &Path) -> io::Result<Option<Lock>> {
    let file = File::open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Returns who holds a file that belongs to a run, in words; `None` if nobody does, or the file is
/// gone.
///
/// # Errors
/// If that cannot be told: it may well be held.
pub fn owner_of(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    Ok(is_held.then(|| holder_of(&file)))
}

/// Holds the recording lock, and watches that it is the one of the lake at its path.
#[derive(Debug)]
pub struct Watch {
    lake: PathBuf,
    folder: Inode,
    inode: Inode,
    lock: Lock,
}

impl Watch {
    /// Begins to watch a lake whose recording lock is held.
    ///
    /// # Errors
    /// If the lake or the lock cannot be looked at.
    pub fn begin(lake: &Path, lock: Lock) -> io::Result<Watch> {
        let (folder, inode) = (fs::metadata(lake)?, lock.file.metadata()?);
        let (folder, inode) = (Inode::of(&folder), Inode::of(&inode));
        Ok(Watch { lake: lake.to_owned(), folder, inode, lock })
    }

    /// Returns whether the lake is certainly not at its path any more.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.folder.has_left(&self.lake)
    }

    /// Looks whether the lake and its lock are still those that are held. A lock whose file was deleted
    /// is taken anew. Returns whether that was so.
    ///
    /// # Errors
    /// [`LockError::Moved`] if another folder or none is at the path, [`LockError::Taken`] if the lock
    /// there is somebody else's. What cannot be seen now is no error: it may well be there.
    pub fn look(&mut self) -> Result<bool, LockError> {
        let path = self.lake.join(RECORDING_LOCK);
        if self.is_moved() {
            return Err(LockError::Moved { lake: self.lake.clone() });
        }
        if !self.inode.has_left(&path) {
            return Ok(false);
        }
        let lock = recording(&self.lake)?;
        let metadata = lock.file.metadata().map_err(|source| LockError::Io { path, source })?;
        (self.inode, self.lock) = (Inode::of(&metadata), lock);
        Ok(true)
    }
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

/// Writes the process number into the file, for a person who looks at it.
fn signed(mut file: File, path: PathBuf) -> Result<Lock, LockError> {
    let written = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
    match written {
        Ok(()) => Ok(Lock { file }),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// Returns the processes that hold a lock on a file, in words. The kernel's own list names them,
/// also those that only read, which cannot write their number into the file.
fn holder_of(file: &File) -> String {
    let inode = file.metadata().map(|metadata| metadata.ino()).unwrap_or(0);
    let list = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holders: Vec<String> = holders_in(&list, inode).map(process_named).collect();
    if holders.is_empty() { "process unknown".to_owned() } else { holders.join(", ") }
}

/// Returns the processes that hold a `flock` on an inode by the kernel's list:
/// `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`. Who only waits has an arrow in front.
fn holders_in(list: &str, inode: u64) -> impl Iterator<Item = u32> {
    list.lines().filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = words[..] else { return None };
        let found: u64 = file.rsplit(':').next()?.parse().ok()?;
        process.parse().ok().filter(|_| found == inode)
    })
}

/// Returns a process in words: `process 4711 (lake), which is suspended`.
fn process_named(process: u32) -> String {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let name = match name.trim() {
        "" => String::new(),
        name => format!(" ({name})"),
    };
    let is_suspended = status.lines().any(|line| line.starts_with("State:\tT"));
    let state = if is_suspended { ", which is suspended" } else { "" };
    format!("process {process}{name}{state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = recording(&file.join("lake")).unwrap_err().to_string();
        assert!(refused.starts_with("cannot create the folder "), "{refused}");
    }

    #[test]
    fn a_link_in_the_place_of_a_lock_is_refused_and_what_it_points_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let (lake, outside) = (home.path().join("lake"), home.path().join("outside"));
        fs::create_dir(&lake).unwrap();
        fs::write(&outside, "precious").unwrap();
        for (name, lock) in [
            (RECORDING_LOCK, recording as fn(&Path) -> Result<Lock, LockError>),
            (CHANGE_LOCK, changes),
        ] {
            std::os::unix::fs::symlink(&outside, lake.join(name)).unwrap();
            let refused = format!("{:#}", anyhow::Error::from(lock(&lake).unwrap_err()));
            assert!(refused.contains("which is not followed: remove it"), "{refused}");
            assert_eq!(fs::read(&outside).unwrap(), b"precious");
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

    #[test]
    fn the_kernels_list_names_holders_and_not_those_who_wait() {
        let list = "1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF\n\
                    1: -> FLOCK  ADVISORY  WRITE 4712 08:01:131 0 EOF\n\
                    2: POSIX  ADVISORY  READ  4713 08:01:131 0 EOF\n\
                    3: FLOCK  ADVISORY  READ  4714 00:2b:131 0 EOF\n\
                    4: FLOCK  ADVISORY  READ  4715 08:01:132 0 EOF\n";
        assert_eq!(holders_in(list, 131).collect::<Vec<_>>(), [4711, 4714]);
        assert_eq!(holders_in("", 131).count(), 0);
    }

    #[test]
    fn a_change_lock_is_waited_for_no_longer_than_agreed_and_its_holder_is_named() {
        let home = tempfile::tempdir().unwrap();
        let held = changes(home.path()).unwrap();
        let refused = changes_within(home.path(), Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} (", std::process::id())), "{refused}");
        drop(held);
        drop(changes_within(home.path(), Duration::ZERO).unwrap());
        let _reader = reading(home.path()).unwrap();
        assert!(matches!(
            changes_within(home.path(), Duration::ZERO),
            Err(LockError::Taken { .. })
        ));
    }

    #[test]
    fn what_is_owned_is_told_and_what_cannot_be_seen_is_no_free_file() {
        let home = tempfile::tempdir().unwrap();
        let (path, unseen) = (home.path().join("mark"), home.path().join("loop"));
        assert_eq!(owner_of(&path).unwrap(), None);
        fs::write(&path, "").unwrap();
        assert_eq!(owner_of(&path).unwrap(), None);
        let own = try_own(&path).unwrap().unwrap();
        let owner = owner_of(&path).unwrap().unwrap();
        assert!(owner.starts_with(&format!("process {}", std::process::id())), "{owner}");
        assert!(try_own(&path).is_err());
        drop(own);
        assert_eq!(owner_of(&path).unwrap(), None);
        std::os::unix::fs::symlink("loop", &unseen).unwrap();
        assert!(owner_of(&unseen).is_err());
    }

    #[test]
    fn the_holder_of_a_lock_notices_that_the_lake_is_another_or_its_lock_somebody_elses() {
        let home = tempfile::tempdir().unwrap();
        let (lake, moved) = (home.path().join("lake"), home.path().join("moved"));
        let mut watch = Watch::begin(&lake, recording(&lake).unwrap()).unwrap();
        assert!(!watch.look().unwrap());
        fs::remove_file(lake.join(RECORDING_LOCK)).unwrap();
        assert!(watch.look().unwrap() && !watch.look().unwrap(), "it is locked anew, once");
        assert!(matches!(recording(&lake), Err(LockError::Taken { .. })));
        fs::rename(&lake, &moved).unwrap();
        assert!(watch.is_moved() && matches!(watch.look(), Err(LockError::Moved { .. })));
        fs::create_dir(&lake).unwrap();
        assert!(matches!(watch.look(), Err(LockError::Moved { .. })), "another folder");
        fs::remove_dir(&lake).unwrap();
        // Also root may not look into a loop of links.
        std::os::unix::fs::symlink("lake", &lake).unwrap();
        assert!(!watch.look().unwrap(), "what cannot be seen may well be there");
        fs::remove_file(&lake).unwrap();
        fs::rename(&moved, &lake).unwrap();
        assert!(!watch.look().unwrap());
        fs::remove_file(lake.join(RECORDING_LOCK)).unwrap();
        let other = recording(&lake).unwrap();
        assert!(matches!(watch.look(), Err(LockError::Taken { .. })));
        drop(other);
        assert!(watch.look().unwrap());
    }
}
