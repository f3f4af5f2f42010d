//! Random events, and a model of a client that follows `docs/broadcast.md`.

use crate::broadcast::server::{Door, Server, spread, status};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use spreadwire_engine::broadcast::network::Network;
use spreadwire_market::decimal;
use spreadwire_market::instrument::{InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Spread, Status};
use spreadwire_market::state::{EndReason, State};
use std::collections::BTreeMap;

/// A client's knowledge, by the rules of `docs/broadcast.md`.
#[derive(Debug, Default, PartialEq)]
pub struct View {
    pub spreads: BTreeMap<(String, String, String), (u64, String)>,
    pub states: BTreeMap<(String, String), String>,
    /// Whether states may have been lost: then a spread shows that its legs are live.
    pub has_lost: bool,
}

impl View {
    pub fn take(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "snapshot" => {
                message["states"].as_array().unwrap().iter().for_each(|s| self.state(s));
                message["spreads"].as_array().unwrap().iter().for_each(|s| self.spread(s));
            }
            "spread" => self.spread(message),
            "status" => {
                if message["state"] != "live" {
                    self.forget(&text(message, "instrument"), &text(message, "venue"));
                }
                self.state(message);
            }
            "ended" => {
                self.spreads.remove(&key_of(message));
            }
            "gap" if message["reason"] == "engine" => {
                self.spreads.clear();
                self.has_lost = true;
            }
            _ => {}
        }
    }

    fn spread(&mut self, s: &Value) {
        if self.has_lost {
            for venue in ["buy_venue", "sell_venue"] {
                let leg = (text(s, "instrument"), text(s, venue));
                self.states.entry(leg).and_modify(|state| *state = "live".to_owned());
            }
        }
        self.spreads.insert(key_of(s), (s["seq"].as_u64().unwrap(), text(s, "sell_px")));
    }

    fn state(&mut self, s: &Value) {
        self.states.insert((text(s, "instrument"), text(s, "venue")), text(s, "state"));
    }

    fn forget(&mut self, instrument: &str, venue: &str) {
        self.spreads.retain(|(i, b, s), _| i != instrument || (b != venue && s != venue));
    }
}

fn key_of(pair: &Value) -> (String, String, String) {
    (text(pair, "instrument"), text(pair, "buy_venue"), text(pair, "sell_venue"))
}

pub fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_owned()
}

/// The events, as the server should send them to an unfiltered client.
pub struct Model {
    random: ChaCha8Rng,
    instruments: u32,
    venues: u8,
    pub told: Vec<Value>,
    pub seq: u64,
}

impl Model {
    pub fn new(seed: u64, instruments: u32, venues: u8) -> Model {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Model { random, instruments, venues, told: Vec::new(), seq: 0 }
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    pub fn venue(&mut self) -> u8 {
        u8::try_from(self.below(u32::from(self.venues))).unwrap()
    }

    /// Returns a venue that lists every instrument, and another that lists this one.
    fn pair(&mut self, instrument: u32) -> (u8, u8) {
        loop {
            let (buy, sell) = (self.venue(), self.venue());
            let unlisted = instrument + 1 == self.instruments && self.venues - 1 == buy.max(sell);
            if buy != sell && !unlisted {
                return (buy, sell);
            }
        }
    }

    fn spread(&mut self) -> Spread {
        let instrument = self.below(self.instruments);
        let (buy, sell) = self.pair(instrument);
        self.spread_of(instrument, buy, sell)
    }

    pub fn spread_of(&mut self, instrument: u32, buy: u8, sell: u8) -> Spread {
        let s = spread(instrument, buy, sell, 9_900 + i64::from(self.below(200)));
        self.seq += 1;
        self.told.push(json!({
            "type": "spread", "seq": self.seq, "instrument": format!("C{instrument}/USDT"),
            "buy_venue": format!("venue{buy}"), "sell_venue": format!("venue{sell}"),
            "sell_px": decimal::to_text(s.sell_px, 2), "net": s.net,
        }));
        s
    }

    /// Ends the spread of a pair, whether it stands or not. It is told with the number of the last
    /// spread, and takes none itself.
    fn ended(&mut self) -> Ended {
        let instrument = self.below(self.instruments);
        let (buy, sell) = self.pair(instrument);
        self.told.push(json!({
            "type": "ended", "after_seq": self.seq, "instrument": format!("C{instrument}/USDT"),
            "buy_venue": format!("venue{buy}"), "sell_venue": format!("venue{sell}"),
            "reason": "leg_old",
        }));
        Ended {
            instrument: InstrumentId(instrument),
            buy_venue: VenueId(buy),
            sell_venue: VenueId(sell),
            flags: EndReason::LegOld as u8,
            ..Ended::default()
        }
    }

    fn status(&mut self) -> Status {
        let instrument = self.below(self.instruments);
        let (venue, _) = self.pair(instrument);
        let state = if self.below(2) == 0 { State::Live } else { State::Stale };
        self.told.push(json!({
            "type": "status", "instrument": format!("C{instrument}/USDT"),
            "venue": format!("venue{venue}"), "state": state.name(),
        }));
        status(instrument, venue, state)
    }

    /// Sends some records. The last is a spread, so that its number identifies what came before.
    pub fn batch<N: Network, D: Door>(&mut self, server: &mut Server<N, D>) {
        for _ in 0..self.below(8) {
            let chance = self.below(8);
            if chance == 0 {
                let status = self.status();
                server.send(status);
            } else if chance == 1 {
                let ended = self.ended();
                server.send(ended);
            } else {
                let spread = self.spread();
                server.send(spread);
            }
        }
        let spread = self.spread();
        server.send(spread);
    }
}

/// Returns the index after a spread in the messages received.
pub fn place_after(told: &[Value], seq: u64) -> usize {
    told.iter().position(|m| m["seq"] == seq).map_or(0, |place| place + 1)
}
