//! Measures how far apart cores are, by handing a cache line back and forth between two pinned
//! threads.
//!
//! Half a round trip is the cost of one hand-over, like the figure of `core-to-core-latency`. If
//! each side also reads its time-stamp counter, the same exchange bounds the offset between the two
//! counters: the stamp taken on the other core must lie between the two stamps taken on this one.

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

/// Stamps of one exchange in ns, each by the counter of its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When this side sent the line.
    pub sent: u64,
    /// When the other side had the line.
    pub there: u64,
    /// When the line was back on this side.
    pub back: u64,
}

/// Bounds on how far the second CPU's counter is ahead of the first's, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Skew {
    /// The two CPUs.
    pub cpus: (usize, usize),
    /// Lower bound.
    pub low: i64,
    /// Upper bound.
    pub high: i64,
}

impl Skew {
    /// Returns the bounds that all exchanges of a pair allow; `None` if there is no exchange.
    ///
    /// Exchanges can contradict each other because of the counter's resolution, or because a
    /// reading was reordered. In that case the bounds are the two contradicting values.
    #[must_use]
    pub fn of(cpus: (usize, usize), exchanges: &[Exchange]) -> Option<Skew> {
        let apart = |there: u64, here: u64| there.wrapping_sub(here).cast_signed();
        let low = exchanges.iter().map(|it| apart(it.there, it.back)).max()?;
        let high = exchanges.iter().map(|it| apart(it.there, it.sent)).min()?;
        Some(Skew { cpus, low: low.min(high), high: low.max(high) })
    }

    /// Returns how far apart the counters are at least, ns.
    #[must_use]
    pub fn proven(&self) -> i64 {
        self.low.max(-self.high).max(0)
    }

    /// Returns how far apart the counters are at most, ns.
    #[must_use]
    pub fn bound(&self) -> i64 {
        self.low.abs().max(self.high.abs())
    }
}

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
    use proptest::prelude::*;

    fn exchange(sent: u64, there: u64, back: u64) -> Exchange {
        Exchange { sent, there, back }
    }

    #[test]
    fn a_skew_lies_between_what_all_exchanges_allow() {
        let skew = Skew::of((0, 1), &[exchange(0, 100, 150), exchange(1_000, 1_080, 1_100)]);
        assert_eq!(skew, Some(Skew { cpus: (0, 1), low: -20, high: 80 }));
        let skew = skew.unwrap();
        assert_eq!((skew.proven(), skew.bound()), (0, 80));
        assert_eq!(Skew::of((0, 1), &[]), None);
    }

    #[test]
    fn a_counter_that_is_behind_or_ahead_is_proven_so() {
        let behind = Skew::of((0, 1), &[exchange(1_000, 0, 1_100)]).unwrap();
        assert_eq!((behind.low, behind.high, behind.proven()), (-1_100, -1_000, 1_000));
        let ahead = Skew::of((0, 1), &[exchange(0, 1_000, 100)]).unwrap();
        assert_eq!((ahead.proven(), ahead.bound()), (900, 1_000));
    }

    #[test]
    fn exchanges_that_contradict_each_other_prove_nothing() {
        let skew = Skew::of((0, 1), &[exchange(0, 40, 30), exchange(100, 90, 130)]).unwrap();
        assert_eq!((skew.low, skew.high, skew.proven()), (-10, 10, 0));
    }

    #[test]
    fn half_a_round_trip_is_the_median() {
        assert!((half_round_trip(&[9_000, 8_000, 1_000_000], 100) - 45.0).abs() < 1e-9);
        assert!(half_round_trip(&[], 100).abs() < 1e-9);
    }

    proptest! {
        /// The true skew is within the bounds however long the hand-overs take.
        #[test]
        fn the_true_skew_is_never_excluded(
            skew in -1_000_i64..1_000,
            ways in prop::collection::vec((0_u64..500, 0_u64..500), 1..20),
        ) {
            let start = 1_000_000_u64;
            let exchanges: Vec<Exchange> = ways.iter().map(|(to, fro)| {
                let there = (start + to).wrapping_add_signed(skew);
                exchange(start, there, start + to + fro)
            }).collect();
            let found = Skew::of((0, 1), &exchanges).unwrap();
            prop_assert!(found.low <= skew && skew <= found.high);
            prop_assert!(found.proven() <= skew.abs() && skew.abs() <= found.bound());
        }
    }
}
