//! The arguments of the strategies that are played.

use clap::Args;
use std::path::PathBuf;

/// Arguments of the strategies that are played. Their entries are the thresholds.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What to play")]
pub struct Strategies {
    /// What a round trip is to leave after its four fees, in basis points, separated by commas: with the
    /// entry, this sets the exit.
    #[arg(long, value_name = "BPS", value_delimiter = ',', default_value = "5,20")]
    pub margins: Vec<f64>,
    /// Other latencies to try, in milliseconds, separated by commas: what would be left with them is
    /// shown, and nothing is chosen by it.
    #[arg(long, value_name = "MS", value_delimiter = ',', default_value = "0,5,50,100")]
    pub latencies: Vec<f64>,
    /// Other sizes to try, as multiples of --size, separated by commas: what would be left with them is
    /// shown, and nothing is chosen by it.
    #[arg(long, value_name = "FACTOR", value_delimiter = ',', default_value = "0.25,4,16")]
    pub sizes: Vec<f64>,
    /// What each venue is funded with, of both currencies, in the quote currency. Default: 5 times --size.
    #[arg(long, value_name = "AMOUNT")]
    pub inventory: Option<f64>,
    /// Venues whose deposits and withdrawals are open, by name, separated by commas. You have looked; the
    /// analyzer cannot. Between two of them an inventory is moved back at --transfer-cost; elsewhere it is
    /// traded back at the end of the day.
    #[arg(long, value_name = "VENUE", value_delimiter = ',')]
    pub transfers: Vec<String>,
    /// Cost of moving an inventory, in basis points of the amount.
    #[arg(long, value_name = "BPS", default_value_t = 5.0)]
    pub transfer_cost: f64,
    /// Funding of perpetuals: a CSV file of venue,instrument,time,rate. At each time, who is long pays that
    /// fraction of his position to who is short. Without it, no funding is reckoned.
    #[arg(long, value_name = "FILE")]
    pub funding: Option<PathBuf>,
    /// Interest on what is borrowed to be sold: a CSV file of venue,instrument,rate_per_day, a fraction of
    /// the position. Only round trips to convergence borrow; an inventory sells what it has.
    #[arg(long, value_name = "FILE")]
    pub borrow: Option<PathBuf>,
    /// How far from the decided price a leg is completed that was filled less than the other, in basis
    /// points: `hedge_band_bps` of the trader.
    #[arg(long, value_name = "BPS", default_value_t = 20.0)]
    pub hedge_band: f64,
    /// Most deals that one strategy opens in one hour of the clock. What opens after that is let pass, so
    /// that a very fast pair shows less than it would earn, and never more.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub deals_per_hour: u32,
}
