//! Tests `lake import`: every row of a tape is in the lake once and unchanged, or is reported with
//! the reason. An import that was killed anywhere is finished by the next one.

use crate::recorded::{self, findings, parquet_files};
use ::lake::import::{
    Contract, ContractUnit, Contracts, Names, Outcome, Reading, Refusal, Step, Unit, Work, import,
};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, TimestampNanosecondType};
use indicatif::ProgressBar;
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::StageCounts;
use spreadwire_lake::table::{QUOTES, TableReader};
use spreadwire_lake::{layout, ledger, lock, recover};
use spreadwire_market::record::{Quote, flags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n";
const SHIPPED: &str = "../../data/tapes/model_btc_eth_5s.csv.gz";

fn work<'a>(lake: &'a Path, files: &'a [PathBuf]) -> Work<'a> {
    Work { lake, files, reading: Reading::default(), segment_rows: 1000 }
}

fn imported(work: &Work<'_>) -> anyhow::Result<Vec<Outcome>> {
    import(work, &ProgressBar::hidden(), &mut |_| Ok(()))
}

fn named(names: Names) -> Reading {
    Reading { names, ..Reading::default() }
}

fn refusal(done: anyhow::Result<Vec<Outcome>>) -> String {
    format!("{:#}", done.unwrap_err())
}

fn tape(folder: &Path, name: &str, rows: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("{HEADER}{rows}")).unwrap();
    path
}

/// A row of the lake: its times, and the prices and sizes that are present.
type Row = (i64, Option<i64>, [Option<f64>; 4]);

/// Returns all quotes of a lake by folder, `exchange=.../symbol=...`, sorted.
fn rows_of(lake: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut found: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for path in parquet_files(lake) {
        let relative = path.strip_prefix(lake).unwrap();
        let book: PathBuf = relative.iter().take(2).collect();
        let rows = found.entry(book.to_string_lossy().into_owned()).or_default();
        if !relative.starts_with("ledger") {
            TableReader::open(&path, &QUOTES).unwrap().for_each(|batch| {
                let batch = batch.unwrap();
                let time = |at: usize| batch.column(at).as_primitive::<TimestampNanosecondType>();
                let float = |at: usize, row: usize| {
                    let column = batch.column(at).as_primitive::<Float64Type>();
                    column.is_valid(row).then(|| column.value(row))
                };
                rows.extend((0..batch.num_rows()).map(|row| {
                    let event = time(5).is_valid(row).then(|| time(5).value(row));
                    (time(0).value(row), event, [1, 2, 3, 4].map(|at| float(at, row)))
                }));
            });
        }
    }
    found.retain(|_, rows| !rows.is_empty());
    found.values_mut().for_each(|rows| rows.sort_by(|a, b| a.partial_cmp(b).unwrap()));
    found
}

#[test]
fn the_shipped_tape_is_in_the_lake_row_by_row_and_once() {
    let home = tempfile::tempdir().unwrap();
    let (lake, files) = (home.path().join("lake"), [PathBuf::from(SHIPPED)]);
    let outcome = &imported(&work(&lake, &files)).unwrap()[0];
    assert_eq!((outcome.rows, outcome.refused.len()), (2065, 0));
    assert_eq!(findings(&lake), [""; 0]);
    let mut expected: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let gz = flate2::read::MultiGzDecoder::new(fs::File::open(SHIPPED).unwrap());
    for record in csv::Reader::from_reader(gz).records().map(Result::unwrap) {
        let venue = match &record[2] {
            "binance_spot" => "binance",
            "binance_usdm" => "binance_usdm",
            "bybit_spot" => "bybit",
            "okx_spot" => "okx",
            other => other,
        };
        let venue = venue.replace('-', "_");
        let symbol = record[3].replace("USDT", "#USDT").replace(['/', '-', '_'], "");
        let float = |at: usize| record[at].parse().ok();
        let row = (
            record[0].parse().unwrap(),
            record[1].parse().ok(),
            [float(4), float(6), float(5), float(7)],
        );
        let book = format!("exchange={venue}/symbol={symbol}");
        expected.entry(book).or_default().push(row);
    }
    expected.values_mut().for_each(|rows| rows.sort_by(|a, b| a.partial_cmp(b).unwrap()));
    assert_eq!(rows_of(&lake), expected);

    let refused = refusal(imported(&work(&lake, &files)));
    assert!(refused.contains("in this lake already, as run import-"), "{refused}");
    let unzipped = home.path().join("same.csv");
    let mut gz = flate2::read::MultiGzDecoder::new(fs::File::open(SHIPPED).unwrap());
    std::io::copy(&mut gz, &mut fs::File::create(&unzipped).unwrap()).unwrap();
    let refused = refusal(imported(&work(&lake, std::slice::from_ref(&unzipped))));
    assert!(refused.contains("in this lake already"), "the same content: {refused}");
    let refused = refusal(imported(&work(&home.path().join("new"), &[files[0].clone(), unzipped])));
    assert!(refused.contains("has the same content as"), "{refused}");
    assert_eq!(rows_of(&lake), expected);
}

#[test]
fn what_cannot_be_a_quote_is_counted_by_reason_and_named() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let rows = "\
        1723161600000000001,,okx_spot,BTC-USDT,61000.5,1,61001,2\n\
        1723161600000000002,,okx_spot,BTC-USDT,,,,\n\
        1723161600000000003,,okx_spot,BTC-USDT,-5,1,61001,2\n\
        1723161600000000004,,okx_spot,BTC-USDT,61000.555,1,61001,2\n\
        ,,okx_spot,BTC-USDT,61000.5,1,61001,2\n\
        1723161600000000005,,okx_spot,BTC-USDT,abc,1,61001,2\n\
        1723161600000000006,,okx_spot,BTC-USDT,,1,61001,2\n\
        1723161600000000007,,okx_spot,../BTC,61000.5,1,61001,2\n\
        1723161600000000008,,okx_spot,BTC-USDT,61000.5,1\n\
        1723161600000000000,1723161599000000000,okx_spot,BTC-USDT,61002,,61001,2\n\
        1723161600000000009,,okx_spot,BTC-USDT,,,61001,0.5\n\
        1723161600000000010,,okx_spot,BTC-USDT,99999999999999999999,1,61001,2\n";
    let files = [tape(home.path(), "a.csv", rows)];
    let reading = Reading { scales: (Some(2), None), ..Reading::default() };
    let outcome = &imported(&Work { reading, ..work(&lake, &files) }).unwrap()[0];
    let expected = [
        Refusal::Fields,
        Refusal::Time,
        Refusal::Name,
        Refusal::NoPrice,
        Refusal::SizeAlone,
        Refusal::NotANumber,
        Refusal::Negative,
        Refusal::TooPrecise,
        Refusal::TooLarge,
    ];
    let counted: Vec<_> = outcome.refused.iter().map(|(why, count)| (*why, *count)).collect();
    assert_eq!(counted, expected.map(|why| (why, 1)));
    assert_eq!(outcome.named[..2], [(3, Refusal::NoPrice), (4, Refusal::Negative)]);
    assert_eq!(outcome.rows, 3);
    let at = |n: i64| 1_723_161_600_000_000_000 + n;
    let rows = &rows_of(&lake)["exchange=okx/symbol=BTC#USDT"];
    assert_eq!(
        rows[..],
        [
            (at(0), Some(at(-1_000_000_000)), [Some(61002.0), Some(61001.0), Some(0.0), Some(2.0)]),
            (at(1), None, [Some(61000.5), Some(61001.0), Some(1.0), Some(2.0)]),
            (at(9), None, [None, Some(61001.0), None, Some(0.5)]),
        ]
    );
    assert_eq!(findings(&lake), [""; 0]);
}

#[test]
fn names_and_decimals_are_those_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let row = |venue: &str| format!("1723161600000000001,,{venue},BTCUSDT,5.25,1.5,6,2\n");
    let rows = format!("{}{}{}", row("a-1"), row("binance_usdm"), row("binance_spot"));
    let files = [tape(home.path(), "a.csv", &rows)];
    let names = Names {
        venues: vec![("a-1".to_owned(), "okx".to_owned())],
        instruments: vec![("binance_usdm:BTCUSDT".to_owned(), "BTC/USDT:PERP".to_owned())],
    };
    imported(&Work { reading: named(names), ..work(&lake, &files) }).unwrap();
    let books: Vec<String> = rows_of(&lake).into_keys().collect();
    assert_eq!(
        books,
        [
            "exchange=binance/symbol=BTC#USDT",
            "exchange=binance_usdm/symbol=BTC#USDT:PERP",
            "exchange=okx/symbol=BTC#USDT"
        ]
    );
    let quotes = parquet_files(&lake.join("exchange=okx"));
    let metadata = TableReader::open(&quotes[0], &QUOTES).unwrap().metadata().clone();
    assert_eq!((&*metadata["price_scale"], &*metadata["size_scale"]), ("2", "1"));
    let other = Names { venues: vec![("a-1".to_owned(), "a_b".to_owned())], ..Names::default() };
    let twins = [tape(home.path(), "b.csv", &format!("{}{}", row("a-1"), row("a-b")))];
    let refused = refusal(imported(&Work { reading: named(other), ..work(&lake, &twins) }));
    assert!(refused.contains("--map") && refused.contains("a_b"), "{refused}");
}

#[test]
fn killed_after_any_step_the_next_import_finishes_and_doubles_nothing() {
    let home = tempfile::tempdir().unwrap();
    let files = [PathBuf::from(SHIPPED)];
    let whole_lake = home.path().join("whole");
    let whole = steps_until(&whole_lake, &files, usize::MAX);
    assert_eq!(whole.len(), 1 + 3 * 3 + 1, "{whole:?}");
    let expected = rows_of(&whole_lake);
    let files_of = |book: &String| parquet_files(&whole_lake.join(book)).len();
    let books = expected.keys().filter(|book| book.starts_with("exchange="));
    assert!(books.map(files_of).all(|count| count == 1), "small files of an hour become one");
    for stop in 1..whole.len() {
        // Between the two imports an engine may start, or compact may run.
        for between in [nothing, recovered, compacted] {
            let lake = home.path().join("lake");
            assert_eq!(steps_until(&lake, &files, stop).len(), stop);
            between(&lake);
            let reading = Reading { scales: (Some(9), None), ..Reading::default() };
            let small = Work { reading, ..work(&lake, &files) };
            // A run that ended before its first segment was in the journal has nothing of the file.
            let is_begun = 2 < stop || !recover::leftovers(&lake).unwrap().is_empty();
            if is_begun {
                let refused = refusal(imported(&small));
                assert!(refused.contains("run it again as it was"), "{refused}");
            }
            imported(&work(&lake, &files)).unwrap();
            assert_eq!(rows_of(&lake), expected, "after step {stop}, {:?}", whole[stop - 1]);
            assert_eq!(findings(&lake), [""; 0], "after step {stop}, {:?}", whole[stop - 1]);
            assert!(recover::leftovers(&lake).unwrap().is_empty());
            assert!(recorded::names(&lake.join(layout::JOURNAL)).is_empty());
            fs::remove_dir_all(&lake).unwrap();
        }
    }
}

fn steps_until(lake: &Path, files: &[PathBuf], stop: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut on_step = |step| {
        steps.push(step);
        anyhow::ensure!(steps.len() < stop, "killed");
        Ok(())
    };
    let done = import(&work(lake, files), &ProgressBar::hidden(), &mut on_step);
    assert_eq!(done.is_err(), stop < usize::MAX);
    steps
}

fn nothing(_: &Path) {}

fn recovered(lake: &Path) {
    for leftover in recover::leftovers(lake).unwrap() {
        let recovered = leftover.recover(lake, None, None, |_| {});
        assert_eq!(recovered.failures, [""; 0]);
    }
}

fn compacted(lake: &Path) {
    let work = ::lake::compact::Work {
        lake,
        now: spreadwire_market::clock::Clock::host().now(),
        date: None,
        min_files: 2,
        closed_for: 0,
    };
    let done = ::lake::compact::compact(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
    assert_eq!(done.left_alone, []);
}

#[test]
fn a_recording_engine_is_not_disturbed() {
    let home = tempfile::tempdir().unwrap();
    let (lake, files) = (home.path().join("lake"), [PathBuf::from(SHIPPED)]);
    let lock = lock::recording(&lake).unwrap();
    let refused = refusal(imported(&work(&lake, &files)));
    assert!(refused.contains("recording.lock is locked"), "{refused}");
    drop(lock);
    imported(&work(&lake, &files)).unwrap();
}

/// Returns the ledger's runs.
fn runs_of(lake: &Path) -> Vec<String> {
    let (entries, errors) = ledger::read(lake);
    assert!(errors.is_empty());
    let runs: BTreeSet<String> = entries.into_iter().filter_map(|entry| entry.run).collect();
    runs.into_iter().collect()
}

#[test]
fn content_is_known_by_its_digest_however_it_was_read() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let row = "1723161600000000001,,a,BTCUSDT,5.25,1.5,6,2\n";
    let files = [tape(home.path(), "a.csv", row)];
    let decimals = |price| Reading { scales: (Some(price), None), ..Reading::default() };
    // With too few decimals all rows are refused, and then the lake has nothing of the file.
    let outcome = &imported(&Work { reading: decimals(0), ..work(&lake, &files) }).unwrap()[0];
    assert_eq!((outcome.rows, outcome.refused.len()), (0, 1));
    let first = imported(&work(&lake, &files)).unwrap()[0].run;
    assert!(first.as_str().starts_with("import-") && first.as_str().len() == 32, "{first}");
    for price in [2, 3] {
        let again = imported(&Work { reading: decimals(price), ..work(&lake, &files) });
        let refused = refusal(again);
        assert!(refused.contains(&format!("in this lake already, as run {first}")), "{refused}");
    }
    assert_eq!(findings(&lake), [""; 0]);
    // Other content, or the same read in another way, is another run.
    let mut runs = vec![first];
    for (name, rows, reading) in [
        ("b.csv", row.replace("5.25", "5.26"), Reading::default()),
        ("c.csv", row.to_owned(), decimals(4)),
        (
            "d.csv",
            row.to_owned(),
            Reading { units: vec![(String::new(), Unit::Ns)], ..Reading::default() },
        ),
        (
            "e.csv",
            row.to_owned(),
            named(Names { venues: vec![("a".into(), "b".into())], ..Names::default() }),
        ),
    ] {
        let other = home.path().join(name.replace("csv", "lake"));
        let files = [tape(home.path(), name, &rows)];
        runs.push(imported(&Work { reading, ..work(&other, &files) }).unwrap()[0].run);
    }
    let different: BTreeSet<String> = runs.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), runs.len());
}

/// Gives a run of a lake the name that earlier versions gave it: `import-<crc>-<crc>`. Its segments
/// and files are made again under that name, as those versions made them.
fn imported_before(lake: &Path, name: &str, whole: bool) {
    let run = RunId::new(name).unwrap();
    let catalogue =
        spreadwire_kit::catalogue::of(["BTC/USDT"], ["a"]).scales_each([(2, 1)]).build();
    let at = 1_723_161_600_000_000_001;
    let mark = Mark::begin(lake, run, at, &catalogue, Provenance::Import).unwrap();
    let quote = Quote {
        bid_px: 525,
        bid_sz: 15,
        ask_px: 600,
        ask_sz: 20,
        ts_event: 0,
        flags: flags::TS_EVENT_ABSENT,
        ..spreadwire_kit::quotes::quote(0, 0, at)
    };
    let quote = Quote { sequence: 0, ..quote };
    let records = [quote.into()];
    let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
    let info = SegmentInfo { origin, number: 0, started_at: at };
    let mut writer = SegmentWriter::create(&lake.join(layout::JOURNAL), info).unwrap();
    let mut block = Block::new(1, 0);
    block.push(&records[0]);
    writer.write(&mut block).unwrap();
    let finished = writer.finish();
    finished.trim().unwrap();
    seal_segment(&finished.close().unwrap().path, &mark.book, &catalogue).unwrap();
    if whole {
        let stages = StageCounts::of_records(&records);
        mark.end(lake, at, 1, &BTreeMap::new(), &stages).unwrap();
    }
}

#[test]
fn an_import_of_an_earlier_version_is_known_by_its_old_name_and_continued_under_it() {
    let home = tempfile::tempdir().unwrap();
    let text = format!("{HEADER}1723161600000000001,,a,BTCUSDT,5.25,1.5,6,2\n");
    let files = [home.path().join("a.csv")];
    fs::write(&files[0], &text).unwrap();
    let how = crc32c::crc32c(b"a\tBTCUSDT\ta\tBTC/USDT\t2\t1\n");
    let old = format!("import-{:08x}-{how:08x}", crc32c::crc32c(text.as_bytes()));

    let whole = home.path().join("whole");
    imported_before(&whole, &old, true);
    let refused = refusal(imported(&work(&whole, &files)));
    assert!(refused.contains(&format!("in this lake already, as run {old}")), "{refused}");

    let part = home.path().join("part");
    imported_before(&part, &old, false);
    let reading = Reading { scales: (Some(3), None), ..Reading::default() };
    let refused = refusal(imported(&Work { reading, ..work(&part, &files) }));
    assert!(refused.contains(&format!("in part, as run {old}")), "{refused}");
    imported(&work(&part, &files)).unwrap();
    assert_eq!(runs_of(&part), [old.as_str()]);
    assert_eq!(rows_of(&part).values().map(Vec::len).sum::<usize>(), 1);
    assert_eq!(findings(&part), [""; 0]);
    let refused = refusal(imported(&work(&part, &files)));
    assert!(refused.contains("in this lake already"), "{refused}");
}

#[test]
fn numbers_of_contracts_become_sizes_of_the_base() {
    let home = tempfile::tempdir().unwrap();
    let rows = "\
        1723161600000000001,,binance-coinm,BTC/USD,50000,40,50000.1,1\n\
        1723161600000000002,,binance-coinm,ETH/USD,2500,,2500,3\n\
        1723161600000000003,,okx,BTC/USDT,50000,250,50001,0\n";
    let files = [tape(home.path(), "a.csv", rows)];
    let of =
        |symbol: &str, size: &str, unit| (symbol.to_owned(), Contract::parse(size, unit).unwrap());
    let import_as = |folder: &str, contracts: Vec<(String, Contract)>| {
        let reading = Reading { contracts: Contracts(contracts), ..Reading::default() };
        let lake = home.path().join(folder);
        let outcome =
            imported(&Work { reading, ..work(&lake, &files) }).map(|mut all| all.remove(0));
        (lake, outcome)
    };
    let contracts = vec![
        of("BTC/USD", "100", ContractUnit::Quote),
        of("ETH/USD", "10", ContractUnit::Quote),
        of("", "0.01", ContractUnit::Base),
    ];
    let (lake, outcome) = import_as("lake", contracts);
    assert_eq!(outcome.unwrap().rows, 3);
    let found = rows_of(&lake);
    let of_first = |book: &str| found[&format!("exchange={book}")][0].2;
    let btc = of_first("binance_coinm/symbol=BTC#USD");
    assert!(btc.contains(&Some(0.08)) && btc.contains(&Some(0.002)), "{btc:?}");
    let eth = of_first("binance_coinm/symbol=ETH#USD");
    // A size that is not known is 0 in the lake.
    assert!(eth.contains(&Some(0.0)) && eth.contains(&Some(0.012)), "{eth:?}");
    let linear = of_first("okx/symbol=BTC#USDT");
    assert!(linear.contains(&Some(2.5)), "{linear:?}");
    assert_eq!(findings(&lake), [""; 0]);
    // Read in another way, it is another run, and an option without effect is refused.
    let runs = |folder: &str, contracts| import_as(folder, contracts).1.unwrap().run;
    let plain = runs("plain", Vec::new());
    assert_ne!(plain, runs("tens", vec![of("", "10", ContractUnit::Quote)]));
    let (_, refused) = import_as("none", vec![of("XRP/USD", "10", ContractUnit::Quote)]);
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("--contract-size XRP/USD=...: no file has this symbol"), "{refused}");
    for (size, unit) in [("0", "base"), ("-1", "base"), ("ten", "quote")] {
        let unit = if unit == "base" { ContractUnit::Base } else { ContractUnit::Quote };
        assert!(Contract::parse(size, unit).is_err(), "{size}");
    }
}

#[test]
fn a_size_of_contracts_needs_its_unit_on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let row = "1723161600000000001,,binance-coinm,BTC/USD,50000,40,50000.1,1\n";
    let file = tape(home.path(), "a.csv", row);
    let lake = home.path().join("lake");
    let run = |options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lake"));
        command.arg("import").arg(&lake).arg(&file).args(options).output().unwrap()
    };
    assert_eq!(run(&["--contract-size", "100"]).status.code(), Some(2));
    assert_eq!(run(&["--contract-unit", "quote"]).status.code(), Some(2));
    let bad = run(&["--contract-size", "BTC/USD=much", "--contract-unit", "quote"]);
    assert!(String::from_utf8_lossy(&bad.stderr).contains("\"much\" is not a number above 0"));
    let good = run(&["--contract-size", "BTC/USD=100", "--contract-unit", "quote"]);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(rows_of(&lake).values().flatten().any(|row| row.2.contains(&Some(0.08))));
}
