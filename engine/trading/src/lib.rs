//! Trading as pure state machines: what to do about an opportunity, how large, through which orders,
//! what they filled, and what that left in the books. No I/O, no clock, no thread: records, answers
//! and times are handed in, so that the engine, the trader, a replay and a sweep run the same code.
//!
//! Within the crate, a module uses only modules listed above it.

pub mod amount;
pub mod kill;
pub mod order;
mod short_text;
pub mod timers;
pub mod why;

pub mod entry;
pub mod gateway;
pub mod latency;
pub mod rate;
pub mod tally;
pub mod terms;
pub mod trades;
pub mod view;

pub mod line;

pub mod settings;

pub mod books;
pub mod deal;

pub mod desk;
pub mod measures;
pub mod paper;

pub mod reconcile;
pub mod sizing;

pub mod status;
pub mod told;
pub mod trader;

pub mod paper_trader;
