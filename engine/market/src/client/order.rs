//! The order of a stream: its numbers, and the times in it.

use super::Limits;
use super::fault::{Doubt, Fault};
use crate::clock::Nanos;

/// The numbers of spreads so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// The number of the last spread that came, or that a snapshot or an end includes.
    last: u64,
    /// Up to here, every number has come or was told to be missing.
    accounted: u64,
}

impl Numbers {
    /// Checks the number of a spread. If `strict`, none may be missing before it.
    pub(super) fn spread(&mut self, seq: u64, strict: bool) -> Result<(), Fault> {
        if seq <= self.last {
            return Err(Fault::Back { last: self.last, seq });
        }
        let expected = self.accounted.saturating_add(1);
        if strict && seq != expected {
            return Err(Fault::Hole { expected, seq });
        }
        self.reach(seq);
        Ok(())
    }

    /// Checks a number that stands for all spreads up to it. If `strict`, none may be missing.
    pub(super) fn up_to(&mut self, seq: u64, strict: bool) -> Result<(), Fault> {
        if seq < self.last {
            return Err(Fault::Back { last: self.last, seq });
        }
        if strict && self.accounted < seq {
            return Err(Fault::Hole { expected: self.accounted.saturating_add(1), seq });
        }
        self.reach(seq);
        Ok(())
    }

    /// Notes the numbers that a gap says are missing.
    pub(super) fn gap(&mut self, from: u64, to: u64, missed: u64) -> Result<(), Fault> {
        let within = from <= to && missed.saturating_sub(1) <= to - from;
        if 0 < missed && !within {
            return Err(Fault::Gap { from, to, missed });
        }
        self.accounted = self.accounted.max(to);
        Ok(())
    }

    fn reach(&mut self, seq: u64) {
        self.last = seq;
        self.accounted = self.accounted.max(seq);
    }
}

/// The times in a stream, compared with each other and with the client's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// The newest time that can be right.
    newest: Nanos,
}

impl Times {
    /// Returns the newest time that can be right, ns since 1970 UTC; 0 before the first one.
    pub(super) fn newest(&self) -> Nanos {
        self.newest
    }

    /// Returns what is wrong with the time of a spread.
    pub(super) fn judge(&mut self, ts: Nanos, now: Nanos, limits: &Limits) -> Option<Doubt> {
        if limits.is_ahead(ts, now) {
            return Some(Doubt::Ahead);
        }
        let behind = ts.saturating_add(limits.behind_max) < self.newest;
        self.newest = self.newest.max(ts);
        if limits.is_old(ts, now) {
            return Some(Doubt::Old);
        }
        behind.then_some(Doubt::Behind)
    }

    /// Returns a time that a record may carry: `ts`, or the nearest time that can be right.
    pub(super) fn plausible(&mut self, ts: Nanos, now: Nanos, limits: &Limits) -> Nanos {
        if limits.is_ahead(ts, now) {
            return now.max(self.newest);
        }
        let behind = ts.saturating_add(limits.behind_max) < self.newest;
        self.newest = self.newest.max(ts);
        if behind { self.newest } else { ts }
    }
}
