//! The exchanges' protocols: bytes in, messages out.
//!
//! [`venue`] says what a venue is, [`venues`] is the registry with a file for each exchange, and
//! [`integrity`] keeps the state of each (venue, instrument). A venue's file knows the contract,
//! numbers and JSON; it never sees a socket, a thread, a ring or a clock.

pub mod json;
pub mod venue;

pub mod positional;

pub mod integrity;
pub mod venues;
