//! Checks that each venue lists its instruments over REST, on the port of its WebSocket.

mod kit;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use exchange_sim::{ModelOptions, Options, Simulator, Source, venue_names};
use serde_json::Value;

/// Time limit of every wait. A test that waits this long has failed.
const LONG: Duration = Duration::from_secs(30);

const PATHS: [(&str, &str, &str); 4] = [
    ("binance", "/api/v3/exchangeInfo?showPermissionSets=false", "/symbols/0/symbol"),
    ("binance-usdm", "/fapi/v1/exchangeInfo", "/symbols/0/symbol"),
    ("bybit", "/v5/market/instruments-info?category=spot", "/result/list/0/symbol"),
    ("okx", "/api/v5/public/instruments?instType=SPOT", "/data/0/instId"),
];

fn start(listings: &[&str]) -> Simulator {
    let listings = listings.iter().map(|text| text.parse().expect("a listing")).collect();
    let source = Source::Model(ModelOptions { instruments: 2, ..ModelOptions::default() });
    Simulator::start(Options { hold: true, listings, source, ..Options::default() })
        .expect("the simulator starts")
}

fn connect(simulator: &Simulator, venue: &str) -> TcpStream {
    let address = simulator.venues().iter().find(|(name, _)| *name == venue).expect("a venue").1;
    let stream = TcpStream::connect(address).expect("the simulator listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    stream
}

/// Returns the status line and the body of an answer. The request is sent in `pieces`.
fn ask(simulator: &Simulator, venue: &str, path: &str, pieces: usize) -> (String, String) {
    let mut stream = connect(simulator, venue);
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    for piece in request.as_bytes().chunks(request.len().div_ceil(pieces)) {
        stream.write_all(piece).expect("the simulator reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the simulator answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn every_venue_lists_the_instruments_of_the_source_beside_its_websocket() {
    let simulator = start(&[]);
    assert_eq!(venue_names(), PATHS.map(|(venue, ..)| venue));
    for (venue, path, first) in PATHS {
        for pieces in [1, 7] {
            let (status, body) = ask(&simulator, venue, path, pieces);
            assert_eq!(status, "HTTP/1.1 200 OK", "{venue}");
            let list: Value = serde_json::from_str(&body).expect("JSON");
            let symbol = exchange_sim::venue_symbol(venue, "BTC/USDT").expect("a venue");
            assert_eq!(list.pointer(first), Some(&Value::from(symbol)), "{body}");
        }
        assert!(simulator.wait_until(LONG, |stats| stats.venue(venue).lists == 2));
        // A WebSocket opens as before.
        drop(kit::open(&simulator, venue));
        assert!(simulator.wait_until(LONG, |stats| stats.venue(venue).opened == 1));
    }
}

#[test]
fn other_paths_are_not_found_and_broken_requests_turned_away() {
    let simulator = start(&[]);
    let (status, body) = ask(&simulator, "okx", "/api/v5/public/time", 1);
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 404 Not Found", "no such path"));
    connect(&simulator, "okx").write_all(b"\x16\x03\x01\r\n\r\n").expect("the simulator reads");
    drop(connect(&simulator, "okx"));
    assert!(simulator.wait_until(LONG, |stats| stats.venue("okx").turned_away == 3));
}

#[test]
fn the_list_can_be_scripted() {
    let simulator = start(&[
        "okx:BTC-USDT:halted",
        "okx:ETH-USDT:tick=1e-8",
        "binance:BTCUSDT:renamed=XBTUSDT",
        "binance:ETHUSDT:lot=0",
        "bybit:BTCUSDT:unlisted",
    ]);
    for ((venue, path, _), parts) in PATHS.into_iter().zip([
        &[r#""symbol":"XBTUSDT""#, r#""baseAsset":"BTC""#, r#""stepSize":"0""#][..],
        &[r#""contractType":"PERPETUAL""#, r#""tickSize":"0.01""#],
        &[r#""list":[{"baseCoin":"ETH""#],
        &[r#""state":"suspend""#, r#""tickSz":"1e-8""#],
    ]) {
        let (_, body) = ask(&simulator, venue, path, 1);
        for part in parts {
            assert!(body.contains(part), "{part} in {body}");
        }
    }
}
