//! A file of lines that does not grow without end: at its bound it is renamed to `NAME.1`, in place
//! of the one before, and a new one begins.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The owner writes, its group reads, nobody else does anything.
const MODE: u32 = 0o640;

/// The file.
#[derive(Debug)]
pub(super) struct BoundedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    /// Whether a line was written in part, so that the next one begins behind a newline.
    is_torn: bool,
}

impl BoundedFile {
    /// Opens a file to append to, or makes it. No link is followed.
    pub(super) fn open(path: &Path, bytes_max: u64) -> io::Result<BoundedFile> {
        let (file, bytes) = open(path)?;
        Ok(BoundedFile { path: path.to_owned(), file, bytes, bytes_max, is_torn: false })
    }

    /// Appends a line.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.bytes_max <= self.bytes {
            self.turn()?;
        }
        let text = format!("{}{line}\n", if self.is_torn { "\n" } else { "" });
        // Until it is whole, the line may be there in part.
        self.is_torn = true;
        self.file.write_all(text.as_bytes())?;
        self.is_torn = false;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut earlier = self.path.clone().into_os_string();
        earlier.push(".1");
        std::fs::rename(&self.path, earlier)?;
        (self.file, self.bytes) = open(&self.path)?;
        self.is_torn = false;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    // Without NONBLOCK, opening a FIFO would wait for its other end.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(|_| ErrorKind::InvalidInput)?;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(MODE).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    if found.permissions().mode() & 0o777 & !MODE != 0 {
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok((file, found.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_full_file_is_renamed_and_its_mode_is_that_of_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let mut file = BoundedFile::open(&path, 20).unwrap();
        (0..9).for_each(|number| file.append(&format!("line {number}")).unwrap());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("audit.jsonl"), "line 6\nline 7\nline 8\n");
        assert_eq!(read("audit.jsonl.1"), "line 3\nline 4\nline 5\n");
        for name in ["audit.jsonl", "audit.jsonl.1"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, MODE, "{name}");
        }
        drop(file);
        let mut file = BoundedFile::open(&path, 1000).unwrap();
        file.append("line 9").unwrap();
        assert!(read("audit.jsonl").ends_with("line 8\nline 9\n"), "it is appended to");
    }

    #[test]
    fn links_and_what_is_no_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "kept").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        BoundedFile::open(&link, 20).unwrap_err();
        BoundedFile::open(folder.path(), 20).unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }

    #[test]
    fn a_line_behind_one_that_was_torn_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut file = BoundedFile::open(&path, 1000).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let kept = std::mem::replace(&mut file.file, full);
        file.append("one").unwrap_err();
        file.file = kept;
        file.append("two").unwrap();
        file.append("three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "\ntwo\nthree\n");
    }
}
