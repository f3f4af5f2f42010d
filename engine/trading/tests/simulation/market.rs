//! The best prices of all venues, drawn at random, and the records that tell them.

use crate::terms::{INSTRUMENTS, PRICES, VENUES, fee_fraction, steps};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Record, Spread};
use spreadwire_trading::order::Side;

/// One side of a book: what is shown, and what of it nobody has taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) px: i64,
    pub(crate) sz: i64,
    pub(crate) left: i64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Book {
    pub(crate) bid: Level,
    pub(crate) ask: Level,
    pub(crate) is_live: bool,
    is_quoted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Market {
    pub(crate) books: [[Book; VENUES]; INSTRUMENTS],
    /// Distance of a venue from the common price, mantissa.
    offsets: [[i64; VENUES]; INSTRUMENTS],
    /// Whether the venues agree on prices, so that nothing is worth a deal.
    pub(crate) is_calm: bool,
}

impl Market {
    /// Returns the level that an order meets.
    pub(crate) fn level(&mut self, instrument: usize, venue: usize, side: Side) -> &mut Level {
        let book = &mut self.books[instrument][venue];
        match side {
            Side::Buy => &mut book.ask,
            Side::Sell => &mut book.bid,
        }
    }

    /// Changes the quote of one venue, or says it again.
    pub(crate) fn step(&mut self, rng: &mut ChaCha8Rng) -> (usize, usize) {
        let (instrument, venue) = (rng.random_range(0..INSTRUMENTS), rng.random_range(0..VENUES));
        let (step, price) = (steps(instrument, venue), PRICES[instrument]);
        if rng.random_bool(0.2) {
            self.offsets[instrument][venue] = rng.random_range(-price / 60..price / 60);
        }
        let offset = if self.is_calm { 0 } else { self.offsets[instrument][venue] };
        let (mid, width) = (price + offset, rng.random_range(1..price / 800));
        let size = |rng: &mut ChaCha8Rng| rng.random_range(1_i64..4_000);
        let mut level = |px: i64| {
            let sz = if rng.random_bool(0.2) { rng.random_range(1..60) } else { size(rng) };
            Level { px: px / step.tick * step.tick, sz, left: sz }
        };
        let (bid, ask) = (level(mid - width), level(mid + width + step.tick));
        let book = &mut self.books[instrument][venue];
        if book.is_quoted && rng.random_bool(0.2) {
            // Said again, as venues do: what was taken is not there again.
            return (instrument, venue);
        }
        (book.bid, book.ask, book.is_quoted) = (bid, ask, true);
        (instrument, venue)
    }

    /// Returns the spreads of a quote.
    pub(crate) fn spreads(&self, instrument: usize, venue: usize, ts: Nanos) -> Vec<Record> {
        let of = |buy: usize, sell: usize| self.spread(instrument, (buy, sell), ts);
        let others = (0..VENUES).filter(|other| *other != venue);
        others.flat_map(|other| [of(venue, other), of(other, venue)]).flatten().collect()
    }

    fn spread(&self, instrument: usize, (buy, sell): (usize, usize), ts: Nanos) -> Option<Record> {
        let books = &self.books[instrument];
        let is_usable = |book: &Book| book.is_live && book.is_quoted;
        if !is_usable(&books[buy]) || !is_usable(&books[sell]) {
            return None;
        }
        let (ask, bid) = (books[buy].ask, books[sell].bid);
        Some(
            Spread {
                ts_recv: ts,
                buy_px: ask.px,
                sell_px: bid.px,
                buy_sz: ask.sz,
                sell_sz: bid.sz,
                net: net(ask.px, bid.px, buy, sell),
                instrument: InstrumentId(u32::try_from(instrument).unwrap()),
                buy_venue: venue_id(buy),
                sell_venue: venue_id(sell),
                ..Spread::default()
            }
            .into(),
        )
    }
}

/// Returns what buying and selling pays after fees, a fraction.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn net(buy_px: i64, sell_px: i64, buy: usize, sell: usize) -> f64 {
    let cost = buy_px as f64 * (1.0 + fee_fraction(buy));
    sell_px as f64 * (1.0 - fee_fraction(sell)) / cost - 1.0
}

pub(crate) fn venue_id(place: usize) -> VenueId {
    VenueId(u8::try_from(place).unwrap())
}
