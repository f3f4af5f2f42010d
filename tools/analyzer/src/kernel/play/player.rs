//! One player of a strategy: its orders, its positions and its ledger.

use super::account::Funds;
use super::book::{Levels, Looked};
use super::deal::{Active, Order, Stage};
use super::ledger::{Arrived, Counts, Deal, End, Purpose, Totals};
use super::settings::PlaySettings;
use super::strategy::Strategy;
use crate::kernel::profile::HOUR;
use spreadwire_market::execution::{Exit, Side, completing_legs};
use std::collections::VecDeque;

/// The smallest order, as a share of the largest: venues refuse dust.
const LEAST: f64 = 0.005;
/// Time between two looks at a residual, in ns.
const RETRY: i64 = 1_000_000;

/// A position of an inventory that the reverse direction has not shifted back yet.
#[derive(Clone, Copy, Debug)]
struct Lot {
    deal: Deal,
    sz: f64,
    cash: f64,
    px: f64,
}

/// Who plays a strategy.
#[derive(Clone, Debug)]
pub(super) struct Player {
    model: Exit,
    latency: [i64; 2],
    size: f64,
    band: f64,
    patience: i64,
    deals_per_hour: u64,
    /// An hour since 1970, and how often something was decided in it.
    decided_in: (i64, u64),
    /// By direction, whether the open opportunity was acted on.
    acted: [bool; 2],
    /// By direction, the deal that is not over.
    active: [Option<Active>; 2],
    lots: VecDeque<Lot>,
    levels: Levels,
    funds: Funds,
    /// A leg could not be hedged, so that nothing opens until the next unit.
    stopped: bool,
    keeps: bool,
    deals: Vec<Deal>,
    orders: Vec<Arrived>,
    pub(super) counts: Counts,
    pub(super) totals: Totals,
}

impl Player {
    pub(super) fn new(
        strategy: Strategy,
        settings: &PlaySettings,
        (latency, size): ([i64; 2], f64),
        funds: Funds,
        keeps: bool,
    ) -> Player {
        Player {
            model: strategy.model,
            latency,
            size,
            band: settings.band,
            patience: settings.patience_ns,
            deals_per_hour: u64::from(settings.deals_per_hour),
            decided_in: (0, 0),
            acted: [false; 2],
            active: [None; 2],
            lots: VecDeque::new(),
            levels: Levels::default(),
            funds,
            stopped: false,
            keeps,
            deals: Vec::new(),
            orders: Vec::new(),
            counts: Counts::default(),
            totals: Totals::default(),
        }
    }

    /// Returns when something happens next, in ns since 1970.
    #[inline]
    pub(super) fn due(&self) -> i64 {
        let due = |active: &Option<Active>| active.as_ref().map_or(i64::MAX, Active::due);
        due(&self.active[0]).min(due(&self.active[1]))
    }

    /// Returns whether an order is in flight, or a residual waits to be hedged.
    pub(super) fn is_busy(&self) -> bool {
        self.due() != i64::MAX
    }

    /// Returns whether a position waits for its spread to converge.
    pub(super) fn holds(&self) -> bool {
        self.active.iter().flatten().any(|active| active.stage == Stage::Holding)
    }

    /// Returns whether an opportunity of a direction would be acted on.
    pub(super) fn waits(&self, direction: usize) -> bool {
        let is_held = |active: &Active| active.stage == Stage::Holding;
        !self.acted[direction]
            && !self.stopped
            && !self.active[direction].as_ref().is_some_and(is_held)
    }

    /// Returns whether so much was decided in this hour that what opens in it is let pass.
    fn is_enough(&self, now: i64) -> bool {
        let (hour, decided) = self.decided_in;
        hour == now.div_euclid(HOUR) && self.deals_per_hour <= decided
    }

    fn count_decided(&mut self, now: i64) {
        self.counts.decided += 1;
        let hour = now.div_euclid(HOUR);
        self.decided_in = match self.decided_in {
            (same, decided) if same == hour => (hour, decided + 1),
            _ => (hour, 1),
        };
    }

    /// Notes that the open opportunity of a direction was acted on before.
    pub(super) fn acted(&mut self, direction: usize) {
        self.acted[direction] = true;
    }

    /// Notes that the opportunity of a direction is over.
    pub(super) fn closed(&mut self, direction: usize) {
        self.acted[direction] = false;
    }

    /// Marks what is held: `least` is the lowest net spread of each direction of late.
    pub(super) fn mark(&mut self, least: [f64; 2]) {
        for active in self.active.iter_mut().flatten() {
            let worth =
                active.cash + active.held(0).abs() * active.px[1] * least[1 - active.direction];
            if worth < active.worst && active.stage == Stage::Holding {
                active.worst = worth;
            }
        }
        for lot in &mut self.lots {
            let worth = lot.cash + lot.sz * lot.px * least[usize::from(1 - lot.deal.direction)];
            lot.deal.worst = lot.deal.worst.min(worth);
        }
    }

    /// Acts on the open opportunity of a direction, unless it was, or something is in the way.
    pub(super) fn consider(&mut self, direction: usize, net: f64, looked: &Looked<'_>) {
        let is_hedging = |active: &Active| active.stage == Stage::Hedging;
        if self.acted[direction]
            || self.stopped
            || self.active[direction].is_some()
            || self.active.iter().flatten().any(is_hedging)
        {
            return;
        }
        if self.is_enough(looked.now) {
            self.acted[direction] = true;
            return;
        }
        let ways = [(direction, Side::Buy), (1 - direction, Side::Sell)];
        let px = ways.map(|(venue, side)| looked.quote(venue, side).0);
        let mut sz = self.size / px[0];
        for (venue, side) in ways {
            sz = sz.min(self.levels.level(looked, venue, side).unclaimed());
            if self.model == Exit::Inventory {
                sz = sz.min(self.funds.room(venue, side, px[0] * looked.fees[venue].buy));
            }
        }
        if sz * px[0] < LEAST * self.size {
            return;
        }
        self.acted[direction] = true;
        self.count_decided(looked.now);
        let mut active = Active::new(direction, looked.now, net, px);
        for (leg, (venue, side)) in ways.into_iter().enumerate() {
            active.orders[leg] =
                Some(self.send((venue, side, Purpose::Entry), px[leg], sz, looked));
        }
        self.active[direction] = Some(active);
        self.look_again(looked);
    }

    /// Looks at residuals that wait, as the trader does whenever it hears or sends something.
    fn look_again(&mut self, looked: &Looked<'_>) {
        for direction in 0..2 {
            let waits = |active: &mut Active| !active.is_in_flight() && active.look_at != i64::MAX;
            if let Some(active) = self.active[direction].take_if(waits) {
                self.active[direction] = self.advance(active, looked);
            }
        }
    }

    fn send(
        &mut self,
        (venue, side, purpose): (usize, Side, Purpose),
        limit: f64,
        sz: f64,
        looked: &Looked<'_>,
    ) -> Order {
        self.levels.level(looked, venue, side).claimed += sz;
        let (sent, due) = (looked.now, looked.now.saturating_add(self.latency[venue]));
        Order { venue, side, purpose, limit, sz, sent, due, has_arrived: false }
    }

    /// Closes what is held in a direction, whose spread has converged.
    pub(super) fn converge(&mut self, direction: usize, looked: &Looked<'_>) {
        let Some(mut active) = self.active[direction] else { return };
        if active.stage != Stage::Holding {
            return;
        }
        let way = |leg: usize| {
            let side = if 0.0 < active.position[leg] { Side::Sell } else { Side::Buy };
            (active.venue(leg), side)
        };
        let ways = [way(0), way(1)];
        let held = active.held(0).abs();
        let displayed =
            ways.map(|(venue, side)| self.levels.level(looked, venue, side).unclaimed());
        let sz = held.min(displayed[0]).min(displayed[1]);
        if sz * active.px[0] < LEAST * self.size {
            return;
        }
        (active.stage, active.is_exit) = (Stage::Exiting, true);
        for (leg, (venue, side)) in ways.into_iter().enumerate() {
            active.px[leg] = looked.quote(venue, side).0;
            let order = self.send((venue, side, Purpose::Exit), active.px[leg], sz, looked);
            active.orders[leg] = Some(order);
        }
        self.active[direction] = Some(active);
    }

    /// Does what is due next.
    pub(super) fn act(&mut self, looked: &Looked<'_>) {
        let now = self.due();
        let looked = Looked { now, ..*looked };
        let mut is_told = false;
        for direction in 0..2 {
            let Some(mut active) = self.active[direction].take_if(|active| active.due() == now)
            else {
                continue;
            };
            for place in 0..2 {
                let Some(order) = active.orders[place].filter(|order| order.due == now) else {
                    continue;
                };
                if order.has_arrived {
                    active.orders[place] = None;
                    is_told = true;
                } else {
                    self.arrive(&mut active, &order, &looked);
                    let due = now.saturating_add(self.latency[order.venue]);
                    active.orders[place] = Some(Order { due, has_arrived: true, ..order });
                }
            }
            if active.is_in_flight() {
                self.active[direction] = Some(active);
            } else {
                self.active[direction] = self.advance(active, &looked);
            }
        }
        if is_told {
            self.look_again(&looked);
        }
    }

    fn arrive(&mut self, active: &mut Active, order: &Order, looked: &Looked<'_>) {
        let Order { venue, side, limit, sz, .. } = *order;
        let (mut px, mut filled) = (0.0, 0.0);
        if looked.live {
            let level = self.levels.level(looked, venue, side);
            (px, filled) = (level.px, level.fills(side, limit, sz));
            level.taken += filled;
        }
        self.note(order, looked.now, (px, filled));
        if 0.0 < filled {
            self.book(active, (venue, side), (px, filled), looked);
        }
    }

    fn book(
        &mut self,
        active: &mut Active,
        (venue, side): (usize, Side),
        (px, sz): (f64, f64),
        looked: &Looked<'_>,
    ) {
        let (flow, fee) = looked.flow(venue, side, px, sz);
        self.funds.book(venue, side, sz, flow);
        let leg = active.leg(venue);
        active.position[leg] += if side == Side::Buy { sz } else { -sz };
        active.size = active.size.max(active.position[leg].abs());
        active.cash += flow;
        active.fees += fee;
        active.volume += px * sz;
    }

    /// Takes a deal on that has no order in flight; returns it unless it is over.
    fn advance(&mut self, mut active: Active, looked: &Looked<'_>) -> Option<Active> {
        let was_entering = active.stage == Stage::Entering;
        if was_entering && active.held(0) != 0.0 && active.held(1) != 0.0 {
            self.counts.still_there += 1;
        }
        if active.residual() != 0.0 {
            return Some(self.hedge(active, looked));
        }
        active.look_at = i64::MAX;
        if active.held(0) != 0.0 {
            active.unwind(looked);
            if self.model == Exit::Inventory {
                self.shift(&active, looked.now);
                return None;
            }
            (active.stage, active.is_exit) = (Stage::Holding, false);
            return Some(active);
        }
        if active.volume == 0.0 {
            self.counts.missed += 1;
        } else {
            let end = if active.is_exit { End::Closed } else { End::Reversed };
            self.end(active.ended(looked.now, end));
        }
        None
    }

    /// Sends a hedge where the quotes allow it, or looks again later.
    fn hedge(&mut self, mut active: Active, looked: &Looked<'_>) -> Active {
        let now = looked.now;
        if active.stage != Stage::Hedging {
            (active.stage, active.since) = (Stage::Hedging, now);
            self.counts.hedged += u64::from(!active.was_hedged);
            active.was_hedged = true;
        } else if self.patience <= now.saturating_sub(active.since) {
            self.counts.kept += 1;
            (self.stopped, active.look_at) = (true, i64::MAX);
            return active;
        }
        active.look_at = now.saturating_add(RETRY);
        let residual = active.residual();
        let side = if 0.0 < residual { Side::Sell } else { Side::Buy };
        for leg in completing_legs(residual < 0.0, active.is_exit) {
            let worse = if side == Side::Buy { 1.0 + self.band } else { 1.0 - self.band };
            let (venue, limit) = (active.venue(leg), active.px[leg] * worse);
            let level = self.levels.level(looked, venue, side);
            let is_there = side.is_met(limit, level.px) && 0.0 < level.unclaimed();
            if looked.live && is_there && LEAST * self.size <= residual.abs() * limit {
                let way = (venue, side, Purpose::Hedge);
                active.orders[0] = Some(self.send(way, limit, residual.abs(), looked));
                active.look_at = i64::MAX;
                break;
            }
        }
        active
    }

    /// Shifts the inventory: what a deal has bought and sold ends positions of the reverse direction, the
    /// oldest first, and becomes a position as far as it goes beyond them.
    fn shift(&mut self, active: &Active, now: i64) {
        let sz = active.held(0).abs();
        let mut lot =
            Lot { deal: active.ended(now, End::Closed), sz, cash: active.cash, px: active.px[1] };
        while let Some(oldest) =
            self.lots.front_mut().filter(|of| of.deal.direction != lot.deal.direction)
        {
            let both = oldest.sz.min(lot.sz);
            let (old, new) = (oldest.split(both), lot.split(both));
            let profit = old.cash + new.cash;
            let ended = Deal {
                closed: now,
                volume: old.deal.volume + new.deal.volume,
                fees: old.deal.fees + new.deal.fees,
                profit,
                worst: old.deal.worst.min(profit),
                at_once: old.deal.at_once,
                ..old.deal
            };
            if oldest.sz <= both * 1e-9 {
                self.lots.pop_front();
            }
            self.end(ended);
            if lot.sz <= sz * 1e-9 {
                return;
            }
        }
        self.lots.push_back(lot);
    }

    fn end(&mut self, deal: Deal) {
        self.totals.count(&deal);
        if self.keeps {
            self.deals.push(deal);
        }
    }

    /// Ends everything at the last quotes. What was bought on one venue and sold on the other is moved back
    /// for `transfer`, a fraction, or traded back.
    pub(super) fn finish(&mut self, looked: &Looked<'_>, transfer: Option<f64>) {
        for direction in 0..2 {
            let Some(mut active) = self.active[direction].take() else { continue };
            let is_even = active.held(0) == 0.0 && active.held(1) == 0.0;
            for leg in 0..2 {
                let venue = active.venue(leg);
                self.close(&mut active, venue, looked);
            }
            if active.volume == 0.0 {
                self.counts.missed += 1;
            } else {
                // The last answers need not be waited for.
                let closed = if active.is_exit { End::Closed } else { End::Reversed };
                let end = if is_even { closed } else { End::DayEnd };
                self.end(active.ended(looked.now, end));
            }
        }
        while let Some(lot) = self.lots.pop_front() {
            self.end_lot(lot, looked, transfer);
        }
    }

    fn close(&mut self, active: &mut Active, venue: usize, looked: &Looked<'_>) {
        let held = active.held(active.leg(venue));
        if held == 0.0 {
            return;
        }
        let side = if 0.0 < held { Side::Sell } else { Side::Buy };
        let (px, sz) = (looked.quote(venue, side).0, held.abs());
        self.book(active, (venue, side), (px, sz), looked);
        self.note_day_end(venue, side, (px, sz), looked.now);
    }

    /// Notes an order that met a price at `arrived` and was filled that far.
    fn note(&mut self, order: &Order, arrived: i64, (px, filled): (f64, f64)) {
        if self.keeps {
            let Order { venue, side, purpose, limit, sz, sent, .. } = *order;
            let (buys, venue) = (side == Side::Buy, u8::from(venue == 1));
            let order = Arrived { sent, arrived, venue, buys, purpose, limit, sz, px, filled };
            self.orders.push(order);
        }
    }

    /// Notes what closes a position at the end of a day: an order that is filled at once.
    fn note_day_end(&mut self, venue: usize, side: Side, (px, sz): (f64, f64), now: i64) {
        let (purpose, limit, sent, due) = (Purpose::DayEnd, px, now, now);
        let order = Order { venue, side, purpose, limit, sz, sent, due, has_arrived: true };
        self.note(&order, now, (px, sz));
    }

    fn end_lot(&mut self, lot: Lot, looked: &Looked<'_>, transfer: Option<f64>) {
        let Lot { mut deal, sz, cash, .. } = lot;
        (deal.closed, deal.end, deal.profit) = (looked.now, End::DayEnd, cash);
        if let Some(cost) = transfer {
            deal.profit -= cost * deal.notional;
            deal.fees += cost * deal.notional;
        } else {
            let bought = usize::from(deal.direction);
            for (venue, side) in [(bought, Side::Sell), (1 - bought, Side::Buy)] {
                let px = looked.quote(venue, side).0;
                let (flow, fee) = looked.flow(venue, side, px, sz);
                deal.profit += flow;
                deal.fees += fee;
                deal.volume += px * sz;
                self.note_day_end(venue, side, (px, sz), looked.now);
            }
        }
        deal.worst = deal.worst.min(deal.profit);
        self.end(deal);
    }

    /// Takes the deals and the orders.
    pub(super) fn take_ledger(&mut self) -> (Vec<Deal>, Vec<Arrived>) {
        (std::mem::take(&mut self.deals), std::mem::take(&mut self.orders))
    }
}

impl Lot {
    /// Takes `sz` out of the lot.
    fn split(&mut self, sz: f64) -> Lot {
        let share = (sz / self.sz).min(1.0);
        let of = |share: f64, lot: &Lot| Lot {
            sz: lot.sz * share,
            cash: lot.cash * share,
            deal: Deal {
                notional: lot.deal.notional * share,
                volume: lot.deal.volume * share,
                profit: lot.deal.profit * share,
                fees: lot.deal.fees * share,
                at_once: lot.deal.at_once * share,
                worst: lot.deal.worst * share,
                ..lot.deal
            },
            ..*lot
        };
        let part = of(share, self);
        *self = of(1.0 - share, self);
        part
    }
}

impl Active {
    /// Notes, once, what closing a position would leave now.
    fn unwind(&mut self, looked: &Looked<'_>) {
        let sz = self.held(0).abs();
        let ways = [(self.venue(0), Side::Sell), (self.venue(1), Side::Buy)];
        let flow = |(venue, side): (usize, Side)| {
            looked.flow(venue, side, looked.quote(venue, side).0, sz).0
        };
        let left = self.cash + ways.map(flow).iter().sum::<f64>();
        self.at_once.get_or_insert(left);
        self.worst = self.worst.min(left);
    }

    /// Returns the deal as one that ended at `closed`, with what its trades have brought.
    fn ended(&self, closed: i64, end: End) -> Deal {
        Deal {
            opened: self.opened,
            closed,
            direction: u8::from(self.direction == 1),
            end,
            entry_net: self.entry_net,
            notional: self.size * self.entry_px,
            volume: self.volume,
            profit: self.cash,
            fees: self.fees,
            carry: 0.0,
            at_once: self.at_once.unwrap_or(self.cash),
            worst: self.worst.min(self.cash),
        }
    }
}
