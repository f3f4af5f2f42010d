//! The binary protocol says the same as the JSON protocol, in every kind of message and every
//! field.

use crate::congestion::congest;
use crate::plain_binary::{decode, with_names};
use bytemuck::Zeroable;
use serde_json::{Value, json};
use spreadwire_engine::broadcast::BINARY_SUBPROTOCOL;
use spreadwire_kit::{catalogue, quotes};
use spreadwire_market::instrument::{Catalogue, InstrumentId, VenueId};
use spreadwire_market::record::{Ended, Gap, RecordingState, Spread, Status};
use spreadwire_market::spread::BPS;
use spreadwire_market::state::{EndReason, Reason, State};
use spreadwire_rigs::broadcast::flattened::flattened;
use spreadwire_rigs::broadcast::model::Model;
use spreadwire_rigs::broadcast::server::{Client, Server, catalogue, settings};

/// Returns three venues and three instruments that differ in everything.
fn varied_catalogue() -> Catalogue {
    let venues = ["a", "b\u{e9}\u{e8}", "venue c"];
    let draft = catalogue::of(["BTC/USDT", "\u{39e}/USDT:PERP", "X"], venues);
    let draft = draft.scales_each([(1, 5), (8, 0), (3, 12)]).fees([0.0011, -0.00025, 0.0]);
    draft.listed_where(|i, v| ![(0, 1), (1, 0)].contains(&(i, v))).build()
}

/// Returns a spread whose fields all have different values, also from those of any other spread.
fn varied_spread(n: i64, instrument: u32, buy_venue: u8, sell_venue: u8) -> Spread {
    let number = u64::try_from(n).unwrap();
    Spread {
        ts_recv: 1_700_000_000_123_456_789 + number,
        sequence: u64::MAX - 10 * number,
        buy_px: 6_183_763 + 1_000 * n,
        sell_px: 6_195_001 + 1_000 * n,
        buy_sz: i64::MAX - n,
        sell_sz: -1_200_020 - n,
        net: 0.000_012_345_6 * (1.0 + f64::from(i32::try_from(n).unwrap())),
        instrument: InstrumentId(instrument),
        buy_venue: VenueId(buy_venue),
        sell_venue: VenueId(sell_venue),
        ..Spread::zeroed()
    }
}

fn varied_status(
    n: u64,
    (instrument, venue): (u32, u8),
    state: State,
    previous: State,
    reason: Reason,
) -> Status {
    let (previous, reason) = (previous as u8, reason as u8);
    let status = quotes::status(venue, instrument, state, 1_700_000_001_000_000_000 + n);
    Status { previous, reason, ..status }
}

const PAIRS: [(u32, u8, u8); 6] =
    [(0, 0, 2), (0, 2, 0), (1, 1, 2), (2, 0, 1), (2, 1, 2), (2, 2, 0)];

/// Checks message by message that a binary client received the same as a JSON client; returns what
/// both received.
fn check_same(json: &Client, binary: &Client) -> Vec<Value> {
    let (expected, got) = (flattened(&json.seen), with_names(decode(&binary.bytes)));
    for (expected, got) in expected.iter().zip(&got) {
        let (mut expected, mut got) = (expected.clone(), got.clone());
        if expected["type"] == "spread" {
            let (expected, got) = (expected.as_object_mut().unwrap(), got.as_object_mut().unwrap());
            let net_bps = got.remove("net").unwrap().as_f64().unwrap() * BPS;
            let rounded = expected.remove("net_bps").unwrap().as_f64().unwrap();
            assert!((net_bps - rounded).abs() < 0.000_051, "{net_bps} is not {rounded}");
            // The binary message leaves the gross spread to the reader.
            let number = |field: &str| got[field].as_str().unwrap().parse::<f64>().unwrap();
            let gross_bps = (number("sell_px") / number("buy_px") - 1.0) * BPS;
            let rounded = expected.remove("gross_bps").unwrap().as_f64().unwrap();
            assert!((gross_bps - rounded).abs() < 0.000_051, "{gross_bps} is not {rounded}");
        }
        if expected["type"] == "status" && expected["in_snapshot"] == true {
            // The states in a snapshot do not include the previous ones.
            got.as_object_mut().unwrap().remove("previous");
        }
        assert_eq!(got, expected);
    }
    assert_eq!(got.len(), expected.len());
    got
}

#[test]
fn every_field_of_every_message_is_the_one_that_json_has() {
    let mut server = Server::new(varied_catalogue(), settings());
    let nets = |spreads: &[Spread]| spreads.iter().map(|s| s.net.to_bits()).collect::<Vec<_>>();
    let early: Vec<Spread> =
        (0..).zip(PAIRS).map(|(n, (i, b, s))| varied_spread(n, i, b, s)).collect();
    let up = varied_status(7, (1, 2), State::Live, State::Down, Reason::Quote);
    server.send(up);
    early.iter().for_each(|spread| server.send(*spread));
    server.record(RecordingState::Refused, 77);
    server.turn();

    let mut json = server.connect();
    let mut binary = server.connect_offering(Some(BINARY_SUBPROTOCOL));
    server.until("both snapshots", |_| {
        json.read();
        binary.read();
        json.types().contains(&"snapshot") && binary.bytes.len() > 96 + 7 * 24 + 6 * 80
    });
    for (n, state) in (1..).zip(RecordingState::ALL) {
        server.record(state, 1_000 * n);
        server.turn();
    }
    let mut legs = (100..).zip(PAIRS.iter().cycle());
    for (place, state) in State::ALL.into_iter().enumerate() {
        for (other, reason) in Reason::ALL.into_iter().enumerate() {
            let previous = State::ALL[(place + other) % State::ALL.len()];
            let (n, (instrument, venue, _)) = legs.next().unwrap();
            let leg = (*instrument, *venue);
            server.send(varied_status(n, leg, state, previous, reason));
        }
    }
    for (n, reason) in (200..).zip(EndReason::ALL) {
        let (instrument, buy_venue, sell_venue) = PAIRS[usize::from(reason as u8)];
        server.send(Ended {
            ts_recv: 1_700_000_001_500_000_000 + n,
            sequence: 7_000 + n,
            instrument: InstrumentId(instrument),
            buy_venue: VenueId(buy_venue),
            sell_venue: VenueId(sell_venue),
            flags: reason as u8,
            ..Ended::default()
        });
    }
    server.send(Gap::new(1_700_000_002_000_000_000, 123_456_789_012));
    let late: Vec<Spread> =
        (300..).zip(PAIRS).map(|(n, (i, b, s))| varied_spread(n, i, b, s)).collect();
    late.iter().for_each(|spread| server.send(*spread));
    server.until("everything", |_| {
        json.read();
        binary.read();
        json.seen.last().is_some_and(|m| m["seq"] == 12)
    });
    let told = check_same(&json, &binary);
    let of = |kind: &str| told.iter().filter(|m| m["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("recording").len(), 1 + RecordingState::ALL.len());
    assert_eq!(of("ended").len(), EndReason::ALL.len());
    // The spreads after the gap show that six legs are live, whatever was said of them before.
    assert_eq!(of("status").len(), 7 + State::ALL.len() * Reason::ALL.len() + 6);
    assert_eq!((of("gap").len(), of("hello").len(), of("snapshot").len()), (1, 1, 1));
    let bits: Vec<u64> =
        of("spread").iter().map(|m| m["net"].as_f64().unwrap().to_bits()).collect();
    // A snapshot has its spreads by instrument and venues, which is the order of `PAIRS`.
    assert_eq!(bits, [nets(&early), nets(&late)].concat(), "not rounded");
}

#[test]
fn parts_of_a_long_snapshot_are_those_that_json_has() {
    let mut model = Model::new(32, 24, 6);
    let mut server = Server::new(catalogue(24, 6), settings());
    (0..300).for_each(|_| {
        model.batch(&mut server);
        server.turn();
    });
    let mut json = server.connect();
    let mut binary = server.connect_offering(Some(BINARY_SUBPROTOCOL));
    server.until("both default snapshots", |_| {
        json.read();
        binary.read();
        let is_last = |m: &Value| m["last"] == true;
        json.seen.iter().any(is_last) && decode(&binary.bytes).iter().any(is_last)
    });
    let long = "i".repeat(64);
    for client in [&mut json, &mut binary] {
        for id in ["\u{fc}", &long] {
            client.ask(&json!({"op": "subscribe", "id": id, "min_net_bps": -80}));
        }
    }
    server.until("all snapshots", |_| {
        binary.read();
        json.read();
        json.seen.iter().any(|m| m["id"] == long.as_str() && m["last"] == true)
    });
    let is_answer = |m: &Value| m["type"] == "subscribed";
    assert_eq!(binary.seen.len(), 2, "answers are texts in both protocols");
    assert!(binary.seen.iter().all(is_answer));
    json.seen.retain(|m| !is_answer(m));
    let told = check_same(&json, &binary);
    let heads: Vec<&Value> = told.iter().filter(|m| m["type"] == "snapshot").collect();
    assert!(heads.len() > 6 && heads.iter().any(|head| head["last"] == false));
    assert!(heads.iter().any(|head| head["states"] != head["spreads"] && head["spreads"] != 0));
}

#[test]
fn a_binary_client_that_stops_reading_is_conflated_and_told_so_in_its_protocol() {
    let mut model = Model::new(15, 3, 3);
    let mut server = Server::new(catalogue(3, 3), settings());
    let mut slow = server.connect_offering(Some("spreadwire.v1.json, spreadwire.v1.bin"));
    let mut quick = server.connect();
    quick.expect(&mut server, "snapshot");
    slow.ask(&json!({"op": "ping", "id": "text"}));
    slow.expect(&mut server, "pong");
    congest(&mut server, &mut model, &mut quick);
    let conflated = server.count("conflated");
    server.until("the slow one has the last spread", |_| {
        slow.read();
        decode(&slow.bytes).last().is_some_and(|m| m["seq"] == model.seq)
    });
    assert_eq!(slow.seen, Vec::<Value>::new(), "no texts but answers");
    let messages = decode(&slow.bytes);
    let kinds: Vec<&str> = messages.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["catalogue", "snapshot", "status"]);
    let gaps: Vec<usize> = (0..kinds.len()).filter(|at| kinds[*at] == "gap").collect();
    assert_eq!(gaps.len(), 1);
    let (before, after) = messages.split_at(gaps[0]);
    assert!(before.iter().all(|m| m["conflated"].is_null()));
    assert!(after[1..].iter().all(|m| m["conflated"] == true));
    let spreads = messages.iter().filter(|m| m["type"] == "spread");
    let seqs: Vec<u64> = spreads.map(|m| m["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted());
    assert_eq!(seqs.len() as u64 + conflated, model.seq, "told or missed, nothing else");
    let missed: Vec<u64> = (1..=model.seq).filter(|seq| seqs.binary_search(seq).is_err()).collect();
    let expected = json!({
        "type": "gap", "reason": "slow_client", "missed": conflated,
        "from_seq": missed[0], "to_seq": missed[missed.len() - 1],
    });
    assert_eq!(after[0], expected);
}
