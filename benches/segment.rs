//! Measures writing records into a journal segment and reading them back.
//!
//! `append` fills blocks of 64 or 4096 records, adds header and checksum, and writes each with one
//! `write` into a file of the temporary folder, without waiting for the disk. `base` writes the
//! same bytes and does nothing else. `read` reads the complete blocks of a segment in the page
//! cache, including checksums. All figures are ns per record. Quantiles are over files of 16 MiB,
//! alternating between the two.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use benches::timing::Samples;
use benches::{header, timing};
use spreadwire_kit::quotes::quote;
use spreadwire_lake::run::{Origin, RunId};
use spreadwire_lake::segment::{Block, ClosedSegment, SegmentInfo, SegmentReader, SegmentWriter};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::record::{Quote, Record};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Number of records after which a new file begins, so that the disk does not fill: 16 MiB.
const RECORDS_MAX: u64 = 1 << 18;

fn records(count: u64) -> Vec<Record> {
    (0..count).map(|at| Quote { sequence: at, ..quote(0, 0, at) }.into()).collect()
}

fn begin(folder: &Path) -> SegmentWriter {
    let origin = Origin { run: RunId::new("bench").unwrap(), catalogue: 0 };
    SegmentWriter::create(folder, SegmentInfo { origin, number: 0, started_at: 0 }).unwrap()
}

/// Fills the block with the records, writes it and clears it, as the journal does.
fn append(segment: &mut SegmentWriter, block: &mut Block, records: &[Record]) {
    records.iter().for_each(|record| block.push(record));
    segment.write(block).unwrap();
    block.clear();
}

/// Releases the preallocated space and returns the closed segment.
fn closed(segment: SegmentWriter) -> ClosedSegment {
    let finished = segment.finish();
    finished.trim().unwrap();
    finished.close().unwrap()
}

/// Writes a segment of [`RECORDS_MAX`] records and closes it.
fn whole(folder: &Path) -> ClosedSegment {
    let records = records(4096);
    let mut block = Block::new(records.len(), 0);
    let mut segment = begin(folder);
    while segment.contents().records < RECORDS_MAX {
        append(&mut segment, &mut block, &records);
    }
    closed(segment)
}

/// Returns the time of filling a file by appends, ns, without creating and removing it.
fn appending(folder: &Path, records: &[Record], clock: &Clock) -> Nanos {
    let mut block = Block::new(records.len(), 0);
    let mut segment = begin(folder);
    let rounds = RECORDS_MAX / records.len() as u64;
    let start = clock.now();
    (0..rounds).for_each(|_| append(&mut segment, &mut block, records));
    let spent = clock.now() - start;
    let closed = closed(segment);
    assert_eq!(closed.records, rounds * records.len() as u64);
    std::fs::remove_file(closed.path).unwrap();
    spent
}

/// Writes the same bytes with `write` alone.
fn writing(folder: &Path, bytes: &[u8], clock: &Clock) -> Nanos {
    let path = folder.join("plain");
    let mut file = File::create_new(&path).unwrap();
    let rounds = RECORDS_MAX / (bytes.len() / size_of::<Record>() - 1) as u64;
    let start = clock.now();
    (0..rounds).for_each(|_| file.write_all(bytes).unwrap());
    let spent = clock.now() - start;
    std::fs::remove_file(path).unwrap();
    spent
}

/// Converts the times of whole files to ns per record.
fn per_record(times: Vec<Nanos>) -> Samples {
    Samples::of(times.into_iter().map(|time| time as f64 / RECORDS_MAX as f64).collect())
}

fn appends(folder: &Path, clock: &Clock) {
    for count in [64, 4096] {
        let records = records(count);
        // A block's header takes the space of one record.
        let bytes = vec![1; (records.len() + 1) * size_of::<Record>()];
        let (mut ours, mut base) = (Vec::new(), Vec::new());
        for _ in 0..timing::samples(100) {
            base.push(writing(folder, &bytes, clock));
            ours.push(appending(folder, &records, clock));
        }
        let (ours, base) = (per_record(ours), per_record(base));
        let case = format!("append in blocks of {count}");
        base.tell(["segment", &case, "base"], None);
        ours.tell(["segment", &case, "segment"], Some(&base));
    }
}

fn reading(folder: &Path, clock: &Clock) {
    let path = whole(folder).path;
    let read = || {
        let start = clock.now();
        let blocks = SegmentReader::open(&path).unwrap();
        let records: u64 = blocks.map(|block| block.unwrap().records.len() as u64).sum();
        assert_eq!(records, RECORDS_MAX);
        clock.now() - start
    };
    let times = (0..timing::samples(50)).map(|_| read()).collect();
    per_record(times).tell(["segment", "read blocks of 4096", "segment"], None);
}

fn main() {
    header::print("segment");
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::host();
    appends(folder.path(), &clock);
    reading(folder.path(), &clock);
}
