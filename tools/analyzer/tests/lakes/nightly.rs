//! Night after night: partial results are stored, merged, and computed again when they must be, and
//! the bytes of the results do not depend on how they were computed. Also the golden files: the
//! results of a small lake made by a formula, to the last digit (`BLESS=1` rewrites them).

use crate::kit::{
    self, DAY, HOUR, Home, LISTINGS, MIDNIGHT, Style, VENUES, folder, problems, recorded, walk,
};
use crate::schema;
use serde_json::{Value, json};
use spreadwire_lake::ledger::{self, Entry, EntryKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Results that must not depend on how a run computed them.
#[derive(PartialEq, Eq)]
struct Results {
    csv: String,
    parquet: Vec<u8>,
    report: String,
    page: String,
}

/// Returns the report without what describes the run itself.
fn masked(mut report: Value) -> Value {
    report["generated"] = json!("masked");
    report["lake"] = json!("masked");
    report["data_digest"] = json!("masked");
    report["totals"]["partials_reused"] = json!(0);
    report["totals"]["partials_computed"] = json!(0);
    report
}

/// Returns the numbers of partial results that were reused and computed.
fn counts(report: &Value) -> [u64; 2] {
    ["partials_reused", "partials_computed"].map(|name| report["totals"][name].as_u64().unwrap())
}

fn results(home: &Home, options: &[&str]) -> (Results, [u64; 2]) {
    let report = home.report(0, options);
    let counts = counts(&report);
    let read = |name: &str| fs::read_to_string(home.file("out/").join(name)).unwrap();
    // The page contains the time of the analysis and the name of the lake.
    let mut page = read("report.html");
    for name in ["generated", "lake"] {
        page = page.replace(report[name].as_str().unwrap(), "masked");
    }
    page = without_counts(&page);
    let report = serde_json::to_string_pretty(&masked(report)).unwrap();
    let parquet = fs::read(home.file("out/ranking.parquet")).unwrap();
    (Results { csv: read("ranking.csv"), parquet, report, page }, counts)
}

/// Returns the page without the line that counts partial results.
fn without_counts(page: &str) -> String {
    page.lines().filter(|line| !line.contains(" computed, ")).collect::<Vec<_>>().join("\n")
}

fn assert_same(a: &Results, b: &Results, what: &str) {
    assert_eq!(a.csv, b.csv, "{what}");
    assert_eq!(a.report, b.report, "{what}");
    assert!(a.parquet == b.parquet, "{what}: ranking.parquet");
    assert!(a.page == b.page, "{what}: report.html");
}

/// Returns the partial results of a lake by their paths.
fn partials(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![home.file("lake.partials")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_bytes_come_out_of_any_number_of_threads_with_and_without_partial_results() {
    let home = Home::of_days(0..2);
    let (expected, _) = results(&home, &["--threads", "1", "--no-partials"]);
    for threads in ["2", "5"] {
        let (found, counts) = results(&home, &["--threads", threads, "--no-partials"]);
        assert_same(&found, &expected, threads);
        assert_eq!(counts, [0, 4]);
    }
    assert!(!home.file("lake.partials").exists());
    let (computed, counts) = results(&home, &["--threads", "3"]);
    assert_same(&computed, &expected, "partial results computed");
    assert_eq!(counts, [0, 4]);
    let kept = partials(&home);
    assert_eq!(kept.len(), 4);
    for threads in ["1", "2", "5"] {
        let (reused, counts) = results(&home, &["--threads", threads]);
        assert_same(&reused, &expected, "partial results reused");
        assert_eq!(counts, [4, 0]);
    }
    assert!(partials(&home) == kept, "reading changes nothing");
    // Elsewhere, and with another number of threads, the partial results have the same bytes.
    let elsewhere = home.file("elsewhere");
    results(&home, &["--threads", "5", "--partials", elsewhere.to_str().unwrap()]);
    for (path, bytes) in kept {
        let path = elsewhere.join(path.strip_prefix(home.file("lake.partials")).unwrap());
        assert!(fs::read(path).unwrap() == bytes);
    }
}

const FEW: [&str; 2] = ["--metrics", "compatible,time-weighted"];

#[test]
fn a_new_day_is_all_that_is_computed_and_the_whole_is_as_computed_at_once() {
    let home = Home::of_days(0..1);
    let options = ["--metrics", "all"];
    for day in 1..4 {
        let (_, found) = results(&home, &options);
        assert_eq!(found, [2 * (day - 1), 2], "day {day}");
        home.add_day(i64::try_from(day).unwrap());
    }
    let (merged, found) = results(&home, &options);
    assert_eq!(found, [6, 2]);
    let (at_once, found) = results(&home, &["--metrics", "all", "--no-partials"]);
    assert_eq!(found, [0, 8]);
    assert_same(&merged, &at_once, "merged");
    // This night has only one day in its period, and the day before that it begins with.
    let (_, found) = results(&home, &["--metrics", "all", "--date", "2024-08-11"]);
    assert_eq!(found, [2, 0]);
}

#[test]
fn a_changed_file_has_its_day_and_the_one_after_computed_again() {
    let home = Home::of_days(0..4);
    results(&home, &FEW);
    let rows = walk(99, MIDNIGHT + DAY + 20 * HOUR, 300);
    kit::write_hours(&home.lake, "okx", "BTC/USDT", "later", &rows, Style::default());
    let (found, counted) = results(&home, &FEW);
    assert_eq!(counted, [6, 2], "of BTC/USDT the second day and the third");
    assert_same(&found, &results(&home, &[&FEW[..], &["--no-partials"]].concat()).0, "a file more");
    let path = home.lake.join(folder("okx", "BTC/USDT", (MIDNIGHT + DAY) / HOUR + 20));
    kit::write(&path.join("later.parquet"), &kit::batch(&rows[..200], Style::default()));
    let (found, counted) = results(&home, &FEW);
    assert_eq!(counted, [6, 2], "a changed file");
    assert_same(&found, &results(&home, &[&FEW[..], &["--no-partials"]].concat()).0, "changed");
    fs::remove_file(path.join("later.parquet")).unwrap();
    assert_eq!(results(&home, &FEW).1, [6, 2], "a file less");
    // The last day has none after it.
    let rows = walk(99, MIDNIGHT + 3 * DAY + 20 * HOUR, 300);
    kit::write_hours(&home.lake, "okx", "BTC/USDT", "later", &rows, Style::default());
    assert_eq!(results(&home, &FEW).1, [7, 1]);
}

#[test]
fn a_touched_file_has_its_own_day_computed_again_and_no_other() {
    let home = Home::of_days(0..4);
    let (expected, _) = results(&home, &FEW);
    let hour = |hour: i64| folder("okx", "BTC/USDT", (MIDNIGHT + DAY) / HOUR + hour);
    let touch = |path: &Path, seconds| {
        let file = fs::File::options().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified + std::time::Duration::from_secs(seconds)).unwrap();
    };
    for (name, at) in [("the first of the day", 0), ("the last of the day", 13)] {
        touch(&home.lake.join(hour(at)).join("a.parquet"), 60);
        let (found, counted) = results(&home, &FEW);
        assert_eq!(counted, [7, 1], "{name}");
        assert_same(&found, &expected, name);
        // What the next day rests on was noted again, so that nothing is read any more.
        assert_eq!(results(&home, &FEW).1, [8, 0], "{name}");
    }
    // Rows before the last quote of a day change that day alone.
    let rows = walk(98, MIDNIGHT + DAY + 2 * HOUR, 300);
    kit::write_hours(&home.lake, "okx", "BTC/USDT", "more", &rows, Style::default());
    let (found, counted) = results(&home, &FEW);
    assert_eq!(counted, [7, 1], "rows before the last quote");
    assert_same(&found, &results(&home, &[&FEW[..], &["--no-partials"]].concat()).0, "more rows");
    // A venue without a quote on a day begins the next one with its quote of the day before.
    fs::remove_dir_all(home.lake.join(hour(0)).parent().unwrap()).unwrap();
    let (found, _) = results(&home, &FEW);
    assert_same(&found, &results(&home, &[&FEW[..], &["--no-partials"]].concat()).0, "no day");
    assert_eq!(results(&home, &FEW).1, [8, 0], "no day, again");
}

#[test]
fn damaged_partial_results_and_those_of_other_settings_are_computed_again() {
    let home = Home::of_days(0..2);
    let (expected, _) = results(&home, &FEW);
    let kept = partials(&home);
    type Spoil = fn(&mut Vec<u8>);
    let spoils: [(&str, Spoil); 5] = [
        ("no bytes", |bytes| bytes.clear()),
        ("half of it", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a bit", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("its head", |bytes| bytes[0] ^= 1),
        ("more", |bytes| bytes.extend([0; 9])),
    ];
    for (name, spoil) in spoils {
        for (path, bytes) in kept.iter().take(2) {
            let mut bytes = bytes.clone();
            spoil(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        let (found, counted) = results(&home, &FEW);
        assert_eq!(counted, [2, 2], "{name}");
        assert_same(&found, &expected, name);
        assert!(partials(&home) == kept, "{name}: computed again");
    }
    for (option, value) in [
        ("--max-age", "3"),
        ("--thresholds", "0,5"),
        ("--size", "500"),
        ("--fees", "7"),
        ("--latency", "okx=3"),
        ("--metrics", "compatible"),
        ("--metrics", "all"),
    ] {
        results(&home, &FEW);
        let given = if option == "--metrics" { vec![] } else { FEW.to_vec() };
        let options = [&given[..], &[option, value]].concat();
        let (found, counted) = results(&home, &options);
        assert_eq!(counted, [0, 4], "{option} {value}");
        let at_once = results(&home, &[&options[..], &["--no-partials"]].concat()).0;
        assert_same(&found, &at_once, option);
    }
    // Options that only affect how results are shown have no influence.
    results(&home, &FEW);
    for options in [["--top", "1"], ["--rank", "zero_crossings"], ["--threads", "1"]] {
        assert_eq!(results(&home, &[&FEW[..], &options].concat()).1, [4, 0], "{options:?}");
    }
}

#[test]
fn partial_results_that_cannot_be_kept_are_a_problem_and_no_failure() {
    let home = Home::of_days(0..1);
    let (expected, _) = results(&home, &FEW);
    fs::write(home.file("file"), "").unwrap();
    let report = home.report(0, &[&FEW[..], &["--partials", "file"]].concat());
    let problems = problems(&report);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|of| of.1.contains("cannot be stored") && !of.2), "{problems:?}");
    assert_eq!(fs::read_to_string(home.file("out/ranking.csv")).unwrap(), expected.csv);
}

/// Returns a copy of some days of a lake.
fn copy_of_days(home: &Home, days: std::ops::Range<i64>) -> Home {
    let copy = Home::new();
    let dates: Vec<String> = days.map(|day| format!("date=2024-08-{:02}", 8 + day)).collect();
    let mut folders = vec![home.lake.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("date=") && !dates.iter().any(|date| date == name) {
                continue;
            }
            let to = copy.lake.join(path.strip_prefix(&home.lake).unwrap());
            if path.is_dir() {
                fs::create_dir_all(to).unwrap();
                folders.push(path);
            } else {
                fs::copy(&path, to).unwrap();
            }
        }
    }
    copy
}

#[test]
fn a_period_within_a_lake_is_as_if_the_lake_had_those_days_alone() {
    let home = Home::of_days(0..4);
    // One venue begins its day late, with the other's quotes before it, and one venue comes late.
    let symbols = [("okx", 2 * HOUR, 1..4), ("alpha", 0, 0..4), ("binance_usdm", 5 * HOUR, 2..4)];
    for (number, (venue, late, days)) in (50..).zip(symbols) {
        for day in days {
            let rows = walk(number, MIDNIGHT + day * DAY + late, 4_000);
            kit::write_hours(&home.lake, venue, "LATE/USDT", "a", &rows, Style::default());
        }
    }
    let csv = |home: &Home, options: &[&str]| {
        let outcome = home.run(&[&["--metrics", "compatible"], options].concat());
        // In some periods two of the venues have no time in common.
        assert!([Some(0), Some(3)].contains(&outcome.code), "{}", outcome.errors);
        (fs::read_to_string(home.file("out/ranking.csv")).unwrap(), problems(&home.json()))
    };
    let all = csv(&home, &[]);
    for (from, to) in [(0, 2), (1, 3), (2, 4), (1, 4), (3, 4), (0, 4)] {
        let copy = copy_of_days(&home, from..to);
        let expected = csv(&copy, &[]);
        let [first, last] = [from, to - 1].map(|day| format!("2024-08-{:02}", 8 + day));
        let period = ["--from", &first, "--to", &last];
        assert_eq!(csv(&home, &period), expected, "{first} to {last}");
        let at_once = [&period[..], &["--no-partials"]].concat();
        assert_eq!(csv(&home, &at_once), expected, "{first} to {last} at once");
        assert_eq!(expected == all, (from, to) == (0, 4));
    }
}

const NANOS: u64 = 1_000_000_000;

/// Returns a run of an engine that recorded over two days, from an hour before to an hour after.
fn whole_run() -> Vec<Entry> {
    let midnight = u64::try_from(MIDNIGHT).unwrap();
    let entry = |kind, time| Entry::new(kind, time).of_run("run-1");
    let whole = vec![
        entry(EntryKind::Started, midnight - 3_600 * NANOS),
        entry(EntryKind::Ended, midnight + 49 * 3_600 * NANOS),
    ];
    [whole, recorded("run-1", &LISTINGS)].concat()
}

#[test]
fn a_day_that_is_incomplete_by_the_ledger_is_told_in_the_report_and_on_the_page() {
    let midnight = u64::try_from(MIDNIGHT).unwrap();
    let mut gap = Entry::new(EntryKind::Gap, midnight + 30 * 3_600 * NANOS).of_run("run-1");
    gap = gap.because("ring");
    (gap.until, gap.rows) = (Some(gap.time + 90 * NANOS), Some(7));
    let lost = "2024-08-09: 1 gap (ring), 1 min 30 s in total, 7 rows lost";
    let short = Entry::new(EntryKind::Ended, midnight + 44 * 3_600 * NANOS).of_run("run-1");
    let silent = "2024-08-09: nothing was recorded for 4 h 0 min";
    let unknown = "the lake has no ledger";
    // Without an end, a run is known to have recorded until the last word of the ledger.
    let killed = Entry { until: Some(short.time), ..short.clone() };
    let killed = Entry { kind: EntryKind::Segment, ..killed };
    let without_end = |last: Entry| {
        let mut entries = whole_run();
        entries[1] = last;
        Some(entries)
    };
    for (entries, verdict, heading, finding, hours) in [
        (None, "unknown", "Completeness unknown", unknown, 0.0),
        (Some(whole_run()), "complete", "Complete</h2>", "", 48.0),
        (Some([whole_run(), vec![gap]].concat()), "incomplete", "Incomplete days", lost, 47.975),
        (without_end(short), "incomplete", "Incomplete days", silent, 44.0),
        (without_end(killed), "incomplete", "Incomplete days", silent, 44.0),
    ] {
        let home = Home::of_days(0..2);
        if let Some(entries) = entries {
            ledger::write(&home.lake, "run-1", midnight, &entries).unwrap();
        }
        let code = if verdict == "complete" { 0 } else { 3 };
        let outcome = home.run_as_given(&FEW);
        assert_eq!(outcome.code, Some(code), "{}", outcome.errors);
        let report = home.json();
        let completeness = &report["completeness"];
        assert_eq!(completeness["verdict"], verdict);
        if 0.0 < hours {
            let found = report["recorded_hours"].as_f64().unwrap();
            assert!((found - hours).abs() < 1e-9, "{found}, not {hours}");
        }
        let findings = completeness["findings"].as_array().unwrap();
        assert_eq!(findings.len(), usize::from(!finding.is_empty()), "{findings:?}");
        let page = fs::read_to_string(home.file("out/report.html")).unwrap();
        assert!(page.contains(heading), "{heading} is not on the page");
        if !finding.is_empty() {
            assert!(findings[0].as_str().unwrap().contains(finding), "{findings:?}");
            assert!(page.contains(finding), "{finding} is not on the page");
        }
        // Nothing is missing from the first day; partial results do not hide what the ledger says.
        let first = [&FEW[..], &["--date", "2024-08-08"]].concat();
        let is_known = verdict != "unknown";
        assert_eq!(home.run_as_given(&first).code, Some(if is_known { 0 } else { 3 }));
        let expected = if is_known { "complete" } else { "unknown" };
        assert_eq!(home.json()["completeness"]["verdict"], expected);
        home.run_as_given(&FEW);
        let again = home.json();
        assert_eq!(counts(&again), [4, 0]);
        assert_eq!(again["completeness"], report["completeness"]);
        let strict = home.run_as_given(&[&FEW[..], &["--strict"]].concat());
        assert_eq!(strict.code, Some(i32::from(code != 0)), "{verdict}: {}", strict.errors);
        assert!(strict.errors.contains(finding), "{}", strict.errors);
    }
}

#[test]
fn without_a_ledger_the_user_may_say_so_and_the_report_does() {
    let home = Home::of_days(0..1);
    let outcome = home.run_as_given(&[&FEW[..], &["--no-ledger", "--strict"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    assert_eq!(home.json()["completeness"]["verdict"], "not vouched for");
    assert!(outcome.text.contains("not vouched for"), "{}", outcome.text);
    let page = fs::read_to_string(home.file("out/report.html")).unwrap();
    assert!(page.contains("Not vouched for"));
    let toml = fs::read_to_string(home.file("out/recommendations.toml")).unwrap();
    assert!(
        toml.contains("# Whether the days are complete, by the lake's ledger: not vouched for")
    );
}

#[test]
fn what_the_ledger_does_not_vouch_for_is_in_no_figure_over_time() {
    let live_hours = |entries: &[Entry], options: &[&str]| {
        let home = Home::of_days(0..1);
        ledger::write(&home.lake, "run-1", MIDNIGHT.unsigned_abs(), entries).unwrap();
        let outcome = home.run_as_given(&[&FEW[..], options].concat());
        let report = home.json();
        let hours = kit::cell(&report, ["alpha", "okx"], "live_hours").as_f64();
        (outcome.code, hours, problems(&report))
    };
    let (code, all, _) = live_hours(&whole_run(), &[]);
    assert_eq!(code, Some(0));
    // The quotes of the second part of the day came after the engine's last word.
    let mut killed = whole_run();
    let last = Entry::new(EntryKind::Count, killed[0].time + 3 * 3_600 * NANOS).of_run("run-1");
    killed[1] = last;
    let (code, some, told) = live_hours(&killed, &[]);
    assert_eq!((code, told), (Some(3), vec![]));
    let share = some.unwrap() / all.unwrap();
    assert!((0.4..0.6).contains(&share), "{share}");
    // Files of which the ledger knows nothing.
    let mut foreign = whole_run();
    foreign.retain(|entry| entry.venue.as_deref() != Some("okx"));
    let (code, none, told) = live_hours(&foreign, &[]);
    assert_eq!((code, none), (Some(3), None));
    let subject = "exchange=okx/symbol=BTC#USDT";
    let is_told = |of: &(String, String, bool)| {
        of.0 == subject && of.1.contains("the ledger has nothing of it") && of.2
    };
    assert!(told.iter().any(is_told), "{told:?}");
    let (code, whole, _) = live_hours(&foreign, &["--no-ledger"]);
    // Without the ledger, the moments before the run began and after it ended count too.
    let both = whole.zip(all);
    assert_eq!(code, Some(0));
    assert!(both.is_some_and(|(one, all)| all <= one && one - all < 1e-4), "{both:?}");
}

#[test]
fn a_day_at_the_end_on_which_nothing_was_recorded_is_told() {
    let home = Home::of_days(0..2);
    ledger::write(&home.lake, "run-1", MIDNIGHT.unsigned_abs(), &whole_run()).unwrap();
    let options = [&FEW[..], &["--from", "2024-08-08", "--to", "2024-08-11"]].concat();
    let findings = home.report(3, &options)["completeness"]["findings"].clone();
    let expected = json!([
        "2024-08-10: nothing was recorded for 23 h 0 min",
        "2024-08-11: nothing was recorded for 24 h 0 min"
    ]);
    assert_eq!(findings, expected);
}

/// Returns two days of three instruments by a formula, without chance, in which every group of
/// metrics has something to show.
fn golden_lake() -> Home {
    let home = Home::new();
    for (number, symbol) in (1..).zip(["BTC/USDT", "ETH/USDT", "SOL/USDT"]) {
        for (venue, name) in (0..).zip(&VENUES[..2]) {
            for day in 0..2 {
                let rows = walk(number * 10 + venue, MIDNIGHT + day * DAY + 9 * HOUR, 900);
                kit::write_hours(&home.lake, name, symbol, "a", &rows, Style::default());
            }
        }
    }
    home
}

#[test]
fn ranking_and_report_of_a_lake_by_a_formula_are_those_that_are_kept() {
    let home = golden_lake();
    let outcome =
        kit::run(home.home.path(), &["lake", "--top", "1", "--thresholds", "0,10", "--no-ledger"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    let csv = fs::read_to_string(home.file("out/ranking.csv")).unwrap();
    let text = fs::read_to_string(home.file("out/report.json")).unwrap();
    let mut report = text;
    for name in ["generated", "data_digest"] {
        let told = format!("\"{name}\":{}", home.json()[name]);
        assert!(report.contains(&told), "{name}");
        report = report.replace(&told, &format!("\"{name}\":\"masked\""));
    }
    let first = home.json()["pairs"][0]["detail"].as_str().unwrap().to_owned();
    let detail = fs::read_to_string(home.file(&format!("out/{first}"))).unwrap();
    assert_eq!(schema::faults_of_report(&report), Vec::<String>::new());
    assert_eq!(schema::faults_of_detail(&detail), Vec::<String>::new());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, found) in [("ranking.csv", csv), ("report.json", report), ("detail.json", detail)] {
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{name}:{}", number + 1);
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}
