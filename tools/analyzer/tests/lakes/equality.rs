//! The compatible columns equal those of plain loops over rows, on random lakes, however they come
//! about. `outside/engines.rs` compares them with those of the customary script.

use crate::kit::{self, Home, pairs};
use crate::random::{all_by_loops, analysed, assert_equal, random_instrument, random_lake};

const SEED: u64 = 20_240_808;
#[test]
fn on_random_lakes_the_compatible_columns_are_what_plain_loops_find() {
    for seed in [SEED, SEED + 1] {
        let home = Home::new();
        let quotes = random_lake(&home.lake, seed);
        let expected = all_by_loops(&quotes);
        let all: usize = quotes.values().map(|of| of.len() * (of.len() - 1) / 2).sum();
        let code = Some(if expected.len() < all { 3 } else { 0 });
        let (_, ours) = analysed(&home, &["--metrics", "compatible"], code);
        assert_equal(&ours, &expected, 0.0, "loops");
        // Each pair that is missing is a problem with its name.
        let left_out = kit::problems(&home.json()).into_iter().filter(|of| of.2);
        assert_eq!(left_out.count(), all - expected.len());
    }
}

#[test]
fn what_else_is_computed_does_not_change_the_compatible_columns() {
    let home = Home::new();
    let quotes = random_instrument(&home.lake, "C00/USDT", SEED);
    random_instrument(&home.lake, "C01/USDT", SEED + 1);
    drop(quotes);
    let outcome = |options: &[&str]| {
        home.run(&[&["--no-partials", "--format", "csv"], options].concat());
        pairs(&home.file("out/ranking.csv"))
    };
    let (header, compatible) = outcome(&["--metrics", "compatible"]);
    let (all_header, all) = outcome(&["--metrics", "all"]);
    assert_eq!(header, all_header[..header.len()]);
    for (names, cells) in &compatible {
        assert_eq!(*cells, all[names][..header.len()]);
    }
    assert!(!compatible.is_empty());
}

#[test]
fn on_random_lakes_all_figures_are_the_same_bytes_however_they_come_about() {
    let home = Home::new();
    println!("seed {SEED}");
    for case in 0..6 {
        random_instrument(&home.lake, &format!("C{case}/USDT"), SEED + 100 + case);
    }
    let csv = |options: &[&str]| {
        let outcome = home.run(&[&["--format", "csv"], options].concat());
        assert!([Some(0), Some(3)].contains(&outcome.code), "{}", outcome.errors);
        std::fs::read_to_string(home.file("out/ranking.csv")).unwrap()
    };
    let expected = csv(&["--threads", "1", "--no-partials"]);
    for options in
        [&["--threads", "5", "--no-partials"][..], &["--threads", "2"], &["--threads", "3"]]
    {
        assert_eq!(csv(options), expected, "{options:?}");
    }
    // First each day by itself, then all of them from the stored results.
    std::fs::remove_dir_all(home.file("lake.partials")).unwrap();
    for day in 8..12 {
        home.run(&["--date", &format!("2024-08-{day:02}")]);
    }
    assert_eq!(csv(&[]), expected, "day by day");
}
