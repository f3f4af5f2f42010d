//! The list of the venues that take orders.
//!
//! A venue is one file beside this one and one entry of [`GATEWAYS`].

use crate::orders::binance::Binance;
use crate::orders::bybit::Bybit;
use crate::orders::gateway::Gateway;
use crate::orders::okx::Okx;

static GATEWAYS: [&dyn Gateway; 3] = [&Binance, &Bybit, &Okx];

/// Returns the order protocol of a venue, if it takes orders.
pub(crate) fn by_venue(name: &str) -> Option<&'static dyn Gateway> {
    GATEWAYS.iter().copied().find(|gateway| gateway.venue() == name)
}

/// Returns the paths of a venue's WebSockets for orders. There are none if it takes no orders.
#[must_use]
pub fn order_paths(venue: &str) -> &'static [&'static str] {
    by_venue(venue).map_or(&[], |gateway| gateway.paths())
}
