//! What must hold of a lake after a run, whatever failed in it: a recovery without faults finishes it, no
//! number that was said to be on the disk is missing, and the lake is complete or says what it lacks.

use crate::life::{MIDNIGHT, RECORDS, SEGMENTS, catalogue};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use indicatif::ProgressBar;
use lake::findings::Problem;
use lake::verify::verify;
use spreadwire_lake::ledger::Ledger;
use spreadwire_lake::recover;
use spreadwire_lake::table::{QUOTES, TableReader};
use spreadwire_market::clock::SECOND;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub(crate) fn check(lake: &Path, said: &str, fault: &str) {
    if !lake.join("journal").exists() {
        return assert!(!said.contains("stored"), "{fault}: nothing was begun");
    }
    let leftovers = recover::leftovers(lake).unwrap();
    for leftover in &leftovers {
        let until = Some(MIDNIGHT + 9 * SECOND);
        let recovered = leftover.recover(lake, until, Some(&catalogue()), |_| {});
        assert_eq!(recovered.failures, Vec::<String>::new(), "{fault}");
    }
    let left = recover::leftovers(lake).unwrap();
    assert!(left.is_empty(), "{fault}: {left:?}");
    if Ledger::read(lake).facts.is_empty() {
        return assert!(!said.contains("stored"), "{fault}: nothing was begun");
    }
    let verdict = verify(lake, None, &ProgressBar::hidden());
    let is_stated = |problem| problem == Problem::Lost;
    let findings = &verdict.findings;
    assert!(findings.iter().all(|f| is_stated(f.problem)), "{fault}: {findings:#?}\n{said}");
    let rows = numbers(lake);
    let missing: Vec<u64> = stored(said).filter(|number| !rows.contains(number)).collect();
    assert!(missing.is_empty(), "{fault}: {missing:?} were on the disk; {said}");
    if fault == "no fault" {
        assert_eq!(rows.len() as u64, SEGMENTS * RECORDS);
        assert!(findings.is_empty() && stored(said).count() as u64 == SEGMENTS * RECORDS);
    }
}

/// Returns the numbers that the child said were on the disk.
fn stored(said: &str) -> impl Iterator<Item = u64> {
    let ranges = said.lines().filter_map(|line| line.strip_prefix("stored ")?.split_once(' '));
    ranges.flat_map(|(first, last)| first.parse().unwrap()..=last.parse().unwrap())
}

/// Returns the numbers of all quotes in the lake; each may stand once.
fn numbers(lake: &Path) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut folders = vec![lake.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = path.to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if text.contains("exchange=") && text.ends_with(".parquet") {
                for batch in TableReader::open(&path, &QUOTES).unwrap() {
                    let batch = batch.unwrap();
                    let numbers = batch.column_by_name("JournalSequence").unwrap();
                    for number in numbers.as_primitive::<Int64Type>().values() {
                        assert!(found.insert(number.cast_unsigned()), "{number} stands twice");
                    }
                }
            }
        }
    }
    found
}
