//! Tapes: quotes as CSV with the columns
//! `recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty`, as `lake export --to csv` and
//! `exchange-sim --write-tape` write them (`data/README.md`).

use super::columns::Columns;
use super::format::Format;
use super::names;

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 8] =
    ["recv_ts_ns", "exch_ts_ns", "venue", "symbol", "bid", "bid_qty", "ask", "ask_qty"];

const FIELDS: Columns = Columns {
    venue: "venue",
    symbol: "symbol",
    received: "recv_ts_ns",
    event: "exch_ts_ns",
    bid: ["bid", "bid_qty"],
    ask: ["ask", "ask_qty"],
    sequence: "",
};

/// Venues of tapes that have other names in this project.
const VENUES: [(&str, &str); 4] = [
    ("binance_spot", "binance"),
    ("binance_usdm", "binance-usdm"),
    ("bybit_spot", "bybit"),
    ("okx_spot", "okx"),
];

pub(super) const FORMAT: Format = Format {
    name: "tape",
    what: "CSV with recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty",
    times: ["recv_ts_ns", "exch_ts_ns"],
    place: "line",
    recognises: |content| FIELDS.are_in(content),
    open: |content, _| Ok(Box::new(FIELDS.rows(content, |_| {})?)),
    venue: |venue, _| {
        let known = VENUES.into_iter().find(|(tape, _)| *tape == venue);
        Some(known.map_or(venue, |(_, name)| name).to_owned())
    },
    instrument: names::canonical,
};
