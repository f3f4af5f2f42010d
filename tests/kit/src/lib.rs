//! What the tests of every package use: requirements from outside the workspace.
//!
//! A package names it under `[dev-dependencies]`. It stands on `spreadwire-market` alone, so that
//! unit tests of every package above that one can use it too.

pub mod needs;
