//! Matches orders against a venue's current best bid and ask.
//!
//! A displayed size is consumed once: what one order took is not there for the next one until the
//! symbol has a new quote. An order that arrives takes the displayed price; an order that rests fills at
//! its own price when the quote reaches it. Times are handed in.

use std::collections::{BTreeMap, HashMap};

use crate::orders::account::{Account, Balance};
use crate::orders::amount::Amount;
use crate::orders::order::{
    Cause, Event, Forced, Lasting, NewOrder, Order, Refusal, Side, Size, Status, Tradable, Trade,
};

/// First ids of orders and trades, so that neither looks like an index.
const FIRST_ORDER: u64 = 12_569_099_001;
const FIRST_TRADE: u64 = 1_650_422_001;

/// What differs between the venues' matching.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Fees of makers and takers, in millionths of what a trade receives.
    pub(crate) maker_fee: u32,
    pub(crate) taker_fee: u32,
    /// Number of digits after the point to which fees are rounded down.
    pub(crate) fee_places: usize,
    /// Whether the venue asks for a least value of an order.
    pub(crate) has_min_notional: bool,
    /// Whether a client's id can be used again once its order is closed.
    pub(crate) reuses_client_ids: bool,
    /// Whether a post-only order that would take is refused. Otherwise it is taken and expires.
    pub(crate) refuses_takers: bool,
}

/// What is left of the displayed best bid and ask.
#[derive(Debug, Clone, Copy, Default)]
struct Top {
    bid: Amount,
    bid_left: Amount,
    ask: Amount,
    ask_left: Amount,
}

impl Top {
    /// Returns the price that an order on this side takes, and the size that is left there. Both are
    /// zero if there is no such quote.
    fn against(&mut self, side: Side) -> (Amount, &mut Amount) {
        match side {
            Side::Buy => (self.ask, &mut self.ask_left),
            Side::Sell => (self.bid, &mut self.bid_left),
        }
    }
}

/// How an order is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    ById(u64),
    ByClientId(String),
}

/// A change of a resting order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) size: Option<Amount>,
    pub(crate) price: Option<Amount>,
    /// Whether the size may only become smaller.
    pub(crate) is_reduction: bool,
    /// The client's id from then on, if it changes.
    pub(crate) client_id: Option<String>,
}

/// The orders, trades and balances of one venue.
#[derive(Debug)]
pub(crate) struct Matching {
    rules: Rules,
    instruments: Vec<Tradable>,
    /// By instrument.
    tops: Vec<Top>,
    orders: BTreeMap<u64, Order>,
    /// The last order that has or had each client's id.
    by_client: HashMap<String, u64>,
    /// Ids of the open orders, oldest first.
    open: Vec<u64>,
    trades: Vec<Trade>,
    account: Account,
    /// Assets whose balances have changed since the last event about balances.
    touched: Vec<String>,
}

impl Matching {
    pub(crate) fn new(rules: Rules, instruments: Vec<Tradable>, account: Account) -> Matching {
        Matching {
            rules,
            tops: vec![Top::default(); instruments.len()],
            instruments,
            orders: BTreeMap::new(),
            by_client: HashMap::new(),
            open: Vec::new(),
            trades: Vec::new(),
            account,
            touched: Vec::new(),
        }
    }

    /// Returns the instruments.
    pub(crate) fn instruments(&self) -> &[Tradable] {
        &self.instruments
    }

    /// Returns the index of the instrument that satisfies `is_it`.
    pub(crate) fn instrument(&self, is_it: impl Fn(&Tradable) -> bool) -> Option<usize> {
        self.instruments.iter().position(is_it)
    }

    /// Returns the account.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns all orders, oldest first.
    pub(crate) fn orders(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.values()
    }

    /// Returns the open orders, oldest first.
    pub(crate) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().map(|id| &self.orders[id])
    }

    /// Returns all trades, oldest first.
    pub(crate) fn trades(&self) -> &[Trade] {
        &self.trades
    }

    /// Returns the order with this name. Of several with the same client's id, the last one counts.
    pub(crate) fn find(&self, named: &Named) -> Option<&Order> {
        match named {
            Named::ById(id) => self.orders.get(id),
            Named::ByClientId(client_id) => {
                let last = &self.orders[self.by_client.get(client_id)?];
                if last.client_id == *client_id {
                    return Some(last);
                }
                // That one has another id by now, so an older one counts.
                self.orders.values().rev().find(|it| it.client_id == *client_id)
            }
        }
    }

    /// Returns the order that has, or had until a cancel or an amendment changed it, this client's id.
    pub(crate) fn find_former(&self, client_id: &str) -> Option<&Order> {
        let last = &self.orders[self.by_client.get(client_id)?];
        (last.client_id == client_id || last.former_client_id == client_id).then_some(last)
    }

    /// Takes a new order, and matches it. Returns its id and what happened.
    pub(crate) fn place(
        &mut self,
        new: &NewOrder,
        now_ns: u64,
    ) -> Result<(u64, Vec<Event>), Refusal> {
        let size = self.check(new)?;
        let id = self.orders.last_key_value().map_or(FIRST_ORDER, |(last, _)| last + 1);
        let order = self.fresh(id, new, size, now_ns);
        self.lock_for(&order)?;
        self.know(&order);
        let mut events = vec![Event::New(order.clone())];
        self.orders.insert(id, order);
        self.open.push(id);
        self.take(id, now_ns, &mut events);
        self.tell_balances(&mut events);
        Ok((id, events))
    }

    /// Cancels an open order.
    pub(crate) fn cancel(
        &mut self,
        id: u64,
        client_id: Option<&str>,
        cause: Cause,
        now_ns: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let order = self.opened(id)?;
        if let Some(client_id) = client_id {
            order.former_client_id = std::mem::replace(&mut order.client_id, client_id.to_owned());
            self.by_client.insert(client_id.to_owned(), id);
        }
        let mut events = vec![Event::Cancelled(self.close(id, Status::Cancelled, cause, now_ns))];
        self.tell_balances(&mut events);
        Ok(events)
    }

    /// Changes the size or the price of an open order, which is then matched again.
    pub(crate) fn amend(
        &mut self,
        id: u64,
        change: &Change,
        now_ns: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let before = self.opened(id)?.clone();
        let (size, price) = self.check_change(&before, change)?;
        let mut after = Order { size, price: Some(price), updated_ns: now_ns, ..before.clone() };
        if let Some(client_id) = &change.client_id {
            if *client_id != before.client_id && self.is_taken(client_id) {
                return Err(Refusal::DuplicateClientId);
            }
            after.former_client_id = std::mem::replace(&mut after.client_id, client_id.clone());
        }
        self.unlock_for(&before);
        if let Err(refusal) = self.lock_for(&after) {
            let locked = self.lock_for(&before);
            assert!(locked.is_ok(), "what was just unlocked can be locked again");
            return Err(refusal);
        }
        self.know(&after);
        let mut events = vec![Event::Amended(after.clone())];
        self.orders.insert(id, after);
        self.take(id, now_ns, &mut events);
        self.tell_balances(&mut events);
        Ok(events)
    }

    /// Fills the rest of an open order at its own price, whatever is quoted.
    pub(crate) fn fill_rest(&mut self, id: u64, now_ns: u64) -> Result<Vec<Event>, Refusal> {
        let order = self.opened(id)?.clone();
        let Some(price) = order.price else { return Err(Refusal::UnknownOrder) };
        let mut events = Vec::new();
        self.trade(id, price, order.left(), true, now_ns, &mut events);
        self.tell_balances(&mut events);
        Ok(events)
    }

    /// Trades for the account what no client asked for, at the quoted price and whatever the displayed
    /// size. The size is cut to what the balance allows. Returns nothing if there is no quote or no
    /// balance.
    pub(crate) fn force(
        &mut self,
        instrument: usize,
        side: Side,
        size: Amount,
        forced: Forced,
        now_ns: u64,
    ) -> Vec<Event> {
        let (price, _) = self.tops[instrument].against(side);
        if !price.is_positive() {
            return Vec::new();
        }
        let size = self.affordable(instrument, side, price, size);
        let size = size.truncated(self.instruments[instrument].size_places);
        let id = self.orders.last_key_value().map_or(FIRST_ORDER, |(last, _)| last + 1);
        let new = NewOrder {
            instrument,
            client_id: String::new(),
            side,
            price: None,
            size: Size::Base(size),
            lasting: Lasting::Immediate,
        };
        let order = Order { forced: Some(forced), ..self.fresh(id, &new, size, now_ns) };
        let mut events = Vec::new();
        if size.is_positive() {
            self.orders.insert(id, order);
            self.open.push(id);
            self.trade(id, price, size, false, now_ns, &mut events);
            self.tell_balances(&mut events);
        }
        events
    }

    /// Takes a venue's new quote and fills the resting orders that it reaches, best price and oldest
    /// first. A price or size of zero is a side that is not there.
    pub(crate) fn quote(
        &mut self,
        instrument: usize,
        [bid, bid_size, ask, ask_size]: [Amount; 4],
        now_ns: u64,
    ) -> Vec<Event> {
        let places = self.instruments[instrument].size_places;
        let [bid_left, ask_left] = [bid_size, ask_size].map(|size| size.truncated(places));
        self.tops[instrument] = Top { bid, bid_left, ask, ask_left };
        let mut events = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            self.fill_resting(instrument, side, now_ns, &mut events);
        }
        self.tell_balances(&mut events);
        events
    }

    /// Adds to the free balance of an asset, or takes from it but never below zero.
    pub(crate) fn adjust(&mut self, asset: &str, difference: Amount) {
        if difference.is_positive() {
            return self.account.credit(asset, difference);
        }
        let taken = (-difference).min(self.account.balance(asset).free);
        let is_spent = self.account.spend(asset, taken);
        assert!(is_spent, "what is taken is free");
    }

    /// Checks a new order. Returns its size in the base asset.
    fn check(&mut self, new: &NewOrder) -> Result<Amount, Refusal> {
        let tradable = &self.instruments[new.instrument];
        if tradable.is_halted {
            return Err(Refusal::Halted);
        }
        if let Some(price) = new.price {
            tradable.check_price(price)?;
        }
        let (top, _) = self.tops[new.instrument].against(new.side);
        let price = new.price.unwrap_or(top);
        let size = match new.size {
            Size::Base(size) => {
                tradable.check_size(size)?;
                size
            }
            Size::Quote(cost) => worth(cost, top, tradable.lot)?,
        };
        if price.is_positive() {
            tradable.check_notional(price, size)?;
        }
        if self.is_taken(&new.client_id) {
            return Err(Refusal::DuplicateClientId);
        }
        let takes = new.price.is_some_and(|price| self.crosses(new.instrument, new.side, price));
        if new.lasting == Lasting::PostOnly && takes && self.rules.refuses_takers {
            return Err(Refusal::WouldTake);
        }
        Ok(size)
    }

    /// Remembers the client's id of an order, if it has one.
    fn know(&mut self, order: &Order) {
        if !order.client_id.is_empty() {
            self.by_client.insert(order.client_id.clone(), order.id);
        }
    }

    fn is_taken(&self, client_id: &str) -> bool {
        let found = self.find(&Named::ByClientId(client_id.to_owned()));
        found.is_some_and(|it| !self.rules.reuses_client_ids || it.status.is_open())
    }

    /// Checks a change of an order. Returns the size and the price after it.
    fn check_change(&self, order: &Order, change: &Change) -> Result<(Amount, Amount), Refusal> {
        let tradable = &self.instruments[order.instrument];
        let Some(own) = order.price else { return Err(Refusal::Closed(order.status)) };
        let (size, price) = (change.size.unwrap_or(order.size), change.price.unwrap_or(own));
        if (size, price) == (order.size, own) {
            return Err(Refusal::NoChange);
        }
        if change.is_reduction && order.size < size {
            return Err(Refusal::AmendUp);
        }
        tradable.check_price(price)?;
        tradable.check_size(size)?;
        tradable.check_notional(price, size)?;
        if size <= order.filled { Err(Refusal::AmendBelowFilled) } else { Ok((size, price)) }
    }

    fn fresh(&self, id: u64, new: &NewOrder, size: Amount, now_ns: u64) -> Order {
        let tradable = &self.instruments[new.instrument];
        let (_, received) = tradable.assets(new.side);
        let quote_size = if let Size::Quote(cost) = new.size { Some(cost) } else { None };
        Order {
            id,
            client_id: new.client_id.clone(),
            former_client_id: String::new(),
            instrument: new.instrument,
            symbol: tradable.symbol.clone(),
            side: new.side,
            price: new.price,
            lasting: new.lasting,
            size,
            quote_size,
            filled: Amount::ZERO,
            cost: Amount::ZERO,
            fees: Amount::ZERO,
            fee_asset: received.to_owned(),
            status: Status::New,
            cause: None,
            forced: None,
            created_ns: now_ns,
            updated_ns: now_ns,
        }
    }

    fn opened(&mut self, id: u64) -> Result<&mut Order, Refusal> {
        let order = self.orders.get_mut(&id).ok_or(Refusal::UnknownOrder)?;
        if order.status.is_open() { Ok(order) } else { Err(Refusal::Closed(order.status)) }
    }

    /// Returns the asset and the amount that an order must hold for its open part. A market order holds
    /// nothing, because it does not rest.
    fn held(&self, order: &Order) -> Result<(String, Amount), Refusal> {
        let (paid, _) = self.instruments[order.instrument].assets(order.side);
        let amount = match (order.side, order.price) {
            (_, None) => Amount::ZERO,
            (Side::Sell, Some(_)) => order.left(),
            (Side::Buy, Some(price)) => price.times(order.left()).ok_or(Refusal::TooLarge)?,
        };
        Ok((paid.to_owned(), amount))
    }

    /// Locks what an order needs. A market order is refused here if the balance does not cover it.
    fn lock_for(&mut self, order: &Order) -> Result<(), Refusal> {
        let (asset, amount) = self.held(order)?;
        let is_covered = match order.price {
            Some(_) => self.account.lock(&asset, amount),
            None => self.covers(order),
        };
        if !is_covered {
            return Err(Refusal::Balance(asset));
        }
        self.touched.push(asset);
        Ok(())
    }

    fn unlock_for(&mut self, order: &Order) {
        if let Ok((asset, amount)) = self.held(order) {
            self.account.unlock(&asset, amount);
            self.touched.push(asset);
        }
    }

    /// Returns whether the free balance covers a market order at the quoted price.
    fn covers(&mut self, order: &Order) -> bool {
        let (price, _) = self.tops[order.instrument].against(order.side);
        self.affordable(order.instrument, order.side, price, order.size) == order.size
    }

    /// Returns the part of a size that the free balance covers at a price, in whole lots.
    fn affordable(&self, instrument: usize, side: Side, price: Amount, size: Amount) -> Amount {
        let tradable = &self.instruments[instrument];
        let (paid, _) = tradable.assets(side);
        let free = self.account.balance(paid).free;
        match side {
            Side::Sell => size.min(free),
            Side::Buy if price.times(size).is_some_and(|cost| cost <= free) => size,
            Side::Buy => worth(free, price, tradable.lot).unwrap_or_default().min(size),
        }
    }

    fn crosses(&mut self, instrument: usize, side: Side, price: Amount) -> bool {
        let (top, left) = self.tops[instrument].against(side);
        let is_there = top.is_positive() && left.is_positive();
        is_there && if side == Side::Buy { top <= price } else { price <= top }
    }

    /// Matches an order that arrives: it takes what is displayed, and then rests or expires.
    fn take(&mut self, id: u64, now_ns: u64, events: &mut Vec<Event>) {
        let order = self.orders[&id].clone();
        let takes = order.price.is_none_or(|it| self.crosses(order.instrument, order.side, it));
        let (top, left) = self.tops[order.instrument].against(order.side);
        let size = if takes && top.is_positive() { order.left().min(*left) } else { Amount::ZERO };
        let is_whole = size == order.left();
        let cause = match order.lasting {
            Lasting::Rest => None,
            Lasting::Immediate if order.price.is_none() => Some(Cause::NoLiquidity),
            Lasting::Immediate => Some(Cause::Immediate),
            Lasting::Whole => Some(Cause::Whole),
            Lasting::PostOnly => takes.then_some(Cause::PostOnly),
        };
        let is_refused = match order.lasting {
            Lasting::Whole => !is_whole,
            Lasting::PostOnly => takes,
            Lasting::Rest | Lasting::Immediate => false,
        };
        if size.is_positive() && !is_refused {
            *left -= size;
            self.trade(id, top, size, false, now_ns, events);
        }
        if let Some(cause) = cause
            && self.orders[&id].status.is_open()
        {
            events.push(Event::Expired(self.close(id, Status::Expired, cause, now_ns)));
        }
    }

    /// Fills the resting orders of one side that the quote reaches.
    fn fill_resting(
        &mut self,
        instrument: usize,
        side: Side,
        now_ns: u64,
        events: &mut Vec<Event>,
    ) {
        loop {
            let candidates = self.open_orders().filter(|it| it.instrument == instrument);
            let candidates = candidates.filter(|it| it.side == side);
            let priced = candidates.filter_map(|it| Some((it.price?, it.id, it.left())));
            // `min_by` and `max_by` pick the first and the last of equals; ids settle it.
            let best = priced.min_by(|a, b| {
                let by_price = if side == Side::Buy { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) };
                by_price.then(a.1.cmp(&b.1))
            });
            let Some((price, id, open)) = best else { return };
            if !self.crosses(instrument, side, price) {
                return;
            }
            let (_, left) = self.tops[instrument].against(side);
            let size = open.min(*left);
            *left -= size;
            if !self.trade(id, price, size, true, now_ns, events) {
                return;
            }
        }
    }

    /// Makes one trade of an order: pays, receives, takes the fee, and closes the order if it is full.
    /// Returns false, and does nothing, if the price and the size are too large to multiply.
    fn trade(
        &mut self,
        id: u64,
        price: Amount,
        size: Amount,
        is_maker: bool,
        now_ns: u64,
        events: &mut Vec<Event>,
    ) -> bool {
        let mut order = self.orders[&id].clone();
        let Some(cost) = price.times(size) else { return false };
        self.unlock_for(&order);
        let (paid, received) = self.instruments[order.instrument].assets(order.side);
        let (paid, received) = (paid.to_owned(), received.to_owned());
        let (out, gained) = if order.side == Side::Buy { (cost, size) } else { (size, cost) };
        let rate = if is_maker { self.rules.maker_fee } else { self.rules.taker_fee };
        let fee = gained.part(rate, self.rules.fee_places);
        let is_paid = self.account.spend(&paid, out);
        assert!(is_paid, "an order holds what its trades pay");
        self.account.credit(&received, gained - fee);
        order.filled += size;
        order.cost += cost;
        order.fees += fee;
        order.updated_ns = now_ns;
        let is_full = order.left() == Amount::ZERO;
        order.status = if is_full { Status::Filled } else { Status::PartlyFilled };
        let locked = self.lock_for_rest(&order);
        assert!(locked, "what was held for the rest can be held again");
        let trade = Trade {
            id: FIRST_TRADE + self.trades.len() as u64,
            order_id: id,
            client_id: order.client_id.clone(),
            symbol: order.symbol.clone(),
            side: order.side,
            price,
            size,
            cost,
            fee,
            fee_asset: received.clone(),
            fee_rate: rate,
            is_maker,
            forced: order.forced,
            at_ns: now_ns,
        };
        self.trades.push(trade.clone());
        self.touched.extend([paid, received]);
        if is_full {
            self.open.retain(|open| *open != id);
        }
        self.orders.insert(id, order.clone());
        events.push(Event::Traded(order, trade));
        true
    }

    /// Locks what the rest of a limit order needs after a trade.
    fn lock_for_rest(&mut self, order: &Order) -> bool {
        self.held(order).is_ok_and(|(asset, amount)| self.account.lock(&asset, amount))
    }

    /// Ends an open order that is not full, and returns it.
    fn close(&mut self, id: u64, status: Status, cause: Cause, now_ns: u64) -> Order {
        let mut order = self.orders[&id].clone();
        self.unlock_for(&order);
        (order.status, order.cause, order.updated_ns) = (status, Some(cause), now_ns);
        self.open.retain(|open| *open != id);
        self.orders.insert(id, order.clone());
        order
    }

    /// Adds an event about the balances that have changed, if any have.
    fn tell_balances(&mut self, events: &mut Vec<Event>) {
        let mut assets = std::mem::take(&mut self.touched);
        assets.sort_unstable();
        assets.dedup();
        let balances: Vec<(String, Balance)> = assets
            .into_iter()
            .map(|asset| {
                let balance = self.account.balance(&asset);
                (asset, balance)
            })
            .collect();
        if !balances.is_empty() && !events.is_empty() {
            events.push(Event::Balances(balances));
        }
    }
}

/// Returns the size in whole lots that an amount of the quote asset is worth at a price, or zero if there
/// is no price.
fn worth(cost: Amount, price: Amount, lot: Amount) -> Result<Amount, Refusal> {
    if !price.is_positive() || !lot.is_positive() {
        return Ok(Amount::ZERO);
    }
    let step = price.times(lot).ok_or(Refusal::TooLarge)?;
    lot.repeated(cost.whole(step)).ok_or(Refusal::TooLarge)
}
