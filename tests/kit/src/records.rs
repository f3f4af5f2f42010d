//! Records of which only the kind and the time matter, for tests of what carries and stores them.

use crate::quotes;
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::{Record, Spread};
use spreadwire_market::state::State;

/// Returns a quote of the first instrument on the first venue.
#[must_use]
pub fn quote(ts_recv: Nanos) -> Record {
    quotes::quote(0, 0, ts_recv).into()
}

/// Returns a change of the first instrument on the first venue to live.
#[must_use]
pub fn status(ts_recv: Nanos) -> Record {
    quotes::status(0, 0, State::Live, ts_recv).into()
}

/// Returns a spread whose other fields are 0.
#[must_use]
pub fn spread(ts_recv: Nanos) -> Record {
    Spread { ts_recv, ..Spread::default() }.into()
}
