//! The heartbeat of one connection: when to ping the client, and when to close the connection.
//!
//! This is pure. The caller hands in the time and does what [`Heartbeat::due`] returns.

use std::time::Duration;

use crate::duration::nanos;
use crate::venue::Rules;

/// The times at which a connection was last sent something and pinged.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    sent_ns: u64,
    pinged_ns: u64,
    /// When the oldest ping was sent that has no pong yet.
    unanswered_ns: Option<u64>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a protocol ping.
    Ping,
    /// Close the connection, for this reason.
    Close(&'static str),
}

impl Heartbeat {
    /// Starts the heartbeat of a connection that opened at `now_ns`.
    pub(crate) fn new(now_ns: u64) -> Heartbeat {
        Heartbeat { sent_ns: now_ns, pinged_ns: now_ns, unanswered_ns: None }
    }

    /// Notes that something was sent to the client.
    pub(crate) fn on_sent(&mut self, now_ns: u64) {
        self.sent_ns = now_ns;
    }

    /// Notes that the client sent a pong.
    pub(crate) fn on_pong(&mut self) {
        self.unanswered_ns = None;
    }

    /// Returns what is due at `now_ns`, if anything. A ping that is returned counts as sent.
    pub(crate) fn due(&mut self, rules: &Rules, now_ns: u64) -> Option<Beat> {
        let passed = |since_ns: u64, time: Option<Duration>| {
            time.is_some_and(|time| nanos(time) <= now_ns.saturating_sub(since_ns))
        };
        if self.unanswered_ns.is_some_and(|since_ns| passed(since_ns, rules.pong_within)) {
            return Some(Beat::Close("Pong timeout"));
        }
        if passed(self.sent_ns, rules.idle_close) {
            return Some(Beat::Close("No data received"));
        }
        if passed(self.pinged_ns, rules.ping_every) {
            self.pinged_ns = now_ns;
            self.unanswered_ns.get_or_insert(now_ns);
            return Some(Beat::Ping);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS_PER_S: u64 = 1_000_000_000;

    /// Returns rules that ping every 20 s and allow 60 s for the pong.
    fn pinging() -> Rules {
        Rules {
            ping_every: Some(Duration::from_secs(20)),
            pong_within: Some(Duration::from_secs(60)),
            ..Rules::default()
        }
    }

    /// Checks the heartbeat every second until `end_s`. Returns the seconds and what was due then.
    fn beats(heartbeat: &mut Heartbeat, rules: &Rules, end_s: u64) -> Vec<(u64, Beat)> {
        (0..=end_s)
            .filter_map(|s| heartbeat.due(rules, s * NS_PER_S).map(|beat| (s, beat)))
            .collect()
    }

    #[test]
    fn a_client_without_a_pong_is_pinged_and_then_closed() {
        let mut heartbeat = Heartbeat::new(0);
        let beats = beats(&mut heartbeat, &pinging(), 80);
        assert_eq!(
            beats,
            [
                (20, Beat::Ping),
                (40, Beat::Ping),
                (60, Beat::Ping),
                (80, Beat::Close("Pong timeout"))
            ]
        );
    }

    #[test]
    fn a_client_that_answers_is_pinged_for_ever() {
        let mut heartbeat = Heartbeat::new(0);
        let mut pings = 0;
        for s in 0..=1_000 {
            match heartbeat.due(&pinging(), s * NS_PER_S) {
                Some(Beat::Ping) => pings += 1,
                Some(beat @ Beat::Close(_)) => panic!("{beat:?} after {s} s"),
                None => heartbeat.on_pong(),
            }
        }
        assert_eq!(pings, 50);
    }

    #[test]
    fn a_pong_restarts_the_deadline_at_the_next_ping() {
        let mut heartbeat = Heartbeat::new(0);
        assert_eq!(heartbeat.due(&pinging(), 20 * NS_PER_S), Some(Beat::Ping));
        heartbeat.on_pong();
        assert_eq!(heartbeat.due(&pinging(), 79 * NS_PER_S), Some(Beat::Ping));
        assert_eq!(heartbeat.due(&pinging(), 138 * NS_PER_S), Some(Beat::Ping));
        let late = heartbeat.due(&pinging(), 139 * NS_PER_S);
        assert_eq!(late, Some(Beat::Close("Pong timeout")));
    }

    #[test]
    fn only_silence_closes_an_idle_connection() {
        let rules = Rules { idle_close: Some(Duration::from_secs(30)), ..Rules::default() };
        let mut heartbeat = Heartbeat::new(5 * NS_PER_S);
        assert_eq!(heartbeat.due(&rules, 34 * NS_PER_S), None);
        heartbeat.on_sent(34 * NS_PER_S);
        assert_eq!(heartbeat.due(&rules, 63 * NS_PER_S), None);
        let idle = heartbeat.due(&rules, 64 * NS_PER_S);
        assert_eq!(idle, Some(Beat::Close("No data received")));
    }

    #[test]
    fn a_venue_without_rules_neither_pings_nor_closes() {
        let mut heartbeat = Heartbeat::new(0);
        assert_eq!(beats(&mut heartbeat, &Rules::default(), 100), []);
    }
}
