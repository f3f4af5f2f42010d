//! Opening, watching and losing connections.

use super::{Connection, Outgoing, Pending, Phase, Session};
use crate::protocol::{Call, Line};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_trading::order::Answer;

/// After how long without a message a ping is sent.
const IDLE: Nanos = 15 * SECOND;
/// After how long without a message a connection is given up.
const DEAD: Nanos = 25 * SECOND;
/// How often the venue is told that we are there, where it cancels orders otherwise.
const GUARD_INTERVAL: Nanos = 10 * SECOND;

impl Session {
    pub(super) fn connection(&mut self, line: Line) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.line == line)
    }

    pub(super) fn opened(&mut self, now: Nanos, line: Line) {
        self.lost(now, line);
        let is_measured = self.options.clock_offset.is_some();
        let Some(connection) = self.connection(line) else { return };
        connection.heard = now;
        connection.is_pinged = false;
        connection.phase = Phase::Clock;
        if is_measured || self.call_plain(now, Call::Time, None).is_none() {
            self.next_steps(now);
        }
    }

    /// Starts the steps of the connections that waited for the venue's time.
    pub(super) fn next_steps(&mut self, now: Nanos) {
        let waits = |it: &&Connection| it.phase == Phase::Clock;
        let lines: Vec<Line> = self.connections.iter().filter(waits).map(|it| it.line).collect();
        for line in lines {
            self.step(now, line, 0);
        }
    }

    pub(super) fn step(&mut self, now: Nanos, line: Line, step: usize) {
        let is_last = self.protocol.steps(line) <= step;
        let Some(connection) = self.connection(line) else { return };
        if !is_last {
            connection.phase = Phase::Step(step);
            if self.call_plain(now, Call::Step(line, step), None).is_none() {
                self.close(now, line);
            }
            return;
        }
        connection.phase = Phase::Ready;
        if self.is_up() {
            self.answers.push(Answer::Connection { venue: self.venue, is_up: true });
            self.guard_at = self.options.cancel_on_disconnect.then_some(now);
        }
    }

    pub(super) fn close(&mut self, now: Nanos, line: Line) {
        self.lost(now, line);
        self.outgoing.push_back(Outgoing::Close { line });
    }

    pub(super) fn lost(&mut self, now: Nanos, line: Line) {
        let was_up = self.is_up();
        let Some(connection) = self.connection(line) else { return };
        if connection.phase == Phase::Down {
            return;
        }
        connection.phase = Phase::Down;
        // What is still in our own queue has not left.
        let queued = |it: &Outgoing| match it {
            Outgoing::Text { line: on, number, .. } => (*on == line).then_some(*number),
            Outgoing::Http { .. } | Outgoing::Close { .. } => None,
        };
        let unsent: Vec<u64> = self.outgoing.iter().filter_map(queued).collect();
        self.outgoing.retain(|it| queued(it).is_none());
        for number in unsent {
            self.not_sent(now, number);
        }
        let gone = |(number, it): (&u64, &Pending)| (it.line == Some(line)).then_some(*number);
        let gone: Vec<u64> = self.pending.iter().filter_map(gone).collect();
        for number in gone {
            if let Some(pending) = self.take(number) {
                self.unanswered_on_lost_line(now, number, &pending);
            }
        }
        self.orders.lost(&mut self.answers);
        if was_up {
            self.guard_at = None;
            self.answers.push(Answer::Connection { venue: self.venue, is_up: false });
        }
    }

    pub(super) fn look_after_connections(&mut self, now: Nanos) {
        for at in 0..self.connections.len() {
            let Connection { line, phase, heard, is_pinged } = self.connections[at];
            if phase != Phase::Ready {
                continue;
            }
            let heard = heard.max(self.blocked_until);
            if heard + DEAD <= now {
                self.close(now, line);
            } else if heard + IDLE <= now && !is_pinged {
                self.connections[at].is_pinged = true;
                self.call_plain(now, Call::Ping(line), None);
            }
        }
        if self.guard_at.is_some_and(|at| at.max(self.blocked_until) <= now) {
            let is_sent = self.call_plain(now, Call::Guard, None).is_some();
            self.guard_at = is_sent.then_some(now + GUARD_INTERVAL);
        }
    }

    /// Returns when the connections are to be looked after.
    pub(super) fn next_look(&self) -> Option<Nanos> {
        let ready = self.connections.iter().filter(|it| it.phase == Phase::Ready);
        let heard = |it: &Connection| it.heard.max(self.blocked_until);
        let pings = ready.map(|it| heard(it) + if it.is_pinged { DEAD } else { IDLE });
        pings.chain(self.guard_at.map(|at| at.max(self.blocked_until))).min()
    }
}
