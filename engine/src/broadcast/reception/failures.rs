//! How often each address fails: brings no right token, or is refused for whatever reason.
//!
//! A right token is let in whoever has failed at its address before: a token has at least 128 bits,
//! so that guessing is hopeless at any rate, while a stranger behind the same address could
//! otherwise keep the right one out. What is limited is what failing costs us: beyond the limit there
//! is a shorter answer, and no entry in the audit log.

use crate::broadcast::peer::Source;
use spreadwire_market::clock::{Nanos, SECOND};
use std::collections::HashMap;

/// Failures of one address within [`WINDOW`] that are within the limit.
const FAILURES_MAX: u32 = 10;
/// The time within which they are counted.
const WINDOW: Nanos = 60 * SECOND;
/// Addresses that are remembered. While as many fail at once, no other may.
const SOURCES_MAX: usize = 4096;

/// The addresses that have failed.
#[derive(Debug, Default)]
pub(super) struct Failures {
    all: HashMap<Source, (Nanos, u32)>,
}

impl Failures {
    /// Counts a failure; returns whether it is within the limit.
    pub(super) fn may_fail(&mut self, source: Source, now: Nanos) -> bool {
        if SOURCES_MAX <= self.all.len() && !self.all.contains_key(&source) {
            self.all.retain(|_, (since, _)| now < *since + WINDOW);
            if SOURCES_MAX <= self.all.len() {
                return false;
            }
        }
        let (since, failures) = self.all.entry(source).or_insert((now, 0));
        if *since + WINDOW <= now {
            (*since, *failures) = (now, 0);
        }
        *failures = failures.saturating_add(1);
        *failures <= FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_fail_so_often_within_a_minute() {
        let mut failures = Failures::default();
        let (one, two) = (Source::User(1), Source::User(2));
        for _ in 0..FAILURES_MAX {
            assert!(failures.may_fail(one, 0));
        }
        assert!(!failures.may_fail(one, WINDOW - 1));
        assert!(failures.may_fail(two, WINDOW - 1));
        assert!(failures.may_fail(one, WINDOW));
    }

    #[test]
    fn so_many_addresses_are_remembered_and_forgotten_after_a_minute() {
        let mut failures = Failures::default();
        let most = u32::try_from(SOURCES_MAX).unwrap();
        assert!((0..most).all(|user| failures.may_fail(Source::User(user), 0)));
        assert!(!failures.may_fail(Source::User(most), 0));
        assert!(failures.may_fail(Source::User(0), 0));
        assert!(failures.may_fail(Source::User(most), WINDOW));
        assert_eq!(failures.all.len(), 1);
    }
}
