//! Tests the percentile distributions of a run with known latencies.

use spreadwire_engine::runtime::agent::Agent;
use spreadwire_engine::runtime::stopwatch::{self, Stopwatch};
use spreadwire_engine::telemetry::{Board, Telemetry};
use spreadwire_market::clock::{Clock, MICRO, Nanos, SECOND};
use spreadwire_market::instrument::VenueId;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) const START: Nanos = 1_700_000_000 * SECOND;
const VENUES: [&str; 2] = ["binance", "okx"];
pub(crate) const STAGES: [&str; 2] = ["read_to_quote", "read_to_spread"];

/// Records two stages of two venues over three intervals, of which the third is cut short by the
/// end. Returns the number of samples of each tag.
pub(crate) fn write(folder: &Path) -> BTreeMap<String, u64> {
    let clock = Clock::manual(START);
    let venues: Vec<VenueId> = (0..2).map(VenueId).collect();
    let pair = |stage| stopwatch::pair(stage, venues.clone(), clock.clone());
    let (mut watches, readings): (Vec<Stopwatch>, Vec<_>) = STAGES.map(pair).into_iter().unzip();
    let names = VENUES.map(str::to_owned).to_vec();
    let mut telemetry =
        Telemetry::new(readings, names, Board::default(), Some(folder), START).unwrap();
    let mut counts = BTreeMap::new();
    for interval in 1..=3 {
        for (at, watch) in watches.iter_mut().enumerate() {
            for (venue, name) in VENUES.iter().enumerate() {
                // The second venue is silent in the second interval.
                let samples = if (venue, interval) == (1, 2) { 0 } else { 1_000 + 7 * interval };
                for sample in 0..samples {
                    let latency = (1 + at as u64 * 1_000) * MICRO + sample * sample;
                    watch.record(VenueId(u8::try_from(venue).unwrap()), START, START + latency);
                }
                *counts.entry(format!("{}.{name}", STAGES[at])).or_insert(0) += samples;
            }
        }
        if interval < 3 {
            let now = START + interval * SECOND;
            clock.set(now);
            assert_eq!(telemetry.do_work(now), STAGES.len());
            watches.iter_mut().for_each(|watch| watch.turn(now));
            telemetry.do_work(now);
        }
    }
    // A process that is killed now leaves whole lines; nothing waits in memory.
    let log = std::fs::read_to_string(folder.join("latency.hlog")).unwrap();
    assert!(log.ends_with('\n') && log.lines().filter(|l| l.starts_with("Tag=")).count() == 6);
    clock.set(START + 2_500 * SECOND / 1_000);
    watches.iter_mut().for_each(|watch| assert!(watch.finish().is_none()));
    drop(watches);
    telemetry.do_work(START + 2_500 * SECOND / 1_000);
    assert!(telemetry.is_finished());
    telemetry.on_close();
    counts
}

/// Returns value in us and running count by percentile, and the total, of a percentile
/// distribution.
pub(crate) fn distribution(file: &Path) -> (Vec<[f64; 3]>, u64) {
    let text = std::fs::read_to_string(file).unwrap();
    let numbers = |line: &str| -> Option<[f64; 3]> {
        let fields: Option<Vec<f64>> =
            line.split_whitespace().map(|field| field.parse().ok()).collect();
        fields.filter(|fields| 3 <= fields.len()).map(|fields| [fields[0], fields[1], fields[2]])
    };
    let rows = text.lines().filter_map(numbers).collect();
    let total = text.split("Total count    =").nth(1).unwrap();
    let total = total.split(']').next().unwrap().trim().parse().unwrap();
    (rows, total)
}
