//! Compares several ways of doing the same thing by quantiles of the time per call.
//!
//! Alternatives run interleaved, a batch of calls each, and every round starts with another one, so
//! machine noise hits all equally. The clock is read around a batch. A sample is the batch's time
//! divided by its calls; nothing is subtracted. Ratios are relative to the first contestant of the
//! same run. If `SPREADWIRE_RESULTS` is set, each row is also appended to that file as a line of
//! JSON.

use benches::results;
use hdrhistogram::Histogram;
use spreadwire_market::clock::Clock;

/// Picoseconds per nanosecond; samples are kept in picoseconds.
const PICO: u64 = 1_000;

/// One of the alternatives.
pub(crate) struct Contestant<'a> {
    who: &'static str,
    /// Makes the calls of one batch. It receives the batch's number, so that its input may vary.
    batch: Box<dyn FnMut(usize) + 'a>,
    samples: Histogram<u64>,
}

impl<'a> Contestant<'a> {
    pub(crate) fn new(who: &'static str, batch: impl FnMut(usize) + 'a) -> Contestant<'a> {
        let samples = Histogram::new_with_bounds(1, 1_000_000_000_000, 3);
        let samples = samples.unwrap_or_else(|e| unreachable!("the bounds are valid: {e}"));
        Contestant { who, batch: Box::new(batch), samples }
    }

    /// Returns a quantile in nanoseconds per call.
    #[expect(clippy::cast_precision_loss, reason = "times below an hour")]
    fn quantile(&self, quantile: f64) -> f64 {
        self.samples.value_at_quantile(quantile) as f64 / PICO as f64
    }
}

/// Returns whether this is `cargo bench`; otherwise the bench runs briefly, as a test.
pub(crate) fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Compares the contestants in `rounds` batches of `calls` each, after a tenth as many as warm-up.
/// Prints a table, and appends it to the results.
pub(crate) fn compare(
    bench: &str,
    case: &str,
    (rounds, calls): (usize, u64),
    contestants: &mut [Contestant<'_>],
) {
    let clock = Clock::host();
    let rounds = if measuring() { rounds } else { 2 };
    for round in 0..rounds + rounds / 10 {
        for turn in 0..contestants.len() {
            let place = (round + turn) % contestants.len();
            let contestant = &mut contestants[place];
            let start = clock.now();
            (contestant.batch)(round);
            let spent = clock.now().saturating_sub(start);
            if rounds / 10 <= round {
                contestant.samples.saturating_record(spent * PICO / calls);
            }
        }
    }
    println!("{case:<24}{:>9}{:>9}{:>9}{:>8}  ns a call", "p50", "p90", "p99", "ratio");
    let first = contestants.first().map_or(1.0, |first| first.quantile(0.5)).max(0.001);
    for contestant in &*contestants {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|quantile| contestant.quantile(quantile));
        let (who, ratio) = (contestant.who, p50 / first);
        println!("  {who:<22}{p50:>9.1}{p90:>9.1}{p99:>9.1}{ratio:>8.2}");
        if measuring() {
            results::append_quantiles([bench, case, who, "ns"], [p50, p90, p99], ratio);
        }
    }
}
