//! Checks each venue's protocol over a real socket: paths, subscriptions, errors, heartbeats and
//! limits.

mod kit;

use std::time::Duration;

use exchange_sim::{ModelOptions, Options, Simulator, Source, VenueAt};
use kit::{Client, expect_http, open, open_path};
use tungstenite::Message;

/// Time limit of every wait. A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

/// Starts one venue whose source is held, so that it sends nothing but replies.
fn held(venue: &str) -> Simulator {
    start(Options { hold: true, ..only(venue) })
}

fn only(venue: &str) -> Options {
    Options {
        venues: vec![VenueAt::any_port(venue)],
        source: Source::Model(ModelOptions { instruments: 2, ..ModelOptions::default() }),
        ..Options::default()
    }
}

fn start(options: Options) -> Simulator {
    Simulator::start(options).expect("the simulator starts")
}

#[test]
fn wrong_paths_are_not_found() {
    for (venue, path) in [
        ("binance", "/"),
        ("binance", "/v5/public/spot"),
        ("binance", "/wsx"),
        ("binance-usdm", "/market/ws"),
        ("bybit", "/v5/public/linear"),
        ("okx", "/ws/v5/publik"),
    ] {
        let simulator = held(venue);
        expect_http(&simulator, venue, path, 404);
        assert!(simulator.wait_until(LONG, |stats| stats.venue(venue).turned_away == 1));
    }
}

#[test]
fn binance_acknowledges_subscriptions_of_anything() {
    for venue in ["binance", "binance-usdm"] {
        let simulator = held(venue);
        let mut client = open(&simulator, venue);
        client.say(
            r#"{"method":"SUBSCRIBE","params":["btcusdt@bookTicker","no@bookTicker"],"id":7}"#,
        );
        assert_eq!(client.hear(), r#"{"result":null,"id":7}"#);
        client.say(r#"{"method":"LIST_SUBSCRIPTIONS","id":"x"}"#);
        assert_eq!(client.hear(), r#"{"result":["btcusdt@bookTicker","no@bookTicker"],"id":"x"}"#);
        client.say(r#"{"method":"UNSUBSCRIBE","params":["no@bookTicker"],"id":null}"#);
        assert_eq!(client.hear(), r#"{"result":null,"id":null}"#);
        assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 1));
    }
}

#[test]
fn binance_errors_name_their_code() {
    let simulator = held("binance");
    let mut client = open(&simulator, "binance");
    for (request, reply) in [
        (
            r#"{"method":"SUBSCRIBE","params":"btcusdt@bookTicker","id":5000001}"#,
            r#"{"error":{"code":2,"msg":"Invalid request: streams must be an array"},"id":5000001}"#,
        ),
        (
            r#"{"method":"JUMP","id":1}"#,
            r#"{"error":{"code":2,"msg":"Invalid request: unknown method"},"id":1}"#,
        ),
        (
            r#"{"method":"SET_PROPERTY","params":["combined",1],"id":2}"#,
            r#"{"error":{"code":1,"msg":"Invalid value type: expected Boolean"},"id":2}"#,
        ),
    ] {
        client.say(request);
        assert_eq!(client.hear(), reply);
    }
    client.say("{");
    assert!(client.hear().starts_with(r#"{"error":{"code":3,"msg":"Invalid JSON: "#));
    assert!(simulator.wait_until(LONG, |stats| stats.venue("binance").errors == 4));
}

#[test]
fn binance_wraps_frames_on_stream_paths_only() {
    let simulator = start(only("binance"));
    let mut wrapped = open_path(&simulator, "binance", "/stream?streams=btcusdt@bookTicker");
    assert!(wrapped.hear().starts_with(r#"{"stream":"btcusdt@bookTicker","data":{"u":"#));
    let mut bare = open_path(&simulator, "binance", "/ws/btcusdt@bookTicker/ethusdt@bookTicker");
    assert!(bare.hear().starts_with(r#"{"u":"#));
    bare.say(r#"{"method":"SET_PROPERTY","params":["combined",true],"id":1}"#);
    bare.until(|text| text == r#"{"result":null,"id":1}"#);
    assert!(bare.hear().starts_with(r#"{"stream":""#));
}

#[test]
fn usdm_serves_public_and_unrouted_paths() {
    let simulator = start(only("binance-usdm"));
    for path in ["/public/ws/btcusdt@bookTicker", "/ws/btcusdt@bookTicker"] {
        let mut client = open_path(&simulator, "binance-usdm", path);
        assert!(client.hear().starts_with(r#"{"e":"bookTicker","u":"#));
    }
    let path = "/public/stream?streams=btcusdt@bookTicker";
    let mut client = open_path(&simulator, "binance-usdm", path);
    assert!(client.hear().starts_with(r#"{"stream":"btcusdt@bookTicker","data":{"e":"#));
}

#[test]
fn binance_closes_without_a_pong() {
    let simulator = start(Options {
        ping_every: Some(Duration::from_millis(40)),
        pong_within: Some(Duration::from_millis(40)),
        hold: true,
        ..only("binance")
    });
    let mut client = open(&simulator, "binance");
    // The first read returns the ping. Tungstenite would answer it in the next read.
    assert!(matches!(client.message(), Message::Ping(_)));
    assert!(simulator.wait_until(LONG, |stats| stats.venue("binance").expelled == 1));
}

#[test]
fn binance_keeps_pinging_a_client_that_answers() {
    // The venue's own limit of a minute for the pong stays, which a busy machine does not use up.
    let simulator = start(Options {
        ping_every: Some(Duration::from_millis(40)),
        hold: true,
        ..only("binance")
    });
    let mut client = open(&simulator, "binance");
    for _ in 0..3 {
        assert!(matches!(client.message(), Message::Ping(_)));
    }
    assert!(simulator.wait_until(LONG, |stats| 2 <= stats.venue("binance").pongs));
    assert_eq!(simulator.stats().venue("binance").expelled, 0);
}

#[test]
fn binance_closes_on_more_than_five_messages_a_second() {
    let simulator = held("binance");
    let mut client = open(&simulator, "binance");
    let request = |id: u32| format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#);
    client.say_at_once((0..6).map(request));
    assert_eq!(client.until_closed(), Some(1008));
    assert!(simulator.wait_until(LONG, |stats| stats.venue("binance").connections == 0));
}

#[test]
fn bybit_acknowledges_a_request_and_sends_snapshots() {
    let simulator = start(only("bybit"));
    assert!(simulator.wait_until(LONG, |stats| 200 < stats.venue("bybit").unheard));
    let mut client = open(&simulator, "bybit");
    let id = client.subscribe_bybit(&["orderbook.1.BTCUSDT", "orderbook.1.ETHUSDT"]);
    let ack = client.hear();
    let head = r#"{"success":true,"ret_msg":"subscribe","conn_id":""#;
    assert!(ack.starts_with(head), "{ack}");
    assert!(ack.ends_with(&format!(r#"","req_id":"{id}","op":"subscribe"}}"#)), "{ack}");
    let first = client.hear();
    assert!(first.contains(r#""type":"snapshot""#) && first.contains("BTCUSDT"), "{first}");
    assert!(client.hear().contains(r#"{"topic":"orderbook.1."#));
}

#[test]
fn bybit_rejects_whole_requests() {
    let simulator = held("bybit");
    let mut client = open(&simulator, "bybit");
    let many: Vec<String> = (0..11).map(|n| format!("orderbook.1.X{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    client.subscribe_bybit(&many);
    let reply = client.hear();
    assert!(reply.starts_with(r#"{"success":false,"ret_msg":"args size \u003e10","conn_id":""#));
    client.subscribe_bybit(&["orderbook.1.BTCUSDT", "orderbook.1.NOUSDT"]);
    assert!(client.hear().contains(r#""error:handler not found,topic:orderbook.1.NOUSDT""#));
    assert_eq!(simulator.stats().subscriptions(), 0);
    client.subscribe_bybit(&["orderbook.1.BTCUSDT"]);
    assert!(client.hear().starts_with(r#"{"success":true"#));
    client.subscribe_bybit(&["orderbook.1.ETHUSDT", "orderbook.1.BTCUSDT"]);
    assert!(client.hear().contains(r#""error:already subscribed,topic:orderbook.1.BTCUSDT""#));
    client.say(r#"{"op":"dance"}"#);
    assert!(client.hear().contains(r#""ret_msg":"error:invalid op""#));
    assert!(simulator.wait_until(LONG, |stats| stats.subscriptions() == 1));
}

#[test]
fn bybit_answers_its_own_ping_and_the_protocols() {
    let simulator = held("bybit");
    let mut client = open(&simulator, "bybit");
    client.say(r#"{"req_id":"100001","op":"ping"}"#);
    let pong = client.hear();
    assert!(pong.starts_with(r#"{"success":true,"ret_msg":"pong","conn_id":""#), "{pong}");
    assert!(pong.ends_with(r#"","req_id":"100001","op":"ping"}"#), "{pong}");
    client.say(r#"{"op":"ping"}"#);
    assert!(!client.hear().contains("req_id"));
    client.send(Message::Ping("x".into()));
    assert_eq!(client.message(), Message::Pong("x".into()));
}

#[test]
fn bybit_repeats_a_silent_symbol_with_the_same_update_id() {
    let simulator = start(Options {
        limit: Some(100),
        repeat_after: Some(Duration::from_millis(50)),
        record: true,
        ..only("bybit")
    });
    assert!(simulator.wait_finished(LONG));
    let mut client = open(&simulator, "bybit");
    client.subscribe_bybit(&["orderbook.1.BTCUSDT"]);
    client.hear();
    let field = |text: &str| text.split(r#","u":"#).nth(1).map(str::to_owned);
    let first = field(&client.hear());
    assert!(first.is_some());
    assert_eq!(field(&client.hear()), first);
    assert_eq!(field(&client.hear()), first);
}

#[test]
fn okx_acknowledges_each_arg_and_sends_snapshots() {
    let simulator = start(Options { limit: Some(100), ..only("okx") });
    assert!(simulator.wait_finished(LONG));
    let mut client = open(&simulator, "okx");
    client.say(
        r#"{"id":"15","op":"subscribe","args":[{"channel":"bbo-tbt","instId":"BTC-USDT"},{"channel":"bbo-tbt","instId":"NO-USDT"}]}"#,
    );
    let ack = client.hear();
    let head = r#"{"id":"15","event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"connId":""#;
    assert!(ack.starts_with(head), "{ack}");
    let quote = client.hear();
    let head = r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[[""#;
    assert!(quote.starts_with(head), "{quote}");
    let error = client.hear();
    let head = r#"{"id":"15","event":"error","msg":"Wrong URL or channel:bbo-tbt,instId:NO-USDT doesn't exist."#;
    assert!(error.starts_with(head) && error.contains(r#""code":"60018","connId":""#), "{error}");
}

#[test]
fn okx_answers_text_pings_and_names_its_errors() {
    let simulator = held("okx");
    let mut client = open(&simulator, "okx");
    client.say("ping");
    assert_eq!(client.hear(), "pong");
    for (request, code) in
        [(r#"{"op":"leap","args":[]}"#, "60019"), ("{}", "60012"), ("nonsense", "60012")]
    {
        client.say(request);
        let reply = client.hear();
        assert!(reply.contains(&format!(r#""code":"{code}""#)), "{reply}");
    }
    let mut client = open_path(&simulator, "okx", "/ws/v5/business");
    client.say(r#"{"op":"subscribe","args":[{"channel":"bbo-tbt","instId":"BTC-USDT"}]}"#);
    assert!(client.hear().contains(r#""code":"60018""#));
}

#[test]
fn okx_closes_an_idle_connection() {
    let simulator =
        start(Options { hold: true, idle_close: Some(Duration::from_millis(60)), ..only("okx") });
    let mut client = open(&simulator, "okx");
    assert!(client.until_closed().is_some());
    assert!(simulator.wait_until(LONG, |stats| stats.venue("okx").expelled == 1));
}

#[test]
fn unsubscribing_ends_the_quotes() {
    let simulator = start(only("okx"));
    let mut client = open(&simulator, "okx");
    let arg = r#"[{"channel":"bbo-tbt","instId":"BTC-USDT"}]"#;
    client.say(&format!(r#"{{"op":"subscribe","args":{arg}}}"#));
    client.until(|text| text.starts_with(r#"{"arg""#));
    client.say(&format!(r#"{{"op":"unsubscribe","args":{arg}}}"#));
    client.until(|text| text.starts_with(r#"{"event":"unsubscribe""#));
    client.say("ping");
    assert_eq!(client.hear(), "pong");
}

#[test]
fn tls_is_trusted_by_its_certificate_only() {
    let simulator = start(Options { tls: true, ..only("bybit") });
    assert!(simulator.url("bybit").starts_with("wss://127.0.0.1:"));
    for name in ["localhost", "127.0.0.1"] {
        let mut client = Client::open_tls(&simulator, "bybit", "/v5/public/spot", name);
        client.subscribe_bybit(&["orderbook.1.BTCUSDT"]);
        client.until(|text| text.starts_with(r#"{"topic":"orderbook.1.BTCUSDT""#));
    }
}
