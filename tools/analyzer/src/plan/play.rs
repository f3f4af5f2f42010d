//! Checks the arguments of the strategies that are played.

use super::problems::Problems;
use super::terms::ns;
use crate::carry::Carry;
use crate::kernel::play::PlaySettings;
use crate::options::Arguments;
use spreadwire_market::spread::BPS;
use std::ops::RangeInclusive;

/// How long a leg is completed, in ns: the trader's default.
const PATIENCE_NS: i64 = 1_000_000_000;
/// Funds of each venue, as a multiple of an order.
const INVENTORY: f64 = 5.0;

/// Returns the settings that all pairs share, with the cost of a transfer wherever one is allowed.
pub(super) fn play(
    arguments: &Arguments,
    entries_bps: &[f64],
    problems: &mut Problems,
) -> PlaySettings {
    let of = &arguments.strategies;
    list("--margins", &of.margins, &(0.0..=10_000.0), problems);
    list("--latencies", &of.latencies, &(0.0..=60_000.0), problems);
    list("--sizes", &of.sizes, &(0.001..=1_000.0), problems);
    let inventory = of.inventory.unwrap_or(INVENTORY * arguments.size);
    problems.within("--transfer-cost", &of.transfer_cost, &(0.0..=1_000.0));
    problems.within("--hedge-band", &of.hedge_band, &(0.0..=5_000.0));
    problems.within("--deals-per-hour", &of.deals_per_hour, &(1..=1_000));
    if inventory.is_nan() || inventory < arguments.size {
        let what = format!("{inventory} is less than --size, {}", arguments.size);
        problems.add("--inventory", what, "fund each venue with at least one order");
    }
    PlaySettings {
        entries_bps: entries_bps.to_vec(),
        margins_bps: of.margins.clone(),
        latencies_ns: of.latencies.iter().map(|ms| ns(*ms)).collect(),
        sizes: of.sizes.clone(),
        inventory,
        transfer: Some(of.transfer_cost / BPS),
        band: of.hedge_band / BPS,
        patience_ns: PATIENCE_NS,
        deals_per_hour: of.deals_per_hour,
    }
}

/// Reads the tables of funding and of interest.
pub(super) fn carry(arguments: &Arguments, problems: &mut Problems) -> Carry {
    let of = &arguments.strategies;
    let mut carry = Carry::default();
    let mut told = |option, found: Result<(), Vec<String>>| {
        for what in found.err().into_iter().flatten() {
            problems.add(option, what, "docs/analyzer.md explains the columns");
        }
    };
    if let Some(path) = &of.funding {
        told("--funding", carry.read_funding(path));
    }
    if let Some(path) = &of.borrow {
        told("--borrow", carry.read_borrow(path));
    }
    carry
}

/// Tells of numbers outside a range, and of too many.
fn list(option: &'static str, given: &[f64], range: &RangeInclusive<f64>, problems: &mut Problems) {
    if 6 < given.len() {
        problems.add(option, format!("{} numbers are too many", given.len()), "give at most 6");
    }
    given.iter().for_each(|value| problems.within(option, value, range));
}
