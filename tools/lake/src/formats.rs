//! The formats of `lake export`.
//!
//! - `csv`: the columns of tapes, see `data/README.md`. A number is the shortest decimal text of
//!   the column's double, which has no more decimals than the instrument's scale. An absent side
//!   and an absent event time are empty fields. The venue's sequence and the flags have no column.
//! - `tardis`: the `quotes` of <https://docs.tardis.dev/downloadable-csv-files> (read 2026-11-22):
//!   `exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount`, times
//!   in microseconds. `timestamp` may not be empty. Where the venue sends no event time it is the
//!   receive time, and such quotes are counted.
//! - `hftbacktest`: a NumPy structured array `data` in an `.npz`, with the fields of
//!   `hftbacktest.types.event_dtype`. Its backtest ignores `DEPTH_BBO_EVENT` (`proc/local.rs` of
//!   2025-12-23 has no arm for it), so a quote is written as the changes that it makes to a book
//!   with one level on each side: `DEPTH_EVENT` with quantity 0 for the old level, then the new
//!   level. The events are ordered on each of two clocks, the exchange's and the local one. An
//!   event that is next on both appears once for both, as after hftbacktest's
//!   `correct_event_order`.

use crate::event::{self, Event};
use anyhow::Context;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampNanosecondType};
use arrow_array::{Array, Float64Array, RecordBatch, TimestampNanosecondArray};
use clap::ValueEnum;
use serde_json::json;
use spreadwire_market::clock::Nanos;
use std::collections::BTreeMap;
use std::io::Write;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The format of tapes.
    Csv,
    /// The quotes format of tardis.dev.
    Tardis,
    /// A NumPy array for hftbacktest.
    Hftbacktest,
}

/// A quote as it is stored in the lake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Receive time.
    pub received: Nanos,
    /// The venue's event time.
    pub event: Option<Nanos>,
    /// Bid price and size, if there is a bid.
    pub bid: Option<(f64, f64)>,
    /// Ask price and size, if there is an ask.
    pub ask: Option<(f64, f64)>,
}

/// Columns of a batch of quotes.
#[derive(Debug)]
pub struct Columns<'a> {
    received: &'a TimestampNanosecondArray,
    event: &'a TimestampNanosecondArray,
    bid: [&'a Float64Array; 2],
    ask: [&'a Float64Array; 2],
}

impl<'a> Columns<'a> {
    /// Returns the columns of a batch.
    ///
    /// # Errors
    /// If the batch does not contain quotes.
    pub fn of(batch: &'a RecordBatch) -> anyhow::Result<Columns<'a>> {
        let column = |name: &str| batch.column_by_name(name).context("the batch has other columns");
        let time = |name| anyhow::Ok(column(name)?.as_primitive::<TimestampNanosecondType>());
        let float = |name| anyhow::Ok(column(name)?.as_primitive::<Float64Type>());
        Ok(Columns {
            received: time("Timestamp")?,
            event: time("EventTime")?,
            bid: [float("BestBid")?, float("BestBidSize")?],
            ask: [float("BestAsk")?, float("BestAskSize")?],
        })
    }

    /// Returns one of the rows.
    #[must_use]
    pub fn row(&self, at: usize) -> Row {
        let side = |[price, size]: [&Float64Array; 2]| {
            price.is_valid(at).then(|| (price.value(at), size.value(at)))
        };
        Row {
            received: self.received.value(at).cast_unsigned(),
            event: self.event.is_valid(at).then(|| self.event.value(at).cast_unsigned()),
            bid: side(self.bid),
            ask: side(self.ask),
        }
    }
}

/// Counts of an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Number of quotes written.
    pub quotes: u64,
    /// Things that the output does not have as the lake does, and how often each occurred.
    pub lost: BTreeMap<&'static str, u64>,
}

impl Told {
    /// Counts a thing that the output does not have as the lake does.
    fn lose(&mut self, what: &'static str) {
        *self.lost.entry(what).or_default() += 1;
    }

    /// Returns the counts as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({"quotes": self.quotes, "lost": self.lost})
    }

    /// Returns the counts as lines of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("{} quotes", self.quotes)];
        lines.extend(self.lost.iter().map(|(what, count)| format!("  {count} {what}")));
        lines.join("\n")
    }
}

/// What takes quotes and writes them.
pub trait Sink {
    /// Writes a quote. Quotes come in the order of their receive times.
    ///
    /// # Errors
    /// If it cannot be written.
    fn take(&mut self, venue: &str, instrument: &str, row: &Row) -> anyhow::Result<()>;

    /// Writes the end of the output.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(self: Box<Self>) -> anyhow::Result<Told>;
}

/// Creates a sink that writes a format into `out`. With `receive_time_for_absent`, hftbacktest gets
/// the receive time where the venue sends no event time.
///
/// # Errors
/// If the beginning cannot be written.
pub fn sink<'a, W: Write + 'a>(
    format: Format,
    receive_time_for_absent: bool,
    out: W,
) -> anyhow::Result<Box<dyn Sink + 'a>> {
    let text = |header: &str, out: W| -> anyhow::Result<Text<W>> {
        let mut text = Text { out, told: Told::default() };
        writeln!(text.out, "{header}")?;
        Ok(text)
    };
    Ok(match format {
        Format::Csv => Box::new(Csv(text(&crate::import::COLUMNS.join(","), out)?)),
        Format::Tardis => Box::new(Tardis(text(TARDIS_COLUMNS, out)?)),
        Format::Hftbacktest => Box::new(Hftbacktest {
            out,
            told: Told::default(),
            receive_time_for_absent,
            quotes: Vec::new(),
        }),
    })
}

/// Names of the differences between an output and the lake.
mod lost {
    pub(super) const EMPTY: &str = "quotes without bid and ask, which lake import does not take";
    pub(super) const LOCAL_FOR_EVENT: &str =
        "quotes without a time of the venue: timestamp is that of receiving";
    pub(super) const CUT: &str = "quotes whose times are cut to microseconds";
    pub(super) const NO_EVENT: &str =
        "quotes without a time of the venue left out: see --receive-time-for-absent";
    pub(super) const EARLY: &str =
        "quotes received before their event time: see hftbacktest's correct_local_timestamp";
    pub(super) const NO_SIZE: &str = "prices without a size, which are no level of a book";
}

struct Text<W> {
    out: W,
    told: Told,
}

impl<W: Write> Text<W> {
    fn finish(mut self) -> anyhow::Result<Told> {
        self.out.flush()?;
        Ok(self.told)
    }
}

/// Returns price and size as text; empty if the side is absent.
fn texts(side: Option<(f64, f64)>) -> (String, String) {
    side.map_or_else(Default::default, |(price, size)| (price.to_string(), size.to_string()))
}

struct Csv<W>(Text<W>);

impl<W: Write> Sink for Csv<W> {
    fn take(&mut self, venue: &str, instrument: &str, row: &Row) -> anyhow::Result<()> {
        let event = row.event.map_or_else(String::new, |event| event.to_string());
        let ((bid, bid_size), (ask, ask_size)) = (texts(row.bid), texts(row.ask));
        let received = row.received;
        if row.bid.is_none() && row.ask.is_none() {
            self.0.told.lose(lost::EMPTY);
        }
        writeln!(
            self.0.out,
            "{received},{event},{venue},{instrument},{bid},{bid_size},{ask},{ask_size}"
        )?;
        self.0.told.quotes += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Told> {
        self.0.finish()
    }
}

const TARDIS_COLUMNS: &str =
    "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount";

struct Tardis<W>(Text<W>);

impl<W: Write> Sink for Tardis<W> {
    fn take(&mut self, venue: &str, instrument: &str, row: &Row) -> anyhow::Result<()> {
        const MICRO: Nanos = 1000;
        if row.event.is_none() {
            self.0.told.lose(lost::LOCAL_FOR_EVENT);
        }
        let times = [row.event.unwrap_or(row.received), row.received];
        if times.iter().any(|time| !time.is_multiple_of(MICRO)) {
            self.0.told.lose(lost::CUT);
        }
        let [event, received] = times.map(|time| time / MICRO);
        let ((bid, bid_size), (ask, ask_size)) = (texts(row.bid), texts(row.ask));
        writeln!(
            self.0.out,
            "{venue},{instrument},{event},{received},{ask_size},{ask},{bid},{bid_size}"
        )?;
        self.0.told.quotes += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Told> {
        self.0.finish()
    }
}

/// Price and size of bid and ask.
type Sides = [Option<(f64, f64)>; 2];

/// A quote with its times on both clocks.
#[derive(Clone, Copy, Debug)]
struct Timed {
    exchange: i64,
    local: i64,
    sides: Sides,
}

struct Hftbacktest<W> {
    out: W,
    told: Told,
    receive_time_for_absent: bool,
    /// Quotes in the order of their receive times.
    quotes: Vec<Timed>,
}

impl<W: Write> Sink for Hftbacktest<W> {
    fn take(&mut self, _venue: &str, _instrument: &str, row: &Row) -> anyhow::Result<()> {
        let absent = self.receive_time_for_absent.then_some(row.received);
        let Some(event) = row.event.or(absent) else {
            self.told.lose(lost::NO_EVENT);
            return Ok(());
        };
        if row.received < event {
            self.told.lose(lost::EARLY);
        }
        let sides = [row.bid, row.ask];
        if sides.into_iter().flatten().any(|(_, size)| size <= 0.0) {
            self.told.lose(lost::NO_SIZE);
        }
        self.told.quotes += 1;
        let (exchange, local) = (i64::try_from(event)?, i64::try_from(row.received)?);
        self.quotes.push(Timed { exchange, local, sides });
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Told> {
        let Hftbacktest { out, told, mut quotes, .. } = *self;
        let by_local = events(&quotes);
        quotes.sort_by_key(|quote| quote.exchange);
        let by_exchange = events(&quotes);
        write_npz(out, &interwoven(&by_exchange, &by_local))?;
        Ok(told)
    }
}

/// Returns the changes that successive quotes make to a book with one level on each side.
fn events(quotes: &[Timed]) -> Vec<Event> {
    let (mut events, mut book) = (Vec::new(), [None; 2]);
    for Timed { exchange, local, sides } in quotes {
        let mut add = |side: usize, (price, size): (f64, f64)| {
            let flags = event::DEPTH | [event::BUY, event::SELL][side];
            events.push(Event { flags, exchange: *exchange, local: *local, price, size });
        };
        // Removals come first, so that a new bid never meets an ask that is gone.
        for side in [0, 1] {
            let stays =
                |price: f64| sides[side].is_some_and(|(now, _)| now.total_cmp(&price).is_eq());
            if let Some((price, _)) = book[side].filter(|(price, _)| !stays(*price)) {
                add(side, (price, 0.0));
            }
        }
        for side in [0, 1] {
            if let Some(level) = sides[side].filter(|_| sides[side] != book[side]) {
                add(side, level);
            }
        }
        book = *sides;
    }
    events
}

/// Returns the events of both clocks in one order. An event that is next on both clocks appears
/// once for both; any other appears once for each.
fn interwoven(by_exchange: &[Event], by_local: &[Event]) -> Vec<Event> {
    let (mut exchange, mut local) = (by_exchange.iter().peekable(), by_local.iter().peekable());
    let mut woven = Vec::with_capacity(by_local.len());
    loop {
        let times = |event: &Event| (event.exchange, event.local);
        let (event, clocks) = match (exchange.peek().copied(), local.peek().copied()) {
            (None, None) => return woven,
            (Some(one), Some(other)) if one == other => (one, event::EXCH | event::LOCAL),
            (Some(one), Some(other)) if times(one) < times(other) => (one, event::EXCH),
            (Some(one), None) => (one, event::EXCH),
            (Some(_) | None, Some(other)) => (other, event::LOCAL),
        };
        if clocks & event::EXCH != 0 {
            exchange.next();
        }
        if clocks & event::LOCAL != 0 {
            local.next();
        }
        woven.push(Event { flags: event.flags | clocks, ..*event });
    }
}

/// Writes a zip file with one array, `data`.
fn write_npz(out: impl Write, events: &[Event]) -> anyhow::Result<()> {
    let mut zip = ZipWriter::new_stream(out);
    // NumPy reads both forms; sizes beyond 4 GB need the larger fields.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .large_file(true);
    zip.start_file("data.npy", options)?;
    zip.write_all(&event::npy_header(events.len()))?;
    for event in events {
        zip.write_all(&event.bytes())?;
    }
    zip.finish()?.into_inner().flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotes(times: &[(i64, i64)]) -> Vec<Timed> {
        let of = |(n, (exchange, local)): (u32, &(i64, i64))| {
            let bid = Some((f64::from(n % 3), 2.0));
            Timed { exchange: *exchange, local: *local, sides: [bid, None] }
        };
        (0..).zip(times).map(of).collect()
    }

    #[test]
    fn each_clock_has_its_events_in_its_own_order() {
        for times in [
            vec![],
            vec![(1, 10), (2, 11), (3, 12)],
            vec![(1, 10), (5, 11), (3, 12), (3, 12), (4, 13)],
            vec![(9, 10), (8, 11), (7, 12)],
        ] {
            let mut quotes = quotes(&times);
            let by_local = events(&quotes);
            quotes.sort_by_key(|quote| quote.exchange);
            let by_exchange = events(&quotes);
            let woven = interwoven(&by_exchange, &by_local);
            for (clock, expected) in [(event::EXCH, &by_exchange), (event::LOCAL, &by_local)] {
                let of = woven.iter().filter(|event| event.flags & clock != 0);
                let plain =
                    |e: &Event| Event { flags: e.flags & !(event::EXCH | event::LOCAL), ..*e };
                assert_eq!(of.map(plain).collect::<Vec<_>>(), *expected, "{times:?}");
            }
        }
        let same = events(&quotes(&[(1, 10), (2, 11)]));
        assert_eq!(interwoven(&same, &same).len(), same.len());
    }
}
