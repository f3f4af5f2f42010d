//! What killed engines had written, noted after each kill, and the checks that the lake has it all.

use crate::lake_rows;
use crate::segments::{self, Bytes};
use crate::victim::Scene;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Contents of the journal after an engine was killed.
#[derive(Default)]
pub(crate) struct Noted {
    /// Files that were read. The remains of a killed run do not change.
    read: BTreeSet<PathBuf>,
    /// Records by run and number.
    inputs: BTreeMap<String, BTreeMap<u64, Bytes>>,
    /// Number after the last record, by run.
    next: BTreeMap<String, u64>,
    /// Runs whose mark was left.
    marked: BTreeSet<String>,
    /// Runs that were killed while they ended in order, so either end is right.
    pub(crate) ending: BTreeSet<String>,
}

/// What was in the journal among the files that nobody had looked at before.
pub(crate) struct Glance {
    pub(crate) unfinished_file: bool,
    pub(crate) open_segment: bool,
    pub(crate) closed_segment: bool,
    pub(crate) header_cut_off: bool,
}

/// Returns the runs whose mark is in the journal.
pub(crate) fn marks(lake: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(lake.join("journal")).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".run.json").map(str::to_owned)).collect()
}

impl Noted {
    /// Notes the current contents of the journal.
    pub(crate) fn look(&mut self, scene: &Scene) -> Glance {
        self.marked.extend(marks(&scene.lake));
        let found = segments::new_in(&scene.lake, &self.read);
        self.read.extend(found.iter().map(|found| found.path.clone()));
        let is_unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
        let glance = Glance {
            unfinished_file: lake_rows::files(&scene.lake).iter().any(is_unfinished),
            open_segment: found.iter().any(|found| found.open),
            closed_segment: found.iter().any(|found| !found.open),
            header_cut_off: found.iter().any(|found| found.segment.is_none()),
        };
        let catalogue = segments::crc32c(scene.names.text().as_bytes());
        for segment in found.into_iter().filter_map(|found| found.segment) {
            assert_eq!(segment.catalogue, catalogue, "the catalogue's order is the file's");
            let next = self.next.entry(segment.run.clone()).or_default();
            *next = segment.next.unwrap_or(0).max(*next);
            let inputs = self.inputs.entry(segment.run).or_default();
            for (number, record) in segment.inputs {
                let before = inputs.insert(number, record);
                assert!(before.is_none_or(|before| before == record), "{number} was rewritten");
            }
        }
        glance
    }
}

/// Checks what the lake contains and what `lake verify` says of it.
pub(crate) fn check(scene: &Scene, noted: &Noted) {
    check_lake(scene, noted);
    check_verdict(scene, noted);
}

/// Checks that every noted record is a row, and that every row has a run and a number that were
/// used.
fn check_lake(scene: &Scene, noted: &Noted) {
    let rows = lake_rows::inputs(&scene.lake);
    let ledger = lake_rows::ledger(&scene.lake);
    for (run, inputs) in &noted.inputs {
        let of_run = rows.get(run);
        for (number, record) in inputs {
            let row = of_run.and_then(|rows| rows.get(number));
            let expected = lake_rows::row_of(record, &scene.names);
            assert_eq!(row, Some(&expected), "run {run}, number {number}");
        }
    }
    for (run, rows) in &rows {
        assert!(ledger.started.contains(run), "rows of a run that never began: {run}");
        let lost = ledger.lost.iter().filter(|(of, _, _)| of == run);
        let lost = lost.flat_map(|(_, first, last)| *first..=*last);
        let mut numbers: Vec<u64> = rows.keys().copied().chain(lost).collect();
        numbers.sort_unstable();
        let tiles = numbers.iter().zip(0..).all(|(found, expected)| *found == expected);
        assert!(tiles, "the numbers of run {run} have a hole or overlap");
        // The journal's contents at the kill were the end of the run.
        if let Some(next) = noted.next.get(run).filter(|next| 0 < **next) {
            let there = numbers.len() as u64;
            let ended = noted.ending.contains(run) && *next <= there;
            assert!(there == *next || ended, "run {run}: {there} numbers, {next} were written");
        }
    }
    let known = noted.marked.iter();
    let untold: Vec<_> = known.filter(|run| !ledger.started.contains(*run)).collect();
    assert!(untold.is_empty(), "runs whose beginning is not told: {untold:?}");
    let twofold: Vec<_> = ledger.ended.iter().filter(|(_, how)| how.len() != 1).collect();
    assert!(twofold.is_empty(), "runs that ended twice: {twofold:?}");
}

/// Checks that `lake verify` agrees and that no files are left over.
fn check_verdict(scene: &Scene, noted: &Noted) {
    let verdict = lake::verify::verify(&scene.lake, None, &lake::progress::bar("", 0, true));
    let told = verdict.to_json();
    assert!(verdict.is_complete(), "{}", verdict.to_text());
    assert_eq!(told["complete"], true);
    let gaps = told["gaps"].as_array().unwrap().iter();
    let gaps = gaps.filter(|gap| gap["cause"] == "restart");
    let mut gaps: Vec<&str> = gaps.map(|gap| gap["run"].as_str().unwrap()).collect();
    gaps.sort_unstable();
    let sure = |run: &&str| !noted.ending.contains(*run);
    let killed: Vec<&str> =
        noted.marked.iter().map(String::as_str).filter(|run| sure(run)).collect();
    let stated: Vec<&str> = gaps.iter().copied().filter(sure).collect();
    assert_eq!(stated, killed, "each killed run has one gap");
    assert!(gaps.windows(2).all(|pair| pair[0] < pair[1]), "a run has two gaps: {gaps:?}");
    let journal = scene.lake.join("journal");
    assert_eq!(lake_rows::files(&journal), Vec::<PathBuf>::new(), "left in the journal");
    let unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
    let left: Vec<_> = lake_rows::files(&scene.lake).into_iter().filter(unfinished).collect();
    assert!(left.is_empty(), "{left:?}");
}
