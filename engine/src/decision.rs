//! The decision agent: takes spreads and statuses from a ring, lets a [`DecisionMaker`] decide, and
//! sends the opportunities that open and close to every consumer. With an [`Execution`] it also acts on
//! them, on paper.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::{CountSender, Receiver};
use crate::runtime::stopwatch::Stopwatch;
use crossbeam::channel;
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::decision::{self, DecisionMaker};
use spreadwire_market::record::{Closed, Opened, Record, Spread};
use spreadwire_market::state::CloseReason;
use spreadwire_trading::settings::Settings;

pub mod execution;
use execution::Execution;

/// The stage whose latency the decision reports: receive time to the spreads of that read being
/// decided on.
pub const STAGE: &str = "read_to_decision";

/// Number of records that are decided on in one turn.
const BATCH: usize = 1 << 12;

/// What decides.
#[derive(Debug)]
pub enum Mind {
    /// Opportunities are told, and nothing is done about them.
    Watching(DecisionMaker),
    /// Opportunities are acted on.
    Trading(Box<Execution>),
}

impl From<DecisionMaker> for Mind {
    fn from(maker: DecisionMaker) -> Mind {
        Mind::Watching(maker)
    }
}

impl From<Execution> for Mind {
    fn from(execution: Execution) -> Mind {
        Mind::Trading(Box::new(execution))
    }
}

/// Other settings, to go by from the next turn on.
#[derive(Clone, Debug)]
pub struct Retune {
    /// Thresholds.
    pub thresholds: decision::Settings,
    /// What the trading goes by; `None` for an agent that watches.
    pub trading: Option<Settings>,
}

/// The agent: spreads and statuses in, opportunities out to everyone who keeps them.
#[derive(Debug)]
pub struct Decision {
    input: Receiver,
    outputs: Vec<CountSender>,
    mind: Mind,
    retunes: channel::Receiver<Box<Retune>>,
    made: Vec<Record>,
    last_ts: Nanos,
    stopwatch: Stopwatch,
    taken: Counter,
    opened: Counter,
    closed: Counter,
    too_old: Counter,
}

impl Decision {
    /// Takes its edges, what decides, and its counters' registry.
    #[must_use]
    pub fn new(
        input: Receiver,
        outputs: Vec<CountSender>,
        mind: impl Into<Mind>,
        clock: Clock,
        counters: &Counters,
    ) -> Decision {
        Decision {
            input,
            outputs,
            mind: mind.into(),
            retunes: channel::never(),
            made: Vec::with_capacity(1024),
            last_ts: 0,
            stopwatch: Stopwatch::alone(STAGE, clock),
            taken: counters.register("decision.spreads"),
            opened: counters.register("decision.opened"),
            closed: counters.register("decision.closed"),
            too_old: counters.register("decision.too_old"),
        }
    }

    /// Measures its latency with this stopwatch.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Decision {
        self.stopwatch = stopwatch;
        self
    }

    /// Takes other settings from a channel, one a turn.
    #[must_use]
    pub fn retuned_by(mut self, retunes: channel::Receiver<Box<Retune>>) -> Decision {
        self.retunes = retunes;
        self
    }

    fn retune(&mut self, retune: Retune) {
        match (&mut self.mind, retune.trading) {
            (Mind::Watching(maker), _) => maker.retune(retune.thresholds),
            (Mind::Trading(execution), Some(settings)) => {
                execution.retune(retune.thresholds, settings);
            }
            (Mind::Trading(_), None) => {}
        }
    }

    fn pass_on(&mut self) {
        for record in self.made.drain(..) {
            self.opened.add(u64::from(record.is::<Opened>()));
            self.closed.add(u64::from(record.is::<Closed>()));
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

    fn do_work(&mut self, now: Nanos) -> usize {
        if let Ok(retune) = self.retunes.try_recv() {
            self.retune(*retune);
        }
        let Decision { input, mind, made, last_ts, stopwatch, taken, .. } = self;
        stopwatch.turn(now);
        let mut timed = |record: &Record| {
            if let Some(spread) = record.get::<Spread>() {
                *last_ts = spread.ts_recv;
                stopwatch.lap(spread.leader(), spread.ts_recv);
                taken.add(1);
            }
        };
        let work = match mind {
            Mind::Watching(maker) => {
                maker.at(now);
                let work = input.drain_up_to(BATCH, |record| {
                    timed(record);
                    maker.on_record(record, made);
                });
                if input.waiting() == 0 {
                    maker.caught_up();
                }
                self.too_old.set(maker.too_old());
                work
            }
            Mind::Trading(execution) => {
                execution.begin_turn(now);
                let work = input.drain_up_to(BATCH, |record| {
                    timed(record);
                    execution.on_record(record);
                });
                made.append(execution.end_turn(input.waiting() == 0));
                self.too_old.set(execution.too_old());
                work
            }
        };
        stopwatch.end_lap();
        self.pass_on();
        work
    }

    fn is_finished(&self) -> bool {
        self.input.is_finished()
    }

    fn on_close(&mut self) {
        match &mut self.mind {
            Mind::Watching(maker) => {
                maker.close_all(CloseReason::Stopped, self.last_ts, &mut self.made);
            }
            Mind::Trading(execution) => self.made.append(execution.stop()),
        }
        self.pass_on();
        for output in &mut self.outputs {
            output.settle();
        }
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.stopwatch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring::{self, EdgeCounters};
    use spreadwire_kit::{catalogue, quotes};
    use spreadwire_market::clock::SECOND;
    use spreadwire_market::decision::Settings;
    use spreadwire_market::record::Gap;

    /// The agent between an edge to it and an edge from it.
    struct Rig {
        input: CountSender,
        decision: Decision,
        output: Receiver,
    }

    impl Rig {
        fn new(room: usize) -> Rig {
            let catalogue = catalogue::of(["A/B"], ["a", "b", "c"]).max_age(SECOND).build();
            let enabled = vec![true];
            let settings = Settings { entry: 0.001, exit: 0.0, cooldown: 0, enabled, rules: None };
            let maker = DecisionMaker::new(&catalogue, settings);
            let (input, records) = ring::count(2 * BATCH, EdgeCounters::default());
            let (made, output) = ring::count(room, EdgeCounters::default());
            let (clock, counters) = (Clock::manual(0), Counters::default());
            let decision = Decision::new(records, vec![made], maker, clock, &counters);
            Rig { input, decision, output }
        }

        fn show(&mut self, venues: [u8; 2], net: f64) {
            let spread = quotes::spread(0, venues, [100, 100], SECOND);
            assert!(self.input.offer(Spread { net, ..spread }.into()));
        }

        /// Tells what came out: `+` for opened, `-` and the reason for closed, the number of a gap's records.
        fn told(&mut self) -> Vec<String> {
            let mut told = Vec::new();
            self.output.drain(|record| {
                told.push(if let Some(closed) = record.get::<Closed>() {
                    format!("-{}", CloseReason::of_code(closed.flags).unwrap().name())
                } else if let Some(gap) = record.get::<Gap>() {
                    gap.missed.to_string()
                } else {
                    assert!(record.is::<Opened>());
                    "+".into()
                });
            });
            told
        }
    }

    #[test]
    fn after_a_gap_nothing_opens_while_records_wait() {
        let mut rig = Rig::new(16);
        rig.input.offer(Gap::new(SECOND, 1).into());
        for _ in 1..BATCH {
            rig.show([0, 1], 0.0);
        }
        rig.show([0, 1], 0.002);
        assert_eq!(rig.decision.do_work(SECOND), BATCH, "a turn is bounded");
        assert_eq!(rig.decision.do_work(SECOND), 1);
        assert_eq!(rig.told(), [""; 0], "it had waited");
        rig.show([0, 1], 0.002);
        rig.decision.do_work(SECOND);
        assert_eq!(rig.told(), ["+"]);
    }

    #[test]
    fn what_is_open_at_the_stop_is_closed() {
        let mut rig = Rig::new(16);
        rig.show([0, 1], 0.002);
        rig.show([1, 2], 0.002);
        rig.decision.do_work(SECOND);
        rig.decision.on_close();
        assert_eq!(rig.told(), ["+", "+", "-stopped", "-stopped"]);
    }

    #[test]
    fn a_gap_that_is_owed_at_the_end_is_told() {
        let mut rig = Rig::new(1);
        rig.show([0, 1], 0.002);
        rig.show([1, 2], 0.002);
        rig.decision.do_work(SECOND);
        assert_eq!(rig.told(), ["+"]);
        rig.decision.on_close();
        assert_eq!(rig.told(), ["3"], "one opening and two closings");
    }
}
