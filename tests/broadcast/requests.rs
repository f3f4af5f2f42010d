//! Requests of clients, and the answers to invalid ones.

use serde_json::json;
use spreadwire_engine::broadcast::Settings;
use spreadwire_market::state::State;
use spreadwire_rigs::broadcast::server::{START, Server, catalogue, settings, spread, status};
use std::io::Write;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

#[test]
fn filters_pass_what_they_ask_for_and_no_more() {
    let mut server = Server::new(catalogue(3, 3), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.ask(&json!({"op": "subscribe", "id": "one", "instruments": ["C0/USDT"], "venues": ["venue2"], "min_net_bps": 5}));
    let subscribed = client.expect(&mut server, "subscribed");
    assert_eq!(
        subscribed,
        json!({"type": "subscribed", "id": "one", "instruments": ["C0/USDT"], "venues": ["venue2"], "min_net_bps": 5.0})
    );
    let snapshot = client.expect(&mut server, "snapshot");
    assert_eq!(snapshot["states"].as_array().unwrap().len(), 3, "of one instrument, on all venues");
    client.ask(&json!({"op": "subscribe", "instruments": ["C1/USDT"]}));
    assert_eq!(client.expect(&mut server, "subscribed")["id"], "1");
    client.expect(&mut server, "snapshot");
    // Spreads 1 to 6: pays 6 bps on venue2; too little; other venues; sold on venue2; another
    // filter; none.
    for (instrument, buy, sell, px) in [
        (0, 2, 1, 10_026),
        (0, 2, 1, 10_024),
        (0, 0, 1, 10_100),
        (0, 1, 2, 10_100),
        (1, 0, 1, 9_000),
        (2, 0, 1, 10_100),
    ] {
        server.send(spread(instrument, buy, sell, px));
    }
    server.send(status(2, 0, State::Live));
    server.send(status(0, 0, State::Stale));
    client.ask(&json!({"op": "ping", "id": "now"}));
    let pong = json!({"type": "pong", "id": "now", "ts": START});
    server.until("a pong", |_| client.read() && client.seen.last() == Some(&pong));
    assert_eq!(client.spread_seqs(), [1, 4, 5]);
    assert_eq!(client.types(), ["spread", "spread", "spread", "status", "pong"]);
    client.ask(&json!({"op": "unsubscribe", "id": "one"}));
    assert_eq!(client.expect(&mut server, "unsubscribed")["ids"], json!(["one"]));
    server.send(spread(0, 2, 1, 10_100));
    server.send(spread(1, 2, 1, 10_100));
    client.until_seq(&mut server, 8);
    assert_eq!(client.spread_seqs(), [8]);
    client.ask(&json!({"op": "unsubscribe"}));
    assert_eq!(client.expect(&mut server, "unsubscribed")["ids"], json!(["1"]));
    server.send(spread(1, 2, 1, 10_200));
    client.ask(&json!({"op": "ping"}));
    client.expect(&mut server, "pong");
    assert!(client.seen.is_empty(), "{:?}", client.seen);
}

#[test]
fn wrong_requests_are_answered_and_the_connection_stays() {
    let limits = Settings { filters_max: 2, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut client = server.connect();
    for (request, code) in [
        (json!([]), "bad_message"),
        (json!({"op": "sell"}), "unknown_op"),
        (json!({"op": "subscribe", "instrument": ["C0/USDT"]}), "unknown_field"),
        (json!({"op": "subscribe", "instruments": ["C0/USD"]}), "unknown_instrument"),
        (json!({"op": "subscribe", "venues": ["venue9"]}), "unknown_venue"),
        (json!({"op": "subscribe", "min_net_bps": "much"}), "bad_value"),
        (json!({"op": "unsubscribe", "id": "x"}), "unknown_id"),
    ] {
        client.ask(&request);
        let error = client.expect(&mut server, "error");
        assert_eq!(error["code"], code, "{error}");
    }
    for id in ["a", "b"] {
        client.ask(&json!({"op": "subscribe", "id": id}));
        client.expect(&mut server, "subscribed");
    }
    client.ask(&json!({"op": "subscribe", "id": "c"}));
    let error = client.expect(&mut server, "error");
    assert_eq!((&error["code"], &error["id"]), (&json!("too_many_filters"), &json!("c")));
    client.ask(&json!({"op": "unsubscribe", "id": "a"}));
    client.expect(&mut server, "unsubscribed");
    client.ask(&json!({"op": "subscribe", "id": "b"}));
    assert_eq!(client.expect(&mut server, "error")["code"], "duplicate_id");
    assert_eq!(server.count("errors"), 9);
    assert_eq!(server.count("clients"), 1);
}

#[test]
fn what_is_no_request_at_all_is_closed_with_its_code() {
    let limits = Settings { requests_per_second: 5, ..settings() };
    let mut server = Server::new(catalogue(1, 2), limits);
    let mut ends = |message: Message, times: usize| {
        let mut client = server.connect();
        client.expect(&mut server, "hello");
        (0..times).for_each(|_| client.say(message.clone()));
        client.close_code(&mut server)
    };
    assert_eq!(ends(Message::text("buy!"), 1), Some(CloseCode::Invalid));
    assert_eq!(ends(Message::binary(vec![1, 2]), 1), Some(CloseCode::Unsupported));
    assert_eq!(ends(Message::text(" ".repeat(16 * 1024 + 1)), 1), Some(CloseCode::Size));
    assert_eq!(ends(Message::text(r#"{"op":"ping"}"#), 6), Some(CloseCode::Policy));
    let not_utf8 = tungstenite::protocol::frame::Frame::message(
        vec![0xFF],
        tungstenite::protocol::frame::coding::OpCode::Data(
            tungstenite::protocol::frame::coding::Data::Text,
        ),
        true,
    );
    assert_eq!(ends(Message::Frame(not_utf8), 1), Some(CloseCode::Invalid));
    for reason in ["not_json", "binary", "too_large", "too_fast", "not_utf8"] {
        assert_eq!(server.count(&format!("disconnected.{reason}")), 1, "{reason}");
    }
    assert_eq!(server.count("clients"), 0);
}

#[test]
fn an_unmasked_frame_is_a_protocol_error() {
    let mut server = Server::new(catalogue(1, 2), settings());
    let mut client = server.connect();
    client.expect(&mut server, "snapshot");
    client.socket.get_mut().write_all(&[0x81, 2, b'{', b'}']).unwrap();
    assert_eq!(client.close_code(&mut server), Some(CloseCode::Protocol));
}
