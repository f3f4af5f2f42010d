//! Events of hftbacktest: an `.npz` with the array `data` of `event_dtype`, or that array as `.npy`
//! (`hftbacktest/src/types.rs`, read 2026-11-30). Times are nanoseconds, and nothing names the
//! venue or the instrument.
//!
//! The events of the local clock change a book, and whenever its best bid or ask is another after
//! all events of one pair of times, that is a quote. A book is made by `DEPTH_EVENT`,
//! `DEPTH_SNAPSHOT_EVENT` and `DEPTH_CLEAR_EVENT`. `DEPTH_BBO_EVENT` states the best level itself;
//! from the first one on, quotes are made of these alone. Trades and orders are passed over.

use super::format::{Format, Given, Rows};
use super::names;
use super::refusal::Refusal;
use super::row::Row;
use super::source::{ArrayFile, Content, Summed};
use crate::event::{self, EVENT_BYTES, Event};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::io::{BufReader, ErrorKind, Read};

pub(super) const FORMAT: Format = Format {
    name: "hftbacktest",
    what: "events of hftbacktest, npz or npy; needs --venue and --instrument",
    times: ["local_ts", "exch_ts"],
    place: "event",
    recognises: |content| matches!(content, Content::Array(file) if file.events.is_some()),
    open,
    venue: |venue, _| Some(venue.to_owned()),
    instrument: names::canonical,
};

fn open(content: Content, given: &Given) -> anyhow::Result<Box<dyn Rows>> {
    let Content::Array(ArrayFile { reader, events, .. }) = content else {
        bail!("it is not a NumPy array");
    };
    let events = events.context("the array is not of hftbacktest's event_dtype, with one axis")?;
    let (venue, symbol) = given.names(None)?;
    let row = Row { venue, symbol, ..Row::default() };
    let books = Books::default();
    Ok(Box::new(Quotes { reader, left: events, number: 0, next: None, books, row, others: 0 }))
}

/// Price and size of bid and ask, if present.
type Sides = [Option<(f64, f64)>; 2];

/// The books that events change.
#[derive(Debug, Default)]
struct Books {
    /// Sizes by the order of prices, bids first.
    levels: [BTreeMap<i64, (f64, f64)>; 2],
    /// The best levels as they were stated, once one was.
    stated: Option<Sides>,
}

impl Books {
    /// Applies an event. Returns whether it is one of a book.
    fn apply(&mut self, event: &Event) -> bool {
        let sides = [event::BUY, event::SELL].map(|side| event.flags & side != 0);
        let side = usize::from(sides[1]);
        let one_side = sides[0] != sides[1];
        match (event.kind(), &mut self.stated) {
            (event::DEPTH_BBO, stated) if one_side => {
                let level = (event.price, event.size);
                let present = !event.price.is_nan() && event.size != 0.0;
                stated.get_or_insert_default()[side] = present.then_some(level);
            }
            (event::DEPTH | event::DEPTH_SNAPSHOT, None) if one_side => self.set(side, event),
            (event::DEPTH_CLEAR, None) => self.clear(sides, event.price),
            (event::DEPTH | event::DEPTH_SNAPSHOT | event::DEPTH_CLEAR, Some(_)) => {}
            _ => return false,
        }
        true
    }

    fn set(&mut self, side: usize, event: &Event) {
        let levels = &mut self.levels[side];
        if event.size == 0.0 {
            levels.remove(&ordered(event.price));
        } else {
            levels.insert(ordered(event.price), (event.price, event.size));
        }
    }

    /// Removes the levels from the best one to this price, of both sides if none is named; all if
    /// the price is not a number or 0.
    fn clear(&mut self, [bids, asks]: [bool; 2], price: f64) {
        let (all, price) = (price.is_nan() || price == 0.0, ordered(price));
        let both = bids == asks;
        if bids || both {
            self.levels[0].retain(|level, _| !all && !both && *level < price);
        }
        if asks || both {
            self.levels[1].retain(|level, _| !all && !both && *level > price);
        }
    }

    fn best(&self) -> Sides {
        let [bids, asks] = &self.levels;
        let best = [bids.last_key_value(), asks.first_key_value()];
        self.stated.unwrap_or_else(|| best.map(|level| level.map(|(_, level)| *level)))
    }
}

/// Returns a number that orders as the price does.
fn ordered(price: f64) -> i64 {
    let bits = price.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The quotes in an array of events.
struct Quotes {
    reader: BufReader<Summed>,
    /// Number of events that were not read yet.
    left: u64,
    /// Number of events before `next`.
    number: u64,
    /// The first event of the next pair of times.
    next: Option<Event>,
    books: Books,
    row: Row,
    others: u64,
}

impl Quotes {
    /// Returns the next event of the local clock.
    fn next_event(&mut self) -> anyhow::Result<Option<Event>> {
        while 0 < self.left {
            let mut bytes = [0; EVENT_BYTES];
            self.reader.read_exact(&mut bytes).map_err(|error| {
                let early = error.kind() == ErrorKind::UnexpectedEof;
                let ends = format!("the array ends {} events early", self.left);
                if early { anyhow::anyhow!(ends) } else { error.into() }
            })?;
            self.left -= 1;
            self.number += 1;
            let event = Event::of(&bytes);
            if event.flags & event::LOCAL != 0 {
                return Ok(Some(event));
            }
        }
        // Reading to the end proves the checksum of a zip file.
        let more = std::io::copy(&mut self.reader, &mut std::io::sink())?;
        ensure!(more == 0, "{more} bytes follow the array");
        Ok(None)
    }

    /// Applies the events of the next pair of times. Returns them, with the number of the last one.
    fn next_group(&mut self) -> anyhow::Result<Option<(i64, i64, u64)>> {
        let first = match self.next.take() {
            Some(event) => Some(event),
            None => self.next_event()?,
        };
        let Some(first) = first else { return Ok(None) };
        let times = |event: &Event| (event.local, event.exchange);
        let (mut event, mut last) = (first, self.number);
        loop {
            self.others += u64::from(!self.books.apply(&event));
            let Some(next) = self.next_event()? else { break };
            if times(&next) != times(&first) {
                self.next = Some(next);
                break;
            }
            (event, last) = (next, self.number);
        }
        Ok(Some((first.local, first.exchange, last)))
    }
}

impl Rows for Quotes {
    fn next_row(&mut self) -> anyhow::Result<Option<(u64, Result<&Row, Refusal>)>> {
        loop {
            let before = self.books.best();
            let Some((local, exchange, number)) = self.next_group()? else { return Ok(None) };
            let sides = self.books.best();
            if sides == before {
                continue;
            }
            let Row { received, event, bid, ask, .. } = &mut self.row;
            *received = local.to_string();
            *event = exchange.to_string();
            for (texts, side) in [bid, ask].into_iter().zip(sides) {
                *texts = side.map_or_else(Default::default, |(price, size)| {
                    [price.to_string(), size.to_string()]
                });
            }
            return Ok(Some((number, Ok(&self.row))));
        }
    }

    fn passed_over(&self) -> BTreeMap<&'static str, u64> {
        let others = (0 < self.others).then_some(("events of trades and orders", self.others));
        others.into_iter().collect()
    }
}
