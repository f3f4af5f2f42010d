//! What the log is told about the health of instruments: each change once, not each second.
//!
//! A state that needs attention is told when it begins, and its end once the instrument has been live
//! for a while. Of an instrument that changes back and forth, each reason is told once a minute.

use super::cold::Notice;
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use spreadwire_market::record::Status;
use spreadwire_market::state::{Reason, State};
use spreadwire_venues::health::Health;

/// The same reason is told again after this time, if the instrument was not well meanwhile.
const AGAIN_AFTER: Nanos = 60 * SECOND;
/// An instrument that has been live for this long is told to be well.
const WELL_AFTER: Nanos = 10 * SECOND;

/// What was told of one instrument.
#[derive(Clone, Debug, Default)]
struct Told {
    /// The reasons that were told since it was well, and when.
    reasons: Vec<(Reason, Nanos)>,
    /// When the last state began that was looked at.
    seen: Nanos,
    /// Whether its end is still to be told.
    is_open: bool,
}

/// What was told of each instrument.
#[derive(Debug)]
pub(super) struct Telling {
    venue: VenueId,
    names: Vec<String>,
    told: Vec<Told>,
}

impl Telling {
    pub(super) fn new(venue: VenueId, names: Vec<String>) -> Telling {
        let told = vec![Told::default(); names.len()];
        Telling { venue, names, told }
    }

    /// Returns the name of the instrument that a symbol stands for.
    pub(super) fn name(&self, symbol: usize) -> &str {
        &self.names[symbol]
    }

    /// Tells a change of state, if it needs attention and was not told a short time ago. Returns
    /// whether it was told.
    pub(super) fn on_status(
        &mut self,
        symbol: usize,
        status: &Status,
        tell: &mut impl FnMut(Notice),
    ) -> bool {
        self.told[symbol].seen = status.ts_recv;
        let codes = State::of_code(status.state).zip(Reason::of_code(status.reason));
        let Some((state, reason)) = codes.filter(|(_, reason)| needs_attention(*reason)) else {
            return false;
        };
        let told = &mut self.told[symbol];
        let now = status.ts_recv;
        told.is_open = true;
        told.reasons.retain(|(_, at)| now.saturating_sub(*at) < AGAIN_AFTER);
        let is_news = told.reasons.iter().all(|(before, _)| *before != reason);
        if is_news {
            told.reasons.push((reason, now));
            tell(self.notice(symbol, state, reason));
        }
        is_news
    }

    /// Notes that something of an instrument was told elsewhere, so that its end is told here.
    pub(super) fn on_told(&mut self, symbol: usize) {
        self.told[symbol].is_open = true;
    }

    /// Tells what time or the end of a line has brought about, and that an instrument is well again.
    pub(super) fn on_time(
        &mut self,
        symbol: usize,
        health: &Health,
        now: Nanos,
        tell: &mut impl FnMut(Notice),
    ) {
        let (state, reason, since) = (health.state(), health.reason(), health.since());
        if since != self.told[symbol].seen {
            let (state, reason) = (state as u8, reason as u8);
            let status = Status { ts_recv: since, state, reason, ..Status::default() };
            self.on_status(symbol, &status, tell);
            return;
        }
        let told = &mut self.told[symbol];
        if told.is_open && state == State::Live && WELL_AFTER <= now.saturating_sub(since) {
            // What comes next is news, even if it is the same again.
            *told = Told::default();
            tell(self.notice(symbol, state, reason));
        }
    }

    fn notice(&self, symbol: usize, state: State, reason: Reason) -> Notice {
        let instrument = self.names[symbol].clone();
        Notice::Health { venue: self.venue, instrument, state, reason }
    }
}

/// Returns whether a person should know. Connections have notices of their own, and quiet
/// instruments are no fault.
fn needs_attention(reason: Reason) -> bool {
    match reason {
        Reason::Crossed
        | Reason::SequenceGap
        | Reason::OneSided
        | Reason::Empty
        | Reason::Lag
        | Reason::Unreadable
        | Reason::Implausible
        | Reason::NoQuote
        | Reason::OutOfOrder => true,
        Reason::Quote
        | Reason::Disconnected
        | Reason::Silent
        | Reason::Quiet
        | Reason::Refused
        | Reason::HeldUp
        | Reason::Subscribed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::instrument::InstrumentId;
    use spreadwire_venues::health::{Arrival, Bounds, LagMeter};
    use spreadwire_venues::venue::{QuoteMessage, SequenceRule, Side};

    /// An instrument, and what is told of it.
    struct Rig {
        telling: Telling,
        health: Health,
        lag: LagMeter,
        number: u64,
    }

    impl Rig {
        fn new() -> Rig {
            let bounds = Bounds { first_quote: 10 * SECOND, ..Bounds::of_age(5 * SECOND) };
            let venue = VenueId(1);
            let rule = SequenceRule::Increasing;
            Rig {
                telling: Telling::new(venue, vec!["A/USDT".to_owned()]),
                health: Health::new(venue, InstrumentId(0), rule, bounds),
                lag: LagMeter::default(),
                number: 0,
            }
        }

        /// A quote of this bid against an ask of 100; returns what is told.
        fn quote(&mut self, now: Nanos, bid: i64) -> Vec<String> {
            self.number += 1;
            let message = QuoteMessage {
                symbol: 0,
                bid: Side::of(bid, 1),
                ask: Side::of(100, 1),
                ts_event: None,
                sequence: Some(self.number),
                snapshot: true,
                restarted: false,
            };
            let arrival = Arrival { ts_recv: now, ..Arrival::default() };
            let outcome = self.health.on_message(&message, arrival, &mut self.lag);
            let mut told = Vec::new();
            if let Some(status) = outcome.status {
                self.telling.on_status(0, &status, &mut |notice| told.push(words(notice)));
            }
            told
        }

        fn time(&mut self, now: Nanos) -> Vec<String> {
            self.health.on_time(now);
            let mut told = Vec::new();
            self.telling.on_time(0, &self.health, now, &mut |notice| told.push(words(notice)));
            told
        }
    }

    fn words(notice: Notice) -> String {
        let Notice::Health { venue: VenueId(1), instrument, state, reason } = notice else {
            panic!("not of an instrument: {notice:?}");
        };
        format!("{instrument} {state} {reason}")
    }

    const NOTHING: [String; 0] = [];

    #[test]
    fn a_state_is_told_once_and_its_end_when_it_was_well_for_a_while() {
        let mut rig = Rig::new();
        assert_eq!(rig.quote(SECOND, 99), NOTHING, "all is well");
        assert_eq!(rig.quote(2 * SECOND, 101), ["A/USDT crossed crossed"]);
        for second in 3..100 {
            assert_eq!(rig.time(second * SECOND), NOTHING);
            assert_eq!(rig.quote(second * SECOND, 101), NOTHING);
        }
        assert_eq!(rig.quote(100 * SECOND, 99), NOTHING);
        for second in 101..110 {
            assert_eq!(rig.time(second * SECOND), NOTHING);
            rig.quote(second * SECOND, 99);
        }
        assert_eq!(rig.time(110 * SECOND), ["A/USDT live quote"]);
        assert_eq!(rig.time(111 * SECOND), NOTHING, "once");
        assert_eq!(rig.quote(112 * SECOND, 101), ["A/USDT crossed crossed"], "this is news");
    }

    #[test]
    fn of_states_that_take_turns_each_is_told_once_a_minute() {
        let mut rig = Rig::new();
        let mut told = Vec::new();
        for second in 0..60 {
            told.extend(rig.quote(second * SECOND, 101));
            told.extend(rig.quote(second * SECOND + 1, 0));
            told.extend(rig.quote(second * SECOND + 2, 99));
        }
        assert_eq!(told, ["A/USDT crossed crossed", "A/USDT one_sided one_sided"]);
        assert_eq!(rig.quote(60 * SECOND, 101), ["A/USDT crossed crossed"]);
    }

    #[test]
    fn what_time_brings_about_is_told_and_a_quiet_instrument_is_not() {
        let mut rig = Rig::new();
        rig.health.on_subscribed(0, 0);
        assert_eq!(rig.time(10 * SECOND), NOTHING);
        assert_eq!(rig.time(10 * SECOND + 1), ["A/USDT silent no_quote"]);
        assert_eq!(rig.time(11 * SECOND), NOTHING);
        rig.quote(12 * SECOND, 99);
        assert_eq!(rig.time(18 * SECOND), NOTHING, "it is stale");
        // Down is told by the connection.
        rig.health.on_lost(0, Reason::Disconnected, 19 * SECOND);
        assert_eq!(rig.time(19 * SECOND), NOTHING);
    }

    #[test]
    fn the_end_of_what_was_told_elsewhere_is_told() {
        let mut rig = Rig::new();
        rig.telling.on_told(0);
        rig.quote(SECOND, 99);
        rig.quote(6 * SECOND, 99);
        assert_eq!(rig.time(11 * SECOND), ["A/USDT live quote"]);
    }
}
