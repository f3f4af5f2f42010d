//! Ledger entries of the chronicle: connections made and lost, the counters of each hour, and times in which
//! the clock was off.
//!
//! Entries wait in memory for at most a minute and are then written as a small file of the ledger.
//! If that fails, they wait for the next attempt, up to a limit. Beyond the limit, entries are
//! counted as lost. The hourly counters are notes for people, by name. `lake verify` compares the
//! stage counts instead, which are written once, when the run has ended.

use crate::feed::Notice;
use spreadwire_lake::layout::HOUR;
use spreadwire_lake::ledger::{Book, Entry, EntryKind};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::Catalogue;

/// Maximum time that entries wait.
const BOOK_INTERVAL: Nanos = 60 * SECOND;
/// Maximum number of entries that wait while the lake cannot be written.
const ENTRIES_MAX: usize = 1 << 16;

/// The chronicle's part of the ledger.
#[derive(Debug)]
pub(super) struct Diary {
    book: Book,
    counters: Counters,
    entries: Vec<Entry>,
    tried_at: Nanos,
    /// Hour in which the counters were last noted.
    hour: Option<u64>,
    booked: Counter,
    lost: Counter,
}

impl Diary {
    pub(super) fn new(book: Book, counters: &Counters) -> Diary {
        Diary {
            book,
            counters: counters.clone(),
            entries: Vec::new(),
            tried_at: 0,
            hour: None,
            booked: counters.register("chronicle.booked"),
            lost: counters.register("chronicle.unbooked"),
        }
    }

    /// Returns the counter of connections written to the ledger.
    pub(super) fn booked(&self) -> &Counter {
        &self.booked
    }

    /// Notes a connection event.
    pub(super) fn take(&mut self, notice: &Notice, catalogue: &Catalogue, now: Nanos) {
        let (kind, venue, (connection, line), why) = match notice {
            Notice::Opened { venue, connection, line } => {
                (EntryKind::Connected, venue, (connection, line), None)
            }
            Notice::Lost { venue, connection, line, why, .. } => {
                (EntryKind::Disconnected, venue, (connection, line), Some(why.clone()))
            }
            Notice::Rejected { .. }
            | Notice::Refused { .. }
            | Notice::Health { .. }
            | Notice::HeldUp { .. }
            | Notice::Unheard { .. }
            | Notice::Replacing { .. } => return,
        };
        self.add(Entry {
            venue: Some(catalogue.venue(*venue).name.clone()),
            first: Some(*connection as u64),
            last: (0 < *line).then_some(*line as u64),
            cause: why,
            ..Entry::new(kind, now).of_run(self.book.run().as_str())
        });
    }

    /// Notes the counters when an hour is over, and writes entries that have waited long enough.
    /// Returns the amount of work done.
    pub(super) fn tend(&mut self, now: Nanos) -> usize {
        let hour = now / HOUR;
        if self.hour.is_some_and(|before| before < hour) {
            self.hour = Some(hour);
            return self.note_counts(now);
        }
        self.hour = Some(hour);
        if self.entries.is_empty() || now.saturating_sub(self.tried_at) < BOOK_INTERVAL {
            return 0;
        }
        self.write(now)
    }

    /// Notes the counters, with the last number that the calculator had given out by then: they speak
    /// of nothing after it. Returns how many there are.
    fn note_counts(&mut self, now: Nanos) -> usize {
        let counts = self.counters.snapshot();
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        let last = (of("calculator.quotes") + of("calculator.statuses")).checked_sub(1);
        let noted = counts.len();
        for (name, count) in counts {
            let entry = Entry::new(EntryKind::Count, now).because(&name);
            self.note(Entry { rows: Some(count), last, ..entry });
        }
        noted
    }

    /// Adds an entry of the run.
    pub(super) fn note(&mut self, entry: Entry) {
        self.add(entry.of_run(self.book.run().as_str()));
    }

    fn add(&mut self, entry: Entry) {
        if self.entries.len() < ENTRIES_MAX {
            self.entries.push(entry);
        } else {
            self.lost.add(1);
        }
    }

    /// Writes the waiting entries and returns their number.
    pub(super) fn write(&mut self, now: Nanos) -> usize {
        self.tried_at = now;
        if self.entries.is_empty() {
            return 0;
        }
        match self.book.write("events", now, &self.entries) {
            Ok(_) => {
                let written = self.entries.len();
                let connections = self.entries.iter().filter(|entry| entry.kind.is_event());
                self.booked.add(connections.count() as u64);
                self.entries.clear();
                written
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!(target: "ledger", "not written, retrying in a minute: {error:#}");
                0
            }
        }
    }

    /// Returns the number of entries that were not written to the ledger.
    pub(super) fn unwritten(&self) -> u64 {
        self.entries.len() as u64 + self.lost.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Next;
    use spreadwire_kit::catalogue;
    use spreadwire_market::instrument::VenueId;

    fn book(lake: &std::path::Path) -> Book {
        Book::begin(lake, spreadwire_lake::run::RunId::new("run").unwrap())
    }

    const WHY: &str = r#"closed by the venue: 1008 "Too many requests""#;

    #[test]
    fn connections_and_hourly_counts_come_into_the_ledger() {
        let home = tempfile::tempdir().unwrap();
        let counters = Counters::default();
        counters.register("feed.okx.0.frames").add(7);
        counters.register("calculator.quotes").add(5);
        counters.register("calculator.statuses").add(1);
        let catalogue = catalogue::of(["BTC/USDT"], ["okx"]).build();
        let mut diary = Diary::new(book(home.path()), &counters);
        let venue = VenueId(0);
        let start = 5 * HOUR - 10 * SECOND;
        assert_eq!(diary.tend(start), 0);
        diary.take(&Notice::Opened { venue, connection: 2, line: 0 }, &catalogue, start);
        let lost =
            Notice::Lost { venue, connection: 2, line: 1, why: WHY.to_owned(), next: Next::In(1) };
        diary.take(&lost, &catalogue, start + SECOND);
        assert_eq!(diary.tend(start + SECOND), 2, "the first entries are written at once");
        assert_eq!(diary.tend(start + 9 * SECOND), 0);
        assert_eq!(diary.tend(5 * HOUR), 5, "the counters of the last hour are written");
        assert_eq!(diary.tend(5 * HOUR + SECOND), 0, "nothing is written within the minute");
        assert_eq!(diary.tend(5 * HOUR + 60 * SECOND), 5);
        let (entries, _) = spreadwire_lake::ledger::read(home.path());
        let told: Vec<_> =
            entries.iter().map(|e| (e.kind, e.time, e.first, e.cause.as_deref(), e.rows)).collect();
        let count = |name, rows| (EntryKind::Count, 5 * HOUR, None, Some(name), Some(rows));
        let mut wanted = vec![
            (EntryKind::Connected, start, Some(2), None, None),
            (EntryKind::Disconnected, start + SECOND, Some(2), Some(WHY), None),
            count("chronicle.booked", 2),
            count("chronicle.unbooked", 0),
            count("feed.okx.0.frames", 7),
            count("calculator.quotes", 5),
            count("calculator.statuses", 1),
        ];
        let mut counts = entries.iter().filter(|entry| entry.kind == EntryKind::Count);
        assert!(counts.all(|count| count.last == Some(5)), "they speak up to that number");
        let by_name =
            |a: &(_, _, _, Option<&str>, _), b: &(_, _, _, Option<&str>, _)| a.3.cmp(&b.3);
        wanted[2..].sort_by(by_name);
        let mut told = told;
        told[2..].sort_by(by_name);
        assert_eq!(told, wanted);
        assert_eq!(diary.unwritten(), 0);
    }

    #[test]
    fn two_lines_that_open_at_once_are_two_entries() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = catalogue::of(["BTC/USDT"], ["okx"]).build();
        let mut diary = Diary::new(book(home.path()), &Counters::default());
        for line in [0, 1, 2] {
            let opened = Notice::Opened { venue: VenueId(0), connection: 0, line };
            diary.take(&opened, &catalogue, SECOND);
        }
        diary.write(SECOND);
        let (entries, _) = spreadwire_lake::ledger::read(home.path());
        let lines: Vec<_> = entries.iter().map(|entry| (entry.first, entry.last)).collect();
        assert_eq!(lines, [(Some(0), None), (Some(0), Some(1)), (Some(0), Some(2))]);
    }

    #[test]
    fn what_cannot_be_written_waits_and_is_told() {
        let home = tempfile::tempdir().unwrap();
        let lake = home.path().join("lake");
        std::fs::write(&lake, "no folder").unwrap();
        let counters = Counters::default();
        let catalogue = catalogue::of(["BTC/USDT"], ["okx"]).build();
        let mut diary = Diary::new(book(&lake), &counters);
        let opened = Notice::Opened { venue: VenueId(0), connection: 0, line: 0 };
        diary.take(&opened, &catalogue, HOUR);
        assert_eq!((diary.write(HOUR), diary.unwritten()), (0, 1));
        std::fs::remove_file(&lake).unwrap();
        assert_eq!((diary.write(HOUR), diary.unwritten()), (1, 0));
    }
}
