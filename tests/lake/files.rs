//! The Parquet files that come of sealing: their rows, their order and their format.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};
use spreadwire_engine::journal::Settings;
use spreadwire_kit::quotes::quote;
use spreadwire_lake::ledger::Book;
use spreadwire_lake::run::RunId;
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::table::{QUOTES, TableReader};
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Gap, Quote, Record};
use spreadwire_rigs::lake::records::{MIDNIGHT, catalogue, quotes};
use spreadwire_rigs::lake::rig::{Rig, patient};
use spreadwire_rigs::lake::rows::{Row, quote_files, row, rows_of_file, rows_of_lake};
use std::collections::BTreeMap;
use std::fs::{self, File};

#[test]
fn rows_of_equal_time_keep_the_journals_order_and_midnight_divides_the_days() {
    let mut rig = Rig::new(patient());
    let at = |ts, sequence| Record::from(Quote { sequence, ..quote(1, 1, ts) });
    let records = [
        at(MIDNIGHT + 1, 1),
        at(MIDNIGHT - 1, 2),
        at(MIDNIGHT, 3),
        at(MIDNIGHT - 1, 4),
        at(MIDNIGHT, 5),
    ];
    rig.pass(&records, MIDNIGHT);
    assert!(rig.seal().is_empty());
    let order: Vec<(String, Vec<u64>)> = rows_of_lake(&rig.lake())
        .into_iter()
        .map(|(folder, rows)| (folder, rows.iter().map(|r| r.sequence.unwrap()).collect()))
        .collect();
    let folder = "exchange=binance_usdm/symbol=BTC#USDT:PERP";
    assert_eq!(
        order,
        [
            (format!("{folder}/date=2024-08-08/hour=23"), vec![2, 4]),
            (format!("{folder}/date=2024-08-09/hour=00"), vec![3, 5, 1]),
        ]
    );
}

#[test]
fn the_files_say_what_they_hold_and_are_encoded_as_documented() {
    let mut rig = Rig::new(patient());
    rig.pass(&[Gap::new(MIDNIGHT, 40).into()], MIDNIGHT);
    rig.pass(&quotes(20), MIDNIGHT);
    assert!(rig.seal().is_empty());
    let path = rig.lake().join(&quote_files(&rig.lake())[0]);
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata();
    let pairs: BTreeMap<String, String> = metadata
        .file_metadata()
        .key_value_metadata()
        .unwrap()
        .iter()
        .filter_map(|pair| {
            let key = pair.key.strip_prefix("spreadwire.")?;
            Some((key.to_owned(), pair.value.clone().unwrap()))
        })
        .collect();
    let wanted = [
        ("format", "2"),
        ("instrument", "BTC/USDT"),
        ("parts", "run:0:20"),
        ("price_scale", "2"),
        ("size_scale", "8"),
        ("table", "quotes"),
        ("venue", "binance"),
    ];
    let found: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found, wanted);
    for column in metadata.row_group(0).columns() {
        let name = column.column_path().string();
        let delta = ["Timestamp", "EventTime", "Sequence", "JournalSequence"].contains(&&*name);
        let encodings: Vec<Encoding> = column.encodings().collect();
        assert_eq!(encodings.contains(&Encoding::DELTA_BINARY_PACKED), delta, "{name}");
        let plain = name.ends_with("Size");
        assert_eq!(column.dictionary_page_offset().is_none(), delta || plain, "{name}");
        assert!(column.statistics().is_some(), "{name}");
    }
    let batches = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    assert_eq!(*batches.schema().field(0).data_type(), utc);
}

#[test]
fn small_segments_stop_joining_a_large_file_but_the_last_rows_of_an_hour_join_it() {
    let large = (1 << 16) - 10;
    let few: Vec<Record> = (0..20).map(|at| quote(0, 0, MIDNIGHT + large + at).into()).collect();
    let next_hour = Record::from(quote(0, 0, MIDNIGHT + 3600 * SECOND));
    for (second, wanted) in [
        (few.clone(), vec![large, 20]),
        (few.iter().copied().chain([next_hour]).collect(), vec![large + 20, 1]),
    ] {
        let settings = Settings { segment_age: SECOND, block_records_max: 4096, ..patient() };
        let mut rig = Rig::new(settings);
        for (part, now) in [(quotes(large), MIDNIGHT), (second, MIDNIGHT + 2 * SECOND)] {
            rig.pass(&part, now);
            rig.cycle(now + SECOND);
        }
        assert!(rig.seal().is_empty());
        let files = quote_files(&rig.lake());
        let rows = |file: &String| rows_of_file(&rig.lake().join(file)).len() as u64;
        assert_eq!(files.iter().map(rows).collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn a_version_1_segment_is_sealed() {
    let rig = Rig::new(patient());
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/fixtures/lake/segment-v1.seg");
    let path = rig.home.path().join("old-run-000000.seg");
    fs::copy(old, &path).unwrap();
    let old_book = Book::resume(&rig.lake(), RunId::new("old-run").unwrap(), 1);
    let sealed = seal_segment(&path, &old_book, &catalogue()).unwrap();
    assert_eq!(sealed.info.origin.run.as_str(), "old-run");
    let wanted: Vec<Row> =
        quotes(3).iter().zip(0..).map(|(quote, number)| row(quote.view(), number)).collect();
    assert_eq!(rows_of_file(&sealed.files[0].path), wanted);
}

#[test]
fn a_version_1_file_is_read_and_stays_as_it_is() {
    let mut rig = Rig::new(patient());
    let folder = rig.lake().join("exchange=binance/symbol=BTC#USDT/date=2024-08-09/hour=00");
    fs::create_dir_all(&folder).unwrap();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/fixtures/lake/quotes-v1.parquet");
    let path = folder.join("old-run-000000.parquet");
    fs::copy(old, &path).unwrap();
    rig.pass(&quotes(3), MIDNIGHT);
    assert!(rig.seal().is_empty());
    assert_eq!(fs::read(&path).unwrap(), fs::read(old).unwrap());
    let reader = TableReader::open(&path, &QUOTES).unwrap();
    let batch = reader.map(Result::unwrap).next().unwrap();
    let runs = arrow::compute::cast(batch.column_by_name("Run").unwrap(), &DataType::Utf8).unwrap();
    let runs: Vec<_> = runs.as_string::<i32>().iter().flatten().collect();
    assert_eq!(runs, ["old-run"; 3]);
}
