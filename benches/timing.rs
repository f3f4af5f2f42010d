//! Times of small kernels as quantiles: each sample is a batch of calls, divided.
//!
//! A batch is long enough that the two readings of the clock do not show, and short enough that what
//! disturbs the machine stays in few samples. It must not know what is timed.

use crate::results;
use serde_json::{Map, Value, json};
use spreadwire_market::clock::Clock;

/// Times of one kernel.
pub(crate) struct Samples {
    nanos: Vec<f64>,
}

impl Samples {
    /// `samples` batches of `calls` calls, after a tenth as many that are not counted.
    pub(crate) fn take(samples: usize, calls: u32, mut call: impl FnMut()) -> Samples {
        let clock = Clock::host();
        let mut nanos = Vec::with_capacity(samples);
        for number in 0..samples + samples / 10 {
            let start = clock.now();
            (0..calls).for_each(|_| call());
            let spent = clock.now() - start;
            if samples / 10 <= number {
                nanos.push(spent as f64 / f64::from(calls));
            }
        }
        nanos.sort_by(f64::total_cmp);
        Samples { nanos }
    }

    /// Those of times that were taken elsewhere, ns.
    pub(crate) fn of(mut nanos: Vec<f64>) -> Samples {
        nanos.sort_by(f64::total_cmp);
        Samples { nanos }
    }

    /// The time at a quantile, ns.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the list"
    )]
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let place = (self.nanos.len() as f64 * quantile) as usize;
        self.nanos[place.min(self.nanos.len() - 1)]
    }

    /// Prints a line and appends a row; with its ratios to a yardstick's, where there is one.
    pub(crate) fn tell(&self, [bench, case, who]: [&str; 3], yardstick: Option<&Samples>) {
        let mut row = Map::new();
        for (key, text) in [("bench", bench), ("case", case), ("who", who), ("unit", "ns")] {
            row.insert(key.to_owned(), json!(text));
        }
        let mut line = format!("{:<34}", format!("{bench}/{case}/{who}"));
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            let value = (self.quantile(quantile) * 100.0).round() / 100.0;
            line += &format!("  {name} {value:>8.1}");
            row.insert(name.to_owned(), json!(value));
        }
        for (name, quantile) in [("ratio_p50", 0.5), ("ratio_p99", 0.99)] {
            let Some(yardstick) = yardstick else { continue };
            let ratio = self.quantile(quantile) / yardstick.quantile(quantile);
            row.insert(name.to_owned(), json!(ratio));
            line += &format!("  {name} {ratio:.2}");
        }
        println!("{line}");
        results::append(&Value::Object(row));
    }
}

/// Whether this is a measurement (`cargo bench`) and not a check (`cargo test --benches`).
pub(crate) fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// So many samples when measuring, few otherwise.
pub(crate) fn samples(when_measuring: usize) -> usize {
    if measuring() { when_measuring } else { 10 }
}
