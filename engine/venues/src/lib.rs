//! The exchanges' protocols: they turn bytes from a venue into messages.
//!
//! [`venue`] defines what a venue is, [`venues`] is the registry with one file for each exchange,
//! and [`integrity`] keeps the state of each (venue, instrument). A venue's file may use the
//! contract, numbers and JSON, but no sockets, threads, rings or clocks.

pub mod budget;
pub mod json;
pub mod venue;

pub mod positional;

pub mod integrity;
pub mod venues;
