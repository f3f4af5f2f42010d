//! libFuzzer entry point of `bodies/client_upgrade.rs`.
#![no_main]

#[path = "../bodies/client_upgrade.rs"]
mod client_upgrade;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_upgrade::run(data));
