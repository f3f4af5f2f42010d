//! Folders and file names that survive a power cut, and files that are replaced as a whole.
//!
//! A new or renamed file is on the disk only once its folder was synced too, and a new folder only
//! once its parent was. A file that readers may open at any time is therefore written under another
//! name, synced, renamed into place, and its folder is synced: whoever opens it, also after a
//! crash, finds the old content or the new one.

use crate::files;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Creates a folder and its missing parents, and syncs the parent of each new one.
///
/// # Errors
/// If a folder cannot be created, its parent cannot be synced, or a file has its name.
pub fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = parent_of(folder);
    create(parent)?;
    match files::create_folder(folder) {
        Ok(()) => sync(parent),
        // Another process was quicker.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates a folder of a lake as [`create`] does. No folder between the lake and this one may be a
/// symbolic link: what is written must lie in the lake. The lake itself may be one.
///
/// # Errors
/// The same as [`create`], and if a folder is a link or does not lie in the lake.
pub fn create_in(lake: &Path, folder: &Path) -> io::Result<()> {
    create(lake)?;
    let Ok(within) = folder.strip_prefix(lake) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut place = lake.to_owned();
    for part in within {
        place.push(part);
        files::refuse_link(&place)?;
        create(&place)?;
    }
    Ok(())
}

/// Checks that nothing directly in a lake is a symbolic link. A lake that does not exist has none.
///
/// # Errors
/// The first link, with what to do, or the operating system's error.
pub fn refuse_links(lake: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(lake) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        files::refuse_link(&entry?.path())?;
    }
    Ok(())
}

/// Syncs a folder, so that the names in it survive a power cut.
///
/// # Errors
/// If the folder cannot be opened or synced.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file as a whole, in the place of an older one.
///
/// `write` fills `unfinished`, which must lie on the same disk and which no other process may use.
/// If anything fails, the older file stays and `unfinished` is deleted; a process that is killed
/// meanwhile leaves it behind, and the next call overwrites it.
///
/// # Errors
/// The error of `write`, or that of the operating system. If only the last step failed, the sync of
/// the folder, the new file is in place already.
pub fn replace<T, E: From<io::Error>>(
    unfinished: &Path,
    path: &Path,
    write: impl FnOnce(&File) -> Result<T, E>,
) -> Result<T, E> {
    let written = replace_unsynced(unfinished, path, |file| -> Result<T, E> {
        let written = write(file)?;
        file.sync_all()?;
        Ok(written)
    })?;
    sync(parent_of(path))?;
    Ok(written)
}

/// Writes a file as [`replace`] does, but syncs nothing.
///
/// Whoever opens the file while the machine runs finds the old content or the new one; after a
/// power cut it may be empty or incomplete. This suits a cache that checks what it reads, where a
/// sync for each of its many files would take longer than computing them again.
///
/// # Errors
/// The error of `write`, or that of the operating system.
pub fn replace_unsynced<T, E: From<io::Error>>(
    unfinished: &Path,
    path: &Path,
    write: impl FnOnce(&File) -> Result<T, E>,
) -> Result<T, E> {
    let file = files::fresh(unfinished)?;
    let replaced = write(&file).and_then(|written| {
        fs::rename(unfinished, path)?;
        Ok(written)
    });
    // Best effort: the error that is returned says more.
    replaced.inspect_err(|_| fs::remove_file(unfinished).unwrap_or_default())
}

/// Gives a file that is written and synced its final name, in the place of an older file, and syncs
/// the folder of that name.
///
/// # Errors
/// If the operating system refuses. If only the sync failed, the file has its new name already.
pub fn put_in_place(finished: &Path, path: &Path) -> io::Result<()> {
    fs::rename(finished, path)?;
    sync(parent_of(path))
}

/// Returns the folder that a path lies in.
fn parent_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The names in a folder, sorted.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Replaces `file` in a folder as a process does that is killed after `bytes` bytes.
    fn killed_after(bytes: usize, folder: &Path, content: &[u8]) {
        let (unfinished, path) = (folder.join("file.tmp"), folder.join("file"));
        let killed = catch_unwind(AssertUnwindSafe(|| {
            replace(&unfinished, &path, |mut file| -> io::Result<()> {
                file.write_all(&content[..bytes])?;
                std::panic::resume_unwind(Box::new("killed"));
            })
        }));
        assert!(killed.is_err(), "it was killed while writing");
    }

    #[test]
    fn a_process_killed_while_writing_leaves_the_older_file_and_the_next_one_replaces_it() {
        let home = tempfile::tempdir().unwrap();
        let (unfinished, path) = (home.path().join("file.tmp"), home.path().join("file"));
        let put = |content: &[u8]| {
            replace(&unfinished, &path, |mut file| file.write_all(content)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(names(home.path()), ["file"]);
        };
        let content = b"a longer content";
        for bytes in 0..=content.len() {
            put(b"old");
            killed_after(bytes, home.path(), content);
            assert_eq!(fs::read(&path).unwrap(), b"old", "killed after {bytes} bytes");
            // What it left is longer than what comes next, and must not show.
            put(b"new");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_older_file_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let (unfinished, path) = (home.path().join("file.tmp"), home.path().join("file"));
        fs::write(&path, "old").unwrap();
        let failed = replace(&unfinished, &path, |mut file| -> io::Result<()> {
            file.write_all(b"half of it")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            (names(home.path()), fs::read(&path).unwrap()),
            (vec!["file".into()], b"old".into())
        );
        // A folder that is not empty cannot be replaced by a file: the rename fails.
        let folder = home.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("inside"), "x").unwrap();
        for replaced in [
            replace(&unfinished, &folder, |mut file| file.write_all(b"new")),
            replace_unsynced(&unfinished, &folder, |mut file| file.write_all(b"new")),
        ] {
            assert!(replaced.is_err());
            assert_eq!(names(home.path()), ["file", "folder"]);
            assert_eq!(names(&folder), ["inside"]);
        }
        // The file to be written cannot even be created.
        let missing = home.path().join("missing/file.tmp");
        let write = |_: &File| -> io::Result<()> { panic!("there is no file to write to") };
        assert_eq!(replace(&missing, &path, write).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_finished_file_takes_the_place_of_an_older_one_or_stays_where_it_is() {
        let home = tempfile::tempdir().unwrap();
        let (finished, path) = (home.path().join("ready"), home.path().join("file"));
        fs::write(&path, "old").unwrap();
        fs::write(&finished, "new").unwrap();
        put_in_place(&finished, &home.path().join("missing/file")).unwrap_err();
        assert_eq!(names(home.path()), ["file", "ready"]);
        put_in_place(&finished, &path).unwrap();
        assert_eq!(names(home.path()), ["file"]);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(put_in_place(&finished, &path).is_err(), "it is in place already");
    }

    #[test]
    fn a_lake_may_be_a_link_and_its_folders_may_not() {
        let home = tempfile::tempdir().unwrap();
        let (disk, lake) = (home.path().join("disk"), home.path().join("lake"));
        let outside = home.path().join("outside");
        for folder in [&disk, &outside] {
            fs::create_dir(folder).unwrap();
        }
        std::os::unix::fs::symlink(&disk, &lake).unwrap();
        create_in(&lake, &lake.join("a/b")).unwrap();
        create_in(&lake, &lake.join("a/b")).unwrap();
        assert!(disk.join("a/b").is_dir());
        std::os::unix::fs::symlink(&outside, lake.join("a/link")).unwrap();
        for folder in ["a/link", "a/link/deep"] {
            let refused = create_in(&lake, &lake.join(folder)).unwrap_err().to_string();
            let told = "a/link is a symbolic link, which is not followed: remove it";
            assert!(refused.ends_with(told), "{refused}");
        }
        assert!(create_in(&lake, &outside).is_err());
        refuse_links(&lake).unwrap();
        refuse_links(&home.path().join("missing")).unwrap();
        std::os::unix::fs::symlink(&outside, lake.join("journal")).unwrap();
        let refused = refuse_links(&lake).unwrap_err().to_string();
        assert!(refused.contains("journal is a symbolic link"), "{refused}");
        assert!(names(&outside).is_empty());
    }

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
