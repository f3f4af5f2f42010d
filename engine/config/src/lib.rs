//! The configuration file as it is written.
//!
//! [`config`] has the sections and their defaults ([`trading`] one of them), [`address`] parses the addresses in them, and
//! [`secret`] reads what a configuration only names. What a configuration means is proved by whoever
//! uses it: the engine's plan, the tools.

pub mod address;
pub mod config;
pub mod secret;
pub mod trading;
