//! Simulated exchanges on loopback.
//!
//! Each venue speaks its native WebSocket protocol. Its quotes come from a seeded model of the
//! market, from a tape of recorded quotes, or from recorded frames, and its failures are scripted. On
//! the same port, each venue answers its REST request for the list of instruments.
//!
//! ```no_run
//! use exchange_sim::{Options, Simulator};
//!
//! let simulator = Simulator::start(Options::default())?;
//! println!("{}/v5/public/spot", simulator.url("bybit"));
//! # Ok::<(), exchange_sim::SimError>(())
//! ```
//!
//! With [`Options::orders`], Binance, Bybit and OKX take orders on the same ports by their own protocols,
//! with signatures checked, and fill them against their last quotes. [`Desk`] is the order side of one
//! venue without sockets, for tests on a virtual clock.
//!
//! ```no_run
//! use exchange_sim::{Options, OrdersOptions, Simulator, order_paths};
//!
//! let fault = "bybit:order=3:silent".parse()?;
//! let orders = OrdersOptions { faults: vec![fault], ..OrdersOptions::default() };
//! let simulator = Simulator::start(Options { orders: Some(orders), ..Options::default() })?;
//! println!("{}{}", simulator.url("bybit"), order_paths("bybit")[0]);
//! # Ok::<(), exchange_sim::SimError>(())
//! ```
//!
//! The simulator is the engine's counterpart and shares no code with it: the venues' formats are
//! written a second time here, from the venues' own documentation.
//!
//! From the bottom up, `venue` defines what a venue is and `venues` lists those there are. `model`,
//! `tape` and `frames` are the three sources, which `feed` makes look alike. `rest` lists the
//! instruments. `orders` takes orders. `market` is the state of one served venue and `connection` that of one client. `server` runs both on one thread, and
//! [`Simulator`] is the handle to that thread. Only `server` and `connection` touch its sockets, and
//! only `clock` reads the machine's clocks. No module depends on who connects.
//!
//! [`scripted`] is another server, which no other module knows: it does what a test's script says,
//! where the simulator does what an exchange would.

mod arithmetic;
mod clock;
mod connection;
mod decimal;
mod duration;
mod error;
mod faults;
mod feed;
mod frames;
mod instrument;
mod listing;
mod market;
mod model;
mod options;
mod orders;
mod recording;
mod rest;
pub mod scripted;
mod sequence;
mod server;
mod shared;
mod simulator;
mod stats;
mod tape;
mod tls;
mod venue;
mod venues;

pub use clock::Clock;
pub use duration::duration_of;
pub use error::SimError;
pub use faults::{Fault, FaultKind, Moment, OVERSIZED_LEN};
pub use frames::FramesOptions;
pub use instrument::{INSTRUMENTS, Instrument};
pub use listing::{Listing, ListingChange};
pub use model::{Model, ModelOptions, ModelQuote, ModelVenue};
pub use options::{Options, Source, Speed, VenueAt, venue_names};
pub use orders::account::Balance;
pub use orders::amount::Amount;
pub use orders::desk::{Desk, DeskCounts, Outgoing};
pub use orders::faults::{Operation, OrderFault, OrderFaultKind, OrderMoment};
pub use orders::gateways::order_paths;
pub use orders::keys::{ApiKey, Secret, TEST_ED25519_PRIVATE, read_keys, test_keys};
pub use orders::options::{OrdersOptions, StartingBalance};
pub use orders::order::{Forced, Side};
pub use simulator::Simulator;
pub use stats::{Occasion, Outcome, Stats, VenueStats, Written};
pub use tape::{TapeInstrument, TapeOptions, TapeSurvey, survey};
pub use venue::{Form, Texts, WireQuote};
pub use venues::{
    PlainQuote, known_venue_names, venue_answers, venue_frame, venue_greeting, venue_list,
    venue_number, venue_path, venue_ping, venue_quote, venue_symbol,
};
