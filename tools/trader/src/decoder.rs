//! Decodes the broadcast's JSON texts (`docs/broadcast.md`) into records.
//!
//! Names are mapped to ids by the catalogue in `hello`. Prices are parsed exactly. The net spread
//! is computed from prices and fees, as in the engine, because the message contains only a rounded
//! one. Anything that this version does not know is ignored, as the protocol requires.

use serde::Deserialize;
use spreadwire_market::clock::Nanos;
use spreadwire_market::decimal::{self, DecimalError};
use spreadwire_market::instrument::{
    Catalogue, Instrument, InstrumentId, Listing, VENUES_MAX, VenueId, VenueInfo,
};
use spreadwire_market::record::{Gap, Record, Recording, RecordingState, Spread, Status};
use spreadwire_market::spread::{BPS, FeeFactors};
use spreadwire_market::state::{Reason, State};
use std::collections::HashMap;

/// Supported version of the protocol.
const PROTOCOL: &str = "spreadwire.v1";

/// Reason why a text could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Not JSON, or without the fields that the protocol guarantees.
    #[error("not a message of {PROTOCOL}: {0}")]
    Shape(#[from] serde_json::Error),
    /// The server uses another protocol.
    #[error("the server uses protocol {0:?}; this version supports {PROTOCOL:?}")]
    Protocol(String),
    /// A message came before `hello`.
    #[error("the first message was not hello")]
    NoHello,
    /// A name that is not in the catalogue of `hello`.
    #[error("{0:?} is not in the server's catalogue")]
    UnknownName(String),
    /// A price or size that is not a number at the instrument's scale.
    #[error("{0:?}: {1}")]
    Number(String, DecimalError),
    /// There are more venues or instruments than ids.
    #[error("the server's catalogue is too large")]
    TooLarge,
}

/// Meaning of a decoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A new connection begins; its catalogue is known now.
    Hello,
    /// A message of the stream in order, or the end of a snapshot: the decoder is up to date.
    InStep,
    /// A message before that: a gap, the latest values after it, or a snapshot with more to come.
    CatchingUp,
    /// A message outside the stream: an answer, or a change of the engine's recording.
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Hello {
        protocol: String,
        venues: Vec<HelloVenue>,
        instruments: Vec<HelloInstrument>,
    },
    Snapshot {
        states: Vec<StateFields>,
        spreads: Vec<SpreadFields>,
        last: bool,
    },
    Spread(SpreadFields),
    Status(StateFields),
    Gap {
        missed: u64,
        ts_recv: Option<Nanos>,
    },
    Recording {
        state: String,
        ts_recv: Nanos,
        lost: u64,
    },
    Subscribed {},
    Unsubscribed {},
    Pong {},
    Error {},
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct HelloVenue {
    name: String,
    taker_fee_bps: f64,
}

#[derive(Deserialize)]
struct HelloInstrument {
    name: String,
    price_scale: u8,
    size_scale: u8,
    venues: Vec<String>,
}

#[derive(Deserialize)]
struct SpreadFields {
    instrument: String,
    buy_venue: String,
    sell_venue: String,
    buy_px: String,
    sell_px: String,
    buy_sz: String,
    sell_sz: String,
    ts_recv: Nanos,
    quote_seq: u64,
    #[serde(default)]
    conflated: bool,
}

#[derive(Deserialize)]
struct StateFields {
    instrument: String,
    venue: String,
    state: String,
    reason: String,
    ts_recv: Nanos,
    #[serde(default)]
    previous: Option<String>,
    #[serde(default)]
    conflated: bool,
}

/// Decoder of one connection.
#[derive(Debug, Default)]
pub struct Decoder {
    catalogue: Option<Catalogue>,
    instruments: HashMap<String, InstrumentId>,
    venues: HashMap<String, (VenueId, FeeFactors)>,
    last_ts: Nanos,
}

impl Decoder {
    /// Returns the catalogue, once `hello` was received.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.catalogue.as_ref()
    }

    /// Returns the receive time of the last record.
    #[must_use]
    pub fn last_ts(&self) -> Nanos {
        self.last_ts
    }

    /// Decodes a text and appends its records to `out`.
    ///
    /// # Errors
    /// [`Undecodable`]; then nothing of the message is used.
    pub fn take(&mut self, text: &str, out: &mut Vec<Record>) -> Result<Heard, Undecodable> {
        let before = out.len();
        let heard = self.decode(serde_json::from_str(text)?, out);
        if heard.is_err() {
            out.truncate(before);
        }
        // The journal's records have times of their own, outside the stream.
        let stream = out[before..].iter().filter(|record| !record.is::<Recording>());
        self.last_ts = stream.map(Record::ts_recv).fold(self.last_ts, Nanos::max);
        heard
    }

    fn decode(&mut self, message: Message, out: &mut Vec<Record>) -> Result<Heard, Undecodable> {
        let step = |conflated| if conflated { Heard::CatchingUp } else { Heard::InStep };
        match message {
            Message::Hello { protocol, venues, instruments } => {
                if protocol != PROTOCOL {
                    return Err(Undecodable::Protocol(protocol));
                }
                self.learn(&venues, instruments)?;
                Ok(Heard::Hello)
            }
            Message::Snapshot { states, spreads, last } => {
                for state in &states {
                    out.extend(self.status(state)?);
                }
                for spread in &spreads {
                    out.push(self.spread(spread)?);
                }
                Ok(step(!last))
            }
            Message::Spread(fields) => {
                out.push(self.spread(&fields)?);
                Ok(step(fields.conflated))
            }
            Message::Status(fields) => {
                out.extend(self.status(&fields)?);
                Ok(step(fields.conflated))
            }
            Message::Gap { missed, ts_recv } => {
                out.push(Gap::new(ts_recv.unwrap_or(self.last_ts), missed).into());
                Ok(Heard::CatchingUp)
            }
            Message::Recording { state, ts_recv, lost } => {
                out.extend(recording(&state, ts_recv, lost));
                Ok(Heard::Other)
            }
            Message::Subscribed {}
            | Message::Unsubscribed {}
            | Message::Pong {}
            | Message::Error {}
            | Message::Unknown => Ok(Heard::Other),
        }
    }

    fn learn(
        &mut self,
        venues: &[HelloVenue],
        instruments: Vec<HelloInstrument>,
    ) -> Result<(), Undecodable> {
        if VENUES_MAX < venues.len() || u32::try_from(instruments.len()).is_err() {
            return Err(Undecodable::TooLarge);
        }
        let fee = |venue: &HelloVenue| venue.taker_fee_bps / BPS;
        self.venues = (0_u8..)
            .zip(venues)
            .map(|(id, venue)| (venue.name.clone(), (VenueId(id), FeeFactors::of(fee(venue)))))
            .collect();
        let mut catalogue = Catalogue {
            venues: venues
                .iter()
                .map(|v| VenueInfo { name: v.name.clone(), taker_fee: fee(v), max_age: Nanos::MAX })
                .collect(),
            ..Catalogue::default()
        };
        self.instruments.clear();
        for (id, instrument) in (0..).map(InstrumentId).zip(instruments) {
            let HelloInstrument { name, price_scale, size_scale, venues } = instrument;
            if decimal::SCALE_MAX < price_scale.max(size_scale) {
                return Err(Undecodable::TooLarge);
            }
            for venue in venues {
                let (venue, _) = self.venue(&venue)?;
                catalogue.listings.push(Listing { venue, instrument: id, symbol: name.clone() });
            }
            self.instruments.insert(name.clone(), id);
            catalogue.instruments.push(Instrument { name, price_scale, size_scale });
        }
        self.catalogue = Some(catalogue);
        Ok(())
    }

    fn venue(&self, name: &str) -> Result<(VenueId, FeeFactors), Undecodable> {
        self.venues.get(name).copied().ok_or_else(|| Undecodable::UnknownName(name.to_owned()))
    }

    fn instrument(&self, name: &str) -> Result<InstrumentId, Undecodable> {
        let id = self.instruments.get(name).copied();
        id.ok_or_else(|| Undecodable::UnknownName(name.to_owned()))
    }

    fn spread(&self, fields: &SpreadFields) -> Result<Record, Undecodable> {
        let catalogue = self.catalogue.as_ref().ok_or(Undecodable::NoHello)?;
        let instrument = self.instrument(&fields.instrument)?;
        let (buy_venue, buy_fee) = self.venue(&fields.buy_venue)?;
        let (sell_venue, sell_fee) = self.venue(&fields.sell_venue)?;
        let scales = catalogue.instrument(instrument);
        let number = |text: &str, scale| {
            decimal::parse(text.as_bytes(), scale)
                .map_err(|error| Undecodable::Number(text.to_owned(), error))
        };
        let buy_px = number(&fields.buy_px, scales.price_scale)?;
        let sell_px = number(&fields.sell_px, scales.price_scale)?;
        Ok(Spread {
            ts_recv: fields.ts_recv,
            sequence: fields.quote_seq,
            buy_px,
            sell_px,
            buy_sz: number(&fields.buy_sz, scales.size_scale)?,
            sell_sz: number(&fields.sell_sz, scales.size_scale)?,
            net: spreadwire_market::spread::net(sell_px, sell_fee, buy_px, buy_fee),
            instrument,
            buy_venue,
            sell_venue,

            flags: 0,
            ..Spread::default()
        }
        .into())
    }

    /// Returns the status record; `None` for a state of a later version.
    fn status(&self, fields: &StateFields) -> Result<Option<Record>, Undecodable> {
        self.catalogue.as_ref().ok_or(Undecodable::NoHello)?;
        let instrument = self.instrument(&fields.instrument)?;
        let (venue, _) = self.venue(&fields.venue)?;
        let Some(state) = state_named(&fields.state) else { return Ok(None) };
        let previous = fields.previous.as_deref().and_then(state_named).unwrap_or(state);
        let reason = Reason::ALL.into_iter().find(|r| r.name() == fields.reason);
        Ok(Some(
            Status {
                ts_recv: fields.ts_recv,
                state: state as u8,
                previous: previous as u8,
                reason: reason.map_or(u8::MAX, |reason| reason as u8),
                instrument,
                venue,
                reserved_peer: 0,

                flags: 0,
                ..Status::default()
            }
            .into(),
        ))
    }
}

/// Returns the recording record; `None` for a state of a later version.
fn recording(state: &str, ts_recv: Nanos, lost: u64) -> Option<Record> {
    let state = RecordingState::ALL.into_iter().find(|known| known.name() == state)?;
    Some(
        Recording {
            ts_recv,
            lost,
            state: state as u8,
            reserved_ids: [0; 6],

            flags: 0,
            ..Recording::default()
        }
        .into(),
    )
}

fn state_named(name: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every example of the protocol's document.
    fn examples() -> Vec<&'static str> {
        let document = include_str!("../../../docs/broadcast.md");
        let blocks = document.split("```json\n").skip(1).map(|b| b.split("```").next().unwrap());
        blocks.flat_map(str::lines).filter(|text| text.starts_with("{\"type\"")).collect()
    }

    #[test]
    fn every_message_of_the_document_is_understood() {
        let mut decoder = Decoder::default();
        let mut records = Vec::new();
        let heard: Vec<Heard> =
            examples().iter().map(|text| decoder.take(text, &mut records).unwrap()).collect();
        let (step, behind) = (Heard::InStep, Heard::CatchingUp);
        assert_eq!(heard[..7], [Heard::Hello, step, step, step, behind, behind, behind]);
        assert!(heard[7..].iter().all(|heard| *heard == Heard::Other));
        use spreadwire_market::record::Kind::{
            self, Gap as G, Recording as R, Spread as S, Status as T,
        };
        let kinds: Vec<Kind> = records.iter().filter_map(Record::kind).collect();
        assert_eq!(kinds, [T, T, S, S, T, G, S, G, R, R]);
        let recording: &Recording = records[8].view();
        assert_eq!((recording.state, recording.lost), (RecordingState::DiskFull as u8, 310));
        assert_eq!(decoder.last_ts(), 1_700_000_005_000_000_000);
        let spread: &Spread = records[3].view();
        assert_eq!((spread.buy_px, spread.sell_px), (6_183_763, 6_195_000));
        assert_eq!((spread.buy_sz, spread.sell_sz), (50_000, 120_002));
        assert_eq!(format!("{:.4}", spread.net * BPS), "0.1571");
        assert_eq!(decoder.catalogue().unwrap().listings.len(), 2);
    }

    #[test]
    fn what_cannot_be_is_refused_and_what_is_new_is_ignored() {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let examples = examples();
        let spread = examples[2];
        assert!(matches!(
            decoder.take(spread, &mut out),
            Err(Undecodable::NoHello | Undecodable::UnknownName(_))
        ));
        decoder.take(examples[0], &mut out).unwrap();
        let wrong = spread.replace("61837.63", "61837.631");
        assert!(matches!(decoder.take(&wrong, &mut out), Err(Undecodable::Number(..))));
        let wrong = spread.replace("okx", "kraken");
        assert!(matches!(decoder.take(&wrong, &mut out), Err(Undecodable::UnknownName(_))));
        let wrong = examples[0].replace("spreadwire.v1", "spreadwire.v2");
        assert!(matches!(decoder.take(&wrong, &mut out), Err(Undecodable::Protocol(_))));
        assert!(matches!(decoder.take("{", &mut out), Err(Undecodable::Shape(_))));
        assert_eq!(decoder.take(r#"{"type":"weather","of":1}"#, &mut out).unwrap(), Heard::Other);
        let new = spread.replace("\"seq\"", "\"mood\":\"good\",\"seq\"");
        assert_eq!(decoder.take(&new, &mut out).unwrap(), Heard::InStep);
        assert_eq!(out.len(), 1);
    }
}
