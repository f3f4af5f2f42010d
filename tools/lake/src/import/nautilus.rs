//! Quote ticks of a NautilusTrader catalog, `data/quote_tick/<INSTRUMENT>/*.parquet`, as its
//! `crates/serialization/src/arrow/quote.rs` writes them (read 2026-11-30): `bid_price`,
//! `ask_price`, `bid_size`, `ask_size` as fixed-point numbers, `ts_event` and `ts_init` in
//! nanoseconds. A number is 16 bytes at 16 decimals or 8 bytes at 9 decimals, little-endian,
//! depending on how Nautilus was built; older catalogs have 64-bit integers. The metadata names the
//! instrument and its precision. Catalogs from before 2025-12-16 may hold numbers that are off by a
//! rounding error; like Nautilus, this reader rounds to the precision.

use super::format::{Format, Given};
use super::names;
use super::parquet::{self, ParquetRows};
use super::row::Row;
use super::source::{Content, ParquetFile};
use anyhow::{Context, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};

const COLUMNS: [&str; 6] =
    ["bid_price", "bid_size", "ask_price", "ask_size", "ts_event", "ts_init"];

pub(super) const FORMAT: Format = Format {
    name: "nautilus",
    what: "quote ticks of a NautilusTrader catalog, Parquet",
    times: ["ts_init", "ts_event"],
    place: "row",
    recognises: |content| parquet::has(content, &COLUMNS),
    open,
    venue,
    instrument,
};

/// Folders of quote ticks, which have one for each instrument.
const FOLDERS: [&str; 2] = ["quote_tick", "quotes"];
/// Ends of symbols of perpetuals.
const PERPETUALS: [&str; 3] = ["-PERP", "-LINEAR", "-SWAP"];

fn venue(venue: &str, symbol: &str) -> Option<String> {
    let perpetual = PERPETUALS.iter().any(|end| symbol.ends_with(end));
    match (venue, perpetual) {
        ("BINANCE", true) => Some("binance-usdm".to_owned()),
        ("BYBIT" | "OKX", true) => None,
        _ => Some(venue.to_lowercase()),
    }
}

fn instrument(symbol: &str) -> String {
    let perpetual = PERPETUALS.iter().find_map(|end| symbol.strip_suffix(end));
    match perpetual {
        Some(symbol) => format!("{}:PERP", names::canonical(symbol)),
        None => names::canonical(symbol.strip_suffix("-SPOT").unwrap_or(symbol)),
    }
}

fn open(content: Content, given: &Given) -> anyhow::Result<Box<dyn super::format::Rows>> {
    let Content::Parquet(file) = content else { bail!("it is not a Parquet file") };
    let metadata = file.metadata()?;
    let (venue, symbol) =
        names_of(metadata.get("instrument_id").map(String::as_str), &file, given)?;
    let decimals = |key: &str| -> anyhow::Result<Option<u32>> {
        let text = metadata.get(key);
        let parsed = text.map(|text| text.parse().with_context(|| format!("{key} is {text:?}")));
        parsed.transpose()
    };
    let (price, size) = (decimals("price_precision")?, decimals("size_precision")?);
    let fill = move |batch: &RecordBatch, at: usize, row: &mut Row| {
        row.venue.push_str(&venue);
        row.symbol.push_str(&symbol);
        let Row { received, event, bid: [bid, bid_size], ask: [ask, ask_size], .. } = row;
        let column = |name: &str| batch.column_by_name(name);
        for (text, name, precision) in [
            (bid, "bid_price", price),
            (bid_size, "bid_size", size),
            (ask, "ask_price", price),
            (ask_size, "ask_size", size),
        ] {
            let number = column(name).and_then(|column| raw(column, at));
            if let Some((raw, decimals)) = number {
                text.push_str(&decimal(rounded(raw, decimals, precision), decimals));
            }
        }
        for (text, name) in [(event, "ts_event"), (received, "ts_init")] {
            if let Some(column) = column(name) {
                parquet::push(text, column, at);
            }
        }
    };
    Ok(Box::new(ParquetRows::open(&file, &COLUMNS, fill)?))
}

/// Returns the venue and symbol: those given, of the metadata, or of the folder's name.
fn names_of(
    id: Option<&str>,
    file: &ParquetFile,
    given: &Given,
) -> anyhow::Result<(String, String)> {
    let mut folders = file.path.iter().rev().skip(1).filter_map(|folder| folder.to_str());
    let (folder, above) = (folders.next(), folders.next());
    let id = id.or(folder.filter(|_| above.is_some_and(|above| FOLDERS.contains(&above))));
    match id.and_then(|id| id.rsplit_once('.')) {
        Some((symbol, venue)) if given.venue.is_none() && given.instrument.is_none() => {
            Ok((venue.to_owned(), symbol.to_owned()))
        }
        found => {
            let with = Given {
                venue: given.venue.clone().or(found.map(|(_, venue)| venue.to_owned())),
                ..given.clone()
            };
            with.names(found.map(|(symbol, _)| symbol))
        }
    }
}

/// Returns a fixed-point number and its decimals; `None` if it is absent, or is the largest number,
/// which stands for an undefined one.
fn raw(column: &dyn Array, at: usize) -> Option<(i128, u32)> {
    if column.is_null(at) {
        return None;
    }
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return Some((i128::from(numbers.value(at)), 9)).filter(|(raw, _)| *raw < i64::MAX.into());
    }
    if let Some(numbers) = column.as_primitive_opt::<UInt64Type>() {
        return Some((i128::from(numbers.value(at)), 9)).filter(|(raw, _)| *raw < u64::MAX.into());
    }
    let bytes = column.as_fixed_size_binary_opt()?.value(at);
    if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
        let raw = i128::from_le_bytes(bytes);
        // The largest u128, of an undefined size, is -1 here.
        return Some((raw, 16)).filter(|(raw, _)| *raw != i128::MAX && *raw != -1);
    }
    let raw = i64::from_le_bytes(bytes.try_into().ok()?);
    Some((i128::from(raw), 9)).filter(|(raw, _)| *raw != i64::MAX.into() && *raw != -1)
}

/// Returns the nearest number that has only so many decimals.
fn rounded(raw: i128, decimals: u32, precision: Option<u32>) -> i128 {
    let Some(spare) = precision.and_then(|precision| decimals.checked_sub(precision)) else {
        return raw;
    };
    let unit = 10_i128.pow(spare);
    raw.saturating_add(raw.signum() * (unit / 2)) / unit * unit
}

/// Returns a fixed-point number as text.
fn decimal(raw: i128, decimals: u32) -> String {
    let unit = 10_u128.pow(decimals);
    let (sign, size) = (if raw < 0 { "-" } else { "" }, raw.unsigned_abs());
    let fraction = format!("{:0width$}", size % unit, width = decimals as usize);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}", size / unit),
        fraction => format!("{sign}{}.{fraction}", size / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_point_numbers_are_exact() {
        for (raw, decimals, precision, text) in [
            (61_837_630_000_000, 9, Some(2), "61837.63"),
            (61_837_629_999_999, 9, Some(2), "61837.63"),
            (61_837_630_000_001, 9, Some(2), "61837.63"),
            (61_837_630_000_001, 9, None, "61837.630000001"),
            (1_000_000_000, 9, Some(0), "1"),
            (1, 16, Some(16), "0.0000000000000001"),
            (1, 16, Some(18), "0.0000000000000001"),
            (-15_000_000_000_000_000, 16, Some(1), "-1.5"),
            (0, 16, Some(1), "0"),
        ] {
            assert_eq!(decimal(rounded(raw, decimals, precision), decimals), text, "{raw}");
        }
    }
}
