//! What to do about a quote whose numbers have more decimals than the configuration gives them.
//!
//! A venue may refine its tick at any time. A frame is not taken apart to find the number, because each
//! venue has its own layout: the venue's decoder reads the frame again with more decimals, until it
//! accepts it. That takes some 50 microseconds, and is done by the thread that writes the log.

use spreadwire_market::decimal::{self, SCALE_MAX};
use spreadwire_venues::venue::{Message, Protocol, QuoteMessage, Side, Symbol, Symbols};

/// Decimals that are tried beyond the configured ones, for prices and for sizes.
const MORE_MAX: u8 = 6;

/// Longest frame that is read again.
pub(super) const FRAME_MAX: usize = 4096;

/// A quote that its symbol's scales do not hold.
#[derive(Debug)]
pub struct Misfit {
    /// Makes the venue's decoder.
    pub make_protocol: fn() -> Box<dyn Protocol>,
    /// The symbol, with the scales that do not suffice.
    pub symbol: Symbol,
    /// Name of the symbol's instrument.
    pub name: String,
    /// The frame.
    pub frame: Box<[u8]>,
}

impl Misfit {
    /// Returns which number did not fit, and which decimals would hold it. Returns `None` if no number
    /// of decimals helps.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        advice(&mut *(self.make_protocol)(), &self.symbol, &self.name, &self.frame)
    }
}

fn advice(
    protocol: &mut dyn Protocol,
    symbol: &Symbol,
    name: &str,
    frame: &[u8],
) -> Option<String> {
    let (finer, quote) = finer(protocol, symbol, frame)?;
    let sides = [quote.bid, quote.ask].into_iter().filter_map(level);
    let (prices, sizes): (Vec<i64>, Vec<i64>) = sides.unzip();
    let parts = [
        ("price", prices, symbol.price_scale, finer.price_scale),
        ("size", sizes, symbol.size_scale, finer.size_scale),
    ];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(.., before, after)| before < after)
        .map(|(what, numbers, before, after)| {
            let unit = decimal::power_of_ten(after - before);
            let misfit = numbers.into_iter().find(|number| number % unit != 0);
            let misfit = misfit.map(|number| decimal::to_text(number, after)).unwrap_or_default();
            format!(
                "{what} {misfit} has more decimals than the configured {before}; set {what}_decimals = {after}"
            )
        })
        .collect();
    Some(format!("{name} ({}): {}", symbol.text, told.join("; ")))
}

/// Returns the symbol with the fewest more decimals that the frame can be read with, and its quote.
fn finer(
    protocol: &mut dyn Protocol,
    symbol: &Symbol,
    frame: &[u8],
) -> Option<(Symbol, QuoteMessage)> {
    let mut tries: Vec<(u8, u8)> =
        (0..=MORE_MAX).flat_map(|price| (0..=MORE_MAX).map(move |size| (price, size))).collect();
    tries.sort_by_key(|(price, size)| price + size);
    let mut messages = Vec::new();
    for (price, size) in tries {
        let mut finer = symbol.clone();
        finer.price_scale += price;
        finer.size_scale += size;
        if SCALE_MAX < finer.price_scale.max(finer.size_scale) {
            continue;
        }
        let symbols = Symbols::new(vec![finer.clone()]);
        messages.clear();
        if protocol.general(frame, &symbols, &mut messages).is_ok() {
            return messages.iter().find_map(quote).map(|quote| (finer, quote));
        }
    }
    None
}

fn quote(message: &Message) -> Option<QuoteMessage> {
    let Message::Quote(quote) = message else { return None };
    Some(*quote)
}

fn level(side: Side) -> Option<(i64, i64)> {
    let Side::Level { px, sz } = side else { return None };
    Some((px, sz))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_market::instrument::InstrumentId;
    use spreadwire_venues::venue::Contract;
    use spreadwire_venues::venues;

    fn told(venue: &str, symbol: &str, frame: &str) -> Option<String> {
        let symbol = Symbol {
            text: symbol.to_owned(),
            instrument: InstrumentId(3),
            price_scale: 2,
            size_scale: 1,
            contract: Contract::ONE,
        };
        let mut protocol = (venues::named(venue).unwrap().protocol)();
        advice(&mut *protocol, &symbol, "BTC/USDT", frame.as_bytes())
    }

    #[test]
    fn the_number_and_the_decimals_are_told_for_every_venue() {
        let binance = |bid: &str, size: &str, ask: &str| {
            format!(r#"{{"u":1,"s":"BTCUSDT","b":"{bid}","B":"{size}","a":"{ask}","A":"1.00"}}"#)
        };
        let price = "BTC/USDT (BTCUSDT): price 90.505 has more decimals than the configured 2; set price_decimals = 3";
        for (venue, symbol, frame, expected) in [
            ("binance", "BTCUSDT", binance("90.50500000", "1", "91"), price),
            ("binance-usdm", "BTCUSDT", binance("90.5", "1", "90.505"), price),
            (
                "binance",
                "BTCUSDT",
                binance("90.5", "0.25", "91.00001"),
                "BTC/USDT (BTCUSDT): price 91.00001 has more decimals than the configured 2; set price_decimals = 5; \
                 size 0.25 has more decimals than the configured 1; set size_decimals = 2",
            ),
            (
                "bybit",
                "BTCUSDT",
                r#"{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT","b":[["90.505","1"]],"a":[],"u":5,"seq":7},"cts":1}"#.to_owned(),
                price,
            ),
            (
                "okx",
                "BTC-USDT",
                r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["91","1","0","1"]],"bids":[["90.505","1","0","1"]],"ts":"1","seqId":3}]}"#.to_owned(),
                "BTC/USDT (BTC-USDT): price 90.505 has more decimals than the configured 2; set price_decimals = 3",
            ),
        ] {
            assert_eq!(told(venue, symbol, &frame).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_no_decimals_help_has_no_advice() {
        for (symbol, bid) in [
            ("BTCUSDT", "99999999999999999999"),
            ("BTCUSDT", "1.123456789"),
            ("BTCUSDT", "x"),
            ("ETHUSDT", "90.505"),
        ] {
            let frame = format!(r#"{{"u":1,"s":"{symbol}","b":"{bid}","B":"1","a":"2","A":"1"}}"#);
            assert_eq!(told("binance", "BTCUSDT", &frame), None, "{symbol} {bid}");
        }
    }
}
