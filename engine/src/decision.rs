//! Decides on spreads: when an opportunity opens, and when it closes again.
//!
//! [`DecisionMaker`] is a function of the order of its records alone: the engine's [`Decision`] agent
//! feeds it from a ring, `tools/trader` from the broadcast. A net spread at or above the entry
//! threshold opens an opportunity; it closes when the net falls below the exit threshold
//! (hysteresis), when a leg is no longer live, or when records were missed. After a close the pair
//! cools down. It places no orders and must not know where its records come from.

use crate::agent::{Agent, Report};
use crate::clock::{Clock, Nanos};
use crate::counters::{Counter, Counters};
use crate::instrument::{Catalogue, InstrumentId, VenueId};
use crate::integrity::State;
use crate::latency::Latency;
use crate::record::{Closed, Kind, Opened, Record, Spread, Status};
use crate::ring::{CountSender, Receiver};

/// Why an opportunity closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// The net spread fell below the exit threshold.
    Exit = 0,
    /// A leg is no longer live.
    LegNotLive = 1,
    /// Records were missed: what happened meanwhile is unknown.
    Gap = 2,
    /// The engine stopped.
    Stopped = 3,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [CloseReason; 4] =
        [CloseReason::Exit, CloseReason::LegNotLive, CloseReason::Gap, CloseReason::Stopped];

    /// The reason of a record's code.
    #[must_use]
    pub fn of_code(code: u8) -> Option<CloseReason> {
        CloseReason::ALL.into_iter().find(|r| *r as u8 == code)
    }

    /// As logs show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Exit => "exit",
            CloseReason::LegNotLive => "leg_not_live",
            CloseReason::Gap => "gap",
            CloseReason::Stopped => "stopped",
        }
    }
}

/// When to open and to close.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A net spread at or above this opens, fraction.
    pub entry: f64,
    /// A net spread below this closes, fraction; not above `entry`.
    pub exit: f64,
    /// After a close the pair opens nothing for this long, ns.
    pub cooldown: Nanos,
    /// By [`InstrumentId`]: whether opportunities of it are opened at all.
    pub enabled: Vec<bool>,
}

/// One ordered pair of venues of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    /// Id of the open opportunity, 0 if none is.
    open: u64,
    ts_open: Nanos,
    net_peak: f64,
    ts_peak: Nanos,
    net_last: f64,
    updates: u64,
    cool_until: Nanos,
}

/// The decision itself, free of threads, rings and clocks.
#[derive(Clone, Debug)]
pub struct DecisionMaker {
    settings: Settings,
    venues: usize,
    /// By instrument, buy venue, sell venue.
    pairs: Vec<Pair>,
    opened: u64,
    open_now: usize,
    in_step: bool,
}

impl DecisionMaker {
    /// For the pairs of a catalogue; all memory is taken now.
    #[must_use]
    pub fn new(catalogue: &Catalogue, settings: Settings) -> DecisionMaker {
        let venues = catalogue.venues.len();
        let pairs = vec![Pair::default(); catalogue.instruments.len() * venues * venues];
        DecisionMaker { settings, venues, pairs, opened: 0, open_now: 0, in_step: true }
    }

    /// Takes the next record; appends [`Opened`] and [`Closed`] records to `out`.
    pub fn on_record(&mut self, record: &Record, out: &mut Vec<Record>) {
        match record.kind() {
            Some(Kind::Spread) => self.on_spread(record.view(), out),
            Some(Kind::Status) => self.on_status(record.view(), out),
            Some(Kind::Gap) => {
                self.in_step = false;
                self.close_all(CloseReason::Gap, record.ts_recv(), out);
            }
            Some(Kind::Quote | Kind::Opened | Kind::Closed | Kind::Recording) | None => {}
        }
    }

    /// Tells that everything there was has been taken: after a gap, opening is allowed again.
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

    /// How many opportunities are open.
    #[must_use]
    pub fn open_now(&self) -> usize {
        self.open_now
    }

    fn on_spread(&mut self, spread: &Spread, out: &mut Vec<Record>) {
        let place = self.place(spread.instrument, spread.buy_venue, spread.sell_venue);
        let pair = &mut self.pairs[place];
        if pair.open == 0 {
            let enabled = self.settings.enabled[spread.instrument.index()];
            let cool = pair.cool_until <= spread.ts_recv;
            if self.settings.entry <= spread.net && enabled && cool && self.in_step {
                self.open(place, spread, out);
            }
            return;
        }
        pair.updates += 1;
        pair.net_last = spread.net;
        if pair.net_peak < spread.net {
            (pair.net_peak, pair.ts_peak) = (spread.net, spread.ts_recv);
        }
        if spread.net < self.settings.exit {
            self.close(place, CloseReason::Exit, spread.ts_recv, out);
        }
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

    fn open(&mut self, place: usize, spread: &Spread, out: &mut Vec<Record>) {
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
                kind: Kind::Opened as u8,
                flags: 0,
            }
            .into(),
        );
    }

    fn close(&mut self, place: usize, reason: CloseReason, ts: Nanos, out: &mut Vec<Record>) {
        let pair = self.pairs[place];
        if pair.open == 0 {
            return;
        }
        self.open_now -= 1;
        let cool_until = ts.saturating_add(self.settings.cooldown);
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
                kind: Kind::Closed as u8,
                flags: reason as u8,
            }
            .into(),
        );
    }

    fn place(&self, instrument: InstrumentId, buy: VenueId, sell: VenueId) -> usize {
        (instrument.index() * self.venues + buy.index()) * self.venues + sell.index()
    }

    #[expect(clippy::cast_possible_truncation, reason = "places are made of ids of these widths")]
    fn names(&self, place: usize) -> (InstrumentId, VenueId, VenueId) {
        let (rest, sell) = (place / self.venues, place % self.venues);
        let (instrument, buy) = (rest / self.venues, rest % self.venues);
        (InstrumentId(instrument as u32), VenueId(buy as u8), VenueId(sell as u8))
    }
}

/// The agent: spreads and statuses in, opportunities out to everyone who keeps them.
#[derive(Debug)]
pub struct Decision {
    input: Receiver,
    outputs: Vec<CountSender>,
    maker: DecisionMaker,
    clock: Clock,
    made: Vec<Record>,
    last_ts: Nanos,
    latency: Latency,
    taken: Counter,
    opened: Counter,
    closed: Counter,
}

impl Decision {
    /// Takes its edges, its rule and its counters' registry.
    #[must_use]
    pub fn new(
        input: Receiver,
        outputs: Vec<CountSender>,
        maker: DecisionMaker,
        clock: Clock,
        counters: &Counters,
    ) -> Decision {
        Decision {
            input,
            outputs,
            maker,
            clock,
            made: Vec::with_capacity(1024),
            last_ts: 0,
            latency: Latency::new(),
            taken: counters.counter("decision.spreads"),
            opened: counters.counter("decision.opened"),
            closed: counters.counter("decision.closed"),
        }
    }

    fn pass_on(&mut self) {
        for record in self.made.drain(..) {
            match record.kind() {
                Some(Kind::Opened) => self.opened.add(1),
                Some(Kind::Closed) => self.closed.add(1),
                Some(Kind::Quote | Kind::Spread | Kind::Status | Kind::Gap | Kind::Recording)
                | None => {}
            }
            for output in &mut self.outputs {
                output.offer(record);
            }
        }
    }
}

impl Agent for Decision {
    fn role(&self) -> &'static str {
        "decision"
    }

    fn do_work(&mut self, _now: Nanos) -> usize {
        let Decision { input, maker, made, clock, last_ts, latency, taken, .. } = self;
        let work = input.drain(|record| {
            maker.on_record(record, made);
            if record.kind() == Some(Kind::Spread) {
                *last_ts = record.ts_recv();
                latency.record(*last_ts, clock.now());
                taken.add(1);
            }
        });
        if input.waiting() == 0 {
            maker.caught_up();
        }
        self.pass_on();
        work
    }

    fn is_finished(&self) -> bool {
        self.input.is_finished()
    }

    fn on_close(&mut self) {
        self.maker.close_all(CloseReason::Stopped, self.last_ts, &mut self.made);
        self.pass_on();
        for output in &mut self.outputs {
            output.settle();
        }
    }

    fn report(&mut self, report: &mut Report) {
        report.latency("read_to_decision", &self.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Instrument, VenueInfo};
    use crate::integrity::Reason;
    use crate::record::Gap;
    use bytemuck::Zeroable;

    fn maker() -> DecisionMaker {
        let venue = |name: &str| VenueInfo { name: name.into(), taker_fee: 0.001, max_age: 1 };
        let catalogue = Catalogue {
            instruments: vec![Instrument { name: "A/B".into(), price_scale: 2, size_scale: 2 }; 2],
            venues: vec![venue("x"), venue("y"), venue("z")],
            listings: Vec::new(),
        };
        let settings =
            Settings { entry: 0.001, exit: 0.0005, cooldown: 100, enabled: vec![true, false] };
        DecisionMaker::new(&catalogue, settings)
    }

    fn spread(ts_recv: Nanos, instrument: u32, net: f64) -> Record {
        Spread {
            ts_recv,
            net,
            instrument: InstrumentId(instrument),
            buy_venue: VenueId(2),
            sell_venue: VenueId(1),
            kind: Kind::Spread as u8,
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
            kind: Kind::Status as u8,
            ..Status::zeroed()
        }
        .into()
    }

    /// What happened, as text: `+id` opened, `-id reason@time` closed.
    fn story(records: &[Record]) -> Vec<String> {
        let mut maker = maker();
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
        let records = [(1, 0.002), (2, 0.0), (101, 0.002), (102, 0.002)];
        let records: Vec<Record> = records.iter().map(|&(ts, net)| spread(ts, 0, net)).collect();
        assert_eq!(story(&records), ["+1", "-1 exit@2 peak 0.002", "+2"]);
    }

    #[test]
    fn a_leg_that_is_not_live_closes_its_pairs_and_no_other() {
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 0)]), ["+1"]);
        let closed = ["+1", "-1 leg_not_live@2 peak 0.002"];
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 1)]), closed);
        assert_eq!(story(&[spread(1, 0, 0.002), stale(2, 2)]), closed);
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
}
