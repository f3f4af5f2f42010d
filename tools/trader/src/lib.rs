//! The trader: follows the broadcast, decides as the engine does, and executes on paper or through a
//! gateway.
//!
//! [`SpreadListener`] keeps a connection to a broadcast [`Server`] and gives its messages to the
//! reference client of the protocol, [`spreadwire_market::client`]. From there the records go one of two
//! ways. [`watch`] feeds them to the engine's own
//! [`DecisionMaker`](spreadwire_market::decision::DecisionMaker) and prints what opens and closes.
//! [`driver`] feeds them to `spreadwire_trading`, the decision code that the engine and a replay run too,
//! takes its entries to the journal of decisions, and then its orders to a gateway; [`gateway_io`] is the one
//! to venues. [`run`] is the loop around it, [`control`] the socket by which a person asks and commands,
//! [`report`] what a journal says of profits.

pub mod control;
pub mod driver;
pub mod engine;
pub mod gateway_io;
mod killing;
mod listener;
pub mod plan;
pub mod report;
pub mod run;
mod server;
pub mod status;
pub mod sweep;
mod trader;
mod translation;
mod transport;
pub mod watch;

pub use listener::{News, SpreadListener};
pub use server::Server;
pub use trader::{Rule, Trader, told, told_of_recording};
