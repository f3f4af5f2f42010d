//! The first reading of the files: their format, names, decimals, units of time and identity.

use super::contract::Contracts;
use super::format::{Format, Given, Rows};
use super::formats;
use super::names::{Names, Places};
use super::row::Row;
use super::source::{Content, Identity, Sum};
use super::time::{Clock, Unit, Votes};
use anyhow::{Context, ensure};
use spreadwire_lake::columns::Columns;
use spreadwire_lake::layout;
use spreadwire_lake::run::RunId;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, SCALE_MAX};
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, VENUES_MAX, VenueId, VenueInfo,
};
use std::path::{Path, PathBuf};

/// How files are to be read, where they do not say it.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The format of all files; otherwise each is recognised.
    pub format: Option<&'static Format>,
    /// Names of files without names.
    pub given: Given,
    /// Rules for names.
    pub names: Names,
    /// Units of the columns of these names; an empty name stands for all columns of times.
    pub units: Vec<(String, Unit)>,
    /// Decimals of prices and sizes.
    pub scales: (Option<u8>, Option<u8>),
    /// What contracts are, where sizes are numbers of them.
    pub contracts: Contracts,
}

impl Reading {
    /// Opens a file.
    pub(super) fn open(
        &self,
        file: &Path,
    ) -> anyhow::Result<(&'static Format, Sum, Box<dyn Rows>)> {
        let content = Content::open(file)?;
        let format = self.format.map_or_else(|| formats::of(&content), Ok)?;
        let sum = content.sum();
        let rows = (format.open)(content, &self.given)
            .with_context(|| format!("cannot be read as {} ({})", format.name, format.what))?;
        Ok((format, sum, rows))
    }

    /// Refuses what no file needs, because it would have no effect.
    fn is_used(&self, files: &[Surveyed]) -> anyhow::Result<()> {
        let Given { venue, instrument } = &self.given;
        if let Some(venue) = venue {
            let used = files.iter().any(|file| file.places.has_venue(venue));
            ensure!(used, "--venue {venue} names no file: all name their venues, see --map");
        }
        if let Some(name) = instrument {
            let used = files.iter().any(|file| file.places.has_symbol(name));
            ensure!(
                used,
                "--instrument {name} names no file: all name their symbols, write it as SYMBOL={name}"
            );
        }
        for (column, _) in self.units.iter().filter(|(column, _)| !column.is_empty()) {
            let used = files.iter().any(|file| file.format.times.contains(&column.as_str()));
            ensure!(used, "--time-unit {column}=...: no file has a column of times of this name");
        }
        for (symbol, _) in self.contracts.0.iter().filter(|(symbol, _)| !symbol.is_empty()) {
            let used = files.iter().any(|file| file.places.has_symbol(symbol));
            ensure!(used, "--contract-size {symbol}=...: no file has this symbol");
        }
        Ok(())
    }

    /// Returns the unit that was given for a column.
    fn unit(&self, column: &str) -> Option<Unit> {
        let of = |name: &str| self.units.iter().find(|(given, _)| given == name);
        of(column).or_else(|| of("")).map(|(_, unit)| *unit)
    }
}

/// A file as the first reading found it.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) file: PathBuf,
    pub(super) format: &'static Format,
    pub(super) identity: Identity,
    pub(super) run: RunId,
    /// The run as which earlier versions would have imported it.
    pub(super) run_before: RunId,
    /// Number of rows, those that cannot be quotes included.
    pub(super) rows: u64,
    pub(super) first: Nanos,
    pub(super) last: Nanos,
    /// How the times of receiving and of the event are read; `None` if there are none.
    pub(super) clocks: [Option<Clock>; 2],
    pub(super) places: Places,
}

/// What all files together have.
#[derive(Default)]
pub(super) struct Survey {
    reading: Reading,
    venues: Vec<String>,
    instruments: Vec<Instrument>,
}

impl Survey {
    /// Reads files. Their runs have no names yet.
    ///
    /// # Errors
    /// If one cannot be read, or something in it is in doubt.
    pub(super) fn of(
        reading: &Reading,
        files: &[PathBuf],
    ) -> anyhow::Result<(Catalogue, Vec<Surveyed>)> {
        let mut survey = Survey { reading: reading.clone(), ..Survey::default() };
        let read =
            |file: &PathBuf| survey.read(file).with_context(|| format!("{}", file.display()));
        let surveyed = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        reading.is_used(&surveyed)?;
        survey.set_scales();
        let catalogue = survey.catalogue()?;
        Ok((catalogue, surveyed))
    }

    fn read(&mut self, file: &Path) -> anyhow::Result<Surveyed> {
        let (format, sum, mut rows) = self.reading.open(file)?;
        let mut votes = format.times.map(|column| Votes::new(self.reading.unit(column)));
        let (mut count, mut places) = (0, Places::default());
        while let Some((_, row)) = rows.next_row()? {
            count += 1;
            let Ok(row) = row else { continue };
            self.note(format, row, &mut places)?;
            votes[0].count(&row.received);
            votes[1].count(&row.event);
        }
        ensure!(0 < count, "it has no rows");
        let doubt = || "nothing is imported";
        let [received, event] = format.times;
        let clock = votes[0].clock(received).with_context(doubt)?;
        let clock = clock.with_context(|| format!("no row has a receive time, {received}"))?;
        let event = votes[1].clock(event).with_context(doubt)?;
        let span = votes[0].span(clock.unit);
        let (first, last) =
            span.with_context(|| format!("no {received} is a time in {}", clock.unit.name()))?;
        let (identity, run) = (sum.identity(), RunId::starting_at(0));
        Ok(Surveyed {
            file: file.to_owned(),
            format,
            identity,
            run,
            run_before: run,
            rows: count,
            first,
            last,
            clocks: [Some(clock), event],
            places,
        })
    }

    /// Notes the venue, instrument and decimals of a row.
    fn note(&mut self, format: &Format, row: &Row, places: &mut Places) -> anyhow::Result<()> {
        let key = (row.venue.as_str(), row.symbol.as_str());
        let ids = match places.get(key.0, key.1) {
            Some(ids) => ids,
            None => {
                let ids = self.ids(format, key)?;
                places.insert(key, ids);
                ids
            }
        };
        let Some((_, instrument)) = ids else { return Ok(()) };
        let Instrument { price_scale, size_scale, .. } = &mut self.instruments[instrument.index()];
        let most = |texts: [&str; 2], known: u8| {
            texts.map(decimal::significant).into_iter().fold(known, u8::max)
        };
        *price_scale = most(row.prices(), *price_scale);
        let sizes = most(row.sizes(), 0);
        let contract = self.reading.contracts.of(&row.symbol);
        let sizes = contract.map_or(sizes, |contract| contract.size_decimals(sizes));
        *size_scale = sizes.max(*size_scale);
        Ok(())
    }

    /// Returns the ids of a venue and symbol; `None` if they cannot name folders.
    fn ids(
        &mut self,
        format: &Format,
        (venue, symbol): (&str, &str),
    ) -> anyhow::Result<Option<(VenueId, InstrumentId)>> {
        let names = &self.reading.names;
        let name = names.instrument(format, venue, symbol);
        let venue = names.venue(format, venue, symbol)?;
        if layout::venue_folder(&venue).is_err() || layout::instrument_folder(&name).is_err() {
            return Ok(None);
        }
        let venue = place_of(&mut self.venues, |known| *known == venue, || venue.clone());
        ensure!(venue < VENUES_MAX, "more than {VENUES_MAX} venues: import the files one by one");
        let new = || Instrument { name: name.clone(), price_scale: 0, size_scale: 0 };
        let place = place_of(&mut self.instruments, |known| known.name == name, new);
        Ok(Some((VenueId(u8::try_from(venue)?), InstrumentId(u32::try_from(place)?))))
    }

    fn set_scales(&mut self) {
        let (price, size) = self.reading.scales;
        for instrument in &mut self.instruments {
            instrument.price_scale = price.unwrap_or(instrument.price_scale).min(SCALE_MAX);
            instrument.size_scale = size.unwrap_or(instrument.size_scale).min(SCALE_MAX);
        }
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        let venue = |name: &String| VenueInfo { name: name.clone(), taker_fee: 0.0, max_age: 0 };
        let catalogue = Catalogue {
            instruments: self.instruments.clone(),
            venues: self.venues.iter().map(venue).collect(),
            listings: Vec::new(),
        };
        Columns::new(&catalogue, "import").context("use --map or --instrument")?;
        Ok(catalogue)
    }
}

fn place_of<T>(known: &mut Vec<T>, is_it: impl Fn(&T) -> bool, new: impl Fn() -> T) -> usize {
    known.iter().position(is_it).unwrap_or_else(|| {
        known.push(new());
        known.len() - 1
    })
}
