//! A trader whose gateway is this test: what venues say of orders and balances, late, doubled and
//! contradictory, told answer by answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod rig;

use rig::{amount, name, reverse, spread};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::Record;
use spreadwire_trading::entry::{Entry, Event, Halt, Outcome, Stage};
use spreadwire_trading::kill::KillSwitch;
use spreadwire_trading::order::{
    Answer, ClientId, Ended, Fill, Order, Purpose, Reject, Side, VenueText,
};
use spreadwire_trading::settings::{Exit, Hedge, Settings};
use spreadwire_trading::terms::Settlement;
use spreadwire_trading::trader::{Out, Trader};
use spreadwire_trading::why::Why;

struct Rig {
    trader: Trader,
    now: Nanos,
    entries: Vec<Entry>,
    orders: Vec<Order>,
    asks: Vec<ClientId>,
    trades: u64,
}

impl Rig {
    fn unconnected(settings: Settings, entries: &[Entry]) -> Rig {
        let kill = KillSwitch::default();
        let mut trader = Trader::new(&rig::catalogue(), rig::thresholds(), settings, kill, 1);
        entries.iter().for_each(|entry| trader.restore(entry));
        let (entries, orders, asks) = (entries.to_vec(), Vec::new(), Vec::new());
        Rig { trader, now: SECOND, entries, orders, asks, trades: 0 }
    }

    /// Both venues are connected, and hold what the books begin with.
    fn connected(settings: Settings) -> Rig {
        let mut rig = Rig::unconnected(settings, &[]);
        for venue in 0..2 {
            rig.up(venue);
            rig.balances(venue, "1000", "100000");
            rig.reconciled(venue);
        }
        rig
    }

    fn call(&mut self, work: impl FnOnce(&mut Trader, Nanos, &mut Out)) {
        let mut out = Out::default();
        work(&mut self.trader, self.now, &mut out);
        self.entries.append(&mut out.entries);
        self.orders.append(&mut out.orders);
        self.asks.extend(out.asks.iter().map(|order| order.id));
    }

    fn hear(&mut self, answer: Answer) {
        self.call(|trader, now, out| trader.on_answer(&answer, now, out));
    }

    fn on(&mut self, record: impl FnOnce(Nanos) -> Record) {
        self.now += MILLI;
        let record = record(self.now);
        self.call(|trader, _, out| trader.on_record(&record, out));
    }

    /// Shows a spread that is worth a deal of 2 `A`.
    fn show(&mut self) {
        self.on(|ts| spread(ts, (10_000, 200), (10_100, 200)));
    }

    /// Shows both sides of both venues, the spread gone.
    fn show_nothing(&mut self) {
        self.both([(10_050, 300), (10_049, 300)], [(10_051, 300), (10_048, 300)]);
    }

    /// Shows both spreads of a quote: what a purchase and a sale get one way, and the other way round.
    fn both(&mut self, one: [(i64, i64); 2], other: [(i64, i64); 2]) {
        self.on(|ts| spread(ts, one[0], one[1]));
        self.now -= MILLI;
        self.on(|ts| reverse(ts, other[0], other[1]));
    }

    fn wait(&mut self, time: Nanos) {
        self.now += time;
        self.call(|trader, now, out| trader.on_time(now, out));
    }

    fn up(&mut self, venue: u8) {
        self.hear(Answer::Connection { venue: VenueId(venue), is_up: true });
    }

    fn balances(&mut self, venue: u8, base: &str, quote: &str) {
        for (asset, total) in [("A", base), ("B", quote)] {
            let (venue, asset, total) = (VenueId(venue), name(asset), amount(total));
            self.hear(Answer::Balance { venue, asset, total });
        }
    }

    fn reconciled(&mut self, venue: u8) {
        self.hear(Answer::Reconciled { venue: VenueId(venue) });
    }

    fn trade(&mut self, order: Option<Order>, side: Side, venue: u8, (px, sz): (i64, i64)) -> Fill {
        self.trades += 1;
        Fill {
            order: order.map(|order| order.id),
            trade: VenueText::of_number(self.trades),
            instrument: InstrumentId(0),
            venue: VenueId(venue),
            side,
            px,
            sz,
            fee: amount("0"),
            fee_asset: name("B"),
            ts: self.now,
        }
    }

    fn fill(&mut self, order: Order, sz: i64) {
        let fill = self.trade(Some(order), order.side, order.venue.0, (order.px, sz));
        self.hear(Answer::Filled(fill));
    }

    fn done(&mut self, order: Order, filled: i64) {
        let how = if filled == order.sz { Ended::Filled } else { Ended::Unfilled };
        self.hear(Answer::Done { id: order.id, how, filled });
    }

    /// Opens a deal and returns its two orders.
    fn opened(&mut self) -> [Order; 2] {
        let from = self.orders.len();
        self.show();
        self.orders[from..].try_into().unwrap()
    }

    fn halts(&self) -> Vec<Halt> {
        self.trader.desk().halts().collect()
    }

    fn waiting(&self) -> Vec<u8> {
        self.trader.to_reconcile().map(|venue| venue.0).collect()
    }

    fn stage(&self) -> Option<Stage> {
        self.trader.desk().deals().first().map(|deal| deal.stage)
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let settled = self.entries.iter().filter_map(|entry| {
            let Event::Settled(settled) = entry.event else { return None };
            Some(settled.outcome)
        });
        settled.collect()
    }

    fn balance(&self, venue: u8, asset: &str) -> String {
        let desk = self.trader.desk();
        let asset = desk.settings.assets.find(name(asset)).unwrap();
        desk.books.account(VenueId(venue), asset).balance().to_string()
    }
}

fn convergence() -> Settings {
    Settings { exit: Exit::Convergence, ..rig::settings() }
}

#[test]
fn nothing_opens_before_both_venues_were_compared() {
    let mut rig = Rig::unconnected(rig::settings(), &[]);
    rig.show();
    for venue in 0..2 {
        rig.up(venue);
        rig.show();
        rig.balances(venue, "1000", "100000");
        rig.show();
        assert_eq!(rig.trader.desk().tally.decided, 0);
        rig.reconciled(venue);
    }
    assert_eq!(rig.trader.why_not().of(Why::NotReconciled), 5);
    rig.show();
    assert_eq!((rig.trader.desk().tally.decided, rig.balance(0, "B")), (1, "100000".into()));
}

#[test]
fn a_difference_halts_until_it_is_adopted_and_no_longer() {
    let mut rig = Rig::connected(rig::settings());
    rig.up(1);
    assert_eq!(rig.waiting(), [1]);
    rig.balances(1, "999", "100000");
    rig.reconciled(1);
    assert_eq!(rig.halts(), [Halt::Balance]);
    let differences = rig.trader.differences();
    assert_eq!(differences.len(), 1);
    assert_eq!((differences[0].booked, differences[0].there), (amount("1000"), amount("999")));
    rig.show();
    rig.call(|trader, now, out| assert!(!trader.resume(now, out), "a person has to adopt"));
    rig.show();
    assert_eq!(rig.trader.why_not().of(Why::NotReconciled), 2);
    rig.call(|trader, now, out| trader.adopt(now, out));
    assert_eq!((rig.halts(), rig.balance(1, "A")), (vec![], "999".into()));
    assert_eq!(rig.trader.differences(), []);
    rig.show();
    assert_eq!(rig.trader.desk().tally.decided, 1);
}

#[test]
fn a_balance_that_is_older_than_a_trade_is_not_adopted() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.done(sold, 0);
    rig.done(bought, 0);
    rig.up(0);
    rig.balances(0, "999", "100000");
    rig.reconciled(0);
    assert_eq!(rig.halts(), [Halt::Balance]);
    // The purchase was filled all the same: now the books are something else.
    rig.fill(bought, 200);
    assert_eq!((rig.trader.differences().len(), rig.waiting()), (0, vec![0]));
    rig.call(|trader, now, out| trader.adopt(now, out));
    assert_eq!((rig.balance(0, "A"), rig.balance(0, "B")), ("1002".into(), "99800".into()));
    rig.balances(0, "1002", "99800");
    rig.reconciled(0);
    assert_eq!((rig.halts(), rig.waiting()), (vec![], vec![]));
}

#[test]
fn balances_are_not_compared_with_a_trade_or_an_order_between() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.up(0);
    rig.balances(0, "1000", "100000");
    rig.fill(bought, 200);
    rig.done(bought, 200);
    rig.reconciled(0);
    assert_eq!((rig.halts(), rig.waiting()), (vec![], vec![0]), "the balances are older");
    rig.balances(0, "1002", "99800");
    rig.reconciled(0);
    assert_eq!((rig.halts(), rig.waiting()), (vec![], vec![]));
    rig.up(1);
    rig.balances(1, "998", "100202");
    rig.reconciled(1);
    assert_eq!((rig.halts(), rig.waiting()), (vec![], vec![1]), "the sale is in flight");
    rig.fill(sold, 200);
    rig.done(sold, 200);
    rig.balances(1, "998", "100202");
    rig.reconciled(1);
    assert_eq!((rig.halts(), rig.waiting()), (vec![], vec![]));
}

#[test]
fn positions_and_what_they_are_settled_in_are_not_compared() {
    let mut settings = rig::settings();
    settings.terms[1].as_mut().unwrap().settlement = Settlement::Position;
    let mut rig = Rig::connected(settings);
    for (venue, halts) in [(1, vec![]), (0, vec![Halt::Balance])] {
        rig.up(venue);
        rig.balances(venue, "7", "99000");
        rig.reconciled(venue);
        assert_eq!(rig.halts(), halts, "venue {venue}");
    }
}

#[test]
fn a_trade_of_nobody_halts_and_is_booked() {
    let mut rig = Rig::connected(rig::settings());
    let liquidation = rig.trade(None, Side::Sell, 0, (9_000, 100));
    rig.hear(Answer::Filled(liquidation));
    rig.hear(Answer::Filled(liquidation));
    assert_eq!((rig.halts(), rig.balance(0, "A")), (vec![Halt::ForeignTrade], "999".into()));
    let is_told = |entry: &&Entry| entry.event == Event::Halted(Halt::ForeignTrade);
    assert_eq!(rig.entries.iter().filter(is_told).count(), 1);
    rig.show();
    assert_eq!(rig.trader.why_not().of(Why::NotReconciled), 1);
}

#[test]
fn each_halt_is_told_once() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, _] = rig.opened();
    rig.fill(bought, 201);
    let foreign = rig.trade(None, Side::Sell, 0, (9_000, 100));
    rig.hear(Answer::Filled(foreign));
    let halts = rig.entries.iter().filter_map(|entry| {
        let Event::Halted(halt) = entry.event else { return None };
        Some(halt)
    });
    assert_eq!(halts.collect::<Vec<_>>(), [Halt::Overfilled, Halt::ForeignTrade]);
}

#[test]
fn a_trade_that_its_order_cannot_have_is_nobodys() {
    let [wrong_side, wrong_venue, no_size, no_price] = [0, 1, 2, 3];
    for fault in [wrong_side, wrong_venue, no_size, no_price] {
        let mut rig = Rig::connected(rig::settings());
        let [bought, _] = rig.opened();
        let mut fill = rig.trade(Some(bought), Side::Buy, 0, (10_000, 200));
        match fault {
            0 => fill.side = Side::Sell,
            1 => fill.venue = VenueId(1),
            2 => fill.sz = 0,
            _ => fill.px = -1,
        }
        rig.hear(Answer::Filled(fill));
        assert_eq!(rig.halts(), [Halt::ForeignTrade], "{fill:?}");
        assert_eq!(rig.trader.desk().deals()[0].legs[0].position, 0);
        assert_eq!(rig.trader.desk().orders().len(), 2, "still waited for");
    }
}

#[test]
fn a_late_fill_opens_its_deal_again_and_is_hedged() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.hear(Answer::Rejected { id: bought.id, why: Reject::Other, code: 0 });
    rig.done(sold, 0);
    assert_eq!(rig.outcomes(), [Outcome::Missed]);
    // Long after the time to live of a hedge, counted from the order.
    rig.wait(10 * SECOND);
    rig.show_nothing();
    let from = rig.orders.len();
    rig.fill(bought, 200);
    assert_eq!(rig.stage(), Some(Stage::Hedging));
    let hedge = rig.orders[from];
    assert_eq!((hedge.purpose, hedge.side, hedge.sz), (Purpose::Hedge, Side::Sell, 200));
    rig.fill(hedge, 200);
    assert_eq!(rig.outcomes(), [Outcome::Missed, Outcome::Hedged]);
    assert_eq!(rig.trader.desk().exposure.total, amount("0"));
}

#[test]
fn an_end_that_says_more_than_was_told_is_asked_for_and_holds_up_the_exit() {
    let mut rig = Rig::connected(convergence());
    let [bought, sold] = rig.opened();
    for order in [bought, sold] {
        rig.fill(order, 100);
        rig.done(order, 100);
    }
    assert_eq!(rig.stage(), Some(Stage::Holding));
    rig.done(bought, 200);
    let orders = rig.orders.len();
    rig.show_nothing();
    rig.show_nothing();
    assert_eq!(rig.orders.len(), orders, "the rest of the purchase is not known yet");
    rig.wait(2 * SECOND);
    assert_eq!(rig.asks, [bought.id]);
    rig.show_nothing();
    rig.fill(bought, 100);
    assert_eq!(rig.stage(), Some(Stage::Hedging));
    assert_eq!(rig.orders.last().unwrap().sz, 100);
}

#[test]
fn what_was_asked_for_is_believed_over_what_was_said_before() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.done(sold, 0);
    rig.done(bought, 150);
    rig.done(bought, 0);
    assert_eq!(rig.trader.desk().orders().len(), 1, "the larger word");
    rig.wait(2 * SECOND);
    assert_eq!(rig.asks, [bought.id]);
    rig.done(bought, 0);
    assert_eq!(rig.outcomes(), [Outcome::Missed]);
    assert_eq!(rig.orders.len(), 2, "nothing is sent again");
}

#[test]
fn an_end_beyond_the_size_of_the_order_halts() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.hear(Answer::Done { id: bought.id, how: Ended::Filled, filled: 999 });
    assert_eq!(rig.halts(), [Halt::Overfilled]);
    rig.fill(bought, 200);
    rig.fill(sold, 200);
    assert_eq!(rig.outcomes(), [Outcome::Done], "no more than the order is waited for");
    // A trade beyond the size after all that.
    rig.show_nothing();
    rig.fill(bought, 1);
    assert_eq!(rig.stage(), Some(Stage::Hedging));
}

#[test]
fn an_unknown_outcome_is_asked_for_less_and_less_often_and_again_on_connecting() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.done(sold, 0);
    let mut asked = Vec::new();
    for _ in 0..40 {
        rig.wait(SECOND);
        // The gateway does not know either, and says so each time.
        rig.hear(Answer::Unknown { id: bought.id });
        asked.push(rig.asks.len());
    }
    let at = |count| asked.iter().position(|asks| *asks == count).unwrap();
    assert_eq!([at(1), at(2), at(3), at(4), at(5)], [0, 1, 3, 7, 15]);
    rig.hear(Answer::Connection { venue: VenueId(0), is_up: false });
    let before = rig.asks.len();
    rig.up(0);
    assert_eq!(rig.asks.len(), before + 1);
    assert_eq!(rig.orders.len(), 2, "nothing is sent again");
}

#[test]
fn a_residual_is_hedged_where_there_is_a_connection() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.show_nothing();
    for venue in 0..2 {
        rig.hear(Answer::Connection { venue: VenueId(venue), is_up: false });
    }
    rig.fill(bought, 200);
    rig.done(sold, 0);
    rig.wait(2 * MILLI);
    assert_eq!((rig.orders.len(), rig.stage()), (2, Some(Stage::Hedging)));
    rig.up(1);
    rig.wait(2 * MILLI);
    let hedge = *rig.orders.last().unwrap();
    assert_eq!((rig.orders.len(), hedge.venue, hedge.side), (3, VenueId(1), Side::Sell));
}

#[test]
fn the_residual_of_an_exit_is_hedged_towards_its_end() {
    for (policy, venue, side) in [(Hedge::Complete, 1, Side::Buy), (Hedge::Reverse, 0, Side::Buy)] {
        let mut settings = convergence();
        settings.hedging.policy = policy;
        let mut rig = Rig::connected(settings);
        for order in rig.opened() {
            rig.fill(order, 200);
        }
        rig.show_nothing();
        rig.show_nothing();
        let [sold, bought] = rig.orders[2..].try_into().unwrap();
        assert_eq!((sold.purpose, bought.purpose), (Purpose::Exit, Purpose::Exit));
        rig.fill(sold, 200);
        rig.both([(10_050, 310), (10_049, 310)], [(10_051, 310), (10_048, 310)]);
        rig.done(bought, 0);
        let hedge = *rig.orders.last().unwrap();
        assert_eq!((hedge.venue, hedge.side), (VenueId(venue), side), "{policy}");
    }
}

#[test]
fn a_restart_gives_a_residual_its_time_again() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.fill(bought, 200);
    rig.done(sold, 0);
    assert_eq!(rig.stage(), Some(Stage::Hedging));
    let mut later = Rig::unconnected(rig::settings(), &rig.entries);
    later.now = rig.now + 3_600 * SECOND;
    later.call(|trader, now, out| trader.restored(now, out));
    assert_eq!(later.stage(), Some(Stage::Hedging));
    later.up(1);
    later.show_nothing();
    later.wait(2 * MILLI);
    assert_eq!(later.orders.len(), 1);
}

#[test]
fn a_halt_that_did_not_reach_the_disk_holds_all_the_same() {
    let mut settings = rig::settings();
    settings.limits.failures = 1;
    let mut rig = Rig::connected(settings.clone());
    for order in rig.opened() {
        rig.hear(Answer::Rejected { id: order.id, why: Reject::Other, code: 0 });
    }
    assert_eq!(rig.entries.pop().unwrap().event, Event::Halted(Halt::Failures));
    let mut later = Rig::unconnected(settings, &rig.entries);
    for venue in 0..2 {
        later.up(venue);
        later.balances(venue, "1000", "100000");
        later.reconciled(venue);
    }
    later.show();
    assert_eq!((later.orders.len(), later.trader.why_not().of(Why::Failures)), (0, 1));
}

#[test]
fn a_loss_ends_the_day_and_not_the_next_one() {
    let mut settings = rig::settings();
    settings.limits.loss_per_day = amount("10");
    let mut rig = Rig::connected(settings);
    let [bought, sold] = rig.opened();
    rig.fill(bought, 200);
    // Sold far below: the loss is 20.
    let fill = rig.trade(Some(sold), Side::Sell, 1, (9_000, 200));
    rig.hear(Answer::Filled(fill));
    rig.show_nothing();
    rig.show();
    assert_eq!((rig.orders.len(), rig.trader.why_not().of(Why::LossPerDay)), (2, 1));
    rig.now = 86_400 * SECOND - 2 * MILLI;
    rig.show_nothing();
    rig.show();
    assert_eq!(rig.orders.len(), 4, "the day is over");
}

#[test]
fn a_hedge_waits_for_its_balance() {
    let mut rig = Rig::connected(rig::settings());
    let [bought, sold] = rig.opened();
    rig.show_nothing();
    rig.fill(bought, 200);
    // Somebody leaves 1 at the venue of the purchase, and nothing at the other.
    for (venue, sz) in [(0, 100_100), (1, 100_000)] {
        let taken = rig.trade(None, Side::Sell, venue, (10_000, sz));
        rig.hear(Answer::Filled(taken));
    }
    rig.done(sold, 0);
    rig.wait(2 * MILLI);
    assert_eq!((rig.orders.len(), rig.stage()), (2, Some(Stage::Hedging)));
    let given = rig.trade(None, Side::Buy, 0, (10_000, 100));
    rig.hear(Answer::Filled(given));
    let hedge = *rig.orders.last().unwrap();
    assert_eq!((rig.orders.len(), hedge.venue, hedge.sz), (3, VenueId(0), 200));
}

#[test]
fn an_exit_waits_for_its_balance() {
    let mut rig = Rig::connected(convergence());
    for order in rig.opened() {
        rig.fill(order, 200);
    }
    // Somebody has taken everything from the venue where it would be sold.
    let taken = rig.trade(None, Side::Sell, 0, (10_000, 100_200));
    rig.hear(Answer::Filled(taken));
    rig.show_nothing();
    rig.show_nothing();
    assert_eq!((rig.orders.len(), rig.stage()), (2, Some(Stage::Holding)));
}

#[test]
fn a_restart_asks_at_once_what_became_of_orders_in_flight() {
    let mut rig = Rig::connected(rig::settings());
    let orders = rig.opened();
    let mut later = Rig::unconnected(rig::settings(), &rig.entries);
    later.call(|trader, now, out| trader.restored(now, out));
    assert_eq!(later.asks, orders.map(|order| order.id));
    assert!(later.orders.is_empty(), "nothing is sent again");
}
