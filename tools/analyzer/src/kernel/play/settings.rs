//! What all strategies have in common.

use serde::{Deserialize, Serialize};

/// What the strategies have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaySettings {
    /// Net spreads to enter at, in bp.
    pub entries_bps: Vec<f64>,
    /// What a round trip is to leave after all four fees, in bp; with the entry, this sets its exit.
    pub margins_bps: Vec<f64>,
    /// Other latencies to try, in ns, each for both venues.
    pub latencies_ns: Vec<i64>,
    /// Other sizes to try, as multiples of the size of one order.
    pub sizes: Vec<f64>,
    /// What each venue is funded with, of both currencies, in the quote currency.
    pub inventory: f64,
    /// Cost of moving what was bought to where it was sold, as a fraction of the amount; `None` if that
    /// cannot be relied on, so that an inventory is traded back.
    pub transfer: Option<f64>,
    /// How far from the decided price a leg is completed, as a fraction.
    pub band: f64,
    /// How long that is tried, in ns.
    pub patience_ns: i64,
    /// Most deals of one strategy that are opened in one hour of the clock.
    pub deals_per_hour: u32,
}

impl Default for PlaySettings {
    /// Returns the settings with which the analyzer plays unless it is told otherwise, for orders of 1,000.
    fn default() -> PlaySettings {
        PlaySettings {
            entries_bps: vec![0.0, 5.0, 10.0, 20.0],
            margins_bps: vec![5.0, 20.0],
            latencies_ns: [0, 5, 50, 100].map(|ms: i64| ms * 1_000_000).to_vec(),
            sizes: vec![0.25, 4.0, 16.0],
            inventory: 5_000.0,
            transfer: None,
            band: 0.002,
            patience_ns: 1_000_000_000,
            deals_per_hour: 100,
        }
    }
}
