//! Every message that `docs/broadcast.md` shows.

use super::script::{self, Listener, START};
use crate::client::{Client, Heard, Limits};
use crate::record::{Kind, Record, Recording, RecordingState, Spread};
use crate::spread::BPS;
use serde_json::{Value, json};

/// Returns every example of the protocol's document that a server sends.
fn examples() -> Vec<Value> {
    let document = include_str!("../../../../../docs/broadcast.md");
    let blocks = document.split("```json\n").skip(1).map(|b| b.split("```").next().unwrap());
    let texts = blocks.flat_map(str::lines).filter(|text| text.starts_with("{\"type\""));
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Returns the kinds of the records that a message becomes.
fn kinds_of(message: &Value) -> Vec<Kind> {
    let count = |field: &str| message[field].as_array().unwrap().len();
    match message["type"].as_str().unwrap() {
        "snapshot" => {
            [vec![Kind::Status; count("states")], vec![Kind::Spread; count("spreads")]].concat()
        }
        "spread" => vec![Kind::Spread],
        "ended" => vec![Kind::Ended],
        "status" => vec![Kind::Status],
        // A changed filter ends what was said before, which the client marks as a gap.
        "gap" | "subscribed" | "unsubscribed" => vec![Kind::Gap],
        "recording" => vec![Kind::Recording],
        "hello" | "pong" | "error" => vec![],
        other => panic!("the document has a message {other:?} that this test does not know"),
    }
}

fn heard_of(message: &Value) -> Heard {
    match message["type"].as_str().unwrap() {
        "hello" => Heard::Hello,
        "gap" => Heard::CatchingUp,
        "spread" | "ended" | "status" if message["conflated"] == true => Heard::CatchingUp,
        "spread" | "ended" | "status" | "snapshot" => Heard::InStep,
        _ => Heard::Other,
    }
}

/// Returns a client that has taken the document's `hello` and snapshot, unless the message is one
/// of them. The examples are no stream: their numbers have holes.
fn prepared(examples: &[Value], message: &Value) -> Client {
    let limits = Limits { filtered: true, ..Limits::timeless() };
    let mut client = Client::new(limits, START);
    for earlier in &examples[..2] {
        if earlier == message {
            break;
        }
        client.take(&earlier.to_string(), START, &mut Vec::new()).unwrap();
    }
    client
}

#[test]
fn every_message_of_the_document_is_understood() {
    let examples = examples();
    assert_eq!((&examples[0]["type"], &examples[1]["type"]), (&json!("hello"), &json!("snapshot")));
    assert!(12 < examples.len());
    for message in &examples {
        let mut client = prepared(&examples, message);
        let mut records = Vec::new();
        let heard = client.take(&message.to_string(), START, &mut records).unwrap();
        assert_eq!(heard, heard_of(message), "{message}");
        let kinds: Vec<Kind> = records.iter().filter_map(Record::kind).collect();
        assert_eq!(kinds, kinds_of(message), "{message}");
        assert!(client.new_doubt().is_none(), "{message}");
        for record in records {
            if let Some(spread) = record.get::<Spread>() {
                check_spread(spread);
            }
        }
    }
}

fn check_spread(spread: &Spread) {
    assert_eq!((spread.buy_px, spread.sell_px), (6_183_763, 6_195_000));
    assert_eq!((spread.buy_sz, spread.sell_sz), (50_000, 120_002));
    assert_eq!(format!("{:.4}", spread.net * BPS), "0.1571");
    assert_eq!((spread.ts_recv, spread.sequence), (1_700_000_000_123_456_789, 9001));
}

#[test]
fn what_the_journal_does_is_told_and_new_words_are_ignored() {
    let mut listener = Listener::in_step();
    listener.records.clear();
    let recording =
        |state: &str| json!({"type": "recording", "state": state, "ts_recv": 1, "lost": 9});
    assert_eq!(listener.take(&recording("disk_full")).unwrap(), Heard::Other);
    let record: &Recording = listener.records[0].view();
    assert_eq!((record.state, record.lost), (RecordingState::DiskFull.code(), 9));
    assert_eq!(listener.take(&recording("melted")).unwrap(), Heard::Other);
    assert_eq!(listener.take(&json!({"type": "weather", "of": [1]})).unwrap(), Heard::Other);
    assert_eq!(listener.records.len(), 1);
    let new = script::with(script::spread(2), json!({"mood": {"is": "good"}}));
    assert_eq!(listener.take(&new).unwrap(), Heard::InStep);
    assert_eq!(listener.client.catalogue().unwrap().listings.len(), 5);
    assert!(listener.trades());
}
