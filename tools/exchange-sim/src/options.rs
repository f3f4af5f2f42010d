//! What a simulator is asked to do.
//!
//! Values only, with defaults that play the model on four loopback ports. Checked by
//! [`Simulator::start`](crate::Simulator::start).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::SimError;
use crate::faults::Fault;
use crate::frames::FramesOptions;
use crate::model::ModelOptions;
use crate::tape::TapeOptions;
use crate::venues;

/// What a simulator serves, from which source, how fast, and what goes wrong.
#[derive(Debug, Clone)]
pub struct Options {
    /// The venues to serve, each on an address of its own.
    pub venues: Vec<VenueAt>,
    /// Where the quotes come from.
    pub source: Source,
    /// How fast the source is played.
    pub speed: Speed,
    /// Begins a tape or recorded frames again at their end, with fresh times.
    pub looping: bool,
    /// Ends the source after that many items.
    pub limit: Option<u64>,
    /// Scripted faults.
    pub faults: Vec<Fault>,
    /// Serves `wss://` with a certificate made at the start.
    pub tls: bool,
    /// Keeps the source from playing until [`Simulator::release`](crate::Simulator::release).
    pub hold: bool,
    /// Keeps the source from playing until this many (connection, topic) subscriptions exist.
    pub wait_for_subscriptions: usize,
    /// Remembers every quote written, for [`Outcome`](crate::Outcome). Memory grows with it.
    pub record: bool,
    /// Bybit sends the depth-1 deltas of before 2025-03-20.
    pub bybit_deltas: bool,
    /// A client that takes nothing from a full socket for this long is cut off.
    pub stuck_after: Duration,
    /// Replaces the venues' interval of protocol pings.
    pub ping_every: Option<Duration>,
    /// Replaces the time in which the venues expect a pong.
    pub pong_within: Option<Duration>,
    /// Replaces the silence after which venues send a last quote again.
    pub repeat_after: Option<Duration>,
    /// Replaces the silence after which venues close a connection.
    pub idle_close: Option<Duration>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            venues: venues::venue_names().into_iter().map(VenueAt::any_port).collect(),
            source: Source::Model(ModelOptions::default()),
            speed: Speed::Times(1.0),
            looping: false,
            limit: None,
            faults: Vec::new(),
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
    /// Returns an error if the options ask for no venue, for one that is not known or for one twice, for a
    /// fault at a venue that is not served, or for a speed out of range.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        if self.venues.is_empty() {
            return Err(SimError::Option("no venue is asked for".to_owned()));
        }
        let mut seen = HashSet::new();
        for at in &self.venues {
            if venues::by_name(&at.name).is_none() {
                return Err(SimError::Venue(at.name.clone()));
            }
            if !seen.insert(at.name.as_str()) {
                return Err(SimError::Option(format!("{} is asked for twice", at.name)));
            }
        }
        for fault in &self.faults {
            if !seen.contains(fault.venue.as_str()) {
                return Err(SimError::Venue(fault.venue.clone()));
            }
        }
        match self.speed {
            Speed::Times(speed) if !(1e-6..=1e6).contains(&speed) => {
                Err(SimError::Option(format!("speed {speed} is not between 0.000001 and 1000000")))
            }
            Speed::Times(_) | Speed::Max => Ok(()),
        }
    }
}

/// A venue and the address it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueAt {
    /// The venue's name, one of [`venue_names`](crate::venue_names).
    pub name: String,
    /// Where it listens; port 0 takes any free one.
    pub bind: SocketAddr,
}

impl VenueAt {
    /// The venue on any free port of 127.0.0.1.
    #[must_use]
    pub fn any_port(name: &str) -> VenueAt {
        VenueAt::port(name, 0)
    }

    /// The venue on that port of 127.0.0.1.
    #[must_use]
    pub fn port(name: &str, port: u16) -> VenueAt {
        let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        VenueAt { name: name.to_owned(), bind }
    }
}

/// Where the quotes come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A seeded model of the market.
    Model(ModelOptions),
    /// Recorded quotes, written as the simulated venues' frames.
    Tape(TapeOptions),
    /// Recorded frames, sent as they are.
    Frames(FramesOptions),
}

impl Source {
    /// A tape, a file or a folder of them, with the default mapping.
    #[must_use]
    pub fn tape(path: impl Into<PathBuf>) -> Source {
        Source::Tape(TapeOptions { path: path.into(), ..TapeOptions::default() })
    }
}

/// How fast a source is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// That many times the source's own speed. Times in frames are scaled alike.
    Times(f64),
    /// As fast as the clients take it. Times in frames are those of sending.
    Max,
}
