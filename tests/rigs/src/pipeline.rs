//! The whole engine between simulated exchanges and a client, and the judgement of its output.

pub mod captured;
pub mod engine_under_test;
pub mod lake_rows;
pub mod listener;
pub mod naive;
pub mod outcome;
pub mod scene;
pub mod small_market;
pub mod whole_market;
