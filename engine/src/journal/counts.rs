//! The journal's counters.

use crate::runtime::tally::Tally;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::record::{Kind, Quote, Record, is_input};

/// Counters of the journal, `journal.*`.
#[derive(Debug)]
pub(super) struct Counts {
    /// Quotes written, by book.
    pub(super) written: Tally,
    records: Counter,
    quotes: Counter,
    statuses: Counter,
    gaps: Counter,
    spreads: Counter,
    opportunities: Counter,
    pub(super) missed: Counter,
    pub(super) lost: Counter,
    pub(super) bytes: Counter,
    pub(super) segments: Counter,
    pub(super) waiting: Counter,
    pub(super) syncs_late: Counter,
    pub(super) recording: Counter,
    /// Code of the state of recording.
    pub(super) state: Counter,
}

impl Counts {
    pub(super) fn new(counters: &Counters) -> Counts {
        let named = |name: &str| counters.register(&format!("journal.{name}"));
        Counts {
            written: Tally::default(),
            records: named("records"),
            quotes: named("quotes"),
            statuses: named("statuses"),
            gaps: named("gaps"),
            spreads: named("spreads"),
            opportunities: named("opportunities"),
            missed: named("missed"),
            lost: named("lost"),
            bytes: named("bytes"),
            segments: named("segments"),
            waiting: named("waiting"),
            syncs_late: named("syncs_late"),
            recording: named("recording"),
            state: named("state"),
        }
    }

    /// Returns the counters of the stages that are the journal's, for the ledger.
    pub(super) fn stages(&self) -> Vec<StageCounter> {
        let not_written = [(Stage::Missed, &self.missed), (Stage::Lost, &self.lost)];
        let not_written = not_written.map(|(stage, counter)| StageCounter::of_run(stage, counter));
        not_written.into_iter().chain(self.written.stages(Stage::Journalled)).collect()
    }

    /// Counts the records of a block that was written, and hands the inputs among them to `each`.
    pub(super) fn add_written(&mut self, records: &[Record], mut each: impl FnMut(&Record)) {
        let (mut quotes, mut statuses, mut gaps, mut spreads, mut opportunities) = (0, 0, 0, 0, 0);
        for record in records {
            let count = match record.kind() {
                Some(Kind::Quote) => &mut quotes,
                Some(Kind::Status) => &mut statuses,
                Some(Kind::Spread | Kind::Ended) => &mut spreads,
                Some(Kind::Opened | Kind::Closed) => &mut opportunities,
                _ => &mut gaps,
            };
            *count += 1;
            if record.is::<Quote>() {
                self.written.add(record.venue, record.instrument);
            }
            if is_input(record) {
                each(record);
            }
        }
        self.records.add(records.len() as u64);
        self.quotes.add(quotes);
        self.statuses.add(statuses);
        self.gaps.add(gaps);
        self.spreads.add(spreads);
        self.opportunities.add(opportunities);
    }
}
