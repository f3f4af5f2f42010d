//! The rows of one group: which file they become or join, and how it is written.

use super::SealError;
use super::content::Content;
use super::own_file::OwnFile;
use crate::columns::Columns;
use crate::group::Group;
use crate::run::segment_name;
use crate::table::{self, BATCH_ROWS, Metadata, Table, TableReader, TableWriter, Written};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A group with fewer rows than this joins the newest file of its folder, and any group joins a file with
/// fewer rows than this.
pub const SMALL_ROWS: u64 = 4096;
/// Most rows of a file that others joined. The bound keeps small segments from writing a large file
/// again and again.
pub const JOINED_ROWS_MAX: u64 = 1 << 16;
/// The same bound for rows of an hour that is over: they are the hour's last ones, and few.
pub const EDGE_ROWS_MAX: u64 = 1 << 20;
/// Returns the finished Parquet files of a folder, sorted by name, which is by time.
pub(super) fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes batches and reads them back.
pub(super) fn write_file(
    path: &Path,
    rows: &Rows<'_>,
    joined: Option<&Metadata>,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<Written, SealError> {
    let of = rows.group.table();
    let write = || -> Result<Written, SealError> {
        let mut writer = TableWriter::create(path, of, rows.metadata(joined))?;
        for batch in batches {
            writer.write(&batch?)?;
        }
        let written = writer.finish()?;
        if TableReader::open(path, of)?.sum()? == (written.rows, written.digest) {
            return Ok(written);
        }
        Err(SealError::Differs { path: path.to_owned() })
    };
    // Best effort: the next sealing overwrites what is left.
    write().inspect_err(|_| fs::remove_file(path).unwrap_or_default())
}

/// The rows of one group.
pub(super) struct Rows<'a> {
    pub(super) group: Group,
    /// Places of the records in the content, in the order that the rows will have.
    pub(super) places: Vec<u32>,
    pub(super) content: &'a Content,
    pub(super) columns: &'a Columns<'a>,
}

/// What the ledger will say about a group's rows.
pub(super) struct Own {
    pub(super) table: &'static Table,
    pub(super) venue: Option<String>,
    pub(super) instrument: Option<String>,
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) rows: u64,
    pub(super) digest: u64,
}

/// A file that a group's rows join.
pub(super) struct Joined {
    pub(super) path: PathBuf,
    metadata: Metadata,
    batches: Vec<RecordBatch>,
    digest: u64,
}

impl Rows<'_> {
    pub(super) fn segment_name(&self) -> String {
        let info = &self.content.info;
        segment_name(&info.origin.run, info.number)
    }

    pub(super) fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
        let Content { records, numbers, .. } = self.content;
        self.places.chunks(BATCH_ROWS).map(|places| {
            let numbered = places.iter().map(|at| *at as usize);
            let records: Vec<_> = numbered.map(|at| (&records[at], numbers[at])).collect();
            self.columns.batch(&self.group, &records)
        })
    }

    pub(super) fn digest(&self) -> Result<u64, ArrowError> {
        self.batches().try_fold(0, |sum: u64, batch| Ok(sum.wrapping_add(table::digest(&batch?))))
    }

    /// Writes the rows of a file and these rows as one file. Also returns the digest of these rows.
    pub(super) fn write_joined(
        &self,
        path: &Path,
        joined: &Joined,
    ) -> Result<(Written, u64), SealError> {
        let own: Vec<_> = self.batches().collect::<Result<_, _>>()?;
        let digest = own.iter().map(table::digest).fold(0, u64::wrapping_add);
        let all = self.group.table().sorted(&[&joined.batches[..], &own[..]].concat())?;
        let rows = all.num_rows();
        let chunks = (0..rows).step_by(BATCH_ROWS);
        let chunks = chunks.map(|at| Ok(all.slice(at, BATCH_ROWS.min(rows - at))));
        let written = write_file(path, self, Some(&joined.metadata), chunks)?;
        if written.digest == joined.digest.wrapping_add(digest) {
            return Ok((written, digest));
        }
        fs::remove_file(path).unwrap_or_default();
        Err(SealError::Differs { path: path.to_owned() })
    }

    /// Returns how a file's footer names these rows: run, segment, number of rows.
    pub(super) fn part(&self) -> String {
        let info = &self.content.info;
        format!("{}:{}:{}", info.origin.run, info.number, self.places.len())
    }

    fn metadata(&self, joined: Option<&Metadata>) -> Metadata {
        let mut metadata = self.columns.metadata(&self.group);
        let parts = joined.into_iter().flat_map(parts_of);
        let parts: Vec<String> = parts.chain([self.part()]).collect();
        metadata.insert("parts".to_owned(), parts.join(","));
        metadata
    }

    /// Reads the newest file that this process wrote into the folder, if these rows should join it. A
    /// file whose bytes are not those that were written is left alone.
    pub(super) fn join(&self, newest: &OwnFile) -> Option<Joined> {
        let path = &newest.path;
        let own = self.places.len() as u64;
        let bytes = newest.read()?;
        let reader = TableReader::of_bytes(path, &bytes, self.group.table()).ok()?;
        let (there, metadata) = (reader.rows(), reader.metadata().clone());
        let small = own < SMALL_ROWS || there < SMALL_ROWS;
        let is_edge = self.group.is_over(self.content.last_time);
        let rows_max = if is_edge { EDGE_ROWS_MAX } else { JOINED_ROWS_MAX };
        if !small || rows_max < own + there {
            return None;
        }
        // Another run may have recorded the instrument with other scales.
        let mut same = self.columns.metadata(&self.group).into_iter();
        if !same.all(|(key, value)| metadata.get(&key) == Some(&value)) {
            return None;
        }
        let batches: Vec<_> = reader.collect::<Result<_, _>>().ok()?;
        let digest = batches.iter().map(table::digest).fold(0, u64::wrapping_add);
        Some(Joined { path: path.clone(), metadata, batches, digest })
    }

    pub(super) fn own(&self, digest: u64) -> Own {
        let numbers = || self.places.iter().map(|at| self.content.numbers[*at as usize]);
        let (venue, instrument) = self.columns.names(&self.group);
        Own {
            table: self.group.table(),
            venue: venue.map(str::to_owned),
            instrument: instrument.map(str::to_owned),
            first: numbers().min(),
            last: numbers().max(),
            rows: self.places.len() as u64,
            digest,
        }
    }
}

/// Returns the parts that a file's footer lists.
pub(super) fn parts_of(metadata: &Metadata) -> impl Iterator<Item = String> {
    let parts = metadata.get("parts").cloned().unwrap_or_default();
    parts.split(',').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Origin, RunId, catalogue_digest};
    use crate::segment::{Block, SegmentInfo, SegmentReader, SegmentWriter};
    use spreadwire_kit::catalogue;
    use spreadwire_kit::records::quote;
    use spreadwire_market::clock::Nanos;
    use spreadwire_market::instrument::Catalogue;

    /// A catalogue with one instrument, whose prices have so many decimals.
    fn catalogue_of(price_decimals: u8) -> Catalogue {
        catalogue::of(["A/B"], ["okx"]).scales_each([(price_decimals, 8)]).build()
    }

    /// The content of a segment with these times.
    fn content(folder: &Path, number: u32, times: &[Nanos], columns: &Columns<'_>) -> Content {
        let catalogue = catalogue_digest(&catalogue_of(2));
        let origin = Origin { run: RunId::new("run").unwrap(), catalogue };
        let info = SegmentInfo { origin, number, started_at: 0 };
        let mut writer = SegmentWriter::create(folder, info).unwrap();
        let mut block = Block::new(times.len(), 0);
        times.iter().for_each(|time| block.push(&quote(*time)));
        writer.write(&mut block).unwrap();
        let path = writer.finish().close().unwrap().path;
        Content::read(SegmentReader::open(&path).unwrap(), None, columns).unwrap()
    }

    fn rows<'a>(content: &'a Content, columns: &'a Columns<'a>) -> Rows<'a> {
        let (group, places) = content.groups().pop_first().unwrap();
        Rows { group, places, content, columns }
    }

    /// Writes the rows of a first segment, which those of a second one may join.
    fn first(path: &Path, rows: &Rows<'_>) -> OwnFile {
        let written = write_file(path, rows, None, rows.batches()).unwrap();
        OwnFile { path: path.to_owned(), bytes: written.bytes, crc: written.crc }
    }

    #[test]
    fn rows_join_a_file_of_the_same_scales_alone() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = catalogue_of(2);
        let columns = Columns::of_any(&catalogue, "run");
        let contents = [1, 2].map(|number| content(home.path(), number, &[7, 8], &columns));
        let newest = first(&home.path().join("first.parquet"), &rows(&contents[0], &columns));
        for (price_decimals, joins) in [(2, true), (3, false)] {
            let catalogue = catalogue_of(price_decimals);
            let columns = Columns::of_any(&catalogue, "run");
            let joined = rows(&contents[1], &columns).join(&newest);
            assert_eq!(joined.is_some(), joins, "{price_decimals} decimals");
        }
    }

    #[test]
    fn a_joined_file_must_have_the_rows_of_both_and_one_that_has_not_is_deleted() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = catalogue_of(2);
        let columns = Columns::of_any(&catalogue, "run");
        let contents = [1, 2].map(|number| content(home.path(), number, &[7, 8, 9], &columns));
        let newest = first(&home.path().join("first.parquet"), &rows(&contents[0], &columns));
        let own = rows(&contents[1], &columns);
        let path = home.path().join("joined.parquet.tmp");
        let whole = own.join(&newest).unwrap();
        assert_eq!(own.write_joined(&path, &whole).unwrap().0.rows, 6);
        // A row that is lost on the way, or stands twice.
        let batch = &whole.batches[0];
        for batches in [vec![batch.slice(0, 2)], vec![batch.clone(), batch.slice(1, 1)]] {
            let changed = Joined { batches, ..own.join(&newest).unwrap() };
            let refused = own.write_joined(&path, &changed);
            assert!(matches!(refused, Err(SealError::Differs { .. })), "{refused:?}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_that_could_not_be_written_to_its_end_is_deleted() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = catalogue_of(2);
        let columns = Columns::of_any(&catalogue, "run");
        let content = content(home.path(), 1, &[7, 8], &columns);
        let rows = rows(&content, &columns);
        let path = home.path().join("first.parquet.tmp");
        let broken = || Err(ArrowError::ComputeError("on purpose".to_owned()));
        let failed = write_file(&path, &rows, None, rows.batches().chain([broken()]));
        assert!(matches!(failed, Err(SealError::Columns(_))), "{failed:?}");
        assert!(!path.exists());
    }
}
