//! The quotes of one venue and day in time order.
//!
//! Row groups are read in the order of their first times. A row group after whose last row all others
//! begin is passed on batch by batch as it is decoded, if its footer declares it sorted or nothing is known
//! against that; its order is checked on the way. The rows of all other row groups wait in a [`Window`] until no
//! unread row can come before them. Memory therefore holds one batch, or the rows of the row groups
//! that overlap at one time, and twice that while they are sorted.

use super::calendar::{DAY_NS, bounds};
use super::decode::{self, BATCH_ROWS, Counts, GroupReader, Sound, times};
use super::fault::{Caution, ReadError};
use super::names::Scale;
use super::plan::{Key, Piece, Plan};
use super::selection::Columns;
use super::unit::VenueDay;
use super::window::{Loaded, Window};
use crate::report::Problem;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::Path;

/// Counts of what was read of one or more venues and days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were used.
    pub files: u64,
    /// Files that were left out; each is one of the problems.
    pub files_left_out: u64,
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were passed on.
    pub rows: u64,
    /// Rows left out because they have no time, or a time outside the years 1677 to 2262.
    pub no_time: u64,
    /// Rows left out because bid or ask is null.
    pub no_price: u64,
    /// Rows left out because bid or ask is not positive or not finite.
    pub no_sound_price: u64,
    /// Rows with the same time as the row before.
    pub same_time: u64,
    /// Rows whose time is outside the day of their folder; they are passed on.
    pub outside_day: u64,
    /// Rows left out because their time is more than a day away from the day of their folder.
    pub far_from_day: u64,
    /// Row groups that were read.
    pub row_groups: u64,
    /// Row groups whose rows had to be merged or sorted, or might have had to be.
    pub row_groups_merged: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.files += other.files;
        self.files_left_out += other.files_left_out;
        self.rows_read += other.rows_read;
        self.rows += other.rows;
        self.no_time += other.no_time;
        self.no_price += other.no_price;
        self.no_sound_price += other.no_sound_price;
        self.same_time += other.same_time;
        self.outside_day += other.outside_day;
        self.far_from_day += other.far_from_day;
        self.row_groups += other.row_groups;
        self.row_groups_merged += other.row_groups_merged;
    }
}

impl Tally {
    pub(super) fn count(&mut self, counts: Counts) {
        self.rows_read += counts.read;
        self.no_time += counts.no_time;
        self.no_price += counts.no_price;
        self.no_sound_price += counts.no_sound_price;
    }
}

/// Batches of quotes sorted by time, each of 1 to [`BATCH_ROWS`] rows.
///
/// After an error there are no more batches.
#[derive(Debug)]
pub struct VenueQuotes {
    columns: Columns,
    plan: Plan,
    /// Number of pieces whose reading has begun.
    begun: usize,
    stream: Option<Stream>,
    window: Window,
    order: Order,
    day: (i64, i64),
    folder: String,
    scale: Scale,
    last: Option<i64>,
    tally: Tally,
    problems: Vec<Problem>,
    /// Rows left out, by index into the plan's footers.
    left_out: BTreeMap<usize, Counts>,
    has_failed: bool,
}

/// A row group that is passed on as it is decoded.
#[derive(Debug)]
struct Stream {
    piece: Piece,
    reader: GroupReader,
}

/// Checks whether the rows of one row group follow each other.
#[derive(Debug, Default)]
struct Order {
    last: Option<i64>,
}

impl VenueDay {
    /// Starts to read. All footers are read at once; files that cannot be used are left out and
    /// listed in [`problems`](VenueQuotes::problems).
    #[must_use]
    pub fn open(&self, lake: &Path, columns: Columns, caution: &Caution) -> VenueQuotes {
        let mut plan = Plan::of(lake, self, caution);
        let problems = std::mem::take(&mut plan.problems);
        let files = plan.footers.len() as u64;
        let mut tally = Tally { files, files_left_out: plan.files_left_out, ..Tally::default() };
        let left_out = std::mem::take(&mut plan.counts);
        left_out.values().for_each(|counts| tally.count(*counts));
        VenueQuotes {
            columns,
            plan,
            begun: 0,
            stream: None,
            window: Window::new(columns.schema()),
            order: Order::default(),
            day: bounds(self.date),
            folder: self.folder().to_owned(),
            scale: self.scale,
            last: None,
            tally,
            problems,
            left_out,
            has_failed: false,
        }
    }
}

impl VenueDay {
    /// Returns the times of its first and its last quote, in ns since 1970 UTC, as the footers of its
    /// files tell them; `None` if none can be read. Rows are read only if a row group has some of other
    /// days, in a file whose path names no day.
    #[must_use]
    pub fn span(&self, lake: &Path) -> Option<(i64, i64)> {
        let plan = Plan::of(lake, self, &Caution::default());
        let (start, end) = bounds(self.date);
        // A footer cuts the span of a row group that reaches beyond the day at its ends.
        let is_of_day = |(first, last): (i64, i64)| start < first && last < end - 1;
        let span = |piece: &Piece| {
            let footer = plan.footer(piece);
            if footer.within.is_none() || is_of_day(piece.span) {
                return Some(piece.span);
            }
            // Rows of other days are in the same row group.
            decode::survey(footer, &piece.group, &mut Counts::default()).ok()?
        };
        let spans = plan.pieces.iter().filter_map(span);
        let spans = spans.filter(|(first, last)| *first < end && start <= *last);
        spans.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)))
    }

    /// Returns the folder of the day below the lake.
    fn folder(&self) -> &str {
        let path = self.files.first().map_or("", |file| &file.path);
        match path.split_once("/hour=").or_else(|| path.rsplit_once('/')) {
            Some((folder, _)) => folder,
            None => path,
        }
    }
}

impl Iterator for VenueQuotes {
    type Item = Result<RecordBatch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        loop {
            match self.read().transpose()? {
                Ok(rows) => {
                    let rows = self.near(&rows);
                    if 0 < rows.num_rows() {
                        self.hand_on(&rows);
                        return Some(Ok(self.scale.apply(rows)));
                    }
                }
                Err(error) => {
                    self.has_failed = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl VenueQuotes {
    /// Returns the columns of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.columns.schema()
    }

    /// Returns counts of what was read so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns what was wrong so far.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the paths of the files that were left out so far.
    pub fn files_left_out(&self) -> impl Iterator<Item = &str> {
        let left_out = self.problems.iter().filter(|problem| problem.left_out);
        left_out.map(|problem| problem.subject.as_str())
    }

    /// Returns the problems of single rows so far: rows left out by file, and rows of another day.
    #[must_use]
    pub fn row_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut tell = |subject: &str, count: u64, what: &str, left_out| {
            if 0 < count {
                let (subject, what) = (subject.to_owned(), format!("rows {what}: {count}"));
                problems.push(Problem { subject, what, left_out });
            }
        };
        for (file, counts) in &self.left_out {
            let name = &self.plan.footers[*file].name;
            tell(name, counts.no_time, "without a time, left out", true);
            // A book with one side empty is nothing unusual.
            tell(name, counts.no_price, "without a bid or an ask, which are not quotes", false);
            let what = "with a price that is not positive and finite, left out";
            tell(name, counts.no_sound_price, what, true);
        }
        let what = "of another day than their folder, counted for the folder's day";
        tell(&self.folder, self.tally.outside_day, what, false);
        let what = "more than a day away from their folder's day, left out";
        tell(&self.folder, self.tally.far_from_day, what, true);
        problems
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        loop {
            if let Some(rows) = self.streamed()? {
                return Ok(Some(rows));
            }
            let next = self.plan.pieces.get(self.begun);
            let ready = self.window.ready(next.map(Piece::first_key));
            if 0 < ready {
                return Ok(Some(self.window.take(ready.min(BATCH_ROWS))));
            }
            let Some(piece) = next.copied() else { return Ok(None) };
            if self.window.len() == 0 && self.stands_alone(&piece) {
                self.begun += 1;
                self.tally.row_groups += 1;
                let reader = self.reader(&piece)?;
                self.order = Order::default();
                self.stream = Some(Stream { piece, reader });
            } else {
                self.load()?;
            }
        }
    }

    /// Returns rows of the row group that is passed on as it is decoded.
    fn streamed(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        while let Some(stream) = &mut self.stream {
            let piece = stream.piece;
            let next = stream.reader.next();
            let next = next.map_err(|what| self.plan.damaged(&piece, what))?;
            let Some(Sound { rows, counts }) = next else {
                self.stream = None;
                break;
            };
            self.tally.count(counts);
            *self.left_out.entry(piece.file).or_default() += counts;
            let goes_on = self.order.goes_on(times(&rows));
            piece.check_span(&self.plan, times(&rows), goes_on)?;
            if !goes_on {
                return Err(self.plan.unsorted(&piece));
            }
            if 0 < rows.num_rows() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Returns whether everything after a piece comes after its last row.
    fn stands_alone(&self, piece: &Piece) -> bool {
        let next = self.plan.pieces.get(self.begun + 1);
        piece.is_sorted && next.is_none_or(|next| piece.last_key() < next.first_key())
    }

    /// Reads the next piece into the window, and the pieces that overlap it, as long as these have
    /// fewer rows than wait already. Otherwise many small pieces would sort a large one over and
    /// over.
    fn load(&mut self) -> Result<(), ReadError> {
        let (mut loaded, mut rows) = (Vec::new(), 0);
        let mut last: Option<Key> = None;
        while let Some(piece) = self.plan.pieces.get(self.begun).copied() {
            let overlaps = last.is_none_or(|last| piece.first_key() < last);
            if !overlaps || (0 < rows && self.window.len().max(BATCH_ROWS) <= rows) {
                break;
            }
            self.begun += 1;
            self.tally.row_groups += 1;
            self.tally.row_groups_merged += 1;
            let batches = self.whole(&piece)?;
            rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            loaded.push(Loaded { rank: piece.rank, batches });
            last = last.max(Some(piece.last_key()));
        }
        let Some(piece) = self.plan.pieces.get(self.begun.saturating_sub(1)) else { return Ok(()) };
        self.window.join(&loaded).map_err(|error| self.plan.damaged(piece, error.to_string()))
    }

    /// Returns all rows of a piece, in the file's order.
    fn whole(&mut self, piece: &Piece) -> Result<Vec<RecordBatch>, ReadError> {
        let mut reader = self.reader(piece)?;
        let (mut batches, mut order, mut is_sorted) = (Vec::new(), Order::default(), true);
        while let Some(Sound { rows, counts }) =
            reader.next().map_err(|what| self.plan.damaged(piece, what))?
        {
            self.tally.count(counts);
            *self.left_out.entry(piece.file).or_default() += counts;
            let goes_on = order.goes_on(times(&rows));
            piece.check_span(&self.plan, times(&rows), goes_on)?;
            is_sorted &= goes_on;
            batches.push(rows);
        }
        if !is_sorted {
            self.tell_unsorted(piece);
        }
        Ok(batches)
    }

    fn reader(&self, piece: &Piece) -> Result<GroupReader, ReadError> {
        let reader = GroupReader::open(self.plan.footer(piece), &piece.group, self.columns);
        reader.map_err(|what| self.plan.damaged(piece, what))
    }

    fn tell_unsorted(&mut self, piece: &Piece) {
        let subject = &self.plan.footer(piece).name;
        let what = "its times are out of order, so it was sorted while reading";
        if self.problems.iter().any(|known| known.subject == *subject && known.what == what) {
            return;
        }
        let (subject, what) = (subject.clone(), what.to_owned());
        self.problems.push(Problem { subject, what, left_out: false });
    }

    /// Leaves out rows whose time is more than a day away from the day of their folder. No time
    /// zone of a recorder causes that, but damaged bytes do.
    fn near(&mut self, rows: &RecordBatch) -> RecordBatch {
        let times = times(rows);
        let (start, end) = self.day;
        let first = times.partition_point(|time| *time < start.saturating_sub(DAY_NS));
        let behind = times.partition_point(|time| *time < end.saturating_add(DAY_NS)).max(first);
        self.tally.far_from_day += (times.len() - (behind - first)) as u64;
        rows.slice(first, behind - first)
    }

    fn hand_on(&mut self, rows: &RecordBatch) {
        let times = times(rows);
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
        debug_assert!(self.last.is_none_or(|before| before <= *first), "sorted across batches");
        self.tally.rows += times.len() as u64;
        let same = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
        self.tally.same_time += same as u64 + u64::from(self.last == Some(*first));
        self.last = Some(*last);
        let (start, end) = self.day;
        if *first < start || end <= *last {
            let before = times.partition_point(|time| *time < start);
            let behind = times.len() - times.partition_point(|time| *time < end);
            self.tally.outside_day += (before + behind) as u64;
        }
    }
}

impl Order {
    /// Returns whether these times are sorted and not before the earlier ones.
    fn goes_on(&mut self, times: &[i64]) -> bool {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return true };
        let follows = self.last.is_none_or(|before| before <= *first);
        self.last = Some(*last);
        follows && times.is_sorted()
    }
}
