//! The simulator's clock, the only code that reads the machine's clocks.
//!
//! The wall clock is read once, at the start. Later readings add the time that the monotonic clock
//! has measured since, so the simulator's time never steps back.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::duration::nanos;

/// A clock that counts nanoseconds since 1970 UTC and never steps back.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
    origin_ns: u64,
}

impl Clock {
    /// Starts a clock at the wall clock's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    #[must_use]
    pub fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { origin: Instant::now(), origin_ns: nanos(since_1970) }
    }

    /// Returns the time in ns since 1970 UTC.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.origin_ns.saturating_add(nanos(self.origin.elapsed()))
    }
}
