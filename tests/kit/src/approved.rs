//! Approved pairs for the trader's tests.

use spreadwire_market::approved::{Approval, Approved};
use spreadwire_market::clock::Nanos;

/// Returns approvals of two pairs of the instruments `C0/USDT` and `C1/USDT` and the venues `venue0`
/// to `venue2`, and of one of an instrument that no test lists.
#[must_use]
pub fn approved(at: Nanos, expires: Nanos) -> Approved {
    let of = |instrument: &str, buy: &str, sell: &str, entry_bps: f64| Approval {
        instrument: instrument.to_owned(),
        buy: buy.to_owned(),
        sell: sell.to_owned(),
        entry_bps,
        entry_bps_min: entry_bps,
        entry_bps_max: entry_bps,
        exit_bps: entry_bps / 2.0,
        size_quote: 1.0,
        size_quote_max: 1.0,
        reason: "A test.".to_owned(),
        approved_by: "a test".to_owned(),
        approved_at: at,
        expires,
        evidence: "c0ffee".to_owned(),
        ..Approval::default()
    };
    let pairs = vec![
        of("C0/USDT", "venue0", "venue2", 10.0),
        of("C1/USDT", "venue1", "venue2", 30.0),
        of("C2/USDT", "venue1", "venue2", 30.0),
    ];
    Approved { pairs, ..Approved::default() }
}
