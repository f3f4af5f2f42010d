//! The trader: takes records, answers and times; decides, and says which orders to send.
//!
//! One pure state machine for every use: the engine's decision agent, the `trader` tool, a replay and a
//! sweep. It reads no clock and does no I/O. What happened goes out as [`Entry`]s of the journal; those
//! alone change its [`Desk`], so that a restart reads them back to the same state.

use crate::amount::Amount;
use crate::deal::{Deal, HedgeOrder};
use crate::desk::{Desk, Working};
use crate::entry::{Decided, Entry, Event, Halt, Outcome, Settled, Stage};
use crate::kill::KillSwitch;
use crate::measures::Measures;
use crate::order::{Answer, Order, Purpose, Side};
use crate::rate::OrderRate;
use crate::reconcile::{Difference, Reconciliation};
use crate::settings::{Exit, Hedge, Settings};
use crate::sizing;
use crate::terms::{Terms, VenueTerms, common_lot};
use crate::view::{Level, View};
use crate::why::{Why, WhyNot};
use spreadwire_market::clock::{MILLI, Nanos};
use spreadwire_market::decision::{self, DecisionMaker, Refusal, Verdict};
use spreadwire_market::instrument::{Catalogue, VenueId};
use spreadwire_market::record::{Record, Spread};
use spreadwire_market::state::CloseReason;

/// Time between two attempts to hedge a residual, ns.
const RETRY: Nanos = MILLI;

/// What the trader says. Whoever drives it takes the entries to the journal first, then sends the orders.
#[derive(Clone, Debug, Default)]
pub struct Out {
    /// Opportunities that opened and closed.
    pub records: Vec<Record>,
    /// What happened, for the journal.
    pub entries: Vec<Entry>,
    /// Orders to send.
    pub orders: Vec<Order>,
    /// Orders whose outcome to ask for.
    pub asks: Vec<Order>,
}

impl Out {
    /// Creates one with room, so that what a record leads to needs no allocation.
    #[must_use]
    pub fn with_capacity(most: usize) -> Out {
        Out {
            records: Vec::with_capacity(most),
            entries: Vec::with_capacity(most),
            orders: Vec::with_capacity(most),
            asks: Vec::with_capacity(most),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.records.clear();
        self.entries.clear();
        self.orders.clear();
        self.asks.clear();
    }
}

/// The trader.
#[derive(Clone, Debug)]
pub struct Trader {
    desk: Desk,
    maker: DecisionMaker,
    view: View,
    kill: KillSwitch,
    why: WhyNot,
    /// Spreads at or above the entry threshold of their pair.
    above: u64,
    /// Of those, the ones that were acted on.
    acted: u64,
    /// The opportunity that was acted on last, by pair.
    acted_on: Vec<u64>,
    /// Time and net of the last spread, by pair.
    last: Vec<(Nanos, f64)>,
    /// Orders of the last second, by venue.
    rates: Vec<OrderRate>,
    /// What venues say of our accounts.
    reconciliation: Reconciliation,
    measures: Measures,
    now: Nanos,
    /// When a residual is looked at again.
    retry_at: Nanos,
    /// Whether the run is ending: nothing is sent any more.
    is_stopping: bool,
    /// Whether the journal is behind: nothing is sent until it is not.
    is_held: bool,
}

impl Trader {
    /// Creates a trader that begins with nothing. All memory is allocated here.
    ///
    /// # Panics
    /// If the thresholds or the settings are not of this catalogue.
    #[must_use]
    pub fn new(
        catalogue: &Catalogue,
        thresholds: decision::Settings,
        settings: Settings,
        kill: KillSwitch,
        first_order: u64,
    ) -> Trader {
        let (venues, instruments) = (catalogue.venues.len(), catalogue.instruments.len());
        assert_eq!(settings.venues.len(), venues, "terms for each venue");
        assert_eq!(
            settings.terms.len(),
            instruments * venues,
            "terms for each instrument and venue"
        );
        assert_eq!(settings.sizes.len(), instruments * venues * venues, "a size for each pair");
        assert_eq!(settings.exits.len(), settings.sizes.len(), "an exit for each pair");
        let rate = |terms: &VenueTerms| OrderRate::new(terms.orders_per_second);
        Trader {
            maker: DecisionMaker::new(catalogue, thresholds),
            view: View::new(catalogue),
            kill,
            why: WhyNot::default(),
            above: 0,
            acted: 0,
            acted_on: vec![0; settings.sizes.len()],
            last: vec![(0, 0.0); settings.sizes.len()],
            rates: settings.venues.iter().map(rate).collect(),
            reconciliation: Reconciliation::new(&settings),
            measures: Measures::new(venues),
            now: 0,
            retry_at: Nanos::MAX,
            is_stopping: false,
            is_held: false,
            desk: Desk::new(settings, first_order),
        }
    }

    /// Makes spreads open nothing that were received more than `max_age` ns before the time last given to
    /// [`at`](Trader::at).
    #[must_use]
    pub fn acting_within(self, max_age: Nanos) -> Trader {
        Trader { maker: self.maker.acting_within(max_age), ..self }
    }

    /// Goes by what the books say until a venue was asked: for venues on paper, which hold nothing else.
    #[must_use]
    pub fn trusting(mut self) -> Trader {
        self.reconciliation.trust();
        self
    }

    /// Applies an entry of an earlier run's journal.
    pub fn restore(&mut self, entry: &Entry) {
        self.desk.apply(entry);
        self.now = self.now.max(entry.ts);
        if let Event::Placed(order) = entry.event {
            self.rates[order.venue.index()].note(entry.ts);
        }
    }

    /// Ends the restoring: what became of orders that were in flight is unknown until it was asked for. The
    /// time is `now` from here on, also if the clock of the earlier run was ahead.
    pub fn restored(&mut self, now: Nanos, out: &mut Out) {
        self.now = now;
        self.rates.iter_mut().for_each(|rate| rate.not_after(now));
        let ids: Vec<_> = self.desk.orders().iter().map(|working| working.order.id).collect();
        for id in ids {
            self.note(Event::Answered(Answer::Unknown { id }), out);
        }
        for working in self.desk.orders() {
            out.asks.push(working.order);
        }
        let hedging = self.desk.deals().iter().filter(|deal| deal.stage == Stage::Hedging);
        let ids: Vec<_> = hedging.map(|deal| deal.decided.deal).collect();
        for deal in ids {
            // Nothing could be hedged while nobody was there: its time begins again.
            self.note(Event::Stage { deal, stage: Stage::Hedging }, out);
        }
        self.advance(out);
    }

    /// Returns the state.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Returns the levels that were seen last.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// As [`view`](Trader::view), for the gateway on paper, which notes what it takes of a level, with the
    /// settings that it goes by.
    pub fn market(&mut self) -> (&Settings, &mut View) {
        (&self.desk.settings, &mut self.view)
    }

    /// Returns why spreads above their thresholds were not acted on.
    #[must_use]
    pub fn why_not(&self) -> &WhyNot {
        &self.why
    }

    /// Returns how many spreads were at or above their thresholds, and how many of them were acted on. The
    /// rest is in [`why_not`](Trader::why_not).
    #[must_use]
    pub fn above_and_acted(&self) -> (u64, u64) {
        (self.above, self.acted)
    }

    /// Returns the opportunities.
    #[must_use]
    pub fn maker(&self) -> &DecisionMaker {
        &self.maker
    }

    /// As [`maker`](Trader::maker), to let rules expire.
    pub fn maker_mut(&mut self) -> &mut DecisionMaker {
        &mut self.maker
    }

    /// Returns the kill switch.
    #[must_use]
    pub fn kill(&self) -> &KillSwitch {
        &self.kill
    }

    /// Returns the time of what was processed last, ns since 1970 UTC.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Takes the time now, ns since 1970 UTC, against which the age of spreads is measured.
    #[inline]
    pub fn at(&mut self, now: Nanos) {
        self.maker.at(now);
    }

    /// Reports that all available records were processed.
    #[inline]
    pub fn caught_up(&mut self) {
        self.maker.caught_up();
    }

    /// Goes by other thresholds, sizes and limits from now on. The venues, assets and terms stay.
    pub fn retune(&mut self, thresholds: decision::Settings, settings: Settings) {
        self.maker.retune(thresholds);
        self.rates.iter_mut().zip(&settings.venues).for_each(|(rate, terms)| {
            rate.set_most(terms.orders_per_second);
        });
        self.desk.retune(settings);
    }

    /// Processes the next record.
    #[inline]
    pub fn on_record(&mut self, record: &Record, out: &mut Out) {
        if let Some(spread) = record.get::<Spread>() {
            self.now = self.now.max(spread.ts_recv);
            self.on_spread(spread, out);
            return;
        }
        self.now = self.now.max(record.ts_recv());
        self.view.on_record(record);
        self.maker.on_record(record, &mut out.records);
    }

    #[inline]
    fn on_spread(&mut self, spread: &Spread, out: &mut Out) {
        self.view.on_spread(spread);
        self.judge(spread, out);
        self.converge(spread, out);
    }

    #[inline]
    fn judge(&mut self, spread: &Spread, out: &mut Out) {
        let verdict = self.maker.judge(spread, &mut out.records);
        let acted = match verdict {
            Verdict::Below | Verdict::Closed(_) | Verdict::Open { is_above: false, .. } => return,
            Verdict::Opened(id) => {
                self.measures.opened(id, spread, &self.desk.settings.latencies);
                self.consider(spread, id, spread.ts_recv, out)
            }
            Verdict::Open { id, ts_open, .. } => self.consider(spread, id, ts_open, out),
            Verdict::Refused(refusal) => Err(why(refusal)),
        };
        self.above += 1;
        match acted {
            Ok(()) => self.acted += 1,
            Err(why) => self.why.count(why),
        }
    }

    /// Acts on an opportunity, unless there is a reason not to.
    #[inline(never)]
    fn consider(
        &mut self,
        spread: &Spread,
        opportunity: u64,
        ts_open: Nanos,
        out: &mut Out,
    ) -> Result<(), Why> {
        let pair = self.pair(spread);
        if self.acted_on[pair] == opportunity {
            return Err(Why::ActedOn);
        }
        self.allowed(spread, ts_open)?;
        self.affordable(out)?;
        let rates = [spread.buy_venue, spread.sell_venue];
        if !rates.iter().all(|venue| self.rates[venue.index()].has_room(self.now)) {
            return Err(Why::OrderRate);
        }
        let sz = sizing::size(&self.desk, &self.view, spread)?;
        self.acted_on[pair] = opportunity;
        self.open(spread, opportunity, sz, out);
        Ok(())
    }

    /// Checks everything that needs no sum.
    fn allowed(&self, spread: &Spread, ts_open: Nanos) -> Result<(), Why> {
        let Settings { min_lifetime, limits, hedging, .. } = &self.desk.settings;
        let Spread { instrument, buy_venue, sell_venue, ts_recv, net, .. } = *spread;
        let is_of_pair = |deal: &Deal| {
            deal.decided.instrument == instrument
                && (deal.decided.buy_venue, deal.decided.sell_venue) == (buy_venue, sell_venue)
                && deal.stage != Stage::Kept
        };
        let is_hedging =
            |deal: &Deal| deal.decided.instrument == instrument && deal.stage == Stage::Hedging;
        let deals = self.desk.deals();
        let venues = [buy_venue, sell_venue];
        let is_kept = || hedging.policy != Hedge::Hold && 0 < self.desk.kept(instrument);
        match () {
            () if ts_recv.saturating_sub(ts_open) < *min_lifetime => Err(Why::Young),
            () if limits.max_net < net => Err(Why::Implausible),
            () if self.is_held => Err(Why::JournalBehind),
            () if !self.may_send() => Err(Why::Killed),
            () if self.is_apart() || !self.reconciliation.is_done(venues) => {
                Err(Why::NotReconciled)
            }
            () if !self.reconciliation.is_up(&venues) => Err(Why::GatewayDown),
            () if self.desk.is_halted(Halt::Failures) => Err(Why::Failures),
            // The halt may not have reached the disk before a crash.
            () if limits.failures <= self.desk.failures() => Err(Why::Failures),
            () if self.desk.is_halted(Halt::Drawdown) => Err(Why::Drawdown),
            () if is_kept() || deals.iter().any(is_hedging) => Err(Why::Residual),
            () if deals.iter().any(is_of_pair) => Err(Why::DealOpen),
            () if limits.open_deals <= deals.len() => Err(Why::OpenDeals),
            () => Ok(()),
        }
    }

    /// Returns whether the books are not those of a venue, as far as is known.
    fn is_apart(&self) -> bool {
        let apart = [Halt::Balance, Halt::ForeignTrade, Halt::Overfilled, Halt::UnknownFee];
        apart.into_iter().any(|halt| self.desk.is_halted(halt))
    }

    /// Checks the losses.
    fn affordable(&mut self, out: &mut Out) -> Result<(), Why> {
        let open = self.marked();
        let limits = &self.desk.settings.limits;
        if limits.loss_per_day <= -(self.desk.profit_of_day(self.now) + open) {
            return Err(Why::LossPerDay);
        }
        if limits.drawdown <= self.desk.peak() - (self.desk.profit() + open) {
            self.note(Event::Halted(Halt::Drawdown), out);
            return Err(Why::Drawdown);
        }
        Ok(())
    }

    /// Returns the profit of the deals that are not over as the market is now, in the currency of the
    /// books. A position whose level was never seen counts at its decided price.
    #[must_use]
    pub fn marked(&self) -> Amount {
        self.desk.deals().iter().filter_map(|deal| self.marked_deal(deal)).sum()
    }

    fn marked_deal(&self, deal: &Deal) -> Option<Amount> {
        let marks = deal.legs.map(|leg| {
            // A long position is worth the bid, a short one costs the ask.
            let side = if 0 <= leg.position { Side::Sell } else { Side::Buy };
            let level = self.view.level(deal.decided.instrument, leg.venue, side);
            if level.px == 0 { leg.px } else { level.px }
        });
        self.desk.profit_of(deal, marks)
    }

    fn open(&mut self, spread: &Spread, opportunity: u64, sz: i64, out: &mut Out) {
        let Spread { instrument, buy_venue, sell_venue, net, .. } = *spread;
        let settings = &self.desk.settings;
        let on_tick = |venue, px, side| {
            settings.terms(instrument, venue).map_or(px, |terms| terms.on_tick(px, side))
        };
        let decided = Decided {
            deal: self.desk.next_deal(),
            opportunity,
            instrument,
            buy_venue,
            sell_venue,
            buy_px: on_tick(buy_venue, spread.buy_px, Side::Buy),
            sell_px: on_tick(sell_venue, spread.sell_px, Side::Sell),
            sz,
            net,
            age: self.now.saturating_sub(spread.ts_recv),
        };
        self.note(Event::Decided(decided), out);
        let Decided { deal, buy_px, sell_px, .. } = decided;
        for (venue, side, px) in [(buy_venue, Side::Buy, buy_px), (sell_venue, Side::Sell, sell_px)]
        {
            let order = self.order(deal, Purpose::Entry, (venue, side), (px, sz), spread);
            self.send(order, out);
        }
        self.advance(out);
    }

    /// Builds the next order of a deal in the instrument of a spread.
    fn order(
        &self,
        deal: u64,
        purpose: Purpose,
        (venue, side): (VenueId, Side),
        (px, sz): (i64, i64),
        spread: &Spread,
    ) -> Order {
        let (id, instrument, ts) = (self.desk.next_order(), spread.instrument, self.now);
        Order { id, deal, purpose, instrument, venue, side, px, sz, ts }
    }

    /// Sends an order, unless the kill switch is on. This is the only place from which orders leave.
    fn send(&mut self, order: Order, out: &mut Out) -> bool {
        if !self.may_send() {
            return false;
        }
        self.rates[order.venue.index()].note(self.now);
        let level = self.view.level_mut(order.instrument, order.venue, order.side);
        level.claimed = level.claimed.saturating_add(order.sz);
        self.note(Event::Placed(order), out);
        out.orders.push(order);
        true
    }

    /// Returns whether orders may leave: the kill switch is off, the journal is not behind, and the run is
    /// not ending.
    fn may_send(&self) -> bool {
        !self.is_stopping
            && !self.is_held
            && !self.kill.is_on()
            && !self.desk.is_halted(Halt::Killed)
    }

    /// Applies an event and writes it to the journal.
    fn note(&mut self, event: Event, out: &mut Out) {
        let ts = self.now;
        let entry = Entry { ts, event };
        let before = self.desk.halt_bits();
        self.desk.apply(&entry);
        out.entries.push(entry);
        if before != self.desk.halt_bits() && !matches!(event, Event::Halted(_)) {
            // Told for whoever reads; the state has them already.
            let is_new = |halt: &Halt| before & (1 << halt.code()) == 0;
            let halts = self.desk.halts().filter(is_new);
            out.entries.extend(halts.map(|halt| Entry { ts, event: Event::Halted(halt) }));
        }
    }

    /// Takes an answer of a gateway, heard at `ts`.
    pub fn on_answer(&mut self, answer: &Answer, ts: Nanos, out: &mut Out) {
        self.now = self.now.max(ts);
        match *answer {
            Answer::Balance { venue, asset, total } => {
                self.reconciliation.balance(venue, asset, total, &self.desk.settings);
                return;
            }
            Answer::Reconciled { venue } => return self.reconciled(venue, out),
            Answer::Connection { venue, is_up } => return self.connected(venue, is_up, out),
            Answer::Filled(fill) => {
                let doubled = self.desk.tally.doubled;
                self.note(Event::Answered(*answer), out);
                if doubled == self.desk.tally.doubled {
                    self.measures.filled(&fill, self.now);
                    self.reconciliation.traded(fill.venue);
                }
            }
            Answer::Acked { .. }
            | Answer::Done { .. }
            | Answer::Rejected { .. }
            | Answer::Unknown { .. } => self.note(Event::Answered(*answer), out),
        }
        self.advance(out);
    }

    /// Notes whether a venue can be reached. If it can be again, orders of unknown outcome are asked for.
    fn connected(&mut self, venue: VenueId, is_up: bool, out: &mut Out) {
        self.reconciliation.connection(venue, is_up);
        if is_up {
            let is_asked = |working: &&Working| working.is_unknown && working.order.venue == venue;
            let unknown = self.desk.orders().iter().filter(is_asked);
            out.asks.extend(unknown.map(|working| working.order));
        }
    }

    /// Compares the books with what a venue said.
    fn reconciled(&mut self, venue: VenueId, out: &mut Out) {
        let is_quiet = self.desk.orders().iter().all(|working| working.order.venue != venue);
        let found = self.reconciliation.conclude(venue, is_quiet, &self.desk);
        for event in found {
            self.note(event, out);
        }
    }

    /// Returns the venues that wait to be asked for their balances and trades.
    pub fn to_reconcile(&self) -> impl Iterator<Item = VenueId> + '_ {
        self.reconciliation.waiting()
    }

    /// Returns where the books and a venue differ: venue, asset, balance in the books, balance there.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        self.reconciliation.differences(&self.desk)
    }

    /// Returns when something is due next, ns since 1970 UTC.
    #[must_use]
    #[inline]
    pub fn next_due(&self) -> Nanos {
        let asks = self.desk.orders().iter().map(|working| working.ask_at);
        let asks = asks.min().unwrap_or(Nanos::MAX);
        self.retry_at.min(self.measures.next_due()).min(asks)
    }

    /// Does what is due at or before `now`, ns since 1970 UTC.
    pub fn on_time(&mut self, now: Nanos, out: &mut Out) {
        self.now = self.now.max(now);
        let until = now.saturating_add(1);
        while let Some(entry) = self.measures.look(until, &self.desk.settings, &self.view) {
            self.desk.apply(&entry);
            out.entries.push(entry);
        }
        let is_due = |working: &&Working| working.ask_at <= now;
        while let Some(order) = self.desk.orders().iter().find(is_due).map(|it| it.order) {
            // Afterwards it is due later.
            self.note(Event::Answered(Answer::Unknown { id: order.id }), out);
            out.asks.push(order);
        }
        if self.retry_at <= now {
            self.advance(out);
        }
    }

    /// Takes the deals on that have no order in flight.
    fn advance(&mut self, out: &mut Out) {
        self.retry_at = Nanos::MAX;
        let mut place = 0;
        while let Some(deal) = self.desk.deals().get(place) {
            let is_settled = !deal.is_in_flight() && {
                let deal = *deal;
                self.advance_deal(&deal, out)
            };
            place += usize::from(!is_settled);
        }
    }

    /// Takes a deal on; returns whether it is over.
    fn advance_deal(&mut self, deal: &Deal, out: &mut Out) -> bool {
        let id = deal.decided.deal;
        let stage = |stage| Event::Stage { deal: id, stage };
        let is_even = deal.residual() == 0;
        match deal.stage {
            Stage::Holding if is_even => return false,
            Stage::Kept if !is_even => return false,
            // A late fill can change either, and ends the wait.
            Stage::Holding | Stage::Kept => {}
            Stage::Entering | Stage::Hedging | Stage::Exiting => {}
        }
        if is_even {
            let Decided { instrument, buy_venue, sell_venue, .. } = deal.decided;
            let exit = self.desk.settings.exit_of(instrument, [buy_venue, sell_venue]);
            if exit == Exit::Convergence && deal.legs[0].position != 0 {
                self.note(stage(Stage::Holding), out);
                return false;
            }
            self.settle(deal, deal.legs.map(|leg| leg.px), out);
            return true;
        }
        let hedging = self.desk.settings.hedging;
        if hedging.policy == Hedge::Hold {
            self.note(stage(Stage::Kept), out);
        } else if deal.stage != Stage::Hedging {
            self.note(stage(Stage::Hedging), out);
            let deal = Deal { stage: Stage::Hedging, since: self.now, ..*deal };
            self.hedge(&deal, out);
        } else if hedging.time_to_live <= self.now.saturating_sub(deal.since) {
            self.note(stage(Stage::Kept), out);
        } else {
            self.hedge(deal, out);
        }
        false
    }

    /// Sends a hedge where the book allows it, or looks again later.
    fn hedge(&mut self, deal: &Deal, out: &mut Out) {
        let Some((order, venue)) = self.hedge_of(deal) else {
            self.retry_at = self.retry_at.min(self.now.saturating_add(RETRY));
            return;
        };
        let instrument = deal.decided.instrument;
        let spread = Spread { instrument, ..Spread::default() };
        let HedgeOrder { side, sz, px, .. } = order;
        let order = self.order(deal.decided.deal, Purpose::Hedge, (venue, side), (px, sz), &spread);
        if !self.send(order, out) {
            self.retry_at = self.retry_at.min(self.now.saturating_add(RETRY));
        }
    }

    /// Returns a hedge that a book that was seen would fill, at least in part.
    fn hedge_of(&self, deal: &Deal) -> Option<(HedgeOrder, VenueId)> {
        let settings = &self.desk.settings;
        let instrument = deal.decided.instrument;
        let legs = deal.hedge_legs(settings.hedging.policy)?;
        legs.into_iter().find_map(|leg| {
            let venue = deal.legs[leg].venue;
            let terms = settings.terms(instrument, venue)?;
            let order = deal.hedge_at(leg, terms, settings.hedging.band)?;
            let HedgeOrder { side, sz, px, .. } = order;
            let level = self.view.level(instrument, venue, side);
            let may = self.is_seen(venue, level)
                && side.is_met(px, level.px)
                && 0 < level.unclaimed()
                && self.is_open(venue)
                && self.is_affordable(terms, venue, side, (px, sz));
            may.then_some((order, venue))
        })
    }

    /// Returns whether a level holds and is young enough to rely on.
    fn is_seen(&self, venue: VenueId, level: &Level) -> bool {
        let max_age = self.desk.settings.venues[venue.index()].max_age;
        level.is_good && self.now.saturating_sub(level.ts) <= max_age
    }

    /// Returns whether a venue can be reached, and takes one more order now.
    fn is_open(&self, venue: VenueId) -> bool {
        self.reconciliation.is_up(&[venue]) && self.rates[venue.index()].has_room(self.now)
    }

    /// Returns whether the account of a venue holds what an order may take.
    fn is_affordable(
        &self,
        terms: &Terms,
        venue: VenueId,
        side: Side,
        (px, sz): (i64, i64),
    ) -> bool {
        let books = &self.desk.books;
        let claim = books.claim(&self.desk.settings, terms, venue, side, px, sz);
        claim.is_none_or(|claim| claim.amount <= books.account(venue, claim.asset).free())
    }

    /// Ends a deal; a residual is valued at `marks`, mantissas by leg.
    fn settle(&mut self, deal: &Deal, marks: [i64; 2], out: &mut Out) {
        let profit = self.desk.profit_settled(deal, marks).unwrap_or_default();
        let residual = deal.residual();
        let outcome = match () {
            () if residual != 0 => Outcome::Kept,
            () if deal.traded == 0 => Outcome::Missed,
            () if deal.hedged => Outcome::Hedged,
            () => Outcome::Done,
        };
        let settled = Settled {
            deal: deal.decided.deal,
            outcome,
            failed: deal.failed,
            profit,
            fees: deal.fees,
            sz: deal.traded,
            residual,
        };
        self.note(Event::Settled(settled), out);
        let limit = self.desk.settings.limits.failures;
        if limit <= self.desk.failures() && !self.desk.is_halted(Halt::Failures) {
            self.note(Event::Halted(Halt::Failures), out);
        }
    }

    /// Closes the legs that a pair holds, once its spread has converged.
    ///
    /// A quote says two spreads, one after the other. Closing takes the other sides of both books than
    /// opening did, and the spread of the other direction is what tells them. So whichever of the two comes
    /// last decides; before it, a side would be that of an earlier quote.
    #[inline]
    fn converge(&mut self, spread: &Spread, out: &mut Out) {
        let Spread { instrument, buy_venue, sell_venue, ts_recv, net, .. } = *spread;
        let pair = self.desk.settings.pair(instrument, buy_venue, sell_venue);
        let back = self.desk.settings.pair(instrument, sell_venue, buy_venue);
        self.last[pair] = (ts_recv, net);
        if self.desk.holding(pair) | self.desk.holding(back) == 0 || self.last[back].0 != ts_recv {
            return;
        }
        let other = Spread {
            buy_venue: sell_venue,
            sell_venue: buy_venue,
            net: self.last[back].1,
            ..*spread
        };
        for (pair, spread) in [(pair, spread), (back, &other)] {
            if self.desk.holding(pair) != 0 && self.maker.is_below_exit(spread) {
                self.exit(spread, out);
            }
        }
    }

    #[inline(never)]
    fn exit(&mut self, spread: &Spread, out: &mut Out) {
        let Spread { instrument, buy_venue, sell_venue, .. } = *spread;
        let is_held = |deal: &&Deal| {
            let decided = &deal.decided;
            deal.stage == Stage::Holding
                && !deal.is_in_flight()
                && decided.instrument == instrument
                && (decided.buy_venue, decided.sell_venue) == (buy_venue, sell_venue)
        };
        let Some(deal) = self.desk.deals().iter().find(is_held).copied() else { return };
        // Hedges can have left the legs the other way round.
        let ways =
            deal.legs.map(|leg| (leg.venue, if 0 < leg.position { Side::Sell } else { Side::Buy }));
        let Some(legs) = self.exit_legs(&deal, ways) else { return };
        self.note(Event::Stage { deal: deal.decided.deal, stage: Stage::Exiting }, out);
        for ((venue, side), (px, sz)) in ways.into_iter().zip(legs) {
            let order =
                self.order(deal.decided.deal, Purpose::Exit, (venue, side), (px, sz), spread);
            self.send(order, out);
        }
        self.advance(out);
    }

    /// Returns prices and sizes of the orders that close a deal as far as both books allow; `None` if one
    /// of them does not.
    fn exit_legs(&self, deal: &Deal, ways: [(VenueId, Side); 2]) -> Option<[(i64, i64); 2]> {
        let instrument = deal.decided.instrument;
        let settings = &self.desk.settings;
        if !self.may_send() {
            return None;
        }
        let levels = ways.map(|(venue, side)| *self.view.level(instrument, venue, side));
        let mut sz = deal.legs[0].position.abs();
        let mut terms = [None; 2];
        for (place, (venue, _)) in ways.into_iter().enumerate() {
            let level = levels[place];
            if !self.is_seen(venue, &level) || !self.is_open(venue) {
                return None;
            }
            sz = sz.min(level.unclaimed());
            terms[place] = settings.terms(instrument, venue);
        }
        let [Some(one), Some(other)] = terms else { return None };
        let lot = common_lot(one.lot, other.lot)?;
        sz = sz / lot * lot;
        let px = [one.on_tick(levels[0].px, ways[0].1), other.on_tick(levels[1].px, ways[1].1)];
        let may = |place: usize, terms: &Terms| {
            let (venue, side) = ways[place];
            terms.takes(px[place], sz) && self.is_affordable(terms, venue, side, (px[place], sz))
        };
        (may(0, one) && may(1, other)).then_some(px.map(|px| (px, sz)))
    }

    #[inline]
    fn pair(&self, spread: &Spread) -> usize {
        self.desk.settings.pair(spread.instrument, spread.buy_venue, spread.sell_venue)
    }

    /// Stops everything that opens until a person resumes, at `ts`.
    pub fn halt(&mut self, ts: Nanos, out: &mut Out) {
        self.now = self.now.max(ts);
        if !self.desk.is_halted(Halt::Killed) {
            self.note(Event::Halted(Halt::Killed), out);
        }
    }

    /// Ends all halts, at `ts`: a person has looked. Returns whether it did: while the books are not those
    /// of a venue, only [`adopt`](Trader::adopt) does.
    pub fn resume(&mut self, ts: Nanos, out: &mut Out) -> bool {
        self.now = self.now.max(ts);
        if self.is_apart() {
            return false;
        }
        self.note(Event::Resumed, out);
        true
    }

    /// Adopts what the venues say of balances, and ends the deals whose residual was kept, at the prices
    /// seen last: a person has looked. At `ts`.
    pub fn adopt(&mut self, ts: Nanos, out: &mut Out) {
        self.now = self.now.max(ts);
        for difference in self.differences() {
            let Difference { venue, asset, there, .. } = difference;
            self.note(Event::Adopted { venue, asset, amount: there }, out);
        }
        self.reconciliation.adopted();
        let is_kept = |deal: &&Deal| deal.stage == Stage::Kept && !deal.is_in_flight();
        let kept = self.desk.deals().iter().filter(is_kept);
        let kept: Vec<Deal> = kept.copied().collect();
        for deal in kept {
            let marks = deal.legs.map(|leg| {
                let side = if 0 <= deal.residual() { Side::Sell } else { Side::Buy };
                let level = self.view.level(deal.decided.instrument, leg.venue, side);
                if level.px == 0 { leg.px } else { level.px }
            });
            self.settle(&deal, marks, out);
        }
        self.note(Event::Resumed, out);
    }

    /// Sends nothing while `on`: the journal is behind.
    #[inline]
    pub fn hold(&mut self, on: bool) {
        self.is_held = on;
    }

    /// Sends nothing any more: the run is ending. A residual stays for the next one.
    pub fn stop_sending(&mut self) {
        self.is_stopping = true;
    }

    /// Ends the run at `ts`: opportunities close, and what was to be looked at later is not seen.
    pub fn stop(&mut self, ts: Nanos, out: &mut Out) {
        self.now = self.now.max(ts);
        self.maker.close_all(CloseReason::Stopped, ts, &mut out.records);
        let before = out.entries.len();
        self.measures.end(self.now, &mut out.entries);
        for entry in &out.entries[before..] {
            self.desk.apply(entry);
        }
    }
}

fn why(refusal: Refusal) -> Why {
    match refusal {
        Refusal::NotInStep => Why::NotInStep,
        Refusal::Expired => Why::Expired,
        Refusal::Cooldown => Why::Cooldown,
        Refusal::TooOld => Why::TooOld,
    }
}
