//! The latest quote of every (instrument, venue), and the spreads that a new quote produces.
//!
//! A quote is paired only with legs that are live and no older than their venue's maximum age,
//! measured from the receive time of the new quote. The result depends only on the order of the
//! input: the book reads no clock and uses no threads or rings.
//!
//! A leg is one cache line in an array indexed by venue. It holds the prices and sizes, the
//! proceeds of a sale and the cost of a purchase after fees, and the time until which it is fresh.
//! All of this is computed once, when the quote arrives. Bit masks with one bit per venue tell
//! which venues are live and which have a usable bid or ask, so a quote visits only venues that it
//! can be paired with.

use crate::clock::Nanos;
use crate::instrument::{Catalogue, VENUES_MAX, VenueId};
use crate::record::{Quote, Spread, Status, flags};
use crate::spread::{FeeFactors, net_of_products};
use crate::state::State;

/// One bit per venue.
type Venues = u64;
const _: () = assert!(VENUES_MAX <= Venues::BITS as usize);

/// One venue's quote of one instrument, ready to be paired.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
struct Leg {
    bid_px: i64,
    ask_px: i64,
    bid_sz: i64,
    ask_sz: i64,
    /// Proceeds of selling at the bid, after the fee.
    proceeds: f64,
    /// Cost of buying at the ask, with the fee.
    cost: f64,
    /// Last receive time at which another venue's quote may be paired with this leg.
    fresh_until: Nanos,
}

/// Venue masks of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    /// Venues in the state [`State::Live`].
    live: Venues,
    /// Venues with a usable bid: present and not crossed.
    bids: Venues,
    /// Venues with a usable ask: present and not crossed.
    asks: Venues,
}

/// Fee and age limit of a venue.
#[derive(Clone, Copy, Debug)]
struct Terms {
    fee: FeeFactors,
    max_age: Nanos,
}

/// Legs of all instruments and venues.
#[derive(Clone, Debug)]
pub struct Book {
    venues: usize,
    legs: Vec<Leg>,
    /// Indexed by instrument.
    masks: Vec<Masks>,
    /// Indexed by venue.
    terms: Vec<Terms>,
}

impl Leg {
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a relative error of 2^-53 is far below a basis point"
    )]
    fn of(quote: &Quote, terms: Terms) -> Leg {
        Leg {
            bid_px: quote.bid_px,
            ask_px: quote.ask_px,
            bid_sz: quote.bid_sz,
            ask_sz: quote.ask_sz,
            proceeds: quote.bid_px as f64 * terms.fee.sell,
            cost: quote.ask_px as f64 * terms.fee.buy,
            fresh_until: quote.ts_recv.saturating_add(terms.max_age),
        }
    }
}

impl Masks {
    #[inline]
    fn take(&mut self, bit: Venues, quote: &Quote) {
        let sound = quote.flags & flags::CROSSED == 0;
        self.bids = with(self.bids, bit, sound && 0 < quote.bid_px);
        self.asks = with(self.asks, bit, sound && 0 < quote.ask_px);
    }
}

/// Returns `mask` with `bit` set or cleared.
#[inline]
fn with(mask: Venues, bit: Venues, on: bool) -> Venues {
    (mask & !bit) | (bit * Venues::from(on))
}

/// Returns a mask of all ones if `on`, otherwise zero.
#[inline]
fn all(on: bool) -> Venues {
    Venues::from(on).wrapping_neg()
}

impl Book {
    /// Creates an empty book for a catalogue. All memory is allocated here.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Book {
        let (venues, instruments) = (catalogue.venues.len(), catalogue.instruments.len());
        let terms = catalogue.venues.iter();
        Book {
            venues,
            legs: vec![Leg::default(); instruments * venues],
            masks: vec![Masks::default(); instruments],
            terms: terms
                .map(|v| Terms { fee: FeeFactors::of(v.taker_fee), max_age: v.max_age })
                .collect(),
        }
    }

    /// Applies a change of state. A venue that is not live takes part in no spread.
    pub fn on_status(&mut self, status: &Status) {
        let masks = &mut self.masks[status.instrument.index()];
        masks.live = with(masks.live, bit(status.venue), status.state == State::Live as u8);
    }

    /// Applies a quote and calls `each` with the spreads it forms with every other usable venue.
    /// Venues come in the order of their ids; for each, buying on the quote's venue comes before
    /// selling there.
    #[inline]
    pub fn on_quote(&mut self, quote: &Quote, sequence: u64, mut each: impl FnMut(Spread)) {
        let here = Leg::of(quote, self.terms[quote.venue.index()]);
        let row = quote.instrument.index() * self.venues;
        let legs = &mut self.legs[row..row + self.venues];
        let masks = &mut self.masks[quote.instrument.index()];
        let bit = bit(quote.venue);
        masks.take(bit, quote);
        let (bids, asks) = (masks.bids & masks.live, masks.asks & masks.live);
        let sell_to = bids & !bit & all(asks & bit != 0);
        let buy_from = asks & !bit & all(bids & bit != 0);
        let mut left = sell_to | buy_from;
        while left != 0 {
            let (place, other) = (left.trailing_zeros() as usize, left & left.wrapping_neg());
            left ^= other;
            let there = &legs[place];
            if there.fresh_until < quote.ts_recv {
                continue;
            }
            let venue = venue_of(place);
            if sell_to & other != 0 {
                each(spread(quote, sequence, (quote.venue, &here), (venue, there)));
            }
            if buy_from & other != 0 {
                each(spread(quote, sequence, (venue, there), (quote.venue, &here)));
            }
        }
        legs[quote.venue.index()] = here;
    }
}

#[inline]
fn bit(venue: VenueId) -> Venues {
    1 << venue.index()
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a place of a bit is below 64")]
fn venue_of(place: usize) -> VenueId {
    VenueId(place as u8)
}

/// Builds the spread that `quote` triggers.
#[inline]
fn spread(
    quote: &Quote,
    sequence: u64,
    (buy_venue, buy): (VenueId, &Leg),
    (sell_venue, sell): (VenueId, &Leg),
) -> Spread {
    Spread {
        ts_recv: quote.ts_recv,
        sequence,
        buy_px: buy.ask_px,
        sell_px: sell.bid_px,
        buy_sz: buy.ask_sz,
        sell_sz: sell.bid_sz,
        net: net_of_products(sell.proceeds, buy.cost),
        instrument: quote.instrument,
        buy_venue,
        sell_venue,

        flags: 0,
        ..Spread::default()
    }
    .led_by(quote.venue)
}
