//! The analyzer as its users see it: exit codes, messages, files, and how it handles bad input.

use crate::kit::{
    self, DAY, HOUR, Home, MIDNIGHT, Row, SECOND, Style, folder, pairs, problems, quote,
};
use analyzer::options::Arguments;
use analyzer::plan::Plan;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use clap::{Args, FromArgMatches};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

const FILES: [&str; 5] =
    ["ranking.csv", "ranking.parquet", "recommendations.toml", "report.html", "report.json"];
/// The list of them.
const LIST: &str = ".files";

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn all_wrong_arguments_are_told_at_once_each_with_a_remedy() {
    let home = Home::of_days(0..1);
    let options = [
        "--date=2024-08-08",
        "--yesterday",
        "--from=2024-08-09",
        "--to=2024-08-08",
        "--venues=[",
        "--instruments={",
        "--max-age=0",
        "--size=-1",
        "--sampling=61",
        "--lag-step=0",
        "--lag-steps=201",
        "--thresholds=0,1,2,3,4,5,6,7,8",
        "--fees=okx=much",
        "--latency=-5",
        "--config=nowhere.toml",
        "--threads=0",
        "--expires=0",
        "--rank=nonsense",
        "--partials=lake/partials",
        "--instruments-file=nowhere.toml",
        "--metrics=some",
        "--top=-1",
    ];
    let outcome = home.run(&options);
    assert_eq!((outcome.code, outcome.text.as_str()), (Some(2), ""));
    for option in options.iter().map(|option| option.split('=').next().unwrap()) {
        // Days named in two ways are one problem.
        let told =
            if ["--yesterday", "--from", "--to"].contains(&option) { "--date" } else { option };
        let line =
            outcome.errors.lines().find(|line| line.contains(&format!("analyzer: {told}: ")));
        let line = line.unwrap_or_else(|| panic!("{option}: {}", outcome.errors));
        assert!(line.contains("; "), "{line} has no remedy");
    }
    assert!(!home.file("out").exists());
}

#[test]
fn wrong_arguments_end_with_2_and_say_what_would_be_right() {
    let home = Home::of_days(0..1);
    let lake = home.lake.to_str().unwrap();
    for (options, told) in [
        (&[][..], "name the folder of a lake"),
        (&["nowhere"], "LAKE: \"nowhere\" is not a folder; name the folder"),
        (&[lake, "--nonsense"], "unexpected argument '--nonsense'"),
        (&[lake, "--date", "2024-13-01"], "--date"),
        (&[lake, "--metrics", "some"], "possible values: all, compatible"),
        (&[lake, "--format", "xls"], "possible values: csv, parquet, html, json, toml"),
        (&[lake, "--rank", "zero_crossing"], "did you mean zero_crossings?"),
        (&[lake, "--rank", "-per_day_lowest"], "did you mean per_day_low?"),
        (&[lake, "--metrics", "compatible", "--rank", "half_life_s"], "there is no column"),
        (
            &[lake, "--venues", "kraken"],
            "--venues: nothing in the lake matches \"kraken\"; it has alpha",
        ),
        (&[lake, "--venues", "okx,alfa"], "did you mean alpha?"),
        (
            &[lake, "--instruments", "DOGE/*"],
            "--instruments: nothing in the lake matches \"DOGE/*\"",
        ),
        (&[lake, "--fees", "okxx=8"], "--fees: no venue is called \"okxx\"; did you mean okx?"),
        (&[lake, "--latency", "binance-usdn=8"], "did you mean binance_usdm?"),
        (
            &[lake, "--fees", "0.001"],
            "looks like a fraction: 0.001 bp is too little; write 10 for 10 bp",
        ),
        (&[lake, "--fees", "okx=-0.0004"], "write -4 for -4 bp"),
        (&[lake, "--fees=-200"], "\"-200\" is not a number in range"),
        (&[lake, "--fees", "NaN"], "\"NaN\" is not a number in range"),
        (&[lake, "--fees", "okx=inf"], "\"okx=inf\" is not a number in range"),
        (&[lake, "--fees", "8,9"], "\"9\" is the second number for all venues"),
        (
            &[lake, "--latency", "0.02"],
            "looks like seconds: 0.02 ms is too little; write 20 for 20 ms",
        ),
        (&[lake, "--latency", "60000"], "\"60000\" is not a number in range"),
        (&[lake, "--max-age", "NaN"], "--max-age: NaN is out of range"),
        (&[lake, "--max-age", "inf"], "--max-age: inf is out of range"),
        (
            &[lake, "--sampling", "1e-10"],
            "--sampling: 0.0000000001 is out of range; give a number from 0.001",
        ),
        (&[lake, "--lag-step", "1e-9"], "--lag-step: "),
        (&[lake, "--size", "1e12"], "--size: 1000000000000 is out of range"),
        (&[lake, "--thresholds", "0,1e9"], "--thresholds: "),
        (&[lake, "--expires", "0"], "--expires: 0 is out of range; give a number from 1 to 36500"),
        (
            &[lake, "--expires", "100000"],
            "--expires: 100000 is out of range; give a number from 1 to 36500",
        ),
        (&[lake, "--margins", "-5"], "--margins: -5 is out of range; give a number from 0"),
        (
            &[lake, "--fees", "-300"],
            "--fees: \"-300\" is not a number in range; give a number of bp",
        ),
        (&[lake, "--latency", "-1"], "--latency: \"-1\" is not a number in range"),
        (&[lake, "--size", "-1"], "--size: -1 is out of range"),
        (
            &[lake, "--transfers", "okx,alpho"],
            "--transfers: no venue is called \"alpho\"; did you mean alpha?",
        ),
        (&[lake, "--date", "2999-01-01"], "--date: 2999-01-01 is in the future"),
        (&[lake, "--from", "2999-01-01"], "--from: 2999-01-01 is in the future"),
        (&[lake, "--threads", "1000000"], "--threads: "),
        (&[lake, "--last-days", "3", "--date", "2024-08-08"], "more than one way"),
        (&[lake, "--partials", "p", "--no-partials"], "cannot be used with"),
    ] {
        let outcome = kit::run(home.home.path(), options);
        assert_eq!((outcome.code, outcome.text.as_str()), (Some(2), ""), "{options:?}");
        assert!(outcome.errors.contains(told), "{options:?}: {}", outcome.errors);
        assert!(!home.file("out").exists());
    }
    let help = kit::run(home.home.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    for told in ["Exit codes:", "--yesterday", "What to read", "analyzer diff"] {
        assert!(help.text.contains(told), "{told}");
    }
}

#[test]
fn where_nothing_is_to_be_read_it_fails_and_writes_nothing() {
    let home = Home::of_days(0..1);
    for options in [
        &["--date", "2024-08-10"][..],
        &["--from", "2024-08-09"],
        &["--to", "2024-08-07"],
        &["--yesterday"],
    ] {
        let outcome = home.run(options);
        assert_eq!((outcome.code, outcome.text.as_str()), (Some(1), ""), "{options:?}");
        assert!(outcome.errors.contains("has no quotes that match"), "{}", outcome.errors);
        assert!(!home.file("out").exists());
    }
    let empty = Home::new();
    assert_eq!(empty.run(&[]).code, Some(1));
    // If everything is left out, it says what and why.
    kit::write_hours(&empty.lake, "okx", "LONE/USDT", "a", &sound_rows(), Style::default());
    let outcome = empty.run(&[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.errors.contains("LONE/USDT: only okx has it"), "{}", outcome.errors);
}

#[test]
fn days_venues_and_instruments_are_chosen() {
    let home = Home::of_days(0..3);
    for (options, days, pairs) in [
        (&[][..], "08 09 10", 4),
        (&["--date", "2024-08-09"], "09", 4),
        (&["--from", "2024-08-09"], "09 10", 4),
        (&["--to", "2024-08-09"], "08 09", 4),
        (&["--from", "2024-08-09", "--to", "2024-08-09"], "09", 4),
        (&["--venues", "alpha,ok*"], "08 09 10", 2),
        (&["--venues", "alpha,binance-usdm", "--instruments", "BTC*"], "08 09 10", 1),
        (&["--venues", "alpha,binance_usdm", "--instruments", "BTC*"], "08 09 10", 1),
        (&["--instruments", "BTC/*"], "08 09 10", 3),
        (&["--instruments", "ETH*", "--venues", "[ao]*"], "08 09 10", 1),
    ] {
        let compatible = ["--metrics", "compatible", "--format", "json", "--no-partials"];
        let report = home.report(0, &[&compatible, options].concat());
        let found: Vec<&str> =
            report["days"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
        let days: Vec<String> = days.split(' ').map(|day| format!("2024-08-{day}")).collect();
        assert_eq!(found, days, "{options:?}");
        assert_eq!(report["totals"]["pairs"], pairs, "{options:?}");
        assert!(problems(&report).is_empty(), "{options:?}");
    }
}

/// Validates the arguments of a command line at a point in time.
#[test]
fn fees_and_latencies_of_venues_that_are_not_there_are_told() {
    let home = Home::of_days(0..1);
    let given = ["--fees", "10,bybit=8,alpha=3,binance-usdm=4", "--latency", "bybit=5"];
    let report = home.report(0, &given);
    let what = "names a venue that was not analysed";
    let told: Vec<String> = problems(&report)
        .into_iter()
        .filter(|(_, told, _)| told == what)
        .map(|(subject, _, _)| subject)
        .collect();
    assert_eq!(told, ["--fees bybit=8", "--latency bybit=5"]);
    let settings = report["settings"].as_array().unwrap();
    let of = |name: &str| settings.iter().find(|of| of[0] == name).unwrap()[1].as_str().unwrap();
    assert!(of("venue binance_usdm").starts_with("fee 4 bp"), "{settings:?}");
}

fn plan(lake: &Path, now: i64, options: &[&str]) -> Result<Plan, Vec<analyzer::plan::Problem>> {
    let command = Arguments::augment_args(clap::Command::new("analyzer"));
    let given = ["analyzer", lake.to_str().unwrap()];
    let matches = command.try_get_matches_from(given.iter().chain(options)).unwrap();
    Plan::new(Arguments::from_arg_matches(&matches).unwrap(), now)
}

#[test]
fn days_are_counted_back_from_today_utc() {
    let home = Home::new();
    let days = |now: i64, options: &[&str]| {
        let selection = plan(&home.lake, now, options).unwrap().selection;
        let text =
            |day: Option<jiff::civil::Date>| day.map_or("none".to_owned(), |d| d.to_string());
        format!("{} {}", text(selection.from), text(selection.to))
    };
    let noon = MIDNIGHT + 12 * HOUR;
    for (now, options, expected) in [
        (noon, &["--yesterday"][..], "2024-08-07 2024-08-07"),
        (MIDNIGHT, &["--yesterday"], "2024-08-07 2024-08-07"),
        (MIDNIGHT - 1, &["--yesterday"], "2024-08-06 2024-08-06"),
        (noon, &["--last-days", "1"], "2024-08-07 2024-08-07"),
        (noon, &["--last-days", "30"], "2024-07-09 2024-08-07"),
        (noon, &["--date", "2024-08-01"], "2024-08-01 2024-08-01"),
        (noon, &["--from", "2024-08-01"], "2024-08-01 none"),
        (noon, &[], "none none"),
    ] {
        assert_eq!(days(now, options), expected, "{options:?}");
    }
    let nothing = plan(&home.lake, noon, &["--last-days", "0"]).unwrap_err();
    assert!(nothing[0].to_string().contains("--last-days"), "{nothing:?}");
}

#[test]
fn files_are_those_that_were_asked_for_in_a_folder_of_each_analysis() {
    let home = Home::of_days(0..1);
    for (format, expected) in [
        ("csv", &FILES[..1]),
        ("parquet,toml", &FILES[1..3]),
        ("html", &FILES[3..4]),
        ("json", &FILES[4..]),
        ("csv,parquet,html,json,toml", &FILES),
    ] {
        let outcome = home.run(&["--format", format]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
        let details: &[&str] = if expected.contains(&"report.json") { &["pairs"] } else { &[] };
        let mut all = [&[LIST], expected, details].concat();
        all.sort_unstable();
        assert_eq!(names(&home.file("out/")), all);
        let folder = fs::read_link(home.file("out").join("latest")).unwrap();
        for name in expected {
            let told = format!("out/{}/{name}", folder.display());
            assert!(outcome.text.contains(&told), "{}", outcome.text);
        }
        for folder in details {
            // Three pairs of BTC and one of ETH, named once.
            assert_eq!(names(&home.file("out/pairs")).len(), 4);
            assert_eq!(outcome.text.matches(&format!("/{folder}/")).count(), 1, "{}", outcome.text);
        }
        assert!(outcome.text.ends_with("out/latest\n"), "{}", outcome.text);
        if expected.len() < FILES.len() {
            fs::remove_dir_all(home.file("out")).unwrap();
        }
    }
    // The results of the analysis before stay as they are.
    let old = fs::canonicalize(home.file("out/")).unwrap();
    let before = fs::read(old.join("ranking.csv")).unwrap();
    home.add_day(1);
    assert_eq!(home.run(&[]).code, Some(0));
    assert_eq!(fs::read(old.join("ranking.csv")).unwrap(), before);
    assert_ne!(fs::read(home.file("out/ranking.csv")).unwrap(), before);
    assert_eq!(names(&home.file("out")).len(), 3);
    assert_eq!(home.run(&["--keep", "1"]).code, Some(0));
    assert_eq!(names(&home.file("out")).len(), 2, "the newest and the link to it");
    assert!(!old.exists());
    assert_eq!(home.run(&["--keep", "0"]).code, Some(2));
    // Something else in the place of the link is not touched, and told before anything is computed.
    fs::remove_file(home.file("out").join("latest")).unwrap();
    fs::write(home.file("out").join("latest"), "mine").unwrap();
    let outcome = home.run(&["--format", "csv"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.errors.contains("--out: out/latest is not a link"), "{}", outcome.errors);
    assert_eq!(fs::read_to_string(home.file("out").join("latest")).unwrap(), "mine");
}

#[test]
fn the_report_on_standard_output_is_that_of_the_file() {
    let home = Home::of_days(0..1);
    let outcome = home.run(&["--json"]);
    assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""));
    assert_eq!(outcome.text, fs::read_to_string(home.file("out/report.json")).unwrap());
    let report: analyzer::report::Report = serde_json::from_str(&outcome.text).unwrap();
    assert_eq!(report.pairs.len(), 4);
    assert_eq!(report.rank_by, "per_day_low");
    assert_eq!(report.completeness.verdict, "not vouched for");
}

#[test]
fn a_file_in_the_place_of_the_folder_for_results_is_named() {
    let home = Home::of_days(0..1);
    fs::write(home.file("file"), "").unwrap();
    let lake = home.lake.to_str().unwrap();
    for out in ["file", "file/deeper"] {
        let outcome = kit::run_as(home.home.path(), &[lake, "--no-ledger", "--out", out], None);
        assert_eq!((outcome.code, outcome.text.as_str()), (Some(2), ""), "{out}");
        assert!(outcome.errors.contains("--out: "), "{}", outcome.errors);
        assert!(outcome.errors.contains("/file\" is not a folder; "), "{}", outcome.errors);
    }
}

#[test]
fn what_is_written_is_for_the_owner_and_his_group() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::of_days(0..1);
    home.report(0, &[]);
    let mut folders = vec![home.file("out"), home.file("lake.partials")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            let most = if path.is_dir() { 0o750 } else { 0o640 };
            assert_eq!(mode & !most, 0, "{}: {mode:o}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

#[test]
fn a_file_that_was_copied_counts_once() {
    let home = Home::of_days(0..1);
    let expected = home.report(0, &[])["pairs"].clone();
    let folder = folder("okx", "BTC/USDT", MIDNIGHT / HOUR);
    let copied = home.lake.join(&folder);
    fs::copy(copied.join("a.parquet"), copied.join("a (1).parquet")).unwrap();
    let report = home.report(3, &[]);
    assert_eq!(report["pairs"], expected);
    let what = format!("has the same content as {folder}/a (1).parquet, so it is not read");
    assert_eq!(problems(&report), [(format!("{folder}/a.parquet"), what, true)]);
}

#[test]
fn groups_of_figures_stand_for_themselves() {
    let home = Home::of_days(0..1);
    for (metrics, with, without) in [
        ("compatible", "zero_crossings", "per_day_low"),
        ("time-weighted", "per_day_low", "zero_crossings"),
        ("reversion", "half_life_s", "zero_crossings"),
        ("lead-lag", "lead_lag_ms", "per_day_low"),
    ] {
        let rank = ["--rank", with, "--format", "csv,json", "--no-partials"];
        let report = home.report(0, &[&["--metrics", metrics][..], &rank].concat());
        let (header, pairs) = pairs(&home.file("out/ranking.csv"));
        assert_eq!(pairs.len(), 4, "{metrics}: {:?}", problems(&report));
        assert!(header.iter().any(|name| name == with), "{metrics}");
        assert!(!header.iter().any(|name| name == without), "{metrics}");
    }
    // Each group has a default ranking column.
    for metrics in ["compatible", "time-weighted", "reversion", "lead-lag"] {
        let outcome = home.run(&["--metrics", metrics, "--no-partials"]);
        assert_eq!(outcome.code, Some(0), "{metrics}: {}", outcome.errors);
    }
}

#[test]
fn rows_are_ordered_by_the_column_that_ranks() {
    let home = Home::of_days(0..1);
    for (rank, descending) in [("zero_crossings", true), ("-zero_crossings", false)] {
        let report = home.report(0, &["--metrics", "compatible", "--rank", rank]);
        let pairs = report["pairs"].as_array().unwrap();
        let values: Vec<u64> =
            pairs.iter().map(|pair| pair["cells"][6].as_u64().unwrap()).collect();
        assert!(values.is_sorted_by(|a, b| if descending { b <= a } else { a <= b }), "{values:?}");
        assert!(values.first() != values.last());
    }
}

/// What is done to a lake, and the subject and text of the problem that must be reported.
struct Bad {
    name: &'static str,
    spoil: fn(&Path),
    subject: &'static str,
    what: &'static str,
}

/// An additional file, on a day that has others.
const EXTRA: &str = "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=05/bad.parquet";
/// The only file of its venue's day, with days after it.
const WHOLE_DAY: &str = "exchange=okx/symbol=BTC#USDT/date=2024-08-09/hour=05/bad.parquet";

fn sound_rows() -> Vec<Row> {
    kit::walk(9, MIDNIGHT + 5 * HOUR, 300)
}

fn put(lake: &Path, path: &str, bytes: &[u8]) {
    let path = lake.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn sound_file() -> Vec<u8> {
    let home = Home::new();
    let path = home.file("sound.parquet");
    kit::write(&path, &kit::batch(&sound_rows(), Style::default()));
    fs::read(path).unwrap()
}

fn without(lake: &Path, column: &str) {
    let mut batch = kit::batch(&sound_rows(), Style::default());
    batch.remove_column(batch.schema().index_of(column).unwrap());
    kit::write(&lake.join(EXTRA), &batch);
}

fn columns(lake: &Path, columns: [(&str, ArrayRef); 3]) {
    kit::write(&lake.join(EXTRA), &RecordBatch::try_from_iter(columns).unwrap());
}

fn forbid(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
}

const BAD: [Bad; 17] = [
    Bad {
        name: "a truncated file",
        spoil: |lake| put(lake, EXTRA, &sound_file()[..2_000]),
        subject: EXTRA,
        what: "damaged, or not a Parquet file",
    },
    Bad {
        name: "a file without its end, of a whole day",
        spoil: |lake| put(lake, WHOLE_DAY, &sound_file()[..2_000]),
        subject: WHOLE_DAY,
        what: "damaged, or not a Parquet file",
    },
    Bad {
        name: "a file with a damaged page",
        spoil: |lake| {
            let mut bytes = sound_file();
            bytes[4..1_200].fill(0xFF);
            put(lake, EXTRA, &bytes);
        },
        subject: EXTRA,
        what: "damaged",
    },
    Bad {
        name: "a file with a damaged page, of a whole day",
        spoil: |lake| {
            let mut bytes = sound_file();
            bytes[4..1_200].fill(0xFF);
            put(lake, WHOLE_DAY, &bytes);
        },
        subject: WHOLE_DAY,
        what: "damaged",
    },
    Bad {
        name: "a file of no bytes",
        spoil: |lake| put(lake, EXTRA, b""),
        subject: EXTRA,
        what: "is empty",
    },
    Bad {
        name: "a file of no rows",
        spoil: |lake| {
            kit::write(&lake.join(EXTRA), &kit::batch(&[], Style::default()));
        },
        subject: EXTRA,
        what: "has no rows",
    },
    Bad {
        name: "a file that is not Parquet",
        spoil: |lake| put(lake, EXTRA, b"Timestamp,BestBid,BestAsk\n1,2,3\n"),
        subject: EXTRA,
        what: "not a Parquet file",
    },
    Bad {
        name: "a file of something else",
        spoil: |lake| {
            let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
            columns(lake, ["a", "b", "c"].map(|name| (name, Arc::clone(&numbers))));
        },
        subject: EXTRA,
        what: "has no column Timestamp",
    },
    Bad {
        name: "a file without bids",
        spoil: |lake| without(lake, "BestBid"),
        subject: EXTRA,
        what: "has no column BestBid",
    },
    Bad {
        name: "a file without asks",
        spoil: |lake| without(lake, "BestAsk"),
        subject: EXTRA,
        what: "has no column BestAsk",
    },
    Bad {
        name: "prices that are text",
        spoil: |lake| {
            let batch = kit::batch(&[quote(MIDNIGHT, 1.0)], Style::default());
            let text: ArrayRef = Arc::new(StringArray::from(vec!["1.0"]));
            let time = Arc::clone(batch.column(0));
            let ask: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
            columns(lake, [("Timestamp", time), ("BestBid", text), ("BestAsk", ask)]);
        },
        subject: EXTRA,
        what: "its column BestBid has the unsupported type",
    },
    Bad {
        name: "an instrument on one venue only",
        spoil: |lake| {
            kit::write_hours(lake, "okx", "LONE/USDT", "a", &sound_rows(), Style::default());
        },
        subject: "LONE/USDT",
        what: "only okx has it",
    },
    Bad {
        name: "venues without a time in common",
        spoil: |lake| {
            for (venue, at) in [("alpha", 0), ("okx", 2)] {
                // Within the others' time, which is the clock of all.
                let rows = kit::walk(9, MIDNIGHT + at * DAY + HOUR, 300);
                kit::write_hours(lake, venue, "APART/USDT", "a", &rows, Style::default());
            }
        },
        subject: "APART/USDT alpha okx",
        what: "no time in common",
    },
    Bad {
        name: "a folder without rights",
        spoil: |lake| {
            put(lake, EXTRA, &sound_file());
            forbid(lake.join(EXTRA).parent().unwrap());
        },
        subject: "exchange=okx/symbol=BTC#USDT/date=2024-08-08/hour=05",
        what: "cannot be read: Permission denied",
    },
    Bad {
        name: "a file without rights",
        spoil: |lake| {
            put(lake, EXTRA, &sound_file());
            forbid(&lake.join(EXTRA));
        },
        subject: EXTRA,
        what: "cannot be read: Permission denied",
    },
    Bad {
        name: "a folder that is not a date",
        spoil: |lake| {
            put(lake, &EXTRA.replace("2024-08-08", "20240808"), &sound_file());
        },
        subject: "exchange=okx/symbol=BTC#USDT/date=20240808",
        what: "is not a date",
    },
    Bad {
        name: "a folder in the place of a file",
        spoil: |lake| fs::create_dir_all(lake.join(EXTRA)).unwrap(),
        subject: EXTRA,
        what: "is not a file",
    },
];

/// Returns a lake of three days; okx has nothing on the second.
fn lake_for_bad_input() -> Home {
    let home = Home::of_days(0..3);
    let day = "exchange=okx/symbol=BTC#USDT/date=2024-08-09";
    fs::remove_dir_all(home.lake.join(day)).unwrap();
    home
}

/// Makes the rights of files matter to the programs that this thread starts, even if root starts
/// them.
fn obey_rights() {
    for capability in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
        if geteuid().is_root() && capability_is_in_bounding_set(capability).unwrap() {
            remove_capability_from_bounding_set(capability).unwrap();
        }
    }
}

#[test]
fn bad_input_is_left_out_by_name_and_all_else_is_as_if_it_was_not_there() {
    obey_rights();
    let sound = lake_for_bad_input();
    let options = ["--metrics", "compatible,time-weighted,lead-lag"];
    sound.report(0, &options);
    let expected = fs::read(sound.file("out/ranking.csv")).unwrap();
    for Bad { name, spoil, subject, what } in BAD {
        let home = lake_for_bad_input();
        spoil(&home.lake);
        let report = home.report(3, &options);
        let left_out: Vec<_> = problems(&report).into_iter().filter(|of| of.2).collect();
        let found = left_out.iter().any(|of| of.0 == subject && of.1.contains(what));
        assert!(found, "{name}: {left_out:?}");
        assert_eq!(left_out.len(), 1, "{name}: {left_out:?}");
        let csv = fs::read(home.file("out/ranking.csv")).unwrap();
        assert!(csv == expected, "{name}");
        // A second run, from partial results, gives the same.
        let again = home.report(3, &options);
        assert_eq!(problems(&again), problems(&report), "{name}");
        assert!(fs::read(home.file("out/ranking.csv")).unwrap() == expected, "{name} again");
        // With `--strict` there are only the names.
        fs::remove_dir_all(home.file("out")).unwrap();
        let strict = home.run(&[&options[..], &["--strict"]].concat());
        assert_eq!((strict.code, strict.text.as_str()), (Some(1), ""), "{name}");
        assert!(strict.errors.contains(subject), "{name}: {}", strict.errors);
        assert!(!home.file("out").exists(), "{name}");
        let folder = home.lake.join(EXTRA);
        if let Some(folder) = folder.parent().filter(|folder| folder.exists()) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    assert_eq!(sound.run(&[&options[..], &["--strict"]].concat()).code, Some(0));
}

#[test]
fn rows_that_are_no_quotes_or_not_in_order_are_told_by_file_and_change_nothing_else() {
    let hour = folder("okx", "BTC/USDT", (MIDNIGHT + 5 * HOUR) / HOUR);
    let rows = sound_rows();
    let lake_with = |rows: &[Row]| {
        let home = Home::of_days(0..1);
        kit::write(&home.lake.join(&hour).join("a.parquet"), &kit::batch(rows, Style::default()));
        home
    };
    let options = ["--metrics", "compatible,time-weighted"];
    let sound = lake_with(&rows);
    sound.report(0, &options);
    let expected = fs::read_to_string(sound.file("out/ranking.csv")).unwrap();
    let mut unsorted = rows.clone();
    unsorted.reverse();
    let more = |row: Row| {
        let mut rows = rows.clone();
        rows.insert(100, Row { time: rows[100].time, ..row });
        rows
    };
    let no = quote(0, 100.0);
    let bid = no.bid;
    for (name, rows, what, left_out) in [
        ("times in no order", unsorted, "out of order", false),
        ("a null bid", more(Row { bid: None, ..no }), NO_QUOTE, false),
        ("a null ask", more(Row { ask: None, ..no }), NO_QUOTE, false),
        ("a bid of zero", more(Row { bid: Some(0.0), ..no }), NO_PRICE, true),
        ("an ask below zero", more(Row { ask: Some(-1.0), ..no }), NO_PRICE, true),
        (
            "an ask that is not a number",
            more(Row { bid, ask: Some(f64::NAN), ..no }),
            NO_PRICE,
            true,
        ),
        ("an infinite bid", more(Row { bid: Some(f64::INFINITY), ..no }), NO_PRICE, true),
    ] {
        let home = lake_with(&rows);
        let report = home.report(if left_out { 3 } else { 0 }, &options);
        let csv = fs::read_to_string(home.file("out/ranking.csv")).unwrap();
        assert_eq!(csv, expected, "{name}");
        let problems = problems(&report);
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert_eq!(problems[0].0, format!("{hour}/a.parquet"), "{name}");
        assert!(problems[0].1.contains(what) && problems[0].2 == left_out, "{problems:?}");
        let strict = home.run(&[&options[..], &["--strict"]].concat());
        assert_eq!(strict.code, Some(i32::from(left_out)), "{name}");
    }
}

const NO_QUOTE: &str = "rows without a bid or an ask, which are not quotes: 1";
const NO_PRICE: &str = "rows with a price that is not positive and finite, left out: 1";

#[test]
fn equal_times_keep_their_order_and_the_last_counts() {
    let home = Home::new();
    let at = MIDNIGHT + SECOND;
    let rows = |bids: &[f64]| bids.iter().map(|bid| quote(at, *bid)).collect::<Vec<_>>();
    kit::write_hours(&home.lake, "alpha", "X/Y", "a", &rows(&[101.0, 99.0]), Style::default());
    kit::write_hours(&home.lake, "okx", "X/Y", "b", &rows(&[100.0]), Style::default());
    kit::write_hours(&home.lake, "okx", "X/Y", "a", &rows(&[50.0, 1.0]), Style::default());
    home.report(0, &["--metrics", "compatible"]);
    let (_, pairs) = pairs(&home.file("out/ranking.csv"));
    let cells: Vec<&str> =
        pairs.values().next().unwrap()[3..7].iter().map(|cell| cell.1.as_str()).collect();
    assert_eq!(cells, ["1.0000000000000009", "-1.0000000000000009", "0.0", "1"]);
}

#[test]
fn nothing_is_written_where_it_would_change_a_lake() {
    let home = Home::of_days(0..1);
    std::os::unix::fs::symlink(&home.lake, home.file("link")).unwrap();
    let before = names(&home.lake);
    for (option, folder, how) in [
        ("--out", "lake", "is the lake"),
        ("--out", "link", "is the lake"),
        ("--out", "lake/analysis", "is inside the lake"),
        ("--out", "./link/../lake/exchange=okx/new", "is inside the lake"),
        ("--out", ".", "has the lake inside"),
        ("--partials", "link/partials", "is inside the lake"),
        ("--partials", "lake", "is the lake"),
    ] {
        let analyzer = std::process::Command::new(env!("CARGO_BIN_EXE_analyzer"))
            .current_dir(home.home.path())
            .args(["lake", "--no-ledger", option, folder])
            .output()
            .unwrap();
        let errors = String::from_utf8(analyzer.stderr).unwrap();
        assert_eq!(analyzer.status.code(), Some(2), "{option} {folder}: {errors}");
        let told = format!("analyzer: {option}: {folder:?} {how}");
        assert!(errors.starts_with(&told) && errors.contains("; give a folder beside"), "{errors}");
        assert_eq!(names(&home.lake), before);
        assert!(!home.file("lake.partials").exists());
    }
}

#[test]
fn every_column_of_the_table_has_one_type_for_readers_that_guess_it() {
    let home = Home::of_days(0..1);
    let report = home.report(0, &[]);
    let kinds: std::collections::BTreeMap<&str, &str> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["name"].as_str().unwrap(), of["kind"].as_str().unwrap()))
        .collect();
    let (_, pairs) = pairs(&home.file("out/ranking.csv"));
    let mut found = 0;
    for (name, cell) in pairs.values().flatten().filter(|(_, cell)| !cell.is_empty()) {
        let has_point = cell.contains('.');
        match kinds[name.as_str()] {
            "number" => assert!(has_point && cell.parse::<f64>().is_ok(), "{name}: {cell}"),
            "count" => assert!(cell.parse::<u64>().is_ok(), "{name}: {cell}"),
            _ => continue,
        }
        found += 1;
    }
    assert!(100 < found);
}

#[test]
fn of_a_minute_it_is_said_that_it_is_too_little_and_nothing_of_its_feeds() {
    let home = Home::new();
    for (number, venue) in (1..).zip(&kit::VENUES[..2]) {
        let rows = kit::walk(number, MIDNIGHT, 60);
        kit::write_hours(&home.lake, venue, "BTC/USDT", "a", &rows, Style::default());
    }
    let report = home.report(0, &["--fees", "0"]);
    let pair = &report["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["reasons"][0]), (&"refused".into(), &"too_little".into()));
    assert_eq!(pair["per_day"], serde_json::Value::Null, "no rate is computed");
}
