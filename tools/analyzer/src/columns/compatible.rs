//! The compatible columns: metrics over the rows of exchange1.

use super::list::{List, float, number};
use crate::facts::seconds;
use crate::kernel::compatible::{LEVELS, Section};
use crate::report::{Cell, Kind};

impl List {
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

    pub(super) fn compatible(&mut self) {
        self.section("max_deviation_pct", "%", "Greatest deviation over rows.", |of, _| {
            number(of.range.map(|range| range.1))
        });
        self.section("min_deviation_pct", "%", "Least deviation over rows.", |of, _| {
            number(of.range.map(|range| range.0))
        });
        self.section("deviation_asymmetry", "%", "Mean deviation over rows.", |of, _| {
            number(of.mean())
        });
        self.section(
            "zero_crossings",
            "",
            "Number of consecutive rows with deviations of opposite signs.",
            |of, _| Cell::Count(of.crossings),
        );
        self.holds(Kind::Count);
        self.section("zero_crossings_per_hour", "1/h", "Zero crossings per hour.", |of, hours| {
            Cell::Number(per(of.crossings, hours))
        });
        self.section(
            "zero_crossings_per_minute",
            "1/min",
            "Zero crossings per minute.",
            |of, hours| Cell::Number(per(of.crossings, hours) / 60.0),
        );
        for (level, tag) in ["030bp", "050bp", "040bp"].into_iter().enumerate() {
            self.level(level, tag);
        }
        self.section("data_points", "", "Number of rows of exchange1.", |of, _| {
            Cell::Count(of.rows)
        });
        self.holds(Kind::Count);
        self.section(
            "duration_hours",
            "h",
            "Time from the first to the last row of exchange1.",
            |_, hours| Cell::Number(hours),
        );
    }

    fn level(&mut self, level: usize, tag: &str) {
        let percent = LEVELS[level];
        self.section(
            &format!("opportunity_cycles_{tag}"),
            "",
            &format!("How often |deviation| was above {percent} % and then fell below 0.05 %."),
            move |of, _| Cell::Count(of.levels[level].cycles),
        );
        self.holds(Kind::Count);
        self.section(
            &format!("cycles_{tag}_per_hour"),
            "1/h",
            "Those cycles per hour.",
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
            "Time above per cycle: that share of the duration, divided by the cycles.",
            move |of, hours| {
                let cycles = of.levels[level].cycles;
                let all = hours * 36.0 * share_above(of, level);
                Cell::Number(if cycles == 0 { 0.0 } else { all / float(cycles) })
            },
        );
        self.section(
            &format!("pattern_break_{tag}"),
            "",
            &format!("Whether |deviation| of the last row was above {percent} %."),
            move |of, _| Cell::Flag(percent < of.last.unwrap_or(0.0).abs()),
        );
        self.holds(Kind::Flag);
    }
}

fn hours_of(ns: i64) -> f64 {
    seconds(ns) / 3600.0
}

fn per(count: u64, hours: f64) -> f64 {
    if hours == 0.0 { 0.0 } else { float(count) / hours }
}

fn share_above(of: &Section, level: usize) -> f64 {
    if of.known == 0 { 0.0 } else { float(of.levels[level].above) / float(of.known) * 100.0 }
}
