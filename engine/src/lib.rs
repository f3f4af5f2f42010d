//! Spreadwire: a low-latency engine that finds price gaps between crypto exchanges.
//!
//! ```text
//!  connector --sockets--> feed ==Quote==> calculator ==Quote,Spread,Status==> broadcast --> clients
//!                                              |==========================> decision --> log
//!                                              |==========================> journal --> seal --> lake
//! ```
//!
//! `==>` is an SPSC ring of 64-byte records. Modules stand below in the order of dependency: each may
//! use those above it; no agent knows another. `ARCHITECTURE.md` is the map.

pub mod clock;
pub mod counters;
pub mod decimal;
pub mod json;
pub mod latency;

pub mod agent;
pub mod instrument;
pub mod record;
pub mod ring;

pub mod integrity;
pub mod spread;
pub mod venue;
pub mod venues;

pub mod decision;
