//! libFuzzer entry point of `bodies/client_requests.rs`.
#![no_main]

#[path = "../bodies/client_requests.rs"]
mod client_requests;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_requests::run(data));
