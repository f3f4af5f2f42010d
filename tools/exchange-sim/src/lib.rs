//! Simulated exchanges on loopback: each venue's native WebSocket protocol, its quotes from a
//! seeded model, a tape of quotes or recorded frames, and its failures by script.
//!
//! ```no_run
//! use exchange_sim::{Options, Simulator};
//!
//! let simulator = Simulator::start(Options::default())?;
//! println!("{}/v5/public/spot", simulator.url("bybit"));
//! # Ok::<(), exchange_sim::SimError>(())
//! ```
//!
//! It is the engine's counterpart and shares no code with it: the venues' formats are written
//! down here a second time, from the venues' own documentation. It knows nothing of who connects.

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
mod market;
mod model;
mod options;
mod recording;
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
pub use model::{Model, ModelOptions, ModelQuote, ModelVenue};
pub use options::{Options, Source, Speed, VenueAt};
pub use simulator::Simulator;
pub use stats::{Occasion, Outcome, Stats, VenueStats, Written};
pub use tape::{TapeInstrument, TapeOptions, TapeSurvey, survey};
pub use venues::{venue_names, venue_path, venue_symbol};
