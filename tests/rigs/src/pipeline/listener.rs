//! A client of the broadcast that keeps everything it receives, in order, on its own thread.
//!
//! It uses only the messages of the protocol; names are mapped to indexes of the catalogue.

use crate::pipeline::engine_under_test::PATIENCE;
use serde::Deserialize;
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use tungstenite::{Message, WebSocket};

/// A venue and an instrument by their indexes.
pub type Key = (VenueId, InstrumentId);

/// One message, in the order received.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Spread(HeardSpread),
    Ended(HeardEnd),
    Status(HeardStatus),
    /// Any other message after the snapshot, such as a gap. A test that receives one should know
    /// why.
    Other(String),
}

/// A `spread`; prices and sizes are the doubles nearest to their texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeardSpread {
    pub seq: u64,
    pub instrument: InstrumentId,
    pub buy: VenueId,
    pub sell: VenueId,
    pub buy_px: f64,
    pub sell_px: f64,
    pub buy_sz: f64,
    pub sell_sz: f64,
    pub gross_bps: f64,
    pub net_bps: f64,
    pub ts_recv: u64,
    pub quote_seq: u64,
}

/// An `ended`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardEnd {
    pub instrument: InstrumentId,
    pub buy: VenueId,
    pub sell: VenueId,
    pub reason: String,
    pub ts_recv: u64,
    pub quote_seq: u64,
}

/// A `status`; its state is the `health`.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardStatus {
    pub key: Key,
    pub state: String,
    pub reason: String,
    pub previous: String,
    pub ts_recv: u64,
}

/// Fields of all messages together.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    seq: u64,
    instrument: &'a str,
    buy_venue: &'a str,
    sell_venue: &'a str,
    buy_px: &'a str,
    sell_px: &'a str,
    buy_sz: &'a str,
    sell_sz: &'a str,
    gross_bps: f64,
    net_bps: f64,
    ts_recv: u64,
    quote_seq: u64,
    venue: &'a str,
    health: &'a str,
    reason: &'a str,
    previous: &'a str,
    conflated: bool,
    last: bool,
    #[serde(borrow)]
    states: Vec<Text<'a>>,
}

impl<'a> Text<'a> {
    /// Returns the fields of a state in a snapshot.
    fn of_state(state: &Text<'a>) -> Text<'a> {
        let Text { venue, instrument, health, reason, ts_recv, .. } = *state;
        Text { venue, instrument, health, reason, ts_recv, ..Text::default() }
    }
}

/// Everything received so far.
#[derive(Debug, Default)]
pub struct Ear {
    pub all: Vec<Heard>,
    pub spreads: usize,
    /// Every state and its reason, in order, by market.
    pub stories: BTreeMap<Key, Vec<(String, String)>>,
    is_ready: bool,
    has_left: bool,
    /// Number of spreads that a test waits for.
    awaited: usize,
}

/// The client.
pub struct Listener {
    shared: Arc<(Mutex<Ear>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Connects, and returns after the snapshot; from then on it receives everything.
    pub fn join(address: SocketAddr, catalogue: &Catalogue) -> Listener {
        let tcp = TcpStream::connect(address).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}/"), tcp).unwrap();
        let shared = Arc::new((Mutex::new(Ear::default()), Condvar::new()));
        let (ours, catalogue) = (Arc::clone(&shared), catalogue.clone());
        let thread = std::thread::Builder::new().name("listener".to_owned());
        let thread = thread.spawn(move || listen(socket, &ours, &catalogue)).unwrap();
        let listener = Listener { shared, thread };
        listener.wait_for("the snapshot", |ear| ear.is_ready);
        listener
    }

    /// Waits until `enough` accepts what was received. This is checked after a state, after as many
    /// spreads as a test waits for, and at the end.
    pub fn wait_for(&self, what: &str, enough: impl Fn(&Ear) -> bool) {
        let (ear, changed) = &*self.shared;
        let ear = ear.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(ear, PATIENCE, |e| !enough(e) && !e.has_left);
        let (ear, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (stories, spreads) = (&ear.stories, ear.spreads);
        let left = if ear.has_left { ", the connection ended" } else { "" };
        assert!(enough(&ear), "waited for {what}{left}: {spreads} spreads, {stories:?}");
    }

    /// Waits for this many more spreads.
    pub fn wait_for_more_spreads(&self, more: usize) {
        let wanted = {
            let mut ear = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            ear.awaited = ear.spreads + more;
            ear.awaited
        };
        self.wait_for(&format!("{wanted} spreads"), |ear| wanted <= ear.spreads);
    }

    /// Waits until the last state of every market received is down.
    pub fn wait_until_all_are_down(&self) {
        let is_down = |story: &Vec<(String, String)>| story.last().is_some_and(|s| s.0 == "down");
        self.wait_for("every market to be down", |ear| ear.stories.values().all(is_down));
    }

    /// Waits for the end of the connection, which the engine's end causes; returns everything
    /// received.
    pub fn leave(self) -> Vec<Heard> {
        self.wait_for("the end of the broadcast", |ear| ear.has_left);
        self.thread.join().unwrap();
        let mut ear = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut ear.all)
    }
}

fn listen(mut socket: WebSocket<TcpStream>, shared: &(Mutex<Ear>, Condvar), names: &Catalogue) {
    let (ear, changed) = shared;
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let text = text.as_str();
        let mut ear = ear.lock().unwrap_or_else(PoisonError::into_inner);
        if take(&mut ear, text, names) {
            changed.notify_all();
        }
    }
    ear.lock().unwrap_or_else(PoisonError::into_inner).has_left = true;
    changed.notify_all();
}

/// Processes a message and returns whether a waiting test may want to know.
fn take(ear: &mut Ear, text: &str, names: &Catalogue) -> bool {
    let parsed: Text<'_> = serde_json::from_str(text).unwrap_or_default();
    match parsed.kind {
        "spread" if !parsed.conflated => {
            ear.all.push(Heard::Spread(spread(&parsed, names)));
            ear.spreads += 1;
            ear.spreads == ear.awaited
        }
        "status" if !parsed.conflated => {
            let status = status(&parsed, names);
            let step = (status.state.clone(), status.reason.clone());
            ear.stories.entry(status.key).or_default().push(step);
            ear.all.push(Heard::Status(status));
            true
        }
        "ended" if !parsed.conflated => {
            ear.all.push(Heard::Ended(ended(&parsed, names)));
            false
        }
        "hello" => false,
        "snapshot" if !ear.is_ready => {
            // What was said before this client came: an instrument begins as down.
            let said = parsed.states.iter().filter(|state| state.health != "down");
            for state in said.map(|state| Text { previous: "down", ..Text::of_state(state) }) {
                let status = status(&state, names);
                let step = (status.state.clone(), status.reason.clone());
                ear.stories.entry(status.key).or_default().push(step);
                ear.all.push(Heard::Status(status));
            }
            ear.is_ready = parsed.last;
            parsed.last
        }
        _ => {
            ear.all.push(Heard::Other(text.to_owned()));
            true
        }
    }
}

fn spread(text: &Text<'_>, names: &Catalogue) -> HeardSpread {
    let number = |text: &str| text.parse().unwrap();
    HeardSpread {
        seq: text.seq,
        instrument: names.instrument_named(text.instrument).unwrap(),
        buy: names.venue_named(text.buy_venue).unwrap(),
        sell: names.venue_named(text.sell_venue).unwrap(),
        buy_px: number(text.buy_px),
        sell_px: number(text.sell_px),
        buy_sz: number(text.buy_sz),
        sell_sz: number(text.sell_sz),
        gross_bps: text.gross_bps,
        net_bps: text.net_bps,
        ts_recv: text.ts_recv,
        quote_seq: text.quote_seq,
    }
}

fn ended(text: &Text<'_>, names: &Catalogue) -> HeardEnd {
    HeardEnd {
        instrument: names.instrument_named(text.instrument).unwrap(),
        buy: names.venue_named(text.buy_venue).unwrap(),
        sell: names.venue_named(text.sell_venue).unwrap(),
        reason: text.reason.to_owned(),
        ts_recv: text.ts_recv,
        quote_seq: text.quote_seq,
    }
}

fn status(text: &Text<'_>, names: &Catalogue) -> HeardStatus {
    let venue = names.venue_named(text.venue).unwrap();
    HeardStatus {
        key: (venue, names.instrument_named(text.instrument).unwrap()),
        state: text.health.to_owned(),
        reason: text.reason.to_owned(),
        previous: text.previous.to_owned(),
        ts_recv: text.ts_recv,
    }
}
