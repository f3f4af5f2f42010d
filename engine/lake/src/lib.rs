//! The recorded lake on disk, which the engine writes and the tools read.
//!
//! A run appends records to journal [`segment`]s; [`seal`] turns closed segments into Parquet
//! [`table`]s; the [`ledger`] holds the counts and digests by which a lake is verified, including
//! the counts of each [`stage`]. A run leaves a [`mark`] while it lives, and [`recover`] deals with
//! the counts of each [`stage`]. A run leaves a [`mark`] while it lives, and [`recover`] deals with
//! runs that were killed. [`history`] reads the inputs of a run back in their order, and [`decisions`] is
//! the journal of whoever trades. [`layout`] says where everything lies, and [`lock`] keeps two programs
//! from changing a lake at once. The crate knows neither agents nor sockets.
//! from changing a lake at once. The crate knows neither agents nor sockets.

pub mod completeness;

pub mod disk;
pub mod files;
pub mod inode;

pub mod folder;

pub mod layout;
pub mod lock;
pub mod provenance;
pub mod run;

pub mod decisions;
pub mod segment;
pub mod table;

pub mod group;

pub mod columns;
pub mod ledger;
pub mod stage;

pub mod mark;
pub mod seal;

pub mod recover;

pub mod history;
