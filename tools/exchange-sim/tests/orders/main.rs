//! Order entry, by the venues' own protocols.
//!
//! `binance`, `bybit` and `okx` compare answers with frames written from the venues' documentation.
//! `conservation` checks the balances against the trades that the venues tell, `faults` each scripted
//! fault, and `sockets` that all of it works over loopback. All but `sockets` run on a virtual clock.

mod binance;
mod bybit;
mod conservation;
mod faults;
mod okx;
mod rig;
mod sockets;
