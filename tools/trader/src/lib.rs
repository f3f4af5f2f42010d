//! The other end of the broadcast: its messages become the engine's records again.
//!
//! [`SpreadListener`] keeps a connection to a broadcast server and turns what it says into records;
//! [`Trader`] feeds them to the engine's own [`DecisionMaker`](spreadwire_market::decision::DecisionMaker),
//! so that here and there the same spreads lead to the same decisions. It places no orders, and it
//! must not know how the engine comes to its spreads.

mod decoder;
mod listener;
mod trader;

pub use decoder::{Decoder, Heard, Undecodable};
pub use listener::{News, SpreadListener};
pub use trader::{Rule, Trader, told, told_of_recording};
