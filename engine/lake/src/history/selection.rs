//! Which inputs are read.

use crate::layout::HOUR;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeSet;

/// The runs and times that are read; by default everything.
///
/// Of an engine's run, times select a range of numbers, so that nothing is missing between two inputs: it
/// begins with the first input that was received at or after `from`, and ends with the last one that was
/// received before `until`. The run's statuses before that are given too, because they tell which venues
/// were live when it began. Files whose folders are more than an hour away from these times are not looked
/// at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// First receive time, ns since 1970 UTC.
    pub from: Option<Nanos>,
    /// The time after the last one, ns since 1970 UTC.
    pub until: Option<Nanos>,
    /// Names of the runs; empty for all.
    pub runs: BTreeSet<String>,
}

impl Selection {
    /// Returns whether a run is read, by its name.
    pub(super) fn has_run(&self, name: &str) -> bool {
        self.runs.is_empty() || self.runs.contains(name)
    }

    /// Returns whether a receive time is selected.
    pub(super) fn has_time(&self, time: Nanos) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// Returns whether a folder of quotes of these times may have selected rows.
    pub(super) fn may_have_quotes(&self, (first, end): (Nanos, Nanos)) -> bool {
        self.from.is_none_or(|from| from < end.saturating_add(HOUR)) && self.may_begin(first)
    }

    /// Returns whether a folder that begins at a time may have selected rows, or statuses before them.
    pub(super) fn may_begin(&self, first: Nanos) -> bool {
        self.until.is_none_or(|until| first < until.saturating_add(HOUR))
    }
}
