//! libFuzzer entry point of `bodies/verify.rs`.
#![no_main]

#[path = "../bodies/sound_lake.rs"]
mod sound_lake;
#[path = "../bodies/verify.rs"]
mod verify;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sound_lake::keep_caught_panics_quiet();
    verify::run(data);
});
