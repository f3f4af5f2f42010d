//! What comes from the venue: answers to calls, and facts.

use super::{Job, Pending, Phase, RETRY, Session, Stage};
use crate::protocol::{Call, Fact, Inquiry, Line, Malformed, Message};
use serde_json::Value;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_trading::order::{Answer, Order, Reject};

/// How long nothing is sent after "too many requests", if the venue does not say.
const LIMIT_PAUSE: Nanos = 5 * SECOND;
/// Longest ban that is believed: Binance bans for 3 days at most.
const LIMIT_MAX: Nanos = 3 * 86_400 * SECOND;

impl Session {
    pub(super) fn text(&mut self, now: Nanos, line: Line, text: &str) {
        let Some(connection) = self.connection(line) else { return };
        if connection.phase == Phase::Down {
            return;
        }
        connection.heard = now;
        connection.is_pinged = false;
        match self.protocol.read(line, text) {
            Ok(Message::News(facts)) => self.apply(now, line, &facts),
            Ok(Message::Reply(tag, value)) => self.replied(now, line, tag.as_deref(), &value),
            Err(Malformed) => self.counts.malformed += 1,
        }
    }

    pub(super) fn replied(&mut self, now: Nanos, line: Line, tag: Option<&str>, value: &Value) {
        let number = match tag {
            Some(tag) => self.tags.get(tag).copied(),
            None => self.step_call(line),
        };
        if let Some(number) = number {
            if let Some(pending) = self.take(number) {
                self.answered(now, number, &pending, 0, value);
            }
            return;
        }
        // A late or doubled answer to an order is still heard.
        let id = tag.and_then(|tag| self.protocol.account().owner.client_id(tag));
        match id.and_then(|id| self.orders.order(id)) {
            Some(order) => self.order_answered(now, line, &order, value),
            None => self.counts.unasked += 1,
        }
    }

    /// Returns the step that a connection is at.
    pub(super) fn step_call(&self, line: Line) -> Option<u64> {
        let is_step = |it: &Pending| matches!(it.call, Call::Step(on, _) if on == line);
        self.pending.iter().find(|(_, it)| is_step(it)).map(|(number, _)| *number)
    }

    pub(super) fn http(&mut self, now: Nanos, number: u64, status: u16, body: &str) {
        let Some(pending) = self.take(number) else {
            self.counts.unasked += 1;
            return;
        };
        match serde_json::from_str::<Value>(body) {
            Ok(value) => self.answered(now, number, &pending, status, &value),
            Err(_) if matches!(status, 403 | 418 | 429) => {
                self.limited(now, None);
                self.unanswered(now, number, &pending);
            }
            Err(_) => {
                self.counts.malformed += 1;
                self.unanswered(now, number, &pending);
            }
        }
    }

    pub(super) fn order_answered(&mut self, now: Nanos, line: Line, order: &Order, value: &Value) {
        match self.protocol.reply(&Call::Place(*order), 0, value) {
            Ok(facts) => self.apply(now, line, &facts),
            Err(Malformed) => {
                self.counts.doubtful += 1;
                self.orders.doubt(order.id, &mut self.answers);
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        now: Nanos,
        number: u64,
        pending: &Pending,
        status: u16,
        value: &Value,
    ) {
        let line = pending.line.unwrap_or(Line::Orders);
        if let Call::Place(order) = &pending.call {
            return self.order_answered(now, line, order, value);
        }
        let Ok(facts) = self.protocol.reply(&pending.call, status, value) else {
            self.counts.malformed += 1;
            return self.unanswered(now, number, pending);
        };
        match &pending.call {
            Call::Status(order, is_old) => {
                self.status_answered(now, pending.sent, order.id, *is_old, &facts);
            }
            Call::TradesOf(order, _) => self.trades_answered(now, pending, order.id, &facts),
            Call::Inquire(inquiry) => self.inquiry_answered(now, number, *inquiry, &facts),
            Call::Time => self.time_answered(now, pending, &facts),
            Call::Step(on, step) => {
                let is_done = facts.contains(&Fact::StepDone);
                for fact in &facts {
                    if let Fact::StepFailed(code) = fact {
                        self.refusal = Some(*code);
                    }
                }
                self.apply(now, *on, &facts);
                if is_done {
                    self.step(now, *on, step + 1);
                } else {
                    self.close(now, *on);
                }
            }
            Call::Cancel(..) => {
                self.cancels.remove(&number);
                self.apply(now, line, &facts);
            }
            Call::Ping(_) | Call::Place(_) | Call::Amend(..) | Call::Guard => {
                self.apply(now, line, &facts);
            }
        }
    }

    /// A call got no answer, or none that can be read.
    pub(super) fn unanswered(&mut self, now: Nanos, number: u64, pending: &Pending) {
        match &pending.call {
            Call::Step(line, _) => self.close(now, *line),
            Call::Time => self.next_steps(now),
            Call::Place(_) | Call::Ping(_) | Call::Guard => {}
            Call::Cancel(..) | Call::Amend(..) => {
                self.counts.failed += 1;
                self.cancels.remove(&number);
            }
            Call::Status(order, _) | Call::TradesOf(order, _) => self.give_up(order.id),
            Call::Inquire(_) => self.job_failed(now, number),
        }
    }

    /// A connection was lost with a call: questions are asked again on the next one.
    pub(super) fn unanswered_on_lost_line(&mut self, now: Nanos, number: u64, pending: &Pending) {
        match &pending.call {
            Call::Status(order, _) | Call::TradesOf(order, _) => {
                if let Some(question) = self.questions.get_mut(&order.id) {
                    question.stage = Stage::Waiting(false);
                }
            }
            Call::Step(..) | Call::Time => {}
            Call::Place(_)
            | Call::Ping(_)
            | Call::Guard
            | Call::Cancel(..)
            | Call::Amend(..)
            | Call::Inquire(_) => self.unanswered(now, number, pending),
        }
    }

    pub(super) fn not_sent(&mut self, now: Nanos, number: u64) {
        let Some(pending) = self.take(number) else { return };
        if let Call::Place(order) = &pending.call {
            self.orders.rejected(order.id, Reject::NotSent, 0, &mut self.answers);
        } else if pending.line.is_none() {
            self.unanswered(now, number, &pending);
        } else {
            self.unanswered_on_lost_line(now, number, &pending);
        }
    }

    pub(super) fn apply(&mut self, now: Nanos, line: Line, facts: &[Fact]) {
        let mut is_terminated = false;
        for fact in facts {
            is_terminated |= *fact == Fact::Terminated;
            self.note(now, fact);
        }
        if is_terminated {
            self.close(now, line);
        }
    }

    pub(super) fn note(&mut self, now: Nanos, fact: &Fact) {
        let deadline = now + self.options.answer_timeout;
        match *fact {
            Fact::Acked(id, venue_order, latency) => {
                self.orders.acked(id, venue_order, latency, &mut self.answers);
            }
            Fact::Rejected(id, why, code) => {
                self.orders.rejected(id, why, code, &mut self.answers);
            }
            Fact::Doubtful(id) => {
                self.counts.doubtful += 1;
                self.orders.doubt(id, &mut self.answers);
            }
            Fact::State(id, _, Some(end)) => {
                self.orders.ended(id, end, deadline, &mut self.answers);
            }
            Fact::Trade(ref fill) if self.trades.is_new(fill) => {
                self.orders.traded(*fill, &mut self.answers);
            }
            Fact::Trade(_) => self.counts.doubled_trades += 1,
            Fact::Unlisted(since) => {
                // The list may be a little behind.
                self.job_retry = self.job_retry.max(now + RETRY);
                self.jobs.push_back(Job::Inquire(Inquiry::TradesSince(None, since)));
            }
            Fact::Open(instrument, id) => {
                let call = self.call_plain(now, Call::Cancel(instrument, id), None);
                self.cancels.extend(call);
                self.were_open = true;
            }
            Fact::Balance(asset, total) => {
                self.assets_told.insert(asset);
                self.answers.push(Answer::Balance { venue: self.venue, asset, total });
            }
            Fact::RateLimited(until) => self.limited(now, until),
            Fact::ClockOff => {
                if self.options.clock_offset.is_none() {
                    self.call_plain(now, Call::Time, None);
                }
            }
            Fact::Failed(_) => self.counts.failed += 1,
            Fact::Foreign => self.counts.foreign += 1,
            Fact::State(_, _, None)
            | Fact::StepDone
            | Fact::StepFailed(_)
            | Fact::Time(_)
            | Fact::More(_)
            | Fact::NoSuchOrder
            | Fact::Nameless
            | Fact::Terminated => {}
        }
    }

    pub(super) fn limited(&mut self, now: Nanos, until: Option<Nanos>) {
        self.counts.limited += 1;
        let local =
            until.map(|until| until.saturating_add_signed(self.clock_offset.saturating_neg()));
        let until = match local {
            Some(until) => until.clamp(now + SECOND, now + LIMIT_MAX),
            None => now + LIMIT_PAUSE,
        };
        self.blocked_until = self.blocked_until.max(until);
    }

    pub(super) fn time_answered(&mut self, now: Nanos, pending: &Pending, facts: &[Fact]) {
        for fact in facts {
            if let Fact::Time(theirs) = *fact {
                // The venue's clock was read half-way, as far as we know.
                let ours = pending.sent + now.saturating_sub(pending.sent) / 2;
                self.clock_offset = signed_difference(theirs, ours);
            } else {
                self.note(now, fact);
            }
        }
        self.next_steps(now);
    }
}

/// Returns `a - b`, as far as it fits.
fn signed_difference(a: Nanos, b: Nanos) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
