//! The trader with the gateway on paper: the two on one clock, which is that of the records.
//!
//! Everything that is due before a record is done before it, in the order of the times: orders arrive at
//! the books that were seen until then. So the same records give the same orders, fills and profits, live
//! and in a replay, on any layout of threads.

use crate::amount::Amount;
use crate::entry::{Entry, Event};
use crate::order::{Answer, AssetName, Order};
use crate::paper::{Paper, PaperSettings};
use crate::trader::{Out, Trader};
use spreadwire_market::clock::Nanos;
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Record;
use std::collections::BTreeSet;

/// A trader on paper that reads the journal of earlier runs.
#[derive(Clone, Debug)]
pub struct Restoring {
    trader: Trader,
    funded: BTreeSet<(VenueId, AssetName)>,
    last_trade: u64,
}

impl Restoring {
    /// Begins with a trader that has restored nothing yet.
    #[must_use]
    pub fn new(trader: Trader) -> Restoring {
        Restoring { trader, funded: BTreeSet::new(), last_trade: 0 }
    }

    /// Takes the next entry of the journal.
    pub fn entry(&mut self, entry: &Entry) {
        self.trader.restore(entry);
        if let Event::Funded { venue, asset, .. } = entry.event {
            self.funded.insert((venue, asset));
        }
        if let Event::Answered(Answer::Filled(fill)) = &entry.event {
            self.last_trade = self.last_trade.max(fill.trade.as_str().parse().unwrap_or(0));
        }
    }

    /// Returns the trader, which trades through a gateway from here on.
    #[must_use]
    pub fn into_trader(self) -> Trader {
        self.trader
    }

    /// Puts the trader together with venues on paper that hold what the books say. Each of `balances` that was
    /// not funded before is so at `now`, ns since 1970 UTC, which is added to `out`. The next call is
    /// [`PaperTrader::restored`].
    #[must_use]
    pub fn on_paper(
        mut self,
        balances: &[(VenueId, AssetName, Amount)],
        paper: PaperSettings,
        now: Nanos,
        out: &mut Out,
    ) -> PaperTrader {
        let is_new = |it: &&(VenueId, AssetName, Amount)| !self.funded.contains(&(it.0, it.1));
        for &(venue, asset, amount) in balances.iter().filter(is_new) {
            let entry = Entry { ts: now, event: Event::Funded { venue, asset, amount } };
            self.trader.restore(&entry);
            out.entries.push(entry);
        }
        let trader = self.trader.trusting();
        let books = trader.desk().books.clone();
        PaperTrader::new(trader, Paper::new(paper, books).after(self.last_trade))
    }
}

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
