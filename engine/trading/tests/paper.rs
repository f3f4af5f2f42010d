//! The gateway on paper against a second, naive one, which looks for each order through all records; and
//! the trader with it, whose books must be those of the venues on paper, also across restarts.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod rig;

use proptest::prelude::*;
use rig::{Rig, amount, name, spread, status};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Gap, Record, Spread};
use spreadwire_market::state::State;
use spreadwire_trading::books::Books;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::latency::Latencies;
use spreadwire_trading::order::{Answer, ClientId, Ended, Order, Purpose, Reject, Side};
use spreadwire_trading::paper::{Paper, PaperSettings};
use spreadwire_trading::settings::{Exit, Hedge, Settings};
use spreadwire_trading::terms::{FeeAsset, Tier};
use spreadwire_trading::view::View;

/// A level that was last said longer ago than this is not seen.
const MAX_AGE: Nanos = 20 * MILLI;
const LOT: i64 = 3;

/// What happens next, with the time since what was before.
#[derive(Clone, Debug)]
enum Step {
    Record(Record),
    Order(Order),
}

fn step() -> impl Strategy<Value = (Nanos, Step)> {
    let px = || 9_990_i64..10_010;
    let records = prop_oneof![
        6 => (px(), 0_i64..40, px(), 0_i64..40)
            .prop_map(|(ask, ask_sz, bid, bid_sz)| spread(0, (ask, ask_sz), (bid, bid_sz))),
        1 => (0_u8..2).prop_map(|venue| status(0, venue, State::Stale)),
        1 => Just(Gap::new(0, 1).into()),
    ];
    let orders = (any::<bool>(), 9_985_i64..10_015, 0_i64..12).prop_map(|(is_buy, px, lots)| {
        let (side, venue) = if is_buy { (Side::Buy, 0) } else { (Side::Sell, 1) };
        let (id, venue, sz) = (ClientId(0), VenueId(venue), lots * LOT);
        let (deal, purpose, instrument) = (1, Purpose::Entry, InstrumentId(0));
        Order { id, deal, purpose, instrument, venue, side, px, sz, ts: 0 }
    });
    let step = prop_oneof![records.prop_map(Step::Record), orders.prop_map(Step::Order)];
    let wait = prop_oneof![4 => 0..4 * MILLI, 1 => 15 * MILLI..25 * MILLI, 2 => Just(0)];
    (wait, step)
}

/// Gives each step its time, and each order its number. Some quotes are said again unchanged.
fn timed(steps: Vec<(Nanos, Step)>) -> Vec<(Nanos, Step)> {
    let (mut now, mut id, mut last) = (SECOND, 0, None);
    let mut timed = Vec::new();
    for (wait, step) in steps {
        now += wait;
        let step = match step {
            Step::Order(order) => {
                id += 1;
                Step::Order(Order { id: ClientId(id), ts: now, ..order })
            }
            Step::Record(record) => {
                let said = record.get::<Spread>().copied();
                let again = last.filter(|_| wait % 3 == 1);
                last = said.or(last);
                Step::Record(at(again.map_or(record, Record::from), now))
            }
        };
        timed.push((now, step));
    }
    timed
}

fn at(record: Record, ts: Nanos) -> Record {
    if let Some(spread) = record.get::<Spread>() {
        return Spread { ts_recv: ts, ..*spread }.into();
    }
    if let Some(status) = record.get::<spreadwire_market::record::Status>() {
        return spreadwire_market::record::Status { ts_recv: ts, ..*status }.into();
    }
    Gap::new(ts, 1).into()
}

fn settings(fee_asset: FeeAsset) -> Settings {
    let mut settings = rig::settings();
    for terms in settings.terms.iter_mut().flatten() {
        (terms.lot, terms.min_sz) = (LOT, LOT);
    }
    for venue in &mut settings.venues {
        let tier = |from: &str, millionths| Tier { from: amount(from), millionths };
        venue.tiers = vec![tier("0", 1_000), tier("20", 600), tier("60", -100)];
        (venue.max_age, venue.fee_asset) = (MAX_AGE, fee_asset);
    }
    settings
}

/// What a venue on paper must answer, and when it reaches the trader.
type Told = (Nanos, ClientId, String);

/// The naive gateway: one venue and side at a time, all records looked through for each order.
struct Naive<'a> {
    steps: &'a [(Nanos, Step)],
    latencies: &'a Latencies,
    fee_asset: FeeAsset,
    /// Units of 10^-18 by venue: `A`, `B` and `Z`.
    balances: [[i128; 3]; 2],
    volumes: [i128; 2],
    /// Arrival, place of the last change of the level before it, size filled; by venue.
    filled: [Vec<(usize, i64)>; 2],
    told: Vec<Told>,
}

impl Naive<'_> {
    fn run(&mut self) {
        let orders = self.steps.iter().filter_map(|(_, step)| match step {
            Step::Order(order) => Some(*order),
            Step::Record(_) => None,
        });
        let mut orders: Vec<Order> = orders.collect();
        orders.sort_by_key(|order| (self.arrival(order), order.id.0));
        for order in orders {
            let due = self.arrival(&order);
            let told = self.answers(&order, due);
            let heard = due + self.latencies.of(order.id, 1);
            self.told.extend(told.into_iter().map(|text| (heard, order.id, text)));
        }
        self.told.sort();
    }

    fn arrival(&self, order: &Order) -> Nanos {
        order.ts + self.latencies.of(order.id, 0)
    }

    fn answers(&mut self, order: &Order, due: Nanos) -> Vec<String> {
        let venue = order.venue.index();
        if order.sz == 0 || order.px * order.sz < 50_000 {
            return vec![format!("rejected {}", Reject::Filter.name())];
        }
        let value = i128::from(order.px) * i128::from(order.sz) * 10_i128.pow(14);
        let fee = (value * self.millionths(venue).max(0) + 999_999) / 1_000_000;
        let (asset, needed) = match order.side {
            Side::Buy => (1, value + fee),
            Side::Sell => (0, i128::from(order.sz) * 10_i128.pow(16)),
        };
        if self.balances[venue][asset] < needed {
            return vec![format!("rejected {}", Reject::Balance.name())];
        }
        let Some((px, shown, changed)) = self.level(venue, due) else {
            return vec!["unknown".into()];
        };
        let is_met = if order.side == Side::Buy { px <= order.px } else { order.px <= px };
        let same = self.filled[venue].iter().filter(|(place, _)| *place == changed);
        let left = shown - same.map(|(_, sz)| sz).sum::<i64>();
        let sz = if is_met { order.sz.min(left).max(0) / LOT * LOT } else { 0 };
        let mut told = Vec::new();
        if 0 < sz {
            self.filled[venue].push((changed, sz));
            let fee = self.trade(venue, order.side, px, sz);
            told.push(format!("filled {sz} at {px} fee {fee}"));
        }
        told.push(format!("done {sz} {}", if sz == order.sz { "filled" } else { "unfilled" }));
        told
    }

    /// Returns price and size of the last record before the arrival, and the place of the record that
    /// changed them; `None` if they are not seen.
    fn level(&self, venue: usize, due: Nanos) -> Option<(i64, i64, usize)> {
        let mut level: Option<(i64, i64, usize)> = None;
        let (mut is_seen, mut said_at) = (false, 0);
        for (place, (ts, step)) in self.steps.iter().enumerate() {
            let Step::Record(record) = step else { continue };
            if due < *ts {
                break;
            }
            if let Some(spread) = record.get::<Spread>() {
                let (px, sz) =
                    [(spread.buy_px, spread.buy_sz), (spread.sell_px, spread.sell_sz)][venue];
                let is_same = level.is_some_and(|(p, s, _)| (p, s) == (px, sz));
                let changed = if is_same { level?.2 } else { place };
                level = Some((px, sz, changed));
                (is_seen, said_at) = (true, *ts);
            } else if let Some(status) = record.get::<spreadwire_market::record::Status>() {
                is_seen &= status.venue.index() != venue;
            } else {
                is_seen = false;
            }
        }
        level.filter(|_| is_seen && due - said_at <= MAX_AGE)
    }

    fn millionths(&self, venue: usize) -> i128 {
        let volume = self.volumes[venue];
        let whole = 10_i128.pow(18);
        if volume < 20 * whole {
            1_000
        } else if volume < 60 * whole {
            600
        } else {
            -100
        }
    }

    /// Books a trade; returns its fee as text.
    fn trade(&mut self, venue: usize, side: Side, px: i64, sz: i64) -> String {
        let value = i128::from(px) * i128::from(sz) * 10_i128.pow(14);
        let size = i128::from(sz) * 10_i128.pow(16);
        let millionths = self.millionths(venue);
        let up = |units: i128, by: i128, per: i128| {
            (units * by).div_euclid(per) + i128::from((units * by).rem_euclid(per) != 0)
        };
        let of_value = up(value, millionths, 1_000_000);
        let in_own = up(of_value, 1_000_000, 4_000_000);
        let (fee, asset) = match self.fee_asset {
            FeeAsset::Quote => (of_value, 1),
            FeeAsset::Own(_) if in_own <= self.balances[venue][2] => (in_own, 2),
            FeeAsset::Own(_) | FeeAsset::Received => match side {
                Side::Buy => (up(size, millionths, 1_000_000), 0),
                Side::Sell => (of_value, 1),
            },
        };
        let sign = i128::from(side.sign());
        self.balances[venue][0] += sign * size;
        self.balances[venue][1] -= sign * value;
        self.balances[venue][asset] -= fee;
        self.volumes[venue] += value;
        format!("{fee} {}", ["A", "B", "Z"][asset])
    }
}

fn told(answer: &Answer) -> (ClientId, String) {
    match *answer {
        Answer::Filled(fill) => {
            let fee = format!("{} {}", fill.fee.units(), fill.fee_asset);
            (fill.order.unwrap(), format!("filled {} at {} fee {fee}", fill.sz, fill.px))
        }
        Answer::Done { id, how, filled } => {
            assert!(matches!(how, Ended::Filled | Ended::Unfilled));
            (id, format!("done {filled} {}", how.name()))
        }
        Answer::Rejected { id, why, .. } => (id, format!("rejected {}", why.name())),
        Answer::Unknown { id } => (id, "unknown".into()),
        Answer::Acked { .. }
        | Answer::Balance { .. }
        | Answer::Reconciled { .. }
        | Answer::Connection { .. } => panic!("{answer:?}"),
    }
}

fn fee_asset() -> impl Strategy<Value = FeeAsset> {
    let own = rig::assets().find(name("Z")).unwrap();
    prop_oneof![Just(FeeAsset::Quote), Just(FeeAsset::Received), Just(FeeAsset::Own(own))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_on_paper_are_filled_as_by_a_naive_gateway(
        steps in proptest::collection::vec(step(), 1..60),
        fee_asset in fee_asset(),
        seed in any::<u64>(),
    ) {
        let steps = timed(steps);
        let settings = settings(fee_asset);
        let latencies = Latencies::measured((0..9).map(|k| k * MILLI).collect(), seed).unwrap();
        let mut books = Books::new(&settings);
        let one = 10_i128.pow(18);
        // Enough for a few orders only; the fee asset is there at one venue for a moment.
        let balances = [[one, 60 * one, one / 400], [one / 2, 100 * one, 0]];
        for (venue, held) in balances.iter().enumerate() {
            for (asset, units) in settings.assets.ids().zip(held) {
                let venue = VenueId(u8::try_from(venue).unwrap());
                books.account_mut(venue, asset).funded = rig::units(*units);
            }
        }
        let paper = PaperSettings { latencies: vec![latencies.clone(); 2], rejects: 0.0, seed: 1 };
        let mut paper = Paper::new(paper, books);
        let mut view = View::new(&rig::catalogue());
        let mut heard: Vec<Told> = Vec::new();
        let mut hear = |until, paper: &mut Paper, view: &mut View| {
            while let Some((due, answer)) = paper.step(until, &settings, view) {
                if let Some(answer) = answer {
                    let (id, text) = told(&answer);
                    heard.push((due, id, text));
                }
            }
        };
        for (ts, step) in &steps {
            hear(*ts, &mut paper, &mut view);
            match step {
                Step::Record(record) => view.on_record(record),
                Step::Order(order) => paper.place(order),
            }
        }
        hear(Nanos::MAX, &mut paper, &mut view);
        let mut naive = Naive {
            steps: &steps,
            latencies: &latencies,
            fee_asset,
            balances,
            volumes: [0; 2],
            filled: [Vec::new(), Vec::new()],
            told: Vec::new(),
        };
        naive.run();
        heard.sort();
        prop_assert_eq!(heard, naive.told);
        for (venue, held) in naive.balances.iter().enumerate() {
            for (asset, units) in settings.assets.ids().zip(held) {
                let venue = VenueId(u8::try_from(venue).unwrap());
                prop_assert_eq!(paper.books().account(venue, asset).balance().units(), *units);
            }
        }
    }

    #[test]
    fn the_books_are_those_of_the_venues_on_paper_also_after_restarts(
        steps in proptest::collection::vec(step(), 1..80),
        policy in 0_usize..3,
        is_convergence in any::<bool>(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
    ) {
        let mut settings = settings(FeeAsset::Quote);
        settings.hedging.policy = Hedge::ALL[policy];
        settings.hedging.time_to_live = 50 * MILLI;
        settings.exit = if is_convergence { Exit::Convergence } else { Exit::Inventory };
        settings.answer_timeout = 30 * MILLI;
        let mut rig = Rig::with(settings);
        let records: Vec<Record> = timed(steps).into_iter().filter_map(|(_, step)| match step {
            Step::Record(record) => Some(record),
            Step::Order(_) => None,
        }).map(profitable).collect();
        let cuts: Vec<(usize, _)> =
            cuts.iter().map(|(place, lost)| (place.index(records.len() + 1), lost)).collect();
        for (place, record) in records.iter().enumerate() {
            rig.on(*record);
            if let Some((_, lost)) = cuts.iter().find(|(at, _)| *at == place) {
                // The end of what was written is not there any more.
                rig.restart(lost.index(6));
            }
        }
        // The book comes to rest, and everything under way arrives.
        let last = records.last().map_or(SECOND, Record::ts_recv);
        for k in 1..600 {
            rig.on(spread(last + k * 10 * MILLI, (10_010, 30), (9_990, 30)));
        }
        rig.check();
        let desk = rig.trader().desk();
        prop_assert!(desk.orders().is_empty(), "{:#?}", desk.orders());
        prop_assert!(desk.deals().iter().all(|deal| !deal.is_in_flight()));
        for venue in 0..2 {
            for asset in desk.settings.assets.ids() {
                let (here, there) = (
                    desk.books.account(VenueId(venue), asset),
                    rig.paper().books().account(VenueId(venue), asset),
                );
                prop_assert_eq!(here.balance(), there.balance());
                prop_assert_eq!((here.reserved, there.reserved), (amount("0"), amount("0")));
            }
        }
        let profits = rig.entries.iter().filter_map(|Entry { event, .. }| {
            let Event::Settled(settled) = event else { return None };
            Some(settled.profit)
        });
        prop_assert_eq!(profits.sum::<spreadwire_trading::amount::Amount>(), desk.profit());
    }
}

/// Moves the prices of some spreads apart, so that they are acted on.
fn profitable(record: Record) -> Record {
    match record.get::<Spread>() {
        Some(at) if at.buy_sz % 2 == 0 => {
            spread(at.ts_recv, (at.buy_px - 50, at.buy_sz), (at.sell_px + 50, at.sell_sz))
        }
        _ => record,
    }
}

#[test]
fn a_venue_on_paper_refuses_the_stated_share_of_orders() {
    let settings = settings(FeeAsset::Quote);
    let paper = PaperSettings { latencies: vec![Latencies::fixed(1); 2], rejects: 0.3, seed: 7 };
    let mut paper = Paper::new(paper, Books::new(&settings));
    let mut view = View::new(&rig::catalogue());
    for id in 1..=1_000 {
        let (deal, purpose, instrument) = (1, Purpose::Entry, InstrumentId(0));
        let (id, venue, side) = (ClientId(id), VenueId(0), Side::Buy);
        let order = Order { id, deal, purpose, instrument, venue, side, px: 10_000, sz: 30, ts: 1 };
        paper.place(&order);
    }
    let mut refused = 0;
    while let Some((_, answer)) = paper.step(Nanos::MAX, &settings, &mut view) {
        let is_refused = |answer| matches!(answer, Answer::Rejected { why: Reject::Other, .. });
        refused += u32::from(answer.is_some_and(is_refused));
    }
    assert!((250..350).contains(&refused), "{refused} of 1,000");
}
