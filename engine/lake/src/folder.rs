//! Folders and names in them that survive a power cut.
//!
//! A new or renamed file is on the disk only when its folder was synced too, and a new folder only
//! when the one above it was. It must not know what the files are.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a folder and those above it that are missing, and syncs each one's parent.
///
/// # Errors
/// If one cannot be made or its parent cannot be synced, or something else has its name.
pub fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync(parent.unwrap_or(Path::new("."))),
        // Somebody else was quicker.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// If the folder cannot be opened or synced.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_made_and_a_file_in_the_way_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b/c");
        create(&deep).unwrap();
        create(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(home.path().join("file"), "x").unwrap();
        assert!(create(&home.path().join("file")).is_err());
        assert!(create(&home.path().join("file/under")).is_err());
        assert_eq!(fs::read(home.path().join("file")).unwrap(), b"x");
    }
}
