//! The state of the trader: deals, orders, books, limits used. It changes by [`Desk::apply`] alone, so
//! that applying the entries of a journal again gives the same desk.

use crate::amount::{Amount, Rounding};
use crate::books::{Books, Claim};
use crate::deal::Deal;
use crate::entry::{Decided, Entry, Event, Halt, Outcome, Settled, Stage};
use crate::order::{Answer, ClientId, Ended, Fill, Order, Side};
use crate::settings::{Exit, Settings};
use crate::tally::Tally;
use crate::terms::AssetId;
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
    recent: VecDeque<(Order, Decided)>,
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
            Event::Placed(order) => self.placed(order, entry.ts),
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

    fn placed(&mut self, order: Order, ts: Nanos) {
        self.next_order = self.next_order.max(order.id.0 + 1);
        let Order { instrument, venue, side, px, sz, .. } = order;
        let claim = self
            .settings
            .terms(instrument, venue)
            .and_then(|terms| self.books.claim(&self.settings, terms, venue, side, px, sz));
        if let Some(claim) = claim {
            self.books.account_mut(venue, claim.asset).reserved += claim.amount;
        }
        let ask_at = ts.saturating_add(self.settings.answer_timeout);
        let working =
            Working { order, filled: 0, ended: None, is_unknown: false, ask_at, asked: 0, claim };
        self.orders.push(working);
        if let Some(place) = self.deal_at(order.deal) {
            let deal = &mut self.deals[place];
            if let Some(leg) = deal.leg_of(venue) {
                deal.legs[leg].in_flight = Some(order.id);
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
            Answer::Filled(fill) => self.filled(&fill),
            Answer::Done { id, how, filled } => self.done(id, how, filled),
            Answer::Rejected { id, .. } => self.rejected(id),
            Answer::Unknown { id } => self.unknown(id, ts),
            Answer::Balance { .. } | Answer::Reconciled { .. } | Answer::Connection { .. } => {}
        }
    }

    fn filled(&mut self, fill: &Fill) {
        if !self.trades.note(fill.venue, fill.instrument, fill.trade) {
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
        let Some(order) = fill.order.and_then(|id| self.reopened(id)) else {
            // Nothing of ours asked for it.
            self.halts |= bit(Halt::ForeignTrade);
            return;
        };
        let notional = terms.notional(fill.px, fill.sz, fill.side);
        if let Some(deal) = self.deals.iter_mut().find(|deal| deal.decided.deal == order.deal)
            && let Some(leg) = deal.leg_of(fill.venue)
        {
            deal.on_trade(leg, fill.side, fill.sz, notional);
            deal.fees += fee.unwrap_or_default();
        }
        if let Some(working) = self.working_mut(order.id) {
            working.filled += fill.sz;
            if working.order.sz < working.filled {
                self.halts |= bit(Halt::Overfilled);
            }
        }
        self.conclude(order.id);
        if let Some(place) = self.deal_at(order.deal) {
            self.weigh(place);
        }
    }

    /// Returns an order that is not over, or was over a moment ago: its deal, if that is over too, is open
    /// again, because a trade has come late.
    fn reopened(&mut self, id: ClientId) -> Option<Order> {
        if let Some(working) = self.working_mut(id) {
            return Some(working.order);
        }
        let (order, decided) = *self.recent.iter().find(|(order, _)| order.id == id)?;
        self.tally.late += 1;
        if self.deal_at(order.deal).is_none() {
            let mut deal = Deal::new(decided, order.ts);
            (deal.stage, deal.failed) = (Stage::Hedging, true);
            self.deals.push(deal);
        }
        Some(order)
    }

    fn done(&mut self, id: ClientId, how: Ended, filled: i64) {
        let Some(working) = self.working_mut(id) else { return };
        // The first word counts: a second one may say less, and then the fills decide.
        let known = working.ended.get_or_insert(filled);
        *known = (*known).max(filled);
        let (is_missing, deal) = (how == Ended::NeverThere, working.order.deal);
        if is_missing {
            self.fail(deal);
        }
        self.conclude(id);
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
        // Asked again after 1, 2, 4 ... 64 times the timeout.
        let wait = timeout.saturating_mul(1 << working.asked.min(6));
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
        let is_full = working.order.sz <= working.filled;
        let is_over = working.ended.map_or(is_full, |ended| ended <= working.filled);
        if !is_over {
            return;
        }
        self.orders.swap_remove(place);
        if let Some(claim) = working.claim {
            self.books.account_mut(working.order.venue, claim.asset).reserved -= claim.amount;
        }
        let Some(place) = self.deal_at(working.order.deal) else { return };
        let deal = &mut self.deals[place];
        for leg in deal.legs.iter_mut().filter(|leg| leg.in_flight == Some(id)) {
            leg.in_flight = None;
        }
        let decided = deal.decided;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((working.order, decided));
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
        if stage == Stage::Hedging {
            (deal.failed, deal.hedged) = (true, true);
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
        let sz = deal.at_risk(self.settings.exit);
        let Decided { instrument, buy_venue, buy_px, .. } = deal.decided;
        let exposure = self.settings.terms(instrument, buy_venue).map_or(Amount::ZERO, |terms| {
            self.value_at(terms.notional(buy_px, sz, Side::Buy), terms.quote)
        });
        self.expose(&deal, exposure - deal.exposure);
        self.deals[place].exposure = exposure;
    }

    /// Returns an amount of quote currency in the currency of the books, rounded up.
    #[must_use]
    pub fn value_at(&self, amount: Amount, quote: AssetId) -> Amount {
        self.settings.value(amount, quote, Rounding::Up).unwrap_or(Amount::MAX)
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
    /// in the currency of the books. `None` without terms.
    #[must_use]
    pub fn profit_of(&self, deal: &Deal, marks: [i64; 2]) -> Option<Amount> {
        let Decided { instrument, buy_venue, sell_venue, .. } = deal.decided;
        let terms = [buy_venue, sell_venue].map(|venue| self.settings.terms(instrument, venue));
        let [Some(buy), Some(sell)] = terms else { return None };
        let worth = deal.worth(marks, [buy, sell]);
        Some(self.settings.value(worth, buy.quote, Rounding::Down)? - deal.fees)
    }

    /// Goes by other settings from now on. The assets, venues and terms must be those of before.
    pub fn retune(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Returns what the legs are held for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.settings.exit
    }
}

fn bit(halt: Halt) -> u32 {
    1 << halt.code()
}
