//! The broadcast's JSON messages as they are written (`docs/broadcast.md`), without any judgement.
//!
//! Types and fields that this version does not know are ignored, as the protocol requires.

use super::PROTOCOL;
use super::fault::Fault;
use crate::clock::Nanos;
use serde::Deserialize;

/// What `hello` has in every version of the protocol.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Greeting {
    Hello { protocol: String },
}

/// Reads a text. A `hello` of another version is told as such, whatever else is in it.
pub(super) fn read(text: &str) -> Result<Message, Fault> {
    serde_json::from_str(text).map_err(|error| match serde_json::from_str(text) {
        Ok(Greeting::Hello { protocol }) if protocol != PROTOCOL => Fault::Protocol(protocol),
        Ok(Greeting::Hello { .. }) | Err(_) => Fault::Shape(error),
    })
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Message {
    Hello(Hello),
    Snapshot(SnapshotFields),
    Spread(SpreadFields),
    Ended(EndedFields),
    Status(StateFields),
    Gap(GapFields),
    Recording(RecordingFields),
    Subscribed {
        id: String,
    },
    Unsubscribed {
        ids: Vec<String>,
    },
    Pong {},
    Error {},
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: String,
    pub(super) venues: Vec<HelloVenue>,
    pub(super) instruments: Vec<HelloInstrument>,
}

#[derive(Deserialize)]
pub(super) struct HelloVenue {
    pub(super) name: String,
    pub(super) taker_fee_bps: f64,
}

#[derive(Deserialize)]
pub(super) struct HelloInstrument {
    pub(super) name: String,
    pub(super) price_scale: u8,
    pub(super) size_scale: u8,
    pub(super) venues: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct SnapshotFields {
    pub(super) id: String,
    pub(super) seq: u64,
    pub(super) states: Vec<StateFields>,
    pub(super) spreads: Vec<SpreadFields>,
    pub(super) last: bool,
}

#[derive(Deserialize)]
pub(super) struct SpreadFields {
    pub(super) seq: u64,
    pub(super) instrument: String,
    pub(super) buy_venue: String,
    pub(super) sell_venue: String,
    pub(super) buy_px: String,
    pub(super) sell_px: String,
    pub(super) buy_sz: String,
    pub(super) sell_sz: String,
    pub(super) ts_recv: Nanos,
    pub(super) quote_seq: u64,
    #[serde(default)]
    pub(super) conflated: bool,
}

#[derive(Deserialize)]
pub(super) struct EndedFields {
    pub(super) seq: u64,
    pub(super) instrument: String,
    pub(super) buy_venue: String,
    pub(super) sell_venue: String,
    pub(super) reason: String,
    pub(super) ts_recv: Nanos,
    pub(super) quote_seq: u64,
    #[serde(default)]
    pub(super) conflated: bool,
}

#[derive(Deserialize)]
pub(super) struct StateFields {
    pub(super) instrument: String,
    pub(super) venue: String,
    pub(super) state: String,
    /// The state in full; servers of revision 1 do not send it.
    #[serde(default)]
    pub(super) health: Option<String>,
    pub(super) reason: String,
    pub(super) ts_recv: Nanos,
    #[serde(default)]
    pub(super) previous: Option<String>,
    #[serde(default)]
    pub(super) conflated: bool,
}

#[derive(Deserialize)]
pub(super) struct GapFields {
    pub(super) reason: String,
    pub(super) missed: u64,
    #[serde(default)]
    pub(super) from_seq: Option<u64>,
    #[serde(default)]
    pub(super) to_seq: Option<u64>,
    #[serde(default)]
    pub(super) ts_recv: Option<Nanos>,
}

#[derive(Deserialize)]
pub(super) struct RecordingFields {
    pub(super) state: String,
    pub(super) ts_recv: Nanos,
    pub(super) lost: u64,
}
