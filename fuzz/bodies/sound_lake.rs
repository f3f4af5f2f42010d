//! A small sound lake, and changes of its files as an input tells them.

use spreadwire_kit::{catalogue, quotes, records};
use spreadwire_lake::mark::Mark;
use spreadwire_lake::run::{Origin, Provenance, RunId, catalogue_digest};
use spreadwire_lake::seal::seal_segment;
use spreadwire_lake::segment::{Block, SegmentInfo, SegmentWriter};
use spreadwire_lake::stage::StageCounts;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::{Quote, Record};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

const BEGUN: Nanos = 1_723_161_600 * SECOND;
const QUOTES: u64 = 40;

/// A lake with one run, and all its files.
pub(crate) struct SoundLake {
    /// Dropping this deletes the lake.
    home: tempfile::TempDir,
    /// Paths relative to the lake, with the files' contents.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
}

impl SoundLake {
    /// Records two segments and seals them.
    pub(crate) fn make() -> SoundLake {
        let home = tempfile::tempdir().expect("a temporary folder");
        record(home.path()).expect("a lake can be made");
        let mut files = Vec::new();
        walk(home.path(), Path::new(""), &mut files);
        files.sort();
        SoundLake { home, files }
    }

    /// Returns the lake's folder.
    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }
}

fn walk(lake: &Path, relative: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(lake.join(relative)).expect("the folder is there") {
        let relative = relative.join(entry.expect("an entry").file_name());
        let path = lake.join(&relative);
        if path.is_dir() {
            walk(lake, &relative, files);
        } else {
            files.push((relative, fs::read(path).expect("the file is there")));
        }
    }
}

fn record(lake: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let catalogue = catalogue::of(["BTC/USDT"], ["binance", "okx"]).build();
    let run = RunId::new("fuzz").ok_or("letters")?;
    let mark = Mark::begin(lake, run, BEGUN, &catalogue, Provenance::Live)?;
    let origin = Origin { run, catalogue: catalogue_digest(&catalogue) };
    let mut recorded = Vec::new();
    for number in 0..2 {
        let info = SegmentInfo { origin, number, started_at: BEGUN };
        let mut writer = SegmentWriter::create(&lake.join("journal"), info)?;
        let first = u64::from(number) * (QUOTES + 1);
        let mut block = Block::new(64, first);
        let quotes = (1..=QUOTES).map(|at| quote(first + at));
        let records: Vec<Record> =
            [records::status(BEGUN + first)].into_iter().chain(quotes).collect();
        records.iter().for_each(|record| block.push(record));
        recorded.extend(records);
        writer.write(&mut block)?;
        seal_segment(&writer.finish().close()?.path, &mark.book, &catalogue)?;
    }
    let counters = BTreeMap::from([("calculator.quotes".to_owned(), 2 * QUOTES)]);
    let stages = StageCounts::of_records(&recorded);
    Ok(mark.end(lake, BEGUN + SECOND, stages.numbered(), &counters, &stages)?)
}

fn quote(at: u64) -> Record {
    let quote = quotes::quote(u8::from(at.is_multiple_of(2)), 0, BEGUN + at);
    let ask_px = quote.ask_px + i64::from(at.is_multiple_of(5));
    Quote { ts_event: BEGUN, ask_px, sequence: at, ..quote }.into()
}

/// Changes a file's bytes. Each step of the input selects the kind of change, the position, the
/// number of bytes and the new bytes, until the input ends.
pub(crate) fn changed(original: &[u8], mut input: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    while let [what, low, high, count, rest @ ..] = input {
        let count = usize::from(*count);
        let (new, rest) = rest.split_at(count.min(rest.len()));
        let at = usize::from(u16::from_le_bytes([*low, *high])) % (bytes.len() + 1);
        let end = (at + count).min(bytes.len());
        match what % 5 {
            0 => bytes[at..(at + new.len()).min(end)]
                .iter_mut()
                .zip(new)
                .for_each(|(old, new)| *old = *new),
            1 => drop(bytes.splice(at..at, new.iter().copied())),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            _ => bytes.extend(new),
        }
        input = rest;
    }
    bytes
}

/// Suppresses the output of panics in libraries that our code catches; they must not stop a fuzzer.
pub(crate) fn keep_caught_panics_quiet() {
    static ONCE: Once = Once::new();
    let is_ours = |file: &str| !file.contains("registry") && !file.contains("rustc");
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(move |info| {
            if info.location().is_none_or(|place| is_ours(place.file())) {
                eprintln!("{info}");
            }
        }));
    });
}
