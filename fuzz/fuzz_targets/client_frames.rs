//! libFuzzer entry point of `bodies/client_frames.rs`.
#![no_main]

#[path = "../bodies/client_frames.rs"]
mod client_frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_frames::run(data));
