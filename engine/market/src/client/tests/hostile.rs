//! Streams of servers that lie, err or come late, each with what is right.

use super::script::{
    Listener, START, ended, engine_gap, hello, listed, part, slow_gap, snapshot, spread, state,
    status, subscribed, unsubscribed, with,
};
use crate::client::{Doubt, Fault, Heard, Limits};
use crate::clock::{MILLI, SECOND};
use crate::instrument::{InstrumentId, VenueId};
use crate::record::{Ended, Gap, Kind, Record, Spread, Status};
use crate::state::{EndReason, State};
use serde_json::{Value, json};

/// What is right after the last message of a stream.
#[derive(Clone, Copy, Debug)]
enum Right {
    /// The connection ends with an error that has these words.
    Refused(&'static str),
    /// The connection goes on with a doubt, and the pair is not tradable.
    Doubted(Doubt),
    /// The pair is not tradable.
    Ended,
    /// The pair is tradable.
    Tradable,
}

use Right::{Doubted, Refused, Tradable};

fn check(name: &str, mut listener: Listener, messages: &[Value], right: Right) {
    let (last, before) = messages.split_last().unwrap();
    for message in before {
        listener.take(message).unwrap_or_else(|fault| panic!("{name}: {message}: {fault}"));
    }
    let (stood, known) = (listener.trades(), listener.records.len());
    let heard = listener.take(last);
    if let Refused(words) = right {
        let fault = heard.expect_err(name).to_string();
        assert!(fault.contains(words), "{name}: {fault}");
        assert!(fault.chars().all(crate::escape::is_printable), "{name}: {fault}");
        assert_eq!(listener.records.len(), known, "{name}: its records are used");
        let again = listener.take(&status("a", "live"));
        assert!(matches!(again, Err(Fault::Over)), "{name}: heard after a fault");
    } else {
        heard.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
    assert_eq!(listener.trades(), matches!(right, Tradable), "{name}");
    if let Doubted(doubt) = right {
        assert_eq!(listener.client.new_doubt(), Some(doubt), "{name}");
        assert_eq!(listener.client.new_doubt(), None, "{name}: told once");
    } else {
        assert_eq!(listener.client.new_doubt(), None, "{name}");
    }
    let closes = listener.records[known..].iter().any(closes);
    let goes_on = !matches!(right, Tradable | Refused(_));
    assert!(!(stood && goes_on) || closes, "{name}: what was open stays open");
}

/// Returns whether a record closes what is open on the pair of the scripts.
fn closes(record: &Record) -> bool {
    let status = record.get::<Status>().is_some_and(|s| s.state != State::Live.code());
    status || record.is::<Ended>() || record.is::<Gap>()
}

/// Checks streams that begin in step, with the pair tradable at number 1.
fn check_in_step(rows: Vec<(&str, Vec<Value>, Right)>) {
    for (name, messages, right) in rows {
        check(name, Listener::in_step(), &messages, right);
    }
}

/// Checks a stream that begins with `hello`, for each change of it.
fn check_hello(rows: Vec<(&str, Value, Right)>) {
    for (name, changed, right) in rows {
        check(name, Listener::new(Limits::default()), &[with(hello(), changed)], right);
    }
}

#[test]
fn what_hello_cannot_say_is_refused() {
    let venue = |name: &str, fee: Value| json!({"name": name, "taker_fee_bps": fee});
    let venues = |venues: Vec<Value>| json!({"venues": venues, "instruments": []});
    let fee = |fee: Value| venues(vec![venue("a", fee)]);
    let named = |name: &str| venues(vec![venue(name, json!(1))]);
    let instruments = |all: Value| json!({"instruments": all});
    let instrument = |name: &str, scale: u64, on: &[&str]| json!({"name": name, "price_scale": scale, "size_scale": 0, "venues": on});
    let many = |count: usize| -> Vec<Value> {
        (0..count).map(|n| venue(&format!("v{n}"), json!(1))).collect()
    };
    check_hello(vec![
        (
            "a later version",
            json!({"protocol": "spreadwire.v2"}),
            Refused("spreadwire.v2\", and this"),
        ),
        (
            "a later version with other fields",
            json!({"protocol": "spreadwire.v2", "venues": {"a": 1}}),
            Refused("use the program of the engine's own version"),
        ),
        ("no protocol", json!({"protocol": null}), Refused("missing field `protocol`")),
        ("a fee of -100 %", fee(json!(-10_000)), Refused("the taker fee of \"a\" is -10000 bp")),
        ("a fee above 10 %", fee(json!(1000.1)), Refused("only -100 to 1000 bp")),
        ("a fee that is no number", fee(json!("NaN")), Refused("not a message")),
        ("a fee of 10 %", fee(json!(1000)), Right::Ended),
        ("a rebate of 1 %", fee(json!(-100)), Right::Ended),
        ("a rebate above 1 %", fee(json!(-100.1)), Refused("only -100 to 1000 bp")),
        ("an empty name", named(""), Refused("\"\": it is empty")),
        ("a name of 65 bytes", named(&"x".repeat(65)), Refused("longer than 64 bytes")),
        ("a name of 64 bytes", named(&"x".repeat(64)), Right::Ended),
        ("ESC in a name", named("a\u{1b}[2J"), Refused("\"a\\u{1b}[2J\": it has characters")),
        ("a newline in a name", named("a\nb"), Refused("cannot be printed")),
        ("reversed text in a name", named("a\u{202e}b"), Refused("\\u{202e}")),
        (
            "a control character in an instrument",
            instruments(json!([instrument("X\u{7}", 0, &["a"])])),
            Refused("X\\u{7}"),
        ),
        ("64 venues", venues(many(64)), Right::Ended),
        ("65 venues", venues(many(65)), Refused("65 venues; 64 are the most")),
        (
            "more pairs than memory",
            json!({"venues": many(64), "instruments":
                (0..1025).map(|n| instrument(&n.to_string(), 0, &[])).collect::<Vec<_>>()}),
            Refused("pairs of venues over all instruments"),
        ),
        ("two venues of one name", venues(vec![venue("a", json!(1)); 2]), Refused("\"a\" twice")),
        (
            "two instruments of one name",
            instruments(json!([instrument("X", 0, &[]), instrument("X", 1, &[])])),
            Refused("\"X\" twice"),
        ),
        (
            "an instrument that lists a venue twice",
            instruments(json!([instrument("X", 0, &["a", "a"])])),
            Refused("\"a\" twice"),
        ),
        (
            "an instrument on a venue that is not there",
            instruments(json!([instrument("X", 0, &["nowhere"])])),
            Refused("\"nowhere\" is not in hello"),
        ),
        (
            "a scale beyond numbers",
            instruments(json!([instrument("X", 19, &["a"])])),
            Refused("19 decimals"),
        ),
    ]);
}

#[test]
fn messages_that_cannot_come_now_are_refused() {
    let fresh = || Listener::new(Limits::default());
    for early in [snapshot(), spread(1), status("a", "live"), ended(0), engine_gap()] {
        check("before hello", fresh(), &[early], Refused("the first message was not hello"));
    }
    check("no object", fresh(), &[json!([1])], Refused("not a message"));
    check("no type", fresh(), &[json!({"protocol": "spreadwire.v1"})], Refused("not a message"));
    check_in_step(vec![
        ("hello twice", vec![hello()], Refused("hello twice")),
        ("a second snapshot", vec![snapshot()], Refused("\"default\" came, and none was due")),
        (
            "a confirmed filter that nobody asked for",
            vec![subscribed("mine")],
            Refused("the server answers \"subscribed\", and nothing was asked"),
        ),
        (
            "a confirmed end of the default filter that nobody asked for",
            vec![unsubscribed("default")],
            Refused("the server answers \"unsubscribed\", and nothing was asked"),
        ),
    ]);
    let gone = [subscribed("mine"), snapshot()];
    check("of a filter that is gone", Listener::filtered(), &gone, Refused("none was due"));
    let long = [subscribed(&"x".repeat(65))];
    check("a long name", Listener::filtered(), &long, Refused("longer than 64 bytes"));
    let filters: Vec<Value> = (0..=64).map(|id| subscribed(&id.to_string())).collect();
    check("65 filters", Listener::filtered(), &filters, Refused("more than 64 filters"));
}

#[test]
fn spreads_that_cannot_be_are_refused() {
    let changed = |fields: Value| vec![with(spread(2), fields)];
    check_in_step(vec![
        (
            "a price of 0",
            changed(json!({"buy_px": "0"})),
            Refused("buy_px is \"0\", which is not above 0"),
        ),
        ("a price of -1", changed(json!({"sell_px": "-1"})), Refused("sell_px is \"-1\"")),
        ("a size of 0", changed(json!({"buy_sz": "0.000"})), Refused("buy_sz is \"0.000\"")),
        ("a size of -1", changed(json!({"sell_sz": "-1"})), Refused("sell_sz is \"-1\"")),
        (
            "a price beyond the scale",
            changed(json!({"buy_px": "100.505"})),
            Refused("more decimals"),
        ),
        (
            "a size beyond the scale",
            changed(json!({"sell_sz": "1.0001"})),
            Refused("more decimals"),
        ),
        (
            "a price that is too large",
            changed(json!({"buy_px": "9".repeat(19)})),
            Refused("too large"),
        ),
        ("a price that is no number", changed(json!({"buy_px": "NaN"})), Refused("not a decimal")),
        ("ESC in a price", changed(json!({"buy_px": "\u{1b}c"})), Refused("buy_px \"\\u{1b}c\"")),
        ("a price that is no text", changed(json!({"buy_px": 100.5})), Refused("not a message")),
        (
            "both legs at one venue",
            changed(json!({"sell_venue": "a"})),
            Refused("bought and sold on \"a\""),
        ),
        ("an unknown venue", changed(json!({"buy_venue": "z"})), Refused("\"z\" is not in hello")),
        (
            "an unknown instrument",
            changed(json!({"instrument": "\n"})),
            Refused("\"\\n\" is not in hello"),
        ),
        (
            "a venue that does not list it",
            changed(json!({"buy_venue": "c"})),
            Refused("\"c\" does not list \"X/Y\""),
        ),
        ("without a number", changed(json!({"seq": null})), Refused("missing field `seq`")),
        (
            "a leg that is stale",
            vec![status("b", "stale"), spread(2)],
            Refused("spread 2 of \"X/Y\" has a leg on \"b\", which is not live"),
        ),
        (
            "a leg that was never told to be live",
            changed(json!({"instrument": "Z/Y", "buy_px": "1", "sell_px": "1", "buy_sz": "1"})),
            Refused("which is not live"),
        ),
        ("one that is right", changed(json!({"buy_px": "100.50"})), Tradable),
    ]);
}

#[test]
fn numbers_out_of_order_are_refused() {
    let conflated = |message: Value| with(message, json!({"conflated": true}));
    check_in_step(vec![
        (
            "1 and then 1000",
            vec![spread(1000)],
            Refused("number 1000 came in place of 2, without a gap"),
        ),
        ("1 and then 3", vec![spread(3)], Refused("in place of 2")),
        ("1 again", vec![spread(1)], Refused("number 1 came after 1")),
        ("back", vec![spread(2), spread(3), spread(2)], Refused("number 2 came after 3")),
        ("0", vec![spread(0)], Refused("number 0 came after 1")),
        ("an end from before", vec![spread(2), ended(1)], Refused("number 1 came after 2")),
        ("an end behind a hole", vec![ended(2)], Refused("in place of 2")),
        ("conflated without a gap", vec![conflated(spread(3))], Refused("in place of 2")),
        ("the next after the gap", vec![slow_gap(2, 9, 8), spread(10)], Tradable),
        ("a hole after the gap", vec![slow_gap(2, 9, 8), spread(11)], Refused("in place of 10")),
        (
            "conflated after the gap",
            vec![slow_gap(2, 9, 7), conflated(spread(5)), spread(10)],
            Tradable,
        ),
        (
            "a hole after what was conflated",
            vec![slow_gap(2, 9, 7), conflated(spread(10)), spread(12)],
            Refused("in place of 11"),
        ),
        (
            "back in what is conflated",
            vec![slow_gap(2, 9, 6), conflated(spread(5)), conflated(spread(4))],
            Refused("number 4 came after 5"),
        ),
        (
            "a gap with too few numbers",
            vec![slow_gap(2, 9, 9)],
            Refused("from number 2 to 9 misses 9"),
        ),
        (
            "a gap that ends before it begins",
            vec![slow_gap(9, 2, 1)],
            Refused("from number 9 to 2"),
        ),
        ("a gap of nothing", vec![slow_gap(0, 0, 0), spread(2)], Tradable),
        (
            "a gap to the last number",
            vec![slow_gap(2, u64::MAX, 1), spread(2)],
            Refused("in place of"),
        ),
        (
            "an engine's gap hides no number",
            vec![engine_gap(), spread(3)],
            Refused("in place of 2"),
        ),
    ]);
}

#[test]
fn with_filters_numbers_have_holes_but_never_go_back() {
    let filtered = Listener::filtered;
    check("a hole", filtered(), &[spread(7), ended(9), spread(10)], Tradable);
    check("back", filtered(), &[spread(7), spread(7)], Refused("number 7 came after 7"));
    check("back of an end", filtered(), &[ended(9), spread(9)], Refused("number 9 came after 9"));
}

#[test]
fn amid_a_snapshot_nothing_is_decided() {
    let fresh = || Listener::new(Limits::default());
    let (a, b) = (state("a", "live"), state("b", "live"));
    let first = part(4, &[a.clone(), b.clone()], &[listed(3)], false);
    for (name, messages, right) in [
        ("only the first part", vec![first.clone()], Right::Ended),
        ("a spread behind it", vec![first.clone(), spread(9)], Right::Ended),
        ("the last part", vec![first.clone(), spread(9), part(9, &[], &[], true)], Tradable),
        (
            "a hole behind the last part",
            vec![first.clone(), part(9, &[], &[], true), spread(11)],
            Refused("in place of 10"),
        ),
        (
            "a part from before",
            vec![first.clone(), spread(9), part(8, &[], &[], true)],
            Refused("number 8 came after 9"),
        ),
        (
            "a spread from before the part",
            vec![first.clone(), spread(4)],
            Refused("number 4 came after 4"),
        ),
        (
            "a spread that the part cannot include",
            vec![part(4, &[a.clone(), b.clone()], &[listed(5)], true)],
            Refused("up to number 4 includes spread 5"),
        ),
        (
            "a spread without a number",
            vec![part(4, &[a.clone(), b.clone()], &[listed(0)], true)],
            Refused("includes spread 0"),
        ),
        (
            "a spread whose leg is not live",
            vec![part(4, &[a.clone(), state("b", "gap")], &[listed(4)], true)],
            Refused("a leg on \"b\""),
        ),
        (
            "a spread without states",
            vec![part(4, &[], &[listed(4)], true)],
            Refused("a leg on \"a\""),
        ),
        (
            "a leg that ends between the parts",
            vec![first.clone(), status("a", "down"), part(9, &[], &[], true)],
            Right::Ended,
        ),
        (
            "a state in full that is not live",
            vec![part(4, &[a.clone(), with(b.clone(), json!({"health": "lagging"}))], &[], true)],
            Right::Ended,
        ),
    ] {
        let messages = [vec![hello()], messages].concat();
        check(name, fresh(), &messages, right);
    }
}

#[test]
fn heard_says_when_a_decision_may_be_made() {
    let mut listener = Listener::new(Limits { filtered: true, ..Limits::default() });
    let states = [state("a", "live"), state("b", "live")];
    for (message, wanted) in [
        (hello(), Heard::Hello),
        (part(1, &states, &[listed(1)], false), Heard::CatchingUp),
        (spread(2), Heard::CatchingUp),
        (status("a", "live"), Heard::CatchingUp),
        (part(2, &[], &[], true), Heard::InStep),
        (spread(3), Heard::InStep),
        (engine_gap(), Heard::CatchingUp),
        (status("a", "live"), Heard::InStep),
        (slow_gap(4, 4, 1), Heard::CatchingUp),
        (with(spread(5), json!({"conflated": true})), Heard::CatchingUp),
        (ended(5), Heard::InStep),
        (subscribed("mine"), Heard::Other),
        (spread(6), Heard::CatchingUp),
        (with(part(6, &[], &[], true), json!({"id": "mine"})), Heard::InStep),
        (unsubscribed("mine"), Heard::Other),
        (json!({"type": "pong", "ts": 1}), Heard::Other),
    ] {
        assert_eq!(listener.take(&message).unwrap(), wanted, "{message}");
        let outside = wanted == Heard::Other && listener.client.is_in_step();
        assert!(!outside, "{message}");
    }
}

#[test]
fn a_snapshot_that_does_not_end_in_time_ends_the_connection() {
    let limit = Limits::default().snapshot_max / MILLI;
    let states = [state("a", "live")];
    for messages in [vec![], vec![hello()], vec![hello(), part(1, &states, &[], false)]] {
        let mut listener = Listener::new(Limits::default());
        messages.iter().for_each(|message| _ = listener.take(message).unwrap());
        listener.wait(limit - 1);
        listener.client.check(listener.now).unwrap();
        listener.wait(1);
        let fault = listener.client.check(listener.now).unwrap_err();
        assert_eq!(fault.to_string(), "no complete snapshot within 10000 ms");
        assert!(matches!(listener.take(&status("a", "live")), Err(Fault::Over)));
    }
    let mut listener = Listener::new(Limits::default());
    listener.take(&hello()).unwrap();
    listener.wait(limit);
    assert!(matches!(listener.take(&snapshot()), Err(Fault::SnapshotLate(_))), "by a message too");
    let mut listener = Listener::filtered();
    listener.wait(100 * limit);
    listener.client.check(listener.now).unwrap();
    listener.take(&subscribed("mine")).unwrap();
    listener.wait(limit);
    assert!(listener.client.check(listener.now).is_err(), "a second one is due as well");
}

#[test]
fn a_leg_is_live_only_if_every_word_says_so() {
    let told = |state: &str, health: Value| {
        vec![with(status("a", state), json!({"health": health})), status("b", "live")]
    };
    let unknown = |messages: Vec<Value>| {
        check("unknown", Listener::in_step(), &messages[..1], Doubted(Doubt::UnknownState));
    };
    unknown(told("melted", json!(null)));
    unknown(told("live", json!("melted")));
    unknown(told("melted", json!("live")));
    unknown(told("", json!(null)));
    check_in_step(vec![
        ("live", told("live", json!(null)), Tradable),
        ("live in full", told("live", json!("live")), Tradable),
        ("stale", told("stale", json!(null)), Right::Ended),
        ("lagging", told("stale", json!("lagging")), Right::Ended),
        ("live and lagging", told("live", json!("lagging")), Right::Ended),
        ("stale and live", told("stale", json!("live")), Right::Ended),
    ]);
    for word in State::ALL.into_iter().filter(|state| *state != State::Live) {
        let message = with(status("b", word.basic().name()), json!({"health": word.name()}));
        check(word.name(), Listener::in_step(), std::slice::from_ref(&message), Right::Ended);
        let mut listener = Listener::in_step();
        listener.take(&message).unwrap();
        let record: &Status = listener.records.last().unwrap().view();
        assert_eq!(State::of_code(record.state), Some(word), "the record has it in full");
    }
    let reason = with(status("a", "live"), json!({"reason": "the moon"}));
    check("an unknown reason", Listener::in_step(), &[reason], Tradable);
    let both = vec![status("a", "stale"), status("a", "live")];
    check("live again, and no spread yet", Listener::in_step(), &both, Right::Ended);
    let unlisted = with(status("c", "live"), json!({}));
    check("unlisted", Listener::in_step(), &[unlisted], Refused("\"c\" does not list"));
}

#[test]
fn a_spread_ends_with_its_end_its_leg_and_a_gap_of_the_engine() {
    let other = |fields: Value| with(ended(1), fields);
    let mirrored = json!({"buy_venue": "b", "sell_venue": "a"});
    check_in_step(vec![
        ("its end", vec![ended(1)], Right::Ended),
        ("an unknown reason", vec![other(json!({"reason": "the moon"}))], Right::Ended),
        ("its conflated end", vec![other(json!({"conflated": true}))], Right::Ended),
        ("an end and a spread", vec![ended(1), spread(2)], Tradable),
        ("the end of the mirrored pair", vec![other(mirrored)], Tradable),
        ("an end at one venue", vec![other(json!({"buy_venue": "b"}))], Refused("bought and sold")),
        ("an end at no venue", vec![other(json!({"buy_venue": "z"}))], Refused("not in hello")),
        ("the end of its leg", vec![status("b", "down")], Right::Ended),
        ("another leg", vec![with(status("b", "down"), json!({"instrument": "Z/Y"}))], Tradable),
        ("a gap of the engine", vec![engine_gap(), status("a", "live")], Right::Ended),
        ("and the next spread", vec![engine_gap(), spread(2)], Tradable),
        ("its own slowness", vec![slow_gap(2, 2, 1)], Right::Ended),
        ("and no news of the pair", vec![slow_gap(2, 2, 1), status("a", "live")], Tradable),
        (
            "a gap for a reason that is not known",
            vec![json!({"type": "gap", "reason": "moon", "missed": 1}), status("a", "live")],
            Right::Ended,
        ),
    ]);
    for (name, message) in
        [("another filter", subscribed("mine")), ("no filter", unsubscribed("default"))]
    {
        check(name, Listener::filtered(), &[message], Right::Ended);
    }
    let mut listener = Listener::in_step();
    listener.take(&ended(1)).unwrap();
    let end: &Ended = listener.records.last().unwrap().view();
    assert_eq!((end.ts_recv, end.sequence, end.flags), (START, 8, EndReason::LegOld.code()));
}

#[test]
fn after_the_broadcast_missed_records_a_leg_that_is_not_live_is_a_doubt() {
    let messages = [status("b", "stale"), engine_gap(), spread(2)];
    check("unproven", Listener::in_step(), &messages, Doubted(Doubt::Unproven));
    let proven = [messages.to_vec(), vec![status("b", "live"), spread(3)]].concat();
    let mut listener = Listener::in_step();
    proven.iter().for_each(|message| _ = listener.take(message).unwrap());
    assert!(listener.trades());
    let spreads = listener.records.iter().filter_map(Record::get::<Spread>);
    assert_eq!(spreads.count(), 2, "the unproven one is no record");
}

#[test]
fn spreads_of_another_time_are_not_acted_on() {
    let at = |ts: u64| vec![with(spread(2), json!({"ts_recv": ts}))];
    let hour = 3600 * SECOND;
    let later = |ts: u64| {
        vec![
            with(spread(2), json!({"ts_recv": START + 900 * MILLI})),
            with(spread(3), json!({"ts_recv": ts})),
        ]
    };
    check_in_step(vec![
        ("1 h old", at(START - hour), Doubted(Doubt::Old)),
        ("just too old", at(START - SECOND - 1), Doubted(Doubt::Old)),
        ("from 1970", at(0), Doubted(Doubt::Old)),
        ("just not too far back", at(START - 200 * MILLI), Tradable),
        ("too far back", at(START - 200 * MILLI - 1), Doubted(Doubt::Behind)),
        ("too far back behind a later one", later(START + 699 * MILLI), Doubted(Doubt::Behind)),
        ("not too far back behind a later one", later(START + 700 * MILLI), Tradable),
        ("just not too far ahead", at(START + SECOND), Tradable),
        ("too far ahead", at(START + SECOND + 1), Doubted(Doubt::Ahead)),
        ("at the end of time", at(u64::MAX), Doubted(Doubt::Ahead)),
    ]);
    let ahead = at(u64::MAX);
    let after = [ahead, vec![spread(3)]].concat();
    let mut listener = Listener::in_step();
    after.iter().for_each(|message| _ = listener.take(message).unwrap());
    assert!(listener.trades(), "one wrong time does not make the next ones late");
    assert_eq!(listener.client.doubts().count(Doubt::Ahead), 1);
}

#[test]
fn a_net_beyond_belief_is_not_acted_on_and_ends_what_stood() {
    let at = |buy: &str, sell: &str| vec![with(spread(2), json!({"buy_px": buy, "sell_px": sell}))];
    check_in_step(vec![
        ("a net of 59,880,109,880 bp", at("0.01", "60000"), Doubted(Doubt::Implausible)),
        ("a net of -9,999 bp", at("60000", "0.01"), Doubted(Doubt::Implausible)),
        // The fees are 10 and -1 bp.
        ("just too much", at("100000", "110111"), Doubted(Doubt::Implausible)),
        ("just not too much", at("100000", "110098"), Tradable),
    ]);
    let mut listener = Listener::in_step();
    listener.take(&at("0.01", "60000")[0]).unwrap();
    let end: &Ended = listener.records.last().unwrap().view();
    assert_eq!(end.flags, EndReason::Implausible.code());
    listener.take(&spread(3)).unwrap();
    assert!(listener.trades(), "the next one is right");
    let mut boundless = Listener::new(Limits { max_net: f64::INFINITY, ..Limits::default() });
    let messages = [vec![hello(), snapshot()], at("0.01", "60000")].concat();
    messages.iter().for_each(|message| _ = boundless.take(message).unwrap());
    assert!(boundless.trades());
    let states = [state("a", "live"), state("b", "live")];
    let absurd = with(listed(1), json!({"sell_px": "60000"}));
    let messages = [hello(), part(1, &states, &[absurd], true)];
    let fresh = Listener::new(Limits::default());
    check("in a snapshot", fresh, &messages, Doubted(Doubt::Implausible));
}

#[test]
fn what_a_gap_ends_has_lasted_until_it_was_noticed() {
    for message in [slow_gap(2, 9, 8), unsubscribed("default"), subscribed("mine")] {
        let mut listener = Listener::filtered();
        listener.wait(48_000);
        listener.take(&message).unwrap();
        let gap: &Gap = listener.records.last().unwrap().view();
        assert_eq!(gap.ts_recv, START + 48 * SECOND, "{message}");
    }
    let listener = Listener::in_step();
    assert_eq!(listener.client.latest(START - SECOND), START, "never before what was heard");
}

#[test]
fn a_spread_that_is_old_when_it_comes_ends_the_pair_once() {
    let mut listener = Listener::in_step();
    listener.wait(1000);
    assert!(listener.trades(), "at the age's limit");
    listener.wait(1);
    assert!(!listener.trades());
    let known = listener.records.len();
    assert_eq!(listener.take(&spread(2)).unwrap(), Heard::InStep);
    assert_eq!(listener.take(&spread(3)).unwrap(), Heard::InStep);
    let kinds: Vec<Option<Kind>> = listener.records[known..].iter().map(Record::kind).collect();
    assert_eq!(kinds, [Some(Kind::Ended)]);
    let end: &Ended = listener.records[known].view();
    assert_eq!((end.flags, end.ts_recv, end.sequence), (EndReason::LegOld.code(), START, 7));
    assert_eq!(listener.client.doubts().count(Doubt::Old), 2);
    let ids = (end.instrument, end.buy_venue, end.sell_venue);
    assert_eq!(ids, (InstrumentId(0), VenueId(0), VenueId(1)));
}

#[test]
fn an_old_spread_in_a_snapshot_is_left_out_without_a_doubt() {
    let mut listener = Listener::new(Limits::default());
    listener.wait(5000);
    listener.take(&hello()).unwrap();
    assert_eq!(listener.take(&snapshot()).unwrap(), Heard::InStep);
    assert!(!listener.trades() && listener.client.new_doubt().is_none());
    assert!(!listener.records.iter().any(Record::is::<Spread>));
    let ahead = with(listed(1), json!({"ts_recv": START + 7 * SECOND}));
    let states = [state("a", "live"), state("b", "live")];
    let messages = [hello(), part(1, &states, &[ahead], true)];
    check("ahead", Listener::new(Limits::default()), &messages, Doubted(Doubt::Ahead));
}

#[test]
fn records_have_times_that_can_be_right() {
    let far = json!({"ts_recv": u64::MAX});
    let late = json!({"ts_recv": 5});
    for (message, wanted) in [
        (with(status("a", "stale"), far.clone()), START + 3 * MILLI),
        (with(engine_gap(), far.clone()), START + 3 * MILLI),
        (with(ended(1), far.clone()), START + 3 * MILLI),
        (with(status("a", "stale"), late.clone()), START),
        (with(engine_gap(), late.clone()), START),
        (with(ended(1), late), START),
        (slow_gap(2, 2, 1), START + 3 * MILLI),
    ] {
        let mut listener = Listener::in_step();
        listener.wait(3);
        listener.take(&message).unwrap();
        assert_eq!(listener.records.last().unwrap().ts_recv(), wanted, "{message}");
        assert_eq!(listener.client.latest(0), START, "{message}");
    }
    let mut listener = Listener::new(Limits::default());
    listener.take(&hello()).unwrap();
    let states = [with(state("a", "live"), far), with(state("b", "down"), json!({"ts_recv": 5}))];
    listener.take(&part(0, &states, &[], true)).unwrap();
    let times: Vec<u64> = listener.records.iter().map(Record::ts_recv).collect();
    assert_eq!(times, [START, 5], "a state may have begun long ago, and not in the future");
}

#[test]
fn errors_are_short_and_printable_whatever_the_peer_wrote() {
    let long = "\u{1b}[31m\u{202e}".repeat(5000);
    let mut faults = Vec::new();
    for message in [
        with(hello(), json!({"protocol": long})),
        with(hello(), json!({"venues": [{"name": long, "taker_fee_bps": 1}]})),
        json!({"type": "hello", "protocol": 5, "x": long}),
        json!({"type": "hello", "protocol": "spreadwire.v1", "venues": long}),
    ] {
        faults.push(Listener::new(Limits::default()).take(&message).unwrap_err());
    }
    for fields in [
        json!({"instrument": long}),
        json!({"buy_venue": long}),
        json!({"buy_px": long}),
        json!({"seq": long}),
    ] {
        faults.push(Listener::in_step().take(&with(spread(2), fields)).unwrap_err());
    }
    faults.push(Listener::in_step().take(&with(snapshot(), json!({"id": long}))).unwrap_err());
    for fault in faults {
        let text = fault.to_string();
        assert!(text.chars().all(crate::escape::is_printable), "{text:?}");
        assert!(text.len() < 1600, "{}", text.len());
    }
}
