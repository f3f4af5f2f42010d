//! The options of a simulator.
//!
//! The defaults play the model on four free loopback ports.
//! [`Simulator::start`](crate::Simulator::start) checks the options.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::SimError;
use crate::faults::{Fault, FaultKind};
use crate::frames::FramesOptions;
use crate::listing::Listing;
use crate::model::ModelOptions;
use crate::orders::gateways::order_paths;
use crate::orders::options::OrdersOptions;
use crate::tape::TapeOptions;
use crate::venues;

/// What a simulator serves, from which source and how fast, and what goes wrong.
#[derive(Debug, Clone)]
pub struct Options {
    /// Venues to serve, each on its own address.
    pub venues: Vec<VenueAt>,
    /// Source of the quotes.
    pub source: Source,
    /// Speed at which the source is played.
    pub speed: Speed,
    /// Plays a tape or recorded frames again from the start when they end, with new times.
    pub looping: bool,
    /// Number of items after which the source ends. `None` plays all of it.
    pub limit: Option<u64>,
    /// Scripted faults.
    pub faults: Vec<Fault>,
    /// Scripted changes to the venues' lists of instruments.
    pub listings: Vec<Listing>,
    /// Takes orders on the venues that have an order protocol here. `None` takes none.
    pub orders: Option<OrdersOptions>,
    /// Serves `wss://` with a self-signed certificate, made at the start.
    pub tls: bool,
    /// Holds the source until [`Simulator::release`](crate::Simulator::release) is called.
    pub hold: bool,
    /// Number of (connection, topic) subscriptions that must exist before the source begins to
    /// play.
    pub wait_for_subscriptions: usize,
    /// Remembers every quote written, for [`Outcome`](crate::Outcome). Memory grows with each
    /// quote.
    pub record: bool,
    /// Makes Bybit send depth-1 deltas, as it did before 2025-03-20.
    pub bybit_deltas: bool,
    /// Time after which a client is cut off if its socket is full and it reads nothing.
    pub stuck_after: Duration,
    /// Replaces the interval at which venues send protocol pings.
    pub ping_every: Option<Duration>,
    /// Replaces the time within which venues expect a pong.
    pub pong_within: Option<Duration>,
    /// Replaces the time of silence after which venues send a symbol's last quote again.
    pub repeat_after: Option<Duration>,
    /// Replaces the time of silence after which venues close a connection.
    pub idle_close: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            venues: venue_names().into_iter().map(VenueAt::any_port).collect(),
            source: Source::Model(ModelOptions::default()),
            speed: Speed::Times(1.0),
            looping: false,
            limit: None,
            faults: Vec::new(),
            listings: Vec::new(),
            orders: None,
            tls: false,
            hold: false,
            wait_for_subscriptions: 0,
            record: false,
            bybit_deltas: false,
            stuck_after: Duration::from_secs(30),
            ping_every: None,
            pong_within: None,
            repeat_after: None,
            idle_close: None,
        }
    }
}

impl Options {
    /// Returns an error if no venue is given, a venue is unknown or given twice, a fault or a listing
    /// names a venue that is not served, a fault is nothing that the venue does, or the speed is out of range.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        if self.venues.is_empty() {
            return Err(SimError::Option("no venue is given; give at least one".to_owned()));
        }
        let mut seen = HashSet::new();
        for at in &self.venues {
            if venues::by_name(&at.name).is_none() {
                return Err(SimError::Venue(at.name.clone()));
            }
            if !seen.insert(at.name.as_str()) {
                return Err(SimError::Option(format!("venue {} is given twice", at.name)));
            }
        }
        let faulty = self.faults.iter().map(|fault| &fault.venue);
        for venue in faulty.chain(self.listings.iter().map(|listing| &listing.venue)) {
            if !seen.contains(venue.as_str()) {
                return Err(SimError::Venue(venue.clone()));
            }
        }
        for Fault { venue, kind, .. } in &self.faults {
            let announces = || venues::by_name(venue).and_then(|it| it.shutdown(0)).is_some();
            if *kind == FaultKind::Shutdown && !announces() {
                return Err(SimError::Option(format!(
                    "fault for {venue}: it does not announce the end of a connection; use close, or \
                     one of {}",
                    venues::announcing().join(", ")
                )));
            }
        }
        self.check_orders()?;
        match self.speed {
            Speed::Times(speed) if !(1e-6..=1e6).contains(&speed) => Err(SimError::Option(
                format!("speed {speed} is not between 0.000001 and 1000000 times"),
            )),
            Speed::Times(_) | Speed::Max => Ok(()),
        }
    }

    /// Returns an error if orders are to be taken without quotes to match, or a fault of orders or a key
    /// is about a venue that takes none.
    fn check_orders(&self) -> Result<(), SimError> {
        let Some(orders) = &self.orders else { return Ok(()) };
        orders.check()?;
        if matches!(self.source, Source::Frames(_)) {
            let why = "recorded frames cannot match orders; play the model or a tape";
            return Err(SimError::Option(why.to_owned()));
        }
        let taking = |name: &str| !order_paths(name).is_empty();
        let served = |name: &str| taking(name) && self.venues.iter().any(|at| at.name == name);
        if let Some(fault) = orders.faults.iter().find(|fault| !served(&fault.venue)) {
            let venue = &fault.venue;
            let why =
                format!("fault of orders for {venue}: this venue is not served or takes none");
            return Err(SimError::Option(why));
        }
        let named = orders.balances.iter().filter_map(|it| it.venue.as_ref());
        if let Some(venue) = named.into_iter().find(|venue| !served(venue)) {
            let why = format!("balance of {venue}: this venue is not served or takes no orders");
            return Err(SimError::Option(why));
        }
        match orders.keys.iter().find(|key| !taking(&key.venue)) {
            Some(key) => {
                let why = format!("key {} of {}: this venue takes no orders", key.key, key.venue);
                Err(SimError::Option(why))
            }
            None => Ok(()),
        }
    }
}

/// Returns the names of the venues that are served unless others are asked for: those that the model's
/// default parameters are for.
#[must_use]
pub fn venue_names() -> Vec<&'static str> {
    let parameters = ModelOptions::default().venues;
    let is_usual = |name: &&str| parameters.iter().any(|it| it.name == *name);
    venues::known_venue_names().into_iter().filter(is_usual).collect()
}

/// A venue and the address that it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueAt {
    /// Name of the venue, one of [`known_venue_names`](crate::known_venue_names).
    pub name: String,
    /// Address to listen on. Port 0 takes any free port.
    pub bind: SocketAddr,
}

impl VenueAt {
    /// Serves the venue on any free port of 127.0.0.1.
    #[must_use]
    pub fn any_port(name: &str) -> VenueAt {
        VenueAt::port(name, 0)
    }

    /// Serves the venue on a port of 127.0.0.1.
    #[must_use]
    pub fn port(name: &str, port: u16) -> VenueAt {
        let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        VenueAt { name: name.to_owned(), bind }
    }
}

/// The source of the quotes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A seeded model of the market.
    Model(ModelOptions),
    /// Recorded quotes, written in the frames of the simulated venues.
    Tape(TapeOptions),
    /// Recorded frames, sent unchanged.
    Frames(FramesOptions),
}

impl Source {
    /// Returns a tape with the default mapping. `path` is a file or a folder of files.
    #[must_use]
    pub fn tape(path: impl Into<PathBuf>) -> Source {
        Source::Tape(TapeOptions { path: path.into(), ..TapeOptions::default() })
    }
}

/// The speed at which a source is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// A multiple of the source's own speed. Times in frames are scaled by the same factor.
    Times(f64),
    /// As fast as the clients read. Times in frames are the times of sending.
    Max,
}
