//! A venue as it truly is: what it holds for us, how it matches, and which trades it made.

use crate::market::{Market, venue_id};
use crate::terms::{
    ASSETS, FEE_ASSET, FEE_RATE, FEES, QUOTE, amount, asset_of, base_units, is_within, name,
    notional, steps,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_trading::order::{Answer, ClientId, Ended, Fill, Order, Reject, Side, VenueText};
use std::collections::HashMap;

#[derive(Debug)]
pub(crate) struct Venue {
    place: usize,
    /// Units of 10^-18.
    pub(crate) balances: [i128; ASSETS.len()],
    pub(crate) trades: Vec<Fill>,
    /// The end of each order that arrived, and its trades by their places.
    orders: HashMap<ClientId, (Answer, Vec<usize>)>,
}

impl Venue {
    /// Creates a venue that holds something: sometimes plenty, sometimes too little for most orders.
    pub(crate) fn new(place: usize, rng: &mut ChaCha8Rng) -> Venue {
        let one = 10_i128.pow(18);
        let plenty = [20 * one, 1_000 * one, 4_000 * one, one / 2];
        let is_poor = rng.random_bool(0.3);
        let balances =
            plenty.map(|most| if is_poor { rng.random_range(0..most / 4) } else { most });
        Venue { place, balances, trades: Vec::new(), orders: HashMap::new() }
    }

    /// Takes an order; returns the answers, in their order.
    pub(crate) fn arrive(
        &mut self,
        order: &Order,
        now: Nanos,
        market: &mut Market,
        rng: &mut ChaCha8Rng,
        (reject, overfill): (f64, f64),
    ) -> Vec<Answer> {
        let id = order.id;
        assert!(!self.orders.contains_key(&id), "{order:?} was sent twice");
        let refusal =
            self.refusal(order).or_else(|| rng.random_bool(reject).then_some(Reject::Other));
        if let Some(why) = refusal {
            let answer = Answer::Rejected { id, why, code: -1 };
            self.orders.insert(id, (answer, Vec::new()));
            return vec![answer];
        }
        let (instrument, first) = (order.instrument.index(), self.trades.len());
        let lot = steps(instrument, self.place).lot;
        let level = market.level(instrument, self.place, order.side);
        let can = if is_within(order.side, level.px, order.px) { level.left } else { 0 };
        let mut filled = order.sz.min(can) / lot * lot;
        level.left -= filled;
        if filled == order.sz && rng.random_bool(overfill) {
            filled += lot;
        }
        let px = level.px;
        let mut rest = filled;
        while 0 < rest {
            let part = if rng.random_bool(0.3) { (rest / lot / 2).max(1) * lot } else { rest };
            self.trade(Some(id), order.instrument, order.side, (px, part), now);
            rest -= part;
        }
        let how = if order.sz <= filled { Ended::Filled } else { Ended::Unfilled };
        let done = Answer::Done { id, how, filled };
        self.orders.insert(id, (done, (first..self.trades.len()).collect()));
        self.told(id)
    }

    fn refusal(&self, order: &Order) -> Option<Reject> {
        let Order { instrument, side, px, sz, .. } = *order;
        let step = steps(instrument.index(), self.place);
        let fits = px % step.tick == 0 && sz % step.lot == 0 && step.min_sz <= sz;
        assert!(fits && 0 < px && step.min_notional <= notional(px, sz), "{order:?}: {step:?}");
        let (asset, needed) = match side {
            Side::Buy => {
                let notional = notional(px, sz);
                (QUOTE, notional + notional * i128::from(FEES[self.place]) / 1_000_000)
            }
            Side::Sell => (instrument.index(), base_units(instrument.index(), sz)),
        };
        (self.balances[asset] < needed).then_some(Reject::Balance)
    }

    /// Makes a trade, for an order of ours or nobody's.
    pub(crate) fn trade(
        &mut self,
        order: Option<ClientId>,
        instrument: InstrumentId,
        side: Side,
        (px, sz): (i64, i64),
        ts: Nanos,
    ) -> Fill {
        let (base, value) = (instrument.index(), notional(px, sz));
        let (got, received) = match side {
            Side::Buy => (base_units(base, sz), base),
            Side::Sell => (value, QUOTE),
        };
        match side {
            Side::Buy => self.balances[QUOTE] -= value,
            Side::Sell => self.balances[base] -= base_units(base, sz),
        }
        self.balances[received] += got;
        let millionths = i128::from(FEES[self.place]);
        let of = |units: i128| (units * millionths + 999_999) / 1_000_000;
        let own = (of(value) * 1_000_000 + i128::from(FEE_RATE) - 1) / i128::from(FEE_RATE);
        let (fee, asset) = match self.place {
            0 => (of(value), QUOTE),
            2 if own <= self.balances[FEE_ASSET] => (own, FEE_ASSET),
            _ => (of(got), received),
        };
        self.balances[asset] -= fee;
        let fill = Fill {
            order,
            trade: VenueText::of_number(u64::try_from(self.trades.len()).unwrap() + 1),
            instrument,
            venue: venue_id(self.place),
            side,
            px,
            sz,
            fee: amount(fee),
            fee_asset: name(asset),
            ts,
        };
        assert_eq!(asset_of(fill.fee_asset), asset);
        self.trades.push(fill);
        fill
    }

    fn told(&self, id: ClientId) -> Vec<Answer> {
        let (end, trades) = &self.orders[&id];
        let fills = trades.iter().map(|place| Answer::Filled(self.trades[*place]));
        fills.chain([*end]).collect()
    }

    /// Says what became of an order.
    pub(crate) fn asked(&self, id: ClientId) -> Vec<Answer> {
        if self.orders.contains_key(&id) {
            return self.told(id);
        }
        vec![Answer::Done { id, how: Ended::NeverThere, filled: 0 }]
    }

    /// Says all trades and balances.
    pub(crate) fn reconciled(&self) -> Vec<Answer> {
        let venue = venue_id(self.place);
        let trades = self.trades.iter().map(|fill| Answer::Filled(*fill));
        let balances = self.balances.iter().enumerate().map(|(place, units)| Answer::Balance {
            venue,
            asset: name(place),
            total: amount(*units),
        });
        trades.chain(balances).chain([Answer::Reconciled { venue }]).collect()
    }
}
