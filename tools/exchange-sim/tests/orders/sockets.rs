//! Order entry over loopback: beside the market data of the same port, with faults, and off by default.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use exchange_sim::{Clock, Options, OrdersOptions, Simulator, Source, Speed, order_paths};
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::rig::{base64, hex, sorted};

/// Time limit of every wait. A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

type Client = WebSocket<MaybeTlsStream<TcpStream>>;

/// Plays one quote of each venue, and then nothing.
fn start(folder: &Path, faults: &[&str]) -> Simulator {
    let mut tape = "recv_ts_ns,exch_ts_ns,venue,symbol,bid,bid_qty,ask,ask_qty\n".to_owned();
    for (number, (venue, symbol)) in
        [("binance_spot", "BTCUSDT"), ("bybit_spot", "BTCUSDT"), ("okx_spot", "BTC-USDT")]
            .into_iter()
            .enumerate()
    {
        let written = writeln!(
            tape,
            "171100159500000000{number},1711001595000000000,{venue},{symbol},52000.00,0.5,52000.10,0.3"
        );
        written.expect("a text");
    }
    std::fs::write(folder.join("tape.csv"), tape).expect("temporary file");
    let faults = faults.iter().map(|text| text.parse().expect(text)).collect();
    let venues = ["binance", "bybit", "okx"].map(exchange_sim::VenueAt::any_port).to_vec();
    let simulator = Simulator::start(Options {
        venues,
        source: Source::tape(folder.join("tape.csv")),
        speed: Speed::Max,
        orders: Some(OrdersOptions { faults, ..OrdersOptions::default() }),
        ..Options::default()
    })
    .expect("the simulator starts");
    assert!(simulator.wait_finished(LONG));
    simulator
}

fn open(simulator: &Simulator, venue: &str, path: &str) -> Client {
    let address = simulator.venues().iter().find(|(name, _)| *name == venue).expect("a venue").1;
    let stream = TcpStream::connect(address).expect("the simulator listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    let url = format!("{}{path}", simulator.url(venue));
    tungstenite::client(url, MaybeTlsStream::Plain(stream)).expect("the path exists").0
}

fn say(client: &mut Client, message: &Value) {
    client.send(Message::text(message.to_string())).expect("the connection is open");
}

fn hear(client: &mut Client) -> Value {
    loop {
        if let Message::Text(text) = client.read().expect("a message") {
            return serde_json::from_str(&text).unwrap_or_else(|_| text.as_str().into());
        }
    }
}

fn now_ms() -> u64 {
    Clock::start().now_ns() / 1_000_000
}

fn binance_request(method: &str, mut params: Value) -> Value {
    params["apiKey"] = "sim-binance-key".into();
    params["timestamp"] = now_ms().into();
    params["recvWindow"] = 60_000.into();
    params["signature"] = hex("sim-binance-secret", &sorted(&params)).into();
    json!({ "id": method, "method": method, "params": params })
}

fn binance_order(id: &str) -> Value {
    json!({
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC",
        "quantity": "0.1", "price": "52001", "newClientOrderId": id,
    })
}

#[test]
fn orders_fill_against_the_tape_on_the_port_of_the_quotes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let simulator = start(folder.path(), &[]);
    let mut quotes = open(&simulator, "binance", "/ws");
    say(&mut quotes, &json!({ "method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1 }));
    assert_eq!(hear(&mut quotes), json!({ "result": null, "id": 1 }));
    let mut orders = open(&simulator, "binance", "/ws-api/v3");
    // More than the five messages a second that the streams allow.
    for _ in 0..8 {
        say(&mut orders, &json!({ "id": 1, "method": "ping" }));
        assert_eq!(hear(&mut orders)["status"], 200);
    }
    say(&mut orders, &binance_request("order.place", binance_order("a")));
    let answer = hear(&mut orders);
    assert_eq!(
        (&answer["result"]["status"], &answer["result"]["fills"][0]["price"]),
        (&json!("FILLED"), &json!("52000.10000000"))
    );
    let stats = simulator.stop().stats.venue("binance");
    assert_eq!((stats.orders, stats.fills, stats.expelled), (1, 1, 0));
}

#[test]
fn bybit_and_okx_answer_over_their_sockets_and_over_rest() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let simulator = start(folder.path(), &["bybit:order=1:late=50ms"]);
    let [mut trade, mut private] =
        ["/v5/trade", "/v5/private"].map(|path| open(&simulator, "bybit", path));
    let expires = now_ms() + 60_000;
    let signature = hex("sim-bybit-secret", &format!("GET/realtime{expires}"));
    let auth = json!({ "op": "auth", "args": ["sim-bybit-key", expires, signature] });
    for client in [&mut trade, &mut private] {
        say(client, &auth);
        assert_eq!(hear(client)["op"], "auth");
    }
    say(&mut private, &json!({ "op": "subscribe", "args": ["execution.fast"] }));
    assert_eq!(hear(&mut private)["success"], true);
    let arg = json!({
        "category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
        "qty": "0.1", "price": "52001", "timeInForce": "IOC", "orderLinkId": "a",
    });
    let header = json!({ "X-BAPI-TIMESTAMP": now_ms().to_string(), "X-BAPI-RECV-WINDOW": "60000" });
    say(
        &mut trade,
        &json!({ "reqId": "1", "op": "order.create", "header": header, "args": [arg] }),
    );
    assert_eq!(hear(&mut trade)["retCode"], 0);
    assert_eq!(hear(&mut private)["data"][0]["execPrice"], "52000.1");

    let mut okx = open(&simulator, "okx", "/ws/v5/private");
    let at = (now_ms() / 1_000).to_string();
    let sign = base64("sim-okx-secret", &format!("{at}GET/users/self/verify"));
    let passphrase = "sim-okx-passphrase";
    let arg = json!({
        "apiKey": "sim-okx-key", "passphrase": passphrase, "timestamp": at, "sign": sign,
    });
    say(&mut okx, &json!({ "op": "login", "args": [arg] }));
    assert_eq!(hear(&mut okx)["event"], "login");
    let (_, list) = ask(&simulator, "okx", "/api/v5/public/instruments?instType=SPOT", "");
    let arg = json!({
        "instIdCode": list["data"][0]["instIdCode"], "tdMode": "cash", "side": "sell",
        "ordType": "ioc", "sz": "0.1", "px": "51000", "clOrdId": "a",
    });
    say(&mut okx, &json!({ "id": "1", "op": "order", "args": [arg] }));
    assert_eq!(hear(&mut okx)["data"][0]["sCode"], "0");
    // A clock that is an hour off is told so; the time itself needs no signature.
    let (status, time) = ask(&simulator, "okx", "/api/v5/public/time", "");
    assert!(status.contains("200") && time["data"][0]["ts"].is_string(), "{status} {time}");
    let late = "OK-ACCESS-TIMESTAMP: 2020-12-08T09:08:57.715Z\r\n";
    let (status, answer) = ask(&simulator, "okx", "/api/v5/account/balance", late);
    assert!(status.contains("401") && answer["code"] == "50102", "{status} {answer}");
}

/// Returns the status line and the body of an answer.
fn ask(simulator: &Simulator, venue: &str, target: &str, headers: &str) -> (String, Value) {
    let address = simulator.venues().iter().find(|(name, _)| *name == venue).expect("a venue").1;
    let mut stream = TcpStream::connect(address).expect("the simulator listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("the simulator reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the simulator answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.lines().next().unwrap_or_default().to_owned();
    (status, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
}

#[test]
fn a_scripted_disconnect_resets_the_connection_and_the_order_stands() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let simulator = start(folder.path(), &["binance:order=1:disconnect"]);
    let mut orders = open(&simulator, "binance", "/ws-api/v3");
    say(&mut orders, &binance_request("order.place", binance_order("a")));
    assert!(orders.read().is_err());
    let mut again = open(&simulator, "binance", "/ws-api/v3");
    let asked = json!({ "symbol": "BTCUSDT", "origClientOrderId": "a" });
    say(&mut again, &binance_request("order.status", asked));
    assert_eq!(hear(&mut again)["result"]["status"], "FILLED");
}

#[test]
fn faults_at_a_time_count_from_when_the_source_plays() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let faults = ["okx:at=0s:balance=BTC:-1", "binance:at=0s:reject=-1008"];
    let simulator = start(folder.path(), &faults);
    // This one needs no order.
    assert!(simulator.wait_until(LONG, |stats| stats.venue("okx").faults == 1));
    let mut orders = open(&simulator, "binance", "/ws-api/v3");
    say(&mut orders, &binance_request("order.place", binance_order("a")));
    assert_eq!(hear(&mut orders)["error"]["code"], -1008);
    say(&mut orders, &binance_request("order.place", binance_order("a")));
    assert_eq!(hear(&mut orders)["status"], 200);
}

#[test]
fn filters_of_the_list_are_those_of_the_orders() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let simulator = start(folder.path(), &[]);
    let (_, info) = ask(&simulator, "binance", "/api/v3/exchangeInfo", "");
    let filters = &info["symbols"][0]["filters"];
    assert_eq!(
        *filters,
        json!([
            { "filterType": "PRICE_FILTER", "tickSize": "0.1" },
            { "filterType": "LOT_SIZE", "minQty": "0.1", "stepSize": "0.1" },
            {
                "filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": true,
                "avgPriceMins": 0,
            },
        ])
    );
    let (_, list) = ask(&simulator, "bybit", "/v5/market/instruments-info?category=spot", "");
    assert_eq!(list["result"]["list"][0]["lotSizeFilter"]["minOrderAmt"], "5");
}

#[test]
fn options_of_orders_that_make_no_sense_are_refused() {
    let orders = OrdersOptions::default();
    let venues = vec![exchange_sim::VenueAt::any_port("binance-usdm")];
    let usdm = |orders: OrdersOptions| {
        let venues = venues.clone();
        Options { venues, orders: Some(orders), ..Options::default() }
    };
    let fault = "binance-usdm:order=1:lost".parse().expect("a fault");
    let mut key = exchange_sim::test_keys().remove(0);
    key.venue = "binance-usdm".to_owned();
    let balance = "okx:BTC=1".parse().expect("a balance");
    for (options, told) in [
        (
            OrdersOptions { faults: vec![fault], ..orders.clone() },
            "binance-usdm: this venue is not",
        ),
        (OrdersOptions { keys: vec![key], ..orders.clone() }, "this venue takes no orders"),
        (OrdersOptions { balances: vec![balance], ..orders.clone() }, "balance of okx"),
        (OrdersOptions { taker_fee: 1_000_001, ..orders }, "more than 1000000"),
    ] {
        let problem = Simulator::start(usdm(options)).expect_err(told).to_string();
        assert!(problem.contains(told), "{problem}");
    }
}

#[test]
fn without_the_option_there_is_no_order_entry() {
    let simulator = Simulator::start(Options { hold: true, ..Options::default() })
        .expect("the simulator starts");
    assert_eq!(order_paths("binance-usdm"), [""; 0]);
    for (venue, target) in
        [("binance", "/ws-api/v3"), ("bybit", "/v5/trade"), ("bybit", "/v5/private")]
    {
        assert!(order_paths(venue).contains(&target));
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        assert!(ask(&simulator, venue, target, upgrade).0.contains("404"), "{target}");
    }
    assert!(ask(&simulator, "okx", "/api/v5/account/balance", "").0.contains("404"));
}
