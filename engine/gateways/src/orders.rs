//! What is known of each order, and what of it was said.
//!
//! Venues say the same thing twice, late, out of order, and sometimes things that cannot both be true.
//! What is new is passed on; what was said before is not; what contradicts what was said makes the
//! order [`Unknown`](Answer::Unknown), so that the venue is asked. An order is *settled* once its end is
//! known and as much was passed on in trades as the end says.

use spreadwire_market::clock::Nanos;
use spreadwire_trading::order::{Answer, ClientId, Ended, Fill, Order, Reject, VenueText};
use std::collections::{BTreeMap, BTreeSet};

/// Most orders that are remembered. Of those beyond, the ones with the lowest numbers are forgotten once
/// they are settled.
const KNOWN_MAX: usize = 8_192;
/// Most orders that may be without an end. More are not placed.
const OPEN_MAX: usize = 1_024;

/// All orders of a venue.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    known: BTreeMap<ClientId, Known>,
    /// Those of them that were placed here and are not settled.
    open: BTreeSet<ClientId>,
    /// The highest number that was forgotten: nothing up to it is placed.
    floor: Option<ClientId>,
    /// Messages that contradicted what was known.
    pub(crate) contradictions: u64,
    /// Messages that said again what was known.
    pub(crate) repeated: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// `None` for an order of an earlier process.
    order: Option<Order>,
    /// Sum of the trades that were passed on.
    filled: i64,
    told: Told,
    is_acked: bool,
    /// When it becomes unknown unless it is settled; `None` if nothing is awaited.
    deadline: Option<Nanos>,
    /// Until when it may still reach the venue's books; `None` for an order of an earlier process.
    latest: Option<Nanos>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Unknown,
    Rejected,
    Done(i64),
}

impl Known {
    fn is_settled(&self) -> bool {
        match self.told {
            Told::Nothing | Told::Unknown => false,
            Told::Rejected => true,
            Told::Done(filled) => filled <= self.filled,
        }
    }
}

impl Orders {
    /// Notes that an order is about to be placed. `false` if its number was used before, or may have
    /// been: it must not be placed.
    pub(crate) fn begin(&mut self, order: &Order, deadline: Nanos, latest: Nanos) -> bool {
        let is_used =
            self.floor.is_some_and(|floor| order.id <= floor) || self.known.contains_key(&order.id);
        if is_used {
            return false;
        }
        let known = Known {
            order: Some(*order),
            deadline: Some(deadline),
            latest: Some(latest),
            ..Known::default()
        };
        self.known.insert(order.id, known);
        self.open.insert(order.id);
        self.forget();
        true
    }

    /// Keeps everything up to a number from being placed, because an earlier process may have.
    pub(crate) fn used_up_to(&mut self, id: ClientId) {
        self.floor = self.floor.max(Some(id));
    }

    /// Returns whether there are too many orders without an end.
    pub(crate) fn is_full(&self) -> bool {
        OPEN_MAX < self.open.len()
    }

    /// Returns an order that was placed here.
    pub(crate) fn order(&self, id: ClientId) -> Option<Order> {
        self.known.get(&id)?.order
    }

    /// Returns the sum of an order's trades that were passed on.
    pub(crate) fn filled(&self, id: ClientId) -> i64 {
        self.known.get(&id).map_or(0, |known| known.filled)
    }

    /// Returns until when an order may reach the venue's books, if it was placed here.
    pub(crate) fn latest(&self, id: ClientId) -> Option<Nanos> {
        self.known.get(&id)?.latest
    }

    /// Returns when the next order becomes unknown.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.open.iter().filter_map(|id| self.known.get(id)?.deadline).min()
    }

    /// The venue has an order.
    pub(crate) fn acked(
        &mut self,
        id: ClientId,
        venue_order: Option<VenueText>,
        venue_latency: Nanos,
        answers: &mut Vec<Answer>,
    ) {
        let known = self.known.entry(id).or_default();
        if known.told == Told::Rejected {
            return self.contradicted(id, answers);
        }
        if known.is_acked {
            self.repeated += 1;
            return;
        }
        let Some(venue_order) = venue_order else { return };
        known.is_acked = true;
        answers.push(Answer::Acked { id, venue_order, venue_latency });
    }

    /// An order was not taken.
    pub(crate) fn rejected(
        &mut self,
        id: ClientId,
        why: Reject,
        code: i64,
        answers: &mut Vec<Answer>,
    ) {
        let known = self.known.entry(id).or_default();
        match known.told {
            Told::Rejected => self.repeated += 1,
            Told::Done(0) => self.repeated += 1,
            Told::Done(_) => self.contradictions += 1,
            Told::Nothing | Told::Unknown if 0 < known.filled => self.contradicted(id, answers),
            Told::Nothing | Told::Unknown => {
                known.told = Told::Rejected;
                self.settle(id);
                answers.push(Answer::Rejected { id, why, code });
            }
        }
    }

    /// A trade took place, which was not heard of before.
    pub(crate) fn traded(&mut self, fill: Fill, answers: &mut Vec<Answer>) {
        answers.push(Answer::Filled(fill));
        let Some(id) = fill.order else { return };
        let known = self.known.entry(id).or_default();
        known.filled = known.filled.saturating_add(fill.sz);
        let is_beyond = match known.told {
            Told::Nothing | Told::Unknown => false,
            Told::Rejected => true,
            Told::Done(filled) => filled < known.filled,
        };
        if is_beyond || known.order.is_some_and(|order| order.sz < known.filled) {
            return self.contradicted(id, answers);
        }
        self.settle(id);
    }

    /// An order has ended, with so much filled in all. Unless its trades come until the deadline, it
    /// becomes unknown.
    pub(crate) fn ended(
        &mut self,
        id: ClientId,
        (how, filled): (Ended, i64),
        deadline: Nanos,
        answers: &mut Vec<Answer>,
    ) {
        let known = self.known.entry(id).or_default();
        let is_beyond = known.order.is_some_and(|order| order.sz < filled);
        match known.told {
            Told::Done(told) if filled == told => {
                self.repeated += 1;
                return;
            }
            Told::Done(told) if filled < told => {
                self.contradictions += 1;
                return;
            }
            Told::Rejected if filled == 0 => {
                self.repeated += 1;
                return;
            }
            _ if is_beyond || filled < known.filled => return self.contradicted(id, answers),
            Told::Nothing | Told::Unknown | Told::Rejected | Told::Done(_) => {}
        }
        known.told = Told::Done(filled);
        known.deadline = Some(deadline);
        self.settle(id);
        answers.push(Answer::Done { id, how, filled });
    }

    /// What became of an order is not known.
    pub(crate) fn doubt(&mut self, id: ClientId, answers: &mut Vec<Answer>) {
        let known = self.known.entry(id).or_default();
        known.told = Told::Unknown;
        known.deadline = None;
        answers.push(Answer::Unknown { id });
        self.settle(id);
    }

    /// Makes the next word about an order one that is said, whatever was said before: it was asked for.
    pub(crate) fn reopen(&mut self, id: ClientId) {
        if let Some(known) = self.known.get_mut(&id) {
            known.told = Told::Unknown;
            self.settle(id);
        }
    }

    /// Notes whether an order is settled.
    fn settle(&mut self, id: ClientId) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if known.is_settled() {
            known.deadline = None;
            self.open.remove(&id);
        } else if known.order.is_some() {
            self.open.insert(id);
        }
        self.forget();
    }

    fn contradicted(&mut self, id: ClientId, answers: &mut Vec<Answer>) {
        self.contradictions += 1;
        self.doubt(id, answers);
    }

    /// Makes orders unknown whose deadline has passed.
    pub(crate) fn on_time(&mut self, now: Nanos, answers: &mut Vec<Answer>) {
        let is_due = |known: &Known| known.deadline.is_some_and(|deadline| deadline <= now);
        self.doubt_all(is_due, answers);
    }

    /// Makes all orders unknown that await something, because a connection was lost.
    pub(crate) fn lost(&mut self, answers: &mut Vec<Answer>) {
        self.doubt_all(|known| known.deadline.is_some(), answers);
    }

    fn doubt_all(&mut self, is_doubtful: impl Fn(&Known) -> bool, answers: &mut Vec<Answer>) {
        let doubtful = |id: &&ClientId| self.known.get(id).is_some_and(&is_doubtful);
        let ids: Vec<ClientId> = self.open.iter().filter(doubtful).copied().collect();
        for id in ids {
            self.doubt(id, answers);
        }
    }

    /// Forgets the oldest orders that are settled, or were of an earlier process.
    fn forget(&mut self) {
        while KNOWN_MAX < self.known.len() {
            let is_over = |known: &Known| known.is_settled() || known.order.is_none();
            let oldest = self.known.iter().find(|(_, known)| is_over(known));
            let Some(id) = oldest.map(|(id, _)| *id) else { return };
            self.known.remove(&id);
            self.open.remove(&id);
            self.floor = self.floor.max(Some(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::instrument::{InstrumentId, VenueId};
    use spreadwire_trading::order::{Purpose, Side};

    fn order(id: u64) -> Order {
        Order {
            id: ClientId(id),
            deal: 1,
            purpose: Purpose::Entry,
            instrument: InstrumentId(1),
            venue: VenueId(0),
            side: Side::Buy,
            px: 1,
            sz: 10,
            ts: 0,
        }
    }

    #[test]
    fn a_number_is_used_once_also_after_it_was_forgotten() {
        let mut orders = Orders::default();
        orders.used_up_to(ClientId(5));
        assert!(!orders.begin(&order(5), 1, 1), "an earlier process may have placed it");
        let mut answers = Vec::new();
        let last = 6 + 2 * KNOWN_MAX as u64;
        for id in 6..=last {
            assert!(orders.begin(&order(id), 1, 1), "{id}");
            orders.rejected(ClientId(id), Reject::Other, 0, &mut answers);
        }
        assert!(orders.known.len() <= KNOWN_MAX + 1 && orders.open.is_empty());
        for id in [5, 6, 7, last] {
            assert!(!orders.begin(&order(id), 1, 1), "{id}");
        }
    }

    #[test]
    fn orders_without_an_end_are_not_forgotten_and_their_number_is_bounded() {
        let (mut orders, mut answers) = (Orders::default(), Vec::new());
        assert!(orders.begin(&order(1), 7, 9));
        for id in 2..2 + KNOWN_MAX as u64 {
            orders.begin(&order(id), 1, 1);
            orders.rejected(ClientId(id), Reject::Other, 0, &mut answers);
        }
        assert_eq!(orders.order(ClientId(1)), Some(order(1)));
        assert_eq!((orders.deadline(), orders.latest(ClientId(1))), (Some(7), Some(9)));
        assert!(!orders.is_full());
        let first = 10_000_000;
        for id in first..first + OPEN_MAX as u64 {
            orders.begin(&order(id), 1, 1);
        }
        assert!(orders.is_full());
        orders.on_time(1, &mut answers);
        assert!(orders.is_full(), "an unknown order has no end either");
    }

    #[test]
    fn orders_of_an_earlier_process_take_no_room_from_those_of_this_one() {
        let (mut orders, mut answers) = (Orders::default(), Vec::new());
        for id in 0..3 * KNOWN_MAX as u64 {
            orders.ended(ClientId(id), (Ended::Unfilled, 1), 5, &mut answers);
        }
        assert!(orders.known.len() <= KNOWN_MAX && !orders.is_full());
        answers.clear();
        orders.on_time(5, &mut answers);
        orders.lost(&mut answers);
        assert_eq!(answers, [], "nobody here waits for them");
    }
}
