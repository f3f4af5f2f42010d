//! The kill switch: while anything has turned it on, no order is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What can turn the switch on. Each turns its own part off again, and no other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// A person's command.
    Command = 1,
    /// The kill file exists.
    File = 2,
    /// A signal.
    Signal = 4,
    /// The journal of decisions cannot be written.
    Journal = 8,
}

/// A switch that any thread can turn, and that is looked at before every order. All clones are one
/// switch.
#[derive(Clone, Debug, Default)]
pub struct KillSwitch(Arc<AtomicU8>);

impl KillSwitch {
    /// Returns whether anything has turned it on.
    #[must_use]
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    /// Turns it on or off for one cause; returns whether that changed anything.
    pub fn turn(&self, cause: Cause, on: bool) -> bool {
        let bit = cause as u8;
        let before = match on {
            true => self.0.fetch_or(bit, Ordering::AcqRel),
            false => self.0.fetch_and(!bit, Ordering::AcqRel),
        };
        (before & bit != 0) != on
    }

    /// Turns it on or off as a person's command does.
    pub fn set(&self, on: bool) {
        self.turn(Cause::Command, on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_while_any_cause_holds() {
        let switch = KillSwitch::default();
        let other = switch.clone();
        assert!(switch.turn(Cause::File, true) && !switch.turn(Cause::File, true));
        other.turn(Cause::Signal, true);
        assert!(switch.turn(Cause::File, false) && switch.is_on());
        assert!(other.turn(Cause::Signal, false) && !switch.is_on());
    }
}
