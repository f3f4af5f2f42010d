//! The trader with the gateway on paper: the two on one clock, which is that of the records.
//!
//! Everything that is due before a record is done before it, in the order of the times: orders arrive at
//! the books that were seen until then. So the same records give the same orders, fills and profits, live
//! and in a replay, on any layout of threads.

use crate::order::Order;
use crate::paper::Paper;
use crate::trader::{Out, Trader};
use spreadwire_market::clock::Nanos;
use spreadwire_market::record::Record;

/// Both.
#[derive(Clone, Debug)]
pub struct PaperTrader {
    /// The trader.
    pub trader: Trader,
    /// The gateway.
    pub paper: Paper,
    /// When something is due next, ns since 1970 UTC.
    due: Nanos,
}

impl PaperTrader {
    /// Puts both together.
    #[must_use]
    pub fn new(trader: Trader, paper: Paper) -> PaperTrader {
        PaperTrader { trader, paper, due: Nanos::MAX }
    }

    /// Ends the restoring of an earlier run's journal: orders that were in flight then never arrived.
    pub fn restored(&mut self, now: Nanos, out: &mut Out) {
        let lost: Vec<Order> =
            self.trader.desk().orders().iter().map(|working| working.order).collect();
        self.paper.lose(&lost);
        let from = (out.orders.len(), out.asks.len());
        self.trader.restored(now, out);
        self.pass_on(from, out);
    }

    /// Processes the next record, and everything that is due before it.
    #[inline]
    pub fn on_record(&mut self, record: &Record, out: &mut Out) {
        let ts = record.ts_recv();
        if self.due < ts {
            self.run_until(ts, out);
        }
        let from = (out.orders.len(), out.asks.len());
        self.trader.on_record(record, out);
        if from != (out.orders.len(), out.asks.len())
            || !out.entries.is_empty()
            || !out.records.is_empty()
        {
            self.pass_on(from, out);
        }
    }

    /// Does everything that is due before `ts`, ns since 1970 UTC.
    #[inline(never)]
    pub fn run_until(&mut self, ts: Nanos, out: &mut Out) {
        loop {
            let (paper, trader) = (self.paper.next_due(), self.trader.next_due());
            if ts <= paper.min(trader) {
                break;
            }
            let from = (out.orders.len(), out.asks.len());
            if trader < paper {
                self.trader.on_time(trader, out);
            } else {
                let (settings, view) = self.trader.market();
                if let Some((due, Some(answer))) = self.paper.step(ts, settings, view) {
                    self.trader.on_answer(&answer, due, out);
                }
            }
            self.pass_on(from, out);
        }
    }

    /// Gives new orders and questions to the gateway.
    fn pass_on(&mut self, (orders, asks): (usize, usize), out: &Out) {
        for order in &out.orders[orders..] {
            self.paper.place(order);
        }
        let now = self.trader.now();
        for order in &out.asks[asks..] {
            self.paper.ask(order, now);
        }
        self.due = self.paper.next_due().min(self.trader.next_due());
    }

    /// Ends the run at `ts`, ns since 1970 UTC: what was due until then is done, and what is still under way
    /// is unknown.
    pub fn stop(&mut self, ts: Nanos, out: &mut Out) {
        self.run_until(ts, out);
        self.trader.stop_sending();
        for answer in self.paper.end() {
            self.trader.on_answer(&answer, ts, out);
        }
        self.trader.stop(ts, out);
    }
}
