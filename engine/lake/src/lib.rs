//! The recorded lake on disk: what the engine writes and the tools read.
//!
//! A run appends records to journal [`segment`]s; [`seal`] turns closed segments into Parquet
//! [`table`]s; the [`ledger`] holds the counts and digests by which a lake is verified, those of each
//! [`stage`] among them. A run leaves a [`mark`] while it lives, and [`recover`] deals with runs that
//! were killed. No agent and no socket is known here.

pub mod disk;
pub mod folder;

pub mod lake;
pub mod run;

pub mod segment;
pub mod table;

pub mod columns;
pub mod ledger;
pub mod stage;

pub mod mark;
pub mod seal;

pub mod recover;
