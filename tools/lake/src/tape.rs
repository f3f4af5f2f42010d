//! Tapes: recorded quotes as CSV, plain or gzip, and the conversion of their fields to quotes.
//!
//! The columns are `recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty`. An empty field was
//! not recorded. Prices and sizes are decimal texts. They are converted to mantissas exactly, or
//! refused.

use anyhow::{Context, ensure};
use csv::{ErrorKind, StringRecord};
use flate2::read::MultiGzDecoder;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, DecimalError, SCALE_MAX};
use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// The columns, in order.
pub const COLUMNS: [&str; 8] =
    ["recv_ts_ns", "exch_ts_ns", "venue", "symbol", "bid", "bid_qty", "ask", "ask_qty"];

/// Quote currencies recognised at the end of a symbol without a separator, longest first.
const QUOTES: [&str; 8] = ["FDUSD", "USDT", "USDC", "BUSD", "USD", "EUR", "BTC", "ETH"];

/// Reason why a row cannot become a quote of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The number of fields differs from the number of columns, or the text is not UTF-8.
    Fields,
    /// A time is not a number of ns since 1970, or the receive time is absent.
    Time,
    /// A venue or symbol cannot be the name of a folder.
    Name,
    /// The row has neither bid nor ask.
    NoPrice,
    /// A size has no price.
    SizeAlone,
    /// A price or size is not a decimal number.
    NotANumber,
    /// A price is not above zero, or a size is below zero.
    Negative,
    /// A number has more decimals than the instrument's scale.
    TooPrecise,
    /// A number has too many digits for the instrument's scale.
    TooLarge,
}

impl Refusal {
    /// Returns the name under which it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Fields => "fields",
            Refusal::Time => "time",
            Refusal::Name => "name",
            Refusal::NoPrice => "no_price",
            Refusal::SizeAlone => "size_alone",
            Refusal::NotANumber => "not_a_number",
            Refusal::Negative => "negative",
            Refusal::TooPrecise => "too_precise",
            Refusal::TooLarge => "too_large",
        }
    }

    /// Returns the description for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Fields => "not 8 fields of UTF-8",
            Refusal::Time => "a time that is not ns since 1970, or no receive time",
            Refusal::Name => {
                "a venue or symbol that cannot name a folder: use --map or --instrument"
            }
            Refusal::NoPrice => "neither bid nor ask",
            Refusal::SizeAlone => "a size without a price",
            Refusal::NotANumber => "a price or size that is not a decimal number",
            Refusal::Negative => "a price that is not above 0, or a size below 0",
            Refusal::TooPrecise => "more decimals than --price-decimals or --size-decimals allow",
            Refusal::TooLarge => {
                "more than 18 digits: give fewer --price-decimals or --size-decimals"
            }
        }
    }
}

/// An open tape.
pub struct Tape {
    reader: csv::Reader<Summed>,
    record: StringRecord,
    crc: Rc<Cell<u32>>,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tape").finish_non_exhaustive()
    }
}

/// A reader that computes the CRC32C of everything read through it.
struct Summed {
    input: Box<dyn Read>,
    crc: Rc<Cell<u32>>,
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.crc.set(crc32c::crc32c_append(self.crc.get(), &buffer[..read]));
        Ok(read)
    }
}

impl Tape {
    /// Opens a tape, which is decompressed if its name ends in `.gz`.
    ///
    /// # Errors
    /// If it cannot be read or has other columns.
    pub fn open(path: &Path) -> anyhow::Result<Tape> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let file = BufReader::with_capacity(1 << 16, file);
        let zipped = path.extension().is_some_and(|extension| extension == "gz");
        let input: Box<dyn Read> =
            if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let crc = Rc::new(Cell::new(0));
        let mut reader = csv::Reader::from_reader(Summed { input, crc: Rc::clone(&crc) });
        let header = reader.headers().with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            header.iter().eq(COLUMNS),
            "{}: the first line is not {}: see data/README.md",
            path.display(),
            COLUMNS.join(",")
        );
        Ok(Tape { reader, record: StringRecord::new(), crc })
    }

    /// Returns the next row with its line number, or the reason why it is refused; `None` at the
    /// end.
    ///
    /// # Errors
    /// If the file cannot be read.
    #[expect(clippy::wildcard_enum_match_arm, reason = "any other csv error ends the tape")]
    pub fn next_row(&mut self) -> anyhow::Result<Option<(u64, Result<&StringRecord, Refusal>)>> {
        let line = self.reader.position().line();
        match self.reader.read_record(&mut self.record) {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some((line, Ok(&self.record)))),
            Err(error) => match error.kind() {
                ErrorKind::UnequalLengths { .. } | ErrorKind::Utf8 { .. } => {
                    Ok(Some((line, Err(Refusal::Fields))))
                }
                _ => Err(error).with_context(|| format!("cannot read line {line}")),
            },
        }
    }

    /// Returns the CRC32C of everything read so far, decompressed. After the last row it covers the
    /// whole tape.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.crc.get()
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

/// Returns the number of significant decimals, at most [`SCALE_MAX`]; 0 if the text is not a
/// number.
#[must_use]
pub fn decimals(text: &str) -> u8 {
    if decimal::parse(text.as_bytes(), 0) == Err(DecimalError::Malformed) {
        return 0;
    }
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction);
    let places = i64::try_from(fraction.trim_end_matches('0').len()).unwrap_or(i64::MAX);
    let places = places.saturating_sub(exponent.parse().unwrap_or(0));
    u8::try_from(places.clamp(0, i64::from(SCALE_MAX))).unwrap_or(SCALE_MAX)
}

/// Returns the receive time of a row, and the venue's event time if it was recorded.
///
/// # Errors
/// [`Refusal::Time`].
pub fn times(row: &StringRecord) -> Result<(Nanos, Option<Nanos>), Refusal> {
    let time = |at: usize| {
        let time: Nanos = row[at].parse().map_err(|_| Refusal::Time)?;
        if i64::try_from(time).is_ok() { Ok(time) } else { Err(Refusal::Time) }
    };
    Ok((time(0)?, if row[1].is_empty() { None } else { Some(time(1)?) }))
}

/// Returns price and size of a side as mantissas at these scales. Both are 0 if the side was not
/// recorded; the size is 0 if only the size was not recorded.
///
/// # Errors
/// The reason why the lake cannot store it.
pub fn side(price: &str, size: &str, scales: (u8, u8)) -> Result<(i64, i64), Refusal> {
    let number = |text: &str, scale| {
        decimal::parse(text.as_bytes(), scale).map_err(|error| match error {
            DecimalError::Malformed => Refusal::NotANumber,
            DecimalError::TooPrecise => Refusal::TooPrecise,
            DecimalError::TooLarge => Refusal::TooLarge,
        })
    };
    if price.is_empty() {
        return if size.is_empty() { Ok((0, 0)) } else { Err(Refusal::SizeAlone) };
    }
    let price = number(price, scales.0)?;
    let size = if size.is_empty() { 0 } else { number(size, scales.1)? };
    if price <= 0 || size < 0 { Err(Refusal::Negative) } else { Ok((price, size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn decimals_are_those_that_matter() {
        for (text, count) in [
            ("61837.63", 2),
            ("61837.6300", 2),
            ("5", 0),
            ("1.5e-7", 8),
            ("1e3", 0),
            ("0.1234567890123456789", 18),
            ("abc.defg", 0),
            ("", 0),
        ] {
            assert_eq!(decimals(text), count, "{text}");
        }
    }

    #[test]
    fn sides_are_exact_or_refused() {
        for (price, size, expected) in [
            ("1.25", "3", Ok((125, 300))),
            ("1.25", "", Ok((125, 0))),
            ("", "", Ok((0, 0))),
            ("", "3", Err(Refusal::SizeAlone)),
            ("1.255", "3", Err(Refusal::TooPrecise)),
            ("-1", "3", Err(Refusal::Negative)),
            ("0", "3", Err(Refusal::Negative)),
            ("1", "-3", Err(Refusal::Negative)),
            ("1,5", "3", Err(Refusal::NotANumber)),
            ("92233720368547758070", "3", Err(Refusal::TooLarge)),
        ] {
            assert_eq!(side(price, size, (2, 2)), expected, "{price} {size}");
        }
    }
}
