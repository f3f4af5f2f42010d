//! What a path leads to, whatever else is or was there.
//!
//! A path is a name, and names change: a folder is moved, a file deleted and made anew. Whoever holds
//! a file compares inodes to find out. "Nothing is there" is said only where the operating system says
//! so; any other answer means that it cannot be seen now, and it may well be there.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The identity of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    /// Returns the identity that belongs to metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Inode {
        Inode { device: metadata.dev(), number: metadata.ino() }
    }

    /// Returns the identity of an open file.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn of_file(file: &File) -> io::Result<Inode> {
        file.metadata().map(|metadata| Inode::of(&metadata))
    }

    /// Returns what a path leads to; `None` if nothing is there.
    ///
    /// # Errors
    /// If that cannot be seen.
    pub fn at(path: &Path) -> io::Result<Option<Inode>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Inode::of(&metadata))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns whether a path certainly leads to something else, or to nothing.
    #[must_use]
    pub fn has_left(self, path: &Path) -> bool {
        Inode::at(path).is_ok_and(|found| found != Some(self))
    }
}

/// Returns whether an error says that nothing is there, and not that it cannot be seen.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Returns whether there is certainly nothing at a path.
#[must_use]
pub fn is_missing(path: &Path) -> bool {
    matches!(Inode::at(path), Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_what_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let (file, unseen) = (home.path().join("file"), home.path().join("loop"));
        fs::write(&file, "x").unwrap();
        // Also root may not follow a loop of links.
        std::os::unix::fs::symlink("loop", &unseen).unwrap();
        let inode = Inode::of_file(&File::open(&file).unwrap()).unwrap();
        assert_eq!(Inode::at(&file).unwrap(), Some(inode));
        assert!(!inode.has_left(&file) && !is_missing(&file));
        for missing in [home.path().join("missing"), file.join("under")] {
            assert!(inode.has_left(&missing) && is_missing(&missing), "{missing:?}");
        }
        for hidden in [unseen.clone(), unseen.join("file")] {
            assert!(Inode::at(&hidden).is_err());
            assert!(!inode.has_left(&hidden) && !is_missing(&hidden), "{hidden:?}");
        }
        fs::rename(&file, home.path().join("moved")).unwrap();
        fs::write(&file, "another").unwrap();
        assert!(inode.has_left(&file) && !inode.has_left(&home.path().join("moved")));
    }
}
