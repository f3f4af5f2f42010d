//! Measures the sealer on segments made from a tape: rows per second and peak memory.

use crate::layouts::{self, Columns};
use crate::tape::{Scales, Tape};
use crate::{BATCH_ROWS, decode, encode, median, millions};
use arrow::array::RecordBatch;
use spreadwire_kit::catalogue;
use spreadwire_lake::ledger;
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentReader, SegmentWriter};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::Quote;
use std::fs;
use std::path::{Path, PathBuf};

const BLOCK_RECORDS: usize = 4096;
/// Time between the same quote of two books, ns.
const APART: Nanos = 1_301;

/// Prints the results of sealing a segment of `records` quotes, `rounds` times.
pub(crate) fn measure(tape: &Tape, records: usize, rounds: usize, clock: &Clock) {
    println!("\nseal_segment, {records} quotes: M rows/s, files, bytes a row, peak memory");
    for (venues, instruments) in [(1, 1), (4, 5)] {
        let catalogue = catalogue(venues, instruments, tape.scales);
        let quotes = quotes(tape, records, venues, instruments);
        let folder = tempfile::tempdir().unwrap();
        let mut times = Vec::new();
        let mut memory_use = String::from("unknown");
        let (mut files, mut bytes) = (0, 0);
        for _ in 0..rounds {
            let segment = write_segment(folder.path(), &catalogue, &quotes);
            let book =
                ledger::Book::begin(&folder.path().join("lake"), RunId::new("bench").unwrap());
            let before = reset_peak();
            let start = clock.now();
            let sealed = seal_segment(&segment, &book, &catalogue).unwrap();
            times.push(clock.now() - start);
            if let Some((before, peak)) = before.zip(memory("VmHWM")) {
                memory_use = format!("{} of which {} before", peak / 1024, before / 1024);
            }
            assert_eq!(sealed.files.iter().map(|file| file.rows).sum::<u64>(), records as u64);
            files = sealed.files.len();
            bytes = sealed.files.iter().map(|file| fs::metadata(&file.path).unwrap().len()).sum();
        }
        let speed = millions(records, median(&mut times));
        let per_row = crate::ratio(bytes, records as u64);
        println!(
            "{venues} venues x {instruments} instruments: {speed:.2} M rows/s, {files} files, {per_row:.2} B/row, peak MiB {memory_use}"
        );
    }
}

fn catalogue(venues: u8, instruments: u32, scales: Scales) -> Catalogue {
    let venues = (0..venues).map(|at| format!("venue-{at}"));
    let instruments = (0..instruments).map(|at| format!("A{at}/USDT"));
    catalogue::of(instruments, venues).scales(scales.price, scales.size).build()
}

/// Returns the tape repeated, played by every book at the same time.
fn quotes(tape: &Tape, records: usize, venues: u8, instruments: u32) -> Vec<Quote> {
    let span = tape.quotes[tape.quotes.len() - 1].ts_recv - tape.quotes[0].ts_recv + 1_000_000;
    let books: Vec<(u8, u32)> =
        (0..venues).flat_map(|venue| (0..instruments).map(move |id| (venue, id))).collect();
    let turns = (0..).flat_map(|turn| tape.quotes.iter().map(move |quote| (turn, quote)));
    let all = turns.flat_map(|(turn, quote)| {
        books.iter().zip(0..).map(move |((venue, instrument), book)| Quote {
            ts_recv: quote.ts_recv + turn * span + book * APART,
            venue: VenueId(*venue),
            instrument: InstrumentId(*instrument),
            ..*quote
        })
    });
    let mut quotes: Vec<Quote> = all.take(records).collect();
    quotes.sort_by_key(|quote| quote.ts_recv);
    quotes
}

fn write_segment(folder: &Path, catalogue: &Catalogue, quotes: &[Quote]) -> PathBuf {
    let run = RunId::new("bench").unwrap();
    let origin = Origin { run, catalogue: catalogue_digest(catalogue) };
    let info = SegmentInfo { origin, number: 0, started_at: 0 };
    let mut segment = SegmentWriter::create(folder, info).unwrap();
    let mut block = Block::new(BLOCK_RECORDS, 0);
    for part in quotes.chunks(BLOCK_RECORDS) {
        part.iter().for_each(|quote| block.push(&(*quote).into()));
        segment.write(&mut block).unwrap();
        block.clear();
    }
    let finished = segment.finish();
    finished.trim().unwrap();
    finished.sync().unwrap();
    finished.close().unwrap().path
}

/// The quotes of a book with their journal numbers.
type Book = (Vec<Quote>, Vec<i64>);

/// Prints the cost of each step of an alternative: reading a segment directly into a list per book,
/// which needs no sort as long as a book's times ascend, and reading back and comparing every row.
pub(crate) fn steps(tape: &Tape, records: usize, rounds: usize, clock: &Clock) {
    const STEPS: [&str; 5] = ["read", "order", "columns", "encode", "read back"];
    println!("\nsteps in memory, ns a row: {}, M rows/s", STEPS.join(", "));
    for (venues, instruments) in [(1, 1), (4, 5)] {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue(venues, instruments, tape.scales);
        let quotes = quotes(tape, records, venues, instruments);
        let segment = write_segment(folder.path(), &catalogue, &quotes);
        let mut times = STEPS.map(|_| Vec::new());
        for _ in 0..rounds {
            let round = step_times(&segment, &catalogue, tape.scales, clock);
            times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
        }
        let medians = times.map(|mut times| median(&mut times));
        let per_row = medians.map(|time| format!("{:>6}", time / records as u64)).concat();
        let speed = millions(records, medians.iter().sum());
        println!("{venues} venues x {instruments} instruments: {per_row}, {speed:.2} M rows/s");
    }
}

fn step_times(segment: &Path, catalogue: &Catalogue, scales: Scales, clock: &Clock) -> [Nanos; 5] {
    let start = clock.now();
    let mut books = read(segment, catalogue);
    let mut times = [clock.now() - start, 0, 0, 0, 0];
    let records: usize = books.iter().map(|(quotes, _)| quotes.len()).sum();
    let mut rows = 0;
    for book in &mut books {
        let start = clock.now();
        order(book);
        let ordered = clock.now();
        let columns = layouts::batch(&book.0, &book.1, scales, Columns::Lake);
        let built = clock.now();
        let file = encode(&columns, &layouts::chosen().build());
        let encoded = clock.now();
        rows += compare(&file, &columns);
        let ends = [(start, ordered), (ordered, built), (built, encoded), (encoded, clock.now())];
        times[1..].iter_mut().zip(ends).for_each(|(time, (start, end))| *time += end - start);
    }
    assert_eq!(rows, records);
    times
}

fn read(segment: &Path, catalogue: &Catalogue) -> Vec<Book> {
    let instruments = catalogue.instruments.len();
    let mut books = vec![Book::default(); catalogue.venues.len() * instruments];
    for block in SegmentReader::open(segment).unwrap() {
        for (number, record) in block.unwrap().numbered() {
            let quote: &Quote = record.view();
            let (quotes, numbers) =
                &mut books[quote.venue.index() * instruments + quote.instrument.index()];
            quotes.push(*quote);
            numbers.push(number.cast_signed());
        }
    }
    books
}

/// Sorts by time, and by journal order where times are equal, unless the rows are sorted already.
fn order((quotes, numbers): &mut Book) {
    if quotes.is_sorted_by_key(|quote| quote.ts_recv) {
        return;
    }
    let mut both: Vec<(Quote, i64)> = quotes.drain(..).zip(numbers.drain(..)).collect();
    both.sort_by_key(|(quote, _)| quote.ts_recv);
    (*quotes, *numbers) = both.into_iter().unzip();
}

/// Checks that the rows read back are those that were written, and returns their number.
fn compare(file: &bytes::Bytes, columns: &RecordBatch) -> usize {
    let mut at = 0;
    for batch in decode(file, BATCH_ROWS) {
        let rows = batch.num_rows();
        assert!(batch.columns() == columns.slice(at, rows).columns(), "other rows came back");
        at += rows;
    }
    at
}

/// Resets the peak and returns the current memory use, KiB; `None` if the system does not allow it.
fn reset_peak() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS")
}

/// Returns a value of the process's status, KiB.
fn memory(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
