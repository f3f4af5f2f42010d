//! What venues quote, and what follows from it. A test changes the fields that it is about.

use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Quote, Spread, Status};
use spreadwire_market::spread::gross;
use spreadwire_market::state::State;

/// Returns an ordinary quote: 61,837.63 bid and 61,837.64 asked, where prices have 2 decimals.
#[must_use]
pub fn quote(venue: u8, instrument: u32, ts_recv: Nanos) -> Quote {
    Quote {
        ts_recv,
        ts_event: ts_recv.saturating_sub(5 * MILLI),
        bid_px: 6_183_763,
        ask_px: 6_183_764,
        bid_sz: 378_826_000,
        ask_sz: 154_698_000,
        sequence: 7,
        instrument: InstrumentId(instrument),
        venue: VenueId(venue),
        ..Quote::default()
    }
}

/// Returns a change to this state, because of a quote.
#[must_use]
pub fn status(venue: u8, instrument: u32, state: State, ts_recv: Nanos) -> Status {
    Status {
        ts_recv,
        state: state as u8,
        instrument: InstrumentId(instrument),
        venue: VenueId(venue),
        ..Status::default()
    }
}

/// Returns the spread of buying on one venue and selling on another, whose two fees are 10 basis
/// points each.
#[must_use]
pub fn spread(instrument: u32, venues: [u8; 2], prices: [i64; 2], ts_recv: Nanos) -> Spread {
    let ([buy, sell], [buy_px, sell_px]) = (venues, prices);
    Spread {
        ts_recv,
        buy_px,
        sell_px,
        buy_sz: 50_000,
        sell_sz: 120_002,
        net: gross(sell_px, buy_px) - 0.002,
        instrument: InstrumentId(instrument),
        buy_venue: VenueId(buy),
        sell_venue: VenueId(sell),
        ..Spread::default()
    }
}
