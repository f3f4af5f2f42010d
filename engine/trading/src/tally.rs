//! Counts and sums over the entries of a journal, from which reports are made.

use crate::amount::Amount;
use crate::entry::{Capturable, Entry, Event, Outcome};
use crate::order::{Answer, Ended};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};

/// Times after a fill at which the price is looked at again, ns.
pub const MARKOUTS: [Nanos; 4] = [10 * MILLI, 100 * MILLI, SECOND, 10 * SECOND];
/// Times after an opening at which it is looked whether the opportunity still stands, ns; 0 stands for
/// the latency configured.
pub const CAPTURES: [Nanos; 4] = [0, MILLI, 10 * MILLI, 100 * MILLI];

/// How much of the opportunities still stood after a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Captured {
    /// Opportunities that were looked at, and whose books were both seen.
    pub seen: u64,
    /// Opportunities whose books were not both seen.
    pub unseen: u64,
    /// Of those seen, those of which something could be had.
    pub some: u64,
    /// Of those seen, those of which all that was displayed could be had.
    pub all: u64,
    /// Sum of the shares of the displayed size that could be had.
    pub shares: f64,
}

impl Captured {
    /// Returns the mean share of the displayed size that could be had; NaN if none was seen.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count of opportunities")]
    pub fn share(&self) -> f64 {
        self.shares / self.seen as f64
    }
}

/// Where prices went after fills.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marked {
    /// Fills whose book was seen.
    pub seen: u64,
    /// Fills whose book was not seen.
    pub unseen: u64,
    /// Sum of the gains, fractions.
    pub gains: f64,
}

/// Counts and sums.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Deals decided on.
    pub decided: u64,
    /// Deals that are over, by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Deals that failed.
    pub failed: u64,
    /// Orders placed.
    pub orders: u64,
    /// Trades told, each once and doubled ones too.
    pub fills: u64,
    /// Trades that were told again and not booked again.
    pub doubled: u64,
    /// Trades that came after their order was over.
    pub late: u64,
    /// Orders filled in full.
    pub filled_whole: u64,
    /// Orders that found nothing.
    pub filled_none: u64,
    /// Orders rejected.
    pub rejected: u64,
    /// Times at which the outcome of an order was unknown.
    pub unknown: u64,
    /// Profit of the deals that are over, in the currency of the books.
    pub profit: Amount,
    /// Fees of those deals; they are in the profit.
    pub fees: Amount,
    /// Deals that are over and gained.
    pub gained: u64,
    /// Highest profit so far.
    pub peak: Amount,
    /// Largest loss from the highest profit so far, at or above 0.
    pub drawdown: Amount,
    /// What stood after each of [`CAPTURES`].
    pub captured: [Captured; CAPTURES.len()],
    /// Where prices went after each of [`MARKOUTS`].
    pub marked: [Marked; MARKOUTS.len()],
}

impl Tally {
    /// Counts an entry.
    pub fn count(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Decided(_) => self.decided += 1,
            Event::Placed(_) => self.orders += 1,
            Event::Answered(answer) => self.answer(answer),
            Event::Settled(settled) => {
                self.outcomes[usize::from(settled.outcome.code())] += 1;
                self.failed += u64::from(settled.failed);
                self.profit += settled.profit;
                self.fees += settled.fees;
                self.gained += u64::from(Amount::ZERO < settled.profit);
                self.peak = self.peak.max(self.profit);
                self.drawdown = self.drawdown.max(self.peak - self.profit);
            }
            Event::Capturable(capturable) => self.capturable(capturable),
            Event::Markout(markout) => {
                let Some(place) = MARKOUTS.iter().position(|after| *after == markout.after) else {
                    return;
                };
                let marked = &mut self.marked[place];
                match markout.gain {
                    Some(gain) => {
                        (marked.seen, marked.gains) = (marked.seen + 1, marked.gains + gain)
                    }
                    None => marked.unseen += 1,
                }
            }
            Event::Funded { .. }
            | Event::Stage { .. }
            | Event::Halted(_)
            | Event::Resumed
            | Event::Adopted { .. } => {}
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Filled(_) => self.fills += 1,
            Answer::Done { how: Ended::Filled, .. } => self.filled_whole += 1,
            Answer::Done { filled: 0, .. } => self.filled_none += 1,
            Answer::Rejected { .. } => self.rejected += 1,
            Answer::Unknown { .. } => self.unknown += 1,
            Answer::Done { .. }
            | Answer::Acked { .. }
            | Answer::Balance { .. }
            | Answer::Reconciled { .. }
            | Answer::Connection { .. } => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of sizes")]
    fn capturable(&mut self, capturable: &Capturable) {
        let Some(place) = CAPTURES.iter().position(|after| *after == capturable.after) else {
            return;
        };
        let captured = &mut self.captured[place];
        let Some(sz) = capturable.sz else {
            captured.unseen += 1;
            return;
        };
        let sz = sz.min(capturable.displayed);
        captured.seen += 1;
        captured.some += u64::from(0 < sz);
        captured.all += u64::from(sz == capturable.displayed);
        captured.shares += sz as f64 / capturable.displayed.max(1) as f64;
    }
}
