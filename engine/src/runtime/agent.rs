//! A stage of the pipeline as an agent with one duty cycle, and what a thread does between cycles.
//!
//! An agent does a bounded batch of what is ready and returns how much it did; it never blocks,
//! never waits for another agent, and does not know which thread runs it, or with whom. Agents end
//! in the order of the data flow: a source when it is told to [`stop`](Agent::stop), every other
//! when its producers are gone and what they sent is taken ([`is_finished`](Agent::is_finished)).

use crate::runtime::latency::Latency;
use crate::runtime::stopwatch::Stopwatch;
use spreadwire_market::clock::Nanos;
use std::time::Duration;

/// One stage. All calls are made on one thread, to which the agent is moved once.
pub trait Agent: Send {
    /// The stage's name, by which configuration and reports call it: `feed.binance`.
    fn role(&self) -> &str;

    /// Called once on the agent's thread before the first cycle: memory is touched first by its user.
    fn on_start(&mut self) {}

    /// One duty cycle: a bounded batch of what is ready. Returns how much was done, 0 only if
    /// nothing could be. `now` was read once for the whole cycle.
    fn do_work(&mut self, now: Nanos) -> usize;

    /// Told once that the process is to end. Only sources act on it.
    fn stop(&mut self) {}

    /// Told at most once that the process ends now, in order or not: what is buffered is written at
    /// once.
    fn hurry(&mut self) {}

    /// Whether nothing will ever come again. Asked after a cycle that did nothing.
    fn is_finished(&self) -> bool;

    /// Called once after the last cycle; what is buffered is written now.
    fn on_close(&mut self) {}

    /// What the agent measured, once it is closed.
    fn report(&mut self, _report: &mut Report) {}
}

/// What agents leave behind.
#[derive(Debug, Default)]
pub struct Report {
    /// Latency by stage, in the order reported; stages of the same name are merged.
    pub latencies: Vec<(String, Latency)>,
    /// The same by stage and venue, where it is taken by venue.
    pub latencies_by_venue: Vec<(String, String, Latency)>,
    /// Sentences about what went wrong, for the log and the exit code.
    pub failures: Vec<String>,
}

impl Report {
    /// Adds a stage's latency.
    pub fn latency(&mut self, stage: &str, latency: &Latency) {
        match self.latencies.iter_mut().find(|(name, _)| name == stage) {
            Some((_, sum)) => sum.merge(latency),
            None => self.latencies.push((stage.to_owned(), latency.clone())),
        }
    }

    /// Adds a stage's latency on one venue.
    pub fn latency_of_venue(&mut self, stage: &str, venue: &str, latency: &Latency) {
        let all = &mut self.latencies_by_venue;
        match all.iter_mut().find(|(s, v, _)| s == stage && v == venue) {
            Some((_, _, sum)) => sum.merge(latency),
            None => all.push((stage.to_owned(), venue.to_owned(), latency.clone())),
        }
    }

    /// Ends a stopwatch: adds what it recorded, unless that goes elsewhere.
    pub fn stopwatch(&mut self, stopwatch: &mut Stopwatch) {
        if let Some(latency) = stopwatch.finish() {
            self.latency(stopwatch.stage(), &latency);
        }
    }

    /// Adds another report.
    pub fn merge(&mut self, other: &Report) {
        other.latencies.iter().for_each(|(stage, latency)| self.latency(stage, latency));
        for (stage, venue, latency) in &other.latencies_by_venue {
            self.latency_of_venue(stage, venue, latency);
        }
        self.failures.extend(other.failures.iter().cloned());
    }
}

/// What a thread does when all its agents did nothing in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleStrategy {
    /// Goes on at once: lowest latency, a whole core.
    Spin,
    /// Offers the core to others each time.
    Yield,
    /// Spins [`BACKOFF_SPINS`] cycles, yields [`BACKOFF_YIELDS`], then sleeps, doubling up to this.
    Backoff {
        /// The longest sleep.
        sleep_max: Duration,
    },
}

/// Empty cycles that a backing-off thread spins before it yields.
pub const BACKOFF_SPINS: u32 = 64;
/// Empty cycles that it yields before it sleeps.
pub const BACKOFF_YIELDS: u32 = 16;
/// The first sleep; each further one is twice as long.
pub const BACKOFF_SLEEP_MIN: Duration = Duration::from_micros(10);

/// An idle strategy with its memory of how long it has been idle.
#[derive(Debug)]
pub struct Idler {
    strategy: IdleStrategy,
    idle_cycles: u32,
}

/// What to do after an empty cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Run the next cycle at once.
    Spin,
    /// Give the core away once.
    Yield,
    /// Sleep this long.
    Sleep(Duration),
}

impl Idler {
    /// A fresh one.
    #[must_use]
    pub fn new(strategy: IdleStrategy) -> Idler {
        Idler { strategy, idle_cycles: 0 }
    }

    /// Decides what to do after a cycle that did `work`; pure, so that tests need no time.
    pub fn after(&mut self, work: usize) -> Pause {
        if work > 0 {
            self.idle_cycles = 0;
            return Pause::Spin;
        }
        self.idle_cycles = self.idle_cycles.saturating_add(1);
        match self.strategy {
            IdleStrategy::Spin => Pause::Spin,
            IdleStrategy::Yield => Pause::Yield,
            IdleStrategy::Backoff { sleep_max } => self.backoff(sleep_max),
        }
    }

    fn backoff(&self, sleep_max: Duration) -> Pause {
        if self.idle_cycles <= BACKOFF_SPINS {
            return Pause::Spin;
        }
        let Some(sleeps) = self.idle_cycles.checked_sub(BACKOFF_SPINS + BACKOFF_YIELDS + 1) else {
            return Pause::Yield;
        };
        Pause::Sleep(BACKOFF_SLEEP_MIN.saturating_mul(1 << sleeps.min(16)).min(sleep_max))
    }

    /// Acts on [`after`](Idler::after). Returns whether the thread gave its core away.
    pub fn idle(&mut self, work: usize) -> bool {
        let pause = self.after(work);
        match pause {
            Pause::Spin if work == 0 => std::hint::spin_loop(),
            Pause::Spin => {}
            Pause::Yield => std::thread::yield_now(),
            Pause::Sleep(duration) => std::thread::sleep(duration),
        }
        pause != Pause::Spin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backing_off_spins_then_yields_then_sleeps_longer_up_to_its_limit() {
        let sleep_max = Duration::from_micros(50);
        let mut idler = Idler::new(IdleStrategy::Backoff { sleep_max });
        let pauses: Vec<Pause> =
            (0..BACKOFF_SPINS + BACKOFF_YIELDS + 4).map(|_| idler.after(0)).collect();
        assert!(pauses[..64].iter().all(|p| *p == Pause::Spin));
        assert!(pauses[64..80].iter().all(|p| *p == Pause::Yield));
        let micros = |n| Pause::Sleep(Duration::from_micros(n));
        assert_eq!(pauses[80..], [micros(10), micros(20), micros(40), micros(50)]);
        assert_eq!(idler.after(3), Pause::Spin, "work ends the pause");
        assert_eq!(idler.after(0), Pause::Spin);
    }
}
