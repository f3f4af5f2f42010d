//! What a gateway must know of a market: how the venue calls it, and in which units it counts.

use spreadwire_market::decimal;
use spreadwire_market::instrument::InstrumentId;
use spreadwire_trading::amount::{Amount, DECIMALS};
use spreadwire_trading::order::AssetName;
use std::collections::HashMap;

/// Most decimals of a number of contracts.
const CONTRACT_DECIMALS: u8 = 8;

/// A market of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The venue's symbol, as `BTCUSDT` or `BTC-USDT-SWAP`.
    pub symbol: String,
    /// OKX's `instIdCode`, from its list of instruments; 0 elsewhere.
    pub code: u64,
    /// Decimals of the instrument's prices.
    pub price_scale: u8,
    /// Decimals of the instrument's sizes, in units of the base asset.
    pub size_scale: u8,
    /// Base asset in one contract, if the venue counts sizes in contracts; `None` if it counts them in
    /// the base asset.
    pub contract: Option<Amount>,
    /// Base asset, as the venue calls it.
    pub base: AssetName,
    /// Quote asset, as the venue calls it; a linear contract settles in it.
    pub quote: AssetName,
}

impl Terms {
    /// Returns a price as the venue's text.
    #[must_use]
    pub fn price_text(&self, px: i64) -> String {
        decimal::to_text(px, self.price_scale)
    }

    /// Returns a size as the venue's text; `None` if it is no exact number of contracts.
    #[must_use]
    pub fn size_text(&self, sz: i64) -> Option<String> {
        let Some(contract) = self.contract else {
            return Some(decimal::to_text(sz, self.size_scale));
        };
        let units = Amount::of_mantissa(sz, self.size_scale).units();
        let scaled = units.checked_mul(10_i128.pow(u32::from(CONTRACT_DECIMALS)))?;
        let is_exact = 0 < contract.units() && scaled % contract.units() == 0;
        let contracts = i64::try_from(scaled / contract.units().max(1)).ok()?;
        is_exact.then(|| decimal::to_text(contracts, CONTRACT_DECIMALS))
    }

    /// Reads a price; `None` if it is no decimal that the scale holds.
    #[must_use]
    pub fn price(&self, text: &str) -> Option<i64> {
        decimal::parse(text.as_bytes(), self.price_scale).ok()
    }

    /// Reads a size; `None` if it is no decimal that the scale holds, or below 0.
    #[must_use]
    pub fn size(&self, text: &str) -> Option<i64> {
        let Some(contract) = self.contract else {
            return decimal::parse(text.as_bytes(), self.size_scale).ok().filter(|sz| 0 <= *sz);
        };
        let contracts = decimal::parse(text.as_bytes(), CONTRACT_DECIMALS).ok()?;
        let units = i128::from(contracts).checked_mul(contract.units())?;
        let unit = 10_i128
            .pow(u32::from(CONTRACT_DECIMALS))
            .checked_mul(10_i128.pow(u32::from(DECIMALS.checked_sub(self.size_scale)?)))?;
        (0 <= units && units % unit == 0).then(|| i64::try_from(units / unit).ok())?
    }
}

/// The markets of one venue.
#[derive(Clone, Debug, Default)]
pub struct Markets {
    by_instrument: HashMap<InstrumentId, usize>,
    by_symbol: HashMap<String, usize>,
    all: Vec<Terms>,
}

impl Markets {
    /// Takes the markets of a venue. If an instrument or a symbol stands there twice, the first counts.
    #[must_use]
    pub fn new(all: Vec<Terms>) -> Markets {
        let mut markets = Markets::default();
        for terms in all {
            let is_new = !markets.by_instrument.contains_key(&terms.instrument)
                && !markets.by_symbol.contains_key(&terms.symbol);
            if is_new {
                markets.by_instrument.insert(terms.instrument, markets.all.len());
                markets.by_symbol.insert(terms.symbol.clone(), markets.all.len());
                markets.all.push(terms);
            }
        }
        markets
    }

    /// Returns all markets.
    #[must_use]
    pub fn all(&self) -> &[Terms] {
        &self.all
    }

    /// Returns the market of an instrument.
    #[must_use]
    pub fn of(&self, instrument: InstrumentId) -> Option<&Terms> {
        self.by_instrument.get(&instrument).map(|at| &self.all[*at])
    }

    /// Returns the market with the venue's symbol.
    #[must_use]
    pub fn named(&self, symbol: &str) -> Option<&Terms> {
        self.by_symbol.get(symbol).map(|at| &self.all[*at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(contract: Option<&str>, size_scale: u8) -> Terms {
        Terms {
            instrument: InstrumentId(1),
            symbol: "BTC-USDT-SWAP".to_owned(),
            code: 7,
            price_scale: 2,
            size_scale,
            contract: contract.map(|text| Amount::parse(text).unwrap()),
            base: AssetName::new("BTC").unwrap(),
            quote: AssetName::new("USDT").unwrap(),
        }
    }

    #[test]
    fn sizes_are_written_and_read_exactly_or_not_at_all() {
        for (contract, scale, sz, text) in [
            (None, 8, 150_000_000, Some("1.5")),
            (None, 0, 42, Some("42")),
            (Some("0.01"), 8, 150_000_000, Some("150")),
            (Some("0.01"), 8, 1_010_000, Some("1.01")),
            (Some("0.01"), 4, 1, Some("0.01")),
            (Some("1000000"), 0, 3_000_000, Some("3")),
            (Some("1000000"), 0, 30_000, Some("0.03")),
            (Some("3"), 0, 10, None),
            (Some("0"), 0, 10, None),
        ] {
            let terms = terms(contract, scale);
            assert_eq!(terms.size_text(sz).as_deref(), text, "{contract:?} {sz}");
            if let Some(text) = text {
                assert_eq!(terms.size(text), Some(sz), "{contract:?} {text}");
            }
        }
    }

    #[test]
    fn sizes_beyond_the_scale_are_refused() {
        for (contract, scale, text) in [
            (None, 2, "1.001"),
            (None, 2, "-1"),
            (None, 2, "x"),
            (None, 2, "99999999999999999999"),
            (Some("0.01"), 2, "0.5"),
            (Some("0.01"), 4, "0.001"),
            (Some("0.01"), 8, "-1"),
            (Some("0.01"), 8, "0.000000001"),
        ] {
            assert_eq!(terms(contract, scale).size(text), None, "{contract:?} {text}");
        }
        assert_eq!(terms(None, 2).price("0.001"), None);
        assert_eq!(terms(None, 2).price("61837.63"), Some(6_183_763));
        assert_eq!(terms(None, 2).price_text(6_183_760), "61837.6");
    }
}
