//! What the decision agent does about opportunities: it trades on paper, and everything that happens goes
//! over an edge of its own to the journal of decisions.
//!
//! The edge must not lose an entry, because the books after a restart are what the journal has. So the
//! agent sends no order while the edge has no room for everything that a turn can lead to.

use rtrb::{Consumer, Producer, RingBuffer};
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use spreadwire_market::decision;
use spreadwire_market::record::Record;
use spreadwire_trading::entry::{Entry, Event};
use spreadwire_trading::order::Answer;
use spreadwire_trading::paper_trader::PaperTrader;
use spreadwire_trading::settings::Settings;
use spreadwire_trading::trader::{Out, Trader};
use spreadwire_trading::why::Why;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Capacity of the edge, entries.
const ENTRIES: usize = 1 << 14;
/// Room without which no order is sent, entries. It is looked at after every record that led to entries: to
/// a few by itself, and to what was due before it.
const ROOM: usize = ENTRIES / 2;

/// Makes the edge from the decision to the journal of decisions.
#[must_use]
pub fn edge() -> (Producer<Entry>, Consumer<Entry>) {
    RingBuffer::new(ENTRIES)
}

/// Returns how often each reason not to act bound, as the counters of a running engine have it.
#[must_use]
pub fn why_not(counters: &Counters) -> Vec<(Why, u64)> {
    let of = |why: Why| (why, counters.get(&counter(why)).unwrap_or_default());
    Why::ALL.into_iter().map(of).collect()
}

/// Returns the name of the counter of a reason.
fn counter(why: Why) -> String {
    format!("trading.why_not.{why}")
}

/// Counters of the execution.
#[derive(Debug)]
struct Counts {
    deals: Counter,
    orders: Counter,
    fills: Counter,
    rejected: Counter,
    unknown: Counter,
    above: Counter,
    acted: Counter,
    lost: Counter,
    /// By the code of the reason.
    why: Vec<Counter>,
}

impl Counts {
    fn new(counters: &Counters) -> Counts {
        let register = |name: &str| counters.register(&format!("trading.{name}"));
        Counts {
            deals: register("deals"),
            orders: register("orders"),
            fills: register("fills"),
            rejected: register("rejected"),
            unknown: register("unknown"),
            above: register("above"),
            acted: register("acted"),
            lost: register("entries_lost"),
            why: Why::ALL.into_iter().map(|why| counters.register(&counter(why))).collect(),
        }
    }

    /// Takes over what the trader counts itself.
    fn set(&self, trader: &Trader) {
        let (above, acted) = trader.above_and_acted();
        self.above.set(above);
        self.acted.set(acted);
        for why in Why::ALL {
            self.why[usize::from(why.code())].set(trader.why_not().of(why));
        }
    }

    fn count(&self, entry: &Entry) {
        match &entry.event {
            Event::Decided(_) => self.deals.add(1),
            Event::Placed(_) => self.orders.add(1),
            Event::Answered(Answer::Filled(_)) => self.fills.add(1),
            Event::Answered(Answer::Rejected { .. }) => self.rejected.add(1),
            Event::Answered(Answer::Unknown { .. }) => self.unknown.add(1),
            Event::Answered(_)
            | Event::Funded { .. }
            | Event::Stage { .. }
            | Event::Settled(_)
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. }
            | Event::Capturable(_)
            | Event::Markout(_) => {}
        }
    }
}

/// The trader on paper, and the edge to its journal.
#[derive(Debug)]
pub struct Execution {
    both: PaperTrader,
    journal: Producer<Entry>,
    adopt: Arc<AtomicBool>,
    out: Out,
    counts: Counts,
}

impl Execution {
    /// Puts them together. While `adopt` is set, the next turn adopts what was kept and ends all halts.
    #[must_use]
    pub fn new(
        both: PaperTrader,
        journal: Producer<Entry>,
        adopt: Arc<AtomicBool>,
        counters: &Counters,
    ) -> Execution {
        let (out, counts) = (Out::with_capacity(1024), Counts::new(counters));
        Execution { both, journal, adopt, out, counts }
    }

    /// Begins a turn at `now`.
    #[inline]
    pub(super) fn begin_turn(&mut self, now: Nanos) {
        self.both.trader.at(now);
        self.heed_journal();
        if self.adopt.load(Ordering::Relaxed) && self.adopt.swap(false, Ordering::AcqRel) {
            let ts = self.both.trader.now();
            self.both.trader.adopt(ts, &mut self.out);
        }
    }

    /// Processes the next record.
    #[inline]
    pub(super) fn on_record(&mut self, record: &Record) {
        self.both.on_record(record, &mut self.out);
        if !self.out.entries.is_empty() {
            self.pass_on();
        }
    }

    /// Goes by other settings from here on.
    pub(super) fn retune(&mut self, thresholds: decision::Settings, settings: Settings) {
        self.both.trader.retune(thresholds, settings);
    }

    /// Ends a turn; `is_in_step` tells that no record waits. Returns opportunities that opened and closed.
    #[inline]
    pub(super) fn end_turn(&mut self, is_in_step: bool) -> &mut Vec<Record> {
        if is_in_step {
            self.both.trader.caught_up();
        }
        // A spinning thread turns millions of times a second, and few turns have a spread above its threshold.
        if self.both.trader.above_and_acted().0 != self.counts.above.get() {
            self.counts.set(&self.both.trader);
        }
        &mut self.out.records
    }

    /// Ends the run.
    pub(super) fn stop(&mut self) -> &mut Vec<Record> {
        let ts = self.both.trader.now();
        self.both.stop(ts, &mut self.out);
        self.pass_on();
        &mut self.out.records
    }

    /// Returns how many spreads were good enough and too old.
    pub(super) fn too_old(&self) -> u64 {
        self.both.trader.maker().too_old()
    }

    fn pass_on(&mut self) {
        for entry in self.out.entries.drain(..) {
            self.counts.count(&entry);
            if self.journal.push(entry).is_err() {
                self.counts.lost.add(1);
            }
        }
        self.out.orders.clear();
        self.out.asks.clear();
        self.heed_journal();
    }

    /// Sends no order while the journal is behind.
    fn heed_journal(&mut self) {
        self.both.trader.hold(self.journal.slots() < ROOM);
    }
}
