//! Random streams, half of them lies, beside a naive model.
//!
//! The model keeps every message that the client accepted and answers each question by looking
//! through all of them again. After each message both must agree on every pair, and a decision that
//! is fed as the trader feeds it must have nothing open on a leg that the model does not call live.

use super::script::{self, START, engine_gap, hello, slow_gap, with};
use crate::client::{Client, Heard, Limits};
use crate::clock::{MILLI, Nanos, SECOND};
use crate::decision::{DecisionMaker, Settings};
use crate::instrument::{InstrumentId, VenueId};
use crate::record::{Closed, Ended, Gap, Opened, Record};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;

const INSTRUMENTS: [&str; 2] = ["X/Y", "Z/Y"];
const VENUES: [&str; 3] = ["a", "b", "c"];
const WORDS: [&str; 4] = ["live", "live", "stale", "melted"];
const HEALTHS: [Option<&str>; 5] = [None, None, Some("live"), Some("lagging"), Some("melted")];

/// An instrument, a venue to buy on and one to sell on, as places in the lists above.
type Pair = (usize, usize, usize);

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Status {
        instrument: usize,
        venue: usize,
        word: usize,
        health: usize,
        conflated: bool,
    },
    /// A spread. The number is ahead of the next one by `skipped`. If `honest`, its legs are told
    /// to be live before.
    Spread {
        pair: Pair,
        skipped: u64,
        ago_ms: i64,
        honest: bool,
        conflated: bool,
    },
    Ended {
        pair: Pair,
        conflated: bool,
    },
    SlowGap(u64),
    EngineGap,
    Part {
        states: Vec<(usize, usize, usize)>,
        spreads: Vec<(Pair, bool)>,
        last: bool,
    },
    Subscribed,
    Unsubscribed,
    HelloAgain,
    Text(String),
    Wait(u64),
}

fn any_pair() -> impl Strategy<Value = Pair> {
    // Mostly two venues that list the instrument.
    prop_oneof![
        8 => (0..2_usize, any::<bool>()).prop_map(|(i, turned)| if turned { (i, 1, 0) } else { (i, 0, 1) }),
        4 => (Just(1), 0..3_usize, 1..3_usize).prop_map(|(i, buy, on)| (i, buy, (buy + on) % 3)),
        1 => (0..2_usize, 0..2_usize, 0..2_usize),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let mostly = |rare: u32| proptest::bool::weighted(f64::from(100 - rare) / 100.0);
    let ago = prop_oneof![20 => 0..150_i64, 1 => -3000..-900_i64, 1 => 150..3000_i64];
    prop_oneof![
        8 => (0..2_usize, 0..3_usize, 0..WORDS.len(), 0..HEALTHS.len(), mostly(90))
            .prop_map(|(instrument, venue, word, health, conflated)| {
                let venue = venue.min(instrument + 1);
                Step::Status { instrument, venue, word, health, conflated }
            }),
        20 => (any_pair(), prop_oneof![40 => Just(0), 1 => 1..3_u64], ago, mostly(5), mostly(90))
            .prop_map(|(pair, skipped, ago_ms, honest, conflated)| {
                Step::Spread { pair, skipped, ago_ms, honest, conflated }
            }),
        4 => (any_pair(), mostly(90)).prop_map(|(pair, conflated)| Step::Ended { pair, conflated }),
        2 => (0..5_u64).prop_map(Step::SlowGap),
        1 => Just(Step::EngineGap),
        3 => (vec((0..2_usize, 0..2_usize, 0..WORDS.len()), 0..5), vec((any_pair(), mostly(10)), 0..3), any::<bool>())
            .prop_map(|(states, spreads, last)| Step::Part { states, spreads, last }),
        1 => Just(Step::Subscribed),
        1 => Just(Step::Unsubscribed),
        1 => Just(Step::HelloAgain),
        1 => "[\\{\\}\":a-z0-9,]{0,12}".prop_map(Step::Text),
        3 => (1..700_u64).prop_map(Step::Wait),
    ]
}

/// A server that is honest or not, the client, the model, and a decision.
struct World {
    now: Nanos,
    seq: u64,
    client: Client,
    model: Model,
    maker: DecisionMaker,
    open: BTreeSet<Pair>,
    tradable: u64,
    refused: u64,
}

impl World {
    fn new() -> World {
        let client = Client::new(Limits::default(), START);
        let mut named = Client::new(Limits::default(), START);
        named.take(&hello().to_string(), START, &mut Vec::new()).unwrap();
        let enabled = vec![true; 2];
        let settings = Settings { entry: -1.0, exit: -2.0, cooldown: 0, enabled, rules: None };
        let maker = DecisionMaker::new(named.catalogue().unwrap(), settings);
        let model = Model::default();
        let (open, tradable, refused) = (BTreeSet::new(), 0, 0);
        let mut world = World { now: START, seq: 0, client, model, maker, open, tradable, refused };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.client = Client::new(Limits::default(), self.now);
        self.model = Model::default();
        self.seq = 0;
        self.decide(Heard::CatchingUp, &[Gap::new(0, 0).into()]);
        self.send(&hello());
        // Most connections get a snapshot at once, so that there is something to lose.
        if self.refused % 4 != 3 {
            self.part(&[(0, 0, 0), (0, 1, 0), (1, 0, 0)], &[((0, 0, 1), true)], true);
        }
    }

    fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    fn send_text(&mut self, text: &str) {
        let mut records = Vec::new();
        match self.client.take(text, self.now, &mut records) {
            Ok(heard) => {
                let message = serde_json::from_str(text).unwrap();
                self.model.history.push((self.now, message));
                self.decide(heard, &records);
                self.compare();
            }
            Err(_) => {
                assert!(records.is_empty());
                assert!(pairs().all(|pair| !self.client_trades(pair)), "tradable after a fault");
                self.refused += 1;
                self.connect();
            }
        }
    }

    /// Does as the trader does, but for ends, which close in every decision.
    fn decide(&mut self, heard: Heard, records: &[Record]) {
        if heard == Heard::InStep {
            self.maker.caught_up();
        }
        let mut out = Vec::new();
        for record in records {
            if record.is::<Ended>() {
                self.open.remove(&ids(record));
            }
            self.maker.on_record(record, &mut out);
        }
        for event in &out {
            if event.is::<Opened>() {
                let pair = ids(event);
                assert!(self.model.trades(pair, self.now), "{pair:?} opened untradable");
                self.open.insert(pair);
            }
            if event.is::<Closed>() {
                self.open.remove(&ids(event));
            }
        }
    }

    fn client_trades(&self, (instrument, buy, sell): Pair) -> bool {
        let instrument = InstrumentId(u32::try_from(instrument).unwrap());
        let [buy, sell] = [buy, sell].map(|venue| VenueId(u8::try_from(venue).unwrap()));
        self.client.is_tradable(instrument, buy, sell, self.now)
    }

    fn compare(&mut self) {
        for pair in pairs() {
            let wanted = self.model.trades(pair, self.now);
            assert_eq!(self.client_trades(pair), wanted, "{pair:?} after {:?}", self.model.history);
            self.tradable += u64::from(wanted);
        }
        for (instrument, buy, sell) in self.open.iter().copied() {
            let live = |venue| self.model.is_live(self.model.history.len(), instrument, venue);
            assert!(live(buy) && live(sell), "open on a leg that is not live");
        }
    }

    fn run(&mut self, step: Step) {
        let conflated = |message: Value, conflated: bool| {
            with(message, json!({"conflated": if conflated { json!(true) } else { json!(null) }}))
        };
        match step {
            Step::Status { instrument, venue, word, health, conflated: c } => {
                let message = self.state(instrument, venue, WORDS[word], HEALTHS[health]);
                self.send(&conflated(with(message, json!({"type": "status"})), c));
            }
            Step::Spread { pair, skipped, ago_ms, honest, conflated: c } => {
                if honest {
                    self.tell_live(pair);
                }
                self.seq += 1 + skipped;
                let message = with(self.spread(pair, self.seq), json!({"type": "spread"}));
                let ts = self.now.wrapping_add_signed(-ago_ms * MILLI.cast_signed());
                self.send(&conflated(with(message, json!({"ts_recv": ts})), c));
            }
            Step::Ended { pair, conflated: c } => {
                let message = with(script::ended(self.seq), self.names(pair));
                self.send(&conflated(with(message, json!({"ts_recv": self.now})), c));
            }
            Step::SlowGap(missed) => {
                let from = self.seq + 1;
                self.seq += missed;
                self.send(&slow_gap(from, self.seq, missed));
            }
            Step::EngineGap => self.send(&with(engine_gap(), json!({"ts_recv": self.now}))),
            Step::Part { states, spreads, last } => self.part(&states, &spreads, last),
            Step::Subscribed => self.send(&json!({"type": "subscribed", "id": "mine"})),
            Step::Unsubscribed => self.send(&json!({"type": "unsubscribed", "ids": ["mine"]})),
            Step::HelloAgain => self.send(&hello()),
            Step::Text(text) => self.send_text(&text),
            Step::Wait(milliseconds) => {
                self.now += milliseconds * MILLI;
                self.compare();
            }
        }
    }

    fn tell_live(&mut self, (instrument, buy, sell): Pair) {
        for venue in [buy, sell] {
            if !self.model.is_live(self.model.history.len(), instrument, venue) {
                let message = self.state(instrument, venue, "live", None);
                self.send(&with(message, json!({"type": "status"})));
            }
        }
    }

    fn part(&mut self, states: &[(usize, usize, usize)], spreads: &[(Pair, bool)], last: bool) {
        let id = self.model.pending().last().cloned().unwrap_or_else(|| "none".to_owned());
        let mut told: Vec<Value> =
            states.iter().map(|(i, v, word)| self.state(*i, *v, WORDS[*word], None)).collect();
        for ((instrument, buy, sell), _) in spreads.iter().filter(|(_, honest)| *honest) {
            told.extend([buy, sell].map(|venue| self.state(*instrument, *venue, "live", None)));
        }
        self.seq += 1;
        let spreads: Vec<Value> =
            spreads.iter().map(|(pair, _)| self.spread(*pair, self.seq)).collect();
        self.send(&with(script::part(self.seq, &told, &spreads, last), json!({"id": id})));
    }

    fn state(&self, instrument: usize, venue: usize, word: &str, health: Option<&str>) -> Value {
        let names = json!({"instrument": INSTRUMENTS[instrument], "venue": VENUES[venue]});
        let more = json!({"health": health, "ts_recv": self.now});
        with(with(script::state("a", word), names), more)
    }

    fn spread(&self, pair: Pair, seq: u64) -> Value {
        let numbers = json!({"buy_px": "100", "buy_sz": "1", "ts_recv": self.now});
        with(with(script::listed(seq), self.names(pair)), numbers)
    }

    #[expect(clippy::unused_self, reason = "reads like the others")]
    fn names(&self, (instrument, buy, sell): Pair) -> Value {
        let instrument = INSTRUMENTS[instrument];
        json!({"instrument": instrument, "buy_venue": VENUES[buy], "sell_venue": VENUES[sell]})
    }
}

fn pairs() -> impl Iterator<Item = Pair> {
    let legs = (0..2).flat_map(|i| (0..3).map(move |buy| (i, buy)));
    legs.flat_map(|(i, buy)| (0..3).map(move |sell| (i, buy, sell)))
}

fn ids(record: &Record) -> Pair {
    (record.instrument.index(), record.venue.index(), record.peer.index())
}

/// All messages of a connection that the client accepted, with their times.
#[derive(Default)]
struct Model {
    history: Vec<(Nanos, Value)>,
}

impl Model {
    fn trades(&self, pair: Pair, now: Nanos) -> bool {
        let (instrument, buy, sell) = pair;
        let live = |venue| self.is_live(self.history.len(), instrument, venue);
        self.is_in_step() && live(buy) && live(sell) && self.stands(pair, now)
    }

    /// Returns whether the last word about a leg among the first messages is that it is live.
    fn is_live(&self, first: usize, instrument: usize, venue: usize) -> bool {
        let states = self.history[..first].iter().rev().flat_map(|(_, message)| states(message));
        let mut of_leg = states.filter(|state| is_leg(state, instrument, venue));
        of_leg.next().is_some_and(says_live)
    }

    /// Returns the filters whose snapshot is not complete.
    fn pending(&self) -> Vec<String> {
        let mut pending = vec!["default".to_owned()];
        for (_, message) in &self.history {
            let id = message["id"].as_str().unwrap_or_default();
            match message["type"].as_str().unwrap_or_default() {
                "snapshot" if message["last"] == true => pending.retain(|other| other != id),
                "subscribed" => pending = vec![id.to_owned()],
                "unsubscribed" => pending.retain(|other| other != "mine"),
                _ => {}
            }
        }
        pending
    }

    /// Returns whether all snapshots are complete and there was something in order since the last
    /// gap.
    fn is_in_step(&self) -> bool {
        if !self.pending().is_empty() {
            return false;
        }
        for (_, message) in self.history.iter().rev() {
            match message["type"].as_str().unwrap_or_default() {
                "gap" | "unsubscribed" => return false,
                "spread" | "status" | "ended" if message["conflated"] != true => return true,
                "snapshot" if message["last"] == true => return true,
                _ => {}
            }
        }
        false
    }

    /// Returns whether the pair has a spread that was accepted, has not ended, and is fresh.
    fn stands(&self, pair: Pair, now: Nanos) -> bool {
        let (instrument, buy, sell) = pair;
        for (place, (came, message)) in self.history.iter().enumerate().rev() {
            let of_pair = |m: &&Value| {
                m["instrument"] == INSTRUMENTS[instrument]
                    && m["buy_venue"] == VENUES[buy]
                    && m["sell_venue"] == VENUES[sell]
            };
            if let Some(spread) = spreads(message).filter(of_pair).last() {
                let live = [buy, sell].iter().all(|v| self.is_live(place + 1, instrument, *v));
                let ts = spread["ts_recv"].as_u64().unwrap();
                return live && self.is_in_time(place, *came, spread) && now <= ts + SECOND;
            }
            let dead = |state: &Value| {
                let leg = is_leg(state, instrument, buy) || is_leg(state, instrument, sell);
                leg && !says_live(state)
            };
            match message["type"].as_str().unwrap_or_default() {
                "ended" if of_pair(&message) => return false,
                "subscribed" | "unsubscribed" => return false,
                "gap" if message["reason"] == "engine" => return false,
                _ if states(message).any(dead) => return false,
                _ => {}
            }
        }
        false
    }

    /// Returns whether the time of a spread was right when it came. `place` is that of its message.
    fn is_in_time(&self, place: usize, came: Nanos, spread: &Value) -> bool {
        let ts = spread["ts_recv"].as_u64().unwrap();
        let fresh = came <= ts + SECOND && ts <= came + SECOND;
        let in_stream = spread["type"] == "spread";
        fresh && (!in_stream || self.newest(place) <= ts + 200 * MILLI)
    }

    /// Returns the newest time of the stream that was right, among the first messages.
    fn newest(&self, first: usize) -> Nanos {
        let times = self.history[..first].iter().flat_map(|(came, message)| {
            let own = ["spread", "status", "ended", "gap"].iter().any(|it| message["type"] == *it);
            let own = own.then(|| message["ts_recv"].as_u64()).flatten();
            let inner = spreads(message).filter_map(|spread| spread["ts_recv"].as_u64());
            inner.chain(own).filter(move |ts| *ts <= came + SECOND)
        });
        times.max().unwrap_or(0)
    }
}

/// Returns the states in a message, the last one first.
fn states(message: &Value) -> impl Iterator<Item = &Value> {
    let own = (message["type"] == "status").then_some(message);
    message["states"].as_array().into_iter().flatten().rev().chain(own)
}

/// Returns the spreads in a message.
fn spreads(message: &Value) -> impl Iterator<Item = &Value> {
    let own = (message["type"] == "spread").then_some(message);
    message["spreads"].as_array().into_iter().flatten().chain(own)
}

fn is_leg(state: &Value, instrument: usize, venue: usize) -> bool {
    state["instrument"] == INSTRUMENTS[instrument] && state["venue"] == VENUES[venue]
}

fn says_live(state: &Value) -> bool {
    state["state"] == "live" && (state["health"].is_null() || state["health"] == "live")
}

#[test]
fn a_pair_is_tradable_exactly_if_everything_said_allows_it() {
    let config =
        ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() };
    let (tradable, refused, steps_run) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config).run(&vec(any_step(), 0..60), |steps| {
        let mut world = World::new();
        for step in steps {
            world.run(step);
            steps_run.set(steps_run.get() + 1);
        }
        tradable.set(tradable.get() + world.tradable);
        refused.set(refused.get() + world.refused);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (tradable, refused, steps) = (tradable.get(), refused.get(), steps_run.get());
    assert!(4_000 < tradable, "{tradable} tradable, {refused} refused of {steps}: hardly a test");
    assert!(100 < refused, "{tradable} tradable, {refused} refused of {steps}: hardly a test");
}

/// Returns one message of each kind, as texts.
fn texts() -> Vec<String> {
    let subscribed = json!({"type": "subscribed", "id": "mine"});
    let messages = [
        hello(),
        script::snapshot(),
        script::spread(2),
        script::status("a", "live"),
        script::ended(2),
        slow_gap(3, 9, 7),
        engine_gap(),
        subscribed,
    ];
    messages.iter().map(Value::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_or_understood(
        changes in vec((0..8_usize, any::<prop::sample::Index>(), "[-0-9a-z\"{}\\[\\],:.\u{1b}é]{0,3}", 0..4_usize), 1..12),
        numbers in vec(any::<u64>(), 12),
    ) {
        let mut client = Client::new(Limits::default(), START);
        let mut records = Vec::new();
        for text in &texts()[..2] {
            client.take(text, START, &mut records).unwrap();
        }
        for ((which, at, put, cut), number) in changes.into_iter().zip(numbers) {
            let mut text = texts()[which].clone();
            if cut == 3 {
                // Every time and number of the stream is replaced.
                text = text.replace(&START.to_string(), &number.to_string());
                text = text.replace("\"seq\":2", &format!("\"seq\":{number}"));
            } else {
                let at = at.index(text.len());
                let end = (at + cut).min(text.len());
                text.replace_range(at..end, &put);
            }
            let now = START + number % (10 * SECOND);
            let known = records.len();
            if client.take(&text, now, &mut records).is_err() {
                prop_assert_eq!(records.len(), known);
                prop_assert!(!client.is_in_step());
                client = Client::new(Limits::default(), START);
                for text in &texts()[..2] {
                    client.take(text, START, &mut records).unwrap();
                }
            }
        }
    }
}
