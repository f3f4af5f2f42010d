//! Spreadwire: a low-latency engine that finds price gaps between crypto exchanges.
//!
//! ```text
//!  connector --sockets--> feed ==Quote==> calculator ==Quote,Spread,Status==> broadcast --> clients
//!                                              |==========================> decision --> chronicle
//!                                              |==========================> journal --> seal --> lake
//!                       feed --raw frames--> capture --> lake/capture
//! ```
//!
//! `==>` is an SPSC ring of 64-byte records. Modules stand below in the order of dependency: each may
//! use those above it; no agent knows another. `ARCHITECTURE.md` is the map.

pub mod word;

pub mod backoff;
pub mod clock;
pub mod counters;
pub mod cpu;
pub mod decimal;
pub mod disk;
pub mod folder;
pub mod frame_reader;
pub mod json;
pub mod lake;
pub mod latency;
pub mod memory;
pub mod problem;
pub mod receive_buffer;

pub mod stopwatch;

pub mod agent;
pub mod frame_ring;
pub mod instrument;
pub mod ledger;
pub mod record;
pub mod ring;
pub mod segment;
pub mod socket_options;
pub mod table;
pub mod tally;
pub mod thread_watch;
pub mod wire;

pub mod positional;
pub mod spread;
pub mod venue;
pub mod venues;
pub mod web_socket;

pub mod book;
pub mod connector;
pub mod integrity;
pub mod syncer;

pub mod broadcast;
pub mod calculator;
pub mod decision;
pub mod feed;
pub mod journal;

pub mod capture;
pub mod chronicle;
pub mod columns;
pub mod config;
pub mod plan;
pub mod recommendations;
pub mod recover;
pub mod runner;
pub mod seal;
pub mod summary;
pub mod telemetry;

pub mod launch;
pub mod process;
