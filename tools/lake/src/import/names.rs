//! What a file's names become in the lake.

use super::format::Format;
use anyhow::bail;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use std::collections::HashMap;

/// Quote currencies recognised at the end of a symbol without a separator, longest first.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH"];

/// Rules from names in files to names in the lake. Names without a rule follow the format.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Pairs of a venue in the file and a venue in the lake.
    pub venues: Vec<(String, String)>,
    /// Pairs of a symbol, optionally prefixed with the file's venue and `:`, and an instrument.
    pub instruments: Vec<(String, String)>,
}

impl Names {
    /// Returns the lake's name of a venue.
    ///
    /// # Errors
    /// If it needs a rule and has none.
    pub(super) fn venue(&self, of: &Format, venue: &str, symbol: &str) -> anyhow::Result<String> {
        if let Some((_, name)) = self.venues.iter().find(|(from, _)| from == venue) {
            return Ok(name.clone());
        }
        match (of.venue)(venue, symbol) {
            Some(name) => Ok(name),
            None => bail!(
                "{symbol} of {venue} is a derivative, and the lake's venue of that name is spot: \
                 give --map {venue}=NAME, such as --map {venue}={}-perp",
                venue.to_lowercase()
            ),
        }
    }

    /// Returns the instrument of a symbol.
    pub(super) fn instrument(&self, of: &Format, venue: &str, symbol: &str) -> String {
        let here = format!("{venue}:{symbol}");
        let find = |key: &str| self.instruments.iter().find(|(from, _)| from == key);
        let given = find(&here).or_else(|| find(symbol));
        given.map_or_else(|| (of.instrument)(symbol), |(_, name)| name.clone())
    }
}

/// The venue and instrument of each venue and symbol of a file.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, HashMap<String, Option<(VenueId, InstrumentId)>>>);

impl Places {
    /// Returns the ids of a venue and symbol; `None` in the place of ids if they cannot name folders.
    pub(super) fn get(&self, venue: &str, symbol: &str) -> Option<Option<(VenueId, InstrumentId)>> {
        self.0.get(venue)?.get(symbol).copied()
    }

    pub(super) fn insert(
        &mut self,
        (venue, symbol): (&str, &str),
        ids: Option<(VenueId, InstrumentId)>,
    ) {
        self.0.entry(venue.to_owned()).or_default().insert(symbol.to_owned(), ids);
    }

    /// Returns whether the file has this venue, in its spelling.
    pub(super) fn has_venue(&self, venue: &str) -> bool {
        self.0.contains_key(venue)
    }

    /// Returns whether the file has this symbol, in its spelling.
    pub(super) fn has_symbol(&self, symbol: &str) -> bool {
        self.0.values().any(|symbols| symbols.contains_key(symbol))
    }

    /// Returns the venues and symbols that have ids.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &str, (VenueId, InstrumentId))> {
        self.0.iter().flat_map(|(venue, symbols)| {
            let named = symbols.iter().filter_map(|(symbol, ids)| Some((symbol, (*ids)?)));
            named.map(move |(symbol, ids)| (venue.as_str(), symbol.as_str(), ids))
        })
    }
}

/// Returns `BASE/QUOTE` for a symbol in one of the usual spellings, or the symbol itself. The rule
/// is the simulator's: `BTCUSDT`, `BTC-USDT`, `BTC_USDT` and `BTC/USDT` become `BTC/USDT`; `_PERP`
/// is removed.
#[must_use]
pub fn canonical(symbol: &str) -> String {
    let symbol = symbol.strip_suffix("_PERP").unwrap_or(symbol);
    if let Some((base, quote)) = symbol.split_once(['/', '-', '_']) {
        return format!("{base}/{quote}");
    }
    let split = QUOTES.iter().find_map(|quote| {
        let base = symbol.strip_suffix(quote)?;
        (!base.is_empty()).then(|| format!("{base}/{quote}"))
    });
    split.unwrap_or_else(|| symbol.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::formats::{self, FORMATS};

    #[test]
    fn symbols_are_understood_as_the_simulator_does() {
        for (symbol, name) in [
            ("BTCUSDT", "BTC/USDT"),
            ("BTC-USDT", "BTC/USDT"),
            ("BTC_USDT", "BTC/USDT"),
            ("BTC/USDT:PERP", "BTC/USDT:PERP"),
            ("BTCUSD_PERP", "BTC/USD"),
            ("ETHBTC", "ETH/BTC"),
            ("USDT", "USDT"),
            ("XYZ", "XYZ"),
        ] {
            assert_eq!(canonical(symbol), name);
        }
    }

    #[test]
    fn each_format_has_its_own_names_of_venues_and_perpetuals() {
        let lake = |format: &str, venue: &str, symbol: &str| {
            let format = formats::named(format).unwrap();
            let names = Names::default();
            let venue_name = names.venue(format, venue, symbol).ok()?;
            Some((venue_name, names.instrument(format, venue, symbol)))
        };
        for (format, venue, symbol, expected) in [
            ("tape", "okx_spot", "BTC-USDT", Some(("okx", "BTC/USDT"))),
            ("tape", "kraken", "XBT/USD", Some(("kraken", "XBT/USD"))),
            ("tardis", "binance-futures", "BTCUSDT", Some(("binance-usdm", "BTC/USDT"))),
            ("tardis", "bybit-spot", "BTCUSDT", Some(("bybit", "BTC/USDT"))),
            ("tardis", "bybit", "BTCUSDT", None),
            ("tardis", "bybit", "BTC/USDT", Some(("bybit", "BTC/USDT"))),
            ("tardis-snapshot", "okex", "BTC-USDT", Some(("okx", "BTC/USDT"))),
            ("tardis-snapshot", "bybit", "BTCUSDT", None),
            ("nautilus", "BINANCE", "BTCUSDT", Some(("binance", "BTC/USDT"))),
            ("nautilus", "BINANCE", "BTCUSDT-PERP", Some(("binance-usdm", "BTC/USDT:PERP"))),
            ("nautilus", "BYBIT", "BTCUSDT-SPOT", Some(("bybit", "BTC/USDT"))),
            ("nautilus", "BYBIT", "BTCUSDT-LINEAR", None),
            ("nautilus", "OKX", "BTC-USDT-SWAP", None),
            ("nautilus", "OKX", "BTC-USDT", Some(("okx", "BTC/USDT"))),
            ("nautilus", "KRAKEN", "BTC/USD", Some(("kraken", "BTC/USD"))),
            ("cryptofeed", "BINANCE", "BTC-USDT", Some(("binance", "BTC/USDT"))),
            (
                "cryptofeed",
                "BINANCE_FUTURES",
                "BTC-USDT-PERP",
                Some(("binance-usdm", "BTC/USDT:PERP")),
            ),
            ("cryptofeed", "OKX", "BTC-USDT-PERP", None),
            (
                "cryptofeed",
                "KRAKEN_FUTURES",
                "BTC-USD-PERP",
                Some(("kraken-futures", "BTC/USD:PERP")),
            ),
        ] {
            let expected = expected.map(|(v, i): (&str, &str)| (v.to_owned(), i.to_owned()));
            assert_eq!(lake(format, venue, symbol), expected, "{format} {venue} {symbol}");
        }
        let mapped = Names { venues: vec![("bybit".into(), "b".into())], ..Names::default() };
        let tardis = formats::named("tardis").unwrap();
        assert_eq!(mapped.venue(tardis, "bybit", "BTCUSDT").unwrap(), "b");
        assert_eq!(FORMATS.map(|f| formats::named(f.name).unwrap().name), FORMATS.map(|f| f.name));
    }
}
