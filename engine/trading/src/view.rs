//! The best price and size of each venue, as the spreads tell it, and how much of it our own orders
//! have claimed and taken.
//!
//! A spread says the ask of its buy venue and the bid of its sell venue. A level is usable from then on
//! until a record says otherwise: the end of the spread, a state that is not live, or missed records.
//! What was claimed or taken of a level stays so until its price or size changes: the venue shows a
//! size once, and it cannot be taken twice.

use crate::order::Side;
use spreadwire_market::clock::Nanos;
use spreadwire_market::event::Event;
use spreadwire_market::execution;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Record, Spread};
use spreadwire_market::state::State;

/// One side of a venue's book for one instrument, in mantissas.
pub type Level = execution::Level<i64>;

/// Both sides of a venue's book for one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Top {
    bid: Level,
    ask: Level,
}

/// The levels of all instruments and venues.
#[derive(Clone, Debug)]
pub struct View {
    venues: usize,
    /// Indexed by instrument and venue.
    tops: Vec<Top>,
}

impl View {
    /// Creates a view in which nothing is known. All memory is allocated here.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> View {
        let venues = catalogue.venues.len();
        View { venues, tops: vec![Top::default(); catalogue.instruments.len() * venues] }
    }

    /// Takes the next record.
    #[inline]
    pub fn on_record(&mut self, record: &Record) {
        match Event::of(record) {
            Some(Event::Spread(spread)) => self.on_spread(spread),
            Some(Event::Ended(ended)) => {
                self.level_mut(ended.instrument, ended.buy_venue, Side::Buy).is_good = false;
                self.level_mut(ended.instrument, ended.sell_venue, Side::Sell).is_good = false;
            }
            Some(Event::Status(status)) if status.state != State::Live as u8 => {
                for side in [Side::Buy, Side::Sell] {
                    self.level_mut(status.instrument, status.venue, side).is_good = false;
                }
            }
            Some(Event::Gap(_)) => self.forget(),
            Some(Event::Status(_)) | None => {}
        }
    }

    /// Takes the next spread.
    #[inline]
    pub fn on_spread(&mut self, spread: &Spread) {
        let Spread { instrument, ts_recv, .. } = *spread;
        let ask = self.level_mut(instrument, spread.buy_venue, Side::Buy);
        ask.say(spread.buy_px, spread.buy_sz, ts_recv);
        let bid = self.level_mut(instrument, spread.sell_venue, Side::Sell);
        bid.say(spread.sell_px, spread.sell_sz, ts_recv);
    }

    /// Notes that no level can be relied on any more.
    pub fn forget(&mut self) {
        for top in &mut self.tops {
            (top.bid.is_good, top.ask.is_good) = (false, false);
        }
    }

    /// Returns the level that an order on `side` meets: the ask for a purchase, the bid for a sale.
    #[must_use]
    #[inline]
    pub fn level(&self, instrument: InstrumentId, venue: VenueId, side: Side) -> &Level {
        let top = &self.tops[instrument.index() * self.venues + venue.index()];
        match side {
            Side::Buy => &top.ask,
            Side::Sell => &top.bid,
        }
    }

    /// As [`level`](View::level), to note what was claimed or taken.
    #[inline]
    pub fn level_mut(
        &mut self,
        instrument: InstrumentId,
        venue: VenueId,
        side: Side,
    ) -> &mut Level {
        let top = &mut self.tops[instrument.index() * self.venues + venue.index()];
        match side {
            Side::Buy => &mut top.ask,
            Side::Sell => &mut top.bid,
        }
    }

    /// Returns the middle between bid and ask in units of the mantissa, which can be half a unit; `None`
    /// unless both hold and are no older than `max_age` ns at `now`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a relative error of 2^-53 is nothing here")]
    pub fn mid(
        &self,
        instrument: InstrumentId,
        venue: VenueId,
        now: Nanos,
        max_age: Nanos,
    ) -> Option<f64> {
        let [bid, ask] = [Side::Sell, Side::Buy].map(|side| self.level(instrument, venue, side));
        let holds = |level: &Level| level.is_good && now.saturating_sub(level.ts) <= max_age;
        (holds(bid) && holds(ask)).then(|| f64::midpoint(bid.px as f64, ask.px as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::record::{Ended, Gap, Status};

    fn view() -> View {
        View { venues: 2, tops: vec![Top::default(); 4] }
    }

    fn spread(ts: Nanos, buy_px: i64, buy_sz: i64) -> Record {
        let (buy_venue, sell_venue) = (VenueId(0), VenueId(1));
        let instrument = InstrumentId(1);
        let rest = Spread {
            sell_px: 110,
            sell_sz: 7,
            instrument,
            buy_venue,
            sell_venue,
            ..Spread::default()
        };
        Spread { ts_recv: ts, buy_px, buy_sz, ..rest }.into()
    }

    #[test]
    fn what_was_taken_is_there_again_only_after_a_change() {
        let mut view = view();
        view.on_record(&spread(1, 100, 5));
        let ask = view.level_mut(InstrumentId(1), VenueId(0), Side::Buy);
        (ask.taken, ask.claimed) = (3, 4);
        view.on_record(&spread(2, 100, 5));
        let ask = *view.level(InstrumentId(1), VenueId(0), Side::Buy);
        assert_eq!((ask.untaken(), ask.unclaimed(), ask.ts), (2, 1, 2), "said again, not changed");
        view.on_record(&spread(3, 100, 6));
        let ask = view.level(InstrumentId(1), VenueId(0), Side::Buy);
        assert_eq!((ask.untaken(), ask.unclaimed()), (6, 6));
        assert!(!view.level(InstrumentId(0), VenueId(0), Side::Buy).is_good, "another instrument");
    }

    #[test]
    fn the_middle_may_be_half_a_unit() {
        let mut view = view();
        let quoted = |buy_venue, sell_venue, buy_px, sell_px| Spread {
            ts_recv: 1,
            buy_px,
            sell_px,
            buy_venue: VenueId(buy_venue),
            sell_venue: VenueId(sell_venue),
            ..Spread::default()
        };
        view.on_spread(&quoted(0, 1, 103, 99));
        view.on_spread(&quoted(1, 0, 98, 100));
        assert_eq!(view.mid(InstrumentId(0), VenueId(0), 1, 1), Some(101.5), "between 100 and 103");
        assert_eq!(view.mid(InstrumentId(0), VenueId(0), 3, 1), None, "too old");
    }

    #[test]
    fn a_level_holds_until_a_record_says_otherwise() {
        let ended = Ended {
            instrument: InstrumentId(1),
            buy_venue: VenueId(0),
            sell_venue: VenueId(1),
            ..Ended::default()
        };
        let status = |state: State, venue| Status {
            state: state as u8,
            instrument: InstrumentId(1),
            venue: VenueId(venue),
            ..Status::default()
        };
        let rows: [(Record, bool, bool); 5] = [
            (ended.into(), false, false),
            (Gap::new(2, 1).into(), false, false),
            (status(State::Lagging, 0).into(), false, true),
            (status(State::Stale, 1).into(), true, false),
            (status(State::Live, 0).into(), true, true),
        ];
        for (record, ask, bid) in rows {
            let mut view = view();
            view.on_record(&spread(1, 100, 5));
            view.level_mut(InstrumentId(1), VenueId(0), Side::Buy).taken = 5;
            view.on_record(&record);
            let good = |venue, side| view.level(InstrumentId(1), VenueId(venue), side).is_good;
            assert_eq!((good(0, Side::Buy), good(1, Side::Sell)), (ask, bid), "{record:?}");
            view.on_record(&spread(3, 100, 5));
            let level = view.level(InstrumentId(1), VenueId(0), Side::Buy);
            assert!(level.is_good && level.untaken() == 0, "what was taken stays so: {record:?}");
        }
    }
}
