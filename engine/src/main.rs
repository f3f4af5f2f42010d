//! Spreadwire.
fn main() {}
