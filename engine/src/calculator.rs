//! The agent between feeds and consumers: numbers what comes in, keeps the book, fans out.
//!
//! Every quote and status gets the next global sequence number, in the order used, so that the
//! journal replays to the same spreads bit for bit. It never waits for a consumer: each edge out
//! counts and marks what its consumer is too slow for. It must not know who consumes, or how many
//! threads there are, and it reads the clock for its latency figures alone.

use crate::agent::{Agent, Report};
use crate::book::Book;
use crate::clock::{Clock, Nanos};
use crate::counters::{Counter, Counters};
use crate::latency::Latency;
use crate::record::{Kind, Record};
use crate::ring::{CountSender, Receiver};

/// An edge out and what it carries.
#[derive(Debug)]
pub struct Output {
    /// The edge.
    pub sender: CountSender,
    /// Whether quotes pass.
    pub quotes: bool,
    /// Whether spreads pass.
    pub spreads: bool,
}

/// Counters of the calculator.
#[derive(Debug)]
struct Tally {
    quotes: Counter,
    statuses: Counter,
    spreads: Counter,
}

/// Quotes and statuses in; those and the spreads they lead to out, to every edge.
#[derive(Debug)]
pub struct Calculator {
    inputs: Vec<Receiver>,
    outputs: Vec<Output>,
    book: Book,
    clock: Clock,
    sequence: u64,
    latency: Latency,
    tally: Tally,
}

impl Calculator {
    /// Takes one edge in from each feed and one edge out to each consumer. Statuses pass to all.
    #[must_use]
    pub fn new(
        inputs: Vec<Receiver>,
        outputs: Vec<Output>,
        book: Book,
        clock: Clock,
        counters: &Counters,
    ) -> Calculator {
        let tally = Tally {
            quotes: counters.counter("calculator.quotes"),
            statuses: counters.counter("calculator.statuses"),
            spreads: counters.counter("calculator.spreads"),
        };
        Calculator { inputs, outputs, book, clock, sequence: 0, latency: Latency::new(), tally }
    }
}

impl Agent for Calculator {
    fn role(&self) -> &'static str {
        "calculator"
    }

    fn do_work(&mut self, _now: Nanos) -> usize {
        let Calculator { inputs, outputs, book, clock, sequence, latency, tally } = self;
        let mut work = 0;
        for input in inputs {
            work += input.drain(|record| {
                let taken = take(record, *sequence, book, outputs, tally);
                *sequence += u64::from(taken);
                latency.record(record.ts_recv(), clock.now());
            });
        }
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
        report.latency("read_to_spread", &self.latency);
    }
}

/// Handles one record; whether it was one that is numbered.
#[inline]
fn take(
    record: &Record,
    sequence: u64,
    book: &mut Book,
    outputs: &mut [Output],
    tally: &Tally,
) -> bool {
    match record.kind() {
        Some(Kind::Quote) => {
            outputs.iter_mut().filter(|o| o.quotes).for_each(|o| o.sender.offer(*record));
            let mut spreads = 0;
            book.on_quote(record.view(), sequence, |spread| {
                spreads += 1;
                for output in outputs.iter_mut().filter(|o| o.spreads) {
                    output.sender.offer(spread.into());
                }
            });
            tally.quotes.add(1);
            tally.spreads.add(spreads);
            true
        }
        Some(Kind::Status) => {
            book.on_status(record.view());
            outputs.iter_mut().for_each(|o| o.sender.offer(*record));
            tally.statuses.add(1);
            true
        }
        Some(Kind::Spread | Kind::Gap | Kind::Opened | Kind::Closed | Kind::Recording) | None => {
            debug_assert!(false, "feeds send quotes and statuses only");
            false
        }
    }
}
