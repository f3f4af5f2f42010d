//! The `bookTicker` files of data.binance.vision, a zip file with one CSV file:
//! `update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time`,
//! times in milliseconds. The file's name begins with the symbol, as in
//! `BTCUSDT-bookTicker-2024-02-15.csv`, and nothing says of which market it is. Nobody received
//! these quotes: the time at which Binance sent them, `event_time`, stands for that of receiving.

use super::columns::Columns;
use super::format::{Format, Given};
use super::names;
use super::source::Content;

const FIELDS: Columns = Columns {
    venue: "",
    symbol: "",
    received: "event_time",
    event: "transaction_time",
    bid: ["best_bid_price", "best_bid_qty"],
    ask: ["best_ask_price", "best_ask_qty"],
    sequence: "update_id",
};

pub(super) const FORMAT: Format = Format {
    name: "binance",
    what: "bookTicker of data.binance.vision, zip or CSV; needs --venue",
    times: ["event_time", "transaction_time"],
    place: "line",
    recognises: |content| FIELDS.are_in(content),
    open: |content, given| {
        let (venue, symbol) = names_of(&content, given)?;
        let name = move |row: &mut super::row::Row| {
            row.venue.push_str(&venue);
            row.symbol.push_str(&symbol);
        };
        Ok(Box::new(FIELDS.rows(content, name)?))
    },
    venue: |venue, _| Some(venue.to_owned()),
    instrument: names::canonical,
};

/// Returns the venue and the symbol of a file.
fn names_of(content: &Content, given: &Given) -> anyhow::Result<(String, String)> {
    let symbol = match content {
        Content::Csv(csv) => csv.name.split_once("-bookTicker-").map(|(symbol, _)| symbol),
        Content::Parquet(_) | Content::Array(_) => None,
    };
    given.names(symbol)
}
