//! The mapping of a tape: which simulated venue plays a venue of the tape, and which instrument a
//! symbol of the tape stands for.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::tape::survey::{TapeInstrument, TapeSurvey};
use crate::venues;

/// Quote currencies recognised at the end of a symbol without a separator, longest first.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH"];

/// Which tape is played, and how its venues and symbols are mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeOptions {
    /// Path of a CSV or CSV.gz file, or of a folder of them.
    pub path: PathBuf,
    /// Venue of the tape, and simulated venue that plays it. If two venues of the tape are mapped
    /// to one simulated venue, its clients cannot tell them apart.
    pub venues: Vec<(String, String)>,
    /// Symbol of the tape, and canonical instrument that it stands for. Needed where the usual rule
    /// fails, which reads `BTCUSDT`, `BTC-USDT`, `BTC_USDT` and `BTC/USDT` as `BTC/USDT` and cuts
    /// off `_PERP`.
    pub instruments: Vec<(String, String)>,
    /// Simulated venue, canonical instrument, and symbol of the instrument on that venue. Needed
    /// where the symbol differs from the venue's usual spelling.
    pub symbols: Vec<(String, String, String)>,
    /// Size, as decimal text, that is sent where none was recorded.
    pub default_size: String,
}

impl Default for TapeOptions {
    fn default() -> TapeOptions {
        let pair = |tape: &str, venue: &str| (tape.to_owned(), venue.to_owned());
        TapeOptions {
            path: PathBuf::new(),
            venues: vec![
                pair("binance_spot", "binance"),
                pair("binance_usdm", "binance-usdm"),
                pair("bybit_spot", "bybit"),
                pair("okx_spot", "okx"),
            ],
            instruments: Vec::new(),
            symbols: Vec::new(),
            default_size: "1".to_owned(),
        }
    }
}

/// Translates a tape's venues and symbols into simulated venues and instruments.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// Index of the simulated venue, by venue of the tape.
    venues: HashMap<String, usize>,
    /// Names of the simulated venues.
    names: Vec<String>,
    options: TapeOptions,
    /// Index of the instrument, by simulated venue and then by symbol of the tape.
    instruments: Vec<HashMap<String, usize>>,
}

impl Mapping {
    pub(crate) fn new(options: &TapeOptions, venues: &[&str]) -> Mapping {
        let index = |name: &str| venues.iter().position(|venue| *venue == name);
        let mapped = options.venues.iter();
        Mapping {
            venues: mapped.filter_map(|(tape, to)| Some((tape.clone(), index(to)?))).collect(),
            names: venues.iter().map(|&name| name.to_owned()).collect(),
            options: options.clone(),
            instruments: vec![HashMap::new(); venues.len()],
        }
    }

    /// Returns the simulated venue that plays a venue of the tape, if there is one.
    pub(crate) fn venue(&self, tape_venue: &str) -> Option<usize> {
        self.venues.get(tape_venue).copied()
    }

    /// Returns the size that is sent where none was recorded.
    pub(crate) fn default_size(&self) -> &str {
        &self.options.default_size
    }

    /// Returns the instrument of a symbol of the tape on a simulated venue. A new instrument is
    /// added to the survey; without a survey it is `None`.
    pub(crate) fn instrument(
        &mut self,
        venue: usize,
        symbol: &str,
        survey: Option<&mut TapeSurvey>,
    ) -> Option<usize> {
        if let Some(index) = self.instruments[venue].get(symbol) {
            return Some(*index);
        }
        let survey = survey?;
        let named = self.options.instruments.iter().find(|(tape, _)| tape == symbol);
        let name = named.map_or_else(|| canonical(symbol), |(_, name)| name.clone());
        let found = survey.instruments.iter().position(|instrument| instrument.name == name);
        let index = found.unwrap_or_else(|| {
            let (price_decimals, size_decimals) = (0, 0);
            let name = name.clone();
            let venues = Vec::new();
            let new = TapeInstrument { name, price_decimals, size_decimals, venues };
            survey.instruments.push(new);
            survey.instruments.len() - 1
        });
        let here = (self.names[venue].clone(), self.symbol(venue, &name));
        let listed = &mut survey.instruments[index].venues;
        if !listed.contains(&here) {
            listed.push(here);
        }
        self.instruments[venue].insert(symbol.to_owned(), index);
        Some(index)
    }

    /// Returns the symbol of an instrument on a simulated venue.
    fn symbol(&self, venue: usize, instrument: &str) -> String {
        let here = &self.names[venue];
        let given = self.options.symbols.iter();
        given
            .filter(|(venue, name, _)| venue == here && name == instrument)
            .map(|(_, _, symbol)| symbol.clone())
            .next()
            .or_else(|| venues::venue_symbol(here, instrument))
            .unwrap_or_else(|| instrument.to_owned())
    }
}

/// Returns `BASE/QUOTE` for a symbol in one of the usual spellings, and any other symbol unchanged.
fn canonical(symbol: &str) -> String {
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

    #[test]
    fn symbols_are_split_by_rule() {
        for (symbol, name) in [
            ("BTCUSDT", "BTC/USDT"),
            ("BTC-USDT", "BTC/USDT"),
            ("LUNC_USDT", "LUNC/USDT"),
            ("BTCUSD_PERP", "BTC/USD"),
            ("ETHBTC", "ETH/BTC"),
            ("BTC", "BTC"),
        ] {
            assert_eq!(canonical(symbol), name);
        }
    }
}
