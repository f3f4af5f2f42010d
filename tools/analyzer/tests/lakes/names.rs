//! Venues that name or scale one asset differently are compared, in one unit.

use crate::kit::{self, Home, MIDNIGHT, Row, Style, problems, walk};
use std::fs;

/// Returns a lake in which okx has these quotes under this symbol, and alpha has others in units of
/// PEPE.
fn lake(symbol: &str, units: f64) -> Home {
    let home = Home::new();
    let scaled = |row: &Row, by: f64| Row {
        bid: row.bid.map(|bid| bid / by),
        ask: row.ask.map(|ask| ask / by),
        ..*row
    };
    let write = |venue: &str, symbol: &str, number: u64, by: f64| {
        // The second day begins with the last quote of the first.
        for day in 0..2 {
            let rows = walk(number, MIDNIGHT + day * kit::DAY, 400);
            let rows: Vec<Row> = rows.iter().map(|row| scaled(row, by)).collect();
            kit::write_hours(&home.lake, venue, symbol, "a", &rows, Style::default());
        }
    };
    write("alpha", "PEPE/USDT", 1, 1_000.0);
    write("okx", symbol, 2, 1_000.0 / units);
    home
}

fn ranking(home: &Home, options: &[&str]) -> String {
    home.report(0, options);
    fs::read_to_string(home.file("out/ranking.csv")).unwrap()
}

#[test]
fn other_names_and_units_of_an_asset_are_compared_as_one() {
    let expected = ranking(&lake("PEPE/USDT", 1.0), &[]);
    assert!(expected.contains("PEPE/USDT,alpha,okx"), "{expected}");
    for (symbol, units) in [("PEPE_USDT", 1.0), ("PEPE-USDT", 1.0), ("1000PEPE/USDT", 1_000.0)] {
        let home = lake(symbol, units);
        assert_eq!(ranking(&home, &[]), expected, "{symbol}");
        assert_eq!(ranking(&home, &[]), expected, "{symbol}, from partial results");
        let told = problems(&home.json());
        let scaled = 1.0 < units;
        assert_eq!(told.len(), usize::from(scaled), "{told:?}");
        if scaled {
            assert_eq!(told[0].0, "exchange=okx/symbol=1000PEPE#USDT");
            let what = "is read as PEPE/USDT: prices divided by 1000, sizes multiplied";
            assert_eq!((told[0].1.as_str(), told[0].2), (what, false));
        }
        assert_eq!(ranking(&home, &["--instruments", "PEPE/*"]), expected);
        // The name that one venue has for it stands for it on all.
        assert_eq!(ranking(&home, &["--instruments", symbol]), expected, "{symbol}");
    }
}

#[test]
fn a_file_says_what_a_symbol_is_and_a_change_of_it_is_computed_again() {
    let home = lake("PEPEUSDT_X", 10.0);
    let expected = ranking(&lake("PEPE/USDT", 1.0), &[]);
    let file = home.file("own.toml");
    let listing = |units: &str| {
        format!(
            "[[listings]]\nvenue = \"okx\"\nsymbol = \"PEPEUSDT_X\"\n\
             instrument = \"PEPE/USDT\"\nunits = {units}\n"
        )
    };
    let options = ["--instruments-file", file.to_str().unwrap()];
    fs::write(&file, listing("1")).unwrap();
    assert_ne!(ranking(&home, &options), expected);
    fs::write(&file, listing("10")).unwrap();
    let found = ranking(&home, &options);
    let cells = |text: &str| -> Vec<String> {
        text.lines().nth(1).unwrap().split(',').map(str::to_owned).collect()
    };
    // A tenth of a thousandth is not the same double as a ten-thousandth.
    for (found, expected) in cells(&found).iter().zip(cells(&expected)) {
        match (found.parse::<f64>(), expected.parse::<f64>()) {
            (Ok(found), Ok(expected)) => {
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs() + 1e-6,
                    "{found} {expected}"
                );
            }
            _ => assert_eq!(*found, expected),
        }
    }
}

#[test]
fn a_venue_that_has_an_instrument_twice_has_one_of_them_left_out_by_name() {
    let home = lake("PEPE/USDT", 1.0);
    let rows = walk(3, MIDNIGHT, 400);
    kit::write_hours(&home.lake, "okx", "1000PEPE/USDT", "a", &rows, Style::default());
    let told = problems(&home.report(3, &[]));
    let left_out: Vec<_> = told.iter().filter(|of| of.2).collect();
    assert_eq!(left_out.len(), 1, "{told:?}");
    assert!(left_out[0].1.contains("PEPE#USDT is PEPE/USDT too"), "{told:?}");
}
