//! The simulator's clock, and the only place that reads the machine's.
//!
//! One reading is the wall clock at the start plus what the monotonic clock has run since, so it
//! never steps back. Must not know what the time is used for.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 UTC, never stepping back.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
    origin_ns: u64,
}

impl Clock {
    /// Takes the wall clock now as the origin.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    #[must_use]
    pub fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { origin: Instant::now(), origin_ns: saturating_ns(since_1970.as_nanos()) }
    }

    /// The time now, ns since 1970 UTC.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.origin_ns.saturating_add(saturating_ns(self.origin.elapsed().as_nanos()))
    }
}

fn saturating_ns(ns: u128) -> u64 {
    u64::try_from(ns).unwrap_or(u64::MAX)
}
