//! The exchanges' protocols: they turn bytes from a venue into messages.
//!
//! [`venue`] defines what a venue is, [`venues`] is the registry with one file for each exchange,
//! and [`health`] keeps the state of each (venue, instrument). [`instruments`] is what a venue publishes
//! about its instruments. A venue's file may use the contract, numbers and JSON, but no sockets,
//! threads, rings or clocks.

pub mod budget;
pub mod gzip;
pub mod instruments;
pub mod json;
pub mod protobuf;
pub mod venue;

pub mod positional;

pub mod health;
pub mod venues;
