//! `trader sweep` as a user runs it, on a lake imported from a tape.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use ::lake::import::{Reading, Work, import};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// 2023-11-14T22:13:20Z.
const BEGIN: u64 = 1_700_000_000_000_000_000;
const MILLI: u64 = 1_000_000;
/// Opportunities of the tape, one each second: in its first half the bid of OKX is 1 % above the ask of
/// Binance, in its second half both are equal.
const CYCLES: u64 = 20;
/// Quotes of each venue in a cycle.
const QUOTES: u64 = 10;

const CONFIG: &str = r#"
[[venues]]
name = "binance"
[[venues]]
name = "okx"
[[instruments]]
name = "BTC/USDT"
price_decimals = 2
size_decimals = 5
[decision]
entry_bps = 20.0
exit_bps = 5.0
cooldown_ms = 0
[trading]
latency_ms = 5.0
[[trading.venues]]
name = "binance"
fee_asset = "quote"
fee_tiers = [{ from = 0, bps = 1.0 }]
balances = { USDT = 100000, BTC = 1000 }
[[trading.venues]]
name = "okx"
fee_asset = "quote"
fee_tiers = [{ from = 0, bps = 1.0 }]
balances = { USDT = 100000, BTC = 1000 }
"#;

/// A folder with a configuration and a lake.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        std::fs::write(home.path("engine.toml"), CONFIG).unwrap();
        let tape = home.path("tape.csv");
        std::fs::write(&tape, rows()).unwrap();
        let (lake, files) = (home.path("lake"), [tape]);
        let work =
            Work { lake: &lake, files: &files, reading: Reading::default(), segment_rows: 1_000 };
        import(&work, &indicatif::ProgressBar::hidden(), &mut |_| Ok(())).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Sweeps a lake in this folder.
    fn sweep(&self, lake: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_trader"))
            .arg("sweep")
            .arg(self.path(lake))
            .arg("--config")
            .arg(self.path("engine.toml"))
            .args(arguments)
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.sweep("lake", &[&["--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert_eq!(told(&output), "", "a pipe gets no progress bar");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn rows() -> String {
    let mut text = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n".to_owned();
    for number in 0..CYCLES * QUOTES {
        let ts = BEGIN + number * 100 * MILLI;
        let okx =
            if number % QUOTES < QUOTES / 2 { ("101.00", "101.01") } else { ("100.00", "100.01") };
        for (after, venue, (bid, ask)) in
            [(0, "binance_spot", ("99.99", "100.00")), (1, "okx_spot", okx)]
        {
            let ts = ts + after * MILLI;
            // No two sizes in a row are equal, so that each quote is something new to be had.
            let sz = 1 + number % 7;
            writeln!(text, "{ts},{ts},{venue},BTCUSDT,{bid},{sz},{ask},{sz}").unwrap();
        }
    }
    text
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_combination_is_in_the_json_the_csv_and_on_the_page() {
    let home = Home::new();
    let out = home.path("out");
    let folder = out.to_str().unwrap();
    // Nothing nets 500 bp, and after 600 ms nothing is left of an opportunity.
    let json = home.json(&["--entry-bps", "20,500", "--latency-ms", "1,600", "--out", folder]);
    assert_eq!((&json["mode"], &json["left_out"]), (&Value::from("PAPER"), &Value::from(0)));
    assert_eq!(json["begin"], BEGIN);
    assert_eq!(json["walk_forward"], Value::Null);
    let rows = json["configurations"].as_array().unwrap();
    let of = |key: &str| -> Vec<f64> { rows.iter().map(|row| number(&row[key])).collect() };
    assert_eq!(of("entry_bps"), vec![20.0, 20.0, 500.0, 500.0]);
    assert_eq!(of("latency_ms"), vec![1.0, 600.0, 1.0, 600.0]);
    let opportunities: Vec<_> = rows.iter().map(|row| row["opportunities"].as_u64()).collect();
    let expected = [CYCLES, CYCLES, 0, 0].map(Some);
    assert_eq!(opportunities, expected, "one each second");
    let profits = of("profit");
    assert!(0.0 < profits[0] && profits[1] < profits[0], "{profits:?}");
    assert_eq!(rows[2]["profit"], "0");
    assert_eq!(rows[3]["profit"], "0");
    assert_eq!(json["best"]["profit"], rows[0]["profit"]);

    let files = names(&out);
    for name in ["sweep.html", "sweep.csv", "sweep.json"] {
        assert!(files.contains(name), "{name} of {files:?}");
    }
    assert!(files.iter().any(|name| name.ends_with(".svg")), "{files:?}");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("sweep.json")).unwrap(), json);
    let csv = read("sweep.csv");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let place = head.iter().position(|key| *key == "profit").unwrap();
    let in_csv: Vec<f64> = lines.map(|cells| cells[place].parse().unwrap()).collect();
    assert_eq!(in_csv, profits);
}

#[test]
fn a_grid_is_judged_on_the_period_after_the_one_it_was_chosen_on() {
    let home = Home::new();
    let json = home.json(&["--entry-bps", "20,500", "--walk-forward", "4"]);
    let walk = &json["walk_forward"];
    let periods = walk["periods"].as_array().unwrap();
    assert_eq!(periods.len(), 3, "the first has none before it to choose on");
    for pair in periods.windows(2) {
        assert!(number(&pair[0]["end"]) <= number(&pair[1]["begin"]), "{walk}");
    }
    assert!(periods.iter().all(|period| period["chosen"]["configuration"] == 0), "{walk}");
    let judged: f64 = periods.iter().map(|period| number(&period["judged"])).sum();
    assert!(0.0 < judged && (judged - number(&walk["judged"])).abs() < 1e-9, "{walk}");

    let text = home.sweep("lake", &["--entry-bps", "20,500", "--walk-forward", "4"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("Chosen on one period and judged on the next"), "{text}");
}

#[test]
fn the_exit_code_tells_wrong_arguments_from_a_lake_that_cannot_be_read() {
    let home = Home::new();
    let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let many = many.join(",");
    let rows: [(i32, &str, &[&str], &str); 6] = [
        (2, "lake", &["--entry-bps", &many, "--latency-ms", &many], "10000 combinations"),
        (2, "lake", &["--entry-bps", "1,2", "--exit-bps", "3"], "above its entry threshold"),
        (2, "lake", &["--latency-ms=-1"], "choose 0 to 60000"),
        (2, "lake", &["--walk-forward", "1"], "choose 2 to 1000"),
        (1, "lake", &["--from", "2030-01-01T00:00:00Z"], "no quotes of that selection"),
        (1, "lake", &["--run", "nobody"], "nobody"),
    ];
    for (code, lake, arguments, why) in rows {
        let output = home.sweep(lake, arguments);
        let errors = told(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(why) && output.stdout.is_empty(), "{arguments:?}: {errors}");
    }
    // A wrong grid is told before the lake is looked at.
    let output = home.sweep("nowhere", &["--entry-bps", "1", "--exit-bps", "3"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let output = home.sweep("nowhere", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    std::fs::write(home.path("engine.toml"), "[decision]\nentry_bps = \"x\"\n").unwrap();
    let output = home.sweep("lake", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}
