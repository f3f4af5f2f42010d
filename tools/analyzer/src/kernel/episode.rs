//! Episodes of one direction at one threshold, and what an order sent when one begins would get.
//!
//! An episode lasts as long as both legs are live and the net spread is at the threshold or above.
//! At its beginning both orders are sent; each meets the quote that stands when it arrives. What is
//! captured is the net spread between those two, on the size that both quotes and the configured
//! size allow. It must not know venues or how states come about.

use crate::kernel::histogram::Histogram;
use serde::{Deserialize, Serialize};

/// Millionths.
const MICRO: f64 = 1e6;

/// What the episodes of one direction and threshold were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    /// How many.
    pub count: u64,
    /// How long they lasted together, ns.
    pub lasted_ns: u64,
    /// How long each lasted, s.
    pub durations: Histogram,
    /// The highest net spread of each, bp.
    pub peaks: Histogram,
    /// The highest of all, bp.
    pub peak_bps: Option<f64>,
    /// Quote currency available at the two prices, times ns, in thousandths; where sizes are known.
    size_ns: u128,
    sized_ns: u64,
    /// Both orders arrived while both legs were live.
    pub arrived: u64,
    /// Of those: the net spread that they met was above zero.
    pub still_there: u64,
    /// What they met, net, millionths of a basis point, together.
    met: i128,
    /// What was captured, millionths of the quote currency, by hour since 1970.
    pub captured: Vec<(i64, Captured)>,
}

/// What was captured within an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Episodes that began.
    pub episodes: u64,
    /// Millionths of the quote currency; below zero if more was lost.
    pub micros: i128,
}

/// What two orders met when they arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Met {
    /// Net spread between the two prices, fraction.
    pub net: f64,
    /// What was traded, quote currency.
    pub notional: f64,
}

impl Episodes {
    /// One has ended that began in this hour since 1970.
    pub fn ended(&mut self, lasted_ns: u64, peak_bps: f64) {
        self.count += 1;
        self.lasted_ns += lasted_ns;
        #[expect(clippy::cast_precision_loss, reason = "a bucket is wider")]
        self.durations.add(lasted_ns as f64 / 1e9, 1);
        self.peaks.add(peak_bps, 1);
        self.peak_bps = Some(self.peak_bps.map_or(peak_bps, |peak| peak.max(peak_bps)));
    }

    /// One has begun.
    pub fn began(&mut self, hour: i64) {
        self.hour(hour).episodes += 1;
    }

    fn hour(&mut self, hour: i64) -> &mut Captured {
        // Orders of an hour may arrive in the next: look from the end.
        let place = self.captured.iter().rposition(|(at, _)| *at <= hour);
        let place = match place {
            Some(place) if self.captured[place].0 == hour => place,
            Some(place) => {
                self.captured.insert(place + 1, (hour, Captured::default()));
                place + 1
            }
            None => {
                self.captured.insert(0, (hour, Captured::default()));
                0
            }
        };
        &mut self.captured[place].1
    }

    /// So much was to be had at the two prices, quote currency, for so long.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size is positive, and saturates"
    )]
    pub fn available(&mut self, notional: f64, lasted_ns: u64) {
        self.size_ns += u128::from((notional * 1e3) as u64) * u128::from(lasted_ns);
        self.sized_ns += lasted_ns;
    }

    /// The orders of an episode that began in this hour have arrived.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates far from any real figure")]
    pub fn arrived(&mut self, hour: i64, met: Met) {
        self.arrived += 1;
        self.still_there += u64::from(0.0 < met.net);
        self.met += i128::from((met.net * 1e4 * MICRO).round() as i64);
        let captured = i128::from((met.net * met.notional * MICRO).round() as i64);
        self.hour(hour).micros += captured;
    }

    /// Adds those of a later unit.
    pub fn merge(&mut self, later: &Episodes) {
        self.count += later.count;
        self.lasted_ns += later.lasted_ns;
        self.durations.merge(&later.durations);
        self.peaks.merge(&later.peaks);
        self.peak_bps = match (self.peak_bps, later.peak_bps) {
            (Some(mine), Some(theirs)) => Some(mine.max(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.size_ns += later.size_ns;
        self.sized_ns += later.sized_ns;
        self.arrived += later.arrived;
        self.still_there += later.still_there;
        self.met += later.met;
        for (hour, captured) in &later.captured {
            let mine = self.hour(*hour);
            mine.episodes += captured.episodes;
            mine.micros += captured.micros;
        }
    }

    /// Mean of what was to be had by time, quote currency; `None` where sizes are not known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean_size(&self) -> Option<f64> {
        (0 < self.sized_ns).then(|| self.size_ns as f64 / 1e3 / self.sized_ns as f64)
    }

    /// Mean of the net spread that orders met, bp.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn mean_met_bps(&self) -> Option<f64> {
        (0 < self.arrived).then(|| self.met as f64 / MICRO / self.arrived as f64)
    }

    /// Share of arrived orders whose gap still paid.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn still_there_share(&self) -> Option<f64> {
        (0 < self.arrived).then(|| self.still_there as f64 / self.arrived as f64)
    }

    /// What was captured in hours that `which` takes, quote currency.
    #[expect(clippy::cast_precision_loss, reason = "the last rounding before a figure is shown")]
    pub fn captured(&self, which: impl Fn(i64) -> bool) -> f64 {
        let of = self.captured.iter().filter(|(hour, _)| which(*hour));
        of.map(|(_, captured)| captured.micros).sum::<i128>() as f64 / MICRO
    }
}
