//! The `book_snapshot_5` and `book_snapshot_25` files of tardis.dev
//! (<https://docs.tardis.dev/downloadable-csv-files>, read 2026-11-22):
//! `exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,...`, times
//! in microseconds. Each row is a snapshot, of which the first level becomes a quote. Files of any
//! depth are read.

use super::columns::Columns;
use super::format::Format;
use super::{names, tardis};

const FIELDS: Columns = Columns {
    venue: "exchange",
    symbol: "symbol",
    received: "local_timestamp",
    event: "timestamp",
    bid: ["bids[0].price", "bids[0].amount"],
    ask: ["asks[0].price", "asks[0].amount"],
    sequence: "",
};

pub(super) const FORMAT: Format = Format {
    name: "tardis-snapshot",
    what: "book_snapshot_* of tardis.dev, CSV",
    times: ["local_timestamp", "timestamp"],
    place: "line",
    recognises: |content| FIELDS.are_in(content),
    open: |content, _| Ok(Box::new(FIELDS.rows(content, tardis::forget_repeated_time)?)),
    venue: tardis::venue,
    instrument: names::canonical,
};
