//! Numbers of a run that are in no file, as gaps.
//!
//! Which numbers are missing is seen from the rows. The ledger tells since when, and why.

use crate::ledger::{Cause, Entry};
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Gap, GapCause};

/// Missing numbers by the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost {
    first: u64,
    last: u64,
    time: Nanos,
    cause: GapCause,
}

/// The missing numbers of a run by the ledger, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(Vec<Lost>);

impl Gaps {
    /// Takes the gaps that have numbers from the facts about a run.
    pub(super) fn new<'a>(facts: impl Iterator<Item = &'a Entry>) -> Gaps {
        let lost = |fact: &'a Entry| {
            let cause = match fact.gap_cause()? {
                Cause::Ring => GapCause::Edge,
                Cause::Spreads | Cause::Opportunities => return None,
                // Whatever else is missing was not written, or is not what was written.
                Cause::Venue
                | Cause::Network
                | Cause::Disk
                | Cause::Damage
                | Cause::Unfit
                | Cause::Restart => GapCause::Disk,
            };
            let (first, last) = (fact.first?, fact.last?);
            Some(Lost { first, last, time: fact.time, cause })
        };
        let mut found: Vec<Lost> = facts.filter_map(lost).collect();
        found.sort_by_key(|lost| (lost.first, lost.last, lost.time));
        Gaps(found)
    }

    /// Returns the numbers from `first` to the one before `next`, none of which is in a file, as gaps with
    /// their first numbers. `time` is that of the input before them.
    pub(super) fn filling(&self, first: u64, next: u64, time: Nanos) -> Vec<(u64, Gap)> {
        let (mut at, mut gaps) = (first, Vec::new());
        let begin = self.0.partition_point(|lost| lost.last < first);
        for lost in self.0[begin..].iter().take_while(|lost| lost.first < next) {
            if lost.last < at {
                continue;
            }
            if at < lost.first {
                gaps.push((at, untold(time, lost.first - at)));
                at = lost.first;
            }
            // A part of a gap begins no earlier than what was received before it.
            let since = if at == lost.first { lost.time } else { lost.time.max(time) };
            let end = lost.last.saturating_add(1).min(next);
            gaps.push((at, Gap::new(since, end - at).because(lost.cause)));
            at = end;
        }
        if at < next {
            gaps.push((at, untold(time, next - at)));
        }
        gaps
    }
}

/// A gap of which the ledger says nothing: rows were deleted, or the run was killed.
fn untold(time: Nanos, missed: u64) -> Gap {
    Gap::new(time, missed).because(GapCause::Disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::EntryKind;

    fn lost(first: u64, last: u64, cause: Cause) -> Entry {
        let entry = Entry::new(EntryKind::Gap, first * 100).because(cause.name());
        Entry { first: Some(first), last: Some(last), ..entry }
    }

    #[test]
    fn what_is_missing_is_told_by_the_ledger_as_far_as_that_knows() {
        let facts = [
            lost(10, 19, Cause::Ring),
            lost(30, 39, Cause::Damage),
            lost(40, 49, Cause::Ring),
            lost(1, 90, Cause::Spreads),
            Entry { first: None, ..lost(0, 99, Cause::Ring) },
        ];
        let gaps = Gaps::new(facts.iter());
        let [edge, disk] = [GapCause::Edge, GapCause::Disk]
            .map(|cause| move |since, missed| Gap::new(since, missed).because(cause));
        for (first, next, expected) in [
            (10, 20, vec![(10, edge(1000, 10))]),
            (12, 15, vec![(12, edge(1005, 3))]),
            (5, 12, vec![(5, disk(1005, 5)), (10, edge(1000, 2))]),
            (18, 22, vec![(18, edge(1005, 2)), (20, disk(1005, 2))]),
            (30, 50, vec![(30, disk(3000, 10)), (40, edge(4000, 10))]),
            (60, 61, vec![(60, disk(1005, 1))]),
        ] {
            assert_eq!(gaps.filling(first, next, 1005), expected, "{first} to {next}");
        }
    }
}
