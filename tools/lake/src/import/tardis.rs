//! The `quotes` and `book_ticker` files of tardis.dev
//! (<https://docs.tardis.dev/downloadable-csv-files>, read 2026-11-22), which `lake export --to tardis` writes too:
//! `exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount`, times in
//! microseconds. An absent side is empty. Where the venue sends no time, `timestamp` repeats
//! `local_timestamp`, so equal times mean that there is none.

use super::columns::Columns;
use super::format::Format;
use super::names;
use super::row::Row;

const FIELDS: Columns = Columns {
    venue: "exchange",
    symbol: "symbol",
    received: "local_timestamp",
    event: "timestamp",
    bid: ["bid_price", "bid_amount"],
    ask: ["ask_price", "ask_amount"],
    sequence: "",
};

/// Venues of tardis.dev that have other names in this project.
const VENUES: [(&str, &str); 3] =
    [("binance-futures", "binance-usdm"), ("bybit-spot", "bybit"), ("okex", "okx")];

pub(super) const FORMAT: Format = Format {
    name: "tardis",
    what: "quotes or book_ticker of tardis.dev, CSV",
    times: ["local_timestamp", "timestamp"],
    place: "line",
    recognises: |content| FIELDS.are_in(content),
    open: |content, _| Ok(Box::new(FIELDS.rows(content, forget_repeated_time)?)),
    venue,
    instrument: names::canonical,
};

/// Empties the time of the event if it repeats the time of receiving.
pub(super) fn forget_repeated_time(row: &mut Row) {
    if row.event == row.received {
        row.event.clear();
    }
}

/// Returns the lake's name of a venue. A symbol with `/` is one of this project, and then the venue
/// is too. `bybit` is Bybit's derivatives there, and spot here.
pub(super) fn venue(venue: &str, symbol: &str) -> Option<String> {
    if symbol.contains('/') {
        return Some(venue.to_owned());
    }
    let known = VENUES.into_iter().find(|(theirs, _)| *theirs == venue);
    (venue != "bybit").then(|| known.map_or(venue, |(_, name)| name).to_owned())
}
