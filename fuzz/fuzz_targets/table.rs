//! libFuzzer entry point of `bodies/table.rs`.
#![no_main]

#[path = "../bodies/sound_lake.rs"]
mod sound_lake;
#[path = "../bodies/table.rs"]
mod table;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sound_lake::keep_caught_panics_quiet();
    table::run(data);
});
