//! What must hold, computed from the records and the entries of the journal alone.

use crate::market;
use crate::terms::{
    ASSETS, FEE_ASSET, FEE_RATE, FEES, INSTRUMENTS, QUOTE, VENUES, asset_of, base_units, is_within,
    notional,
};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::decision;
use spreadwire_market::record::{Kind, Record, Spread};
use spreadwire_trading::desk::Desk;
use spreadwire_trading::entry::{Decided, Entry, Event, Halt, Outcome, Settled, Stage};
use spreadwire_trading::order::{Answer, ClientId, Fill, Order, Purpose, Side, VenueText};
use spreadwire_trading::settings::{Exit, Settings};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Error that rounding may make in the sum of a deal, units of 10^-18.
const ROUNDING: i128 = 100;

#[derive(Clone, Copy, Debug)]
struct Life {
    order: Order,
    filled: i64,
    /// The most that was said to be filled in all, or the last that was said after it was asked for.
    said: Option<i64>,
    was_asked: bool,
}

impl Life {
    fn is_over(&self) -> bool {
        self.said.map_or(self.order.sz <= self.filled, |said| said <= self.filled)
    }
}

#[derive(Clone, Debug)]
struct Deal {
    decided: Decided,
    positions: [i64; 2],
    /// Units of 10^-18 of quote currency.
    flow: i128,
    fees: i128,
    stage: Stage,
    /// Whether a fill came late since its last hedge was sent.
    is_late: bool,
    orders: Vec<ClientId>,
}

impl Deal {
    fn residual(&self) -> i64 {
        self.positions[0] + self.positions[1]
    }

    fn begun(decided: Decided, stage: Stage, orders: Vec<ClientId>) -> Deal {
        let (positions, flow, fees) = ([0, 0], 0, 0);
        Deal { decided, positions, flow, fees, stage, is_late: false, orders }
    }
}

/// What the records say of one side of a book, and what was sent for of it.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    px: i64,
    sz: i64,
    claimed: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    pub(crate) settings: Settings,
    pub(crate) thresholds: decision::Settings,
    /// The spread that is being processed, if one is.
    pub(crate) spread: Option<Spread>,
    pub(crate) is_in_step: bool,
    pub(crate) is_up: [bool; VENUES],
    /// Whether a person is adopting what the venues hold.
    pub(crate) is_adopting: bool,
    is_checking: bool,
    shown: [[[Shown; 2]; VENUES]; INSTRUMENTS],
    balances: [[i128; ASSETS.len()]; VENUES],
    lives: HashMap<ClientId, Life>,
    /// Orders that are not over, or were not.
    working: Vec<ClientId>,
    deals: BTreeMap<u64, Deal>,
    /// Numbers of the deals that are open.
    open: BTreeSet<u64>,
    /// Opportunities that this trader acted on.
    acted_on: HashSet<u64>,
    trades: HashSet<(u8, u32, VenueText)>,
    pub(crate) is_apart: bool,
    is_killed: bool,
    failures: u32,
    profit: i128,
    peak: i128,
    day: (Nanos, i128),
    pub(crate) settled: u64,
    pub(crate) late: u64,
}

impl Oracle {
    pub(crate) fn new(settings: Settings, thresholds: decision::Settings) -> Oracle {
        Oracle {
            settings,
            thresholds,
            spread: None,
            is_in_step: true,
            is_up: [false; VENUES],
            is_adopting: false,
            is_checking: true,
            shown: Default::default(),
            balances: Default::default(),
            lives: HashMap::new(),
            working: Vec::new(),
            deals: BTreeMap::new(),
            open: BTreeSet::new(),
            acted_on: HashSet::new(),
            trades: HashSet::new(),
            is_apart: false,
            is_killed: false,
            failures: 0,
            profit: 0,
            peak: 0,
            day: (0, 0),
            settled: 0,
            late: 0,
        }
    }

    /// Knows what is on disk and nothing else, as a trader that starts again.
    pub(crate) fn restarted(&self, disk: &[Entry]) -> Oracle {
        let mut oracle = Oracle::new(self.settings.clone(), self.thresholds.clone());
        oracle.is_checking = false;
        disk.iter().for_each(|entry| oracle.on_entry(entry));
        oracle.is_checking = true;
        oracle
    }

    pub(crate) fn on_record(&mut self, record: &Record) {
        self.spread = record.get::<Spread>().copied();
        if record.kind() == Some(Kind::Gap) {
            self.is_in_step = false;
        }
        let Some(Spread { instrument, buy_venue, sell_venue, .. }) = self.spread else { return };
        let spread = self.spread.unwrap();
        for (venue, side, px, sz) in [
            (buy_venue, Side::Buy, spread.buy_px, spread.buy_sz),
            (sell_venue, Side::Sell, spread.sell_px, spread.sell_sz),
        ] {
            let shown = &mut self.shown[instrument.index()][venue.index()][place(side)];
            if (shown.px, shown.sz) != (px, sz) {
                *shown = Shown { px, sz, claimed: 0 };
            }
        }
    }

    pub(crate) fn on_entry(&mut self, entry: &Entry) {
        match entry.event {
            Event::Funded { venue, asset, amount } => {
                self.balances[venue.index()][asset_of(asset)] += amount.units();
            }
            Event::Adopted { venue, asset, amount } => {
                self.balances[venue.index()][asset_of(asset)] = amount.units();
            }
            Event::Decided(decided) => self.decided(decided, entry.ts),
            Event::Placed(order) => self.placed(&order),
            Event::Answered(answer) => self.answered(&answer),
            Event::Stage { deal, stage } => self.deals.get_mut(&deal).unwrap().stage = stage,
            Event::Settled(settled) => self.settled(&settled, entry.ts),
            Event::Halted(halt) => match halt {
                Halt::Killed => self.is_killed = true,
                Halt::Failures | Halt::Drawdown => {}
                Halt::Balance | Halt::ForeignTrade | Halt::Overfilled | Halt::UnknownFee => {
                    self.is_apart = true;
                }
            },
            Event::Resumed => self.resumed(entry.ts),
            Event::Capturable(_) | Event::Markout(_) => {}
        }
    }

    fn resumed(&mut self, ts: Nanos) {
        assert!(!self.is_checking || !self.is_apart || self.is_adopting, "resumed, not adopted");
        (self.is_apart, self.is_killed, self.failures) = (false, false, 0);
        self.peak = self.profit;
        self.day = (ts / (86_400 * SECOND), 0);
    }

    fn decided(&mut self, decided: Decided, ts: Nanos) {
        if self.is_checking {
            self.may_decide(&decided, ts);
            assert!(self.acted_on.insert(decided.opportunity), "acted on before: {decided:?}");
        }
        let deal = Deal::begun(decided, Stage::Entering, Vec::new());
        self.open.insert(decided.deal);
        assert!(self.deals.insert(decided.deal, deal).is_none(), "a deal twice: {decided:?}");
    }

    fn may_decide(&self, decided: &Decided, ts: Nanos) {
        let Decided { instrument, buy_venue, sell_venue, buy_px, sell_px, sz, .. } = *decided;
        let spread = self.spread.expect("only a spread is acted on");
        assert_eq!(
            (instrument, buy_venue, sell_venue),
            (spread.instrument, spread.buy_venue, spread.sell_venue)
        );
        assert!(self.is_in_step && !self.is_apart && !self.is_killed, "{decided:?}");
        assert!(self.is_up[buy_venue.index()] && self.is_up[sell_venue.index()]);
        // Never the dear side.
        assert!(buy_px <= spread.buy_px && spread.sell_px <= sell_px);
        let net = market::net(buy_px, sell_px, buy_venue.index(), sell_venue.index());
        assert!(self.thresholds.entry - 1e-12 <= net, "{net} for {decided:?}");
        assert!(decided.net <= self.settings.limits.max_net);
        for (venue, side) in [(buy_venue, Side::Buy), (sell_venue, Side::Sell)] {
            let shown = self.shown[instrument.index()][venue.index()][place(side)];
            assert!(sz <= shown.sz - shown.claimed, "{shown:?} for {decided:?}");
        }
        self.may_expose(decided);
        let limits = &self.settings.limits;
        assert!(self.failures < limits.failures, "{} failures", self.failures);
        if self.open().next().is_none() {
            let day = if self.day.0 == ts / (86_400 * SECOND) { self.day.1 } else { 0 };
            assert!(-day < limits.loss_per_day.units(), "the day lost {day}");
            assert!(self.peak - self.profit < limits.drawdown.units());
        }
    }

    fn may_expose(&self, decided: &Decided) {
        let Decided { instrument, buy_venue, sell_venue, buy_px, sz, .. } = *decided;
        let Settings { limits, sizes, .. } = &self.settings;
        let own = notional(buy_px, sz);
        assert!(own <= limits.order.units());
        let pair = (instrument.index() * VENUES + buy_venue.index()) * VENUES + sell_venue.index();
        assert!(sizes[pair].is_none_or(|most| own <= most.units()));
        let (instruments, venues, total) = self.exposure();
        assert!(instruments[instrument.index()] + own <= limits.instrument.units());
        for venue in [buy_venue, sell_venue] {
            assert!(venues[venue.index()] + own <= limits.venue.units());
        }
        assert!(total + own <= limits.total.units());
        assert!(self.open().count() < limits.open_deals);
        let is_same = |deal: &&Deal| {
            let of = |it: &Decided| (it.instrument, it.buy_venue, it.sell_venue);
            of(&deal.decided) == of(decided) && deal.stage != Stage::Kept
        };
        assert_eq!(self.open().find(is_same).map(|deal| deal.decided), None, "{decided:?}");
        let is_hedging =
            |deal: &Deal| deal.stage == Stage::Hedging && deal.decided.instrument == instrument;
        assert!(!self.open().any(is_hedging), "a residual is being hedged: {decided:?}");
    }

    fn open(&self) -> impl Iterator<Item = &Deal> {
        self.open.iter().map(|id| &self.deals[id])
    }

    fn exposure(&self) -> ([i128; INSTRUMENTS], [i128; VENUES], i128) {
        let (mut instruments, mut venues, mut total) = ([0; INSTRUMENTS], [0; VENUES], 0);
        for deal in self.open() {
            let Decided { instrument, buy_venue, sell_venue, buy_px, sz, .. } = deal.decided;
            let is_in_flight = deal.orders.iter().any(|id| !self.lives[id].is_over());
            let exit = self.settings.exit_of(instrument, [buy_venue, sell_venue]);
            let at_risk = match exit {
                _ if deal.stage == Stage::Entering && is_in_flight => sz,
                Exit::Inventory => deal.residual().abs(),
                Exit::Convergence => deal.positions[0].abs().max(deal.positions[1].abs()),
            };
            let value = notional(buy_px, at_risk);
            instruments[instrument.index()] += value;
            venues[buy_venue.index()] += value;
            venues[sell_venue.index()] += value;
            total += value;
        }
        (instruments, venues, total)
    }

    fn placed(&mut self, order: &Order) {
        let life = Life { order: *order, filled: 0, said: None, was_asked: false };
        assert!(self.lives.insert(order.id, life).is_none(), "an id twice: {order:?}");
        self.working.push(order.id);
        if self.is_checking {
            assert!(!self.is_killed);
            self.may_place(order);
        }
        let deal = self.deals.get_mut(&order.deal).unwrap();
        assert!(self.open.contains(&order.deal), "{order:?} of a deal that is over");
        deal.orders.push(order.id);
        deal.is_late = false;
        let shown =
            &mut self.shown[order.instrument.index()][order.venue.index()][place(order.side)];
        shown.claimed += order.sz;
        if self.is_checking {
            self.is_covered(order);
        }
    }

    fn may_place(&self, order: &Order) {
        let deal = &self.deals[&order.deal];
        let leg = usize::from(order.venue == deal.decided.sell_venue);
        let entry = [(deal.decided.buy_px, Side::Buy), (deal.decided.sell_px, Side::Sell)][leg];
        let shown = self.shown[order.instrument.index()][order.venue.index()][place(order.side)];
        match order.purpose {
            Purpose::Entry => {
                assert_eq!((order.px, order.side, order.sz), (entry.0, entry.1, deal.decided.sz));
            }
            Purpose::Exit => {
                let position = deal.positions[leg];
                assert!(order.side.sign() * position.signum() == -1 && order.sz <= position.abs());
                assert!(order.sz <= shown.sz - shown.claimed, "{order:?} for {shown:?}");
            }
            Purpose::Hedge => {
                let residual = deal.residual();
                assert!(order.side.sign() * residual.signum() == -1, "{order:?}: {deal:?}");
                assert!(order.sz <= residual.abs(), "{order:?}: {deal:?}");
                assert!(deal.orders.iter().all(|id| self.lives[id].is_over()), "{order:?}");
                let band = self.settings.hedging.band;
                // A residual is hedged near a price that was decided on: that of the entry, or of an exit.
                let sent = deal.orders.iter().map(|id| self.lives[id].order);
                let exits =
                    sent.filter(|it| it.purpose == Purpose::Exit && it.venue == order.venue);
                let decided: Vec<i64> = exits.map(|it| it.px).chain([entry.0]).collect();
                let is_near =
                    |px: &i64| is_within(order.side, order.px, worst(*px, order.side, band));
                assert!(decided.iter().any(is_near), "{order:?} is near none of {decided:?}");
                assert!(0 < shown.sz - shown.claimed, "{order:?} for {shown:?}");
            }
        }
    }

    /// Checks that all orders in flight of an account could be paid.
    fn is_covered(&mut self, order: &Order) {
        let lives = &self.lives;
        self.working.retain(|id| !lives[id].is_over());
        let (venue, asset) = (order.venue.index(), taken(order).0);
        let working = self.working.iter().map(|id| self.lives[id].order);
        let same = working.filter(|it| it.venue == order.venue && taken(it).0 == asset);
        let needed: i128 = same.map(|it| taken(&it).1).sum();
        let held = self.balances[venue][asset];
        // A revived order of before is no more reserved for, and rarely needs anything.
        let is_only = self.working.iter().all(|id| self.lives[id].filled == 0);
        assert!(!is_only || self.late != 0 || needed <= held, "{needed} of {held}: {order:?}");
    }

    fn answered(&mut self, answer: &Answer) {
        match *answer {
            Answer::Filled(fill) => self.filled(&fill),
            Answer::Done { id, filled, .. } => self.said(id, filled),
            Answer::Rejected { id, .. } => {
                if let Some(life) = self.lives.get_mut(&id).filter(|life| !life.is_over()) {
                    life.said = life.said.or(Some(0));
                }
            }
            Answer::Unknown { id } => {
                if let Some(life) = self.lives.get_mut(&id).filter(|life| !life.is_over()) {
                    life.was_asked = true;
                }
            }
            Answer::Acked { .. }
            | Answer::Balance { .. }
            | Answer::Reconciled { .. }
            | Answer::Connection { .. } => {}
        }
    }

    fn said(&mut self, id: ClientId, filled: i64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let (was_over, known) = (life.is_over(), filled.min(life.order.sz));
        if was_over && known <= life.filled {
            return;
        }
        self.is_apart |= life.order.sz < filled;
        let is_last = was_over || life.was_asked;
        life.said = Some(life.said.filter(|_| !is_last).unwrap_or(known).max(known));
        if was_over {
            life.was_asked = false;
            self.working.push(id);
            self.late += 1;
            self.reopen(id);
        }
    }

    fn reopen(&mut self, id: ClientId) {
        let deal = self.deals.get_mut(&self.lives[&id].order.deal).unwrap();
        if self.open.insert(deal.decided.deal) {
            *deal = Deal::begun(deal.decided, Stage::Hedging, std::mem::take(&mut deal.orders));
        }
        deal.is_late = true;
    }

    fn filled(&mut self, fill: &Fill) {
        let key = (fill.venue.0, fill.instrument.0, fill.trade);
        if !self.trades.insert(key) {
            return;
        }
        let (venue, base) = (fill.venue.index(), fill.instrument.index());
        let (value, sign) = (notional(fill.px, fill.sz), i128::from(fill.side.sign()));
        self.balances[venue][base] += sign * base_units(base, fill.sz);
        self.balances[venue][QUOTE] -= sign * value;
        self.balances[venue][asset_of(fill.fee_asset)] -= fill.fee.units();
        let Some(id) = fill.order.filter(|id| self.lives.contains_key(id)) else {
            self.is_apart = true;
            return;
        };
        let life = self.lives.get_mut(&id).unwrap();
        let was_over = life.is_over();
        life.filled += fill.sz;
        let (order, is_overfilled) = (life.order, life.order.sz < life.filled);
        assert!(is_within(fill.side, fill.px, order.px), "{fill:?} of {order:?}");
        self.is_apart |= is_overfilled;
        if was_over {
            self.late += 1;
            self.reopen(id);
        }
        let deal = self.deals.get_mut(&order.deal).unwrap();
        let before = deal.residual();
        let leg = usize::from(fill.venue == deal.decided.sell_venue);
        deal.positions[leg] += fill.side.sign() * fill.sz;
        deal.flow -= sign * value;
        deal.fees += fee_value(fill);
        let has_grown = before.abs() < deal.residual().abs();
        assert!(
            !has_grown || order.purpose != Purpose::Hedge || deal.is_late,
            "a hedge made the residual of {deal:?} larger: {fill:?}"
        );
    }

    fn settled(&mut self, settled: &Settled, ts: Nanos) {
        let deal = self.deals.get_mut(&settled.deal).unwrap();
        assert!(
            self.open.remove(&settled.deal)
                && deal.orders.iter().all(|id| self.lives[id].is_over())
        );
        assert_eq!(settled.residual, deal.residual(), "{settled:?}: {deal:?}");
        assert_eq!(settled.outcome == Outcome::Kept, deal.residual() != 0);
        let is_off = |a: i128, b: i128| ROUNDING < (a - b).abs();
        assert!(!is_off(settled.fees.units(), deal.fees), "{settled:?}: {deal:?}");
        let profit = settled.profit.units();
        if deal.residual() == 0 {
            assert!(!is_off(profit, deal.flow - deal.fees), "{settled:?}: {deal:?}");
        }
        self.settled += 1;
        self.profit += profit;
        self.peak = self.peak.max(self.profit);
        let day = ts / (86_400 * SECOND);
        self.day = if self.day.0 == day { (day, self.day.1 + profit) } else { (day, profit) };
        if settled.failed {
            self.failures += 1;
        } else if settled.outcome == Outcome::Done {
            self.failures = 0;
        }
    }

    /// Compares the desk with what the entries say.
    pub(crate) fn check(&self, desk: &Desk) {
        let (instruments, venues, total) = self.exposure();
        let units = |amounts: &[spreadwire_trading::amount::Amount]| -> Vec<i128> {
            amounts.iter().map(|amount| amount.units()).collect()
        };
        assert_eq!(units(&desk.exposure.instruments), instruments, "{:#?}", desk.deals());
        assert_eq!(units(&desk.exposure.venues), venues);
        assert_eq!(desk.exposure.total.units(), total);
        assert_eq!(desk.deals().len(), self.open().count());
        assert_eq!(desk.profit().units(), self.profit);
        let apart = [Halt::Balance, Halt::ForeignTrade, Halt::Overfilled, Halt::UnknownFee];
        assert_eq!(apart.iter().any(|halt| desk.is_halted(*halt)), self.is_apart);
        for (venue, balances) in self.balances.iter().enumerate() {
            for (asset, id) in desk.settings.assets.ids().enumerate() {
                let account = desk.books.account(market::venue_id(venue), id);
                assert_eq!(account.balance().units(), balances[asset], "{venue} {}", ASSETS[asset]);
            }
        }
    }

    pub(crate) fn balances(&self, venue: usize) -> [i128; ASSETS.len()] {
        self.balances[venue]
    }
}

fn place(side: Side) -> usize {
    usize::from(side == Side::Sell)
}

/// Returns the price that is `band` worse, rounded away from `px`.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
fn worst(px: i64, side: Side, band: f64) -> i64 {
    let by = (px as f64 * band).ceil() as i64;
    px + side.sign() * by
}

/// Returns the asset that an order takes, and how much of it at most.
fn taken(order: &Order) -> (usize, i128) {
    match order.side {
        Side::Buy => {
            let value = notional(order.px, order.sz);
            (QUOTE, value + value * i128::from(FEES[order.venue.index()]) / 1_000_000)
        }
        Side::Sell => (order.instrument.index(), base_units(order.instrument.index(), order.sz)),
    }
}

/// Returns a fee in quote currency, units of 10^-18.
fn fee_value(fill: &Fill) -> i128 {
    let fee = fill.fee.units();
    match asset_of(fill.fee_asset) {
        QUOTE => fee,
        FEE_ASSET => fee * i128::from(FEE_RATE) / 1_000_000,
        base => {
            let scale = 10_i128.pow(u32::from(crate::terms::PX_SCALES[base]));
            fee * i128::from(fill.px) / scale
        }
    }
}
