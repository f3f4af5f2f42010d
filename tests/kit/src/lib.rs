//! What the tests of every package use: catalogues, quotes, an allocator that counts, and tests that
//! need something from outside the workspace.
//!
//! Tests and benches alone depend on it. It stands on `spreadwire-market` alone, so that unit tests of
//! every package above that one can use it too.

pub mod approved;
pub mod catalogue;
pub mod counting_allocator;
#[cfg(feature = "needs")]
pub mod needs;
pub mod noise;
pub mod quotes;
pub mod records;
