//! Records that the lake cannot hold: they are kept aside, and the ledger says so.
//!
//! The decoders pass on only what fits, so these come from a journal of an older version, or from a
//! fault of ours. They must not keep the rest of their segment from being sealed.

use crate::folder;
use crate::layout;
use crate::ledger::{Cause, Entry, EntryKind};
use crate::run::segment_name;
use crate::segment::{SegmentInfo, records_file};
use crate::table::{TableError, io_error};
use spreadwire_market::clock::Nanos;
use spreadwire_market::fit::{self, Unfit};
use spreadwire_market::record::{Record, numbers_taken};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// End of the name of a file of records that are no rows.
pub const UNFIT_SUFFIX: &str = ".unfit";
/// End of its name while it is being written.
const UNFINISHED_SUFFIX: &str = ".unfit.tmp";

/// The records of a segment that the lake cannot hold.
#[derive(Debug, Default)]
pub(super) struct Unfits {
    records: Vec<(u64, Record)>,
    why: BTreeMap<Unfit, u64>,
    missing: Vec<Missing>,
}

/// Records in a row that are missing in the lake.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// The numbers from the first one on; `None` if the records take none.
    numbers: Option<(u64, u64)>,
    records: u64,
    /// Times of the first and of the last one; where a time does not fit, the latest one before it.
    from: Nanos,
    until: Nanos,
}

impl Unfits {
    /// Adds a record; `before` is the latest time before it.
    pub(super) fn push(&mut self, number: u64, record: &Record, why: Unfit, before: Nanos) {
        let time = fit::time(record.ts_recv()).unwrap_or(before);
        self.records.push((number, *record));
        *self.why.entry(why).or_default() += 1;
        let taken = numbers_taken(record);
        let next = number.saturating_add(taken);
        match self.missing.last_mut() {
            Some(Missing { numbers: Some((_, end)), records, until, .. })
                if 0 < taken && *end == number =>
            {
                (*end, *records, *until) = (next, *records + 1, time);
            }
            Some(Missing { numbers: None, records, until, .. }) if taken == 0 => {
                (*records, *until) = (*records + 1, time);
            }
            Some(_) | None => {
                let numbers = (0 < taken).then_some((number, next));
                self.missing.push(Missing { numbers, records: 1, from: time, until: time });
            }
        }
    }

    /// Returns how many there are for each reason, in words: `3 time, 1 name`. Empty if there are
    /// none.
    pub(super) fn reasons(&self) -> String {
        let counts = self.why.iter().map(|(why, count)| format!("{count} {why}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Returns the gaps that the records leave in the lake, without run and segment.
    pub(super) fn gaps(&self) -> impl Iterator<Item = Entry> {
        self.missing.iter().map(|Missing { numbers, records, from, until }| Entry {
            first: numbers.map(|(first, _)| first),
            last: numbers.and_then(|(_, next)| next.checked_sub(1)),
            rows: Some(*records),
            until: Some(*from.max(until)),
            ..Entry::new(EntryKind::Gap, *from).because(Cause::Unfit.name())
        })
    }

    /// Writes the records into the folder [`layout::DAMAGED`], if there are any. Writing them again
    /// gives the same file.
    pub(super) fn put_aside(&self, lake: &Path, info: &SegmentInfo) -> Result<(), TableError> {
        if self.records.is_empty() {
            return Ok(());
        }
        let aside = lake.join(layout::DAMAGED);
        folder::create_in(lake, &aside)
            .map_err(|source| io_error("make the folder", &aside, source))?;
        let name = segment_name(&info.origin.run, info.number);
        let path = aside.join(format!("{name}{UNFIT_SUFFIX}"));
        let unfinished = aside.join(format!("{name}{UNFINISHED_SUFFIX}"));
        let bytes = records_file(info, &self.records);
        folder::replace(&unfinished, &path, |mut file| file.write_all(&bytes))
            .map_err(|source| io_error("write", &path, source))
    }
}
