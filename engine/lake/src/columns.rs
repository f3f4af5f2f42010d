//! Records as rows: turns the records of a [`Group`] into the columns of its table.
//!
//! Names and scales come from the catalogue of the run that wrote the records. Prices and sizes
//! become the double nearest to their decimal.

use crate::group::{Group, Rows};
use crate::layout::{self, BadName};
use crate::run::Provenance;
use crate::table::{self, Metadata};
use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt8Array,
    UInt64Array,
};
use arrow_schema::ArrowError;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal;
use spreadwire_market::fit::{self, Unfit};
use spreadwire_market::instrument::{Catalogue, Instrument, InstrumentId, VenueId};
use spreadwire_market::record::{Closed, Ended, Gap, Opened, Quote, Record, Spread, Status, flags};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{CloseReason, EndReason, Reason, State};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Turns the records of one run into rows.
#[derive(Debug)]
pub struct Columns<'a> {
    catalogue: &'a Catalogue,
    run: &'a str,
    provenance: Option<Provenance>,
    /// Folders by id; none for a name that cannot be one.
    venues: Vec<Option<String>>,
    instruments: Vec<Option<String>>,
}

/// The reason why a catalogue cannot be used for folders.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// A name cannot be a folder.
    #[error(transparent)]
    Bad(#[from] BadName),
    /// Two venues or instruments would share a folder.
    #[error("two venues or two instruments would share the folder {0:?}")]
    Same(String),
}

impl<'a> Columns<'a> {
    /// Makes the columns for records of `run`, which were written with `catalogue`.
    ///
    /// # Errors
    /// If a name in the catalogue cannot be a folder, or two names would share one.
    pub fn new(catalogue: &'a Catalogue, run: &'a str) -> Result<Columns<'a>, NamesError> {
        bad_names(catalogue).into_iter().next().map_or(Ok(Columns::of_any(catalogue, run)), Err)
    }

    /// Returns the columns of a run whose quotes come from there.
    #[must_use]
    pub fn of_provenance(self, provenance: Option<Provenance>) -> Columns<'a> {
        Columns { provenance, ..self }
    }

    /// Makes the columns for records that were written with any catalogue. Records under a name that
    /// cannot be a folder do not pass the [check](Columns::check).
    #[must_use]
    pub fn of_any(catalogue: &'a Catalogue, run: &'a str) -> Columns<'a> {
        let (venues, instruments) = folders(catalogue);
        let [venues, instruments] = [venues, instruments].map(|folders| {
            let places: Vec<Option<String>> = folders.into_iter().map(Result::ok).collect();
            let is_alone = |at: usize| !places[..at].contains(&places[at]);
            (0..places.len()).map(|at| places[at].clone().filter(|_| is_alone(at))).collect()
        });
        Columns { catalogue, run, provenance: None, venues, instruments }
    }

    /// Refuses a record that [`batch`](Columns::batch) could not turn into a row. A gap becomes no
    /// row, and is checked all the same.
    ///
    /// # Errors
    /// Why the lake cannot hold it.
    pub fn check(&self, record: &Record, number: u64) -> Result<(), Unfit> {
        fit::check(record, number, self.venues.len(), self.instruments.len())?;
        let has_place =
            |folders: &[Option<String>], at: usize| folders.get(at).is_none_or(Option::is_some);
        let places = has_place(&self.venues, record.venue.index())
            && has_place(&self.venues, record.peer.index())
            && has_place(&self.instruments, record.instrument.index());
        if places || record.is::<Gap>() { Ok(()) } else { Err(Unfit::Name) }
    }

    /// Returns the folder of a group as a path below the lake.
    #[must_use]
    pub fn folder(&self, group: &Group) -> PathBuf {
        let of = |folders: &[Option<String>], at: usize| folders[at].clone().unwrap_or_default();
        let instrument = || of(&self.instruments, group.instrument.index());
        let (hour, date) = (layout::hour_folder(group.hour), layout::date_folder(group.hour));
        PathBuf::from(match group.rows {
            Rows::Quotes => {
                let venue = of(&self.venues, group.venue.index());
                format!("exchange={venue}/symbol={}/{hour}", instrument())
            }
            Rows::Spreads => format!("{}/symbol={}/{hour}", layout::SPREADS, instrument()),
            Rows::Status => format!("{}/{date}", layout::STATUS),
            Rows::Ends => format!("{}/{date}", layout::ENDS),
            Rows::Opportunities => format!("{}/{date}", layout::OPPORTUNITIES),
        })
    }

    /// Returns the venue and the instrument of a group, where all its rows have the same one.
    #[must_use]
    pub fn names(&self, group: &Group) -> (Option<&str>, Option<&str>) {
        let venue = || Some(self.venue(group.venue));
        let instrument = || Some(self.instrument(group.instrument).name.as_str());
        match group.rows {
            Rows::Quotes => (venue(), instrument()),
            Rows::Spreads => (None, instrument()),
            Rows::Status | Rows::Ends | Rows::Opportunities => (None, None),
        }
    }

    /// Returns the text for the footer of a file of the group.
    #[must_use]
    pub fn metadata(&self, group: &Group) -> Metadata {
        let mut metadata = Metadata::new();
        let (venue, instrument) = self.names(group);
        let mut add = |key: &str, value: String| metadata.insert(key.to_owned(), value);
        if let Some(provenance) = self.provenance {
            add("provenance", provenance.name().to_owned());
        }
        if let Some(venue) = venue {
            add("venue", venue.to_owned());
        }
        if let Some(name) = instrument {
            let Instrument { price_scale, size_scale, .. } = self.instrument(group.instrument);
            add("instrument", name.to_owned());
            add("price_scale", price_scale.to_string());
            add("size_scale", size_scale.to_string());
        }
        metadata
    }

    /// Turns records of one group, with their numbers, into rows in the order given.
    ///
    /// # Errors
    /// Never for records that were [checked](Columns::check).
    ///
    /// # Panics
    /// If a record belongs to another table or was not checked.
    pub fn batch(
        &self,
        group: &Group,
        records: &[(&Record, u64)],
    ) -> Result<RecordBatch, ArrowError> {
        let columns = match group.rows {
            Rows::Quotes => self.quotes(group, records),
            Rows::Status => self.statuses(records),
            Rows::Spreads => self.spreads(records),
            Rows::Ends => self.ends(records),
            Rows::Opportunities => self.opportunities(records),
        };
        group.table().batch(columns)
    }

    fn quotes(&self, group: &Group, records: &[(&Record, u64)]) -> Vec<ArrayRef> {
        let Instrument { price_scale, size_scale, .. } = *self.instrument(group.instrument);
        let quotes = || records.iter().map(|(record, _)| record.view::<Quote>());
        // A side that is absent has neither price nor size.
        let bid =
            |of: fn(&Quote) -> i64, scale| {
                floats(quotes().map(|q| {
                    ((q.bid_px, q.bid_sz) != (0, 0)).then(|| decimal::to_f64(of(q), scale))
                }))
            };
        let ask =
            |of: fn(&Quote) -> i64, scale| {
                floats(quotes().map(|q| {
                    ((q.ask_px, q.ask_sz) != (0, 0)).then(|| decimal::to_f64(of(q), scale))
                }))
            };
        let event = |q: &Quote| (q.flags & flags::TS_EVENT_ABSENT == 0).then_some(q.ts_event);
        vec![
            times(quotes().map(|q| Some(q.ts_recv))),
            bid(|q| q.bid_px, price_scale),
            ask(|q| q.ask_px, price_scale),
            bid(|q| q.bid_sz, size_scale),
            ask(|q| q.ask_sz, size_scale),
            times(quotes().map(event)),
            Arc::new(
                quotes().map(|q| (q.sequence != 0).then_some(q.sequence)).collect::<UInt64Array>(),
            ),
            numbers(records.iter().map(|(_, number)| Some(*number))),
            Arc::new(UInt8Array::from_iter_values(quotes().map(|q| q.flags))),
            table::constant_text(self.run, records.len()),
        ]
    }

    fn statuses(&self, records: &[(&Record, u64)]) -> Vec<ArrayRef> {
        let all = || records.iter().map(|(record, _)| record.view::<Status>());
        // A code of a later version is written as its number.
        let state = |code: u8| {
            State::of_code(code).map_or_else(|| code.to_string(), |s| s.name().to_owned())
        };
        let reason = |code: u8| {
            Reason::of_code(code).map_or_else(|| code.to_string(), |r| r.name().to_owned())
        };
        vec![
            times(all().map(|s| Some(s.ts_recv))),
            table::text_column(all().map(|s| Some(self.venue(s.venue)))),
            table::text_column(all().map(|s| Some(&self.instrument(s.instrument).name))),
            table::text_column(all().map(|s| Some(state(s.state)))),
            table::text_column(all().map(|s| Some(state(s.previous)))),
            table::text_column(all().map(|s| Some(reason(s.reason)))),
            numbers(records.iter().map(|(_, number)| Some(*number))),
            table::constant_text(self.run, records.len()),
        ]
    }

    fn spreads(&self, records: &[(&Record, u64)]) -> Vec<ArrayRef> {
        let all = || records.iter().map(|(record, _)| record.view::<Spread>());
        let price = |s: &Spread, px| decimal::to_f64(px, self.instrument(s.instrument).price_scale);
        let size = |s: &Spread, sz| decimal::to_f64(sz, self.instrument(s.instrument).size_scale);
        vec![
            times(all().map(|s| Some(s.ts_recv))),
            table::text_column(all().map(|s| Some(&self.instrument(s.instrument).name))),
            table::text_column(all().map(|s| Some(self.venue(s.buy_venue)))),
            table::text_column(all().map(|s| Some(self.venue(s.sell_venue)))),
            floats(all().map(|s| Some(price(s, s.buy_px)))),
            floats(all().map(|s| Some(price(s, s.sell_px)))),
            floats(all().map(|s| Some(size(s, s.buy_sz)))),
            floats(all().map(|s| Some(size(s, s.sell_sz)))),
            floats(all().map(|s| Some(s.net * BPS))),
            numbers(all().map(|s| Some(s.sequence))),
            table::constant_text(self.run, records.len()),
        ]
    }

    fn ends(&self, records: &[(&Record, u64)]) -> Vec<ArrayRef> {
        let all = || records.iter().map(|(record, _)| record.view::<Ended>());
        vec![
            times(all().map(|e| Some(e.ts_recv))),
            table::text_column(all().map(|e| Some(&self.instrument(e.instrument).name))),
            table::text_column(all().map(|e| Some(self.venue(e.buy_venue)))),
            table::text_column(all().map(|e| Some(self.venue(e.sell_venue)))),
            table::text_column(all().map(|e| Some(end_reason(e.flags)))),
            numbers(all().map(|e| Some(e.sequence))),
            table::constant_text(self.run, records.len()),
        ]
    }

    fn opportunities(&self, records: &[(&Record, u64)]) -> Vec<ArrayRef> {
        let rows: Vec<Opportunity> =
            records.iter().map(|(record, _)| self.opportunity(record)).collect();
        let pair = |of: fn(&Record) -> VenueId| {
            table::text_column(records.iter().map(|(record, _)| Some(self.venue(of(record)))))
        };
        vec![
            times(records.iter().map(|(record, _)| Some(record.ts_recv()))),
            table::text_column(rows.iter().map(|row| Some(row.event))),
            numbers(rows.iter().map(|row| Some(row.id))),
            table::text_column(
                records.iter().map(|(r, _)| Some(&self.instrument(r.instrument).name)),
            ),
            pair(|record| record.venue),
            pair(|record| record.peer),
            floats(rows.iter().map(|row| row.sides.map(|sides| sides[0]))),
            floats(rows.iter().map(|row| row.sides.map(|sides| sides[1]))),
            floats(rows.iter().map(|row| row.sides.map(|sides| sides[2]))),
            floats(rows.iter().map(|row| row.sides.map(|sides| sides[3]))),
            floats(rows.iter().map(|row| Some(row.net))),
            times(rows.iter().map(|row| Some(row.opened_at))),
            floats(rows.iter().map(|row| row.closed.map(|closed| closed.net_peak * BPS))),
            times(rows.iter().map(|row| row.closed.map(|closed| closed.ts_peak))),
            numbers(rows.iter().map(|row| row.closed.map(|closed| closed.updates))),
            table::text_column(
                rows.iter().map(|row| row.closed.map(|closed| close_reason(closed.flags))),
            ),
            table::constant_text(self.run, records.len()),
        ]
    }

    fn opportunity(&self, record: &Record) -> Opportunity {
        let Instrument { price_scale, size_scale, .. } = *self.instrument(record.instrument);
        if let Some(closed) = record.get::<Closed>().copied() {
            let (id, opened_at, net) = (closed.id, closed.ts_open, closed.net_last * BPS);
            return Opportunity {
                event: "closed",
                id,
                opened_at,
                net,
                sides: None,
                closed: Some(closed),
            };
        }
        let opened: &Opened = record.view();
        let price = |px| decimal::to_f64(px, price_scale);
        let size = |sz| decimal::to_f64(sz, size_scale);
        let sides = [
            price(opened.buy_px),
            price(opened.sell_px),
            size(opened.buy_sz),
            size(opened.sell_sz),
        ];
        Opportunity {
            event: "opened",
            id: opened.id,
            opened_at: opened.ts_recv,
            net: opened.net * BPS,
            sides: Some(sides),
            closed: None,
        }
    }

    fn venue(&self, id: VenueId) -> &'a str {
        &self.catalogue.venue(id).name
    }

    fn instrument(&self, id: InstrumentId) -> &'a Instrument {
        self.catalogue.instrument(id)
    }
}

/// Returns every reason why a catalogue's names cannot be folders of a lake.
#[must_use]
pub fn bad_names(catalogue: &Catalogue) -> Vec<NamesError> {
    let (venues, instruments) = folders(catalogue);
    let mut bad = Vec::new();
    for folders in [venues, instruments] {
        let mut seen = BTreeSet::new();
        for folder in folders {
            match folder {
                Ok(folder) if !seen.insert(folder.clone()) => bad.push(NamesError::Same(folder)),
                Ok(_) => {}
                Err(name) => bad.push(NamesError::Bad(name)),
            }
        }
    }
    bad
}

type Folders = Vec<Result<String, BadName>>;

/// Returns the folders of a catalogue's venues and instruments, by id.
fn folders(catalogue: &Catalogue) -> (Folders, Folders) {
    let venues = catalogue.venues.iter().map(|venue| layout::venue_folder(&venue.name));
    let instruments = catalogue.instruments.iter();
    let instruments = instruments.map(|of| layout::instrument_folder(&of.name));
    (venues.collect(), instruments.collect())
}

/// The part of a row of opportunities that differs between an opening and a closing.
struct Opportunity {
    event: &'static str,
    id: u64,
    opened_at: Nanos,
    /// Net gap, basis points.
    net: f64,
    /// When it opened: buy price, sell price, buy size, sell size.
    sides: Option<[f64; 4]>,
    /// When it closed: the record.
    closed: Option<Closed>,
}

fn close_reason(code: u8) -> String {
    CloseReason::of_code(code).map_or_else(|| code.to_string(), |reason| reason.name().to_owned())
}

/// Returns the name of a reason why a spread ended; a code of a later version as its number.
fn end_reason(code: u8) -> String {
    EndReason::of_code(code).map_or_else(|| code.to_string(), |reason| reason.name().to_owned())
}

fn times(values: impl Iterator<Item = Option<Nanos>>) -> ArrayRef {
    let values: TimestampNanosecondArray = values.map(|v| v.map(u64::cast_signed)).collect();
    Arc::new(values.with_timezone("UTC"))
}

fn numbers(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(values.map(|v| v.map(u64::cast_signed)).collect::<Int64Array>())
}

fn floats(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}
