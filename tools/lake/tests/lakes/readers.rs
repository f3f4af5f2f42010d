//! Tests that the programs that people read a lake with use its statistics: a query that needs one
//! hour is answered although the data pages of all other hours are damaged. And that what
//! `docs/lake.md` says about opening a lake works.

use crate::recorded::{MIDNIGHT, parquet_files, quote, record};
use spreadwire_kit::needs::python;
use spreadwire_lake::layout::HOUR;
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Quote, Record};
use std::path::Path;
use std::process::Command;

const HOURS: u64 = 3;
const ROWS_OF_AN_HOUR: u64 = 200;

/// Whether each hour has rows without an ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    All,
    NotAll,
}

/// Records hours that have no value in common, in any column of numbers.
fn lake_of_bands(lake: &Path, asks: Asks) {
    let quotes = |hour: u64| -> Vec<Record> {
        let of = |n: u64| {
            let band = i64::try_from(1_000_000 * (hour + 1) + n).unwrap();
            let quote = quote(0, 0, MIDNIGHT + hour * HOUR + n * SECOND, band);
            let quote = Quote { bid_sz: band, ask_sz: band, sequence: 1000 * hour + n, ..quote };
            let lacks_ask = asks == Asks::NotAll && n % 7 == 3;
            let quote = if lacks_ask { Quote { ask_px: 0, ask_sz: 0, ..quote } } else { quote };
            Record::from(Quote { ts_event: quote.ts_recv, sequence: quote.sequence + 1, ..quote })
        };
        (0..ROWS_OF_AN_HOUR).map(of).collect()
    };
    let segments: Vec<Vec<Record>> = (0..HOURS).map(quotes).collect();
    record(lake, "20240809T000000-000000001", &segments);
}

/// Damages all data pages of the hours that are not named, and leaves their footers.
const DAMAGE: &str = r#"
import sys, glob, pyarrow.parquet as pq
for path in glob.glob(sys.argv[1] + "/exchange=*/*/*/*/*.parquet"):
    if any(f"/hour={hour}/" in path for hour in sys.argv[2:]): continue
    group = pq.ParquetFile(path).metadata.row_group(0)
    with open(path, "r+b") as file:
        for at in range(group.num_columns):
            column = group.column(at)
            file.seek(column.dictionary_page_offset or column.data_page_offset)
            file.write(b"\xff" * column.total_compressed_size)
"#;

/// Filters that only the second hour meets, by column: the least value and the one after the last.
const FILTERS: &str = r#"
from datetime import datetime, timezone
hour = lambda h: datetime(2024, 8, 9, h, tzinfo=timezone.utc)
FILTERS = {
    "Timestamp": (hour(1), hour(2)), "EventTime": (hour(1), hour(2)),
    "BestBid": (15000.0, 25000.0), "BestAsk": (15000.0, 25000.0),
    "BestBidSize": (15.0, 25.0), "BestAskSize": (15.0, 25.0),
    "Sequence": (1000, 2000), "JournalSequence": (200, 400),
}
"#;

/// Runs a script over a lake of which only the hours `whole` can be read. It prints the number of rows
/// that each filter finds, and `damaged` if there is an error without one.
fn found_in_a_damaged_lake(asks: Asks, whole: &[&str], script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    lake_of_bands(&lake, asks);
    assert_eq!(parquet_files(&lake.join("exchange=binance")).len() as u64, HOURS);
    let run = |script: &str| {
        let mut command = Command::new(python());
        let output = command.args(["-c", script]).arg(&lake).args(whole).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(DAMAGE);
    run(&format!("{FILTERS}\n{script}"))
}

/// Returns what the scripts have to print: so many rows of columns with and without nulls.
fn expected(of_prices: [u64; 2], of_others: u64) -> String {
    let [bids, asks] = of_prices;
    let columns = [
        ("Timestamp", of_others),
        ("EventTime", of_others),
        ("BestBid", bids),
        ("BestAsk", asks),
        ("BestBidSize", bids),
        ("BestAskSize", asks),
        ("Sequence", of_others),
        ("JournalSequence", of_others),
    ];
    columns.map(|(column, rows)| format!("{column} {rows}\n")).concat() + "damaged\n"
}

/// Arrow skips by a column only if it has no null in the row group, its own files included.
pub(crate) fn arrow_skips_what_a_filter_rules_out() {
    let found = found_in_a_damaged_lake(
        Asks::All,
        &["01"],
        r#"
import sys, glob, pyarrow.dataset as ds, pyarrow.parquet as pq
paths = sorted(glob.glob(sys.argv[1] + "/exchange=*/*/*/*/*.parquet"))
lake = ds.dataset(paths, format="parquet", partitioning="hive")
for column, (least, end) in FILTERS.items():
    wanted = (ds.field(column) >= least) & (ds.field(column) < end)
    kept = [f for f in lake.get_fragments(wanted) if f.subset(wanted).num_row_groups]
    assert len(kept) == 1 and "/hour=01/" in kept[0].path, (column, kept)
    print(column, lake.to_table(filter=wanted).num_rows)
for path in paths:
    group = pq.ParquetFile(path).metadata.row_group(0)
    for at in range(group.num_columns):
        assert group.column(at).statistics.has_min_max, group.column(at).path_in_schema
try: lake.to_table()
except OSError: print("damaged")
"#,
    );
    assert_eq!(found, expected([ROWS_OF_AN_HOUR; 2], ROWS_OF_AN_HOUR));
}

pub(crate) fn duckdb_skips_what_a_filter_rules_out() {
    let found = found_in_a_damaged_lake(
        Asks::NotAll,
        &["01"],
        r#"
import sys, duckdb
lake = f"read_parquet('{sys.argv[1]}/exchange=*/*/*/*/*.parquet', hive_partitioning = true)"
duckdb.execute("set timezone = 'UTC'")
for column, limits in FILTERS.items():
    query = f"select count(BestBid + BestBidSize) from {lake} where {column} >= ? and {column} < ?"
    print(column, duckdb.execute(query, limits).fetchall()[0][0])
try: duckdb.execute(f"select max(BestBid + BestBidSize) from {lake}").fetchall()
except duckdb.Error: print("damaged")
"#,
    );
    assert_eq!(found, expected([ROWS_OF_AN_HOUR, with_ask()], ROWS_OF_AN_HOUR));
}

/// To Polars NaN is the greatest number, so a lower limit on a double skips nothing: only the upper one
/// is tested (<https://github.com/pola-rs/polars/issues/27860>).
pub(crate) fn polars_skips_what_a_filter_rules_out() {
    let found = found_in_a_damaged_lake(
        Asks::NotAll,
        &["00", "01"],
        r#"
import sys, polars as pl
lake = pl.scan_parquet(sys.argv[1] + "/exchange=*/*/*/*/*.parquet", hive_partitioning=True)
for column, (least, end) in FILTERS.items():
    print(column, lake.filter(pl.col(column) < end).collect().height)
try: lake.collect()
except Exception: print("damaged")
"#,
    );
    let hours = 2;
    assert_eq!(
        found,
        expected([hours * ROWS_OF_AN_HOUR, hours * with_ask()], hours * ROWS_OF_AN_HOUR)
    );
}

/// Returns the number of rows of an hour that have an ask.
fn with_ask() -> u64 {
    let rows = (0..ROWS_OF_AN_HOUR).filter(|n| n % 7 != 3).count();
    u64::try_from(rows).unwrap()
}

/// Opens the lake in the ways that `docs/lake.md` shows. A lake has locks and other tables beside the
/// quotes.
pub(crate) fn arrow_opens_the_quotes_of_a_lake_as_documented() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    lake_of_bands(&lake, Asks::NotAll);
    let text = include_str!("../../../../docs/lake.md");
    let code = text.split("```python\n").skip(1).filter_map(|part| part.split("```").next());
    let code: Vec<&str> = code.filter(|code| code.contains("pyarrow")).collect();
    assert_eq!(code.len(), 1, "docs/lake.md shows how to open a lake with pyarrow");
    let script = format!(
        "import sys, os; os.chdir(sys.argv[1])\n{}\nprint(quotes.count_rows(), \
         quotes.schema.names[-4:])\nprint(quotes.to_table(filter=ds.field('date') == \
         '2024-08-10').num_rows)",
        code[0].replace("/data/lake", "lake")
    );
    let output = Command::new(python()).args(["-c", &script]).arg(home.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected =
        format!("{} ['exchange', 'symbol', 'date', 'hour']\n0\n", HOURS * ROWS_OF_AN_HOUR);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}
