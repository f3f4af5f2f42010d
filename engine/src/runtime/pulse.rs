//! The pulse of a thread: whose turn it is, and how long the turns take, for a cold thread to see.
//!
//! The thread stores one number before each agent's turn, relaxed, into a cache line of its own: the
//! count of all turns so far and the agent's place. A cold thread that finds the same number again
//! knows which agent has made no progress since. Turns that took too long are counted beside it.

use crossbeam::utils::CachePadded;
use spreadwire_market::clock::Nanos;
use spreadwire_market::counters::{Counter, Counters};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Number of bits for an agent's place; the bits above them count turns.
const PLACE_BITS: u32 = 8;
/// The place while no agent has a turn: the thread idles.
const IDLE: u64 = (1 << PLACE_BITS) - 1;
/// The place once the thread has ended.
const ENDED: u64 = IDLE - 1;
/// Maximum number of agents of a thread.
pub const AGENTS_MAX: usize = 254;

/// What a cold thread sees of a thread's beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The agent of this place has its turn.
    Of(usize),
    /// No agent has a turn.
    Idle,
    /// The thread has ended.
    Ended,
}

/// The part that both sides share.
#[derive(Debug)]
struct Shared {
    thread: String,
    roles: Vec<String>,
    beat: CachePadded<AtomicU64>,
    /// For each agent, the longest of its slow turns that nobody has taken yet, ns.
    longest: Vec<AtomicU64>,
    /// Whether the agents have written what they had buffered, after the request to hurry.
    saved: AtomicBool,
}

/// The thread's own end.
#[derive(Debug)]
pub struct Pulse {
    shared: Arc<Shared>,
    turns: u64,
    /// Turns that take longer are slow, ns.
    slow_after: Nanos,
    cycle_max: Counter,
    cycles_slow: Counter,
    agents: Vec<AgentCounters>,
}

#[derive(Debug)]
struct AgentCounters {
    turn_max: Counter,
    turns_slow: Counter,
}

/// The cold thread's end. Clones see the same thread.
#[derive(Clone, Debug)]
pub struct PulseReader(Arc<Shared>);

impl Pulse {
    /// Makes the pulse of a thread with these agents. Turns and cycles that take longer than
    /// `slow_after` are slow.
    ///
    /// # Panics
    /// With more than [`AGENTS_MAX`] agents.
    #[must_use]
    pub fn new(thread: &str, roles: Vec<String>, slow_after: Nanos, counters: &Counters) -> Pulse {
        assert!(roles.len() <= AGENTS_MAX, "a thread of {} agents", roles.len());
        let of_thread = |what: &str| counters.register(&format!("thread.{thread}.{what}"));
        let agent = |role: &String| AgentCounters {
            turn_max: counters.register(&format!("agent.{role}.turn_max_ns")),
            turns_slow: counters.register(&format!("agent.{role}.turns_slow")),
        };
        Pulse {
            turns: 0,
            slow_after,
            cycle_max: of_thread("cycle_max_ns"),
            cycles_slow: of_thread("cycles_slow"),
            agents: roles.iter().map(agent).collect(),
            shared: Arc::new(Shared {
                thread: thread.to_owned(),
                beat: CachePadded::new(AtomicU64::new(IDLE)),
                longest: roles.iter().map(|_| AtomicU64::new(0)).collect(),
                saved: AtomicBool::new(false),
                roles,
            }),
        }
    }

    /// Returns the end for a cold thread.
    #[must_use]
    pub fn reader(&self) -> PulseReader {
        PulseReader(Arc::clone(&self.shared))
    }

    /// Tells that the agent of this place has its turn.
    #[inline]
    pub fn begin(&mut self, place: usize) {
        self.turns += 1;
        self.shared.beat.store(self.turns << PLACE_BITS | place as u64, Ordering::Relaxed);
    }

    /// Tells that all agents have had their turns.
    #[inline]
    pub fn rest(&mut self) {
        self.shared.beat.store(self.turns << PLACE_BITS | IDLE, Ordering::Relaxed);
    }

    /// Tells that the thread ends.
    pub fn end(&mut self) {
        self.shared.beat.store(self.turns << PLACE_BITS | ENDED, Ordering::Relaxed);
    }

    /// Tells that every agent has written what it had buffered.
    pub fn save(&self) {
        self.shared.saved.store(true, Ordering::Release);
    }

    /// Records how long an agent's turn took.
    #[inline]
    pub fn turn_took(&self, place: usize, time: Nanos) {
        if self.slow_after < time {
            self.was_slow(place, time);
        }
    }

    #[cold]
    fn was_slow(&self, place: usize, time: Nanos) {
        let AgentCounters { turn_max, turns_slow } = &self.agents[place];
        turns_slow.add(1);
        turn_max.set(turn_max.get().max(time));
        self.shared.longest[place].fetch_max(time, Ordering::Relaxed);
    }

    /// Records how long a duty cycle took in which nobody did anything. Whose time it was is known if the
    /// thread has one agent.
    #[inline]
    pub fn idle_cycle_took(&self, time: Nanos) {
        if self.slow_after < time {
            self.cycle_took(time);
            if self.agents.len() == 1 {
                self.was_slow(0, time);
            }
        }
    }

    /// Records how long a duty cycle of all agents took.
    #[inline]
    pub fn cycle_took(&self, time: Nanos) {
        if self.cycle_max.get() < time {
            self.cycle_max.set(time);
        }
        if self.slow_after < time {
            self.cycles_slow.add(1);
        }
    }
}

impl PulseReader {
    /// Returns the thread's name.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.0.thread
    }

    /// Returns the roles of the thread's agents, by place.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Returns whose turn it is, with a number that no other turn has.
    #[must_use]
    pub fn beat(&self) -> (u64, Turn) {
        let beat = self.0.beat.load(Ordering::Relaxed);
        let turn = match beat & IDLE {
            IDLE => Turn::Idle,
            ENDED => Turn::Ended,
            place => usize::try_from(place).map_or(Turn::Idle, Turn::Of),
        };
        (beat, turn)
    }

    /// Returns whether the agents have written what they had buffered, or have ended.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.0.saved.load(Ordering::Acquire) || self.beat().1 == Turn::Ended
    }

    /// Takes the longest slow turn of an agent since the last call, ns; `None` if there was none.
    #[must_use]
    pub fn take_longest(&self, place: usize) -> Option<Nanos> {
        let longest = self.0.longest.get(place)?.swap(0, Ordering::Relaxed);
        (0 < longest).then_some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_whose_turn_it_is_and_every_turn_is_another() {
        let roles = vec!["feed".to_owned(), "journal".to_owned()];
        let mut pulse = Pulse::new("hot", roles, 100, &Counters::default());
        let reader = pulse.reader();
        assert_eq!((reader.thread(), reader.beat().1), ("hot", Turn::Idle));
        let mut seen = Vec::new();
        for _ in 0..2 {
            for place in 0..2 {
                pulse.begin(place);
                assert_eq!(reader.beat().1, Turn::Of(place));
                seen.push(reader.beat().0);
            }
            pulse.rest();
            assert_eq!(reader.beat().1, Turn::Idle);
        }
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert!(!reader.is_saved());
        pulse.end();
        assert_eq!(reader.beat().1, Turn::Ended);
        assert!(reader.is_saved(), "nothing is left to be written");
    }

    #[test]
    fn turns_beyond_the_bound_are_counted_by_agent_and_the_longest_is_taken_once() {
        let counters = Counters::default();
        let roles = vec!["feed".to_owned(), "journal".to_owned()];
        let pulse = Pulse::new("hot", roles, 100, &counters);
        for (place, time) in [(0, 100), (1, 101), (1, 300), (1, 200)] {
            pulse.turn_took(place, time);
            pulse.cycle_took(time);
        }
        let of = |name: &str| counters.expect(name);
        assert_eq!((of("agent.feed.turns_slow"), of("agent.feed.turn_max_ns")), (0, 0));
        assert_eq!((of("agent.journal.turns_slow"), of("agent.journal.turn_max_ns")), (3, 300));
        assert_eq!((of("thread.hot.cycles_slow"), of("thread.hot.cycle_max_ns")), (3, 300));
        let reader = pulse.reader();
        assert_eq!([0, 1, 1].map(|place| reader.take_longest(place)), [None, Some(300), None]);
        // Nobody knows who of two it was.
        [100, 500].into_iter().for_each(|time| pulse.idle_cycle_took(time));
        assert_eq!((of("thread.hot.cycles_slow"), of("agent.journal.turns_slow")), (4, 3));
        let alone = Pulse::new("cold", vec!["capture".to_owned()], 100, &counters);
        [100, 500].into_iter().for_each(|time| alone.idle_cycle_took(time));
        assert_eq!((of("thread.cold.cycles_slow"), of("agent.capture.turns_slow")), (1, 1));
    }
}
