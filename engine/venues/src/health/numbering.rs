//! The order of an instrument's messages, over all lines that carry it.
//!
//! A venue's numbers mean something within one numbering, which the venue may restart. Each line
//! knows the last number that it brought, and counts the restarts that it saw. A message is new if
//! its (restarts, number) is above that of the last quote, whichever line brought that.

use super::Arrival;
use crate::venue::{QuoteMessage, SequenceRule, Side};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Quote;
use std::cmp::Ordering;

/// Most lines that can carry an instrument: two, and the successor of one of them.
pub const LINES_MAX: usize = 3;

/// A line that brings lower numbers than the last quote, which is older than this, brings those of
/// a new numbering: no line is late by so much.
const LATE_MAX: Nanos = 10 * SECOND;

/// Place of a message in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It follows the last quote.
    Next,
    /// The venue repeats the last quote.
    Repeat,
    /// The venue has restarted its numbers.
    Restart,
    /// Another line has brought it, or a later one.
    Copy,
    /// It is older than the last quote of the same line, and is dropped.
    Old,
    /// As `Old`, where the venue promises that this does not happen.
    Late,
    /// A change came before it that is missing; `alone` if no other line may still bring it.
    Hole { alone: bool },
}

/// What a line has brought.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    /// Whether the line carries the instrument now.
    open: bool,
    /// Whether it has brought a message.
    heard: bool,
    /// Last number; meaningless unless `numbered`.
    last: u64,
    numbered: bool,
    /// Restarts that it saw.
    restarts: u32,
    /// A number below the last one, which the next message may confirm as a restart.
    fallen: Option<u64>,
    /// Whether no change was missed on it since its last snapshot.
    whole: bool,
}

/// The numbers of one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering {
    rule: SequenceRule,
    lines: [View; LINES_MAX],
    /// Restarts before the last quote.
    restarts: u32,
    /// Whether there is a last quote to compare with.
    numbered: bool,
    /// Line that brought the last quote.
    winner: usize,
}

impl Numbering {
    pub(super) fn new(rule: SequenceRule) -> Numbering {
        let lines = [View::default(); LINES_MAX];
        Numbering { rule, lines, restarts: 0, numbered: false, winner: 0 }
    }

    /// Notes that a line carries the instrument from now on.
    pub(super) fn open(&mut self, line: usize) {
        self.lines[line] = View { open: true, restarts: self.restarts, ..View::default() };
    }

    /// Returns whether a line carries it.
    pub(super) fn is_open(&self, line: usize) -> bool {
        self.lines[line].open
    }

    /// Notes that a line carries it no longer.
    pub(super) fn close(&mut self, line: usize) {
        self.lines[line] = View::default();
    }

    /// Returns whether a line has brought a message since it was opened.
    pub(super) fn is_heard(&self, line: usize) -> bool {
        self.lines[line].heard
    }

    /// Returns whether any line carries it.
    pub(super) fn is_carried(&self) -> bool {
        self.lines.iter().any(|line| line.open)
    }

    /// Forgets the last quote: whatever comes next is new.
    pub(super) fn forget(&mut self) {
        self.numbered = false;
    }

    /// Returns the place of a message, before it is accepted. `last` is the last quote, and `known`
    /// tells whether it is the present picture.
    #[inline]
    pub(super) fn order(
        &mut self,
        message: &QuoteMessage,
        Arrival { line, ts_recv, .. }: Arrival,
        last: &Quote,
        known: bool,
    ) -> Order {
        self.lines[line].heard = true;
        let Some(number) = message.sequence else { return self.by_content(message, line, last) };
        let view = &mut self.lines[line];
        let fell = view.numbered && number < view.last;
        if fell {
            match self.rule {
                SequenceRule::Increasing if !view.confirms(number) => return Order::Late,
                SequenceRule::SnapshotsAndChanges if !message.snapshot => return Order::Old,
                _ => view.restarts += 1,
            }
        }
        view.fallen = None;
        (view.last, view.numbered) = (number, true);
        if message.snapshot {
            view.whole = true;
        }
        if !self.numbered {
            return if fell { Order::Restart } else { Order::Next };
        }
        let place = (self.lines[line].restarts, number).cmp(&(self.restarts, last.sequence));
        match place {
            Ordering::Less if LATE_MAX < ts_recv.saturating_sub(last.ts_recv) => {
                self.lines[line].restarts = self.restarts + 1;
                Order::Restart
            }
            Ordering::Less if line != self.winner => Order::Copy,
            Ordering::Less => Order::Old,
            Ordering::Equal => self.equal(line, known),
            Ordering::Greater if self.restarts < self.lines[line].restarts => Order::Restart,
            Ordering::Greater => self.above(message, line, number, last.sequence),
        }
    }

    fn equal(&self, line: usize, known: bool) -> Order {
        if line != self.winner {
            // The copy of a picture that was lost meanwhile is no news either.
            return Order::Copy;
        }
        match self.rule {
            SequenceRule::Increasing => Order::Old,
            _ if known => Order::Repeat,
            _ => Order::Next,
        }
    }

    fn above(&mut self, message: &QuoteMessage, line: usize, number: u64, last: u64) -> Order {
        let follows = Some(number) == last.checked_add(1);
        let counts = self.rule == SequenceRule::SnapshotsAndChanges && !message.snapshot;
        if !counts || follows {
            self.lines[line].whole |= follows;
            return Order::Next;
        }
        self.lines[line].whole = false;
        let alone = self.lines.iter().all(|view| !view.open || !view.whole);
        Order::Hole { alone }
    }

    /// Without numbers, an equal picture on another line is a copy, and an earlier event time too.
    fn by_content(&self, message: &QuoteMessage, line: usize, last: &Quote) -> Order {
        if !self.numbered || line == self.winner {
            return Order::Next;
        }
        let same = sides(message) == [(last.bid_px, last.bid_sz), (last.ask_px, last.ask_sz)];
        let event = message.ts_event.unwrap_or(0);
        if event < last.ts_event || (same && event == last.ts_event) {
            Order::Copy
        } else {
            Order::Next
        }
    }

    /// Notes that a message became the last quote.
    #[inline]
    pub(super) fn accept(&mut self, line: usize, message: &QuoteMessage) {
        self.numbered = true;
        self.winner = line;
        if message.sequence.is_some() {
            self.restarts = self.lines[line].restarts;
        }
    }
}

impl View {
    /// Returns whether a number below the last one confirms a restart: the second of two in a row
    /// that increase. The first one may be a message out of order.
    fn confirms(&mut self, number: u64) -> bool {
        let confirmed = self.fallen.is_some_and(|first| first < number);
        self.fallen = Some(number);
        confirmed
    }
}

fn sides(message: &QuoteMessage) -> [(i64, i64); 2] {
    [message.bid, message.ask].map(|side| match side {
        Side::Level { px, sz } => (px, sz),
        Side::Empty | Side::Unchanged => (0, 0),
    })
}
