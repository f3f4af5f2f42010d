//! Parquet files of cryptofeed's tickers and books.
//!
//! cryptofeed has no Parquet files of its own; people write its callbacks' fields with cryptostore
//! or with a backend of their own (`leftys/cryptofeed` and `sidnvy/cryptofeed`, read 2026-11-30).
//! Common to them are `timestamp` (the venue's, may be 0 or absent) and `receipt_timestamp`, in
//! seconds, nanoseconds or Arrow's timestamps, and either `bid` and `ask` of the ticker, which have
//! no sizes, or the first level of the book: `bid_0_price`, `bid_0_size`, `ask_0_price`,
//! `ask_0_size`. The venue is in a column `exchange` or `feed` and the symbol in `symbol` or `pair`,
//! in folders such as `exchange=BINANCE`, or nowhere.

use super::format::{Format, Given, Rows};
use super::names;
use super::parquet::{self, ParquetRows};
use super::row::Row;
use super::source::Content;
use anyhow::{bail, ensure};
use arrow_array::RecordBatch;
use std::path::Path;

const TIMES: [&str; 2] = ["receipt_timestamp", "timestamp"];
/// Price and size of bid and ask of a book, and of a ticker.
const BOOK: [&str; 4] = ["bid_0_price", "bid_0_size", "ask_0_price", "ask_0_size"];
const TICKER: [&str; 4] = ["bid", "", "ask", ""];
/// Columns or folders of the venue and of the symbol.
const VENUE: [&str; 2] = ["exchange", "feed"];
const SYMBOL: [&str; 2] = ["symbol", "pair"];

pub(super) const FORMAT: Format = Format {
    name: "cryptofeed",
    what: "tickers or books of cryptofeed, Parquet",
    times: TIMES,
    place: "row",
    recognises: |content| {
        parquet::has(content, &TIMES) && [BOOK, TICKER].iter().any(|of| has_sides(content, of))
    },
    open,
    venue,
    instrument: |symbol| match symbol.strip_suffix("-PERP") {
        Some(symbol) => format!("{}:PERP", names::canonical(symbol)),
        None => names::canonical(symbol),
    },
};

fn has_sides(content: &Content, sides: &[&str]) -> bool {
    let named: Vec<&str> = sides.iter().copied().filter(|name| !name.is_empty()).collect();
    parquet::has(content, &named)
}

fn venue(venue: &str, symbol: &str) -> Option<String> {
    match venue {
        "BINANCE_FUTURES" => Some("binance-usdm".to_owned()),
        "BYBIT" | "OKX" if symbol.ends_with("-PERP") => None,
        _ => Some(venue.to_lowercase().replace('_', "-")),
    }
}

fn open(content: Content, given: &Given) -> anyhow::Result<Box<dyn Rows>> {
    let sides = [BOOK, TICKER].into_iter().find(|sides| has_sides(&content, sides));
    let Content::Parquet(file) = content else { bail!("it is not a Parquet file") };
    let found = file.columns()?;
    let Some(sides) = sides else { bail!("it has neither bid and ask nor {}", BOOK.join(", ")) };
    for time in TIMES {
        ensure!(found.iter().any(|column| column == time), "it has no column {time}");
    }
    let column_of = |names: [&'static str; 2]| {
        names.into_iter().find(|name| found.iter().any(|column| column == name))
    };
    let (venue, symbol) = (column_of(VENUE), column_of(SYMBOL));
    let fixed = outside(&file.path, given, venue.is_some(), symbol.is_some())?;
    let fill = move |batch: &RecordBatch, at: usize, row: &mut Row| {
        row.venue.push_str(&fixed.0);
        row.symbol.push_str(&fixed.1);
        let Row { received, event, bid: [bid, bid_size], ask: [ask, ask_size], .. } = row;
        let numbers = [bid, bid_size, ask, ask_size].into_iter().zip(sides);
        let times = [received, event].into_iter().zip(TIMES);
        let names = [(&mut row.venue, venue), (&mut row.symbol, symbol)];
        let names = names.into_iter().filter_map(|(text, column)| Some((text, column?)));
        for (text, name) in numbers.chain(times).chain(names) {
            if let Some(column) = batch.column_by_name(name) {
                parquet::push(text, column, at);
            }
        }
    };
    let columns = sides.into_iter().chain(TIMES).chain(venue).chain(symbol);
    Ok(Box::new(ParquetRows::open(&file, &columns.collect::<Vec<_>>(), fill)?))
}

/// Returns the venue and symbol that stand outside the file, empty where they stand in it.
fn outside(
    path: &Path,
    given: &Given,
    venue_inside: bool,
    symbol_inside: bool,
) -> anyhow::Result<(String, String)> {
    let folder = |keys: [&str; 2]| {
        let parts = path.iter().filter_map(|part| part.to_str()?.split_once('='));
        let mut parts = parts.filter(|(key, _)| keys.contains(key));
        parts.next().map(|(_, name)| name.to_owned())
    };
    let inside = |is: bool| is.then(String::new);
    let venue = inside(venue_inside).or(given.venue.clone()).or_else(|| folder(VENUE));
    let symbol = inside(symbol_inside).or_else(|| given.instrument.clone().or(folder(SYMBOL)));
    Given { venue, instrument: symbol }.names(None)
}
