//! Trading as pure state machines: what to do about an opportunity, how large, through which orders,
//! what they filled, and what that left in the books. No I/O, no clock, no thread: records, answers
//! and times are handed in, so that the engine, the trader, a replay and a sweep run the same code.
//!
//! Within the crate, a module uses only modules listed above it.

pub mod amount;
pub mod order;

pub mod gateway;
