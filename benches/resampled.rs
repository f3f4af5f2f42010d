//! Creates a lake of any size by resampling a tape of several venues.
//!
//! Blocks of some seconds of all venues together follow each other in random order, determined by a
//! seed, so bursts and the relations between venues stay as recorded. At the start of a block all
//! prices are scaled to continue where the last block ended, in whole ticks; spreads keep their
//! ticks. A day of the lake has the tape's rate of quotes from midnight on, until its rows are used
//! up.

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, StringArray, TimestampNanosecondArray, UInt8Array,
    UInt64Array,
};
use flate2::read::MultiGzDecoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spreadwire_lake::layout;
use spreadwire_lake::table::{Metadata, QUOTES, TableWriter};
use spreadwire_market::decimal;
use spreadwire_market::record::flags;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Seed of the order of blocks.
const SEED: u64 = 20_240_808;
/// Length of a block, ns, unless the tape is shorter than eight of them.
const BLOCK: i64 = 5_000_000_000;
/// 2026-02-02, a Monday, in hours since 1970.
const FIRST_HOUR: u64 = 491_616;
const HOUR: i64 = 3_600_000_000_000;
/// Number of decimals of prices and sizes in memory.
const PRICE_SCALE: u8 = 2;
const SIZE_SCALE: u8 = 8;

/// Size of the lake.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Approximate number of rows: a day ends with a complete block.
    pub(crate) rows: u64,
    pub(crate) instruments: u32,
    pub(crate) days: u32,
}

/// One venue's quote, in ticks.
#[derive(Clone, Copy)]
struct Row {
    time: i64,
    bid: i64,
    spread: i64,
    sizes: [i64; 2],
}

/// One venue of the tape, over the time in which all venues have quotes.
struct Venue {
    name: String,
    /// Tick size in units of the price scale.
    tick: i64,
    rows: Vec<Row>,
}

/// Creates a lake in a folder that does not exist yet.
pub(crate) fn make(folder: &Path, shape: Shape) {
    let tape = tape();
    let (path, venues) = (&tape.0, &tape.1);
    let begin = venues.iter().map(|venue| venue.rows[0].time).max().unwrap();
    let end = venues.iter().map(|venue| venue.rows[venue.rows.len() - 1].time).min().unwrap();
    let block = BLOCK.min((end - begin) / 8);
    println!(
        "lake: {} instruments, {} days, {} venues; blocks of {} ms out of {} s of {}, seed {SEED}",
        shape.instruments,
        shape.days,
        venues.len(),
        block / 1_000_000,
        (end - begin) / 1_000_000_000,
        path.file_name().unwrap().display(),
    );
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let wanted = shape.rows / u64::from(shape.instruments * shape.days);
    for instrument in 0..shape.instruments {
        let name = format!("COIN{instrument}/USDT");
        // Each further instrument has a smaller tick relative to its price, as real instruments
        // differ.
        let mut price = 1.0 / f64::from(1 << instrument.min(5));
        for day in 0..shape.days {
            let mut drawn: Vec<Vec<Row>> = vec![Vec::new(); venues.len()];
            let mut at = 0;
            while drawn.iter().map(Vec::len).sum::<usize>() < usize::try_from(wanted).unwrap() {
                let from = random.random_range(begin..end - block);
                price = append(&mut drawn, venues, (from, block), at, price);
                at += block;
            }
            let hour = FIRST_HOUR + u64::from(24 * day);
            for (venue, drawn) in venues.iter().zip(&drawn) {
                let name = layout::instrument_folder(&name).unwrap();
                let exchange = layout::venue_folder(&venue.name).unwrap();
                let above = folder.join(format!("exchange={exchange}/symbol={name}"));
                write(&above, hour, venue, drawn);
            }
        }
    }
}

/// Appends a block of the tape, given by start and length, to a day's rows. Its prices begin at
/// this multiple of the tape's last price. Returns the multiple with which the next block
/// continues.
fn append(
    drawn: &mut [Vec<Row>],
    venues: &[Venue],
    (from, block): (i64, i64),
    at: i64,
    price: f64,
) -> f64 {
    let standing = |venue: &Venue, time| {
        let place = venue.rows.partition_point(|row| row.time < time);
        as_float(venue.rows[place.saturating_sub(1)].bid * venue.tick)
    };
    let last = venues.last().unwrap();
    let reference = as_float(last.rows[last.rows.len() - 1].bid * last.tick);
    let factor = price * reference / standing(last, from);
    for (drawn, venue) in drawn.iter_mut().zip(venues) {
        let first = venue.rows.partition_point(|row| row.time < from);
        let rows = venue.rows[first..].iter().take_while(|row| row.time < from + block);
        drawn.extend(rows.map(|row| Row {
            time: at + row.time - from,
            bid: scaled(row.bid, factor),
            ..*row
        }));
    }
    standing(last, from + block) * factor / reference
}

/// Writes a venue's day, a file for each hour.
fn write(above: &Path, first_hour: u64, venue: &Venue, rows: &[Row]) {
    for rows in rows.chunk_by(|a, b| a.time / HOUR == b.time / HOUR) {
        let hour = first_hour + (rows[0].time / HOUR).cast_unsigned();
        let folder = above.join(layout::hour_folder(hour));
        fs::create_dir_all(&folder).unwrap();
        let metadata = Metadata::from([("run".to_owned(), "bench".to_owned())]);
        let path = folder.join("resampled.parquet");
        let mut writer = TableWriter::create(&path, &QUOTES, metadata).unwrap();
        for rows in rows.chunks(spreadwire_lake::table::BATCH_ROWS) {
            writer.write(&QUOTES.batch(columns(first_hour, venue, rows)).unwrap()).unwrap();
        }
        writer.finish().unwrap();
    }
}

/// Returns the columns that `lake import` would write for a tape without event times.
fn columns(first_hour: u64, venue: &Venue, rows: &[Row]) -> Vec<ArrayRef> {
    let midnight = first_hour.cast_signed() * HOUR;
    let price = |ticks: i64| decimal::to_f64(ticks * venue.tick, PRICE_SCALE);
    let floats = |of: &dyn Fn(&Row) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(of)))
    };
    let times = rows.iter().map(|row| midnight + row.time);
    let times = TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC");
    let numbers = rows.iter().map(|row| midnight + row.time);
    vec![
        Arc::new(times),
        floats(&|row| price(row.bid)),
        floats(&|row| price(row.bid + row.spread)),
        floats(&|row| decimal::to_f64(row.sizes[0], SIZE_SCALE)),
        floats(&|row| decimal::to_f64(row.sizes[1], SIZE_SCALE)),
        Arc::new(TimestampNanosecondArray::new_null(rows.len()).with_timezone("UTC")),
        Arc::new(UInt64Array::new_null(rows.len())),
        Arc::new(Int64Array::from_iter_values(numbers)),
        Arc::new(UInt8Array::from(vec![flags::TS_EVENT_ABSENT; rows.len()])),
        Arc::new(StringArray::from(vec!["bench"; rows.len()])),
    ]
}

/// Returns the path and the venues by name of the recorded tape of one coin on three venues, or of
/// a synthetic tape if it is absent.
fn tape() -> (PathBuf, Vec<Venue>) {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let beside = above.join("../shared");
    let shared = std::env::var_os("SPREADWIRE_REAL_DATA").map_or(beside, PathBuf::from);
    let real = shared.join("tapes/quotes_binance_spot_usdm_coinm_BTC_20240808T2354Z.csv.gz");
    let path = if real.is_file() {
        real
    } else {
        println!("{} is absent (SPREADWIRE_REAL_DATA): using a synthetic tape", real.display());
        above.join("data/tapes/model_btc_eth_5s.csv.gz")
    };
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(File::open(&path).unwrap()));
    for record in reader.records() {
        let record = record.unwrap();
        if !record[3].starts_with("BTC") {
            continue;
        }
        let number = |at: usize, scale| decimal::parse(record[at].as_bytes(), scale).unwrap();
        let bid = number(4, PRICE_SCALE);
        rows.entry(record[2].to_owned()).or_default().push(Row {
            time: record[0].parse().unwrap(),
            bid,
            spread: number(6, PRICE_SCALE) - bid,
            sizes: [number(5, SIZE_SCALE), number(7, SIZE_SCALE)],
        });
    }
    (path, rows.into_iter().map(|(name, rows)| in_ticks(name, rows)).collect())
}

/// Converts to ticks. If all prices of a venue are multiples of ten scale units, that is its tick.
fn in_ticks(name: String, mut rows: Vec<Row>) -> Venue {
    let is_coarse = rows.iter().all(|row| row.bid % 10 == 0 && row.spread % 10 == 0);
    let tick = if is_coarse { 10 } else { 1 };
    for row in &mut rows {
        row.bid /= tick;
        row.spread /= tick;
    }
    Venue { name, tick, rows }
}

#[expect(clippy::cast_precision_loss, reason = "prices are far below 2^53 units")]
fn as_float(units: i64) -> f64 {
    units as f64
}

#[expect(clippy::cast_possible_truncation, reason = "prices are far below 2^53 units")]
fn scaled(ticks: i64, factor: f64) -> i64 {
    ((as_float(ticks) * factor).round() as i64).max(1)
}
