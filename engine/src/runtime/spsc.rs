//! The ring under every edge: rtrb's.
//!
//! The ends in this folder take it from here, so that a test can put another one in its place.

pub(super) use rtrb::{Consumer, Producer, PushError, RingBuffer};
