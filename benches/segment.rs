//! Records into a journal segment and back: records a second.
//!
//! Group `segment/append/<records of a block>`: records into a block, its header and checksum, and one
//! `write` into a file of the temporary folder; the disk is not waited for. `base` writes the same bytes
//! with nothing around them. `segment/read`: the whole blocks of a segment that lies in the page
//! cache, checksums included.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod header;

use bytemuck::Zeroable;
use criterion::{Criterion, Throughput};
use spreadwire::clock::{Clock, Nanos};
use spreadwire::record::{Kind, Quote, Record};
use spreadwire::segment::{
    Block, ClosedSegment, Origin, RunId, SegmentInfo, SegmentReader, SegmentWriter,
};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// A file begins anew at this length, so that the disk does not fill: 16 MiB.
const RECORDS_MAX: u64 = 1 << 18;

fn records(count: u64) -> Vec<Record> {
    let quote = |at| Quote {
        ts_recv: at,
        bid_px: 6_183_763,
        ask_px: 6_183_764,
        bid_sz: 378_826_000,
        ask_sz: 154_698_000,
        sequence: at,
        kind: Kind::Quote as u8,
        ..Quote::zeroed()
    };
    (0..count).map(|at| quote(at).into()).collect()
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

/// Gives back the room taken ahead, and the closed name.
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

/// The time of `rounds` appends; making and removing files is left out.
fn appending(folder: &Path, records: &[Record], rounds: u64, clock: &Clock) -> Duration {
    let mut block = Block::new(records.len(), 0);
    let (mut left, mut spent): (u64, Nanos) = (rounds, 0);
    let per_file = RECORDS_MAX / records.len() as u64;
    while 0 < left {
        let mut segment = begin(folder);
        let turn = left.min(per_file);
        let start = clock.now();
        (0..turn).for_each(|_| append(&mut segment, &mut block, records));
        spent += clock.now() - start;
        left -= turn;
        let closed = closed(segment);
        assert_eq!(closed.records, turn * records.len() as u64);
        std::fs::remove_file(closed.path).unwrap();
    }
    Duration::from_nanos(spent)
}

/// The same bytes, by `write` alone.
fn writing(folder: &Path, bytes: &[u8], rounds: u64, clock: &Clock) -> Duration {
    let (mut left, mut spent): (u64, Nanos) = (rounds, 0);
    let per_file = RECORDS_MAX * 64 / bytes.len() as u64;
    while 0 < left {
        let path = folder.join("plain");
        let mut file = File::create_new(&path).unwrap();
        let turn = left.min(per_file);
        let start = clock.now();
        (0..turn).for_each(|_| file.write_all(bytes).unwrap());
        spent += clock.now() - start;
        left -= turn;
        std::fs::remove_file(path).unwrap();
    }
    Duration::from_nanos(spent)
}

fn appends(criterion: &mut Criterion, folder: &Path, clock: &Clock) {
    for count in [64, 4096] {
        let mut group = criterion.benchmark_group(format!("segment/append/{count}"));
        group.throughput(Throughput::Elements(count));
        let records = records(count);
        let bytes = vec![1; (records.len() + 1) * size_of::<Record>()];
        group.bench_function("segment", |bencher| {
            bencher.iter_custom(|rounds| appending(folder, &records, rounds, clock));
        });
        group.bench_function("base", |bencher| {
            bencher.iter_custom(|rounds| writing(folder, &bytes, rounds, clock));
        });
        group.finish();
    }
}

fn reading(criterion: &mut Criterion, folder: &Path) {
    let path = whole(folder).path;
    let read = || -> u64 {
        let blocks = SegmentReader::open(&path).unwrap();
        blocks.map(|block| block.unwrap().records.len() as u64).sum()
    };
    assert_eq!(read(), RECORDS_MAX);
    let mut group = criterion.benchmark_group("segment/read");
    group.sample_size(20).throughput(Throughput::Elements(RECORDS_MAX));
    group.bench_function("4096", |bencher| bencher.iter(read));
    group.finish();
}

fn main() {
    header::print("segment");
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::host();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    appends(&mut criterion, folder.path(), &clock);
    reading(&mut criterion, folder.path());
    criterion.final_summary();
}
