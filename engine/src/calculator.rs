//! The calculator agent: numbers the inputs, keeps the book, and sends spreads to all consumers.
//!
//! Every quote and status gets the next global sequence number, in the order of processing, so that
//! a journal replays to the same spreads bit for bit. The calculator never waits for a consumer. If
//! a consumer falls behind, the records it misses are counted and marked as a gap by its edge.

use crate::runtime::agent::{Agent, Report};
use crate::runtime::ring::{CountSender, Receiver};
use crate::runtime::stopwatch::Stopwatch;
use crate::runtime::tally::Tally;
use crossbeam::channel::Sender;
use spreadwire_lake::stage::{Stage, StageCounter};
use spreadwire_market::book::{Book, Results};
use spreadwire_market::calculation::{Calculation, Consumer};
use spreadwire_market::clock::{Clock, Nanos};
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Kind, Record, Spread};

/// Name of the latency stage that the calculator measures: from the receive time until the spreads
/// are on the edges.
pub const STAGE: &str = "read_to_spread";

/// An outgoing edge and the records that it carries.
#[derive(Debug)]
pub struct Output {
    /// The edge.
    pub sender: CountSender,
    /// Whether quotes are sent.
    pub quotes: bool,
    /// Whether statuses are sent.
    pub statuses: bool,
    /// Minimum net of the spreads that are sent, a fraction; with `None` no spreads are sent.
    pub spreads: Option<f64>,
}

impl Output {
    /// Creates an edge that carries results: every spread, every end of one, and every status.
    #[must_use]
    pub fn of_results(sender: CountSender) -> Output {
        Output { sender, quotes: false, statuses: true, spreads: Some(f64::NEG_INFINITY) }
    }

    /// Creates an edge that carries inputs: every quote and status, in the order of processing.
    #[must_use]
    pub fn of_inputs(sender: CountSender) -> Output {
        Output { sender, quotes: true, statuses: true, spreads: None }
    }

    /// Creates an edge that carries only spreads with a net of at least `min_net`, a fraction, and
    /// the ends of all spreads.
    #[must_use]
    pub fn of_spreads(sender: CountSender, min_net: f64) -> Output {
        Output { sender, quotes: false, statuses: false, spreads: Some(min_net) }
    }

    #[inline]
    fn wants(&self, spread: &Spread) -> bool {
        self.spreads.is_some_and(|min| min <= spread.net)
    }

    /// Returns whether the ends of spreads are sent: wherever spreads are, whatever their net was.
    fn wants_ends(&self) -> bool {
        self.spreads.is_some()
    }
}

/// Something for the log: a pair whose net was beyond the bound, or is within it again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// The traded instrument.
    pub instrument: InstrumentId,
    /// Venue to buy on.
    pub buy_venue: VenueId,
    /// Venue to sell on.
    pub sell_venue: VenueId,
    /// The net beyond the bound, a fraction; `None` if it is within it again.
    pub net: Option<f64>,
}

/// Sends inputs and what the book says to every edge that wants it, and counts it.
struct Fan<'a> {
    outputs: &'a mut [Output],
    passed: &'a Tally,
    doubts: &'a Doubts,
    spreads: u64,
    ended: u64,
}

impl Consumer for Fan<'_> {
    #[inline]
    fn quote(&mut self, quote: &Record) {
        for output in self.outputs.iter_mut().filter(|o| o.quotes) {
            if output.sender.offer(*quote) {
                self.passed.add(quote.venue, quote.instrument);
            }
        }
    }

    #[inline]
    fn status(&mut self, status: &Record) {
        for output in self.outputs.iter_mut().filter(|o| o.statuses) {
            output.sender.offer(*status);
        }
    }
}

impl Results for Fan<'_> {
    #[inline]
    fn spread(&mut self, spread: Spread) {
        self.spreads += 1;
        for output in self.outputs.iter_mut().filter(|o| o.wants(&spread)) {
            output.sender.offer(spread.into());
        }
    }

    fn ended(&mut self, ended: &Ended) {
        self.ended += 1;
        for output in self.outputs.iter_mut().filter(|o| o.wants_ends()) {
            output.sender.offer((*ended).into());
        }
    }

    fn withheld(&mut self, spread: &Spread, is_new: bool) {
        self.doubts.withheld.add(1);
        if is_new {
            let Spread { instrument, buy_venue, sell_venue, net, .. } = *spread;
            self.doubts.tell(Doubt { instrument, buy_venue, sell_venue, net: Some(net) });
        }
    }

    fn believed(&mut self, instrument: InstrumentId, buy_venue: VenueId, sell_venue: VenueId) {
        self.doubts.tell(Doubt { instrument, buy_venue, sell_venue, net: None });
    }
}

/// What becomes of the pairs whose net is not believed.
#[derive(Debug)]
struct Doubts {
    /// To the log, where there is one.
    log: Option<Sender<Doubt>>,
    withheld: Counter,
    /// Number of doubts that the log had no room for.
    untold: Counter,
}

impl Doubts {
    fn tell(&self, doubt: Doubt) {
        if let Some(log) = &self.log
            && log.try_send(doubt).is_err()
        {
            self.untold.add(1);
        }
    }
}

/// Counters of the calculator.
#[derive(Debug)]
struct Counts {
    /// Number of quotes that the edge for quotes accepted, by book.
    passed: Tally,
    quotes: Counter,
    statuses: Counter,
    spreads: Counter,
    ended: Counter,
    doubts: Doubts,
}

/// Reads quotes and statuses; sends them, and the spreads that they produce, to every edge.
#[derive(Debug)]
pub struct Calculator {
    inputs: Vec<Receiver>,
    outputs: Vec<Output>,
    calculation: Calculation,
    stopwatch: Stopwatch,
    counts: Counts,
}

impl Calculator {
    /// Creates a calculator with one incoming edge per feed and the outgoing edges to its
    /// consumers.
    #[must_use]
    pub fn new(
        inputs: Vec<Receiver>,
        outputs: Vec<Output>,
        book: Book,
        clock: Clock,
        counters: &Counters,
    ) -> Calculator {
        let counts = Counts {
            passed: Tally::default(),
            quotes: counters.register("calculator.quotes"),
            statuses: counters.register("calculator.statuses"),
            spreads: counters.register("calculator.spreads"),
            ended: counters.register("calculator.ended"),
            doubts: Doubts {
                log: None,
                withheld: counters.register("calculator.implausible"),
                untold: counters.register("calculator.untold"),
            },
        };
        let stopwatch = Stopwatch::alone(STAGE, clock);
        let calculation = Calculation::new(book);
        Calculator { inputs, outputs, calculation, stopwatch, counts }
    }

    /// Measures its latency with this stopwatch.
    #[must_use]
    pub fn timed(mut self, stopwatch: Stopwatch) -> Calculator {
        self.stopwatch = stopwatch;
        self
    }

    /// Counts the quotes it passes on, by book.
    #[must_use]
    pub fn counting(mut self, passed: Tally) -> Calculator {
        self.counts.passed = passed;
        self
    }

    /// Tells the log of pairs whose net is not believed. A doubt that does not fit is dropped and
    /// counted.
    #[must_use]
    pub fn telling(mut self, log: Sender<Doubt>) -> Calculator {
        self.counts.doubts.log = Some(log);
        self
    }

    /// Returns the counters of the calculator's stages, for the ledger.
    #[must_use]
    pub fn stages(&self) -> Vec<StageCounter> {
        let Counts { passed, quotes, statuses, .. } = &self.counts;
        let numbered = [(Stage::NumberedQuotes, quotes), (Stage::NumberedStatuses, statuses)];
        let numbered = numbered.map(|(stage, counter)| StageCounter::of_run(stage, counter));
        numbered.into_iter().chain(passed.stages(Stage::Passed)).collect()
    }
}

impl Agent for Calculator {
    fn role(&self) -> &'static str {
        "calculator"
    }

    fn on_start(&mut self) {
        self.outputs.iter_mut().for_each(|output| output.sender.touch());
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let Calculator { inputs, outputs, calculation, stopwatch, counts } = self;
        stopwatch.turn(now);
        let mut work = 0;
        for input in inputs {
            work += input.drain(|record| {
                stopwatch.lap(record.venue, record.ts_recv());
                take(record, calculation, outputs, counts);
            });
        }
        stopwatch.end_lap();
        work
    }

    fn is_finished(&self) -> bool {
        self.inputs.iter().all(Receiver::is_finished)
    }

    fn on_close(&mut self) {
        for output in &mut self.outputs {
            output.sender.settle();
        }
    }

    fn report(&mut self, report: &mut Report) {
        report.stopwatch(&mut self.stopwatch);
    }
}

/// Processes one record.
#[inline]
fn take(record: &Record, calculation: &mut Calculation, outputs: &mut [Output], counts: &Counts) {
    let Counts { passed, doubts, .. } = counts;
    let mut fan = Fan { outputs, passed, doubts, spreads: 0, ended: 0 };
    match calculation.take(record, &mut fan) {
        Some(Kind::Quote) => {
            counts.quotes.add(1);
            counts.spreads.add(fan.spreads);
            counts.ended.add(fan.ended);
        }
        Some(Kind::Status) => {
            counts.statuses.add(1);
            counts.ended.add(fan.ended);
        }
        _ => debug_assert!(false, "feeds send quotes and statuses only"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ring::{self, EdgeCounters};
    use spreadwire_kit::{catalogue, quotes};
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_market::record::Quote;
    use spreadwire_market::state::State;

    #[test]
    fn an_edge_of_spreads_carries_those_from_its_threshold_on_and_nothing_else() {
        let (mut input, receiver) = ring::hold(16, EdgeCounters::default());
        let edges: [_; 3] = std::array::from_fn(|_| ring::count(16, EdgeCounters::default()));
        let [(results, all), (inputs, numbered), (best, chosen)] = edges;
        let outputs = vec![
            Output::of_results(results),
            Output::of_inputs(inputs),
            Output::of_spreads(best, 0.1),
        ];
        let listed = catalogue::of(["A/B"], ["x", "y"]).max_age(100).listed().build();
        let (book, counters) = (Book::new(&listed), Counters::default());
        let clock = Clock::manual(0);
        let mut calculator = Calculator::new(vec![receiver], outputs, book, clock, &counters);
        for venue in 0..2 {
            input.send(quotes::status(venue, 0, State::Live, 0).into());
        }
        for (venue, price) in [(0, 100), (1, 110), (1, 109)] {
            let quote = Quote { bid_px: price, ask_px: price, ..quotes::quote(venue, 0, 0) };
            input.send(quote.into());
        }
        calculator.do_work(0);
        let counts = [all, numbered, chosen].map(|mut edge| {
            let (mut quotes, mut statuses, mut nets) = (0, 0, Vec::new());
            edge.drain(|record| match record.kind() {
                Some(Kind::Quote) => quotes += 1,
                Some(Kind::Status) => statuses += 1,
                _ => nets.push(record.view::<Spread>().net),
            });
            (quotes, statuses, nets)
        });
        assert_eq!((counts[0].0, counts[0].1, counts[0].2.len()), (0, 2, 4));
        assert_eq!((counts[1].0, counts[1].1, counts[1].2.len()), (3, 2, 0));
        let above: Vec<f64> = counts[0].2.iter().copied().filter(|net| 0.1 <= *net).collect();
        assert_eq!(counts[2], (0, 0, above));
        assert_eq!(counts[2].2.len(), 1);
    }

    /// Runs a calculator that believes nets up to 0.1 on quotes of two venues at these prices.
    /// Returns what the log is told, with room for so many doubts, and the counters.
    fn doubted(prices: &[(u8, i64)], room: usize) -> (Vec<Doubt>, Counters) {
        let (mut input, receiver) = ring::hold(64, EdgeCounters::default());
        let listed = catalogue::of(["A/B"], ["x", "y"]).max_age(100).listed().build();
        let (book, counters) = (Book::new(&listed).believing(0.1), Counters::default());
        let (log, told) = crossbeam::channel::bounded(room);
        let clock = Clock::manual(0);
        let mut calculator =
            Calculator::new(vec![receiver], Vec::new(), book, clock, &counters).telling(log);
        for venue in 0..2 {
            input.send(quotes::status(venue, 0, State::Live, 0).into());
        }
        for &(venue, price) in prices {
            let quote = Quote { bid_px: price, ask_px: price, ..quotes::quote(venue, 0, 0) };
            input.send(quote.into());
        }
        calculator.do_work(0);
        (told.try_iter().collect(), counters)
    }

    #[test]
    fn a_pair_that_is_not_believed_is_counted_each_time_and_told_once_until_it_is() {
        let pair = |buy: u8, net: Option<f64>| Doubt {
            instrument: InstrumentId(0),
            buy_venue: VenueId(buy),
            sell_venue: VenueId(1 - buy),
            net,
        };
        let beyond = [(0, 100), (1, 100_000), (1, 100_001), (0, 100)];
        let (told, counters) = doubted(&beyond, 8);
        let nets = [100.0 / 100_000.0 - 1.0, 100_000.0 / 100.0 - 1.0];
        assert_eq!(told, [pair(1, Some(nets[0])), pair(0, Some(nets[1]))]);
        assert_eq!(counters.get("calculator.implausible").unwrap(), 6);
        assert_eq!(counters.get("calculator.spreads").unwrap(), 0);

        let again = [&beyond[..], &[(1, 101), (1, 102), (1, 100_000)]].concat();
        let (told, _) = doubted(&again, 8);
        assert_eq!(told[2..4], [pair(1, None), pair(0, None)]);
        assert_eq!(told.len(), 6, "and then it is news again: {told:?}");

        let (told, counters) = doubted(&again, 2);
        assert_eq!((told.len(), counters.get("calculator.untold").unwrap()), (2, 4));
    }
}
