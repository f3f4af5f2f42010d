//! Records to send through the journal, and what they are about.

use spreadwire_kit::{catalogue, records};
use spreadwire_lake::run::{Origin, RunId, catalogue_digest};
use spreadwire_market::clock::{Nanos, SECOND};
use spreadwire_market::instrument::Catalogue;
use spreadwire_market::record::Record;

pub const MIDNIGHT: Nanos = 1_723_161_600 * SECOND;

pub fn catalogue() -> Catalogue {
    let instruments = ["BTC/USDT", "BTC/USDT:PERP", "SHIB/USDT"];
    let draft = catalogue::of(instruments, ["binance", "binance-usdm", "okx"]);
    draft.scales_each([(2, 8), (1, 3), (12, 0)]).fee(0.001).max_age(SECOND).build()
}

pub fn origin() -> Origin {
    Origin { run: RunId::new("run").unwrap(), catalogue: catalogue_digest(&catalogue()) }
}

pub fn quotes(count: u64) -> Vec<Record> {
    (0..count).map(|at| records::quote(MIDNIGHT + at)).collect()
}
