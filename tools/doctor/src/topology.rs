//! How far cores are apart: a cache line handed to and fro between two pinned threads.
//!
//! Half a round trip is the cost of one hand-over, as `core-to-core-latency` tells it. With a reading of
//! the time-stamp counter on each side the same exchange bounds how far the two counters are apart: what
//! was stamped over there must lie between the two stamps over here. It must not know what the cores
//! are for.

use crossbeam::utils::CachePadded;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

/// The line that goes to and fro, with what the other side stamped.
#[derive(Debug, Default)]
struct Line {
    turn: AtomicU64,
    /// What the other side's counter told, where it was to look.
    stamp: AtomicU64,
    /// Whether the other side is to look: it costs as much as a hand-over within one core complex.
    is_stamped: AtomicBool,
}

/// The turn that ends the exchange.
const END: u64 = u64::MAX;
/// Round trips in one sample of the latency: the two readings of the clock are 1 % of it.
const TRIPS: u64 = 100;
/// Samples of the latency of a pair.
const SAMPLES: usize = 200;
/// Samples of the skew of a pair.
const STAMPED: usize = 1_000;

/// One exchange, ns by each side's counter: sent here, stamped there, received here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When the line left.
    pub sent: u64,
    /// When the other side had it.
    pub there: u64,
    /// When it was back.
    pub back: u64,
}

/// Between which bounds the second CPU's counter is ahead of the first's, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Skew {
    /// The pair.
    pub cpus: (usize, usize),
    /// At least this.
    pub low: i64,
    /// At most this.
    pub high: i64,
}

impl Skew {
    /// What all exchanges of a pair allow; `None` without one. Where they contradict each other, by
    /// the grain of the counter or one that was read out of order, the bounds are what lies between.
    #[must_use]
    pub fn of(cpus: (usize, usize), exchanges: &[Exchange]) -> Option<Skew> {
        let apart = |there: u64, here: u64| there.wrapping_sub(here).cast_signed();
        let low = exchanges.iter().map(|it| apart(it.there, it.back)).max()?;
        let high = exchanges.iter().map(|it| apart(it.there, it.sent)).min()?;
        Some(Skew { cpus, low: low.min(high), high: low.max(high) })
    }

    /// How far they are apart for certain, ns.
    #[must_use]
    pub fn proven(&self) -> i64 {
        self.low.max(-self.high).max(0)
    }

    /// How far they may be apart, ns.
    #[must_use]
    pub fn bound(&self) -> i64 {
        self.low.abs().max(self.high.abs())
    }
}

/// What was measured of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The two CPUs, the smaller first.
    pub cpus: (usize, usize),
    /// One hand-over: half a round trip, median, ns.
    pub p50_ns: f64,
    /// How far their counters are apart.
    pub skew: Skew,
}

/// Half a round trip from samples of `trips` each, median, ns; 0 without samples.
#[must_use]
pub fn half_round_trip(samples: &[u64], trips: u64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds for people")]
    let half = median as f64 / (2 * trips.max(1)) as f64;
    half
}

/// Skews of the first CPU to each other one, within a budget of time; less if threads cannot be had.
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

/// Measures one pair. `None` if a thread cannot be had or pinned.
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
        // The first ones warm the caches.
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

/// Nanoseconds of the counter since the clock was made.
#[derive(Clone, Copy, Debug)]
struct Stamps<'a> {
    clock: &'a quanta::Clock,
    start: u64,
}

impl Stamps<'_> {
    /// Wraps below the start, so that a counter that is behind is told as behind.
    /// Between fences, without which the CPU reads the counter ahead of the line it waits for.
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
    /// Hands the line over and waits until it is back.
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

    /// The other side: stamps and hands back whatever comes, until the end.
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

/// Runs one side of an exchange on `a` while `b` answers. `None` if a thread cannot be had or pinned.
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
            // It answers wherever it is: the other side waits for it.
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

/// Puts the calling thread on a core; whether the system allowed it.
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
        /// Whatever the ways take, the true skew is within the bounds.
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
