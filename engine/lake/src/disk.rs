//! Room on a disk: how much is free, and allocating some ahead for a file that grows.
//!
//! Where the operating system or the file system cannot allocate ahead, nothing is allocated.

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

/// A growing file allocates room in steps of this many bytes, so that a full disk shows before the
/// write.
pub const STEP_BYTES: u64 = 16 << 20;

type Probe = dyn FnMut(&Path) -> io::Result<u64> + Send;

/// Tells how many bytes are free on the disk of a folder. It is handed in, so that tests can
/// simulate a disk.
pub struct FreeSpace(Box<Probe>);

impl FreeSpace {
    /// Returns the probe that asks the operating system.
    #[must_use]
    pub fn of_host() -> FreeSpace {
        FreeSpace::new(|folder| {
            let disk = statvfs(folder)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        })
    }

    /// Returns a probe that calls a function.
    #[must_use]
    pub fn new(bytes: impl FnMut(&Path) -> io::Result<u64> + Send + 'static) -> FreeSpace {
        FreeSpace(Box::new(bytes))
    }

    /// Returns the number of bytes that are free for this process on the disk of a folder.
    ///
    /// # Errors
    /// If the folder does not exist or the process may not access it.
    pub fn bytes(&mut self, folder: &Path) -> io::Result<u64> {
        (self.0)(folder)
    }
}

impl fmt::Debug for FreeSpace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FreeSpace")
    }
}

/// The room allocated beyond the end of a file.
#[derive(Debug)]
pub struct Ahead {
    until: u64,
    step_bytes: u64,
    /// Whether the file system can allocate ahead.
    possible: bool,
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead::in_steps_of(STEP_BYTES)
    }
}

impl Ahead {
    /// Allocates in steps of so many bytes.
    pub(crate) fn in_steps_of(step_bytes: u64) -> Ahead {
        Ahead { until: 0, step_bytes, possible: true }
    }

    /// Returns how much is allocated beyond `end`, bytes.
    pub(crate) fn beyond(&self, end: u64) -> u64 {
        self.until.saturating_sub(end)
    }

    /// Never allocates: for tests that write to something other than a file.
    pub(crate) fn never() -> Ahead {
        Ahead { possible: false, ..Ahead::default() }
    }

    /// Makes sure that `bytes` more fit behind `end`, the length of the file, which does not
    /// change.
    ///
    /// # Errors
    /// If the disk is full or the file cannot be written.
    pub fn cover(&mut self, file: &File, end: u64, bytes: u64) -> io::Result<()> {
        if !self.possible || end.saturating_add(bytes) <= self.until {
            return Ok(());
        }
        let step = self.step_bytes.max(bytes);
        match fallocate(file, FallocateFlags::KEEP_SIZE, end, step) {
            Ok(()) => self.until = end.saturating_add(step),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.possible = false,
            // The next write tries again.
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn room_ahead_leaves_the_length_alone_and_is_asked_for_in_steps() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "abc").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let mut ahead = Ahead::default();
        ahead.cover(&file, 3, 100).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        if ahead.possible {
            assert_eq!(ahead.until, 3 + STEP_BYTES);
            ahead.cover(&file, 3, STEP_BYTES).unwrap();
            assert_eq!(ahead.until, 3 + STEP_BYTES, "that much was there already");
            ahead.cover(&file, 4, STEP_BYTES).unwrap();
            assert_eq!(ahead.until, 4 + STEP_BYTES);
        }
        let read_only = File::open(&path).unwrap();
        let refused = Ahead::default().cover(&read_only, 0, 1).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(Errno::BADF.raw_os_error()));
    }

    #[test]
    fn the_host_says_how_much_is_free_and_of_no_folder_nothing() {
        let home = tempfile::tempdir().unwrap();
        let mut free = FreeSpace::of_host();
        assert!(0 < free.bytes(home.path()).unwrap());
        let missing = free.bytes(&home.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
