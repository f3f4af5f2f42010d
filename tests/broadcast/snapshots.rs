//! Filters and their snapshots, requested at any moment, against a naive account of the stream.

use serde_json::{Value, json};
use spreadwire_rigs::broadcast::model::{Model, View, place_after, text};
use spreadwire_rigs::broadcast::server::{Server, catalogue, settings};
use std::collections::{BTreeMap, BTreeSet};

/// A filter, evaluated naively.
#[derive(Clone, Debug, Default)]
struct Wanted {
    instruments: Option<BTreeSet<String>>,
    venues: Option<BTreeSet<String>>,
    min_net_bps: Option<f64>,
}

impl Wanted {
    fn draw(model: &mut Model) -> Wanted {
        let instruments = (model.below(2) == 0)
            .then(|| (0..=model.below(2)).map(|_| format!("C{}/USDT", model.below(3))).collect());
        let venues = (model.below(2) == 0)
            .then(|| (0..=model.below(2)).map(|_| format!("venue{}", model.venue())).collect());
        let min_net_bps = (model.below(2) == 0).then(|| f64::from(model.below(60)) - 40.5);
        Wanted { instruments, venues, min_net_bps }
    }

    fn passes(&self, event: &Value) -> bool {
        let lists = |names: &BTreeSet<String>, field: &str| names.contains(&text(event, field));
        let named = self.instruments.as_ref().is_none_or(|names| lists(names, "instrument"));
        if event["type"] == "status" {
            return named;
        }
        named
            && self
                .venues
                .as_ref()
                .is_none_or(|names| lists(names, "buy_venue") || lists(names, "sell_venue"))
            && (event["type"] == "ended"
                || self
                    .min_net_bps
                    .is_none_or(|bps| bps / 10_000.0 <= event["net"].as_f64().unwrap()))
    }

    fn request(&self) -> Value {
        let mut request = json!({"op": "subscribe", "id": "only"});
        let fields = [
            ("instruments", self.instruments.as_ref().map(|names| json!(names))),
            ("venues", self.venues.as_ref().map(|names| json!(names))),
            ("min_net_bps", self.min_net_bps.map(|bps| json!(bps))),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                request[name] = value;
            }
        }
        request
    }
}

/// Checks everything that a client received between its snapshot and now, or its unsubscribing.
fn check_course(seed: u64, wanted: &Wanted, course: &[Value], told: &[Value], complete: bool) {
    let snapshot = &course[0];
    let from = place_after(told, snapshot["seq"].as_u64().unwrap());
    let mut before = View::default();
    told[..from].iter().for_each(|event| before.take(event));
    let listed = snapshot["spreads"].as_array().unwrap();
    let expected: BTreeMap<_, _> = before
        .spreads
        .iter()
        .filter(|(_, (seq, _))| wanted.passes(&told[place_after(told, *seq) - 1]))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut view = View::default();
    view.take(snapshot);
    assert_eq!(view.spreads, expected, "seed {seed}: {wanted:?}");
    assert_eq!(listed.len(), expected.len(), "seed {seed}: nothing twice");
    for (key, state) in &before.states {
        let named = wanted.instruments.as_ref().is_none_or(|names| names.contains(&key.0));
        assert_eq!(view.states.get(key), named.then_some(state), "seed {seed}: {key:?}");
    }
    let stream = &course[1..];
    let expected: Vec<&Value> = told[from..].iter().filter(|e| wanted.passes(e)).collect();
    assert!(stream.len() <= expected.len(), "seed {seed}: more than there was");
    assert!(!complete || stream.len() == expected.len(), "seed {seed}: something was missed");
    for (got, event) in stream.iter().zip(expected) {
        let seq = if event["type"] == "ended" { "after_seq" } else { "seq" };
        assert_eq!(got["seq"], event[seq], "seed {seed}: {got} for {event}");
        for field in ["type", "instrument", "venue", "buy_venue", "sell_venue", "state", "sell_px"]
        {
            let told = event.get(field).unwrap_or(&got[field]);
            assert_eq!(got[field], *told, "seed {seed}: {got} for {event}");
        }
    }
}

#[test]
fn a_view_begun_at_any_moment_is_the_naive_one() {
    for seed in 0..40 {
        let mut model = Model::new(seed, 3, 3);
        let mut server = Server::new(catalogue(3, 3), settings());
        let mut client = server.connect();
        for _ in 0..8 {
            (0..model.below(6)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            let wanted = Wanted::draw(&mut model);
            client.ask(&wanted.request());
            (0..model.below(6)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            client.expect(&mut server, "subscribed");
            model.batch(&mut server);
            client.ask(&json!({"op": "ping"}));
            let mut course = Vec::new();
            while course.last().is_none_or(|m: &Value| m["type"] != "pong") {
                server.until("more messages", |_| client.read());
                course.append(&mut client.seen);
            }
            course.retain(|m| m["type"] != "pong");
            check_course(seed, &wanted, &course, &model.told, true);
            model.batch(&mut server);
            client.ask(&json!({"op": "unsubscribe"}));
            (0..model.below(4)).for_each(|_| {
                model.batch(&mut server);
                server.turn();
            });
            while course.last().is_none_or(|m: &Value| m["type"] != "unsubscribed") {
                server.until("more messages", |_| client.read());
                course.append(&mut client.seen);
            }
            course.pop();
            check_course(seed, &wanted, &course, &model.told, false);
        }
    }
}

#[test]
fn a_snapshot_in_many_parts_begins_each_pair_without_a_hole() {
    let mut model = Model::new(7, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    (0..300).for_each(|_| {
        model.batch(&mut server);
        server.turn();
    });
    let mut client = server.connect();
    for _ in 0..40 {
        model.batch(&mut server);
        server.turn();
    }
    client.until_seq(&mut server, model.seq);
    let parts: Vec<&Value> = client.seen.iter().filter(|m| m["type"] == "snapshot").collect();
    assert!(parts.len() > 3, "{} parts", parts.len());
    let lasts: Vec<bool> = parts.iter().map(|m| m["last"].as_bool().unwrap()).collect();
    assert!(lasts.iter().rev().skip(1).all(|last| !last) && lasts[lasts.len() - 1]);
    let (mut view, mut expected) = (View::default(), View::default());
    client.seen.iter().for_each(|message| view.take(message));
    expected.states.clone_from(&view.states);
    model.told.iter().for_each(|event| expected.take(event));
    assert_eq!(view, expected);
    let mut courses: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for s in client.seen.iter().flat_map(|m| match m["spreads"].as_array() {
        Some(listed) => listed.clone(),
        None => vec![m.clone()],
    }) {
        if let Some(seq) = s["seq"].as_u64().filter(|_| s["type"] != "ended") {
            let pair = format!("{} {} {}", s["instrument"], s["buy_venue"], s["sell_venue"]);
            courses.entry(pair).or_default().push(seq);
        }
    }
    for (pair, course) in courses {
        let of_pair = |s: &&Value| {
            s["type"] == "spread"
                && format!("{} {} {}", s["instrument"], s["buy_venue"], s["sell_venue"]) == pair
        };
        let all: Vec<u64> =
            model.told.iter().filter(of_pair).map(|s| s["seq"].as_u64().unwrap()).collect();
        assert!(all.ends_with(&course), "{pair}: {course:?} is not the end of {all:?}");
    }
}
