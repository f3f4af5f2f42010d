//! The columns of the ranking: name, unit and meaning of each, and where its value comes from.
//! `docs/metrics.md` has the formulas; a test compares the names.

use crate::kernel::{Metrics, Settings};
use list::List;

mod compatible;
mod decision;
mod lead_lag;
mod list;
mod reversion;
mod time_weighted;
mod trust;

pub use list::{Column, Comparison, Source};

/// Returns the columns of an analysis, in order.
#[must_use]
pub fn columns(settings: &Settings) -> Vec<Column> {
    let Metrics { compatible, timed, reversion, lead_lag } = settings.metrics;
    let mut list = List::default();
    list.names();
    if compatible {
        list.compatible();
    }
    if timed {
        list.decision();
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

#[cfg(test)]
mod tests {
    use super::list::DIRECTIONS;
    use super::*;
    use crate::kernel::VenueTerms;
    use crate::kernel::lead_lag::Grid;
    use std::collections::BTreeSet;

    fn all() -> Settings {
        Settings {
            metrics: Metrics { compatible: true, timed: true, reversion: true, lead_lag: true },
            max_age_ns: 1,
            outlier: 0.05,
            thresholds_bps: vec![-2.5, 0.0, 10.0],
            size: 1.0,
            sampling_ns: 1,
            play: crate::kernel::play::PlaySettings::default(),
            transfers: BTreeSet::new(),
            lags: Grid::default(),
            venues: std::collections::BTreeMap::new(),
            others: VenueTerms { taker_fee: 0.0, latency_ns: 0 },
        }
    }

    /// Returns a name as the document writes it: thresholds, directions and levels as letters.
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
