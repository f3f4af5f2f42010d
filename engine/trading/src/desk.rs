//! The state of the trader: deals, orders, books, limits used. It changes by [`Desk::apply`] alone, so
//! that applying the entries of a journal again gives the same desk.

use crate::amount::{Amount, Rounding};
use crate::books::{Books, Claim};
use crate::deal::Deal;
use crate::entry::{Decided, Entry, Event, Halt, Outcome, Settled, Stage};
use crate::order::{Answer, ClientId, Ended, Fill, Order, Purpose, Side};
use crate::settings::Settings;
use crate::tally::Tally;
use crate::trades::Trades;
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::InstrumentId;
use std::collections::VecDeque;

/// Nanoseconds of a day.
const DAY: Nanos = 86_400_000_000_000;
/// Number of orders that are over and still known, for what is said of them late.
const RECENT: usize = 1 << 10;
/// Number of trades that are known, for what is told twice.
const TRADES: usize = 1 << 13;

/// An order that is over, with what was decided of its deal and the size that was filled.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Past {
    order: Order,
    decided: Decided,
    filled: i64,
}

/// An order that is not over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Working {
    /// The order.
    pub order: Order,
    /// Size filled so far, mantissa.
    pub filled: i64,
    /// Size filled in all, as the venue said when the order ended, mantissa.
    pub ended: Option<i64>,
    /// Whether its outcome is unknown.
    pub is_unknown: bool,
    /// Time at which it is asked for, ns since 1970 UTC.
    pub ask_at: Nanos,
    /// How often it was asked for.
    pub asked: u32,
    /// What it may take.
    claim: Option<Claim>,
}

/// What deals have open, in the currency of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// By [`InstrumentId`].
    pub instruments: Vec<Amount>,
    /// By [`VenueId`](spreadwire_market::instrument::VenueId).
    pub venues: Vec<Amount>,
    /// In all.
    pub total: Amount,
}

/// The state.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What it goes by.
    pub settings: Settings,
    /// What is held.
    pub books: Books,
    /// What deals have open.
    pub exposure: Exposure,
    /// Counts and sums of what happened.
    pub tally: Tally,
    deals: Vec<Deal>,
    orders: Vec<Working>,
    recent: VecDeque<Past>,
    trades: Trades,
    /// Which halts hold, a bit each by code.
    halts: u32,
    next_deal: u64,
    next_order: u64,
    /// Number of deals of each instrument whose residual is kept.
    kept: Vec<u32>,
    /// Number of deals of each pair that hold both legs.
    holding: Vec<u32>,
    day: u64,
    day_profit: Amount,
    profit: Amount,
    peak: Amount,
    failures: u32,
}

impl Desk {
    /// Creates a desk whose first order has the number `first_order`. All memory is allocated here.
    #[must_use]
    pub fn new(settings: Settings, first_order: u64) -> Desk {
        let venues = settings.venues.len();
        let instruments = settings.terms.len() / venues.max(1);
        let books = Books::new(&settings);
        let exposure = Exposure {
            instruments: vec![Amount::ZERO; instruments],
            venues: vec![Amount::ZERO; venues],
            total: Amount::ZERO,
        };
        let open = settings.limits.open_deals + 1;
        Desk {
            books,
            exposure,
            tally: Tally::default(),
            deals: Vec::with_capacity(open),
            orders: Vec::with_capacity(2 * open),
            recent: VecDeque::with_capacity(RECENT),
            trades: Trades::new(TRADES),
            halts: 0,
            next_deal: 1,
            next_order: first_order,
            kept: vec![0; instruments],
            holding: vec![0; settings.sizes.len()],
            day: 0,
            day_profit: Amount::ZERO,
            profit: Amount::ZERO,
            peak: Amount::ZERO,
            failures: 0,
            settings,
        }
    }

    /// Returns the deals that are not over.
    #[must_use]
    pub fn deals(&self) -> &[Deal] {
        &self.deals
    }

    /// Returns the orders that are not over.
    #[must_use]
    pub fn orders(&self) -> &[Working] {
        &self.orders
    }

    /// Returns the number of the next deal.
    #[must_use]
    pub fn next_deal(&self) -> u64 {
        self.next_deal
    }

    /// Returns the number of the next order.
    #[must_use]
    pub fn next_order(&self) -> ClientId {
        ClientId(self.next_order)
    }

    /// Returns whether a halt holds.
    #[must_use]
    pub fn is_halted(&self, halt: Halt) -> bool {
        self.halts & bit(halt) != 0
    }

    /// Returns the halts that hold, a bit each by code.
    #[must_use]
    pub(crate) fn halt_bits(&self) -> u32 {
        self.halts
    }

    /// Returns the halts that hold.
    pub fn halts(&self) -> impl Iterator<Item = Halt> + '_ {
        Halt::ALL.into_iter().filter(|halt| self.is_halted(*halt))
    }

    /// Returns how many deals of an instrument keep a residual.
    #[must_use]
    pub fn kept(&self, instrument: InstrumentId) -> u32 {
        self.kept[instrument.index()]
    }

    /// Returns how many deals of a pair (see [`Settings::pair`]) hold both legs.
    #[must_use]
    #[inline]
    pub fn holding(&self, pair: usize) -> u32 {
        self.holding[pair]
    }

    /// Returns the profit of the deals that are over, after fees, in the currency of the books.
    #[must_use]
    pub fn profit(&self) -> Amount {
        self.profit
    }

    /// Returns the highest profit so far.
    #[must_use]
    pub fn peak(&self) -> Amount {
        self.peak
    }

    /// Returns the profit of the day, UTC, of `now`.
    #[must_use]
    pub fn profit_of_day(&self, now: Nanos) -> Amount {
        if now / DAY == self.day { self.day_profit } else { Amount::ZERO }
    }

    /// Returns how many deals in a row have failed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Applies the next entry.
    pub fn apply(&mut self, entry: &Entry) {
        match entry.event {
            Event::Funded { venue, asset, amount } => {
                if let Some(asset) = self.settings.assets.find(asset) {
                    self.books.account_mut(venue, asset).funded += amount;
                }
            }
            Event::Decided(decided) => self.decided(decided, entry.ts),
            Event::Placed(order) => self.placed(&order, entry.ts),
            Event::Answered(answer) => self.answered(&answer, entry.ts),
            Event::Stage { deal, stage } => self.stage(deal, stage, entry.ts),
            Event::Settled(settled) => self.settled(&settled, entry.ts),
            Event::Halted(halt) => self.halts |= bit(halt),
            Event::Resumed => self.resumed(entry.ts),
            Event::Adopted { venue, asset, amount } => {
                if let Some(asset) = self.settings.assets.find(asset) {
                    let account = self.books.account_mut(venue, asset);
                    account.adopted += amount - account.balance();
                }
            }
            Event::Capturable(_) | Event::Markout(_) => {}
        }
        self.tally.count(entry);
    }

    fn decided(&mut self, decided: Decided, ts: Nanos) {
        self.next_deal = self.next_deal.max(decided.deal + 1);
        self.deals.push(Deal::new(decided, ts));
    }

    fn placed(&mut self, order: &Order, ts: Nanos) {
        self.next_order = self.next_order.max(order.id.0 + 1);
        let Order { instrument, venue, side, px, sz, .. } = *order;
        let claim = self
            .settings
            .terms(instrument, venue)
            .and_then(|terms| self.books.claim(&self.settings, terms, venue, side, px, sz));
        if let Some(claim) = claim {
            self.books.account_mut(venue, claim.asset).reserved += claim.amount;
        }
        self.work(Working {
            order: *order,
            filled: 0,
            ended: None,
            is_unknown: false,
            ask_at: ts.saturating_add(self.settings.answer_timeout),
            asked: 0,
            claim,
        });
    }

    /// Takes an order for one that is not over.
    fn work(&mut self, working: Working) {
        self.orders.push(working);
        if let Some(place) = self.deal_at(working.order.deal) {
            let deal = &mut self.deals[place];
            deal.in_flight += 1;
            deal.hedged |= working.order.purpose == Purpose::Hedge;
            if let (Purpose::Exit, Some(leg)) =
                (working.order.purpose, deal.leg_of(working.order.venue))
            {
                // A residual of the exit is hedged near where the exit was decided.
                deal.legs[leg].px = working.order.px;
            }
            self.weigh(place);
        }
    }

    fn answered(&mut self, answer: &Answer, ts: Nanos) {
        match *answer {
            Answer::Acked { id, .. } => {
                let ask_at = ts.saturating_add(self.settings.answer_timeout);
                if let Some(working) = self.working_mut(id) {
                    working.ask_at = ask_at;
                }
            }
            Answer::Filled(fill) => self.filled(&fill, ts),
            Answer::Done { id, how, filled } => self.done(id, how, filled, ts),
            Answer::Rejected { id, .. } => self.rejected(id),
            Answer::Unknown { id } => self.unknown(id, ts),
            Answer::Balance { .. } | Answer::Reconciled { .. } | Answer::Connection { .. } => {}
        }
    }

    fn filled(&mut self, fill: &Fill, ts: Nanos) {
        if fill.px <= 0 || fill.sz <= 0 {
            // No trade that could be booked: the venue's balances decide.
            self.halts |= bit(Halt::ForeignTrade);
            return;
        }
        if !self.trades.note(fill.venue, fill.instrument, fill.trade, fill.ts) {
            self.tally.doubled += 1;
            return;
        }
        let Some(terms) = self.settings.terms(fill.instrument, fill.venue).copied() else {
            self.halts |= bit(Halt::ForeignTrade);
            return;
        };
        let fee = self.books.book(&self.settings, &terms, fill);
        if fee.is_none() {
            self.halts |= bit(Halt::UnknownFee);
        }
        let Some(order) = fill.order.and_then(|id| self.filled_order(id, fill, ts)) else {
            // Nothing of ours asked for it.
            self.halts |= bit(Halt::ForeignTrade);
            return;
        };
        let notional = terms.notional(fill.px, fill.sz, fill.side);
        if let Some(place) = self.deal_at(order.deal) {
            let deal = &mut self.deals[place];
            if let Some(leg) = deal.leg_of(fill.venue) {
                deal.on_trade(leg, fill.side, fill.sz, notional);
                deal.fees += fee.unwrap_or_default();
            }
            self.weigh(place);
        }
        self.conclude(order.id);
    }

    /// Adds a fill to its order, which is returned. The order may be over: its deal, if that is over too,
    /// is open again. `None` if no order of ours, as it was placed, can have this fill.
    fn filled_order(&mut self, id: ClientId, fill: &Fill, ts: Nanos) -> Option<Order> {
        let fits = |order: &Order| {
            (order.instrument, order.venue, order.side) == (fill.instrument, fill.venue, fill.side)
        };
        if let Some(working) = self.working_mut(id).filter(|working| fits(&working.order)) {
            working.filled = working.filled.saturating_add(fill.sz);
            let Working { order, filled, .. } = *working;
            self.overfilled(&order, filled);
            return Some(order);
        }
        let is_past = |past: &&mut Past| past.order.id == id && fits(&past.order);
        let past = self.recent.iter_mut().find(is_past)?;
        past.filled = past.filled.saturating_add(fill.sz);
        let past = *past;
        self.tally.late += 1;
        self.overfilled(&past.order, past.filled);
        self.reopen(&past, ts);
        Some(past.order)
    }

    fn overfilled(&mut self, order: &Order, filled: i64) {
        if order.sz < filled {
            self.halts |= bit(Halt::Overfilled);
        }
    }

    /// Opens the deal of an order again, if it is over: more was filled than was known.
    fn reopen(&mut self, past: &Past, ts: Nanos) {
        if self.deal_at(past.order.deal).is_none() {
            let deal = Deal::new(past.decided, ts);
            self.deals.push(Deal { stage: Stage::Hedging, failed: true, ..deal });
        }
    }

    fn done(&mut self, id: ClientId, how: Ended, filled: i64, ts: Nanos) {
        self.revived(id, filled, ts);
        let Some(working) = self.working_mut(id) else { return };
        // Of two words the larger one counts, so that no fill is missed; of those that were asked for, the
        // last one, so that no fill is waited for that never was.
        let before = working.ended.filter(|_| working.asked == 0).unwrap_or_default();
        working.ended = Some(filled.max(before).min(working.order.sz));
        let order = working.order;
        self.overfilled(&order, filled);
        if how == Ended::NeverThere {
            self.fail(order.deal);
        }
        self.conclude(id);
    }

    /// Takes an order that was over for one that is not, if more of it was filled than was told: the rest
    /// is waited and asked for.
    fn revived(&mut self, id: ClientId, filled: i64, ts: Nanos) {
        if self.working_mut(id).is_some() {
            // As nearly always: it is not among the many that are over.
            return;
        }
        let is_more = |past: &Past| past.order.id == id && past.filled < filled.min(past.order.sz);
        let Some(place) = self.recent.iter().position(is_more) else { return };
        let Some(past) = self.recent.remove(place) else { return };
        self.reopen(&past, ts);
        self.fail(past.order.deal);
        self.work(Working {
            order: past.order,
            filled: past.filled,
            ended: None,
            is_unknown: false,
            ask_at: ts.saturating_add(self.settings.answer_timeout),
            asked: 0,
            claim: None,
        });
    }

    fn rejected(&mut self, id: ClientId) {
        let Some(working) = self.working_mut(id) else { return };
        working.ended = Some(working.ended.unwrap_or(0));
        let deal = working.order.deal;
        self.fail(deal);
        self.conclude(id);
    }

    fn unknown(&mut self, id: ClientId, ts: Nanos) {
        let timeout = self.settings.answer_timeout;
        let Some(working) = self.working_mut(id) else { return };
        if working.is_unknown && ts < working.ask_at {
            // Known to be unknown, and asked for in any case.
            return;
        }
        // Asked again after 1, 2, 4 ... 64 times the timeout.
        let wait = timeout.saturating_mul(1 << working.asked.min(6)).max(1);
        working.is_unknown = true;
        working.asked += 1;
        working.ask_at = ts.saturating_add(wait);
        let deal = working.order.deal;
        self.fail(deal);
    }

    fn fail(&mut self, deal: u64) {
        if let Some(place) = self.deal_at(deal) {
            self.deals[place].failed = true;
        }
    }

    /// Ends an order once the venue has said how much of it was filled, and all of that was told.
    fn conclude(&mut self, id: ClientId) {
        let Some(place) = self.orders.iter().position(|working| working.order.id == id) else {
            return;
        };
        let working = self.orders[place];
        let Working { order, filled, claim, .. } = working;
        let is_full = order.sz <= filled;
        let is_over = working.ended.map_or(is_full, |ended| ended <= filled);
        if !is_over {
            return;
        }
        self.orders.swap_remove(place);
        if let Some(claim) = claim {
            self.books.account_mut(order.venue, claim.asset).reserved -= claim.amount;
        }
        let Some(place) = self.deal_at(order.deal) else { return };
        let deal = &mut self.deals[place];
        deal.in_flight -= 1;
        let decided = deal.decided;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Past { order, decided, filled });
        self.weigh(place);
    }

    fn stage(&mut self, deal: u64, stage: Stage, ts: Nanos) {
        let Some(place) = self.deal_at(deal) else { return };
        let deal = &mut self.deals[place];
        let pair = self.settings.pair(
            deal.decided.instrument,
            deal.decided.buy_venue,
            deal.decided.sell_venue,
        );
        let instrument = deal.decided.instrument.index();
        self.holding[pair] -= u32::from(deal.stage == Stage::Holding);
        self.kept[instrument] -= u32::from(deal.stage == Stage::Kept);
        match stage {
            Stage::Hedging => deal.failed = true,
            Stage::Exiting => deal.is_exit = true,
            Stage::Holding => deal.is_exit = false,
            Stage::Entering | Stage::Kept => {}
        }
        (deal.stage, deal.since) = (stage, ts);
        self.holding[pair] += u32::from(stage == Stage::Holding);
        self.kept[instrument] += u32::from(stage == Stage::Kept);
        self.weigh(place);
    }

    fn settled(&mut self, settled: &Settled, ts: Nanos) {
        let Some(place) = self.deal_at(settled.deal) else { return };
        self.stage(settled.deal, Stage::Entering, ts);
        let deal = self.deals.remove(place);
        self.expose(&deal, -deal.exposure);
        if self.day != ts / DAY {
            (self.day, self.day_profit) = (ts / DAY, Amount::ZERO);
        }
        self.day_profit += settled.profit;
        self.profit += settled.profit;
        self.peak = self.peak.max(self.profit);
        if settled.failed {
            self.failures += 1;
        } else if settled.outcome == Outcome::Done {
            self.failures = 0;
        }
    }

    fn resumed(&mut self, ts: Nanos) {
        self.halts = 0;
        self.failures = 0;
        self.peak = self.profit;
        (self.day, self.day_profit) = (ts / DAY, Amount::ZERO);
    }

    /// Computes anew what a deal counts against the limits.
    fn weigh(&mut self, place: usize) {
        let deal = self.deals[place];
        let Decided { instrument, buy_venue, sell_venue, buy_px, .. } = deal.decided;
        let sz = deal.at_risk(self.settings.exit_of(instrument, [buy_venue, sell_venue]));
        let value = self.settings.terms(instrument, buy_venue).and_then(|terms| {
            let notional = terms.notional(buy_px, sz, Side::Buy);
            self.settings.value(notional, terms.quote, Rounding::Up)
        });
        // Without a rate nothing opens; what is open keeps the value that it had.
        let exposure = value.unwrap_or(deal.exposure);
        self.expose(&deal, exposure - deal.exposure);
        self.deals[place].exposure = exposure;
    }

    fn expose(&mut self, deal: &Deal, change: Amount) {
        let Decided { instrument, buy_venue, sell_venue, .. } = deal.decided;
        self.exposure.instruments[instrument.index()] += change;
        self.exposure.venues[buy_venue.index()] += change;
        self.exposure.venues[sell_venue.index()] += change;
        self.exposure.total += change;
    }

    fn deal_at(&self, id: u64) -> Option<usize> {
        self.deals.iter().position(|deal| deal.decided.deal == id)
    }

    fn working_mut(&mut self, id: ClientId) -> Option<&mut Working> {
        self.orders.iter_mut().find(|working| working.order.id == id)
    }

    /// Returns the profit of a deal as it stands, its positions at `marks` (mantissas by leg), after fees,
    /// in the currency of the books. `None` without terms, or without a rate.
    #[must_use]
    pub fn profit_of(&self, deal: &Deal, marks: [i64; 2]) -> Option<Amount> {
        self.profit_with(deal, marks, deal.legs.map(|leg| leg.position))
    }

    /// Returns the profit of a deal that is over, as [`profit_of`](Desk::profit_of): positions that cancel
    /// out are worth nothing, so only the residual is valued, where it is.
    #[must_use]
    pub fn profit_settled(&self, deal: &Deal, marks: [i64; 2]) -> Option<Amount> {
        let mut positions = [0, 0];
        positions[deal.larger_leg()] = deal.residual();
        self.profit_with(deal, marks, positions)
    }

    fn profit_with(&self, deal: &Deal, marks: [i64; 2], positions: [i64; 2]) -> Option<Amount> {
        let mut profit = -deal.fees;
        for ((leg, mark), position) in deal.legs.iter().zip(marks).zip(positions) {
            let terms = self.settings.terms(deal.decided.instrument, leg.venue)?;
            let worth = leg.worth(position, mark, terms);
            profit += self.settings.value(worth, terms.quote, Rounding::Down)?;
        }
        Some(profit)
    }

    /// Goes by other settings from now on. The assets, venues and terms must be those of before.
    pub fn retune(&mut self, settings: Settings) {
        self.settings = settings;
        // What is at risk depends on what becomes of the legs, and its value on rates.
        (0..self.deals.len()).for_each(|place| self.weigh(place));
    }
}

fn bit(halt: Halt) -> u32 {
    1 << halt.code()
}
