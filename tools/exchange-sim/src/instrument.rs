//! The model's instruments: canonical names, price levels and grids.
//!
//! An instrument has the same grid on every venue of the model. A contract on a multiple of a coin,
//! such as Binance's `1000SHIBUSDT`, would be listed under the single coin, so that one canonical
//! instrument has one price. The venues' own spellings are in `venues/`.

/// One instrument of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// Canonical name, base and quote currency, such as `BTC/USDT`.
    pub name: &'static str,
    /// Common price at the start, in the quote currency.
    pub price: f64,
    /// Number of digits after the point of a price. The tick is 10 to the minus this power.
    pub price_decimals: usize,
    /// Number of digits after the point of a size. The lot is 10 to the minus this power.
    pub size_decimals: usize,
}

const fn row(
    name: &'static str,
    price: f64,
    price_decimals: usize,
    size_decimals: usize,
) -> Instrument {
    Instrument { name, price, price_decimals, size_decimals }
}

/// The instruments that the model can play, most traded first.
pub const INSTRUMENTS: [Instrument; 20] = [
    row("BTC/USDT", 68_420.0, 2, 5),
    row("ETH/USDT", 3_120.0, 2, 4),
    row("SOL/USDT", 148.0, 2, 3),
    row("XRP/USDT", 1.42, 4, 1),
    row("BNB/USDT", 612.0, 2, 3),
    row("DOGE/USDT", 0.163, 5, 0),
    row("ADA/USDT", 0.452, 4, 1),
    row("TRX/USDT", 0.281, 4, 1),
    row("LINK/USDT", 14.2, 3, 2),
    row("AVAX/USDT", 21.6, 3, 2),
    row("SUI/USDT", 2.31, 4, 1),
    row("LTC/USDT", 83.8, 2, 3),
    row("BCH/USDT", 431.0, 2, 3),
    row("DOT/USDT", 3.65, 4, 2),
    row("NEAR/USDT", 2.71, 4, 1),
    row("UNI/USDT", 7.34, 3, 2),
    row("APT/USDT", 5.12, 4, 2),
    row("ATOM/USDT", 4.37, 4, 2),
    row("ETC/USDT", 18.9, 3, 2),
    row("PEPE/USDT", 0.000_011_43, 8, 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tick_is_finer_than_ten_basis_points() {
        for instrument in &INSTRUMENTS {
            let decimals = i32::try_from(instrument.price_decimals).expect("small");
            let tick = 10_f64.powi(-decimals);
            assert!(tick / instrument.price < 1e-3, "{}", instrument.name);
        }
    }
}
