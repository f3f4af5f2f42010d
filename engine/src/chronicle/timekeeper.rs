//! Keeps the process's clock in step with `CLOCK_REALTIME`, and tells when it was not.
//!
//! About once a second the two clocks are compared. An error beyond the limit is told in the log, counted,
//! and becomes an entry of the ledger: from when until when the times of the run were off, and by how much.
//! How the clock is corrected is described at [`Clock`].
//!
//! The wall clock may have been wrong all along, until somebody set it. So where the kernel says that nothing
//! kept it right, the entry begins when that began, and otherwise at the last comparison that was well.

use crate::runtime::duration;
use crate::runtime::kernel_clock::KernelClock;
use spreadwire_lake::ledger::Entry;
use spreadwire_market::clock::{Clock, Comparison, Correction, Nanos, SECOND};
use spreadwire_market::counters::{Counter, Counters};

/// Time between two comparisons.
const INTERVAL: Nanos = SECOND;
/// While the clock is off, it is told again after this time, in the ledger and the log.
const TELL_INTERVAL: Nanos = 60 * SECOND;

/// Compares the clocks.
#[derive(Debug)]
pub(super) struct Timekeeper {
    clock: Clock,
    /// A larger error is told and corrected at once, ns.
    max_error: Nanos,
    kernel: fn() -> Option<KernelClock>,
    due: Nanos,
    /// Time of the last comparison that was well.
    well_at: Nanos,
    /// When the kernel began to say that nothing keeps its clock right.
    unsynchronised_since: Option<Nanos>,
    off: Option<Off>,
    counters: ClockCounters,
}

/// A time in which the clock is off.
#[derive(Clone, Copy, Debug)]
struct Off {
    from: Nanos,
    /// The largest error in it.
    error: i64,
}

#[derive(Debug)]
struct ClockCounters {
    /// By how much the clock was ahead or behind at the last comparison, ns.
    ahead: Counter,
    behind: Counter,
    /// Times that it was found to be off.
    steps: Counter,
    /// Whether the kernel says that nothing keeps its clock right, and the error that it thinks possible.
    unsynchronised: Counter,
    maximum_error: Counter,
}

impl Timekeeper {
    pub(super) fn new(clock: Clock, max_error: Nanos, counters: &Counters) -> Timekeeper {
        let counter = |name: &str| counters.register(&format!("clock.{name}"));
        let well_at = clock.now();
        Timekeeper {
            clock,
            max_error,
            kernel: || KernelClock::read().ok(),
            due: 0,
            well_at,
            unsynchronised_since: None,
            off: None,
            counters: ClockCounters {
                ahead: counter("ahead_ns"),
                behind: counter("behind_ns"),
                steps: counter("steps"),
                unsynchronised: counter("unsynchronised"),
                maximum_error: counter("kernel_error_max_ns"),
            },
        }
    }

    /// Compares the clocks if that is due, and returns an entry for the ledger if the times were off.
    pub(super) fn tend(&mut self, now: Nanos) -> Option<Entry> {
        if now < self.due {
            return None;
        }
        let found = self.clock.discipline(self.max_error);
        let entry = found.and_then(|found| self.judge(found));
        self.due = self.clock.now() + INTERVAL;
        entry
    }

    /// Compares the clocks for the last time.
    pub(super) fn end(&mut self) -> Option<Entry> {
        let found = self.clock.discipline(self.max_error)?;
        let entry = self.judge(found);
        entry.or_else(|| self.off.take().map(|off| off.until(found.time)))
    }

    fn judge(&mut self, found: Comparison) -> Option<Entry> {
        let Comparison { time, error, correction, until } = found;
        let (ahead, behind) = (error.max(0).unsigned_abs(), error.min(0).unsigned_abs());
        self.counters.ahead.set(ahead);
        self.counters.behind.set(behind);
        let entry = match (self.off, correction) {
            (None, Correction::Slewing) => None,
            (Some(off), Correction::Slewing) => {
                tracing::info!(target: "clock", "receive times are right again");
                self.off = None;
                Some(off.until(time))
            }
            (None, Correction::Stepped | Correction::Slowed) => self.begin(found),
            (Some(off), Correction::Stepped) => {
                self.off = None;
                Some(off.with(error).until(until))
            }
            (Some(off), Correction::Slowed) => self.go_on(off.with(error), found),
        };
        if entry.is_some() && self.off.is_none() {
            // Whoever set the wall clock vouches for it from then on.
            self.unsynchronised_since = None;
            let has_stepped = correction == Correction::Stepped;
            self.well_at = until.wrapping_add_signed(if has_stepped { -error } else { 0 });
        }
        self.ask_kernel();
        if correction == Correction::Slewing {
            self.well_at = time;
        }
        entry
    }

    /// The clock is found to be off.
    fn begin(&mut self, found: Comparison) -> Option<Entry> {
        let Comparison { error, correction, until, .. } = found;
        self.counters.steps.add(1);
        let from = self.unsynchronised_since.unwrap_or(self.well_at).min(self.well_at);
        let off = Off { from, error };
        let by = duration::in_words(error.unsigned_abs());
        if correction == Correction::Stepped {
            tracing::warn!(
                target: "clock",
                "the wall clock was set forward: receive times were {by} behind it; they are right from \
                 now on, and the ledger says which were not"
            );
            return Some(off.until(until));
        }
        tracing::warn!(
            target: "clock",
            "the wall clock was set back: receive times are {by} ahead of it; our clock runs at half speed \
             until they are right, and the ledger says which were not; a restart corrects them at once"
        );
        self.off = Some(off);
        None
    }

    /// The clock is still off.
    fn go_on(&mut self, off: Off, Comparison { time, error, .. }: Comparison) -> Option<Entry> {
        if time < off.from.saturating_add(TELL_INTERVAL) {
            self.off = Some(off);
            return None;
        }
        let by = duration::in_words(error.unsigned_abs());
        tracing::warn!(target: "clock", "receive times are still {by} ahead of the wall clock");
        self.off = Some(Off { from: time, error });
        Some(off.until(time))
    }

    fn ask_kernel(&mut self) {
        let Some(kernel) = (self.kernel)() else { return };
        self.counters.unsynchronised.set(u64::from(!kernel.is_synchronised));
        self.counters.maximum_error.set(kernel.maximum_error);
        let since = self.unsynchronised_since.unwrap_or(self.well_at);
        self.unsynchronised_since = (!kernel.is_synchronised).then_some(since);
    }
}

impl Off {
    /// The same with an error, if it is larger.
    fn with(self, error: i64) -> Off {
        let is_larger = self.error.unsigned_abs() < error.unsigned_abs();
        Off { error: if is_larger { error } else { self.error }, ..self }
    }

    fn until(self, until: Nanos) -> Entry {
        Entry::of_clock(self.from, until, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::clock::{MILLI, Script};

    const START: Nanos = 1_700_000_000 * SECOND;
    const LIMIT: Nanos = 100 * MILLI;
    const HOUR: i64 = 3_600_000_000_000;

    struct Rig {
        keeper: Timekeeper,
        script: Script,
        counters: Counters,
    }

    const fn kernel(is_synchronised: bool) -> KernelClock {
        KernelClock { is_synchronised, estimated_error: 5, maximum_error: 7 }
    }

    fn rig(kernel: fn() -> Option<KernelClock>) -> Rig {
        let counters = Counters::default();
        let (clock, script) = Clock::scripted(START);
        let keeper = Timekeeper { kernel, ..Timekeeper::new(clock, LIMIT, &counters) };
        Rig { keeper, script, counters }
    }

    impl Rig {
        /// Lets so many seconds pass, and returns the entries: from and until in seconds since the start, and
        /// the error, ns.
        fn pass(&mut self, seconds: u64) -> Vec<(u64, u64, i64)> {
            let look = |_| {
                self.script.pass(SECOND);
                self.keeper.tend(self.keeper.clock.now()).map(|entry| told(&entry))
            };
            (0..seconds).filter_map(look).collect()
        }

        fn gauges(&self) -> [u64; 3] {
            ["ahead_ns", "behind_ns", "steps"].map(|n| self.counters.expect(&format!("clock.{n}")))
        }
    }

    fn told(entry: &Entry) -> (u64, u64, i64) {
        let second = |time: Nanos| (time - START) / SECOND;
        (second(entry.time), second(entry.until.unwrap()), entry.clock_error().unwrap())
    }

    #[test]
    fn a_clock_that_is_right_is_no_entry() {
        let mut rig = rig(|| Some(kernel(true)));
        assert_eq!(rig.pass(100), []);
        rig.script.step(50_000_000);
        assert_eq!(rig.pass(1), [], "drift is slewed away");
        assert_eq!(rig.gauges(), [0, 50_000_000, 0]);
        assert_eq!(rig.keeper.end(), None);
    }

    #[test]
    fn a_wall_clock_that_steps_forward_is_followed_and_told() {
        let mut rig = rig(|| Some(kernel(true)));
        rig.pass(10);
        rig.script.step(HOUR);
        assert_eq!(rig.pass(1), [(10, 11, -HOUR)]);
        assert_eq!(rig.gauges(), [0, HOUR.unsigned_abs(), 1]);
        assert_eq!(rig.pass(100), []);
        assert_eq!(rig.gauges(), [0, 0, 1]);
        assert_eq!(rig.keeper.clock.now(), START + 111 * SECOND + HOUR.unsigned_abs());
    }

    #[test]
    fn a_wall_clock_that_steps_back_is_told_until_the_times_are_right() {
        let mut rig = rig(|| Some(kernel(true)));
        rig.pass(10);
        rig.script.step(-37 * SECOND.cast_signed());
        let seconds = rig.pass(100);
        let [(10, until, error)] = seconds[..] else { panic!("{seconds:?}") };
        assert!((46..=50).contains(&until), "by its own time it took half as long: {until}");
        assert_eq!(error, 37 * SECOND.cast_signed());
        assert_eq!(rig.gauges()[2], 1);
        rig.script.step(-HOUR);
        let minutes = rig.pass(700);
        assert!(3 < minutes.len(), "a long correction is told by the minute: {minutes:?}");
        assert!(
            minutes.windows(2).all(|pair| pair[0].1 == pair[1].0),
            "without a hole: {minutes:?}"
        );
        assert!(
            minutes.windows(2).all(|pair| pair[1].2 < pair[0].2),
            "it gets better: {minutes:?}"
        );
        let last = rig.keeper.end().map(|entry| told(&entry)).unwrap();
        assert_eq!(minutes.last().unwrap().1, last.0, "the end of the run closes it");
    }

    #[test]
    fn times_are_doubted_from_when_the_kernel_vouched_for_nothing() {
        let mut rig = rig(|| Some(kernel(false)));
        rig.pass(2_400);
        rig.script.step(3_600_000_000);
        assert_eq!(rig.pass(1), [(0, 2_401, -3_600_000_000)]);
        assert_eq!(rig.counters.expect("clock.unsynchronised"), 1);
        assert_eq!(rig.counters.expect("clock.kernel_error_max_ns"), 7);
        rig.pass(60);
        rig.script.step(HOUR);
        let (from, until, _) = rig.pass(1)[0];
        assert_eq!(until - from, 61, "since it was set last");
        rig.keeper.kernel = || Some(kernel(true));
        rig.pass(60);
        rig.keeper.kernel = || None;
        rig.script.step(HOUR);
        let (from, until, _) = rig.pass(1)[0];
        assert_eq!(until - from, 1, "it was right a second ago");
        assert_eq!(rig.counters.expect("clock.unsynchronised"), 0);
    }
}
