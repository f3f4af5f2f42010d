//! Users' programs read the lakes that the engine records.

use crate::pipeline::BTC_TAPE;
use spreadwire_engine::journal::Settings;
use spreadwire_kit::needs::{python, real_data};
use spreadwire_kit::quotes::quote;
use spreadwire_market::decimal;
use spreadwire_market::record::{Quote, Record, flags};
use spreadwire_rigs::lake::records::{MIDNIGHT, quotes};
use spreadwire_rigs::lake::rig::{Rig, patient};
use spreadwire_rigs::lake::rows::{Row, files_under, row, rows_of_lake};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// An analyst's script.
pub(crate) const SCRIPT: &str = "baselines/pair_metrics.py";

const READERS: &str = r#"
import glob, sys
import duckdb, polars as pl, pyarrow.parquet as pq
files = sorted(glob.glob(sys.argv[1] + "/exchange=*/symbol=*/date=*/hour=*/*.parquet"))
names = ["BestBid", "BestAsk", "BestBidSize", "BestAskSize", "EventTime", "Sequence"]
def show(rows):
    for row in sorted(rows): print(*("-" if v is None else repr(v) for v in row))
print("pyarrow")
show((r["JournalSequence"], t.value, *(r[n] for n in names[:4]), e and e.value, r["Sequence"], r["Flags"])
     for f in files for table in [pq.ParquetFile(f).read()]
     for r, t, e in zip(table.select(["JournalSequence", "Sequence", "Flags", *names[:4]]).to_pylist(),
                        table["Timestamp"].cast("int64"), table["EventTime"].cast("int64"))
     for t, e in [(type("T", (), {"value": t.as_py()}), e.as_py() is not None and type("T", (), {"value": e.as_py()}) or None)])
print("polars")
frame = pl.scan_parquet(sys.argv[1] + "/exchange=*/**/*.parquet", hive_partitioning=True).collect()
assert {"exchange", "symbol", "date", "hour"} <= set(frame.columns), frame.columns
show(frame.select("JournalSequence", pl.col("Timestamp").dt.timestamp("ns"), *names[:4],
                  pl.col("EventTime").dt.timestamp("ns"), "Sequence", "Flags").rows())
print("duckdb")
show(duckdb.execute("select JournalSequence, epoch_ns(Timestamp), BestBid, BestAsk, BestBidSize, BestAskSize, "
                    "epoch_ns(EventTime), Sequence, Flags from read_parquet($1, hive_partitioning=true)",
                    [sys.argv[1] + "/exchange=*/*/*/*/*.parquet"]).fetchall())
"#;

fn output(arguments: &[&str]) -> std::process::Output {
    Command::new(python()).args(arguments).output().unwrap()
}

pub(crate) fn polars_duckdb_and_pyarrow_read_every_row() {
    let mut rig = Rig::new(Settings { segment_rows: 4, ..patient() });
    let one_sided = Quote { ask_px: 0, ask_sz: 0, ..quote(1, 1, MIDNIGHT - 1) };
    let silent = flags::TS_EVENT_ABSENT | flags::SNAPSHOT;
    let untimed = Quote { ts_event: 0, flags: silent, sequence: 0, ..quote(2, 2, MIDNIGHT) };
    let large = Quote { sequence: u64::MAX, bid_px: 123, ..quote(0, 2, MIDNIGHT + 1) };
    let mut records = quotes(3);
    records.extend([one_sided, untimed, large].map(Record::from));
    rig.pass(&records, MIDNIGHT);
    assert!(rig.seal().is_empty());
    let output = output(&["-c", READERS, rig.lake().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    for reader in ["pyarrow", "polars", "duckdb"] {
        assert_eq!(lines.next(), Some(reader));
        for (number, record) in records.iter().enumerate() {
            let wanted = row(record.view(), number as u64);
            assert_eq!(row_of_text(lines.next().unwrap()), wanted, "{reader}");
        }
    }
    assert_eq!(lines.next(), None);
}

fn row_of_text(line: &str) -> Row {
    fn field<T: std::str::FromStr>(text: &str) -> Option<T> {
        text.parse().ok()
    }
    let fields: Vec<&str> = line.split(' ').collect();
    Row {
        number: field(fields[0]).unwrap(),
        ts: field(fields[1]).unwrap(),
        bid: field(fields[2]),
        ask: field(fields[3]),
        bid_sz: field(fields[4]),
        ask_sz: field(fields[5]),
        event: field(fields[6]),
        sequence: field(fields[7]),
        flags: field(fields[8]).unwrap(),
    }
}

/// Returns the recorded quotes of three books, as records of one instrument on three venues.
fn tape(path: &Path) -> Vec<Record> {
    let venues = ["binance_spot", "binance_usdm", "binance_coinm"];
    let mut csv = csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(path).unwrap()));
    csv.records()
        .map(|line| {
            let line = line.unwrap();
            let number = |at: usize, scale| decimal::parse(line[at].as_bytes(), scale).unwrap();
            let venue = venues.iter().position(|venue| *venue == &line[2]).unwrap();
            Record::from(Quote {
                ts_event: 0,
                bid_px: number(4, 2),
                bid_sz: number(5, 8),
                ask_px: number(6, 2),
                ask_sz: number(7, 8),
                sequence: 0,
                flags: flags::TS_EVENT_ABSENT,
                ..quote(u8::try_from(venue).unwrap(), 0, line[0].parse().unwrap())
            })
        })
        .collect()
}

pub(crate) fn the_analysts_script_reads_a_real_tape_from_the_lake_unchanged() {
    let (script, path) = (real_data(SCRIPT), real_data(BTC_TAPE));
    let records = tape(&path);
    let mut rig =
        Rig::new(Settings { segment_rows: 100_000, block_records_max: 4096, ..patient() });
    rig.pass(&records, MIDNIGHT);
    assert!(rig.seal().is_empty());
    let lake = rig.lake();
    let bytes: u64 =
        files_under(&lake).iter().map(|f| fs::metadata(lake.join(f)).unwrap().len()).sum();
    println!("{} rows, {bytes} bytes of Parquet", records.len());
    let rows: usize = rows_of_lake(&lake).values().map(Vec::len).sum();
    assert_eq!(rows, records.len());
    let tables = ["script", "polars", "duckdb"].map(|engine| {
        let csv = rig.home.path().join(format!("{engine}.csv"));
        let (script, lake) = (script.to_str().unwrap(), lake.to_str().unwrap());
        let output = output(&[script, engine, lake, "--csv", csv.to_str().unwrap()]);
        assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
        pair_metrics(&csv)
    });
    assert_eq!(tables[0].len(), 3, "three venues are three pairs");
    for (pair, figures) in &tables[0] {
        let (left, _) = pair.split_once(' ').unwrap();
        let venue = ["binance", "binance_usdm", "okx"].iter().position(|v| *v == left).unwrap();
        let of_left = records.iter().filter(|r| r.view::<Quote>().venue.index() == venue).count();
        assert_eq!(
            decimal::parse(figures["data_points"].as_bytes(), 0),
            Ok(i64::try_from(of_left).unwrap())
        );
        for other in &tables[1..] {
            for (name, figure) in figures {
                let found = &other[pair][name];
                assert!(same(figure, found), "{pair} {name}: {figure} and {found}");
            }
        }
    }
}

/// Returns whether two texts are the same word or nearly the same number: Polars returns the hours
/// in whole microseconds.
fn same(a: &str, b: &str) -> bool {
    let numbers = a.parse::<f64>().ok().zip(b.parse::<f64>().ok());
    let close = |(a, b): (f64, f64)| (a - b).abs() <= 1e-8 * (1.0 + a.abs());
    a == b || numbers.is_some_and(close)
}

/// Returns figures by "venue venue" and column.
fn pair_metrics(path: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut csv = csv::Reader::from_path(path).unwrap();
    let names = csv.headers().unwrap().clone();
    csv.records()
        .map(|line| {
            let line = line.unwrap();
            let figures: BTreeMap<String, String> =
                names.iter().zip(&line).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            (format!("{} {}", figures["exchange1"], figures["exchange2"]), figures)
        })
        .collect()
}
