//! The source being played: one item after the other with its time since the start.
//!
//! Makes a model, a tape and recorded frames look alike to the server, and begins a recording
//! again when it loops. Must not know the time of day or who is subscribed.

use std::time::Duration;

use crate::decimal::push_units;
use crate::error::SimError;
use crate::frames::{self, FramesOptions};
use crate::instrument::INSTRUMENTS;
use crate::model::{Model, ModelOptions};
use crate::options::{Options, Source};
use crate::tape::{self, Surveyed};
use crate::venue::Texts;
use crate::venues;

/// Pause between the last item of a loop and the first of the next.
const LOOP_PAUSE_NS: u64 = 1_000_000;

/// One item of the source.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// When it is sent, ns since the start at the source's own speed.
    pub(crate) at_ns: u64,
    /// How much earlier the venue's matching was, ns at the source's own speed; negative on a
    /// recording whose clock ran behind the venue's.
    pub(crate) age_ns: i64,
    /// Index of the simulated venue.
    pub(crate) venue: usize,
    /// Index into the instruments listed.
    pub(crate) instrument: usize,
    /// The numbers of a quote, as the source has them.
    pub(crate) texts: Texts,
    /// A recorded frame instead of a quote.
    pub(crate) frame: Option<String>,
}

/// An instrument that the source has.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) price_places: usize,
    pub(crate) size_places: usize,
    /// Simulated venue and symbol there.
    pub(crate) symbols: Vec<(usize, String)>,
}

/// The source at some time.
#[derive(Debug)]
pub(crate) struct Feed {
    origin: Origin,
    looping: bool,
    left: u64,
    item: Item,
    ready: bool,
    /// Added to the times of this round of a loop.
    round_ns: u64,
    problem: Option<String>,
}

#[derive(Debug)]
enum Origin {
    Model {
        model: Box<Model>,
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
        first_ns: Option<u64>,
    },
}

impl Feed {
    /// Opens the source of the options and says which instruments it has.
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

    /// The next item; none at the end.
    pub(crate) fn peek(&mut self) -> Option<&Item> {
        if !self.ready && 0 < self.left && self.problem.is_none() {
            self.ready = self.load();
            if !self.ready {
                self.left = 0;
            }
        }
        self.ready.then_some(&self.item)
    }

    /// Drops the item that was peeked at.
    pub(crate) fn advance(&mut self) {
        self.ready = false;
        self.left = self.left.saturating_sub(1);
    }

    /// Why the source ended before its end, if it did.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// What a recording of frames told so far beside frames to play.
    pub(crate) fn missing(&self) -> frames::Missing {
        match &self.origin {
            Origin::Frames { merged, .. } => merged.missing(),
            Origin::Model { .. } | Origin::Tape { .. } => frames::Missing::default(),
        }
    }

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

/// Takes a row of a tape as the next item. A row that goes back in time is sent when it comes.
fn take_row(row: &mut tape::Row, first_ns: u64, round_ns: u64, item: &mut Item) {
    let at_ns = round_ns + row.recv_ns.saturating_sub(first_ns);
    item.at_ns = at_ns.max(item.at_ns);
    item.age_ns = row.exch_ns.map_or(0, |exch_ns| row.recv_ns.wrapping_sub(exch_ns) as i64);
    item.venue = row.venue;
    item.instrument = row.instrument;
    std::mem::swap(&mut item.texts, &mut row.texts);
}

/// Takes a recorded frame as the next item. A frame that goes back in time is sent when it comes.
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
            return Err(SimError::Model(format!("the model has no parameters for {name}")));
        }
    }
    let index = |name: &str| names.iter().position(|here| *here == name).unwrap_or(0);
    let venues =
        options.venues.iter().map(|venue| (index(&venue.name), venue.push_delay)).collect();
    let model = Model::new(&options)?;
    let listed = INSTRUMENTS[..options.instruments]
        .iter()
        .map(|instrument| Listed {
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
