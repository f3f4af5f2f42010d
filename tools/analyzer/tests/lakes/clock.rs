//! The clock of every pair: the time in which the lake was recorded, whatever the pair's venues did.

use crate::kit::{self, DAY, HOUR, Home, MIDNIGHT, Row, Style, walk};
use serde_json::Value;

const OPTIONS: [&str; 6] = ["--fees", "0", "--thresholds", "0", "--metrics", "time-weighted"];

/// Writes the same hour of quotes on each of some days.
fn write(home: &Home, venue: &str, number: u64, days: &[i64]) {
    for day in days {
        let shifted = |row: Row| Row { time: row.time + day * DAY, ..row };
        let rows: Vec<Row> =
            walk(number, MIDNIGHT + 9 * HOUR, 3_000).into_iter().map(shifted).collect();
        kit::write_hours(&home.lake, venue, "BTC/USDT", "a", &rows, Style::default());
    }
}

/// Returns what the strategy of the first pair left per day of recorded time.
fn left(report: &Value) -> f64 {
    let strategy = &report["details"][0]["decision"]["strategy"];
    strategy["profit"].as_f64().unwrap() * 24.0 / report["recorded_hours"].as_f64().unwrap()
}

#[test]
fn a_rate_does_not_depend_on_when_a_venue_was_there() {
    let report = |days: &[i64]| {
        let home = Home::new();
        write(&home, "alpha", 1, &[0, 1, 2, 3, 4, 5]);
        write(&home, "okx", 2, days);
        home.report(0, &OPTIONS)
    };
    let [early, late, whole] = [&[0, 1][..], &[4, 5], &[0, 1, 2, 3, 4, 5]].map(report);
    assert!(left(&early).abs() > 0.0);
    // Which venue has the very first and last quote makes a difference of milliseconds.
    let ratio = left(&early) / left(&late);
    assert!((ratio - 1.0).abs() < 1e-5, "{ratio}");
    let ratio = left(&whole) / left(&early);
    assert!((ratio - 3.0).abs() < 1e-5, "{ratio}");
    let hours = whole["recorded_hours"].as_f64().unwrap();
    assert!((hours - (120.0 + 3_000.0 / 3_600.0)).abs() < 0.01, "{hours}");
}

#[test]
fn the_hours_of_a_day_add_up_to_the_profit_and_say_what_was_recorded() {
    let home = Home::new();
    write(&home, "alpha", 1, &[0]);
    write(&home, "okx", 2, &[0]);
    let report = home.report(0, &OPTIONS);
    let hours = report["details"][0]["hours"].as_array().unwrap();
    let sum = |name: &str| hours.iter().map(|of| of[name].as_f64().unwrap()).sum::<f64>();
    let strategy = &report["details"][0]["decision"]["strategy"];
    let profits = strategy["hours"].as_array().unwrap();
    let profit: f64 = profits.iter().filter_map(Value::as_f64).sum();
    assert!((profit / strategy["profit"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    assert!(profits[8].is_null() && profits[9].is_f64(), "{profits:?}");
    let recorded = report["recorded_hours"].as_f64().unwrap() * 3_600.0;
    assert!((sum("recorded_s") / recorded - 1.0).abs() < 1e-9);
    assert_eq!(hours[8]["recorded_s"], 0.0);
    assert!(0.0 < hours[9]["recorded_s"].as_f64().unwrap());
}

#[test]
fn figures_of_less_than_a_day_are_shown_with_what_they_rest_on() {
    let home = Home::new();
    for (number, venue) in [(1, "alpha"), (2, "okx")] {
        let rows = walk(number, MIDNIGHT, 20);
        kit::write_hours(&home.lake, venue, "BTC/USDT", "a", &rows, Style::default());
    }
    let outcome = home.run(&OPTIONS);
    assert_eq!(outcome.code, Some(0), "{}", outcome.errors);
    let (first, _) = outcome.text.split_once('\n').unwrap();
    assert_eq!(first, "Too little: 19 s recorded.");
    assert!(outcome.text.contains("recorded: 19 s"), "{}", outcome.text);
    assert!(!outcome.text.contains(" a day"), "{}", outcome.text);
    let page = std::fs::read_to_string(home.file("out/report.html")).unwrap();
    assert!(page.contains("Too little: 19 s recorded.") && !page.contains("USDT a day"));
    let toml = std::fs::read_to_string(home.file("out/recommendations.toml")).unwrap();
    assert!(toml.starts_with("# Recorded time that these figures rest on: 19 s.\n"), "{toml}");
    assert!(toml.contains("scaled up from 19 s recorded"), "{toml}");
}
