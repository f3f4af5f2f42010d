//! Runs the fuzz targets on fixed inputs and changes of them; `fuzz/README.md` describes the long
//! run.

#![allow(clippy::print_stderr, reason = "the bodies tell what a fuzzer found")]

#[path = "../fuzz/bodies/segment.rs"]
mod segment;
#[path = "../fuzz/bodies/sound_lake.rs"]
mod sound_lake;
#[path = "../fuzz/bodies/table.rs"]
mod table;
#[path = "../fuzz/bodies/verify.rs"]
mod verify;

use spreadwire_kit::noise::noise;

const SEGMENT: &[u8] = include_bytes!("../data/fixtures/lake/segment-v1.seg");
const QUOTES: &[u8] = include_bytes!("../data/fixtures/lake/quotes-v1.parquet");

#[test]
fn segments_of_any_bytes_end_and_sound_blocks_come_back() {
    segment::run(SEGMENT);
    for seed in 0..2_000 {
        let mut bytes = SEGMENT.to_vec();
        let noise = noise(seed, 6);
        let at = usize::from(noise[0]) + usize::from(noise[1]);
        let at = at % bytes.len();
        bytes[at] ^= noise[2];
        segment::run(&bytes);
        segment::run(&bytes[..at]);
        segment::run(&noise);
    }
}

#[test]
fn tables_of_any_bytes_are_read_or_refused() {
    sound_lake::keep_caught_panics_quiet();
    table::run(QUOTES);
    for seed in 0..200 {
        let noise = noise(seed, 12);
        let changed = sound_lake::changed(QUOTES, &noise);
        table::run(&changed);
        table::run(&noise);
    }
}

#[test]
fn no_changed_lake_is_complete() {
    sound_lake::keep_caught_panics_quiet();
    for which in 0..8 {
        verify::run(&[which]);
        verify::run(&[which, 0]);
    }
    for seed in 0..100 {
        verify::run(&noise(seed, 7));
    }
}
