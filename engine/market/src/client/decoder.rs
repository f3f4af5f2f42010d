//! Turns the fields of messages into records, by the catalogue in `hello`.
//!
//! Names are mapped to ids. Prices are parsed exactly. The net spread is computed from prices and
//! fees, as in the engine, because the message contains only a rounded one. What no market can have
//! is refused.

use super::fault::Fault;
use super::hello::Directory;
use super::message::{EndedFields, RecordingFields, SpreadFields, StateFields};
use crate::decimal;
use crate::instrument::{InstrumentId, VenueId};
use crate::record::{Ended, Recording, RecordingState, Spread, Status};
use crate::spread;
use crate::state::{EndReason, Reason, State};

/// Code of a reason that this version does not know.
const UNKNOWN: u8 = u8::MAX;

/// Decoder of one connection.
#[derive(Debug)]
pub(super) struct Decoder {
    directory: Directory,
}

impl Decoder {
    pub(super) fn new(directory: Directory) -> Decoder {
        Decoder { directory }
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Returns the record of a spread whose prices, sizes and legs can be right.
    pub(super) fn spread(&self, fields: &SpreadFields) -> Result<Spread, Fault> {
        let (instrument, [buy_venue, sell_venue]) =
            self.pair(&fields.instrument, [&fields.buy_venue, &fields.sell_venue])?;
        let scales = self.directory.catalogue().instrument(instrument);
        let buy_px = positive("buy_px", &fields.buy_px, scales.price_scale)?;
        let sell_px = positive("sell_px", &fields.sell_px, scales.price_scale)?;
        let [buy_fee, sell_fee] = [buy_venue, sell_venue].map(|venue| self.directory.fees(venue));
        Ok(Spread {
            ts_recv: fields.ts_recv,
            sequence: fields.quote_seq,
            buy_px,
            sell_px,
            buy_sz: positive("buy_sz", &fields.buy_sz, scales.size_scale)?,
            sell_sz: positive("sell_sz", &fields.sell_sz, scales.size_scale)?,
            net: spread::net(sell_px, sell_fee, buy_px, buy_fee),
            instrument,
            buy_venue,
            sell_venue,
            ..Spread::default()
        })
    }

    /// Returns the record of an end.
    pub(super) fn ended(&self, fields: &EndedFields) -> Result<Ended, Fault> {
        let (instrument, [buy_venue, sell_venue]) =
            self.pair(&fields.instrument, [&fields.buy_venue, &fields.sell_venue])?;
        Ok(Ended {
            ts_recv: fields.ts_recv,
            sequence: fields.quote_seq,
            instrument,
            buy_venue,
            sell_venue,
            flags: EndReason::of_name(&fields.reason).map_or(UNKNOWN, EndReason::code),
            ..Ended::default()
        })
    }

    /// Returns the record of a state, and whether this version knows the state. One that it does
    /// not know becomes [`State::Down`].
    pub(super) fn status(&self, fields: &StateFields) -> Result<(Status, bool), Fault> {
        let instrument = self.directory.instrument(&fields.instrument)?;
        let venue = self.leg(instrument, &fields.instrument, &fields.venue)?;
        let known = health(fields);
        let state = known.unwrap_or(State::Down);
        let previous = fields.previous.as_deref().and_then(State::of_name).unwrap_or(state);
        let status = Status {
            ts_recv: fields.ts_recv,
            state: state.code(),
            previous: previous.code(),
            reason: Reason::of_name(&fields.reason).map_or(UNKNOWN, Reason::code),
            instrument,
            venue,
            ..Status::default()
        };
        Ok((status, known.is_some()))
    }

    /// Returns the ids of an instrument and of two different venues that list it.
    fn pair(&self, name: &str, venues: [&str; 2]) -> Result<(InstrumentId, [VenueId; 2]), Fault> {
        let instrument = self.directory.instrument(name)?;
        let [buy, sell] = venues;
        let legs = [self.leg(instrument, name, buy)?, self.leg(instrument, name, sell)?];
        if legs[0] == legs[1] {
            return Err(Fault::OneVenue { instrument: name.to_owned(), venue: buy.to_owned() });
        }
        Ok((instrument, legs))
    }

    fn leg(&self, instrument: InstrumentId, name: &str, venue: &str) -> Result<VenueId, Fault> {
        let id = self.directory.venue(venue)?;
        if self.directory.is_listed(instrument, id) {
            return Ok(id);
        }
        Err(Fault::Unlisted { venue: venue.to_owned(), instrument: name.to_owned() })
    }
}

/// Returns the state in full; `None` if a word is unknown. Only what is live by both words is live.
fn health(fields: &StateFields) -> Option<State> {
    let state = State::of_name(&fields.state)?;
    let Some(health) = &fields.health else { return Some(state) };
    let health = State::of_name(health)?;
    Some(if health == State::Live { state } else { health })
}

/// Returns the record of the journal's state; `None` for a state of a later version.
pub(super) fn recording(fields: &RecordingFields) -> Option<Recording> {
    let state = RecordingState::of_name(&fields.state)?;
    let RecordingFields { ts_recv, lost, .. } = *fields;
    Some(Recording { ts_recv, lost, state: state.code(), ..Recording::default() })
}

/// Parses a price or size, which is above zero.
fn positive(field: &'static str, text: &str, scale: u8) -> Result<i64, Fault> {
    let mantissa = decimal::parse(text.as_bytes(), scale).map_err(|error| Fault::Number {
        field,
        text: text.to_owned(),
        error,
    })?;
    if mantissa <= 0 {
        return Err(Fault::NotPositive { field, text: text.to_owned() });
    }
    Ok(mantissa)
}
