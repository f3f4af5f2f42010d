//! The survey of a tape: its instruments, how fine their numbers are, and how many rows it has.

use crate::decimal;
use crate::venue::Texts;

/// What is on a tape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapeSurvey {
    /// Instruments in the order of their first row.
    pub instruments: Vec<TapeInstrument>,
    /// Rows that are played.
    pub rows: u64,
    /// Rows of venues that are not mapped to a simulated one.
    pub unmapped: u64,
    /// Rows of mapped venues without a price on one side.
    pub incomplete: u64,
    /// Receive time of the first row played, ns since 1970 UTC.
    pub first_ns: u64,
    /// Receive time of the last row played, ns since 1970 UTC.
    pub last_ns: u64,
}

/// An instrument found on a tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeInstrument {
    /// Canonical name, `BTC/USDT`.
    pub name: String,
    /// The most digits after the point of a price, zeros at the end not counted.
    pub price_decimals: usize,
    /// The most digits after the point of a size, zeros at the end not counted.
    pub size_decimals: usize,
    /// Simulated venues that have it, with its symbol there.
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
