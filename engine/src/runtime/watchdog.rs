//! Says which agent makes no progress, and which ones had turns that took too long.
//!
//! For cold threads, which hand in the time. A stall is told once when it is as long as the bound, and
//! once when it ends. Slow turns are summed up, and told at most once in [`SLOW_INTERVAL`].

use crate::runtime::pulse::{PulseReader, Turn};
use spreadwire_market::clock::{MILLI, Nanos, SECOND};
use spreadwire_market::counters::{Counter, CounterReader, Counters};
use std::fmt;

/// Least time between two reports of slow turns.
pub const SLOW_INTERVAL: Nanos = 10 * SECOND;

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An agent has made no progress for so long, ns.
    Stalled {
        /// The agent.
        agent: String,
        /// Its thread.
        thread: String,
        /// Time since its turn was first seen.
        time: Nanos,
    },
    /// An agent goes on after so long, ns.
    Resumed {
        /// The agent.
        agent: String,
        /// Its thread.
        thread: String,
        /// Length of the stall.
        time: Nanos,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: &Nanos| time / MILLI;
        match self {
            Finding::Stalled { agent, thread, time } => write!(
                f,
                "agent {agent:?} on thread {thread:?} has made no progress for {} ms",
                millis(time)
            ),
            Finding::Resumed { agent, thread, time } => write!(
                f,
                "agent {agent:?} on thread {thread:?} goes on after {} ms without progress",
                millis(time)
            ),
        }
    }
}

/// A thread as it was seen last.
#[derive(Debug)]
struct Watched {
    pulse: PulseReader,
    beat: u64,
    since: Nanos,
    /// The agent whose stall was told.
    told: Option<usize>,
    stalls: Vec<Counter>,
}

/// Watches the progress of threads.
#[derive(Debug)]
pub struct Watchdog {
    /// A turn is a stall from this time on, ns.
    stall: Nanos,
    threads: Vec<Watched>,
}

impl Watchdog {
    /// Makes a watchdog that counts `agent.<role>.stalls`.
    #[must_use]
    pub fn new(
        pulses: Vec<PulseReader>,
        stall: Nanos,
        now: Nanos,
        counters: &Counters,
    ) -> Watchdog {
        let watched = |pulse: PulseReader| {
            let counter = |role: &String| counters.register(&format!("agent.{role}.stalls"));
            let stalls = pulse.roles().iter().map(counter).collect();
            Watched { beat: pulse.beat().0, pulse, since: now, told: None, stalls }
        };
        Watchdog { stall, threads: pulses.into_iter().map(watched).collect() }
    }

    /// Looks at every thread and returns what has changed.
    pub fn look(&mut self, now: Nanos) -> Vec<Finding> {
        let stall = self.stall;
        self.threads.iter_mut().filter_map(|thread| thread.look(now, stall)).collect()
    }

    /// Returns the agents whose stalls were told and have not ended, with their threads.
    #[must_use]
    pub fn stalled(&self) -> Vec<(&str, &str)> {
        let stalled = |thread: &'_ Watched| thread.told;
        let named = self.threads.iter().filter_map(|t| Some((t, stalled(t)?)));
        named.map(|(t, place)| (t.pulse.roles()[place].as_str(), t.pulse.thread())).collect()
    }
}

impl Watched {
    fn look(&mut self, now: Nanos, stall: Nanos) -> Option<Finding> {
        let (beat, turn) = self.pulse.beat();
        let time = now.saturating_sub(self.since);
        let named =
            |place: usize| (self.pulse.roles()[place].clone(), self.pulse.thread().to_owned());
        if beat != self.beat {
            (self.beat, self.since) = (beat, now);
            let (agent, thread) = named(self.told.take()?);
            return Some(Finding::Resumed { agent, thread, time });
        }
        match turn {
            Turn::Of(place) if self.told.is_none() && stall <= time => {
                self.told = Some(place);
                self.stalls[place].add(1);
                let (agent, thread) = named(place);
                Some(Finding::Stalled { agent, thread, time })
            }
            Turn::Of(_) | Turn::Idle | Turn::Ended => None,
        }
    }
}

/// Sums up slow turns for the log.
#[derive(Debug)]
pub struct SlowTurns {
    slow_after: Nanos,
    due: Nanos,
    threads: Vec<SlowThread>,
    counters: Counters,
}

#[derive(Debug)]
struct SlowThread {
    pulse: PulseReader,
    /// The count of slow turns of each agent, and its value at the last report.
    slow: Vec<(Option<CounterReader>, u64)>,
    /// Times that the thread lost its core, and faults from a disk, at the last report.
    before: [u64; 2],
}

/// What the kernel counts of a thread that explains slow turns.
const CAUSES: [&str; 2] = ["switches_involuntary", "faults_major"];

impl SlowTurns {
    /// Makes a report of the turns that took longer than `slow_after`.
    #[must_use]
    pub fn new(pulses: Vec<PulseReader>, slow_after: Nanos, counters: &Counters) -> SlowTurns {
        let thread = |pulse: PulseReader| {
            let reader = |role: &String| counters.reader(&format!("agent.{role}.turns_slow")).ok();
            let slow = pulse.roles().iter().map(|role| (reader(role), 0)).collect();
            SlowThread { pulse, slow, before: [0; 2] }
        };
        let threads = pulses.into_iter().map(thread).collect();
        SlowTurns { slow_after, due: 0, threads, counters: counters.clone() }
    }

    /// Returns a sentence for each agent that had slow turns since the last report, if a report is due.
    pub fn report(&mut self, now: Nanos) -> Vec<String> {
        if now < self.due {
            return Vec::new();
        }
        let (slow_after, counters) = (self.slow_after, &self.counters);
        let told = self.threads.iter_mut().flat_map(|thread| thread.report(slow_after, counters));
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            self.due = now + SLOW_INTERVAL;
        }
        told
    }
}

impl SlowThread {
    fn report(&mut self, slow_after: Nanos, counters: &Counters) -> Vec<String> {
        let SlowThread { pulse, slow, before } = self;
        let mut told = Vec::new();
        for (place, (reader, reported)) in slow.iter_mut().enumerate() {
            let count = reader.as_ref().map_or(0, CounterReader::get);
            let since = count - std::mem::replace(reported, count);
            let Some(longest) = pulse.take_longest(place) else { continue };
            let (role, thread, bound) = (&pulse.roles()[place], pulse.thread(), millis(slow_after));
            let longest = millis(longest);
            told.push(format!(
                "agent {role:?} on thread {thread:?}: {since} turns longer than {bound} ms, the \
                 longest {longest} ms"
            ));
        }
        if told.is_empty() {
            return told;
        }
        let count = |what| counters.get(&format!("thread.{}.{what}", pulse.thread())).unwrap_or(0);
        let now = CAUSES.map(count);
        let [lost, faults] = [0, 1].map(|cause| now[cause].saturating_sub(before[cause]));
        *before = now;
        let cause = match (lost, faults) {
            (0, 0) => "the work itself took that long".to_owned(),
            (lost, 0) => format!("the thread lost its core {lost} times"),
            (lost, faults) => {
                format!("the thread lost its core {lost} times and waited for {faults} pages")
            }
        };
        told.iter_mut().for_each(|line| *line += &format!("; {cause}"));
        told
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn millis(time: Nanos) -> f64 {
    (time / 10_000) as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::pulse::Pulse;

    fn pulse(counters: &Counters) -> Pulse {
        Pulse::new("hot", vec!["feed".to_owned(), "journal".to_owned()], 10 * MILLI, counters)
    }

    #[test]
    fn a_stall_is_told_once_when_it_is_long_enough_and_once_at_its_end() {
        let counters = Counters::default();
        let mut pulse = pulse(&counters);
        let mut dog = Watchdog::new(vec![pulse.reader()], SECOND, 0, &counters);
        pulse.begin(1);
        assert_eq!(dog.look(5), []);
        assert_eq!(dog.look(5 + SECOND - 1), []);
        let named = |time| ("journal".to_owned(), "hot".to_owned(), time);
        let (agent, thread, time) = named(SECOND);
        let told = dog.look(5 + SECOND);
        assert_eq!(told, [Finding::Stalled { agent, thread, time }]);
        assert_eq!(
            told[0].to_string(),
            "agent \"journal\" on thread \"hot\" has made no progress for 1000 ms"
        );
        assert_eq!(dog.stalled(), [("journal", "hot")]);
        assert_eq!(dog.look(5 + 9 * SECOND), [], "once");
        pulse.begin(0);
        let (agent, thread, time) = named(10 * SECOND);
        assert_eq!(dog.look(5 + 10 * SECOND), [Finding::Resumed { agent, thread, time }]);
        assert_eq!(dog.stalled(), []);
        assert_eq!(counters.expect("agent.journal.stalls"), 1);
        assert_eq!(counters.expect("agent.feed.stalls"), 0);
        // The next one is another stall.
        assert_eq!(dog.look(5 + 11 * SECOND).len(), 1);
        assert_eq!(counters.expect("agent.feed.stalls"), 1);
    }

    #[test]
    fn a_thread_that_idles_or_has_ended_does_not_stall() {
        let counters = Counters::default();
        let mut pulse = pulse(&counters);
        let mut dog = Watchdog::new(vec![pulse.reader()], SECOND, 0, &counters);
        assert_eq!(dog.look(60 * SECOND), []);
        pulse.begin(0);
        pulse.rest();
        assert_eq!([dog.look(61 * SECOND), dog.look(90 * SECOND)], [[], []]);
        pulse.end();
        assert_eq!([dog.look(91 * SECOND), dog.look(190 * SECOND)], [[], []]);
    }

    #[test]
    fn a_turn_that_stalls_and_ends_between_two_looks_of_another_is_not_mistaken_for_it() {
        let counters = Counters::default();
        let mut pulse = pulse(&counters);
        let mut dog = Watchdog::new(vec![pulse.reader()], SECOND, 0, &counters);
        for second in 1..100 {
            pulse.begin(0);
            pulse.begin(1);
            assert_eq!(dog.look(second * SECOND), [], "the same agent, but another turn");
        }
    }

    #[test]
    fn slow_turns_are_summed_up_with_their_cause_and_told_at_most_once_in_an_interval() {
        let counters = Counters::default();
        let pulse = pulse(&counters);
        let mut slow = SlowTurns::new(vec![pulse.reader()], 10 * MILLI, &counters);
        assert_eq!(slow.report(1), Vec::<String>::new());
        [11, 52, 30].into_iter().for_each(|time| pulse.turn_took(1, time * MILLI));
        let told = "agent \"journal\" on thread \"hot\": 3 turns longer than 10 ms, the longest 52 ms; \
                    the work itself took that long";
        assert_eq!(slow.report(2), [told]);
        let lost = counters.register("thread.hot.switches_involuntary");
        lost.add(4);
        pulse.turn_took(0, 20 * MILLI);
        assert_eq!(slow.report(1 + SLOW_INTERVAL), Vec::<String>::new());
        let told = "agent \"feed\" on thread \"hot\": 1 turns longer than 10 ms, the longest 20 ms; \
                    the thread lost its core 4 times";
        assert_eq!(slow.report(2 + SLOW_INTERVAL), [told]);
        assert_eq!(slow.report(9 * SLOW_INTERVAL), Vec::<String>::new());
    }
}
