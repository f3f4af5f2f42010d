//! Distributions and episodes over time, and what was still there of each when orders arrived.

use super::list::{DIRECTIONS, List, float, number};
use crate::kernel::episode::Episodes;
use crate::kernel::moments::Moments;
use crate::report::{Cell, Kind};
use spreadwire_market::spread::BPS;

/// The quantiles of distributions.
const QUANTILES: [(&str, f64); 7] = [
    ("p01", 0.01),
    ("p05", 0.05),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p95", 0.95),
    ("p99", 0.99),
];

impl List {
    pub(super) fn time_weighted(&mut self) {
        self.group = "time-weighted";
        self.add("live_hours", "h", "Time in which both legs were live.", |facts| {
            number(facts.timed().map(|timed| float(timed.deviation.weight) / 3.6e12))
        });
        self.add("live_share", "", "Live time as a share of the recorded time.", |facts| {
            let recorded = float(facts.recorded.total_ns().max(1));
            number(facts.timed().map(|t| (float(t.deviation.weight) / recorded).min(1.0)))
        });
        self.moments("deviation", "bid1/bid2 - 1", None);
        for (tag, q) in QUANTILES {
            let meaning =
                format!("For {:.0} % of the live time, the deviation is at most this.", q * 100.0);
            self.add(format!("deviation_{tag}_bps"), "bp", meaning, move |facts| {
                number(facts.timed().and_then(|timed| timed.deviations.quantile(q)))
            });
        }
        for (direction, name) in DIRECTIONS.into_iter().enumerate() {
            let what = format!("the net spread of direction {name}");
            self.moments(&format!("net_{name}"), &what, Some(direction));
            for (tag, q) in QUANTILES {
                let meaning =
                    format!("For {:.0} % of the live time, {what} is at most this.", q * 100.0);
                self.add(format!("net_{name}_{tag}_bps"), "bp", meaning, move |facts| {
                    number(facts.timed().and_then(|timed| timed.nets[direction].quantile(q)))
                });
            }
        }
    }

    /// Adds the moments of the deviation, or of the net spread of a direction.
    fn moments(&mut self, name: &str, what: &str, direction: Option<usize>) {
        let mut add = |tag: &str, meaning: &str, figure: fn(&Moments) -> Option<f64>| {
            self.add(
                format!("{name}_{tag}_bps"),
                "bp",
                format!("{meaning} {what}."),
                move |facts| {
                    let of = facts.timed().map(|timed| match direction {
                        Some(direction) => &timed.net[direction],
                        None => &timed.deviation,
                    });
                    number(of.and_then(figure).map(|value| value * BPS))
                },
            );
        };
        add("mean", "Mean over time of", Moments::mean);
        add("sd", "Standard deviation over time of", Moments::deviation);
        add("min", "Least value of", Moments::least);
        add("max", "Greatest value of", Moments::greatest);
    }

    pub(super) fn thresholds(&mut self, thresholds: &[f64]) {
        for (place, bps) in thresholds.iter().enumerate() {
            for (direction, name) in DIRECTIONS.into_iter().enumerate() {
                self.threshold(place, direction, &format!("{bps}bp_{name}"));
            }
        }
    }

    fn threshold(&mut self, place: usize, direction: usize, tag: &str) {
        self.group = "time-weighted";
        let mut add = |name: &str, unit, meaning: &str, cell: fn(&Episodes, f64) -> Cell| {
            let kind = if name == "episodes" { Kind::Count } else { Kind::Number };
            self.add(format!("{name}_{tag}"), unit, meaning, move |facts| {
                let live = facts.timed().map_or(0, |timed| timed.deviation.weight);
                let episodes = facts.episodes(direction, place);
                episodes.map_or(Cell::None, |episodes| cell(episodes, float(live.max(1))))
            });
            self.holds(kind);
        };
        add("time_above", "", "Share of the live time at or above the threshold.", |of, live| {
            Cell::Number(float(of.lasted_ns) / live)
        });
        add("episodes", "", "Number of episodes.", |of, _| Cell::Count(of.count));
        add("duration_p50_s", "s", "Median duration of an episode.", |of, _| {
            number(of.durations.quantile(0.5))
        });
        add("duration_p95_s", "s", "Duration that 95 % of episodes do not exceed.", |of, _| {
            number(of.durations.quantile(0.95))
        });
        add("peak_p50_bps", "bp", "Median of the episodes' highest net spreads.", |of, _| {
            number(of.peaks.quantile(0.5))
        });
        add("peak_max_bps", "bp", "Highest net spread.", |of, _| number(of.peak_bps));
        add("size_mean", "quote", "Mean size available at both quotes.", |of, _| {
            number(of.mean_size())
        });
        self.group = "capturable";
        let mut add = |name: &str, unit, meaning: &str, cell: fn(&Episodes) -> Cell| {
            let kind = if name == "arrived" { Kind::Count } else { Kind::Number };
            self.add(format!("{name}_{tag}"), unit, meaning, move |facts| {
                facts.episodes(direction, place).map_or(Cell::None, cell)
            });
            self.holds(kind);
        };
        add("arrived", "", "Number of orders that arrived while both legs were live.", |of| {
            Cell::Count(of.arrived)
        });
        add("still_there", "", "Share of those orders that still met the threshold.", |of| {
            number(of.still_there_share())
        });
        add("met_bps", "bp", "Mean net spread that they met.", |of| number(of.mean_met_bps()));
    }
}
