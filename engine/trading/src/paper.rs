//! The gateway on paper: orders are filled by the books that were seen when they arrived.
//!
//! An order arrives one latency after it was sent. It meets the level that was the venue's best at that
//! moment: the last record that was received at or before it. Its answers come back one more latency
//! later. What is displayed is taken once, by whichever of our orders comes first, until the level
//! changes. If the level was not seen at that moment, what became of the order is unknown, as it would
//! be for a venue that cannot be reached: it is never a fill.

use crate::amount::{Amount, Rounding};
use crate::books::Books;
use crate::gateway::Mode;
use crate::latency::{Latencies, uniform};
use crate::order::{Answer, ClientId, Ended, Fill, Order, Reject, Side, VenueText};
use crate::settings::Settings;
use crate::terms::{AssetId, FeeAsset, Settlement, Terms};
use crate::timers::Timers;
use crate::view::View;
use spreadwire_market::clock::Nanos;
use std::collections::VecDeque;

/// Number of events of a venue that may wait before memory is allocated.
const WAITING: usize = 1 << 10;
/// Number of outcomes that can be asked for.
const OUTCOMES: usize = 1 << 10;

/// Something that reaches the venue, or comes back from it.
#[derive(Clone, Copy, Debug)]
enum Travel {
    Arrives(Order),
    Answers(Answer),
    Asked(ClientId),
}

/// What venues on paper are like.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperSettings {
    /// Latencies one way, by [`VenueId`](spreadwire_market::instrument::VenueId).
    pub latencies: Vec<Latencies>,
    /// Share of the orders that a venue refuses for no reason of ours.
    pub rejects: f64,
    /// Seed of those.
    pub seed: u64,
}

/// The gateway.
#[derive(Clone, Debug)]
pub struct Paper {
    settings: PaperSettings,
    /// The venues' own accounts.
    books: Books,
    /// A queue for each venue.
    travels: Timers<Travel>,
    trades: u64,
    /// Orders whose outcome is unknown to the trader.
    unseen: VecDeque<Order>,
}

impl Paper {
    /// Creates venues that hold what the trader's books say.
    #[must_use]
    pub fn new(settings: PaperSettings, books: Books) -> Paper {
        let travels = Timers::new(settings.latencies.len(), WAITING);
        Paper {
            settings,
            // A venue on paper reserves nothing: an order is over as soon as it arrives.
            books: books.without_reservations(),
            travels,
            trades: 0,
            unseen: VecDeque::with_capacity(OUTCOMES),
        }
    }

    /// Numbers trades from after `trades` on, which earlier runs had.
    #[must_use]
    pub fn after(self, trades: u64) -> Paper {
        Paper { trades, ..self }
    }

    /// Returns that nothing is real.
    #[must_use]
    pub fn mode(&self) -> Mode {
        Mode::Paper
    }

    /// Returns the venues' accounts.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Sends an order.
    pub fn place(&mut self, order: &Order) {
        let way = self.way(order, 0);
        let due = order.ts.saturating_add(way);
        self.travels.add(order.venue.index(), due, Travel::Arrives(*order));
    }

    /// Asks, at `ts`, what became of an order.
    pub fn ask(&mut self, order: &Order, ts: Nanos) {
        let way = self.way(order, 2);
        self.travels.add(order.venue.index(), ts.saturating_add(way), Travel::Asked(order.id));
    }

    /// Notes orders of an earlier run that never arrived.
    pub fn lose(&mut self, orders: &[Order]) {
        self.unseen.extend(orders.iter().copied().take(OUTCOMES));
    }

    /// Returns when something is due next, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        self.travels.next_due()
    }

    /// Does what is due next if that is before `ts`: returns its time, and the answer if it is one.
    /// `view` holds the levels as of that time.
    pub fn step(
        &mut self,
        ts: Nanos,
        settings: &Settings,
        view: &mut View,
    ) -> Option<(Nanos, Option<Answer>)> {
        let (due, travel) = self.travels.before(ts)?;
        let answer = match travel {
            Travel::Answers(answer) => Some(answer),
            Travel::Arrives(order) => {
                self.arrives(&order, due, settings, view);
                None
            }
            Travel::Asked(id) => {
                self.asked(id, due, settings, view);
                None
            }
        };
        Some((due, answer))
    }

    /// Ends everything that is under way: what becomes of it is not seen. Answers that were coming are
    /// returned, and orders that had not arrived are unknown.
    pub fn end(&mut self) -> Vec<Answer> {
        let travels = self.travels.take_all().into_iter();
        travels
            .filter_map(|(_, travel)| match travel {
                Travel::Answers(answer) => Some(answer),
                Travel::Arrives(order) => Some(Answer::Unknown { id: order.id }),
                Travel::Asked(_) => None,
            })
            .collect()
    }

    fn way(&self, order: &Order, salt: u64) -> Nanos {
        self.settings.latencies[order.venue.index()].of(order.id, salt)
    }

    fn answer(&mut self, order: &Order, due: Nanos, answer: Answer) {
        let way = self.way(order, 1);
        self.travels.add(order.venue.index(), due.saturating_add(way), Travel::Answers(answer));
    }

    fn arrives(&mut self, order: &Order, due: Nanos, settings: &Settings, view: &mut View) {
        let id = order.id;
        let Some(terms) = settings.terms(order.instrument, order.venue) else {
            return self.answer(order, due, Answer::Rejected { id, why: Reject::Filter, code: 0 });
        };
        if let Some(why) = self.refusal(order, terms, settings) {
            return self.answer(order, due, Answer::Rejected { id, why, code: 0 });
        }
        let max_age = settings.venues[order.venue.index()].max_age;
        let level = view.level_mut(order.instrument, order.venue, order.side);
        if !level.is_good || max_age < due.saturating_sub(level.ts) {
            if self.unseen.len() == OUTCOMES {
                self.unseen.pop_front();
            }
            self.unseen.push_back(*order);
            return self.answer(order, due, Answer::Unknown { id });
        }
        let sz = level.fills(order.side, order.px, order.sz) / terms.lot * terms.lot;
        let px = level.px;
        level.taken += sz;
        if 0 < sz {
            let fill = self.fill(order, terms, settings, (px, sz), due);
            self.answer(order, due, Answer::Filled(fill));
        }
        let how = if sz == order.sz { Ended::Filled } else { Ended::Unfilled };
        self.answer(order, due, Answer::Done { id, how, filled: sz });
    }

    fn refusal(&self, order: &Order, terms: &Terms, settings: &Settings) -> Option<Reject> {
        if uniform(self.settings.seed, order.id.0) < self.settings.rejects {
            return Some(Reject::Other);
        }
        if !terms.takes(order.px, order.sz) {
            return Some(Reject::Filter);
        }
        let Order { venue, side, px, sz, .. } = *order;
        let claim = self.books.claim(settings, terms, venue, side, px, sz)?;
        let is_short = self.books.account(venue, claim.asset).free() < claim.amount;
        is_short.then_some(Reject::Balance)
    }

    fn fill(
        &mut self,
        order: &Order,
        terms: &Terms,
        settings: &Settings,
        (px, sz): (i64, i64),
        ts: Nanos,
    ) -> Fill {
        self.trades += 1;
        let Order { instrument, venue, side, .. } = *order;
        let (fee, fee_asset) = self.fee(order, terms, settings, (px, sz));
        let fill = Fill {
            order: Some(order.id),
            trade: VenueText::of_number(self.trades),
            instrument,
            venue,
            side,
            px,
            sz,
            fee,
            fee_asset: settings.assets.name(fee_asset),
            ts,
        };
        // The value of the fee does not matter to the venue.
        let _valued = self.books.book(settings, terms, &fill);
        fill
    }

    /// Returns the fee of a trade, and the asset that the venue takes it in.
    fn fee(
        &self,
        order: &Order,
        terms: &Terms,
        settings: &Settings,
        (px, sz): (i64, i64),
    ) -> (Amount, AssetId) {
        let millionths = self.books.fee(settings, order.venue);
        let notional = terms.notional(px, sz, order.side);
        if let Some(own) =
            self.own_fee(order, terms, settings, notional.times(millionths, Rounding::Up))
        {
            return own;
        }
        match settings.venues[order.venue.index()].fee_asset {
            FeeAsset::Received | FeeAsset::Own(_)
                if order.side == Side::Buy && terms.settlement == Settlement::Spot =>
            {
                (terms.size(sz).times(millionths, Rounding::Up), terms.base)
            }
            FeeAsset::Received | FeeAsset::Own(_) | FeeAsset::Quote => {
                (notional.times(millionths, Rounding::Up), terms.quote)
            }
        }
    }

    /// Returns the fee in the venue's own asset, if it takes that, and enough of it is there.
    fn own_fee(
        &self,
        order: &Order,
        terms: &Terms,
        settings: &Settings,
        fee: Amount,
    ) -> Option<(Amount, AssetId)> {
        let FeeAsset::Own(asset) = settings.venues[order.venue.index()].fee_asset else {
            return None;
        };
        let rate = settings.rates[asset.index()].filter(|rate| 0 < *rate)?;
        let units = settings.value(fee, terms.quote, Rounding::Up)?.per(rate, Rounding::Up);
        let is_there = units <= self.books.account(order.venue, asset).free();
        is_there.then_some((units, asset))
    }

    /// Answers a question: a venue that is seen again has never had an order that was not seen to
    /// arrive.
    fn asked(&mut self, id: ClientId, due: Nanos, settings: &Settings, view: &View) {
        let Some(place) = self.unseen.iter().position(|order| order.id == id) else { return };
        let order = self.unseen[place];
        let level = view.level(order.instrument, order.venue, order.side);
        let max_age = settings.venues[order.venue.index()].max_age;
        if !level.is_good || max_age < due.saturating_sub(level.ts) {
            return self.answer(&order, due, Answer::Unknown { id });
        }
        self.unseen.remove(place);
        self.answer(&order, due, Answer::Done { id, how: Ended::NeverThere, filled: 0 });
    }
}
