//! File descriptors: how many the process may have, and the error of having none left.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Remedy for a process that has no descriptor left.
pub const REMEDY: &str = "raise LimitNOFILE in the systemd unit (`ulimit -Hn` in a shell)";

/// Returns the number of descriptors that the process may have once its limit is [raised](raise).
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Raises the limit as far as the process may, to the hard limit.
///
/// # Errors
/// The operating system's error.
pub fn raise() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Returns whether an error says that the process (EMFILE) or the host (ENFILE) has no descriptor left.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        raise().unwrap();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(limit(), maximum.unwrap_or(u64::MAX));
    }

    #[test]
    fn having_no_descriptor_left_is_told_apart_from_other_errors() {
        // EMFILE, ENFILE, ENOSPC, EACCES.
        let told = [24, 23, 28, 13].map(|code| is_exhausted(&io::Error::from_raw_os_error(code)));
        assert_eq!(told, [true, true, false, false]);
        assert!(!is_exhausted(&io::Error::other("no code")));
    }
}
