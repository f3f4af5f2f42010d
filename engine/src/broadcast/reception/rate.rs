//! How much a client says within a second.

use spreadwire_market::clock::{Nanos, SECOND};

/// The current second of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    since: Nanos,
    frames: u32,
    bytes: usize,
}

impl Rate {
    /// Begins with nothing said.
    pub(super) fn new(now: Nanos) -> Rate {
        Rate { since: now, frames: 0, bytes: 0 }
    }

    /// Counts a frame, or the bytes of one that is not whole yet.
    pub(super) fn count(&mut self, frames: u32, bytes: usize, now: Nanos) {
        if self.since + SECOND <= now {
            *self = Rate::new(now);
        }
        self.frames += frames;
        self.bytes += bytes;
    }

    /// Returns whether it is within the limits.
    pub(super) fn is_within(&self, frames_max: u32, bytes_max: usize) -> bool {
        self.frames <= frames_max && self.bytes <= bytes_max
    }
}
