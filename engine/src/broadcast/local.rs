//! A listening Unix socket, made and removed so that nothing else is lost.
//!
//! A socket that is bound has the permissions of the process's umask until they are changed. Here it
//! is bound under another name, given mode 0660, and only then renamed, so that nobody else gets in
//! for a moment. What is in its place is removed only if it is a socket on which nobody listens. No
//! link is followed.

use mio::net::UnixListener;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The owner and its group connect, nobody else.
const MODE: u32 = 0o660;

/// A listener that removes its socket at the end, if that is still its own.
#[derive(Debug)]
pub(super) struct LocalListener {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket.
    identity: (u64, u64),
}

impl LocalListener {
    /// Makes the socket.
    ///
    /// # Errors
    /// If something else is there, or somebody listens there, or what the OS says.
    pub(super) fn bind(path: &Path) -> io::Result<LocalListener> {
        remove_stale(path)?;
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy();
        let made = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let listener = UnixListener::bind(&made)?;
        let moved = publish(&made, path);
        if moved.is_err() {
            // What was made for nothing is taken back; the first error is the one to tell.
            drop(fs::remove_file(&made));
        }
        Ok(LocalListener { listener, path: path.to_owned(), identity: moved? })
    }

    /// Returns where the socket is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl AsRawFd for LocalListener {
    fn as_raw_fd(&self) -> RawFd {
        self.listener.as_raw_fd()
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // One that is left is removed at the next start.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn publish(made: &Path, path: &Path) -> io::Result<(u64, u64)> {
    fs::set_permissions(made, Permissions::from_mode(MODE))?;
    let identity = identity(made)?;
    renameat_with(CWD, made, CWD, path, RenameFlags::NOREPLACE)?;
    Ok(identity)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let reason = "something that is no socket is there already";
        return Err(io::Error::new(ErrorKind::AlreadyExists, reason));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "somebody listens there")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let listener = LocalListener::bind(&path).unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, MODE);
        drop(UnixStream::connect(&path).unwrap());
        drop(listener);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_that_another_has_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        let first = LocalListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = LocalListener::bind(&path).unwrap();
        drop(first);
        drop(UnixStream::connect(&path).unwrap());
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let _listener = LocalListener::bind(&path).unwrap();
        drop(UnixStream::connect(&path).unwrap());
    }

    #[test]
    fn what_is_there_and_no_stale_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let _listening = LocalListener::bind(&at("live")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("stale")).unwrap());
        fs::write(at("file"), "kept").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(at(to), at(name)).unwrap();
        link("stale", "link_to_stale");
        link("nothing", "link_to_nothing");
        let before = fs::read_dir(&folder).unwrap().count();
        for name in ["live", "file", "folder", "link_to_stale", "link_to_nothing"] {
            let error = LocalListener::bind(&at(name)).unwrap_err();
            let kinds = [ErrorKind::AlreadyExists, ErrorKind::AddrInUse];
            assert!(kinds.contains(&error.kind()), "{name}: {error}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), before, "nothing came or went");
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "kept");
        drop(UnixStream::connect(at("live")).unwrap());
    }
}
