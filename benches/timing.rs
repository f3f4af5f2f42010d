//! Times of small kernels as quantiles: each sample is the time of a batch divided by its calls.
//!
//! A batch is long enough to hide the two clock readings, and short enough that a disturbance
//! affects only a few samples.

use crate::results;
use serde_json::{Map, Value, json};
use spreadwire_market::clock::Clock;

/// Times of one kernel.
pub struct Samples {
    nanos: Vec<f64>,
}

impl Samples {
    /// Measures `samples` batches of `calls` calls, after a tenth as many as warm-up.
    pub fn take(samples: usize, calls: u32, mut call: impl FnMut()) -> Samples {
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

    /// Wraps times that were measured elsewhere, ns.
    pub fn of(mut nanos: Vec<f64>) -> Samples {
        nanos.sort_by(f64::total_cmp);
        Samples { nanos }
    }

    /// Returns the time at a quantile, ns.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of the list"
    )]
    pub fn quantile(&self, quantile: f64) -> f64 {
        let place = (self.nanos.len() as f64 * quantile) as usize;
        self.nanos[place.min(self.nanos.len() - 1)]
    }

    /// Prints a line and appends a row, with ratios to a yardstick if there is one.
    pub fn tell(&self, [bench, case, who]: [&str; 3], yardstick: Option<&Samples>) {
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

/// Returns whether this is a measurement (`cargo bench`) and not a check (`cargo test --benches`).
pub fn measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Returns the number of samples: as given when measuring, otherwise few.
pub fn samples(when_measuring: usize) -> usize {
    if measuring() { when_measuring } else { 10 }
}
