//! What became of an order: its state by its client id, then its trades if some are not known.

use super::{Pending, Session, Stage};
use crate::protocol::{Call, Fact, Line};
use spreadwire_market::clock::Nanos;
use spreadwire_trading::order::{ClientId, Ended, VenueText};

impl Session {
    pub(super) fn give_up(&mut self, id: ClientId) {
        if self.questions.remove(&id).is_some() {
            self.orders.doubt(id, &mut self.answers);
        }
    }

    pub(super) fn end(&mut self, now: Nanos, id: ClientId, end: (Ended, i64)) {
        if self.questions.remove(&id).is_some() {
            // Whatever was said before, the question is answered.
            self.orders.reopen(id);
        }
        let deadline = now + self.options.answer_timeout;
        self.orders.ended(id, end, deadline, &mut self.answers);
    }

    pub(super) fn status_answered(
        &mut self,
        now: Nanos,
        asked: Nanos,
        id: ClientId,
        is_old: bool,
        facts: &[Fact],
    ) {
        for fact in facts {
            if *fact == Fact::NoSuchOrder {
                self.not_found(now, asked, id, is_old);
            } else if let Fact::State(_, venue_order, Some(end)) = fact {
                self.found(now, id, *venue_order, *end);
            } else if let Fact::Rejected(_, why, code) = fact {
                if self.questions.remove(&id).is_some() {
                    self.orders.reopen(id);
                }
                self.orders.rejected(id, *why, *code, &mut self.answers);
            } else {
                self.note(now, fact);
            }
        }
        // It is open still, or the question failed.
        let is_open = |fact: &Fact| matches!(fact, Fact::State(_, _, None) | Fact::Failed(_));
        if facts.iter().any(is_open) {
            self.give_up(id);
        }
    }

    /// The venue has no such order: it never was there, if it could not be on its way any more when
    /// that was asked.
    pub(super) fn not_found(&mut self, now: Nanos, asked: Nanos, id: ClientId, is_old: bool) {
        let has_history = self.protocol.endpoints().rest.is_some();
        if has_history && !is_old {
            if let Some(question) = self.questions.get_mut(&id) {
                question.stage = Stage::Waiting(true);
            }
            return;
        }
        let latest = self.orders.latest(id).unwrap_or(self.started + self.window());
        if latest < asked {
            self.end(now, id, (Ended::NeverThere, 0));
        } else {
            self.give_up(id);
        }
    }

    pub(super) fn found(
        &mut self,
        now: Nanos,
        id: ClientId,
        venue_order: Option<VenueText>,
        (how, filled): (Ended, i64),
    ) {
        let known = self.orders.filled(id);
        if filled <= known {
            return self.end(now, id, (how, filled));
        }
        match self.questions.get_mut(&id) {
            Some(question) => question.stage = Stage::Short(venue_order, how, filled),
            // Nobody waits for the answer any more, but it is news all the same.
            None => self.end(now, id, (how, filled)),
        }
    }

    pub(super) fn trades_answered(
        &mut self,
        now: Nanos,
        pending: &Pending,
        id: ClientId,
        facts: &[Fact],
    ) {
        let is_failed = facts.iter().any(|fact| matches!(fact, Fact::Failed(_)));
        let more = facts.iter().find_map(Fact::page);
        self.apply(now, pending.line.unwrap_or(Line::Orders), facts);
        let known = self.orders.filled(id);
        let Some(question) = self.questions.get_mut(&id) else { return };
        let Stage::Trades(how, filled, listed) = &mut question.stage else { return };
        *listed = facts.iter().fold(*listed, |sum, fact| sum.saturating_add(fact.size_of(id)));
        let (end, is_whole) = ((*how, *filled), filled == listed || *filled == known);
        if let (Some(page), false) = (more, is_failed) {
            if self.call_plain(now, pending.call.clone(), Some(&page)).is_none() {
                self.give_up(id);
            }
        } else if is_whole && !is_failed {
            self.end(now, id, end);
        } else {
            // The list does not have them all yet.
            self.give_up(id);
        }
    }

    pub(super) fn question(&mut self, now: Nanos, id: ClientId) {
        let Some(question) = self.questions.get(&id) else { return };
        let order = question.order;
        let (call, next) = match question.stage {
            Stage::Asked | Stage::Trades(..) => return,
            Stage::Waiting(is_old) => (Some(Call::Status(order, is_old)), Stage::Asked),
            Stage::Short(venue_order, how, filled) => {
                (venue_order.map(|it| Call::TradesOf(order, it)), Stage::Trades(how, filled, 0))
            }
        };
        if call.is_none_or(|call| self.call_plain(now, call, None).is_none()) {
            return self.give_up(id);
        }
        if let Some(question) = self.questions.get_mut(&id) {
            question.stage = next;
        }
    }
}
