//! The completeness ledger: what was counted, missed and sealed, as rows that outlive the process.
//!
//! An [`Entry`] is one fact: a run began, a segment held these numbers, so many rows with this digest
//! went into that folder, inputs are missing from here to there and why. Entries are written a small
//! Parquet file at a time and never changed. The files of a run are a chain: each has a number, and
//! names the digest of the one before it, so that none can go missing unnoticed. `docs/formats.md`
//! says what each kind fills in.
//!
//! `file` is one file, `book` writes the files of one run, `chain` checks what was written, `whole`
//! reads the ledger of a lake, and `head` is where all runs end.

use spreadwire_market::clock::Nanos;
use spreadwire_market::named;

mod book;
mod chain;
mod file;
mod head;
mod whole;

pub use book::Book;
pub use chain::{Break, Chain, Hash};
pub use file::{file_name, files, name_and_checksum, read_file, sweep, write};
pub use head::{Head, Tip};
pub use whole::{Ledger, pruned_until, read, read_run};

/// Version of what a run writes into the ledger about itself. A run of version 1 left its stages'
/// counts among its counters alone; from version 2 on, a run that ends in order writes an entry for
/// each [`Stage`](crate::stage::Stage). From version 3 on, the files of a run are a chain. The
/// [`Started`](EntryKind::Started) entry says which it is.
pub const VERSION: u64 = 3;
/// The first version whose files are a chain.
pub const CHAINED: u64 = 3;

named! {
    /// What an entry says.
    pub enum EntryKind {
        /// A run began; `rows` is the version of its ledger, absent for 1, and `cause` its
        /// [`Provenance`](crate::run::Provenance).
        Started => "started",
        /// A run ended: `cause` is `clean`, or `killed` if the next one found out.
        Ended => "ended",
        /// A segment was sealed: the numbers `first` to `last`, `rows` records, `bytes` read.
        Segment => "segment",
        /// Of a segment, so many `rows` with this `digest` went into `folder`.
        Rows => "rows",
        /// A file was written: `rows`, `bytes`, and its CRC32C as `digest`.
        File => "file",
        /// Something is missing, from the time to `until`, for the `cause` given.
        Gap => "gap",
        /// A connection was made.
        Connected => "connected",
        /// A connection ended or could not be made; why is the `cause`.
        Disconnected => "disconnected",
        /// A counter, named by `cause`, stood at `rows`.
        Count => "count",
        /// A stage, named by `cause`, counted `rows` in the whole run.
        Stage => "stage",
        /// The times of a run from the time to `until` were off by up to `first` ns, signed: positive
        /// where they are later than they should be.
        Clock => "clock",
        /// Rows were deleted on purpose: all of `run`, or without a run all of every day before
        /// `until`. `cause` says why.
        Dropped => "dropped",
        /// The file is one of a chain: `rows` entries beside this one, and in `cause` the digest of
        /// the file before it, if there is one.
        Link => "link",
    }
}

named! {
    /// Why something is missing: the `cause` of a [`EntryKind::Gap`].
    pub enum Cause {
        /// The venue's own numbers have a hole.
        Venue => "venue",
        /// No connection, or none that shows life.
        Network => "network",
        /// The ring to the journal was full: `rows` inputs, numbered `first` to `last`.
        Ring => "ring",
        /// The journal could not write: `rows` inputs, numbered `first` to `last`.
        Disk => "disk",
        /// Bytes of a segment were not those that were written: the numbers `first` to `last`.
        Damage => "damage",
        /// The lake cannot hold these `rows` records, numbered `first` to `last` if they are inputs:
        /// they are kept in the folder `damaged`.
        Unfit => "unfit",
        /// The process was killed or the machine stopped; how many inputs came after is not known.
        Restart => "restart",
        /// The ring for recorded spreads was full: `rows` of them.
        Spreads => "spreads",
        /// The ring for recorded opportunities was full: `rows` of them.
        Opportunities => "opportunities",
    }
}

impl EntryKind {
    /// Whether an entry tells of something that happened, so that two equal ones tell of two. All
    /// others state something, which holds once however often it is said.
    #[must_use]
    pub fn is_event(self) -> bool {
        matches!(self, EntryKind::Connected | EntryKind::Disconnected)
    }
}

impl Cause {
    /// Whether what is missing had reached the engine: the recorder lost it.
    #[must_use]
    pub fn is_loss(self) -> bool {
        match self {
            Cause::Ring
            | Cause::Disk
            | Cause::Damage
            | Cause::Unfit
            | Cause::Spreads
            | Cause::Opportunities => true,
            Cause::Venue | Cause::Network | Cause::Restart => false,
        }
    }
}

/// One fact. What its kind does not speak of is absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// When, ns since 1970 UTC; of a gap its beginning.
    pub time: Nanos,
    /// What it says.
    pub kind: EntryKind,
    /// The run.
    pub run: Option<String>,
    /// The segment within the run.
    pub segment: Option<u32>,
    /// Which rows: the name of a [`Table`](crate::table::Table).
    pub table: Option<String>,
    /// A folder, from the lake's top.
    pub folder: Option<String>,
    /// A file in that folder.
    pub file: Option<String>,
    /// The venue's name.
    pub venue: Option<String>,
    /// The instrument's name.
    pub instrument: Option<String>,
    /// The first journal sequence concerned; of a clock its error ([`Entry::clock_error`]).
    pub first: Option<u64>,
    /// The last one.
    pub last: Option<u64>,
    /// Rows, records, or a count; of a run that began the version of its ledger.
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
    /// Of rows their digest, of a file its CRC32C.
    pub digest: Option<u64>,
    /// The end of an interval, ns since 1970 UTC.
    pub until: Option<Nanos>,
    /// Why, or which.
    pub cause: Option<String>,
    /// The number of the file among those of the run; absent outside a chain.
    pub serial: Option<u64>,
}

impl Entry {
    /// An entry that says nothing else yet.
    #[must_use]
    pub fn new(kind: EntryKind, time: Nanos) -> Entry {
        Entry {
            time,
            kind,
            run: None,
            segment: None,
            table: None,
            folder: None,
            file: None,
            venue: None,
            instrument: None,
            first: None,
            last: None,
            rows: None,
            bytes: None,
            digest: None,
            until: None,
            cause: None,
            serial: None,
        }
    }

    /// The same of a run.
    #[must_use]
    pub fn of_run(self, run: &str) -> Entry {
        Entry { run: Some(run.to_owned()), ..self }
    }

    /// The same with a cause.
    #[must_use]
    pub fn because(self, cause: &str) -> Entry {
        Entry { cause: Some(cause.to_owned()), ..self }
    }

    /// The fact that the times from `from` to `until` were off by up to `error` ns.
    #[must_use]
    pub fn of_clock(from: Nanos, until: Nanos, error: i64) -> Entry {
        let (until, first) = (Some(until), Some(error.cast_unsigned()));
        Entry { until, first, ..Entry::new(EntryKind::Clock, from) }
    }

    /// The error of the times that a [`EntryKind::Clock`] speaks of, ns: positive where they are later than
    /// they should be.
    #[must_use]
    pub fn clock_error(&self) -> Option<i64> {
        self.first.filter(|_| self.kind == EntryKind::Clock).map(u64::cast_signed)
    }

    /// The cause of a gap.
    #[must_use]
    pub fn gap_cause(&self) -> Option<Cause> {
        let name = self.cause.as_deref().filter(|_| self.kind == EntryKind::Gap)?;
        Cause::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let gap = Entry::new(EntryKind::Gap, 1);
        for cause in Cause::ALL {
            assert_eq!(gap.clone().because(cause.name()).gap_cause(), Some(cause));
        }
        let counted = Entry::new(EntryKind::Count, 1).because(Cause::Ring.name());
        assert_eq!(counted.gap_cause(), None, "no gap");
    }
}
