//! Recommendations for the trader's tests.

use spreadwire_market::clock::Nanos;
use spreadwire_market::recommendations::{FORMAT, Pair, Recommendations};

/// Returns recommendations for two pairs of the instruments `C0/USDT` and `C1/USDT` and the venues
/// `venue0` to `venue2`, and for one of an instrument that no test lists. All are enabled.
#[must_use]
pub fn recommendations(generated: Nanos, expires: Nanos) -> Recommendations {
    Recommendations {
        format: FORMAT,
        generated,
        expires,
        from: "2023-11-14".to_owned(),
        to: "2023-11-14".to_owned(),
        lake: "lake".to_owned(),
        pairs: vec![
            pair("C0/USDT", "venue0", "venue2", 10.0),
            pair("C1/USDT", "venue1", "venue2", 30.0),
            pair("C2/USDT", "venue1", "venue2", 30.0),
        ],
    }
}

fn pair(instrument: &str, buy: &str, sell: &str, entry_bps: f64) -> Pair {
    Pair {
        instrument: instrument.to_owned(),
        buy: buy.to_owned(),
        sell: sell.to_owned(),
        enabled: true,
        entry_bps,
        entry_bps_min: entry_bps,
        entry_bps_max: entry_bps,
        exit_bps: entry_bps / 2.0,
        size_quote: 1.0,
        reason: "A test.".to_owned(),
        ..Pair::default()
    }
}
