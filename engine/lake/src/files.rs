//! Creates and opens files so that nobody else can choose what is written to.
//!
//! New files have the mode 0640 and new folders 0750, or less if the umask says so. A name that is a
//! symbolic link is not followed, so a planted link can never make a process truncate or overwrite a
//! file elsewhere. [`fresh`] removes the link itself, because the file is ours alone; where the file
//! may be somebody else's, the link is an error that says what to do.

use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Mode of new files: the owner writes, the group reads.
pub const FILE_MODE: u32 = 0o640;
/// Mode of new folders.
pub const FOLDER_MODE: u32 = 0o750;

/// Creates a file that must not exist, for writing.
///
/// # Errors
/// If the name is taken, also by a link, or the operating system refuses.
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Creates a file for writing, in the place of whatever had its name. A link is removed, and what it
/// points to stays as it is.
///
/// # Errors
/// If a folder has the name, or the operating system refuses.
pub fn fresh(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => create_new(path),
    }
}

/// Opens a file that a person has named for an output, and empties it. A device, such as
/// `/dev/stdout`, is opened as it is.
///
/// # Errors
/// If the name is a link to a file, or the operating system refuses.
pub fn output(path: &Path) -> io::Result<File> {
    refuse_link_to_file(path)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Checks that [`output`] could open a file, and changes nothing. A missing file is created.
///
/// # Errors
/// The same as [`output`].
pub fn check_output(path: &Path) -> io::Result<()> {
    refuse_link_to_file(path)?;
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path).map(drop)
}

/// Opens a file of ours for reading and writing, and creates it if it is missing. Its content stays.
///
/// # Errors
/// If the name is a link, or a second name of a file elsewhere, or no file; or the operating system
/// refuses.
pub fn own(path: &Path) -> io::Result<File> {
    // A pipe in its place must not block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = match options.custom_flags(flags).open(path) {
        Err(_) if is_link(path) => return Err(link(path)),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || 1 < metadata.nlink() {
        let path = path.display();
        return Err(refused(format!("{path} is not a file of its own: remove it")));
    }
    Ok(file)
}

/// Creates a folder, whose parent must exist.
///
/// # Errors
/// If the operating system refuses.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Returns an error if a name is a symbolic link.
///
/// # Errors
/// The error, which says what to do.
pub fn refuse_link(path: &Path) -> io::Result<()> {
    if is_link(path) { Err(link(path)) } else { Ok(()) }
}

fn refuse_link_to_file(path: &Path) -> io::Result<()> {
    let is_device = |path: &Path| {
        let kind = fs::metadata(path).map(|metadata| metadata.file_type());
        kind.is_ok_and(|kind| kind.is_char_device() || kind.is_fifo() || kind.is_socket())
    };
    if is_device(path) { Ok(()) } else { refuse_link(path) }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn link(path: &Path) -> io::Error {
    let path = path.display();
    refused(format!("{path} is a symbolic link, which is not followed: remove it"))
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// A file outside, and a link to it.
    fn planted(home: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
        let (outside, link) = (home.join("outside"), home.join("link"));
        fs::write(&outside, "precious").unwrap();
        symlink(&outside, &link).unwrap();
        (outside, link)
    }

    #[test]
    fn new_files_and_folders_are_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let path = |name| home.path().join(name);
        drop(create_new(&path("new")).unwrap());
        drop(fresh(&path("fresh")).unwrap());
        drop(output(&path("output")).unwrap());
        check_output(&path("checked")).unwrap();
        drop(own(&path("own")).unwrap());
        create_folder(&path("folder")).unwrap();
        for name in ["new", "fresh", "output", "checked", "own"] {
            assert_eq!(mode(&path(name)) & !0o640, 0, "{name}");
        }
        assert_eq!(mode(&path("folder")) & !0o750, 0);
    }

    #[test]
    fn a_link_is_replaced_or_refused_and_what_it_points_to_stays() {
        let home = tempfile::tempdir().unwrap();
        let (outside, link) = planted(home.path());
        let told =
            format!("{} is a symbolic link, which is not followed: remove it", link.display());
        assert_eq!(create_new(&link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        for opened in [output(&link).map(drop), check_output(&link), own(&link).map(drop)] {
            assert_eq!(opened.unwrap_err().to_string(), told);
        }
        assert_eq!(refuse_link(&link).unwrap_err().to_string(), told);
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
        fresh(&link).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
        assert_eq!(fs::read(&link).unwrap(), b"ours");
        // A link to nothing would create a file elsewhere.
        let (nothing, dangling) = (home.path().join("nothing"), home.path().join("dangling"));
        symlink(&nothing, &dangling).unwrap();
        for opened in
            [output(&dangling).map(drop), check_output(&dangling), own(&dangling).map(drop)]
        {
            assert!(opened.is_err() && !nothing.exists());
        }
    }

    #[test]
    fn a_second_name_of_a_file_elsewhere_is_not_ours() {
        let home = tempfile::tempdir().unwrap();
        let (outside, second) = (home.path().join("outside"), home.path().join("second"));
        fs::write(&outside, "precious").unwrap();
        fs::hard_link(&outside, &second).unwrap();
        let refused = own(&second).unwrap_err().to_string();
        assert!(refused.ends_with("is not a file of its own: remove it"), "{refused}");
        fresh(&second).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
    }

    #[test]
    fn a_device_is_an_output() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        symlink("/dev/null", &link).unwrap();
        for device in [Path::new("/dev/null"), &link] {
            check_output(device).unwrap();
            output(device).unwrap().write_all(b"summary").unwrap();
        }
    }

    #[test]
    fn what_stands_in_a_file_of_ours_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "old").unwrap();
        check_output(&path).unwrap();
        drop(own(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(output(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
