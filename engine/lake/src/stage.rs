//! The stages that a record passes on its way into the lake, and what each of them counted.
//!
//! The owner of a count hands it over as a [`StageCounter`]: the feeds, the calculator, the journal,
//! the sealer and the chronicle each know which of their counters is which stage. When a run ends in
//! order, the counts are read once and written into the ledger as entries of the kind
//! [`Stage`](EntryKind::Stage). `lake verify` compares them with each other and with the rows; a
//! stage that has no entry is a finding.

use crate::ledger::{Entry, EntryKind};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, CounterReader};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::named;
use spreadwire_market::record::{Kind, Record};
use std::collections::BTreeMap;

named! {
    /// A place on a record's way, and what is counted there.
    pub enum Stage {
        /// Quotes that a feed decoded and passed on, by listing.
        Decoded => "decoded",
        /// Quotes and statuses that the feeds put on their edges to the calculator.
        Fed => "fed",
        /// Quotes that the calculator numbered.
        NumberedQuotes => "numbered_quotes",
        /// Statuses that the calculator numbered.
        NumberedStatuses => "numbered_statuses",
        /// Quotes that the calculator put on its edge to the journal, by listing.
        Passed => "passed",
        /// Quotes and statuses that did not fit into that edge.
        Missed => "missed",
        /// Quotes that the journal wrote into segments, by listing.
        Journalled => "journalled",
        /// Quotes and statuses that the journal could not write.
        Lost => "lost",
        /// Quotes that the sealer made rows of.
        SealedQuotes => "sealed_quotes",
        /// Statuses that the sealer made rows of.
        SealedStatuses => "sealed_statuses",
        /// Segments that the sealer found damaged.
        Damaged => "damaged",
        /// Segments that the sealer could not seal before the run ended.
        Unsealed => "unsealed",
        /// Connections made, lost and not made that the chronicle wrote into the ledger.
        Booked => "booked",
    }
}

impl Stage {
    /// Whether there is a count for each listing, instead of one for the run.
    #[must_use]
    pub fn is_by_listing(self) -> bool {
        matches!(self, Stage::Decoded | Stage::Passed | Stage::Journalled)
    }

    /// Returns the stage that an entry of the ledger speaks of, if it is of that kind and this
    /// version knows the stage.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Option<Stage> {
        let name = entry.cause.as_deref().filter(|_| entry.kind == EntryKind::Stage)?;
        Stage::of_name(name)
    }
}

/// An instrument on a venue.
pub type Listed = (VenueId, InstrumentId);

/// A stage's counter, handed over by the owner of the counter.
#[derive(Clone, Debug)]
pub struct StageCounter {
    stage: Stage,
    listed: Option<Listed>,
    counter: CounterReader,
}

impl StageCounter {
    /// Makes the counter of a stage that counts for the whole run.
    #[must_use]
    pub fn of_run(stage: Stage, counter: &Counter) -> StageCounter {
        debug_assert!(!stage.is_by_listing(), "{stage:?} is counted by listing");
        StageCounter { stage, listed: None, counter: counter.reader() }
    }

    /// Makes the counter of a stage for one listing.
    #[must_use]
    pub fn of_listing(stage: Stage, listed: Listed, counter: &Counter) -> StageCounter {
        debug_assert!(stage.is_by_listing(), "{stage:?} is counted for the run");
        StageCounter { stage, listed: Some(listed), counter: counter.reader() }
    }
}

/// What the stages of a run have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageCounts(BTreeMap<(Stage, Option<Listed>), u64>);

impl StageCounts {
    /// Reads the counters now. Counts of the same stage and listing, as those of several feeds, are
    /// added up.
    #[must_use]
    pub fn read(counters: &[StageCounter]) -> StageCounts {
        let mut counts = StageCounts::default();
        for StageCounter { stage, listed, counter } in counters {
            *counts.0.entry((*stage, *listed)).or_default() += counter.get();
        }
        counts
    }

    /// Returns what the stages would have counted of a run of these records that lost nothing and
    /// made no connection: for runs that are not an engine's.
    #[must_use]
    pub fn of_records<'a>(records: impl IntoIterator<Item = &'a Record>) -> StageCounts {
        let mut counts = StageCounts::default();
        let of_run = Stage::ALL.into_iter().filter(|stage| !stage.is_by_listing());
        of_run.for_each(|stage| counts.add(stage, 0));
        for record in records {
            let (numbered, sealed) = match record.kind() {
                Some(Kind::Quote) => (Stage::NumberedQuotes, Stage::SealedQuotes),
                Some(Kind::Status) => (Stage::NumberedStatuses, Stage::SealedStatuses),
                _ => continue,
            };
            [Stage::Fed, numbered, sealed].into_iter().for_each(|stage| counts.add(stage, 1));
            if numbered == Stage::NumberedQuotes {
                let by_listing = Stage::ALL.into_iter().filter(|stage| stage.is_by_listing());
                let listed = (record.venue, record.instrument);
                by_listing.for_each(|stage| counts.add_listed(stage, listed, 1));
            }
        }
        counts
    }

    /// Adds to the count of a stage for the whole run.
    pub fn add(&mut self, stage: Stage, count: u64) {
        debug_assert!(!stage.is_by_listing(), "{stage:?} is counted by listing");
        *self.0.entry((stage, None)).or_default() += count;
    }

    /// Adds to the count of a stage for one listing.
    pub fn add_listed(&mut self, stage: Stage, listed: Listed, count: u64) {
        debug_assert!(stage.is_by_listing(), "{stage:?} is counted for the run");
        *self.0.entry((stage, Some(listed))).or_default() += count;
    }

    /// Returns the sum of a stage over the run; `None` if the stage was not handed over.
    #[must_use]
    pub fn total(&self, stage: Stage) -> Option<u64> {
        let counts = self.0.iter().filter(|((of, _), _)| *of == stage);
        counts.map(|(_, count)| *count).reduce(|sum, count| sum + count)
    }

    /// Returns how many inputs the calculator numbered: quotes and statuses.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        let stages = [Stage::NumberedQuotes, Stage::NumberedStatuses];
        stages.into_iter().filter_map(|stage| self.total(stage)).sum()
    }

    /// Returns the counts as entries of the ledger.
    #[must_use]
    pub fn entries(&self, run: &str, time: Nanos, catalogue: &Catalogue) -> Vec<Entry> {
        let entry = |((stage, listed), count): (&(Stage, Option<Listed>), &u64)| Entry {
            venue: listed.map(|(venue, _)| catalogue.venue(venue).name.clone()),
            instrument: listed.map(|(_, of)| catalogue.instrument(of).name.clone()),
            rows: Some(*count),
            ..Entry::new(EntryKind::Stage, time).of_run(run).because(stage.name())
        };
        self.0.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_kit::catalogue;

    #[test]
    fn counts_of_several_owners_add_up_and_come_back_from_the_ledger() {
        let catalogue = catalogue::of(["BTC/USDT"], ["okx"]).build();
        let counters: [Counter; 4] = std::array::from_fn(|_| Counter::default());
        counters.iter().zip([1, 2, 4, 8]).for_each(|(counter, count)| counter.add(count));
        let listed = (VenueId(0), InstrumentId(0));
        let [one, two, other, numbered] = &counters;
        let handed = [
            StageCounter::of_run(Stage::Fed, one),
            StageCounter::of_run(Stage::Fed, two),
            StageCounter::of_listing(Stage::Decoded, listed, other),
            StageCounter::of_run(Stage::NumberedQuotes, numbered),
        ];
        let counts = StageCounts::read(&handed);
        assert_eq!(counts.total(Stage::Fed), Some(3));
        assert_eq!((counts.total(Stage::Lost), counts.numbered()), (None, 8));
        let entries = counts.entries("run", 9, &catalogue);
        let told: Vec<_> = entries
            .iter()
            .map(|e| (Stage::of_entry(e), e.venue.as_deref(), e.instrument.as_deref(), e.rows))
            .collect();
        let expected = [
            (Some(Stage::Decoded), Some("okx"), Some("BTC/USDT"), Some(4)),
            (Some(Stage::Fed), None, None, Some(3)),
            (Some(Stage::NumberedQuotes), None, None, Some(8)),
        ];
        assert_eq!(told, expected);
        assert!(entries.iter().all(|e| e.run.as_deref() == Some("run") && e.time == 9));
    }

    #[test]
    fn a_stage_is_told_by_its_name_in_entries_of_its_kind_alone() {
        for stage in Stage::ALL {
            let entry = |kind| Entry::new(kind, 1).because(stage.name());
            assert_eq!(Stage::of_entry(&entry(EntryKind::Stage)), Some(stage));
            assert_eq!(Stage::of_entry(&entry(EntryKind::Count)), None);
        }
        assert_eq!(Stage::of_entry(&Entry::new(EntryKind::Stage, 1).because("sold")), None);
    }
}
