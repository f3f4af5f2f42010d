//! Tests `lake export`: a CSV export that is imported again gives the same lake. `outside.rs` tests
//! the other formats with the programs that read them.

use crate::exported::{all, exported, recorded_lake};
use crate::recorded::{self, MIDNIGHT, one_sided, quote, record};
use ::lake::export::{Wanted, export};
use ::lake::formats::Format;
use ::lake::import;
use indicatif::ProgressBar;
use proptest::prelude::*;
use spreadwire_lake::layout::HOUR;
use spreadwire_market::clock::SECOND;
use spreadwire_market::record::{Quote, Record};
use std::fs;
use std::path::{Path, PathBuf};

fn csv_of(lake: &Path) -> String {
    String::from_utf8(exported(&all(lake), Format::Csv, false).0).unwrap()
}

fn imported(lake: &Path, file: PathBuf) {
    let work = import::Work {
        lake,
        files: &[file],
        reading: import::Reading::default(),
        segment_rows: 700,
    };
    let outcomes = import::import(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
    assert!(outcomes[0].refused.is_empty());
}

#[test]
fn a_csv_export_imported_again_exports_the_same() {
    let home = tempfile::tempdir().unwrap();
    let (lake, again) = (home.path().join("lake"), home.path().join("again"));
    recorded_lake(&lake);
    let csv = csv_of(&lake);
    assert_eq!(csv.lines().count(), 1 + 18_000);
    let times: Vec<u64> =
        csv.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted(), "several files, venues and instruments are merged by time");
    assert!(csv.contains(",binance-usdm,BTC/USDT,61000.05,3.78826,61000.06,1.54698\n"));
    assert!(csv.contains(",3.78826,,\n"), "an absent side is empty");
    let file = home.path().join("export.csv");
    fs::write(&file, &csv).unwrap();
    imported(&again, file);
    assert_eq!(csv_of(&again), csv);
    assert_eq!(recorded::findings(&again), [""; 0]);
}

#[test]
fn venue_instrument_and_time_are_those_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    recorded_lake(&lake);
    let whole = csv_of(&lake);
    let (from, until) = (MIDNIGHT + HOUR - 10 * SECOND, MIDNIGHT + HOUR + 10 * SECOND);
    let wanted = Wanted {
        venue: Some("binance-usdm".to_owned()),
        instrument: Some("ETH/USDT".to_owned()),
        from,
        until,
        ..all(&lake)
    };
    let found = String::from_utf8(exported(&wanted, Format::Csv, false).0).unwrap();
    let is_wanted = |line: &&str| {
        let time: u64 = line.split(',').next().unwrap().parse().unwrap_or(0);
        line.contains(",binance-usdm,ETH/USDT,") && (from..until).contains(&time)
    };
    let expected: Vec<&str> = whole.lines().filter(is_wanted).collect();
    assert!(5 < expected.len());
    assert_eq!(found.lines().skip(1).collect::<Vec<_>>(), expected);
    let nothing = Wanted { venue: Some("okx".to_owned()), ..all(&lake) };
    let refused = export(&nothing, Format::Csv, false, Vec::new(), &ProgressBar::hidden());
    assert!(refused.unwrap_err().to_string().contains("no quotes of this venue"));
    let many = export(&all(&lake), Format::Hftbacktest, false, Vec::new(), &ProgressBar::hidden());
    assert!(many.unwrap_err().to_string().contains("give --venue and --instrument"));
}

#[test]
fn tardis_has_its_columns_and_says_what_it_lacks() {
    let home = tempfile::tempdir().unwrap();
    let lake = home.path().join("lake");
    let time = MIDNIGHT + 1234;
    record(
        &lake,
        "run",
        &[vec![
            quote(0, 0, time, 6_100_000).into(),
            one_sided(quote(0, 0, time, 6_100_001)).into(),
        ]],
    );
    let (out, told) = exported(&all(&lake), Format::Tardis, false);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n\
         binance,BTC/USDT,1723161599995001,1723161600000001,1.54698,61000.01,61000,3.78826\n\
         binance,BTC/USDT,1723161600000001,1723161600000001,,,61000.01,3.78826\n"
    );
    assert_eq!(told.quotes, 2);
    assert_eq!(told.lost.values().copied().collect::<Vec<_>>(), [2, 1], "{:?}", told.lost);
}

/// Generates prices and sizes at the catalogue's scales, with up to 15 digits.
fn quotes() -> impl Strategy<Value = Vec<Quote>> {
    let side = || (1..10_i64.pow(13), 0..10_i64.pow(13));
    let row = (0..5000_u64, side(), side(), any::<bool>(), 0..2_u8);
    let of = |(at, bid, ask, whole, venue): (u64, (i64, i64), (i64, i64), bool, u8)| {
        let quote = quote(venue, 0, MIDNIGHT + at * SECOND, bid.0);
        let quote = Quote { bid_sz: bid.1, ask_px: ask.0, ask_sz: ask.1, ..quote };
        if whole { quote } else { one_sided(quote) }
    };
    prop::collection::vec(row.prop_map(of), 1..200)
}

/// Returns the lines of a CSV export as `change` leaves them, sorted.
fn lines_of(lake: &Path, change: impl Fn(Vec<String>) -> Vec<String>) -> Vec<String> {
    let csv = csv_of(lake);
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let lines = csv.lines().skip(1).map(|line| change(fields(line)).join(","));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// Imports an export of a lake's quotes in a format into another lake. `given` names what the format does
/// not name.
fn through(lake: &Path, again: &Path, format: Format, name: &str, given: import::Given) {
    let (out, _) = exported(&all(lake), format, true);
    let file = again.with_extension(name);
    fs::write(&file, out).unwrap();
    let reading = import::Reading { given, ..import::Reading::default() };
    let work = import::Work { lake: again, files: &[file], reading, segment_rows: 700 };
    let outcomes = import::import(&work, &ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
    assert!(outcomes[0].refused.is_empty(), "{}", outcomes[0].to_text());
}

/// Cuts the times of a line to microseconds. An event time in the microsecond of receiving is the
/// same as none.
fn cut(mut fields: Vec<String>) -> Vec<String> {
    for at in [0, 1] {
        let kept = fields[at].len().saturating_sub(3);
        fields[at].truncate(kept);
    }
    if fields[0] == fields[1] {
        fields[1].clear();
    }
    for time in fields.iter_mut().take(2).filter(|time| !time.is_empty()) {
        time.push_str("000");
    }
    fields
}

/// Returns the lines that change what a book shows, of quotes that have one time each.
fn changes(lake: &Path) -> Vec<String> {
    let mut last = Vec::new();
    let mut changed = |line: &str| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        if fields[1].is_empty() {
            fields[1] = fields[0].clone();
        }
        let book = fields[4..].to_vec();
        (std::mem::replace(&mut last, book.clone()) != book).then(|| fields.join(","))
    };
    csv_of(lake).lines().skip(1).filter_map(&mut changed).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_quotes_come_back_from_a_csv_export(quotes in quotes()) {
        let home = tempfile::tempdir().unwrap();
        let (lake, again) = (home.path().join("lake"), home.path().join("again"));
        record(&lake, "run", &[quotes.iter().map(|q| Record::from(*q)).collect()]);
        let csv = csv_of(&lake);
        let file = home.path().join("export.csv");
        fs::write(&file, &csv).unwrap();
        imported(&again, file);
        let sorted = |csv: &str| {
            let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(&csv_of(&again)), sorted(&csv));
    }

    #[test]
    fn any_quotes_come_back_from_a_tardis_export(quotes in quotes()) {
        let home = tempfile::tempdir().unwrap();
        let (lake, again) = (home.path().join("lake"), home.path().join("again"));
        record(&lake, "run", &[quotes.iter().map(|q| Record::from(*q)).collect()]);
        through(&lake, &again, Format::Tardis, "csv", import::Given::default());
        prop_assert_eq!(lines_of(&again, |fields| fields), lines_of(&lake, cut));
        prop_assert_eq!(recorded::findings(&again), [""; 0]);
    }

    #[test]
    fn any_quotes_come_back_from_an_hftbacktest_export(quotes in quotes()) {
        let home = tempfile::tempdir().unwrap();
        let (lake, again) = (home.path().join("lake"), home.path().join("again"));
        // One book, with a time of its own for each quote, and no price without a size.
        let quote = |(at, quote): (u64, &Quote)| Quote {
            venue: spreadwire_market::instrument::VenueId(0),
            ts_recv: MIDNIGHT + at * SECOND,
            bid_sz: quote.bid_sz.max(1),
            ask_sz: if quote.ask_px == 0 { 0 } else { quote.ask_sz.max(1) },
            ..*quote
        };
        let quotes: Vec<Quote> = (0..).zip(&quotes).map(quote).collect();
        record(&lake, "run", &[quotes.iter().map(|q| Record::from(*q)).collect()]);
        let given = import::Given {
            venue: Some("binance".to_owned()),
            instrument: Some("BTC/USDT".to_owned()),
        };
        through(&lake, &again, Format::Hftbacktest, "npz", given);
        prop_assert_eq!(lines_of(&again, |fields| fields), changes(&lake));
        prop_assert_eq!(recorded::findings(&again), [""; 0]);
    }
}
