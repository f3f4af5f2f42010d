//! libFuzzer entry point of `bodies/decode.rs`: the first byte of the input chooses the venue.
#![no_main]

#[path = "../bodies/decode.rs"]
mod decode;
#[path = "../../tests/venues/plain_reader.rs"]
mod plain_reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(data));
