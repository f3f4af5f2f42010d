//! Compares layouts of the lake's files on real tapes by bytes per row and rows per second, and
//! measures the sealer.
//!
//! Part `layouts`: the quotes of a tape, already in columns, are encoded into memory and decoded
//! again by one thread. Each round runs every layout in turn, so machine noise hits all equally.
//! The times are medians of the rounds. Each layout must return the rows that were encoded. Part
//! `seal`: the engine's sealer processes segments of a million quotes in files of the temporary
//! folder, which it syncs; and the steps of sealing are measured with files in memory, using the
//! chosen layout, reading back and comparing.
//!
//! A free argument selects one part. Without `--bench` (`cargo test --benches`) it is short and
//! only checks.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod layouts;
mod sealing;
mod tape;

use arrow::array::RecordBatch;
use benches::header;
use layouts::{Columns, Layout};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use spreadwire_market::clock::{Clock, Nanos};
use tape::Tape;

/// Number of rows passed to the writer, and requested by a reader, at a time.
const BATCH_ROWS: usize = 65_536;

/// A layout with its rows and measurements.
struct Candidate {
    layout: Layout,
    rows: RecordBatch,
    file: bytes::Bytes,
    encoding: Vec<Nanos>,
    decoding: Vec<Nanos>,
}

impl Candidate {
    /// Checks that the rows can be read back.
    fn new(layout: Layout, tape: &Tape) -> Candidate {
        let rows = layouts::batch(&tape.quotes, &tape.numbers, tape.scales, layout.columns);
        let file = encode(&rows, &layout.properties);
        let decoded = decode(&file, rows.num_rows());
        assert_eq!(decoded.len(), 1, "{}", layout.name);
        assert!(decoded[0].columns() == rows.columns(), "{}: other rows came back", layout.name);
        Candidate { layout, rows, file, encoding: Vec::new(), decoding: Vec::new() }
    }

    fn measure(&mut self, clock: &Clock) {
        let start = clock.now();
        let file = encode(&self.rows, &self.layout.properties);
        let encoded = clock.now();
        let batches = decode(&file, BATCH_ROWS);
        let decoded = clock.now();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, self.rows.num_rows());
        assert!(file == self.file, "{}: another file of the same rows", self.layout.name);
        self.encoding.push(encoded - start);
        self.decoding.push(decoded - encoded);
    }

    fn print(&mut self) {
        let rows = self.rows.num_rows();
        let columns = column_bytes(&self.file);
        let per_row = |bytes: u64| format!("{:>7.2}", ratio(bytes, rows as u64));
        let columns: String = columns.into_iter().map(per_row).collect();
        println!(
            "{:<30}{}{:>7.2}{:>7.2} |{columns}",
            self.layout.name,
            per_row(self.file.len() as u64),
            millions(rows, median(&mut self.encoding)),
            millions(rows, median(&mut self.decoding)),
        );
    }
}

fn encode(rows: &RecordBatch, properties: &WriterProperties) -> bytes::Bytes {
    let properties = Some(properties.clone());
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), properties).unwrap();
    for start in (0..rows.num_rows()).step_by(BATCH_ROWS) {
        let part = rows.slice(start, BATCH_ROWS.min(rows.num_rows() - start));
        writer.write(&part).unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn decode(file: &bytes::Bytes, batch_rows: usize) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let reader = builder.with_batch_size(batch_rows).build().unwrap();
    reader.map(Result::unwrap).collect()
}

/// Returns the bytes of each column in the file, without footer and indexes.
fn column_bytes(file: &bytes::Bytes) -> Vec<u64> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let metadata: &ParquetMetaData = builder.metadata();
    let mut bytes = vec![0; metadata.file_metadata().schema_descr().num_columns()];
    for group in metadata.row_groups() {
        for (sum, column) in bytes.iter_mut().zip(group.columns()) {
            *sum += column.compressed_size().cast_unsigned();
        }
    }
    bytes
}

fn median(times: &mut [Nanos]) -> Nanos {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Returns millions of rows per second.
fn millions(rows: usize, time: Nanos) -> f64 {
    ratio(rows as u64 * 1000, time.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "for a table")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

fn compare(tape: &Tape, rounds: usize, clock: &Clock) {
    let new = |layout| Candidate::new(layout, tape);
    let mut candidates: Vec<Candidate> = layouts::all().into_iter().map(new).collect();
    for _ in 0..rounds {
        candidates.iter_mut().for_each(|candidate| candidate.measure(clock));
    }
    println!(
        "\n{}, {} rows: bytes a row, M rows/s encoding and decoding, bytes a row by column",
        tape.name,
        tape.quotes.len()
    );
    let schema = layouts::batch(&[], &[], tape.scales, Columns::Lake).schema();
    let columns: String =
        schema.fields().iter().map(|f| format!("{:>7}", short(f.name()))).collect();
    println!("{:<30}{:>7}{:>7}{:>7} |{columns}", "layout", "file", "enc", "dec");
    candidates.iter_mut().for_each(Candidate::print);
}

/// Shortens a column's name for the table.
fn short(name: &str) -> String {
    let shorter = [("Best", ""), ("Timestamp", "Time"), ("EventTime", "Event"), ("Journal", "J")];
    let name = shorter.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to));
    name.replace("Sequence", "Seq")
}

fn main() {
    header::print("lake_layouts");
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let (rounds, quotes_max) = if measuring { (9, usize::MAX) } else { (1, 2_000) };
    let mut tapes = tape::real(quotes_max);
    if !measuring {
        tapes.extend(tape::made(2_000));
    }
    let clock = Clock::host();
    if wanted("layouts") {
        tapes.iter().for_each(|tape| compare(tape, rounds, &clock));
    }
    if let Some(tape) = tapes.first().filter(|_| wanted("seal")) {
        let (records, rounds) = if measuring { (1_000_000, 3) } else { (4_000, 1) };
        sealing::measure(tape, records, rounds, &clock);
        sealing::steps(tape, records, rounds, &clock);
    }
}
