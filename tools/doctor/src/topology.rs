//! Measures how far apart cores are, by handing a cache line back and forth between two pinned
//! threads.
//!
//! Half a round trip is the cost of one hand-over, like the figure of `core-to-core-latency`. If
//! each side also reads its time-stamp counter, the same exchange bounds the offset between the two
//! counters: the stamp taken on the other core must lie between the two stamps taken on this one.

use crate::skew::{Exchange, Skew};
use crossbeam::utils::CachePadded;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

/// The cache line that is handed back and forth, with the stamp of the other side.
#[derive(Debug, Default)]
struct Line {
    turn: AtomicU64,
    /// Reading of the other side's counter, if it was asked for.
    stamp: AtomicU64,
    /// Whether the other side must read its counter, which costs as much as a hand-over within one
    /// core complex.
    is_stamped: AtomicBool,
}

/// The turn that ends the exchange.
const END: u64 = u64::MAX;
/// Number of round trips in one latency sample; the two readings of the clock are 1 % of it.
const TRIPS: u64 = 100;
/// Number of latency samples for a pair.
const SAMPLES: usize = 200;
/// Number of skew samples for a pair.
const STAMPED: usize = 1_000;

/// Measurements of one pair of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The two CPUs, the smaller first.
    pub cpus: (usize, usize),
    /// Median time of one hand-over, which is half a round trip, ns.
    pub p50_ns: f64,
    /// Bounds on the offset between their counters.
    pub skew: Skew,
}

/// Returns the median of half a round trip in ns, from samples of `trips` round trips each; 0 if
/// there are no samples.
#[must_use]
pub fn half_round_trip(samples: &[u64], trips: u64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds for people")]
    let half = median as f64 / (2 * trips.max(1)) as f64;
    half
}

/// Measures the skew between the first CPU and each other one, within a time budget. Pairs for
/// which no thread can be started or pinned are left out.
#[must_use]
pub fn skews(clock: &quanta::Clock, cpus: &[usize], budget: Duration) -> Vec<Skew> {
    let [first, others @ ..] = cpus else { return Vec::new() };
    let pairs = u32::try_from(others.len()).unwrap_or(u32::MAX).max(1);
    let budget = u64::try_from((budget / pairs).as_nanos()).unwrap_or(u64::MAX);
    let skew = |other: &usize| {
        let exchanges = between(*first, *other, clock, |line, clock| {
            let start = clock.now();
            let within = || clock.now() - start < budget;
            let stamped = (0..STAMPED).take_while(|_| within());
            stamped.map(|trip| line.exchange(trip as u64, clock)).collect::<Vec<_>>()
        });
        Skew::of((*first, *other), &exchanges?)
    };
    others.iter().filter_map(skew).collect()
}

/// Measures one pair. Returns `None` if a thread cannot be started or pinned.
#[must_use]
pub fn measure(clock: &quanta::Clock, a: usize, b: usize) -> Option<Pair> {
    let (samples, exchanges) = between(a, b, clock, |line, clock| {
        let mut trip = 0;
        let mut sample = || {
            let start = clock.now();
            for _ in 0..TRIPS {
                line.round_trip(trip);
                trip += 1;
            }
            clock.now() - start
        };
        // The first samples warm the caches.
        for _ in 0..SAMPLES / 10 {
            sample();
        }
        let samples: Vec<u64> = (0..SAMPLES).map(|_| sample()).collect();
        let exchanges = (0..STAMPED as u64).map(|n| line.exchange(trip + n, clock));
        (samples, exchanges.collect::<Vec<_>>())
    })?;
    let skew = Skew::of((a, b), &exchanges)?;
    Some(Pair { cpus: (a, b), p50_ns: half_round_trip(&samples, TRIPS), skew })
}

/// The time-stamp counter in nanoseconds since a common start.
#[derive(Clone, Copy, Debug)]
struct Stamps<'a> {
    clock: &'a quanta::Clock,
    start: u64,
}

impl Stamps<'_> {
    /// Reads the counter. A reading before the start wraps around, so that a counter that is behind
    /// is reported as behind. Without the fences, the CPU would read the counter before the line
    /// that it waits for.
    #[inline]
    fn now(&self) -> u64 {
        fence(Ordering::SeqCst);
        let raw = self.clock.raw();
        fence(Ordering::SeqCst);
        if raw < self.start {
            return self.clock.delta_as_nanos(raw, self.start).wrapping_neg();
        }
        self.clock.delta_as_nanos(self.start, raw)
    }
}

impl Line {
    /// Hands the line over and waits until it comes back.
    #[inline]
    fn round_trip(&self, trip: u64) {
        self.turn.store(2 * trip + 1, Ordering::Release);
        while self.turn.load(Ordering::Acquire) != 2 * trip + 2 {
            std::hint::spin_loop();
        }
    }

    #[inline]
    fn exchange(&self, trip: u64, clock: &Stamps<'_>) -> Exchange {
        self.is_stamped.store(true, Ordering::Relaxed);
        let sent = clock.now();
        self.round_trip(trip);
        let back = clock.now();
        Exchange { sent, there: self.stamp.load(Ordering::Relaxed), back }
    }

    /// Runs the other side: hands the line back each time it arrives, stamped if asked for, until
    /// [`END`].
    fn answer(&self, clock: &Stamps<'_>) {
        let mut last = 0;
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            if turn == END {
                return;
            }
            if turn == last {
                std::hint::spin_loop();
                continue;
            }
            if self.is_stamped.load(Ordering::Relaxed) {
                self.stamp.store(clock.now(), Ordering::Relaxed);
            }
            last = turn + 1;
            self.turn.store(last, Ordering::Release);
        }
    }
}

/// Runs one side of an exchange on `a` while `b` answers. Returns `None` if a thread cannot be
/// started or pinned.
fn between<T: Send>(
    a: usize,
    b: usize,
    clock: &quanta::Clock,
    side: impl FnOnce(&Line, &Stamps<'_>) -> T + Send,
) -> Option<T> {
    let line = CachePadded::new(Line::default());
    let stamps = Stamps { clock, start: clock.raw() };
    let named = |cpu: usize| std::thread::Builder::new().name(format!("cpu-{cpu}"));
    std::thread::scope(|scope| {
        let (line, stamps) = (&line, &stamps);
        let there = named(b).spawn_scoped(scope, move || {
            let is_pinned = pin(b);
            // It answers even if it is not pinned, because the other side waits for it.
            line.answer(stamps);
            is_pinned
        });
        let there = there.ok()?;
        let here = named(a).spawn_scoped(scope, move || {
            let result = pin(a).then(|| side(line, stamps));
            line.turn.store(END, Ordering::Release);
            result
        });
        let Ok(here) = here else {
            line.turn.store(END, Ordering::Release);
            return None;
        };
        let result = here.join().ok().flatten();
        let is_pinned = there.join().unwrap_or(false);
        result.filter(|_| is_pinned)
    })
}

/// Pins the calling thread to a core. Returns whether the system allowed it.
#[must_use]
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_round_trip_is_the_median() {
        assert!((half_round_trip(&[9_000, 8_000, 1_000_000], 100) - 45.0).abs() < 1e-9);
        assert!(half_round_trip(&[], 100).abs() < 1e-9);
    }
}
