//! Statistics of a series or of its sums: pure functions, each with the reference that it is tested
//! against. They must not know quotes, venues or files.

pub mod adf;
pub mod dfa;
pub mod discovery_rate;
pub mod level_shift;
pub mod noise;
pub mod normal;
pub mod ou;
pub mod ranks;
pub mod variance_ratio;
