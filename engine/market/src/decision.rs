//! The decision: when an opportunity opens and when it closes.
//!
//! A net spread at or above the entry threshold opens an opportunity. It closes when the net falls
//! below the exit threshold (hysteresis), when a leg is no longer live, when the spread ends for
//! another reason, or when records were missed. After a close the pair cools down. If rules per pair are given, only those pairs open,
//! each at its own thresholds, and until its own expiry. The decision places
//! no orders.
//!
//! [`DecisionMaker`] depends only on the order of its records. The engine's decision agent feeds it
//! from a ring, `tools/trader` from the broadcast.

use crate::clock::Nanos;
use crate::event::Event;
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::record::{Closed, Ended, Opened, Record, Spread, Status};
use crate::state::{CloseReason, EndReason, State};

/// Thresholds and limits of the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A net spread at or above this opens an opportunity, fraction.
    pub entry: f64,
    /// A net spread below this closes it, fraction; not above `entry`.
    pub exit: f64,
    /// After a close, the pair opens nothing for this long, ns.
    pub cooldown: Nanos,
    /// Whether opportunities of an instrument may open, indexed by [`InstrumentId`].
    pub enabled: Vec<bool>,
    /// The only pairs that open, each at its own thresholds. With `None`, every pair opens at the
    /// two thresholds above.
    pub rules: Option<PairRules>,
}

/// The pairs that may open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairRules {
    /// Rules per pair. A later rule for the same pair replaces an earlier one.
    pub pairs: Vec<PairRule>,
}

/// Thresholds of one pair of venues for one instrument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairRule {
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// Entry threshold, as [`Settings::entry`].
    pub entry: f64,
    /// Exit threshold, as [`Settings::exit`].
    pub exit: f64,
    /// The pair opens nothing on records received at or after this time, ns since 1970 UTC. What is
    /// open closes as usual.
    pub expires: Nanos,
}

/// What a spread led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is open, and the net is below the entry threshold of the pair, or the pair has none.
    Below,
    /// An opportunity opened; its id.
    Opened(u64),
    /// An opportunity is open.
    Open {
        /// Its id.
        id: u64,
        /// Time at which it opened.
        ts_open: Nanos,
        /// Whether the net is at or above the entry threshold now.
        is_above: bool,
    },
    /// The opportunity of this id closed, because the net is below the exit threshold.
    Closed(u64),
    /// The net is at or above the entry threshold, and nothing opened all the same.
    Refused(Refusal),
}

/// Why a net at or above the entry threshold opened nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Records were missed, and the decision has not caught up yet.
    NotInStep,
    /// The rule of the pair has expired.
    Expired,
    /// The pair closed a moment ago.
    Cooldown,
    /// The spread has waited too long to be acted on.
    TooOld,
}

/// Thresholds that a net spread is compared with, fractions. The analyzer decides by them as well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// As [`Settings::entry`].
    pub entry: f64,
    /// As [`Settings::exit`].
    pub exit: f64,
}

impl Thresholds {
    /// Returns whether a net spread is good enough to open at, and to act on.
    #[must_use]
    #[inline]
    pub fn opens(&self, net: f64) -> bool {
        self.entry <= net
    }

    /// Returns whether an opportunity that is open stays so.
    #[must_use]
    #[inline]
    pub fn holds(&self, net: f64) -> bool {
        self.exit <= net
    }
}

/// No net spread is at or above NaN, so a pair with this threshold never opens.
const NEVER: Thresholds = Thresholds { entry: f64::NAN, exit: f64::NAN };

/// State of one ordered pair of venues of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    /// Id of the open opportunity; 0 if none is open.
    open: u64,
    ts_open: Nanos,
    net_peak: f64,
    ts_peak: Nanos,
    net_last: f64,
    updates: u64,
    cool_until: Nanos,
}

/// The decision logic, without threads, rings or clocks.
#[derive(Clone, Debug)]
pub struct DecisionMaker {
    venues: usize,
    /// Indexed by instrument, buy venue and sell venue.
    pairs: Vec<Pair>,
    /// Indexed like `pairs`. Kept apart from it so that a pair fits in a cache line.
    thresholds: Vec<Thresholds>,
    /// When the rule of a pair expires. Indexed like `pairs`.
    expiries: Vec<Nanos>,
    cooldown: Nanos,
    /// Rules that expire at or before this time have expired, whatever the time of the records.
    expired_by: Nanos,
    opened: u64,
    open_now: usize,
    in_step: bool,
    /// Time of the present duty cycle.
    now: Nanos,
    /// A spread older than this opens nothing.
    max_age: Nanos,
    /// Spreads that would have opened something and were too old.
    too_old: u64,
}

impl DecisionMaker {
    /// Creates the decision for all pairs of a catalogue. All memory is allocated here.
    ///
    /// # Panics
    /// If `enabled` does not have one entry for each instrument of the catalogue, or if a rule
    /// names an id that is not in the catalogue.
    #[must_use]
    pub fn new(catalogue: &Catalogue, settings: Settings) -> DecisionMaker {
        let (venues, instruments) = (catalogue.venues.len(), catalogue.instruments.len());
        let pairs = instruments * venues * venues;
        let mut maker = DecisionMaker {
            venues,
            pairs: vec![Pair::default(); pairs],
            thresholds: vec![NEVER; pairs],
            expiries: vec![Nanos::MAX; pairs],
            cooldown: 0,
            expired_by: 0,
            opened: 0,
            open_now: 0,
            in_step: true,
            now: 0,
            max_age: Nanos::MAX,
            too_old: 0,
        };
        maker.retune(settings);
        maker
    }

    /// Decides by other settings from the next record on. What is open stays open, and closes by the
    /// new exit threshold; a pair that has no rule any more closes at its next spread.
    ///
    /// # Panics
    /// As [`new`](DecisionMaker::new).
    pub fn retune(&mut self, settings: Settings) {
        let Settings { entry, exit, cooldown, enabled, rules } = settings;
        let of_pair = self.venues * self.venues;
        assert_eq!(
            enabled.len() * of_pair,
            self.thresholds.len(),
            "`enabled` has one entry per instrument"
        );
        self.cooldown = cooldown;
        self.expiries.fill(Nanos::MAX);
        self.thresholds.fill(NEVER);
        let Some(rules) = rules else {
            let instruments = self.thresholds.chunks_exact_mut(of_pair.max(1));
            for (pairs, _) in instruments.zip(&enabled).filter(|(_, enabled)| **enabled) {
                pairs.fill(Thresholds { entry, exit });
            }
            return;
        };
        for rule in rules.pairs.iter().filter(|rule| enabled[rule.instrument.index()]) {
            self.set(rule);
        }
    }

    fn set(&mut self, rule: &PairRule) {
        let PairRule { instrument, buy_venue, sell_venue, entry, exit, expires } = *rule;
        assert!(
            buy_venue.index().max(sell_venue.index()) < self.venues,
            "{rule:?} names a venue that is not in the catalogue"
        );
        let place = self.place(instrument, buy_venue, sell_venue);
        self.thresholds[place] = Thresholds { entry, exit };
        self.expiries[place] = expires;
    }

    /// Processes the next record and appends [`Opened`] and [`Closed`] records to `out`.
    pub fn on_record(&mut self, record: &Record, out: &mut Vec<Record>) {
        match Event::of(record) {
            Some(Event::Spread(spread)) => {
                self.judge(spread, out);
            }
            Some(Event::Ended(ended)) => self.on_ended(ended, out),
            Some(Event::Status(status)) => self.on_status(status, out),
            Some(Event::Gap(gap)) => {
                self.in_step = false;
                self.close_all(CloseReason::Gap, gap.ts_recv, out);
            }
            None => {}
        }
    }

    /// Makes spreads open nothing that were received more than `max_age` ns before the time last
    /// given to [`at`](DecisionMaker::at): they have waited somewhere, and may no longer hold.
    #[must_use]
    pub fn acting_within(self, max_age: Nanos) -> DecisionMaker {
        DecisionMaker { max_age, ..self }
    }

    /// Takes the time now, ns since 1970 UTC.
    pub fn at(&mut self, now: Nanos) {
        self.now = now;
    }

    /// Returns the number of spreads that were good enough to open something, but too old.
    #[must_use]
    pub fn too_old(&self) -> u64 {
        self.too_old
    }

    /// Reports that all available records were processed. After a gap, this allows opening again.
    pub fn caught_up(&mut self) {
        self.in_step = true;
    }

    /// Closes every open opportunity.
    pub fn close_all(&mut self, reason: CloseReason, ts: Nanos, out: &mut Vec<Record>) {
        for place in 0..self.pairs.len() {
            if self.open_now == 0 {
                return;
            }
            self.close(place, reason, ts, out);
        }
    }

    /// Takes the time of another clock, ns since 1970 UTC: rules that have expired by it open nothing
    /// from now on, whatever the time of the records. Open opportunities close as usual.
    pub fn expire(&mut self, now: Nanos) {
        self.expired_by = self.expired_by.max(now);
    }

    /// Returns the number of open opportunities.
    #[must_use]
    pub fn open_now(&self) -> usize {
        self.open_now
    }

    /// Processes the next spread as [`on_record`](DecisionMaker::on_record) does, and says what it led
    /// to.
    #[inline]
    pub fn judge(&mut self, spread: &Spread, out: &mut Vec<Record>) -> Verdict {
        let place = self.place(spread.instrument, spread.buy_venue, spread.sell_venue);
        let thresholds = self.thresholds[place];
        let pair = &mut self.pairs[place];
        let is_above = thresholds.opens(spread.net);
        if pair.open == 0 {
            if !is_above {
                return Verdict::Below;
            }
            return match self.refusal(place, spread) {
                Some(refusal) => Verdict::Refused(refusal),
                None => Verdict::Opened(self.open(place, spread, out)),
            };
        }
        pair.updates += 1;
        pair.net_last = spread.net;
        if pair.net_peak < spread.net {
            (pair.net_peak, pair.ts_peak) = (spread.net, spread.ts_recv);
        }
        let (id, ts_open) = (pair.open, pair.ts_open);
        // A pair whose rule is gone has NaN here, and closes.
        if thresholds.holds(spread.net) {
            return Verdict::Open { id, ts_open, is_above };
        }
        self.close(place, CloseReason::Exit, spread.ts_recv, out);
        Verdict::Closed(id)
    }

    /// Returns whether a spread is below the exit threshold of its pair, or the pair has none.
    #[must_use]
    #[inline]
    pub fn is_below_exit(&self, spread: &Spread) -> bool {
        let place = self.place(spread.instrument, spread.buy_venue, spread.sell_venue);
        // A pair without a rule has NaN, which nothing is at or above.
        !self.thresholds[place].holds(spread.net)
    }

    /// Returns why a spread that is good enough opens nothing.
    fn refusal(&mut self, place: usize, spread: &Spread) -> Option<Refusal> {
        if !self.in_step {
            return Some(Refusal::NotInStep);
        }
        if self.expiries[place] <= spread.ts_recv.max(self.expired_by) {
            return Some(Refusal::Expired);
        }
        if spread.ts_recv < self.pairs[place].cool_until {
            return Some(Refusal::Cooldown);
        }
        if self.max_age < self.now.saturating_sub(spread.ts_recv) {
            self.too_old += 1;
            return Some(Refusal::TooOld);
        }
        None
    }

    fn on_ended(&mut self, ended: &Ended, out: &mut Vec<Record>) {
        let place = self.place(ended.instrument, ended.buy_venue, ended.sell_venue);
        let reason = match EndReason::of_code(ended.flags) {
            Some(EndReason::LegNotLive) => CloseReason::LegNotLive,
            Some(EndReason::Implausible) => CloseReason::Implausible,
            Some(EndReason::LegOld) | None => CloseReason::SpreadEnded,
        };
        self.close(place, reason, ended.ts_recv, out);
    }

    fn on_status(&mut self, status: &Status, out: &mut Vec<Record>) {
        if status.state == State::Live as u8 || self.open_now == 0 {
            return;
        }
        for other in 0..self.venues {
            let Ok(other) = u8::try_from(other).map(VenueId) else { return };
            for (buy, sell) in [(status.venue, other), (other, status.venue)] {
                let place = self.place(status.instrument, buy, sell);
                self.close(place, CloseReason::LegNotLive, status.ts_recv, out);
            }
        }
    }

    fn open(&mut self, place: usize, spread: &Spread, out: &mut Vec<Record>) -> u64 {
        self.opened += 1;
        self.open_now += 1;
        self.pairs[place] = Pair {
            open: self.opened,
            ts_open: spread.ts_recv,
            net_peak: spread.net,
            ts_peak: spread.ts_recv,
            net_last: spread.net,
            updates: 1,
            cool_until: 0,
        };
        out.push(
            Opened {
                id: self.opened,
                ts_recv: spread.ts_recv,
                buy_px: spread.buy_px,
                sell_px: spread.sell_px,
                buy_sz: spread.buy_sz,
                sell_sz: spread.sell_sz,
                net: spread.net,
                instrument: spread.instrument,
                buy_venue: spread.buy_venue,
                sell_venue: spread.sell_venue,

                flags: 0,
                ..Opened::default()
            }
            .into(),
        );
        self.opened
    }

    fn close(&mut self, place: usize, reason: CloseReason, ts: Nanos, out: &mut Vec<Record>) {
        let pair = self.pairs[place];
        if pair.open == 0 {
            return;
        }
        self.open_now -= 1;
        let cool_until = ts.saturating_add(self.cooldown);
        self.pairs[place] = Pair { cool_until, ..Pair::default() };
        let (instrument, buy_venue, sell_venue) = self.names(place);
        out.push(
            Closed {
                id: pair.open,
                ts_open: pair.ts_open,
                ts_close: ts,
                net_peak: pair.net_peak,
                ts_peak: pair.ts_peak,
                net_last: pair.net_last,
                updates: pair.updates,
                instrument,
                buy_venue,
                sell_venue,

                flags: reason as u8,
                ..Closed::default()
            }
            .into(),
        );
    }

    fn place(&self, instrument: InstrumentId, buy: VenueId, sell: VenueId) -> usize {
        (instrument.index() * self.venues + buy.index()) * self.venues + sell.index()
    }

    #[expect(clippy::cast_possible_truncation, reason = "made from ids of these widths")]
    fn names(&self, place: usize) -> (InstrumentId, VenueId, VenueId) {
        let (rest, sell) = (place / self.venues, place % self.venues);
        let (instrument, buy) = (rest / self.venues, rest % self.venues);
        (InstrumentId(instrument as u32), VenueId(buy as u8), VenueId(sell as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Instrument, VenueInfo};
    use crate::record::{Gap, Kind};
    use crate::state::Reason;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    fn catalogue() -> Catalogue {
        let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: 0.001, max_age: 1 };
        Catalogue {
            instruments: vec![Instrument { name: "A/B".into(), price_scale: 2, size_scale: 2 }; 2],
            venues: vec![venue("x"), venue("y"), venue("z")],
            listings: Vec::new(),
        }
    }

    fn settings() -> Settings {
        let enabled = vec![true, false];
        Settings { entry: 0.001, exit: 0.0005, cooldown: 100, enabled, rules: None }
    }

    fn maker() -> DecisionMaker {
        DecisionMaker::new(&catalogue(), settings())
    }

    fn rule(instrument: u32, buy: u8, sell: u8, entry: f64, exit: f64) -> PairRule {
        let (buy_venue, sell_venue) = (VenueId(buy), VenueId(sell));
        let (instrument, expires) = (InstrumentId(instrument), Nanos::MAX);
        PairRule { instrument, buy_venue, sell_venue, entry, exit, expires }
    }

    fn ruled(pairs: Vec<PairRule>) -> DecisionMaker {
        let rules = Some(PairRules { pairs });
        DecisionMaker::new(&catalogue(), Settings { rules, ..settings() })
    }

    fn spread(ts_recv: Nanos, instrument: u32, net: f64) -> Record {
        spread_of(ts_recv, instrument, (2, 1), net)
    }

    fn spread_of(ts_recv: Nanos, instrument: u32, pair: (u8, u8), net: f64) -> Record {
        Spread {
            ts_recv,
            net,
            instrument: InstrumentId(instrument),
            buy_venue: VenueId(pair.0),
            sell_venue: VenueId(pair.1),

            ..Spread::zeroed()
        }
        .into()
    }

    fn stale(ts_recv: Nanos, venue: u8) -> Record {
        Status {
            ts_recv,
            state: State::Stale as u8,
            reason: Reason::Quiet as u8,
            venue: VenueId(venue),

            ..Status::zeroed()
        }
        .into()
    }

    /// Tells the records as text: `+id` for opened, `-id reason@time` for closed.
    fn story(records: &[Record]) -> Vec<String> {
        story_of(maker(), records)
    }

    fn story_of(mut maker: DecisionMaker, records: &[Record]) -> Vec<String> {
        let mut out = Vec::new();
        for record in records {
            maker.on_record(record, &mut out);
        }
        out.iter().map(told).collect()
    }

    fn told(record: &Record) -> String {
        if record.kind() == Some(Kind::Opened) {
            return format!("+{}", record.view::<Opened>().id);
        }
        let closed = record.view::<Closed>();
        let reason = CloseReason::of_code(closed.flags).unwrap().name();
        format!("-{} {reason}@{} peak {}", closed.id, closed.ts_close, closed.net_peak)
    }

    #[test]
    fn opens_at_entry_and_closes_below_exit_not_between() {
        let nets = [(1, 0.0009), (2, 0.001), (3, 0.0006), (4, 0.002), (5, 0.0005), (6, 0.0004)];
        let records: Vec<Record> = nets.iter().map(|&(ts, net)| spread(ts, 0, net)).collect();
        assert_eq!(story(&records), ["+1", "-1 exit@6 peak 0.002"]);
    }

    #[test]
    fn a_pair_cools_down_after_a_close() {
        // It is counted from the close at 60, not from the opening at 1.
        let records = [(1, 0.002), (60, 0.0), (101, 0.002), (159, 0.002), (160, 0.002)];
        let records: Vec<Record> = records.iter().map(|&(ts, net)| spread(ts, 0, net)).collect();
        assert_eq!(story(&records[..4]), ["+1", "-1 exit@60 peak 0.002"]);
        assert_eq!(story(&records), ["+1", "-1 exit@60 peak 0.002", "+2"]);
    }

    #[test]
    fn a_leg_that_is_not_live_closes_its_pairs_and_no_other() {
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 0)]), ["+1"]);
        let closed = ["+1", "-1 leg_not_live@2 peak 0.002"];
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 1)]), closed);
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 2)]), closed);
    }

    #[test]
    fn the_end_of_a_spread_closes_its_pair_and_no_other() {
        let end = |pair: (u8, u8), reason: EndReason| -> Record {
            let (buy_venue, sell_venue) = (VenueId(pair.0), VenueId(pair.1));
            let flags = reason as u8;
            Ended { ts_recv: 3, buy_venue, sell_venue, flags, ..Ended::default() }.into()
        };
        let open = [spread_of(1, 0, (2, 1), 0.002), spread_of(2, 0, (1, 2), 0.002)];
        for (reason, told) in [
            (EndReason::LegNotLive, "leg_not_live"),
            (EndReason::LegOld, "spread_ended"),
            (EndReason::Implausible, "implausible"),
        ] {
            let records = [&open[..], &[end((2, 1), reason), end((2, 1), reason)]].concat();
            assert_eq!(story(&records), ["+1", "+2", &format!("-1 {told}@3 peak 0.002")]);
            assert_eq!(story(&[open[0], end((0, 1), reason)]), ["+1"]);
        }
        let unknown = Ended { flags: 77, ..*end((2, 1), EndReason::LegOld).view::<Ended>() };
        assert_eq!(
            story(&[open[0], unknown.into()]).len(),
            2,
            "a reason of a later version closes"
        );
    }

    #[test]
    fn a_spread_that_has_waited_too_long_opens_nothing_and_still_closes() {
        let mut maker = maker().acting_within(50);
        let mut out = Vec::new();
        maker.at(151);
        maker.on_record(&spread(100, 0, 0.002), &mut out);
        assert_eq!((out.len(), maker.too_old()), (0, 1));
        maker.on_record(&spread(100, 0, 0.0), &mut out);
        assert_eq!(maker.too_old(), 1, "that opens nothing at any age");
        maker.at(150);
        maker.on_record(&spread(100, 0, 0.002), &mut out);
        assert_eq!(out.len(), 1, "as old as allowed");
        maker.at(1_000);
        maker.on_record(&spread(101, 0, 0.0), &mut out);
        assert_eq!((out.len(), maker.open_now()), (2, 0));
        let mut always = DecisionMaker::new(&catalogue(), settings());
        always.at(Nanos::MAX);
        always.on_record(&spread(0, 0, 0.002), &mut out);
        assert_eq!(out.len(), 3, "without a limit");
    }

    #[test]
    fn instruments_that_are_not_enabled_open_nothing() {
        assert!(story(&[spread(1, 1, 0.5)]).is_empty());
    }

    #[test]
    fn after_a_gap_nothing_opens_until_the_maker_has_caught_up() {
        let mut maker = maker();
        let mut out = Vec::new();
        maker.on_record(&spread(1, 0, 0.002), &mut out);
        maker.on_record(&Gap::new(2, 7).into(), &mut out);
        maker.on_record(&spread(500, 0, 0.002), &mut out);
        assert_eq!(out.iter().map(told).collect::<Vec<_>>(), ["+1", "-1 gap@2 peak 0.002"]);
        maker.caught_up();
        maker.on_record(&spread(501, 0, 0.002), &mut out);
        assert_eq!(out.last().map(told).unwrap(), "+2");
        assert_eq!(maker.open_now(), 1);
    }

    #[test]
    fn with_rules_only_their_pairs_open_each_by_its_own_thresholds() {
        let rules = vec![rule(0, 2, 1, 0.003, 0.002), rule(0, 1, 2, 0.0001, -0.01)];
        let records = [
            spread_of(1, 0, (0, 1), 0.5),
            spread_of(2, 0, (2, 1), 0.0029),
            spread_of(3, 0, (2, 1), 0.003),
            spread_of(4, 0, (1, 2), 0.0001),
            spread_of(5, 0, (2, 1), 0.0019),
            spread_of(6, 0, (1, 2), -0.009),
            spread_of(7, 0, (1, 2), -0.02),
        ];
        let told = ["+1", "+2", "-1 exit@5 peak 0.003", "-2 exit@7 peak 0.0001"];
        assert_eq!(story_of(ruled(rules), &records), told);
        assert!(story_of(ruled(Vec::new()), &records).is_empty());
        let disabled = vec![rule(1, 2, 1, 0.0, 0.0)];
        assert!(story_of(ruled(disabled), &[spread(1, 1, 0.5)]).is_empty());
    }

    #[test]
    fn a_pair_without_a_rule_does_not_open_at_any_net() {
        let nets = [f64::INFINITY, f64::MAX, f64::NAN];
        let records: Vec<Record> = nets.iter().map(|&net| spread(1, 0, net)).collect();
        assert!(story_of(ruled(Vec::new()), &records).is_empty());
    }

    #[test]
    fn a_pair_opens_nothing_from_its_expiry_on_and_what_is_open_closes_as_usual() {
        let until =
            |expires: Nanos, buy, sell| PairRule { expires, ..rule(0, buy, sell, 0.001, 0.0) };
        let rules = || vec![until(1_000, 2, 1), until(1_001, 1, 2)];
        let records = [
            spread_of(999, 0, (2, 1), 0.002),
            spread_of(1_000, 0, (1, 2), 0.002),
            spread_of(1_001, 0, (2, 1), 0.004),
            spread_of(1_002, 0, (2, 1), -0.001),
            spread_of(9_000, 0, (2, 1), 0.002),
            spread_of(9_001, 0, (1, 2), -0.001),
            spread_of(9_999, 0, (1, 2), 0.002),
        ];
        let told = ["+1", "+2", "-1 exit@1002 peak 0.004", "-2 exit@9001 peak 0.002"];
        assert_eq!(story_of(ruled(rules()), &records), told);
        // By another clock one has expired, then both.
        let mut maker = ruled(rules());
        maker.expire(1_000);
        maker.expire(7);
        assert_eq!(story_of(maker, &records), ["+1", "-1 exit@9001 peak 0.002"]);
        let mut maker = ruled(rules());
        maker.expire(1_001);
        assert!(story_of(maker, &records).is_empty());
    }

    #[test]
    fn a_rule_that_is_taken_anew_expires_by_its_new_time() {
        let pair = |expires| vec![PairRule { expires, ..rule(0, 2, 1, 0.001, 0.0) }];
        let mut maker = ruled(pair(1_000));
        maker.expire(1_500);
        let mut out = Vec::new();
        maker.on_record(&spread(1_600, 0, 0.002), &mut out);
        assert!(out.is_empty());
        let rules = Some(PairRules { pairs: pair(2_000) });
        maker.retune(Settings { rules, ..settings() });
        maker.on_record(&spread(1_700, 0, 0.002), &mut out);
        assert_eq!(out.iter().map(told).collect::<Vec<_>>(), ["+1"]);
    }

    /// Generates a record of any kind that the decision reads.
    fn any_record() -> impl Strategy<Value = Record> {
        let pair = (0_u8..3, 1_u8..3).prop_map(|(buy, by)| (buy, (buy + by) % 3));
        (0_u8..12, 0_u64..400, 0_u32..2, pair, -20_i32..40).prop_map(
            |(kind, ts, instrument, pair, net)| match kind {
                0 => stale(ts, pair.0),
                1 => Gap::new(ts, 1).into(),
                _ => spread_of(ts, instrument, pair, f64::from(net) / 10_000.0),
            },
        )
    }

    proptest! {
        /// Writing the global thresholds out as a rule for each pair must not change the decision.
        #[test]
        fn rules_equal_to_the_thresholds_decide_as_without_rules(
            mut records in proptest::collection::vec(any_record(), 0..300),
            steps in proptest::collection::vec(any::<bool>(), 300),
            both in any::<bool>(),
        ) {
            records.sort_by_key(Record::ts_recv);
            let settings = Settings { enabled: vec![true, both], ..settings() };
            let places = (0..2).flat_map(|i| (0..3).flat_map(move |b| (0..3).map(move |s| (i, b, s))));
            let pairs = places.map(|(i, b, s)| rule(i, b, s, settings.entry, settings.exit));
            let rules = Some(PairRules { pairs: pairs.collect() });
            let mut with = DecisionMaker::new(&catalogue(), Settings { rules, ..settings.clone() });
            let mut without = DecisionMaker::new(&catalogue(), settings);
            let (mut there, mut here) = (Vec::new(), Vec::new());
            for (record, step) in records.iter().zip(steps) {
                for (maker, out) in [(&mut with, &mut there), (&mut without, &mut here)] {
                    maker.on_record(record, out);
                    if step {
                        maker.caught_up();
                    }
                }
            }
            prop_assert_eq!(there, here);
            prop_assert_eq!(with.open_now(), without.open_now());
        }
    }
}
