//! Every column of the ranking: its name, unit and meaning, and where its value comes from.
//! `docs/metrics.md` has the formulas; a test compares the names. It must not know formats.

use crate::figures::{Facts, seconds};
use crate::kernel::compatible::Section;
use crate::kernel::episode::Episodes;
use crate::kernel::moments::Moments;
use crate::kernel::reversion::WINDOWS;
use crate::kernel::{Metrics, Settings};
use crate::report::{self, Cell, Kind};
use crate::statistics::ou::HalfLife;
use spreadwire_market::spread::BPS;

/// A column.
pub struct Column {
    /// What it is.
    pub about: report::Column,
    /// Where its value comes from.
    pub source: Source,
}

/// Where a value comes from.
#[expect(missing_debug_implementations, reason = "a closure has none")]
pub enum Source {
    /// From one pair's facts.
    Pair(Box<dyn Fn(&Facts<'_>) -> Cell + Send + Sync>),
    /// From all pairs together.
    Across(Comparison),
}

/// What is compared over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Benjamini-Hochberg over the Dickey-Fuller tests.
    AdfQValue,
    /// Place in the first half of the time.
    RankFirstHalf,
    /// Place in the second half.
    RankSecondHalf,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The directions as names have them: buy on 1 and sell on 2, and the reverse.
const DIRECTIONS: [&str; 2] = ["12", "21"];

/// The columns of an analysis, in order.
#[must_use]
pub fn columns(settings: &Settings) -> Vec<Column> {
    let Metrics { compatible, timed, reversion, lead_lag } = settings.metrics;
    let mut list = List::default();
    list.names();
    if compatible {
        list.compatible();
    }
    if timed {
        list.best();
        list.time_weighted();
        list.thresholds(&settings.thresholds_bps);
    }
    if reversion {
        list.reversion();
    }
    if lead_lag {
        list.lead_lag();
    }
    if timed || lead_lag {
        list.trust(timed);
    }
    list.columns
}

#[derive(Default)]
struct List {
    group: &'static str,
    columns: Vec<Column>,
}

fn number(value: Option<f64>) -> Cell {
    value.map_or(Cell::None, Cell::Number)
}

fn count(value: Option<u64>) -> Cell {
    value.map_or(Cell::None, Cell::Count)
}

fn flag(value: Option<bool>) -> Cell {
    value.map_or(Cell::None, Cell::Flag)
}

fn text(value: Option<&str>) -> Cell {
    value.map_or(Cell::None, |value| Cell::Text(value.to_owned()))
}

#[expect(clippy::cast_precision_loss, reason = "counts and times are shown with fewer digits")]
fn float(count: u64) -> f64 {
    count as f64
}

impl List {
    fn add(
        &mut self,
        name: impl Into<String>,
        unit: &str,
        meaning: impl Into<String>,
        cell: impl Fn(&Facts<'_>) -> Cell + Send + Sync + 'static,
    ) {
        self.push(name.into(), unit, meaning.into(), Source::Pair(Box::new(cell)));
    }

    fn push(&mut self, name: String, unit: &str, meaning: String, source: Source) {
        let (group, unit) = (self.group.to_owned(), unit.to_owned());
        let about = report::Column { name, group, unit, meaning, kind: Kind::Number };
        self.columns.push(Column { about, source });
    }

    /// The last column holds something other than numbers.
    fn holds(&mut self, kind: Kind) {
        if let Some(column) = self.columns.last_mut() {
            column.about.kind = kind;
        }
    }

    fn names(&mut self) {
        self.group = "compatible";
        self.add("symbol", "", "The instrument.", |facts| text(Some(facts.instrument)));
        self.holds(Kind::Text);
        self.add("exchange1", "", "The venue whose name comes first.", |facts| {
            text(Some(facts.one))
        });
        self.holds(Kind::Text);
        self.add("exchange2", "", "The other venue.", |facts| text(Some(facts.two)));
        self.holds(Kind::Text);
    }

    fn section(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        cell: impl Fn(&Section, f64) -> Cell + Send + Sync + 'static,
    ) {
        self.add(name, unit, meaning, move |facts| {
            let compatible = facts.sums.compatible.as_ref();
            compatible.map_or(Cell::None, |sums| cell(sums.total(), hours_of(sums.duration_ns())))
        });
    }

    fn compatible(&mut self) {
        self.section("max_deviation_pct", "%", "Greatest deviation over rows.", |of, _| {
            number(of.range.map(|range| range.1))
        });
        self.section("min_deviation_pct", "%", "Least deviation over rows.", |of, _| {
            number(of.range.map(|range| range.0))
        });
        self.section("deviation_asymmetry", "%", "Mean deviation over rows.", |of, _| {
            number(of.mean())
        });
        self.section("zero_crossings", "", "Consecutive rows of opposite signs.", |of, _| {
            Cell::Count(of.crossings)
        });
        self.holds(Kind::Count);
        self.section("zero_crossings_per_hour", "1/h", "Zero crossings by time.", |of, hours| {
            Cell::Number(per(of.crossings, hours))
        });
        self.section("zero_crossings_per_minute", "1/min", "The same.", |of, hours| {
            Cell::Number(per(of.crossings, hours) / 60.0)
        });
        for (level, tag) in ["030bp", "050bp", "040bp"].into_iter().enumerate() {
            self.level(level, tag);
        }
        self.section("data_points", "", "Rows of exchange1.", |of, _| Cell::Count(of.rows));
        self.holds(Kind::Count);
        self.section("duration_hours", "h", "First to last row of exchange1.", |_, hours| {
            Cell::Number(hours)
        });
    }

    fn level(&mut self, level: usize, tag: &str) {
        let percent = crate::kernel::compatible::LEVELS[level];
        self.section(
            &format!("opportunity_cycles_{tag}"),
            "",
            &format!("Times |deviation| was above {percent} % and came back below 0.05 %."),
            move |of, _| Cell::Count(of.levels[level].cycles),
        );
        self.holds(Kind::Count);
        self.section(
            &format!("cycles_{tag}_per_hour"),
            "1/h",
            "The same by time.",
            move |of, hours| Cell::Number(per(of.levels[level].cycles, hours)),
        );
        self.section(
            &format!("pct_time_above_{tag}"),
            "%",
            &format!("Share of rows with |deviation| above {percent} %."),
            move |of, _| Cell::Number(share_above(of, level)),
        );
        self.section(
            &format!("avg_cycle_duration_{tag}_sec"),
            "s",
            "Share above times duration by cycle.",
            move |of, hours| {
                let cycles = of.levels[level].cycles;
                let all = hours * 36.0 * share_above(of, level);
                Cell::Number(if cycles == 0 { 0.0 } else { all / float(cycles) })
            },
        );
        self.section(
            &format!("pattern_break_{tag}"),
            "",
            &format!("Whether the last row was above {percent} %."),
            move |of, _| Cell::Flag(percent < of.last.unwrap_or(0.0).abs()),
        );
        self.holds(Kind::Flag);
    }

    fn best(&mut self) {
        self.group = "capturable";
        self.add(
            "capture_per_day",
            "quote/day",
            "Expected capture of the best direction and threshold.",
            |facts| {
                let nothing = facts.timed().map(|_| 0.0);
                number(facts.best.map(|best| best.capture).or(nothing))
            },
        );
        self.add("best_direction", "", "Where to buy and where to sell for it.", |facts| {
            let names = |buy: &str, sell: &str| Cell::Text(format!("buy {buy} sell {sell}"));
            match facts.best.map(|best| best.direction) {
                Some(0) => names(facts.one, facts.two),
                Some(_) => names(facts.two, facts.one),
                None => Cell::None,
            }
        });
        self.holds(Kind::Text);
        self.add("best_threshold_bps", "bp", "Net spread from which to enter for it.", |facts| {
            number(facts.best.map(|best| facts.settings.thresholds_bps[best.threshold]))
        });
        self.of_best("capture_bps", "bp", "Mean net spread that its orders met.", |episodes| {
            number(episodes.mean_met_bps())
        });
        self.of_best("still_there_share", "", "Share of its orders that still paid.", |episodes| {
            number(episodes.still_there_share())
        });
        self.of_best("orders", "", "Its orders that arrived.", |of| Cell::Count(of.arrived));
        self.holds(Kind::Count);
    }

    fn of_best(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        cell: impl Fn(&Episodes) -> Cell + Send + Sync + 'static,
    ) {
        self.add(name, unit, meaning, move |facts| {
            let best = facts.best.and_then(|best| facts.episodes(best.direction, best.threshold));
            best.map_or(Cell::None, &cell)
        });
    }

    fn time_weighted(&mut self) {
        self.group = "time-weighted";
        self.add("live_hours", "h", "Time with both legs live.", |facts| {
            number(facts.timed().map(|timed| float(timed.deviation.weight) / 3.6e12))
        });
        self.add("live_share", "", "The same as a share of the time observed.", |facts| {
            number(facts.timed().map(|t| float(t.deviation.weight) / float(t.span_ns.max(1))))
        });
        self.moments("deviation", "bid1/bid2 - 1", None);
        for (tag, q) in QUANTILES {
            let meaning =
                format!("{:.0} % of the live time the deviation is at most this.", q * 100.0);
            self.add(format!("deviation_{tag}_bps"), "bp", meaning, move |facts| {
                number(facts.timed().and_then(|timed| timed.deviations.quantile(q)))
            });
        }
        for (direction, name) in DIRECTIONS.into_iter().enumerate() {
            let what = format!("the net spread of direction {name}");
            self.moments(&format!("net_{name}"), &what, Some(direction));
            for (tag, q) in QUANTILES {
                let meaning =
                    format!("{:.0} % of the live time {what} is at most this.", q * 100.0);
                self.add(format!("net_{name}_{tag}_bps"), "bp", meaning, move |facts| {
                    number(facts.timed().and_then(|timed| timed.nets[direction].quantile(q)))
                });
            }
        }
    }

    /// Of the deviation, or of the net spread of a direction.
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
        add("mean", "Mean by time of", Moments::mean);
        add("sd", "Standard deviation by time of", Moments::deviation);
        add("min", "Least value of", Moments::least);
        add("max", "Greatest value of", Moments::greatest);
    }

    fn thresholds(&mut self, thresholds: &[f64]) {
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
        add("time_above", "", "Share of the live time at the threshold or above.", |of, live| {
            Cell::Number(float(of.lasted_ns) / live)
        });
        add("episodes", "", "Episodes.", |of, _| Cell::Count(of.count));
        add("duration_p50_s", "s", "Median duration.", |of, _| number(of.durations.quantile(0.5)));
        add("duration_p95_s", "s", "95 % last no longer.", |of, _| {
            number(of.durations.quantile(0.95))
        });
        add("peak_p50_bps", "bp", "Median of the episodes' highest net.", |of, _| {
            number(of.peaks.quantile(0.5))
        });
        add("peak_max_bps", "bp", "Highest net.", |of, _| number(of.peak_bps));
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
        add("arrived", "", "Orders that arrived with both legs live.", |of| {
            Cell::Count(of.arrived)
        });
        add("still_there", "", "Share of those that still paid.", |of| {
            number(of.still_there_share())
        });
        add("met_bps", "bp", "Mean net that they met.", |of| number(of.mean_met_bps()));
        self.add(
            format!("capture_per_day_{tag}"),
            "quote/day",
            "Expected capture.",
            move |facts| number(facts.capture(direction, place)),
        );
    }

    fn half_life(
        &mut self,
        name: &str,
        unit: &str,
        meaning: &str,
        cell: impl Fn(HalfLife) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.add(name, unit, meaning, move |facts| {
            let sampling = facts.sampling_s();
            number(facts.timed().and_then(|t| t.reversion.half_life(0, sampling)).and_then(&cell))
        });
    }

    fn reversion(&mut self) {
        self.group = "mean reversion";
        self.half_life(
            "half_life_s",
            "s",
            "Half-life of ln(mid1/mid2), maximum likelihood.",
            |h| Some(h.half_life_s),
        );
        self.half_life("half_life_low_s", "s", "95 % interval from.", |h| Some(h.low_s));
        self.half_life("half_life_high_s", "s", "95 % interval to; none: no end.", |h| h.high_s);
        self.half_life("level_bps", "bp", "The level it returns to.", |h| Some(h.mean * BPS));
        self.half_life("level_sd_bps", "bp", "Its stationary deviation.", |h| Some(h.sd * BPS));
        self.add("reversion", "", "reversion, quote noise, or none.", |f| text(f.verdict()));
        self.holds(Kind::Text);
        self.add("half_life_robust_s", "s", "Half-life with quote noise taken out.", |facts| {
            let of = |f: &Facts<'_>| f.timed()?.reversion.robust_half_life(f.sampling_s());
            number(of(facts).map(|robust| robust.half_life_s))
        });
        self.add(
            "noise_share",
            "",
            "Share of the samples' variance that is quote noise.",
            |facts| {
                let of = |f: &Facts<'_>| f.timed()?.reversion.robust_half_life(f.sampling_s());
                number(of(facts).map(|robust| robust.noise_share))
            },
        );
        self.add("half_lives", "", "Half-lives observed; below 10 they say nothing.", |facts| {
            let of = |f: &Facts<'_>| {
                let (reversion, sampling) = (&f.timed()?.reversion, f.sampling_s());
                let found = reversion.half_life(0, sampling)?;
                Some(reversion.half_lives_observed(found.half_life_s, sampling))
            };
            number(of(facts))
        });
        self.add("adf_statistic", "", "Augmented Dickey-Fuller, constant, 10 lags.", |facts| {
            number(facts.timed().and_then(|t| t.reversion.adf()).map(|adf| adf.statistic))
        });
        self.add("adf_p_value", "", "Its p-value (MacKinnon).", |facts| {
            number(facts.timed().and_then(|t| t.reversion.adf()).map(|adf| adf.p_value))
        });
        let meaning = "The p-value adjusted over all pairs (Benjamini-Hochberg).".to_owned();
        let q_value = Source::Across(Comparison::AdfQValue);
        self.push("adf_q_value".to_owned(), "", meaning, q_value);
        for q in WINDOWS {
            self.variance_ratio(q);
        }
        self.add("hurst", "", "Hurst exponent (DFA-1); 0.5: a random walk.", |facts| {
            number(facts.timed().and_then(|t| t.reversion.hurst()))
        });
    }

    fn variance_ratio(&mut self, q: u32) {
        let meaning = format!("Variance ratio over {q} samples; below 1: reversion.");
        self.add(format!("variance_ratio_{q}"), "", meaning, move |facts| {
            let ratios = facts.timed().map(|t| t.reversion.variance_ratios()).unwrap_or_default();
            number(ratios.iter().find(|ratio| ratio.q == q).map(|ratio| ratio.ratio))
        });
        let meaning = "Its robust z.".to_owned();
        self.add(format!("variance_ratio_{q}_z"), "", meaning, move |facts| {
            let ratios = facts.timed().map(|t| t.reversion.variance_ratios()).unwrap_or_default();
            number(ratios.iter().find(|ratio| ratio.q == q).map(|ratio| ratio.z))
        });
    }

    fn lead_lag(&mut self) {
        self.group = "lead-lag";
        self.add("lead_lag_ms", "ms", "Lag of the peak; positive: exchange1 leads.", |facts| {
            number(facts.lead_lag.as_ref().map(|of| seconds(of.peak_lag_ns) * 1e3))
        });
        self.add("leader", "", "Who leads, where the peak is no chance.", |facts| {
            use crate::kernel::lead_lag::Leader;
            match facts.lead_lag.as_ref().and_then(|of| of.leader) {
                Some(Leader::Exchange1) => text(Some(facts.one)),
                Some(Leader::Exchange2) => text(Some(facts.two)),
                None => Cell::None,
            }
        });
        self.holds(Kind::Text);
        self.add("lead_lag_correlation", "", "Hayashi-Yoshida correlation there.", |facts| {
            number(facts.lead_lag.as_ref().map(|of| of.peak_correlation))
        });
        self.add("lead_lag_band", "", "Beyond this in 1 % of cases by chance.", |facts| {
            number(facts.lead_lag.as_ref().and_then(|of| of.band))
        });
        self.add("lead_lag_p_value", "", "Chance of such a peak at some lag.", |facts| {
            number(facts.lead_lag.as_ref().and_then(|of| of.p_value))
        });
        self.add("lead_lag_ratio", "", "Above 1: exchange1 leads on the whole.", |facts| {
            number(facts.lead_lag.as_ref().and_then(|of| of.lead_lag_ratio))
        });
    }

    fn trust(&mut self, timed: bool) {
        self.group = "trust";
        for venue in 0..2 {
            self.venue(venue);
        }
        if !timed {
            return;
        }
        self.add("same_asset", "", "Whether both legs are one thing, by prices.", |facts| {
            text(facts.same_asset())
        });
        self.holds(Kind::Text);
        self.add("minute_correlation", "", "Correlation of the mids' minute changes.", |facts| {
            number(facts.timed().and_then(|timed| timed.together.correlation()))
        });
        self.add("level_shift", "", "Whether the deviation's level moved for good.", |facts| {
            flag(facts.has_shifted())
        });
        self.holds(Kind::Flag);
        self.add("level_shift_bps", "bp", "By how much, at the likeliest hour.", |facts| {
            number(facts.shift.map(|shift| shift.shift * BPS))
        });
        let rank = |list: &mut List, name: &str, half: &str, comparison| {
            let meaning = format!("Place by expected capture in the {half} half of the time.");
            list.push(name.to_owned(), "", meaning, Source::Across(comparison));
        };
        rank(self, "rank_first_half", "first", Comparison::RankFirstHalf);
        rank(self, "rank_second_half", "second", Comparison::RankSecondHalf);
    }

    fn venue(&mut self, venue: usize) {
        let n = venue + 1;
        let of = format!("of exchange{n}");
        let mut counts = |name: &str, meaning: &str, figure: fn(&Facts<'_>, usize) -> u64| {
            self.add(format!("{name}{n}"), "", format!("{meaning} {of}."), move |facts| {
                count(Some(figure(facts, venue)))
            });
            self.holds(Kind::Count);
        };
        counts("rows", "Quotes", |facts, venue| facts.venues[venue].rows);
        counts("silences", "Times without a quote for the maximum age", |facts, venue| {
            facts.venues[venue].silences
        });
        counts("marked_gaps", "Gaps that the recorder marked", |facts, venue| {
            facts.venues[venue].marked_gaps
        });
        counts("crossed", "Quotes with bid above ask", |facts, venue| facts.venues[venue].crossed);
        let meaning = format!("Share of the time {of} without a fresh quote.");
        self.add(format!("stale_share{n}"), "", meaning, move |facts| {
            let sums = facts.venues[venue];
            number((0 < sums.span_ns()).then(|| float(sums.stale_ns) / float(sums.span_ns())))
        });
        for (tag, q) in [("p01", 0.01), ("p50", 0.5), ("p99", 0.99)] {
            let meaning =
                format!("Receive time less event time {of}, quantile {q}: clock and way.");
            self.add(format!("clock_offset{n}_{tag}_ms"), "ms", meaning, move |facts| {
                number(facts.venues[venue].delays.quantile(q))
            });
        }
    }
}

/// Quantiles of distributions.
const QUANTILES: [(&str, f64); 7] = [
    ("p01", 0.01),
    ("p05", 0.05),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p95", 0.95),
    ("p99", 0.99),
];

fn hours_of(ns: i64) -> f64 {
    seconds(ns) / 3600.0
}

fn per(count: u64, hours: f64) -> f64 {
    if hours == 0.0 { 0.0 } else { float(count) / hours }
}

fn share_above(of: &Section, level: usize) -> f64 {
    if of.known == 0 { 0.0 } else { float(of.levels[level].above) / float(of.known) * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::VenueTerms;
    use crate::kernel::lead_lag::Grid;
    use std::collections::BTreeSet;

    fn all() -> Settings {
        Settings {
            metrics: Metrics { compatible: true, timed: true, reversion: true, lead_lag: true },
            max_age_ns: 1,
            thresholds_bps: vec![-2.5, 0.0, 10.0],
            size: 1.0,
            sampling_ns: 1,
            lags: Grid::default(),
            venues: std::collections::BTreeMap::new(),
            others: VenueTerms { taker_fee: 0.0, latency_ns: 0 },
        }
    }

    /// A name as the document has it: thresholds, directions and levels by letter.
    fn as_documented(name: &str) -> String {
        let mut name = name.to_owned();
        for bps in ["-2.5", "0", "10"] {
            for direction in DIRECTIONS {
                if let Some(start) = name.strip_suffix(&format!("_{bps}bp_{direction}")) {
                    name = format!("{start}_Xbp_D");
                }
            }
        }
        for level in ["030bp", "050bp", "040bp"] {
            name = name.replace(level, "T");
        }
        name.replace("net_12_", "net_D_").replace("net_21_", "net_D_")
    }

    #[test]
    fn every_column_is_defined_in_the_document_and_names_are_unique() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let document = std::fs::read_to_string(path).unwrap();
        let columns = columns(&all());
        let names: BTreeSet<&str> = columns.iter().map(|c| c.about.name.as_str()).collect();
        assert_eq!(names.len(), columns.len());
        for name in names {
            let name = format!("`{}`", as_documented(name));
            assert!(document.contains(&name), "docs/metrics.md does not define {name}");
        }
    }

    #[test]
    fn the_compatible_columns_are_the_customary_26_in_their_order() {
        let metrics = Metrics { compatible: true, timed: false, reversion: false, lead_lag: false };
        let columns = columns(&Settings { metrics, ..all() });
        let names: Vec<&str> = columns.iter().map(|c| c.about.name.as_str()).collect();
        let level = |t: &str| {
            [
                format!("opportunity_cycles_{t}"),
                format!("cycles_{t}_per_hour"),
                format!("pct_time_above_{t}"),
                format!("avg_cycle_duration_{t}_sec"),
                format!("pattern_break_{t}"),
            ]
        };
        let first = [
            "symbol",
            "exchange1",
            "exchange2",
            "max_deviation_pct",
            "min_deviation_pct",
            "deviation_asymmetry",
            "zero_crossings",
            "zero_crossings_per_hour",
            "zero_crossings_per_minute",
        ];
        let levels = ["030bp", "050bp", "040bp"].map(level).concat();
        let expected: Vec<&str> = first
            .into_iter()
            .chain(levels.iter().map(String::as_str))
            .chain(["data_points", "duration_hours"])
            .collect();
        assert_eq!(names, expected);
    }
}
