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
//! can be paired with. Two more masks for each leg tell which pairs stand: a pair stands from its
//! spread on, until a quote or a status after which it cannot be traded. Then the book says so.
//! Whatever is rare is done out of line, so that it costs other quotes nothing.

use crate::clock::Nanos;
use crate::instrument::{Catalogue, InstrumentId, VENUES_MAX, VenueId};
use crate::record::{Ended, Quote, Record, Spread, Status, flags};
use crate::spread::{FeeFactors, net_of_products};
use crate::state::{EndReason, State};

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

/// Pairs of one leg that stand: those that have had a spread and no end since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// Venues to sell on, when buying on the leg's venue.
    buys: Venues,
    /// Venues to buy on, when selling on the leg's venue.
    sells: Venues,
}

impl Standing {
    /// Returns the pairs without those of a venue.
    fn without(self, venue: Venues) -> Standing {
        Standing { buys: self.buys & !venue, sells: self.sells & !venue }
    }
}
/// Takes the results of a quote or a status, in order.
pub trait Results {
    /// Takes a spread.
    fn spread(&mut self, spread: Spread);
    /// Takes the end of a spread.
    fn ended(&mut self, ended: &Ended);
    /// Takes a spread that the pair does not have, because its net is taken for a mistake. `is_new`
    /// tells whether the pair was believed before.
    fn withheld(&mut self, _spread: &Spread, _is_new: bool) {}
    /// Takes the venues to buy and sell on of a pair whose net was withheld and is believed again.
    fn believed(&mut self, _instrument: InstrumentId, _buy: VenueId, _sell: VenueId) {}
}

/// Drops every result.
impl Results for () {
    fn spread(&mut self, _: Spread) {}
    fn ended(&mut self, _: &Ended) {}
}

/// Keeps every result.
impl Results for Vec<Record> {
    fn spread(&mut self, spread: Spread) {
        self.push(spread.into());
    }

    fn ended(&mut self, ended: &Ended) {
        self.push((*ended).into());
    }
}

/// Calls a function with each spread, and drops the ends.
#[derive(Clone, Copy, Debug)]
pub struct Spreads<F>(pub F);

impl<F: FnMut(Spread)> Results for Spreads<F> {
    #[inline]
    fn spread(&mut self, spread: Spread) {
        (self.0)(spread);
    }

    fn ended(&mut self, _: &Ended) {}
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
    /// Indexed as `legs`.
    standing: Vec<Standing>,
    /// Venues to sell on whose net was withheld last, when buying on the leg's venue. Indexed as
    /// `legs`.
    withheld: Vec<Venues>,
    /// Indexed by venue.
    terms: Vec<Terms>,
    /// A net further from zero than this is taken for a mistake, a fraction.
    max_net: f64,
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
            standing: vec![Standing::default(); instruments * venues],
            withheld: vec![0; instruments * venues],
            terms: terms
                .map(|v| Terms { fee: FeeFactors::of(v.taker_fee), max_age: v.max_age })
                .collect(),
            max_net: f64::INFINITY,
        }
    }

    /// Takes a net further from zero than `max_net`, a fraction, for a mistake in a quote: such a
    /// pair has no spread, and one that stood has ended.
    #[must_use]
    pub fn believing(self, max_net: f64) -> Book {
        Book { max_net, ..self }
    }

    /// Applies a change of state, numbered `sequence`. A venue that is not live takes part in no
    /// spread, and those that stood have ended.
    pub fn on_status(&mut self, status: &Status, sequence: u64, results: &mut impl Results) {
        let live = status.state == State::Live as u8;
        let masks = &mut self.masks[status.instrument.index()];
        masks.live = with(masks.live, bit(status.venue), live);
        if !live {
            let cause = Cause { ts_recv: status.ts_recv, sequence, instrument: status.instrument };
            self.stand(&cause, status.venue, Standing::default(), results);
        }
    }

    /// Applies a quote, numbered `sequence`. `results` takes the spreads it forms with every other
    /// usable venue, then the ends of those that it no longer forms. Venues come in the order of
    /// their ids; for each, buying on the quote's venue comes before selling there.
    #[inline]
    pub fn on_quote(&mut self, quote: &Quote, sequence: u64, results: &mut impl Results) {
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
        let wanted = Standing { buys: sell_to, sells: buy_from };
        // Every pair is formed but for those that are rarely dropped on the way.
        let mut formed = wanted;
        let max_net = self.max_net;
        while left != 0 {
            let (place, other) = (left.trailing_zeros() as usize, left & left.wrapping_neg());
            left ^= other;
            let there = &legs[place];
            if there.fresh_until < quote.ts_recv {
                formed = formed.without(other);
                continue;
            }
            let venue = venue_of(place);
            if sell_to & other != 0 {
                let spread = spread(quote, sequence, (quote.venue, &here), (venue, there));
                if spread.net.abs() <= max_net {
                    results.spread(spread);
                } else {
                    formed.buys ^= other;
                }
            }
            if buy_from & other != 0 {
                let spread = spread(quote, sequence, (venue, there), (quote.venue, &here));
                if spread.net.abs() <= max_net {
                    results.spread(spread);
                } else {
                    formed.sells ^= other;
                }
            }
        }
        legs[quote.venue.index()] = here;
        if self.standing[row + quote.venue.index()] != formed || formed != wanted {
            self.settle(quote, sequence, wanted, formed, results);
        }
    }

    /// Notes which of the pairs that a quote could form it did form, and why not the others.
    #[cold]
    #[inline(never)]
    fn settle(
        &mut self,
        quote: &Quote,
        sequence: u64,
        wanted: Standing,
        formed: Standing,
        results: &mut impl Results,
    ) {
        let row = quote.instrument.index() * self.venues;
        let is_fresh =
            |other: &VenueId| quote.ts_recv <= self.legs[row + other.index()].fresh_until;
        let fresh =
            venues_in(wanted.buys | wanted.sells).filter(is_fresh).fold(0, |m, v| m | bit(v));
        let mistaken = Standing {
            buys: wanted.buys & !formed.buys & fresh,
            sells: wanted.sells & !formed.sells & fresh,
        };
        self.withhold(quote, sequence, mistaken, results);
        let cause = Cause { ts_recv: quote.ts_recv, sequence, instrument: quote.instrument };
        self.stand(&cause, quote.venue, formed, results);
    }

    /// Notes which pairs of a quote are not believed. Their spreads are formed again here, so that
    /// the common path keeps nothing for them.
    fn withhold(
        &mut self,
        quote: &Quote,
        sequence: u64,
        mistaken: Standing,
        results: &mut impl Results,
    ) {
        let row = quote.instrument.index() * self.venues;
        let venue = quote.venue;
        let buys = venues_in(mistaken.buys).map(|other| (venue, other));
        let sells = venues_in(mistaken.sells).map(|other| (other, venue));
        for (buy, sell) in buys.chain(sells) {
            let [buy_leg, sell_leg] = [buy, sell].map(|at| self.legs[row + at.index()]);
            let spread = spread(quote, sequence, (buy, &buy_leg), (sell, &sell_leg));
            let withheld = &mut self.withheld[row + buy.index()];
            let is_new = *withheld & bit(sell) == 0;
            *withheld |= bit(sell);
            results.withheld(&spread, is_new);
        }
    }

    /// Notes which pairs of a venue stand from now on, and says which have ended.
    #[cold]
    fn stand(&mut self, cause: &Cause, venue: VenueId, now: Standing, results: &mut impl Results) {
        let row = cause.instrument.index() * self.venues;
        let here = row + venue.index();
        let before = std::mem::replace(&mut self.standing[here], now);
        let changed = (before.buys ^ now.buys) | (before.sells ^ now.sells);
        for other in venues_in(changed) {
            let (mark, there) = (bit(venue), row + other.index());
            let Standing { buys, sells } = &mut self.standing[there];
            *sells = with(*sells, mark, now.buys & bit(other) != 0);
            *buys = with(*buys, mark, now.sells & bit(other) != 0);
            let reason = self.reason(cause, venue, other);
            let mut end = |buy_venue, sell_venue| {
                results.ended(&cause.ended(buy_venue, sell_venue, reason));
            };
            if before.buys & !now.buys & bit(other) != 0 {
                end(venue, other);
            }
            if before.sells & !now.sells & bit(other) != 0 {
                end(other, venue);
            }
            for (stands, buy, sell) in [(now.buys, venue, other), (now.sells, other, venue)] {
                let withheld = &mut self.withheld[row + buy.index()];
                if stands & bit(other) != 0 && *withheld & bit(sell) != 0 {
                    *withheld &= !bit(sell);
                    results.believed(cause.instrument, buy, sell);
                }
            }
        }
    }

    /// Returns why the pairs of two venues can no longer be traded.
    fn reason(&self, cause: &Cause, venue: VenueId, other: VenueId) -> EndReason {
        let Masks { live, bids, asks } = self.masks[cause.instrument.index()];
        let both = bit(venue) | bit(other);
        let there = &self.legs[cause.instrument.index() * self.venues + other.index()];
        if live & bids & asks & both != both {
            EndReason::LegNotLive
        } else if there.fresh_until < cause.ts_recv {
            EndReason::LegOld
        } else {
            EndReason::Implausible
        }
    }
}

/// The input that ends spreads.
#[derive(Clone, Copy, Debug)]
struct Cause {
    ts_recv: Nanos,
    sequence: u64,
    instrument: InstrumentId,
}

impl Cause {
    fn ended(&self, buy_venue: VenueId, sell_venue: VenueId, reason: EndReason) -> Ended {
        let Cause { ts_recv, sequence, instrument } = *self;
        let flags = reason as u8;
        Ended { ts_recv, sequence, instrument, buy_venue, sell_venue, flags, ..Ended::default() }
    }
}

/// Returns the venues of a mask, in the order of their ids.
fn venues_in(mut mask: Venues) -> impl Iterator<Item = VenueId> {
    std::iter::from_fn(move || {
        let place = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(venue_of(place))
    })
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
