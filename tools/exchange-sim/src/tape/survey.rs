//! The survey of a tape: its instruments and their grids, and its numbers of rows.

use crate::decimal;
use crate::venue::Texts;

/// The contents of a tape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapeSurvey {
    /// Instruments, in the order of their first rows.
    pub instruments: Vec<TapeInstrument>,
    /// Number of rows that are played.
    pub rows: u64,
    /// Number of rows of venues that are not mapped to a simulated one.
    pub unmapped: u64,
    /// Number of rows of mapped venues that lack the price of one side.
    pub incomplete: u64,
    /// Receive time of the earliest row played, in ns since 1970 UTC.
    pub first_ns: u64,
    /// Receive time of the latest row played, in ns since 1970 UTC.
    pub last_ns: u64,
}

/// An instrument found on a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeInstrument {
    /// Canonical name, such as `BTC/USDT`.
    pub name: String,
    /// Greatest number of digits after the point of a price, without trailing zeros.
    pub price_decimals: usize,
    /// Greatest number of digits after the point of a size, without trailing zeros.
    pub size_decimals: usize,
    /// Simulated venues that list the instrument, with its symbol there.
    pub venues: Vec<(String, String)>,
}

impl TapeSurvey {
    /// Counts a row that will be played.
    pub(crate) fn note(&mut self, recv_ns: u64, instrument: usize, texts: &Texts) {
        self.rows += 1;
        self.first_ns = self.first_ns.min(recv_ns);
        self.last_ns = self.last_ns.max(recv_ns);
        let instrument = &mut self.instruments[instrument];
        for px in [&texts.bid, &texts.ask] {
            let places = decimal::significant_places(px);
            instrument.price_decimals = instrument.price_decimals.max(places);
        }
        for sz in [&texts.bid_qty, &texts.ask_qty] {
            let places = decimal::significant_places(sz);
            instrument.size_decimals = instrument.size_decimals.max(places);
        }
    }
}
