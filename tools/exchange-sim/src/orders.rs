//! Order entry: the venues' native order protocols, matched against the quotes of the source.
//!
//! A [`desk`] is the order side of one venue. It is pure: text and times go in, and messages with the times
//! of their sending come out, so that it runs over sockets, which `server/order_entry.rs` does, or on a
//! virtual clock. From the bottom up, `amount` holds exact numbers, `account` balances, `order` orders
//! and trades; `matching` matches; `signing` and `keys` check signatures; `gateway` defines what a venue's
//! protocol is and a file each writes it; `faults` says what goes wrong, and `desk` does all of it.

pub(crate) mod account;
pub(crate) mod amount;
mod binance;
mod bybit;
pub(crate) mod desk;
pub(crate) mod faults;
mod gateway;
pub(crate) mod gateways;
pub(crate) mod keys;
mod limits;
mod matching;
mod okx;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod signing;
