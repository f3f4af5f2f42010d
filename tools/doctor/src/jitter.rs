//! Measures hiccups: interruptions of a core that does nothing but read the time.
//!
//! A pinned thread on each core reads the time-stamp counter in a loop. The smallest gap between
//! two readings is the cost of the loop. A gap of more than [`TIMES`] the smallest, and more than
//! [`LEAST`], is a hiccup, and its length is recorded. An engine's spinning thread on that core
//! would be interrupted in the same way, whatever it does. Erik Rigtorp's `hiccups` works like
//! this.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A hiccup is longer than this many times the smallest gap.
pub const TIMES: u64 = 8;
/// A hiccup is also longer than this, ns, because a counter that advances in steps shows gaps that
/// are too small.
pub const LEAST: u64 = 100;
/// Number of gaps over which the smallest is taken.
const CALIBRATION: usize = 10_000;
/// Longest hiccup that is recorded with its length, ns; longer ones are recorded as this.
const LONGEST: u64 = 60_000_000_000;
/// Lengths above which hiccups are counted, ns.
pub const COUNTED: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Limits below which an isolated core is accepted: p99.9 and the longest hiccup, ns.
pub const ACCEPTED: (u64, u64) = (5_000, 20_000);

/// The hiccups of one core.
#[derive(Clone, Debug)]
pub struct Hiccups {
    histogram: Histogram<u64>,
    counts: [u64; COUNTED.len()],
    total_ns: u64,
}

impl Default for Hiccups {
    fn default() -> Self {
        Hiccups::new()
    }
}

impl Hiccups {
    /// Returns an empty set. All memory is allocated here.
    ///
    /// # Panics
    /// Never, because the bounds are constants that the library accepts.
    #[must_use]
    pub fn new() -> Hiccups {
        let histogram =
            Histogram::new_with_bounds(1, LONGEST, 3).expect("the histogram accepts these bounds");
        Hiccups { histogram, counts: [0; COUNTED.len()], total_ns: 0 }
    }

    /// Records a hiccup, ns.
    pub fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.total_ns = self.total_ns.saturating_add(ns);
        for (count, bound) in self.counts.iter_mut().zip(COUNTED) {
            *count += u64::from(bound < ns);
        }
    }

    /// Returns the distribution in the format of HdrHistogram's plotter (`.hgrm`), in microseconds.
    #[must_use]
    pub fn hgrm(&self) -> String {
        let all = &self.histogram;
        let mut text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
        let mut line = |line: String| writeln!(text, "{line}").expect("a String accepts any text");
        let mut seen = 0;
        for step in all.iter_quantiles(5) {
            seen += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            let value = micros(step.value_iterated_to());
            // The last line has no further value to compare with.
            let rest = 1.0 / (1.0 - quantile);
            let rest = if rest.is_finite() { format!("{rest:14.2}") } else { String::new() };
            line(format!("{value:12.3} {quantile:2.12} {seen:10} {rest}").trim_end().to_owned());
        }
        line(format!(
            "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
            all.mean() / 1e3,
            all.stdev() / 1e3
        ));
        line(format!("#[Max     = {:12.3}, Total count    = {:12}]", micros(all.max()), all.len()));
        line(format!(
            "#[Buckets = {:12}, SubBuckets     = {:12}]",
            all.buckets(),
            all.distinct_values()
        ));
        text
    }

    /// Returns the figures of a core that was watched for `watched_ns`.
    #[must_use]
    pub fn figures(&self, cpu: usize, watched_ns: u64) -> Figures {
        let at = |quantile| self.histogram.value_at_quantile(quantile);
        let (p999, max) = (at(0.999), self.histogram.max());
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let lost = self.total_ns as f64 / watched_ns.max(1) as f64;
        Figures {
            cpu,
            watched_ns,
            hiccups: self.histogram.len(),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p99_9_ns: p999,
            p99_99_ns: at(0.9999),
            max_ns: max,
            above_10us: self.counts[0],
            above_100us: self.counts[1],
            above_1ms: self.counts[2],
            lost,
            accepted: p999 < ACCEPTED.0 && max < ACCEPTED.1,
        }
    }
}

/// Hiccup figures of one core.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// CPU number.
    pub cpu: usize,
    /// Time for which the core was watched, ns.
    pub watched_ns: u64,
    /// Number of hiccups.
    pub hiccups: u64,
    /// Median length, ns.
    pub p50_ns: u64,
    /// Length that 99 % do not exceed, ns.
    pub p99_ns: u64,
    /// Length that 99.9 % do not exceed, ns.
    pub p99_9_ns: u64,
    /// Length that 99.99 % do not exceed, ns.
    pub p99_99_ns: u64,
    /// Longest, ns.
    pub max_ns: u64,
    /// Number of hiccups over 10 us.
    pub above_10us: u64,
    /// Number of hiccups over 100 us.
    pub above_100us: u64,
    /// Number of hiccups over 1 ms.
    pub above_1ms: u64,
    /// Share of the time spent in hiccups.
    pub lost: f64,
    /// Whether p99.9 and the longest are below [`ACCEPTED`].
    pub accepted: bool,
}

#[expect(clippy::cast_precision_loss, reason = "microseconds for people")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// Returns the smallest gap between two readings in the counter's ticks, at least 1.
pub fn smallest_gap(mut now: impl FnMut() -> u64) -> u64 {
    let mut last = now();
    let mut gap = || {
        let then = std::mem::replace(&mut last, now());
        last.saturating_sub(then)
    };
    (0..CALIBRATION).map(|_| gap()).filter(|gap| 0 < *gap).min().unwrap_or(1)
}

/// Reads the counter until it reaches `end` and passes every gap above `threshold` ticks to
/// `record`. The time spent in `record` is not part of any gap. Returns the last reading.
pub fn watch(
    mut now: impl FnMut() -> u64,
    end: u64,
    threshold: u64,
    mut record: impl FnMut(u64, u64),
) -> u64 {
    let mut last = now();
    while last < end {
        let then = std::mem::replace(&mut last, now());
        if threshold < last.saturating_sub(then) {
            record(then, last);
            last = now();
        }
    }
    last
}

/// Watches several cores at the same time, with a pinned thread on each. Calls `progress` about ten
/// times a second with the share that is done.
///
/// # Errors
/// If a thread cannot be started or pinned.
pub fn measure(
    cpus: &[usize],
    duration: Duration,
    mut progress: impl FnMut(f64),
) -> anyhow::Result<Vec<(Figures, Hiccups)>> {
    let clock = quanta::Clock::new();
    let ended = AtomicU64::new(0);
    let (clock, ended) = (&clock, &ended);
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for &cpu in cpus {
            let builder = std::thread::Builder::new().name(format!("jitter-{cpu}"));
            let thread = move || {
                let result = core(cpu, duration, clock);
                ended.fetch_add(1, Ordering::Release);
                result
            };
            threads.push(builder.spawn_scoped(scope, thread)?);
        }
        let start = clock.raw();
        while ended.load(Ordering::Acquire) < cpus.len() as u64 {
            let elapsed = Duration::from_nanos(clock.delta_as_nanos(start, clock.raw()));
            progress((elapsed.as_secs_f64() / duration.as_secs_f64().max(1e-9)).min(1.0));
            std::thread::sleep(Duration::from_millis(100).min(duration));
        }
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
    })
}

fn core(
    cpu: usize,
    duration: Duration,
    clock: &quanta::Clock,
) -> anyhow::Result<(Figures, Hiccups)> {
    anyhow::ensure!(
        crate::topology::pin(cpu),
        "CPU {cpu}: the system does not allow a thread to be pinned there"
    );
    let mut hiccups = Hiccups::new();
    let now = || clock.raw();
    let wanted = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let start = now();
    let threshold = smallest_gap(now).saturating_mul(TIMES).max(ticks(clock, start, LEAST));
    let start = now();
    let end = start.saturating_add(ticks(clock, start, wanted));
    let last = watch(now, end, threshold, |from, to| {
        hiccups.record(clock.delta_as_nanos(from, to));
    });
    Ok((hiccups.figures(cpu, clock.delta_as_nanos(start, last)), hiccups))
}

/// Converts `ns` to ticks of the counter. The clock itself only converts in the other direction.
fn ticks(clock: &quanta::Clock, start: u64, ns: u64) -> u64 {
    const PROBE: u64 = 1 << 32;
    let of_probe = clock.delta_as_nanos(start, start.saturating_add(PROBE)).max(1);
    let ticks = u128::from(ns) * u128::from(PROBE) / u128::from(of_probe);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a counter that shows the given readings, then advances in tens.
    fn counter(readings: &[u64]) -> impl FnMut() -> u64 + '_ {
        let mut last = 0;
        let mut rest = readings.iter();
        move || {
            last = rest.next().copied().unwrap_or(last + 10);
            last
        }
    }

    #[test]
    fn a_gap_above_the_threshold_is_a_hiccup_and_the_time_to_record_it_is_in_no_gap() {
        let mut seen = Vec::new();
        // 10 to 500 is a hiccup. The 900 that pass while it is recorded are part of no gap.
        let readings = [0, 10, 500, 1_400, 1_410, 1_490, 1_571];
        let last = watch(counter(&readings), 1_580, 80, |from, to| seen.push((from, to)));
        assert_eq!(seen, [(10, 500), (1_490, 1_571)]);
        assert_eq!(last, 1_581);
    }

    #[test]
    fn a_counter_that_steps_back_is_not_a_hiccup() {
        let mut seen = 0;
        watch(counter(&[100, 50, 60]), 200, 80, |_, _| seen += 1);
        assert_eq!(seen, 0);
    }

    #[test]
    fn the_smallest_gap_is_never_zero() {
        assert_eq!(smallest_gap(counter(&[0, 0, 100, 107])), 7);
        assert_eq!(smallest_gap(|| 5), 1);
    }

    #[test]
    fn figures_count_strictly_above_their_bounds() {
        let mut hiccups = Hiccups::new();
        [1_000, 10_000, 10_001, 100_001, 1_000_001].into_iter().for_each(|ns| hiccups.record(ns));
        let figures = hiccups.figures(3, 2_242_006);
        assert_eq!((figures.cpu, figures.hiccups), (3, 5));
        assert_eq!((figures.above_10us, figures.above_100us, figures.above_1ms), (3, 2, 1));
        assert!((figures.lost - 0.5).abs() < 0.001, "{}", figures.lost);
        assert!(!figures.accepted);
    }

    #[test]
    fn a_quiet_core_is_accepted() {
        let mut hiccups = Hiccups::new();
        (0..10_000).for_each(|_| hiccups.record(1_300));
        hiccups.record(17_900);
        assert!(hiccups.figures(2, 1).accepted);
        assert!(Hiccups::new().figures(2, 1).accepted, "a core without a hiccup");
    }

    #[test]
    fn the_last_line_of_the_percentile_file_counts_all_hiccups() {
        let mut hiccups = Hiccups::new();
        (1..=1_000).for_each(|us| hiccups.record(us * 1_000));
        let text = hiccups.hgrm();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with(' ')).skip(1).collect();
        let columns = |row: &str| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let last = columns(rows.last().unwrap());
        assert_eq!(last[1..], ["1.000000000000", "1000"]);
        let median = rows.iter().map(|row| columns(row)).find(|row| row[1].starts_with("0.5"));
        assert_eq!(median.unwrap()[2..], ["500", "2.00"]);
    }
}
