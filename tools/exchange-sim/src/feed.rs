//! The source that is played, as a sequence of items with times since the start.
//!
//! This makes the model, tapes and recorded frames look alike to the server. It also starts a
//! recording again when the options ask for a loop.

use std::time::Duration;

use crate::decimal::push_units;
use crate::error::SimError;
use crate::frames::{self, FramesOptions};
use crate::instrument::INSTRUMENTS;
use crate::model::{Model, ModelOptions, ModelVenue};
use crate::options::{Options, Source};
use crate::tape::{self, Surveyed};
use crate::venue::Texts;
use crate::venues;

/// Pause between the last item of one round of a loop and the first item of the next.
const LOOP_PAUSE_NS: u64 = 1_000_000;

/// One item of the source.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// Time at which the item is sent, in ns since the start at the source's own speed.
    pub(crate) at_ns: u64,
    /// Time from the venue's matching to the sending, in ns at the source's own speed. Negative if
    /// the clock of the recording ran behind the venue's.
    pub(crate) age_ns: i64,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    /// Index of the instrument among those that the source lists.
    pub(crate) instrument: usize,
    /// Prices and sizes of a quote, as the source has them.
    pub(crate) texts: Texts,
    /// Recorded frame, if the source has frames instead of quotes.
    pub(crate) frame: Option<String>,
}

/// An instrument that the source lists.
#[derive(Debug)]
pub(crate) struct Listed {
    /// Canonical name: `BTC/USDT`.
    pub(crate) name: String,
    /// Number of digits after the point of a price.
    pub(crate) price_places: usize,
    /// Number of digits after the point of a size.
    pub(crate) size_places: usize,
    /// Indices of the simulated venues that list the instrument, with its symbol there.
    pub(crate) symbols: Vec<(usize, String)>,
}

/// The source and the item that comes next.
#[derive(Debug)]
pub(crate) struct Feed {
    origin: Origin,
    looping: bool,
    /// Number of items until the limit.
    left: u64,
    item: Item,
    /// Whether `item` is the next item.
    ready: bool,
    /// Time at which this round of a loop began, in ns since the start.
    round_ns: u64,
    problem: Option<String>,
}

/// Where the items come from.
#[derive(Debug)]
enum Origin {
    Model {
        model: Box<Model>,
        /// Index of the simulated venue and its push delay, by venue of the model.
        venues: Vec<(usize, Duration)>,
    },
    Tape {
        surveyed: Box<Surveyed>,
        merged: tape::Merged,
        row: Box<tape::Row>,
    },
    Frames {
        options: FramesOptions,
        names: Vec<String>,
        merged: frames::Merged,
        line: frames::Line,
        /// Time of the first frame of the first round.
        first_ns: Option<u64>,
    },
}

impl Feed {
    /// Opens the source of the options. Returns it with the instruments that it lists; recorded
    /// frames list none.
    pub(crate) fn open(options: &Options) -> Result<(Feed, Vec<Listed>), SimError> {
        let names: Vec<&str> = options.venues.iter().map(|venue| venue.name.as_str()).collect();
        let (origin, listed) = match &options.source {
            Source::Model(model) => open_model(model, &names)?,
            Source::Tape(tape) => open_tape(tape, &names)?,
            Source::Frames(frames) => (open_frames(frames, &names)?, Vec::new()),
        };
        let feed = Feed {
            origin,
            looping: options.looping,
            left: options.limit.unwrap_or(u64::MAX),
            item: Item::default(),
            ready: false,
            round_ns: 0,
            problem: None,
        };
        Ok((feed, listed))
    }

    /// Returns the next item, or `None` at the end.
    pub(crate) fn peek(&mut self) -> Option<&Item> {
        if !self.ready && 0 < self.left && self.problem.is_none() {
            self.ready = self.load();
            if !self.ready {
                self.left = 0;
            }
        }
        self.ready.then_some(&self.item)
    }

    /// Goes on to the item after the one that [`peek`](Self::peek) returns.
    pub(crate) fn advance(&mut self) {
        self.ready = false;
        self.left = self.left.saturating_sub(1);
    }

    /// Returns why the source stopped before its end, if it did.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns the numbers of recorded frames so far that cannot be played.
    pub(crate) fn missing(&self) -> frames::Missing {
        match &self.origin {
            Origin::Frames { merged, .. } => merged.missing(),
            Origin::Model { .. } | Origin::Tape { .. } => frames::Missing::default(),
        }
    }

    /// Reads the next item, from the start again if the source loops. Returns false at the end.
    fn load(&mut self) -> bool {
        let mut read = self.read();
        if self.looping && matches!(read, Ok(false)) {
            read = self.rewind().and_then(|()| self.read());
        }
        match read {
            Ok(found) => found,
            Err(problem) => {
                self.problem = Some(problem.to_string());
                false
            }
        }
    }

    fn rewind(&mut self) -> Result<(), SimError> {
        match &mut self.origin {
            Origin::Model { .. } => {}
            Origin::Tape { surveyed, merged, .. } => *merged = surveyed.open()?,
            Origin::Frames { options, names, merged, .. } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                *merged = frames::Merged::open(options, &names)?;
            }
        }
        self.round_ns = self.item.at_ns + LOOP_PAUSE_NS;
        Ok(())
    }

    fn read(&mut self) -> Result<bool, SimError> {
        match &mut self.origin {
            Origin::Model { model, venues } => {
                read_model(model, venues, &mut self.item);
                Ok(true)
            }
            Origin::Tape { surveyed, merged, row } => {
                let found = merged.next(row)?;
                if found {
                    take_row(row, surveyed.survey.first_ns, self.round_ns, &mut self.item);
                }
                Ok(found)
            }
            Origin::Frames { merged, line, first_ns, .. } => {
                let found = merged.next(line)?;
                if found {
                    let first_ns = *first_ns.get_or_insert(line.at_ns);
                    take_line(line, first_ns, self.round_ns, &mut self.item);
                }
                Ok(found)
            }
        }
    }
}

/// Makes a row of a tape the next item. A row that goes back in time is due at once.
fn take_row(row: &mut tape::Row, first_ns: u64, round_ns: u64, item: &mut Item) {
    let at_ns = round_ns + row.recv_ns.saturating_sub(first_ns);
    item.at_ns = at_ns.max(item.at_ns);
    item.age_ns = row.exch_ns.map_or(0, |exch_ns| row.recv_ns.wrapping_sub(exch_ns) as i64);
    item.venue = row.venue;
    item.instrument = row.instrument;
    std::mem::swap(&mut item.texts, &mut row.texts);
}

/// Makes a recorded frame the next item. A frame that goes back in time is due at once.
fn take_line(line: &mut frames::Line, first_ns: u64, round_ns: u64, item: &mut Item) {
    let at_ns = round_ns + line.at_ns.saturating_sub(first_ns);
    item.at_ns = at_ns.max(item.at_ns);
    item.venue = line.venue;
    std::mem::swap(item.frame.get_or_insert_default(), &mut line.frame);
}

fn read_model(model: &mut Model, venues: &[(usize, Duration)], item: &mut Item) {
    let quote = model.next_quote();
    let (venue, delay) = venues[quote.venue];
    item.at_ns = quote.at_ns;
    item.age_ns = i64::try_from(delay.as_nanos()).unwrap_or(0);
    item.venue = venue;
    item.instrument = quote.instrument;
    let grid = &INSTRUMENTS[quote.instrument];
    let texts = &mut item.texts;
    for (units, places, text) in [
        (quote.bid, grid.price_decimals, &mut texts.bid),
        (quote.bid_qty, grid.size_decimals, &mut texts.bid_qty),
        (quote.ask, grid.price_decimals, &mut texts.ask),
        (quote.ask_qty, grid.size_decimals, &mut texts.ask_qty),
    ] {
        text.clear();
        push_units(units, places, text);
    }
}

fn open_model(options: &ModelOptions, names: &[&str]) -> Result<(Origin, Vec<Listed>), SimError> {
    let mut options = options.clone();
    options.venues.retain(|venue| names.contains(&venue.name.as_str()));
    for name in names {
        if !options.venues.iter().any(|venue| venue.name == *name) {
            options.venues.push(ModelVenue::typical(name));
        }
    }
    let index = |name: &str| names.iter().position(|here| *here == name).unwrap_or(0);
    let venues =
        options.venues.iter().map(|venue| (index(&venue.name), venue.push_delay)).collect();
    let model = Model::new(&options)?;
    let listed = INSTRUMENTS[..options.instruments]
        .iter()
        .map(|instrument| Listed {
            name: instrument.name.to_owned(),
            price_places: instrument.price_decimals,
            size_places: instrument.size_decimals,
            symbols: names
                .iter()
                .enumerate()
                .filter_map(|(at, name)| Some((at, venues::venue_symbol(name, instrument.name)?)))
                .collect(),
        })
        .collect();
    Ok((Origin::Model { model: Box::new(model), venues }, listed))
}

fn open_tape(
    options: &tape::TapeOptions,
    names: &[&str],
) -> Result<(Origin, Vec<Listed>), SimError> {
    let surveyed = Surveyed::read(options, names)?;
    let index = |name: &String| names.iter().position(|here| here == name);
    let listed = surveyed
        .survey
        .instruments
        .iter()
        .map(|instrument| Listed {
            name: instrument.name.clone(),
            price_places: instrument.price_decimals,
            size_places: instrument.size_decimals,
            symbols: instrument
                .venues
                .iter()
                .filter_map(|(name, symbol)| Some((index(name)?, symbol.clone())))
                .collect(),
        })
        .collect();
    let merged = surveyed.open()?;
    let row = Box::default();
    Ok((Origin::Tape { surveyed: Box::new(surveyed), merged, row }, listed))
}

fn open_frames(options: &FramesOptions, names: &[&str]) -> Result<Origin, SimError> {
    Ok(Origin::Frames {
        options: options.clone(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        merged: frames::Merged::open(options, names)?,
        line: frames::Line::default(),
        first_ns: None,
    })
}
