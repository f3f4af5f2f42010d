//! What to read from a lake: days, venues, instruments and columns.

use super::market::Market;
use super::names::Names;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use globset::{Glob, GlobMatcher};
use jiff::civil::Date;
use std::sync::Arc;

pub use arrow::datatypes::TimeUnit;

/// Which days, venues and instruments to read.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The first day; if absent, from the beginning.
    pub from: Option<Date>,
    /// The last day, included; if absent, to the end.
    pub to: Option<Date>,
    /// Patterns for venues, as they are named in the lake's folders (`binance_usdm`) or by the engine
    /// (`binance-usdm`); if empty, all venues.
    pub venues: Vec<Glob>,
    /// Patterns for instruments (`BTC/*`, `*USDT`); if empty, all instruments. `*` also matches
    /// `/`.
    pub instruments: Vec<Glob>,
    /// The market to read, where the lake may hold several; if absent, all files.
    pub market: Option<Market>,
    /// Unit of times that are numbers and whose column does not say it; if absent, files with such
    /// times are left out.
    pub time_unit: Option<TimeUnit>,
    /// What the venues' symbols mean.
    pub names: Names,
}

impl Selection {
    /// Returns whether the period has begun by a day.
    #[must_use]
    pub fn begins_by(&self, date: Date) -> bool {
        self.from.is_none_or(|from| from <= date)
    }
}

/// A selection with its patterns compiled.
#[derive(Debug)]
pub(super) struct Chosen {
    from: Option<Date>,
    to: Option<Date>,
    venues: Vec<GlobMatcher>,
    instruments: Vec<GlobMatcher>,
    pub(super) market: Option<Market>,
}

impl Selection {
    pub(super) fn chosen(&self) -> Chosen {
        let matchers = |globs: &[Glob]| globs.iter().map(Glob::compile_matcher).collect();
        Chosen {
            from: self.from,
            to: self.to,
            venues: matchers(&self.venues),
            instruments: matchers(&self.instruments),
            market: self.market.clone(),
        }
    }
}

impl Chosen {
    pub(super) fn venue(&self, name: &str) -> bool {
        matches_any(&self.venues, name)
    }

    pub(super) fn instrument(&self, name: &str) -> bool {
        matches_any(&self.instruments, name)
    }

    pub(super) fn day(&self, date: Date) -> bool {
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}

fn matches_any(globs: &[GlobMatcher], name: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| is_match(glob, name))
}

/// Returns whether a pattern matches a name, as it is or written with `-` or `_` throughout.
fn is_match(glob: &GlobMatcher, name: &str) -> bool {
    let spelled = |from: char, to: &str| name.contains(from).then(|| name.replace(from, to));
    let others = [spelled('_', "-"), spelled('-', "_")];
    glob.is_match(name) || others.iter().flatten().any(|name| glob.is_match(name))
}

/// Returns what says whether a pattern chooses a name, in any of the ways in which it can be written.
pub fn chooses(glob: &Glob) -> impl Fn(&str) -> bool + use<> {
    let glob = glob.compile_matcher();
    move |name| is_match(&glob, name)
}

/// Which columns to read, in addition to `Timestamp` and `BestBid`.
///
/// Every batch has the same [`schema`](Columns::schema), whatever its file has. A column that the
/// file lacks is null in each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// `BestAsk`. Rows without a valid ask are left out in any case. If this is false, the ask is
    /// decoded only where the footer does not prove that every ask of a row group is valid.
    pub ask: bool,
    /// `BestBidSize` and `BestAskSize`.
    pub sizes: bool,
    /// `EventTime`.
    pub event_time: bool,
    /// `Flags`.
    pub flags: bool,
}

impl Columns {
    /// `Timestamp` and `BestBid` alone.
    pub const BID: Columns = Columns { ask: false, sizes: false, event_time: false, flags: false };
    /// All columns.
    pub const ALL: Columns = Columns { ask: true, sizes: true, event_time: true, flags: true };

    /// Returns the columns of the batches, in order: `Timestamp` (ns, UTC, never null), `BestBid`,
    /// `BestAsk` (`Float64`, never null, positive, finite), `BestBidSize`, `BestAskSize`
    /// (`Float64`), `EventTime` (ns, UTC), `Flags` (`UInt8`). Columns that are not asked for are
    /// absent.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        Arc::new(Schema::new(self.list().map(Column::field).collect::<Vec<_>>()))
    }

    /// Returns the columns to read, in order.
    pub(super) fn list(self) -> impl Iterator<Item = Column> {
        COLUMNS.into_iter().filter(move |column| match column {
            Column::Time | Column::Bid => true,
            Column::Ask => self.ask,
            Column::BidSize | Column::AskSize => self.sizes,
            Column::EventTime => self.event_time,
            Column::Flags => self.flags,
        })
    }
}

/// A column that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Time,
    Bid,
    Ask,
    BidSize,
    AskSize,
    EventTime,
    Flags,
}

/// All columns, in order.
pub(super) const COLUMNS: [Column; 7] = [
    Column::Time,
    Column::Bid,
    Column::Ask,
    Column::BidSize,
    Column::AskSize,
    Column::EventTime,
    Column::Flags,
];

impl Column {
    /// Returns the column's name in batches, and in files of our recorder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Time => "Timestamp",
            Column::Bid => "BestBid",
            Column::Ask => "BestAsk",
            Column::BidSize => "BestBidSize",
            Column::AskSize => "BestAskSize",
            Column::EventTime => "EventTime",
            Column::Flags => "Flags",
        }
    }

    /// Returns whether every file of quotes must have the column.
    pub(super) fn is_required(self) -> bool {
        matches!(self, Column::Time | Column::Bid | Column::Ask)
    }

    fn field(self) -> Field {
        Field::new(self.name(), self.data_type(), !self.is_required())
    }

    /// Returns the column's type in batches.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Column::Time | Column::EventTime => {
                DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
            }
            Column::Bid | Column::Ask | Column::BidSize | Column::AskSize => DataType::Float64,
            Column::Flags => DataType::UInt8,
        }
    }

    /// Returns whether the column is a time.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Column::Time | Column::EventTime)
    }

    /// Returns whether values of type `from` can be cast to this column.
    pub(super) fn takes(self, from: &DataType) -> bool {
        match self {
            Column::Time | Column::EventTime => matches!(from, DataType::Timestamp(..)),
            Column::Flags => from.is_integer(),
            Column::Bid | Column::Ask | Column::BidSize | Column::AskSize => {
                from.is_integer() || from.is_floating() || from.is_decimal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_and_a_star_matches_a_slash() {
        for (pattern, name, expected) in [
            ("BTC/USDT", "BTC/USDT", true),
            ("BTC/USDT", "BTC/USDT:PERP", false),
            ("BTC/*", "BTC/USDT", true),
            ("BTC/*", "WBTC/USDT", false),
            ("*USDT", "BTC/USDT", true),
            ("*USDT", "BTC/USDT:PERP", false),
            ("*", "BTC/USDT", true),
            ("btc/*", "BTC/USDT", false),
            ("{BTC,ETH}/USD[TC]", "ETH/USDC", true),
            ("{BTC,ETH}/USD[TC]", "ETH/USDD", false),
            ("B?C/USDT", "BTC/USDT", true),
            ("USDT", "BTC/USDT", false),
        ] {
            let instruments = vec![Glob::new(pattern).unwrap()];
            let chosen = Selection { instruments, ..Selection::default() }.chosen();
            assert_eq!(chosen.instrument(name), expected, "{pattern} {name}");
            assert!(chosen.venue(name), "no pattern: all venues");
        }
    }

    #[test]
    fn venues_match_by_the_name_of_their_folder_and_by_their_own() {
        for pattern in ["binance_usdm", "binance-usdm", "{okx,binance-usdm}"] {
            let venues = vec![Glob::new(pattern).unwrap()];
            let chosen = Selection { venues, ..Selection::default() }.chosen();
            assert!(chosen.venue("binance_usdm"), "{pattern}");
            assert!(!chosen.venue("binance"), "{pattern}");
        }
    }

    #[test]
    fn both_ends_of_the_days_are_included() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let (from, to) = (Some(day("2024-08-08")), Some(day("2024-08-09")));
        let chosen = Selection { from, to, ..Selection::default() }.chosen();
        let inside = ["2024-08-07", "2024-08-08", "2024-08-09", "2024-08-10"]
            .map(|text| chosen.day(day(text)));
        assert_eq!(inside, [false, true, true, false]);
        assert!(Selection::default().chosen().day(day("1970-01-01")));
    }
}
