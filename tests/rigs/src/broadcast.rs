//! The broadcast agent with its clients, over a network in memory or real sockets.

pub mod fake_network;
pub mod flattened;
pub mod model;
pub mod server;
