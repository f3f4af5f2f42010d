//! The names that recorders give to the columns of quotes, and what the name of a time says about
//! its unit.
//!
//! Our recorder's own names come first. Others are compared in small letters and without `_`, and of
//! the names of one column the first that a file has counts, so that the time of receiving comes
//! before the venue's own.

use super::selection::{Column, TimeUnit};

/// Names of the time of a row.
const TIMES: [&str; 16] = [
    "localtimestamp",
    "receipttimestamp",
    "receivetimestamp",
    "recvtimestamp",
    "tsinit",
    "tsrecv",
    "recvts",
    "recvtime",
    "receivedat",
    "localts",
    "timestamp",
    "ts",
    "time",
    "datetime",
    "tsevent",
    "eventtime",
];
const EVENT_TIMES: [&str; 8] = [
    "eventtime",
    "tsevent",
    "exchangetimestamp",
    "exchts",
    "exchangetime",
    "transactiontime",
    "eventts",
    "timestamp",
];
const BIDS: [&str; 6] = ["bestbid", "bidprice", "bestbidprice", "bid", "bidpx", "bid0price"];
const ASKS: [&str; 6] = ["bestask", "askprice", "bestaskprice", "ask", "askpx", "ask0price"];
const BID_SIZES: [&str; 7] =
    ["bestbidsize", "bidsize", "bidamount", "bidqty", "bestbidqty", "bidsz", "bid0size"];
const ASK_SIZES: [&str; 7] =
    ["bestasksize", "asksize", "askamount", "askqty", "bestaskqty", "asksz", "ask0size"];
const FLAGS: [&str; 1] = ["flags"];

/// Names of columns that say which venue or symbol a row is of.
const OF_ROWS: [&str; 7] =
    ["exchange", "venue", "feed", "symbol", "pair", "instrument", "instrumentid"];

/// Endings of names of times that say the unit.
const UNITS: [(&str, TimeUnit); 4] = [
    ("_ns", TimeUnit::Nanosecond),
    ("_us", TimeUnit::Microsecond),
    ("_ms", TimeUnit::Millisecond),
    ("_s", TimeUnit::Second),
];

/// Returns which of these columns of a file is the given one, by index.
pub(super) fn find(column: Column, columns: &[&str]) -> Option<usize> {
    if let Some(exact) = columns.iter().position(|name| *name == column.name()) {
        return Some(exact);
    }
    let names: &[&str] = match column {
        Column::Time => &TIMES,
        Column::EventTime => &EVENT_TIMES,
        Column::Bid => &BIDS,
        Column::Ask => &ASKS,
        Column::BidSize => &BID_SIZES,
        Column::AskSize => &ASK_SIZES,
        Column::Flags => &FLAGS,
    };
    let plain: Vec<String> = columns.iter().map(|name| plain(name, column.is_time())).collect();
    names.iter().find_map(|name| plain.iter().position(|of| of == name))
}

/// Returns whether a column says which venue or symbol a row is of.
pub(super) fn is_of_rows(name: &str) -> bool {
    OF_ROWS.contains(&plain(name, false).as_str())
}

/// Returns the unit that the name of a column of numbers says, or that its recorder always has.
/// `given` is the user's word, which only a name that says its unit itself overrules.
pub(super) fn unit_of(name: &str, are_floats: bool, given: Option<TimeUnit>) -> Option<TimeUnit> {
    if let Some((_, unit)) = stated(name) {
        return Some(unit);
    }
    given.or_else(|| match (plain(name, true).as_str(), are_floats) {
        // NautilusTrader.
        ("tsinit" | "tsevent", false) => Some(TimeUnit::Nanosecond),
        // tardis.dev.
        ("localtimestamp", false) => Some(TimeUnit::Microsecond),
        // cryptofeed.
        ("receipttimestamp", true) => Some(TimeUnit::Second),
        _ => None,
    })
}

/// Returns the name without the ending that says the unit, and the unit.
fn stated(name: &str) -> Option<(&str, TimeUnit)> {
    UNITS.into_iter().find_map(|(ending, unit)| Some((name.strip_suffix(ending)?, unit)))
}

fn plain(name: &str, is_time: bool) -> String {
    let name = stated(name).filter(|_| is_time).map_or(name, |(name, _)| name);
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}
