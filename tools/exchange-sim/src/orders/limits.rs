//! Counts requests in fixed windows of time, as venues limit them.

use std::collections::HashMap;

/// A limit: at most this many in a window of this length. Windows begin at multiples of their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) window_ns: u64,
    pub(crate) most: u64,
}

impl Limit {
    /// Returns when the window of `now_ns` ends.
    pub(crate) fn ends_ns(&self, now_ns: u64) -> u64 {
        (now_ns / self.window_ns + 1) * self.window_ns
    }
}

/// What was used in the current window of each limit.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    used: HashMap<&'static str, (u64, u64)>,
}

impl Limits {
    /// Uses `weight` of a limit. Returns when the window ends, if that is more than it allows.
    pub(crate) fn take(&mut self, limit: &Limit, weight: u64, now_ns: u64) -> Result<(), u64> {
        let window = now_ns / limit.window_ns;
        let entry = self.used.entry(limit.name).or_default();
        if entry.0 != window {
            *entry = (window, 0);
        }
        entry.1 += weight;
        if limit.most < entry.1 { Err(limit.ends_ns(now_ns)) } else { Ok(()) }
    }

    /// Returns what was used of a limit in the window of `now_ns`.
    pub(crate) fn used(&self, limit: &Limit, now_ns: u64) -> u64 {
        let window = now_ns / limit.window_ns;
        self.used.get(limit.name).filter(|entry| entry.0 == window).map_or(0, |entry| entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_again_at_its_multiple() {
        let limit = Limit { name: "orders", window_ns: 10, most: 2 };
        let mut limits = Limits::default();
        let taken: Vec<_> = [3, 5, 9, 10, 19].map(|now_ns| limits.take(&limit, 1, now_ns)).to_vec();
        assert_eq!(taken, [Ok(()), Ok(()), Err(10), Ok(()), Ok(())]);
        assert_eq!((limits.used(&limit, 19), limits.used(&limit, 20)), (2, 0));
    }
}
