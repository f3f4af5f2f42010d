//! Names that several recorders spell differently: one for each venue and instrument.

/// Quote currencies recognised at the end of a symbol without a separator, longest first.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH"];
/// What symbols of perpetuals end with.
const PERPETUALS: [&str; 4] = ["PERP", "SWAP", "LINEAR", "PERPETUAL"];
/// Venues that others name differently.
const VENUES: [(&str, &str); 4] = [
    ("binance_futures", "binance_usdm"),
    ("binance_spot", "binance"),
    ("bybit_spot", "bybit"),
    ("okex", "okx"),
];

/// Returns the one name of a venue: `binance_usdm` for `binance-usdm` and `BINANCE_FUTURES`.
pub(crate) fn venue(text: &str) -> String {
    let name = text.to_lowercase().replace('-', "_");
    let known = VENUES.into_iter().find(|(theirs, _)| *theirs == name);
    known.map_or(name, |(_, ours)| ours.to_owned())
}

/// Returns the one name of an instrument: `BTC/USDT` for `BTC#USDT`, `BTC_USDT`, `BTC-USDT`,
/// `BTCUSDT` and `btc_usdt`, and `BTC/USDT:PERP` for `BTC-USDT-SWAP`. A name in none of these
/// forms stays as it is.
pub(super) fn instrument(text: &str) -> String {
    if text.contains(['#', '/']) {
        return text.replace('#', "/");
    }
    if let Some((name, market)) = text.split_once(':') {
        return format!("{}:{market}", instrument(name));
    }
    let is_small = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let symbol = if is_small { text.to_ascii_uppercase() } else { text.to_owned() };
    let ends = |end: &&str| symbol.strip_suffix(*end)?.strip_suffix(['-', '_']);
    let spot = ends(&"SPOT").unwrap_or(&symbol);
    let (name, market) = match PERPETUALS.iter().find_map(ends) {
        Some(name) => (name, ":PERP"),
        None => (spot, ""),
    };
    pair(name).map_or_else(|| text.to_owned(), |pair| format!("{pair}{market}"))
}

/// Returns `BASE/QUOTE`, if the name consists of these.
fn pair(name: &str) -> Option<String> {
    let is_asset = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some((base, quote)) = name.split_once(['-', '_']) {
        return (is_asset(base) && is_asset(quote)).then(|| format!("{base}/{quote}"));
    }
    QUOTES.iter().find_map(|quote| {
        let base = name.strip_suffix(quote)?;
        is_asset(base).then(|| format!("{base}/{quote}"))
    })
}

/// Decodes `%23` and the like, with which some writers replace characters in names of folders.
pub(super) fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_of_an_instrument_are_one_name() {
        for (text, name) in [
            ("BTC#USDT", "BTC/USDT"),
            ("BTC_USDT", "BTC/USDT"),
            ("BTC-USDT", "BTC/USDT"),
            ("BTCUSDT", "BTC/USDT"),
            ("btcusdt", "BTC/USDT"),
            ("btc-usdt", "BTC/USDT"),
            ("BTC#USDT:PERP", "BTC/USDT:PERP"),
            ("BTC_USDT:PERP", "BTC/USDT:PERP"),
            ("BTCUSDT-PERP", "BTC/USDT:PERP"),
            ("BTC-USDT-SWAP", "BTC/USDT:PERP"),
            ("BTCUSDT-LINEAR", "BTC/USDT:PERP"),
            ("BTCUSDT-SPOT", "BTC/USDT"),
            ("ETHBTC", "ETH/BTC"),
            ("kBONK#USDC", "kBONK/USDC"),
            ("kBONK_USDC", "kBONK/USDC"),
            ("BTC-27JUN25-USDT", "BTC-27JUN25-USDT"),
            ("USDT", "USDT"),
            ("XYZ", "XYZ"),
            ("-USDT", "-USDT"),
        ] {
            assert_eq!(instrument(text), name, "{text}");
        }
    }

    #[test]
    fn the_usual_spellings_of_a_venue_are_one_name() {
        for (text, name) in [
            ("okx", "okx"),
            ("OKX", "okx"),
            ("okex", "okx"),
            ("binance-usdm", "binance_usdm"),
            ("BINANCE_FUTURES", "binance_usdm"),
            ("elsewhere", "elsewhere"),
        ] {
            assert_eq!(venue(text), name, "{text}");
        }
    }

    #[test]
    fn characters_that_are_replaced_in_folders_come_back() {
        for (text, name) in [
            ("BTC%23USDT", "BTC#USDT"),
            ("BTC%2FUSDT", "BTC/USDT"),
            ("BTC#USDT", "BTC#USDT"),
            ("50%", "50%"),
            ("%zz%4", "%zz%4"),
            ("%FF", "%FF"),
        ] {
            assert_eq!(decoded(text), name, "{text}");
        }
    }
}
