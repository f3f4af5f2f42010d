//! The running engine: agents, the rings between them, and the threads that run them.
//!
//! ```text
//!  connector --sockets--> feed ==Quote==> calculator ==Quote,Spread,Status==> broadcast --> clients
//!                                              |==========================> decision --> chronicle
//!                                              |==========================> journal --> seal --> lake
//!                       feed --raw frames--> capture --> lake/capture
//! ```
//!
//! `==>` is an SPSC ring of 64-byte records. Modules are listed in the order of dependency: each may
//! use those above it, and no agent knows another. `ARCHITECTURE.md` is the map.

pub mod runtime;
pub mod socket;

pub mod broadcast;
pub mod calculator;
pub mod decision;
pub mod feed;
pub mod journal;

pub mod audit;
pub mod capture;
pub mod chronicle;
pub mod decision_journal;
pub mod plan;
pub mod replay;
pub mod summary;
pub mod telemetry;

pub mod launch;
pub mod process;
