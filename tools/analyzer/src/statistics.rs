//! Statistics of a series, or of sums over it: pure functions, each with the reference that it is
//! tested against.

pub mod adf;
pub mod dfa;
pub mod discovery_rate;
pub mod level_shift;
pub mod noise;
pub mod normal;
pub mod ou;
pub mod ranks;
pub mod variance_ratio;
