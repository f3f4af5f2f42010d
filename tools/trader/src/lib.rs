//! A client of the broadcast that turns its messages back into the engine's records.
//!
//! [`SpreadListener`] keeps a connection to a broadcast [`Server`] and gives its messages to the
//! reference client of the protocol, [`spreadwire_market::client`]. [`Trader`] feeds the records to
//! the engine's own [`DecisionMaker`](spreadwire_market::decision::DecisionMaker), so the same
//! spreads lead to the same decisions in both. It places no orders. It depends on the engine's
//! market model, and on nothing else of the engine.

mod listener;
mod server;
mod trader;
mod transport;

pub use listener::{News, SpreadListener};
pub use server::Server;
pub use trader::{Rule, Trader, told, told_of_recording};
