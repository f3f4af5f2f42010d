//! The expected output of the engine, recomputed naively from the quotes in its journal.
//!
//! From the rows in the order of their numbers, with the states that were sent in between, it
//! derives every spread (prices are compared exactly, as integers) and every opportunity. It shares
//! no code with the book, the calculator or the decision.

use crate::pipeline::lake_rows::Row;
use crate::pipeline::listener::{HeardEnd, HeardSpread, HeardStatus, Key};
use serde_json::{Value, json};
use spreadwire_market::decision::Settings;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use std::collections::{BTreeMap, BTreeSet};

/// An event that the broadcast and the decision should see, in order.
#[derive(Clone, Debug)]
pub enum Event {
    Spread(Spread),
    Ended(HeardEnd),
    Status(HeardStatus),
}

/// An instrument, the venue to buy on and the venue to sell on.
type Way = (InstrumentId, VenueId, VenueId);

/// Buying on one venue and selling on another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub instrument: InstrumentId,
    pub buy: VenueId,
    pub sell: VenueId,
    /// Price and size.
    pub ask: (f64, f64),
    pub bid: (f64, f64),
    pub ts_recv: u64,
    pub quote_seq: u64,
}

/// Returns every event, from the rows and the statuses received. A number without a row is a
/// status.
pub fn events(rows: &[Row], statuses: &[HeardStatus], names: &Catalogue) -> Vec<Event> {
    let mut events = Vec::new();
    let mut statuses = statuses.iter();
    let mut live: BTreeMap<Key, bool> = BTreeMap::new();
    let mut latest: BTreeMap<Key, &Row> = BTreeMap::new();
    let mut standing = BTreeSet::new();
    let mut next = 0;
    for row in rows {
        for number in next..row.number {
            let status = statuses.next().expect("a number that is no row's is a status's");
            take_status(status, number, &mut live, &mut standing, &mut events);
        }
        next = row.number + 1;
        let mut ends = Vec::new();
        latest.insert(row.key, row);
        let (venue, instrument) = row.key;
        for other in names.venues_of(instrument) {
            let there = (other, instrument);
            let is_live = |key: &Key| live.get(key).is_some_and(|live| *live);
            let Some(leg) = latest.get(&there).filter(|_| other != venue) else { continue };
            let is_old = names.venue(other).max_age < row.ts_recv.saturating_sub(leg.ts_recv);
            let is_good = is_live(&row.key) && is_live(&there) && !crossed(row) && !crossed(leg);
            for (buy, sell) in [(row, *leg), (*leg, row)] {
                let way = (instrument, buy.key.0, sell.key.0);
                match spread(buy, sell, row).filter(|_| is_good && !is_old) {
                    Some(spread) => {
                        standing.insert(way);
                        events.push(Event::Spread(spread));
                    }
                    None if standing.remove(&way) => {
                        let reason = if is_good && is_old { "leg_old" } else { "leg_not_live" };
                        ends.push(ended(way, reason, row.ts_recv, row.number));
                    }
                    None => {}
                }
            }
        }
        events.extend(ends);
    }
    for (number, status) in (next..).zip(statuses) {
        take_status(status, number, &mut live, &mut standing, &mut events);
    }
    events
}

/// A status that is not live ends every pair of its leg that stands: by the other venue, and of two
/// the one that buys on the leg first.
fn take_status(
    status: &HeardStatus,
    number: u64,
    live: &mut BTreeMap<Key, bool>,
    standing: &mut BTreeSet<Way>,
    events: &mut Vec<Event>,
) {
    let is_live = status.state == "live";
    live.insert(status.key, is_live);
    events.push(Event::Status(status.clone()));
    if is_live {
        return;
    }
    let (venue, instrument) = status.key;
    let has_leg = |way: &Way| way.0 == instrument && (way.1 == venue || way.2 == venue);
    let mut over: Vec<Way> = standing.iter().copied().filter(has_leg).collect();
    over.sort_by_key(|way| if way.1 == venue { (way.2, 0) } else { (way.1, 1) });
    for way in over {
        standing.remove(&way);
        events.push(ended(way, "leg_not_live", status.ts_recv, number));
    }
}

fn ended((instrument, buy, sell): Way, reason: &str, ts_recv: u64, quote_seq: u64) -> Event {
    let reason = reason.to_owned();
    Event::Ended(HeardEnd { instrument, buy, sell, reason, ts_recv, quote_seq })
}

fn crossed(row: &Row) -> bool {
    row.said.bid.zip(row.said.ask).is_some_and(|(bid, ask)| ask.0 < bid.0)
}

fn spread(buy: &Row, sell: &Row, cause: &Row) -> Option<Spread> {
    Some(Spread {
        instrument: cause.key.1,
        buy: buy.key.0,
        sell: sell.key.0,
        ask: buy.said.ask?,
        bid: sell.said.bid?,
        ts_recv: cause.ts_recv,
        quote_seq: cause.number,
    })
}

impl Spread {
    /// Returns whether this is what was received; figures may differ by half of their last decimal.
    pub fn is(&self, heard: &HeardSpread, names: &Catalogue) -> bool {
        let said = Spread {
            instrument: heard.instrument,
            buy: heard.buy,
            sell: heard.sell,
            ask: (heard.buy_px, heard.buy_sz),
            bid: (heard.sell_px, heard.sell_sz),
            ts_recv: heard.ts_recv,
            quote_seq: heard.quote_seq,
        };
        let scale = names.instrument(self.instrument).price_scale;
        let (bid, ask) = (units(self.bid.0, scale), units(self.ask.0, scale));
        let fee = |venue| units(names.venue(venue).taker_fee, FEE_DECIMALS);
        let whole = 10_i128.pow(u32::from(FEE_DECIMALS));
        let (proceeds, cost) = (bid * (whole - fee(self.sell)), ask * (whole + fee(self.buy)));
        said == *self
            && rounds_to(bid - ask, ask, heard.gross_bps)
            && rounds_to(proceeds - cost, cost, heard.net_bps)
    }

    /// Net spread, fraction.
    fn net(&self, names: &Catalogue) -> f64 {
        let fee = |venue| names.venue(venue).taker_fee;
        self.bid.0 * (1.0 - fee(self.sell)) / (self.ask.0 * (1.0 + fee(self.buy))) - 1.0
    }
}

/// Fee in units of a thousandth of a basis point: a tenth of a basis point is 100.
const FEE_DECIMALS: u8 = 7;

#[expect(clippy::cast_possible_truncation, reason = "prices and fees have few digits")]
fn units(number: f64, decimals: u8) -> i128 {
    (number * 10_f64.powi(i32::from(decimals))).round() as i128
}

/// Returns whether a fraction, in basis points, matches the number shown with four decimals.
fn rounds_to(over: i128, under: i128, shown: f64) -> bool {
    // In units of the last decimal shown, with a tolerance of a millionth for the arithmetic of
    // doubles.
    let off = (units(shown, 4) * under - over * 100_000_000).abs();
    2 * off * 1_000_000 <= under * 1_000_001
}

/// An open opportunity.
struct Open {
    id: u64,
    ts: u64,
    peak: (f64, u64),
    last: f64,
    updates: u64,
}

/// Opens and closes opportunities by the rule in docs/configuration.md.
pub struct Decider<'a> {
    names: &'a Catalogue,
    rule: &'a Settings,
    open: BTreeMap<Way, Open>,
    cool_until: BTreeMap<Way, u64>,
    opened: u64,
    lines: Vec<Value>,
}

/// Returns every line that the chronicle should have written, in any order.
pub fn opportunities(events: &[Event], names: &Catalogue, rule: &Settings) -> Vec<Value> {
    let (open, cool_until) = (BTreeMap::new(), BTreeMap::new());
    let mut decider = Decider { names, rule, open, cool_until, opened: 0, lines: Vec::new() };
    let mut last = 0;
    for event in events {
        match event {
            Event::Spread(spread) => {
                last = spread.ts_recv;
                decider.on_spread(spread);
            }
            Event::Ended(end) => {
                let reason = match &*end.reason {
                    "leg_not_live" => "leg_not_live",
                    "implausible" => "implausible",
                    _ => "spread_ended",
                };
                let over = (end.instrument, end.buy, end.sell);
                decider.close_all(|way| *way == over, reason, end.ts_recv);
            }
            Event::Status(status) if status.state == "live" => {}
            Event::Status(status) => {
                let (venue, instrument) = status.key;
                let hit =
                    |(i, buy, sell): &Way| *i == instrument && (*buy == venue || *sell == venue);
                decider.close_all(hit, "leg_not_live", status.ts_recv);
            }
        }
    }
    decider.close_all(|_| true, "stopped", last);
    decider.lines
}

impl Decider<'_> {
    fn on_spread(&mut self, spread: &Spread) {
        let way = (spread.instrument, spread.buy, spread.sell);
        let (net, ts) = (spread.net(self.names), spread.ts_recv);
        if let Some(open) = self.open.get_mut(&way) {
            open.updates += 1;
            open.last = net;
            if open.peak.0 < net {
                open.peak = (net, ts);
            }
            if net < self.rule.exit {
                self.close(way, "exit", ts);
            }
        } else if self.rule.entry <= net && self.cool_until.get(&way).is_none_or(|u| *u <= ts) {
            self.opened += 1;
            let id = self.opened;
            self.open.insert(way, Open { id, ts, peak: (net, ts), last: net, updates: 1 });
            let (instrument, buy, sell) = self.called(way);
            self.lines.push(json!({
                "event": "opened", "id": id, "ts_ns": ts,
                "instrument": instrument, "buy": buy, "sell": sell,
                "buy_px": spread.ask.0, "sell_px": spread.bid.0,
                "buy_sz": spread.ask.1, "sell_sz": spread.bid.1, "net_bps": net * 1e4,
            }));
        }
    }

    fn close_all(&mut self, hit: impl Fn(&Way) -> bool, reason: &str, ts: u64) {
        let ways: Vec<_> = self.open.keys().copied().filter(|way| hit(way)).collect();
        ways.into_iter().for_each(|way| self.close(way, reason, ts));
    }

    fn close(&mut self, way: Way, reason: &str, ts: u64) {
        let open = self.open.remove(&way).unwrap();
        self.cool_until.insert(way, ts + self.rule.cooldown);
        let (instrument, buy, sell) = self.called(way);
        self.lines.push(json!({
            "event": "closed", "id": open.id, "ts_ns": ts,
            "instrument": instrument, "buy": buy, "sell": sell,
            "reason": reason, "lifetime_ns": ts.saturating_sub(open.ts),
            "peak_net_bps": open.peak.0 * 1e4, "peak_ts_ns": open.peak.1,
            "last_net_bps": open.last * 1e4, "updates": open.updates,
        }));
    }

    fn called(&self, way: Way) -> (&str, &str, &str) {
        let venue = |id| self.names.venue(id).name.as_str();
        (&self.names.instrument(way.0).name, venue(way.1), venue(way.2))
    }
}
