//! Order entry at venues, in the venues' own protocols.
//!
//! A [`gateway::VenueGateway`] takes orders and says what became of them, as
//! [`spreadwire_trading::gateway::Gateway`] wants it. It does no I/O and knows no clock: a transport
//! takes what is to be sent ([`session::Session::outgoing`]) and hands over what was received, with the
//! time ([`session::Session::incoming`]). `protocol` says what differs between venues; each venue has a
//! file. The rules that hold for all are in `orders` (what is known of each order), `trades` (each
//! trade once) and `session` (connections, deadlines, questions).
//!
//! Within the crate, a module uses only modules listed above it.

pub mod signing;

pub mod credentials;
pub mod terms;

pub mod protocol;

pub mod binance;
pub mod bybit;
pub mod okx;

mod orders;
mod trades;

pub mod session;

pub mod gateway;
