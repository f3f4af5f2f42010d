//! Writes the messages of a server with two venues, `a` and `b`, that list one instrument, and a
//! third, `c`, that does not list it.

use crate::client::{Client, Fault, Heard, Limits};
use crate::clock::{MILLI, Nanos, SECOND};
use crate::instrument::{InstrumentId, VenueId};
use crate::record::Record;
use serde_json::{Value, json};

/// The time at which every script starts.
pub(super) const START: Nanos = 1_700_000_000 * SECOND;

pub(super) fn hello() -> Value {
    json!({
        "type": "hello", "protocol": "spreadwire.v1", "engine": "0.2.0", "revision": 2,
        "venues": [
            {"name": "a", "taker_fee_bps": 10.0},
            {"name": "b", "taker_fee_bps": -1.0},
            {"name": "c", "taker_fee_bps": 0},
        ],
        "instruments": [
            {"name": "X/Y", "price_scale": 2, "size_scale": 3, "venues": ["a", "b"]},
            {"name": "Z/Y", "price_scale": 0, "size_scale": 0, "venues": ["a", "b", "c"]},
        ],
    })
}

/// Returns a state of `X/Y`, as in a snapshot.
pub(super) fn state(venue: &str, state: &str) -> Value {
    json!({
        "venue": venue, "instrument": "X/Y", "state": state, "reason": "quote", "ts_recv": START,
    })
}

/// Returns `X/Y` bought at `a` and sold at `b`, as in a snapshot.
pub(super) fn listed(seq: u64) -> Value {
    json!({
        "seq": seq, "instrument": "X/Y", "buy_venue": "a", "sell_venue": "b", "buy_px": "100.5",
        "sell_px": "101", "buy_sz": "0.5", "sell_sz": "2", "gross_bps": 1.0, "net_bps": 0.1,
        "ts_recv": START, "quote_seq": 7,
    })
}

pub(super) fn spread(seq: u64) -> Value {
    with(listed(seq), json!({"type": "spread"}))
}

pub(super) fn status(venue: &str, word: &str) -> Value {
    with(state(venue, word), json!({"type": "status", "previous": "live"}))
}

pub(super) fn ended(seq: u64) -> Value {
    json!({
        "type": "ended", "seq": seq, "instrument": "X/Y", "buy_venue": "a", "sell_venue": "b",
        "reason": "leg_old", "ts_recv": START, "quote_seq": 8,
    })
}

pub(super) fn slow_gap(from: u64, to: u64, missed: u64) -> Value {
    json!({
        "type": "gap", "reason": "slow_client", "missed": missed, "from_seq": from, "to_seq": to,
    })
}

pub(super) fn engine_gap() -> Value {
    json!({"type": "gap", "reason": "engine", "missed": 5, "ts_recv": START})
}

pub(super) fn subscribed(id: &str) -> Value {
    json!({"type": "subscribed", "id": id})
}

pub(super) fn unsubscribed(id: &str) -> Value {
    json!({"type": "unsubscribed", "ids": [id]})
}

/// Returns a part of a snapshot.
pub(super) fn part(seq: u64, states: &[Value], spreads: &[Value], last: bool) -> Value {
    json!({
        "type": "snapshot", "id": "default", "seq": seq, "states": states, "spreads": spreads,
        "last": last,
    })
}

/// Returns the snapshot up to number 1, with both legs live and the pair at its first spread.
pub(super) fn snapshot() -> Value {
    part(1, &[state("a", "live"), state("b", "live")], &[listed(1)], true)
}

/// Returns the message with some fields replaced; null removes a field.
pub(super) fn with(mut message: Value, fields: Value) -> Value {
    let (into, from) = (message.as_object_mut().unwrap(), fields);
    for (name, value) in from.as_object().unwrap() {
        if value.is_null() {
            into.remove(name);
        } else {
            into.insert(name.clone(), value.clone());
        }
    }
    message
}

/// A client with the time, and the records so far.
pub(super) struct Listener {
    pub(super) client: Client,
    pub(super) now: Nanos,
    pub(super) records: Vec<Record>,
}

impl Listener {
    pub(super) fn new(limits: Limits) -> Listener {
        Listener { client: Client::new(limits, START), now: START, records: Vec::new() }
    }

    /// Returns a listener that has taken `hello` and the snapshot.
    pub(super) fn in_step() -> Listener {
        Listener::up_to_date(Limits::default())
    }

    /// As [`Listener::in_step`], for an application that sets filters.
    pub(super) fn filtered() -> Listener {
        Listener::up_to_date(Limits { filtered: true, ..Limits::default() })
    }

    fn up_to_date(limits: Limits) -> Listener {
        let mut listener = Listener::new(limits);
        assert_eq!(listener.take(&hello()).unwrap(), Heard::Hello);
        assert_eq!(listener.take(&snapshot()).unwrap(), Heard::InStep);
        assert!(listener.trades());
        listener
    }

    pub(super) fn take(&mut self, message: &Value) -> Result<Heard, Fault> {
        self.client.take(&message.to_string(), self.now, &mut self.records)
    }

    pub(super) fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds * MILLI;
    }

    /// Returns whether `X/Y` can be bought at `a` and sold at `b`.
    pub(super) fn trades(&self) -> bool {
        self.client.is_tradable(InstrumentId(0), VenueId(0), VenueId(1), self.now)
    }
}
