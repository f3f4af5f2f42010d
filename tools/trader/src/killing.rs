//! What turns the kill switch: a file, a signal, a command.
//!
//! The switch is looked at before each order. File and signal are looked at in each duty cycle, before
//! anything is decided; the file at most every 10 ms.

use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_trading::kill::KillSwitch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Interval at which the file is looked for.
const LOOK_EVERY: Nanos = 10 * MILLI;

/// What turns the switch.
#[derive(Debug)]
pub(crate) struct Killing {
    switch: KillSwitch,
    signal: Arc<AtomicBool>,
    file: PathBuf,
    look_at: Nanos,
    is_there: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The file is there.
    File,
    /// The signal came.
    Signal,
}

impl Killing {
    /// Watches a file and a flag that a signal sets.
    #[must_use]
    pub(crate) fn new(switch: KillSwitch, signal: Arc<AtomicBool>, file: PathBuf) -> Killing {
        Killing { switch, signal, file, look_at: 0, is_there: false }
    }

    /// Looks, at `now`, and turns the switch on if there is reason to. Returns a cause that is new.
    pub(crate) fn look(&mut self, now: Nanos) -> Option<Cause> {
        let mut cause = self.signal.swap(false, Ordering::AcqRel).then_some(Cause::Signal);
        if self.look_at <= now {
            self.look_at = now.saturating_add(LOOK_EVERY);
            let is_there = is_there(&self.file);
            if is_there && !self.is_there {
                cause = Some(Cause::File);
            }
            self.is_there = is_there;
        }
        if cause.is_some() || self.is_there {
            self.switch.set(true);
        }
        cause
    }

    /// Turns the switch off.
    ///
    /// # Errors
    /// While the file is there; says what to do.
    pub(crate) fn release(&mut self) -> Result<(), String> {
        self.is_there = is_there(&self.file);
        if self.is_there {
            return Err(format!("{} is there: remove it first", self.file.display()));
        }
        self.switch.set(false);
        Ok(())
    }

    /// Returns the file.
    #[must_use]
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

/// Returns whether the file is there. One that cannot be seen may well be there.
fn is_there(file: &Path) -> bool {
    match std::fs::symlink_metadata(file) {
        Ok(_) => true,
        Err(error) => !spreadwire_lake::inode::is_gone(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_a_signal_turns_the_switch_and_it_stays() {
        let home = tempfile::tempdir().unwrap();
        let (file, signal) = (home.path().join("kill"), Arc::new(AtomicBool::new(false)));
        let switch = KillSwitch::default();
        let mut killing = Killing::new(switch.clone(), Arc::clone(&signal), file.clone());
        assert_eq!((killing.look(0), switch.is_on()), (None, false));
        std::fs::write(&file, "").unwrap();
        assert_eq!((killing.look(LOOK_EVERY - 1), switch.is_on()), (None, false), "not yet");
        assert_eq!((killing.look(LOOK_EVERY), switch.is_on()), (Some(Cause::File), true));
        assert_eq!(killing.look(2 * LOOK_EVERY), None, "told once");
        assert!(killing.release().unwrap_err().contains("remove it first") && switch.is_on());
        std::fs::remove_file(&file).unwrap();
        assert_eq!((killing.look(3 * LOOK_EVERY), switch.is_on()), (None, true), "it stays on");
        assert_eq!((killing.release(), switch.is_on()), (Ok(()), false));
        signal.store(true, Ordering::Release);
        assert_eq!((killing.look(0), switch.is_on()), (Some(Cause::Signal), true));
        // Also root may not look into a loop of links.
        let looped = home.path().join("loop");
        std::os::unix::fs::symlink("loop", &looped).unwrap();
        let mut killing = Killing::new(KillSwitch::default(), signal, looped.join("kill"));
        assert_eq!(killing.look(0), Some(Cause::File), "what cannot be seen may be there");
    }
}
