//! The order of an instrument's messages, over all lines that carry it.
//!
//! A venue's numbers mean something within one numbering, which the venue may restart. Each line
//! knows the last number that it brought, and counts the restarts that it saw. A message is new if
//! its (restarts, number) is above that of the last quote, whichever line brought that.

use super::Arrival;
use crate::venue::{EventTime, QuoteMessage, SequenceRule};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::record::Quote;
use std::cmp::Ordering;

/// Most lines that can carry an instrument: two, and the successor of one of them.
pub const LINES_MAX: usize = 3;

/// A line that brings lower numbers than the last quote, which is older than this, brings those of
/// a new numbering if its event times or the time when it was opened show that it is not late.
const LATE_MAX: Nanos = 10 * SECOND;
/// Where nothing shows that, no line is late by so much, unless our own thread was.
const LATE_MAX_UNKNOWN: Nanos = 60 * SECOND;
/// A line that was open for so long, and did not bring what another one brought, will not bring it.
const DEAF_AFTER: Nanos = 10 * SECOND;
/// So many lower numbers in a row that increase are those of a new numbering. Fewer may be messages
/// out of order.
const CONFIRMATIONS: u8 = 3;

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
    /// Its line has just been opened and is ahead: what came before it still waits on another one.
    Ahead,
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
    /// Since when.
    opened_at: Nanos,
    /// Whether it has not yet been found in step with the other lines.
    joining: bool,
    /// Whether its first message was found to be ahead of them.
    ahead: bool,
    /// Whether it has brought a message.
    heard: bool,
    /// Last number; meaningless unless `numbered`.
    last: u64,
    numbered: bool,
    /// Restarts that it saw.
    restarts: u32,
    /// The last of the numbers below the last one, and how many increased in a row: the next ones may
    /// confirm a restart.
    fallen: Option<(u64, u8)>,
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
    pub(super) fn open(&mut self, line: usize, opened_at: Nanos) {
        let restarts = self.restarts;
        self.lines[line] =
            View { open: true, opened_at, joining: true, restarts, ..View::default() };
    }

    /// Returns whether a line carries it.
    pub(super) fn is_open(&self, line: usize) -> bool {
        self.lines[line].open
    }

    /// Notes that a line carries it no longer.
    pub(super) fn close(&mut self, line: usize) {
        self.lines[line] = View::default();
        if self.winner == line {
            // What the next socket in its place brings may be a copy as well.
            self.winner = LINES_MAX;
        }
    }

    /// Returns whether a change came that cannot be applied, and no line is left that may bring what
    /// is missing. `last` is the number of the last quote.
    pub(super) fn is_broken(&self, last: u64) -> bool {
        let mut open = self.lines.iter().filter(|view| view.open);
        let beyond = |view: &View| (self.restarts, last) < (view.restarts, view.last);
        self.rule == SequenceRule::SnapshotsAndChanges
            && self.lines.iter().any(|view| view.open && view.numbered && beyond(view))
            && !open.any(|view| view.whole)
    }

    /// Returns whether a line has brought a message since it was opened.
    pub(super) fn is_heard(&self, line: usize) -> bool {
        self.lines[line].heard
    }

    /// Returns whether a line that carries it brings it, as far as anybody can know: it has brought
    /// something, or has not been open for long when the last quote came, at `quoted_at`.
    pub(super) fn is_brought(&self, quoted_at: Nanos) -> bool {
        let brings = |view: &View| {
            view.heard || view.ahead || quoted_at.saturating_sub(view.opened_at) <= DEAF_AFTER
        };
        self.lines.iter().any(|view| view.open && brings(view))
    }

    /// Returns whether any line carries it.
    pub(super) fn is_carried(&self) -> bool {
        self.lines.iter().any(|line| line.open)
    }

    /// Notes that what the other lines have not brought yet is not waited for.
    pub(super) fn join(&mut self, line: usize) {
        self.lines[line].joining = false;
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
        arrival: Arrival,
        last: &Quote,
        known: bool,
    ) -> Order {
        match message.sequence {
            Some(number) if self.follows(message, number, arrival.line, last.sequence) => {
                Order::Next
            }
            _ => self.order_otherwise(message, arrival, last, known),
        }
    }

    /// Returns whether a message follows the last quote on a line that is in step, as nearly all do,
    /// and notes it if so.
    #[inline]
    fn follows(&mut self, message: &QuoteMessage, number: u64, line: usize, last: u64) -> bool {
        let view = &mut self.lines[line];
        let in_step = view.open && view.heard && view.numbered && !view.joining;
        let next = last.checked_add(1) == Some(number);
        let applies = message.snapshot || next || self.rule != SequenceRule::SnapshotsAndChanges;
        let follows = in_step
            && applies
            && !message.restarted
            && self.numbered
            && view.restarts == self.restarts
            && view.last < number
            && last < number;
        if follows {
            view.last = number;
            view.fallen = None;
            view.whole |= message.snapshot || next;
        }
        follows
    }

    #[inline(never)]
    fn order_otherwise(
        &mut self,
        message: &QuoteMessage,
        arrival: Arrival,
        last: &Quote,
        known: bool,
    ) -> Order {
        let line = arrival.line;
        let view = &mut self.lines[line];
        if !view.numbered && !view.ahead {
            // Its first number is of the present numbering, whatever happened since it was opened.
            view.restarts = self.restarts;
        }
        if view.joining {
            if known && self.is_ahead(line, message, last.sequence) {
                self.lines[line].ahead = true;
                return Order::Ahead;
            }
            self.lines[line].joining = false;
        }
        (self.lines[line].heard, self.lines[line].open) = (true, true);
        let Some(number) = message.sequence else { return self.by_content(message, line, last) };
        let view = &mut self.lines[line];
        let announced = message.restarted && number != view.last;
        let fell = view.numbered && (announced || number < view.last);
        if fell && !announced {
            if self.rule == SequenceRule::Increasing && !view.confirms(number) {
                // A line that is still behind another's restart says nothing new.
                let behind = view.restarts < self.restarts;
                return if behind { Order::Copy } else { Order::Late };
            }
            if self.rule == SequenceRule::SnapshotsAndChanges && !message.snapshot {
                return Order::Old;
            }
        }
        view.restarts += u32::from(fell);
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
            Ordering::Less if self.begins_anew(message, arrival, last) => {
                self.lines[line].restarts = self.restarts + 1;
                Order::Restart
            }
            Ordering::Less if line != self.winner => Order::Copy,
            Ordering::Less => Order::Old,
            Ordering::Equal => self.equal(message, line, last, known),
            Ordering::Greater if self.restarts < self.lines[line].restarts => Order::Restart,
            Ordering::Greater => self.above(message, line, number, last.sequence),
        }
    }

    /// Returns whether a line that was just opened begins behind updates that another line has not
    /// brought yet, but will.
    #[cold]
    fn is_ahead(&self, line: usize, message: &QuoteMessage, last: u64) -> bool {
        let brings = |view: &View| {
            view.open && view.heard && view.numbered && view.restarts == self.restarts
        };
        let mut others = self.lines.iter().enumerate().filter(|(other, _)| *other != line);
        self.numbered
            && self.lines[line].restarts == self.restarts
            && message.sequence.is_some_and(|number| last < number)
            && others.any(|(_, view)| brings(view))
    }

    /// Returns whether a number below that of the last quote is one of a new numbering.
    #[cold]
    fn begins_anew(&self, message: &QuoteMessage, arrival: Arrival, last: &Quote) -> bool {
        let event = message.ts_event.map(EventTime::ns).filter(|_| 0 < last.ts_event);
        let is_later = match event {
            Some(event) => last.ts_event < event,
            None => last.ts_recv < self.lines[arrival.line].opened_at,
        };
        let late_max = match (is_later, event) {
            (true, _) => LATE_MAX,
            (false, None) => LATE_MAX_UNKNOWN,
            (false, Some(_)) => return false,
        };
        !arrival.held_up && late_max < arrival.ts_recv.saturating_sub(last.ts_recv)
    }

    fn equal(&self, message: &QuoteMessage, line: usize, last: &Quote, known: bool) -> Order {
        if line != self.winner {
            // The copy of a picture that was lost meanwhile is no news either.
            return Order::Copy;
        }
        match self.rule {
            SequenceRule::Increasing => Order::Old,
            SequenceRule::IncreasingWithRestarts | SequenceRule::SnapshotsAndChanges
                if known && repeats(message, last) =>
            {
                Order::Repeat
            }
            SequenceRule::IncreasingWithRestarts | SequenceRule::SnapshotsAndChanges => Order::Next,
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
        let event = message.ts_event.map_or(0, EventTime::ns);
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
    /// Returns whether a number below the last one confirms a restart.
    fn confirms(&mut self, number: u64) -> bool {
        let before = self.fallen.filter(|(before, _)| *before < number);
        let in_row = before.map_or(1, |(_, in_row)| in_row + 1);
        self.fallen = Some((number, in_row));
        CONFIRMATIONS <= in_row
    }
}

/// Returns whether a message says the same as the last quote.
fn repeats(message: &QuoteMessage, last: &Quote) -> bool {
    let [bid, ask] = [(last.bid_px, last.bid_sz), (last.ask_px, last.ask_sz)];
    [super::side(message.bid, bid), super::side(message.ask, ask)] == [bid, ask]
}

fn sides(message: &QuoteMessage) -> [(i64, i64); 2] {
    [message.bid, message.ask].map(|side| super::side(side, (0, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::Side;
    use bytemuck::Zeroable;

    /// A numbering, the last quote, and a line's messages in words.
    struct Rig {
        numbering: Numbering,
        last: Quote,
        known: bool,
        now: Nanos,
    }

    impl Rig {
        fn new(rule: SequenceRule) -> Rig {
            let mut numbering = Numbering::new(rule);
            (0..LINES_MAX - 1).for_each(|line| {
                numbering.open(line, 1);
                numbering.join(line);
            });
            Rig { numbering, last: Quote::zeroed(), known: false, now: 1_000 * SECOND }
        }

        fn take(&mut self, line: usize, message: &QuoteMessage, held_up: bool) -> Order {
            self.now += 1;
            let arrival = Arrival { line, ts_recv: self.now, held_up };
            let order = self.numbering.order(message, arrival, &self.last, self.known);
            if matches!(order, Order::Next | Order::Repeat | Order::Restart) {
                self.numbering.accept(line, message);
                let [(bid_px, bid_sz), (ask_px, ask_sz)] = sides(message);
                let ts_event = message.ts_event.map_or(0, EventTime::ns);
                let (ts_recv, sequence) = (self.now, message.sequence.unwrap_or(0));
                self.last = Quote {
                    ts_recv,
                    ts_event,
                    bid_px,
                    bid_sz,
                    ask_px,
                    ask_sz,
                    sequence,
                    ..Quote::zeroed()
                };
                self.known = true;
            }
            order
        }

        fn number(&mut self, line: usize, number: u64) -> Order {
            self.take(line, &message(Some(number), 100, None), false)
        }

        fn change(&mut self, line: usize, number: u64) -> Order {
            let snapshot = false;
            self.take(line, &QuoteMessage { snapshot, ..message(Some(number), 100, None) }, false)
        }

        fn content(&mut self, line: usize, bid: i64, event: u64) -> Order {
            self.take(line, &message(None, bid, Some(event)), false)
        }
    }

    fn message(sequence: Option<u64>, bid: i64, ts_event: Option<Nanos>) -> QuoteMessage {
        let (bid, ask) = (Side::of(bid, 1), Side::of(200, 1));
        let ts_event = ts_event.map(|time| EventTime::new(time).unwrap());
        QuoteMessage { symbol: 0, bid, ask, ts_event, sequence, snapshot: true, restarted: false }
    }

    #[test]
    fn one_line_by_each_rule() {
        use Order::{Late, Next, Old, Repeat, Restart};
        for (rule, orders) in [
            (SequenceRule::Increasing, [Next, Next, Old, Late, Late, Late, Restart, Next]),
            (
                SequenceRule::IncreasingWithRestarts,
                [Next, Next, Repeat, Restart, Restart, Next, Next, Next],
            ),
            (
                SequenceRule::SnapshotsAndChanges,
                [Next, Next, Repeat, Restart, Restart, Next, Next, Next],
            ),
        ] {
            let mut rig = Rig::new(rule);
            assert_eq!([5, 7, 7, 3, 1, 2, 3, 9].map(|number| rig.number(0, number)), orders);
        }
    }

    #[test]
    fn a_message_out_of_order_is_not_confirmed_by_the_next_one_in_order() {
        let mut rig = Rig::new(SequenceRule::Increasing);
        let orders = [9, 8, 10, 3, 3, 11, 7, 8, 12].map(|number| rig.number(0, number));
        use Order::{Late, Next};
        assert_eq!(orders, [Next, Late, Next, Late, Late, Next, Late, Late, Next]);
    }

    #[test]
    fn the_last_number_with_another_content_is_no_repeat() {
        for rule in [SequenceRule::IncreasingWithRestarts, SequenceRule::SnapshotsAndChanges] {
            let mut rig = Rig::new(rule);
            rig.number(0, 5);
            for (bid, order) in [(100, Order::Repeat), (99, Order::Next), (99, Order::Repeat)] {
                assert_eq!(rig.take(0, &message(Some(5), bid, None), false), order, "{bid}");
            }
        }
    }

    #[test]
    fn a_copy_is_what_another_line_brought_before_or_later() {
        let mut rig = Rig::new(SequenceRule::Increasing);
        assert_eq!(rig.number(0, 5), Order::Next);
        assert_eq!([5, 6, 4].map(|n| rig.number(1, n)), [Order::Copy, Order::Next, Order::Late]);
        assert_eq!([6, 8].map(|n| rig.number(0, n)), [Order::Copy, Order::Next]);
        assert_eq!(rig.number(1, 7), Order::Copy);
    }

    #[test]
    fn a_line_made_again_brings_copies_until_it_is_ahead() {
        for rule in [SequenceRule::Increasing, SequenceRule::IncreasingWithRestarts] {
            let mut rig = Rig::new(rule);
            rig.number(0, 5);
            rig.numbering.close(0);
            rig.numbering.open(0, 1);
            assert!(!rig.numbering.is_heard(0));
            assert_eq!(
                [4, 5, 6].map(|n| rig.number(0, n)),
                [Order::Copy, Order::Copy, Order::Next]
            );
            assert!(rig.numbering.is_heard(0));
        }
    }

    #[test]
    fn a_line_made_again_waits_for_what_the_other_one_has_not_brought() {
        for rule in [SequenceRule::Increasing, SequenceRule::IncreasingWithRestarts] {
            let mut rig = Rig::new(rule);
            rig.number(0, 4);
            rig.number(1, 5);
            rig.numbering.close(0);
            rig.numbering.open(0, 1);
            use Order::{Ahead, Copy, Next};
            for (line, number, order) in [
                (0, 8, Ahead),
                (1, 6, Next),
                (0, 8, Ahead),
                (1, 8, Next),
                (0, 8, Copy),
                (0, 9, Next),
                (1, 11, Next),
                (0, 12, Next),
            ] {
                assert_eq!(rig.number(line, number), order, "{rule:?}: {number} on {line}");
                assert_eq!(rig.numbering.is_heard(0), order == Copy || 8 < number);
            }
        }
    }

    type Change = fn(&mut Rig);

    #[test]
    fn a_line_made_again_waits_for_nobody_who_brings_nothing() {
        // How the other line is, and whether it is waited for.
        let cases: [(&str, Change, Order); 6] = [
            ("well", |_| (), Order::Ahead),
            ("gone", |rig| rig.numbering.close(1), Order::Next),
            ("new as well", |rig| rig.numbering.open(1, 1), Order::Next),
            ("without a present picture", |rig| rig.known = false, Order::Next),
            ("forgotten", |rig| rig.numbering.forget(), Order::Next),
            ("not waited for any longer", |rig| rig.numbering.join(0), Order::Next),
        ];
        for (is, make, order) in cases {
            let mut rig = Rig::new(SequenceRule::Increasing);
            rig.number(1, 5);
            rig.numbering.open(0, 1);
            make(&mut rig);
            assert_eq!(rig.number(0, 8), order, "the other line is {is}");
        }
    }

    #[test]
    fn without_numbers_nothing_is_waited_for() {
        let mut rig = Rig::new(SequenceRule::Increasing);
        rig.content(1, 100, 10);
        rig.numbering.open(0, 1);
        assert_eq!(rig.content(0, 101, 11), Order::Next);
    }

    #[test]
    fn lower_numbers_after_a_long_time_are_a_new_numbering_unless_they_waited() {
        // The wait, whether it waited on our side, whether its line was opened meanwhile, and by how
        // much its event is later, if there are event times.
        use Order::{Copy, Restart};
        for (wait, held_up, opened, later, order) in [
            (LATE_MAX - 1, false, true, None, Copy),
            (LATE_MAX, false, true, None, Restart),
            (LATE_MAX, true, true, None, Copy),
            (LATE_MAX, false, false, None, Copy),
            (LATE_MAX_UNKNOWN - 1, false, false, None, Copy),
            (LATE_MAX_UNKNOWN, false, false, None, Restart),
            (LATE_MAX_UNKNOWN, true, false, None, Copy),
            (LATE_MAX - 1, false, false, Some(1), Copy),
            (LATE_MAX, false, false, Some(1), Restart),
            (LATE_MAX, true, false, Some(1), Copy),
            (LATE_MAX_UNKNOWN, false, true, Some(0), Copy),
        ] {
            let mut rig = Rig::new(SequenceRule::Increasing);
            rig.take(0, &message(Some(50), 100, later.map(|_| 9)), false);
            if opened {
                rig.numbering.open(1, rig.now + 1);
            }
            rig.now += wait;
            let lower = message(Some(3), 100, later.map(|later| 9 + later));
            let case = (wait, held_up, opened, later);
            assert_eq!(rig.take(1, &lower, held_up), order, "{case:?}");
        }
    }

    #[test]
    fn an_announced_restart_is_one_by_every_rule_whatever_its_number() {
        for rule in [
            SequenceRule::Increasing,
            SequenceRule::IncreasingWithRestarts,
            SequenceRule::SnapshotsAndChanges,
        ] {
            for number in [1, 90] {
                for snapshot in [true, false] {
                    let mut rig = Rig::new(rule);
                    rig.number(0, 6);
                    rig.number(1, 6);
                    let begin = message(Some(number), 100, None);
                    let begin = QuoteMessage { restarted: true, snapshot, ..begin };
                    assert_eq!(rig.take(0, &begin, false), Order::Restart, "{rule:?} {number}");
                    assert_eq!(rig.number(1, 7), Order::Copy);
                    assert_eq!(rig.number(0, number + 1), Order::Next);
                }
            }
        }
    }

    #[test]
    fn a_change_behind_a_hole_waits_only_for_a_line_that_misses_nothing() {
        let mut rig = Rig::new(SequenceRule::SnapshotsAndChanges);
        rig.number(0, 1);
        rig.number(1, 1);
        assert_eq!(rig.change(0, 3), Order::Hole { alone: false });
        assert!(!rig.numbering.is_broken(1));
        assert_eq!(rig.change(1, 2), Order::Next);
        assert_eq!(rig.change(1, 4), Order::Hole { alone: true }, "both miss one now");
        assert!(rig.numbering.is_broken(2));
        assert_eq!(rig.number(0, 6), Order::Next);
        assert_eq!(rig.change(1, 5), Order::Copy);
        assert_eq!(rig.change(1, 7), Order::Next);
        assert!(!rig.numbering.is_broken(7));
    }

    #[test]
    fn without_numbers_another_lines_equal_or_older_content_is_a_copy() {
        let mut rig = Rig::new(SequenceRule::Increasing);
        for (line, bid, event, order) in [
            (0, 100, 10, Order::Next),
            (1, 100, 10, Order::Copy),
            (1, 101, 10, Order::Next),
            (0, 101, 10, Order::Copy),
            (0, 99, 9, Order::Copy),
            (0, 101, 11, Order::Next),
            (0, 101, 11, Order::Next),
            (0, 101, 5, Order::Next),
        ] {
            assert_eq!(rig.content(line, bid, event), order, "line {line}, {bid} at {event}");
        }
    }

    #[test]
    fn a_line_that_brings_messages_carries_the_instrument() {
        let mut rig = Rig::new(SequenceRule::Increasing);
        rig.numbering.close(0);
        rig.numbering.close(1);
        assert!(!rig.numbering.is_carried());
        rig.number(1, 1);
        assert!(rig.numbering.is_carried());
    }
}
