//! Nanoseconds in the units of the latency files: seconds and ms in the interval log, us in
//! distributions and plots.

use spreadwire_market::clock::{Nanos, SECOND};

/// The log's column `Interval_Max` is in ms, as in the Java writer; everything else is in ns.
const NS_PER_MS: f64 = 1e6;
/// Values in a percentile distribution are in us, with three decimals.
pub(super) const NS_PER_US: f64 = 1e3;

#[expect(clippy::cast_precision_loss, reason = "the format's unit is ms")]
pub(super) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / SECOND as f64
}

#[expect(clippy::cast_precision_loss, reason = "the format's unit is us")]
pub(super) fn millis(nanos: Nanos) -> f64 {
    nanos as f64 / NS_PER_MS
}

#[expect(clippy::cast_precision_loss, reason = "a minute in ns is exact")]
pub(super) fn micros(nanos: Nanos) -> f64 {
    nanos as f64 / NS_PER_US
}
