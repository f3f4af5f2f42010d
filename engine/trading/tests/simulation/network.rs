//! The network between the trader and the venues: what is under way, and what goes wrong with it.

use crate::options::Faults;
use crate::terms::VENUES;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spreadwire_market::clock::Nanos;
use spreadwire_trading::order::{Answer, ClientId, Ended, Order, Reject};
use std::collections::BTreeMap;

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    /// A venue changes its quote.
    Market,
    /// The trader has processed all records that there are.
    CaughtUp,
    /// A person looks at the trader.
    Person,
    /// The kill switch is turned off.
    KillOff,
    /// The trader starts again.
    Restart,
    /// A venue's market is live again.
    Live(usize, usize),
    /// A connection is there again.
    Up(usize),
    /// Reaches the venue.
    Arrives(Order),
    Asked(usize, ClientId),
    Reconciles(usize),
    /// Reaches the trader, if the connection is still the same.
    Told {
        venue: usize,
        session: u64,
        answer: Answer,
    },
}

#[derive(Debug)]
pub(crate) struct Network {
    waiting: BTreeMap<(Nanos, u64), Happening>,
    made: u64,
    pub(crate) faults: Faults,
    latency: (Nanos, Nanos),
    timeout: Nanos,
    pub(crate) is_up: [bool; VENUES],
    sessions: [u64; VENUES],
}

impl Network {
    pub(crate) fn new(faults: Faults, latency: (Nanos, Nanos), timeout: Nanos) -> Network {
        let waiting = BTreeMap::new();
        let (is_up, sessions) = ([false; VENUES], [0; VENUES]);
        Network { waiting, made: 0, faults, latency, timeout, is_up, sessions }
    }

    pub(crate) fn add(&mut self, ts: Nanos, what: Happening) {
        self.made += 1;
        self.waiting.insert((ts, self.made), what);
    }

    pub(crate) fn next(&self) -> Nanos {
        self.waiting.keys().next().map_or(Nanos::MAX, |(ts, _)| *ts)
    }

    pub(crate) fn take(&mut self) -> Option<(Nanos, Happening)> {
        self.waiting.pop_first().map(|((ts, _), what)| (ts, what))
    }

    pub(crate) fn has_orders_under_way(&self) -> bool {
        self.waiting.values().any(|what| matches!(what, Happening::Arrives(_)))
    }

    /// Ends a connection: what was coming over it does not come.
    pub(crate) fn disconnect(&mut self, venue: usize) {
        self.is_up[venue] = false;
        self.sessions[venue] += 1;
    }

    fn way(&self, rng: &mut ChaCha8Rng) -> Nanos {
        rng.random_range(self.latency.0..self.latency.1)
    }

    fn long_way(&self, rng: &mut ChaCha8Rng, share: f64, timeouts: u64) -> Nanos {
        let late =
            if rng.random_bool(share) { rng.random_range(0..timeouts * self.timeout) } else { 0 };
        self.way(rng) + late
    }

    fn tell(&mut self, venue: usize, ts: Nanos, answer: Answer) {
        let session = self.sessions[venue];
        self.add(ts, Happening::Told { venue, session, answer });
    }

    pub(crate) fn is_current(&self, venue: usize, session: u64) -> bool {
        self.is_up[venue] && self.sessions[venue] == session
    }

    pub(crate) fn place(&mut self, order: &Order, now: Nanos, rng: &mut ChaCha8Rng) {
        let (venue, id) = (order.venue.index(), order.id);
        if !self.is_up[venue] {
            return self.tell(venue, now, Answer::Rejected { id, why: Reject::NotSent, code: 0 });
        }
        if rng.random_bool(self.faults.unknown) {
            self.tell(venue, now + self.timeout / 2, Answer::Unknown { id });
        }
        if !rng.random_bool(self.faults.order_lost) {
            let way = self.long_way(rng, self.faults.order_late, 10);
            self.add(now + way, Happening::Arrives(*order));
        }
    }

    pub(crate) fn ask(&mut self, order: &Order, now: Nanos, rng: &mut ChaCha8Rng) {
        let (venue, id) = (order.venue.index(), order.id);
        if !self.is_up[venue] {
            return self.tell(venue, now, Answer::Unknown { id });
        }
        if !rng.random_bool(self.faults.order_lost) {
            let way = self.way(rng);
            self.add(now + way, Happening::Asked(venue, id));
        }
    }

    pub(crate) fn reconcile(&mut self, venue: usize, now: Nanos, rng: &mut ChaCha8Rng) {
        if self.is_up[venue] && !rng.random_bool(self.faults.order_lost) {
            let way = self.way(rng);
            self.add(now + way, Happening::Reconciles(venue));
        }
    }

    /// Tells what a venue says of an order: late, lost, doubled, out of order, and not always true.
    pub(crate) fn answer(
        &mut self,
        venue: usize,
        answers: &[Answer],
        now: Nanos,
        rng: &mut ChaCha8Rng,
    ) {
        let faults = self.faults;
        let mut ts = now + self.way(rng);
        for answer in answers {
            ts += 1;
            if let Answer::Done { id, filled, .. } = *answer
                && 0 < filled
            {
                if rng.random_bool(faults.false_cancel) {
                    self.tell(
                        venue,
                        now + 1,
                        Answer::Done { id, how: Ended::Cancelled, filled: 0 },
                    );
                }
                if rng.random_bool(faults.false_done) {
                    let (how, filled) = (Ended::Filled, filled + rng.random_range(1..100));
                    self.tell(venue, now + 1, Answer::Done { id, how, filled });
                }
                if rng.random_bool(faults.false_reject) {
                    let why = Reject::Other;
                    self.tell(venue, now + 2, Answer::Rejected { id, why, code: -2 });
                }
            }
            for _ in 0..=u32::from(rng.random_bool(faults.answer_doubled)) {
                if rng.random_bool(faults.answer_lost) {
                    continue;
                }
                let late = self.long_way(rng, faults.answer_late, 3);
                let ts = if rng.random_bool(faults.answer_late) { ts + late } else { ts };
                self.tell(venue, ts, *answer);
            }
        }
    }

    /// Tells all of a reconciliation in its order, or nothing.
    pub(crate) fn reconciled(
        &mut self,
        venue: usize,
        answers: &[Answer],
        now: Nanos,
        rng: &mut ChaCha8Rng,
    ) {
        if rng.random_bool(self.faults.answer_lost) {
            return;
        }
        let ts = now + self.way(rng);
        for answer in answers {
            self.tell(venue, ts, *answer);
        }
    }
}
