//! Checks every frame format against texts written by hand. `tests/outside.rs` checks them against
//! recorded frames.

use super::*;
use crate::venue::{Route, Texts, WireQuote};

fn texts(numbers: [&str; 4]) -> Texts {
    let [bid, bid_qty, ask, ask_qty] = numbers.map(str::to_owned);
    Texts { bid, bid_qty, ask, ask_qty }
}

/// Returns the numbers of a source as the venue writes them.
fn dressed(venue: &dyn Venue, numbers: [&str; 4], places: (usize, usize)) -> Texts {
    let places = [places.0, places.1, places.0, places.1];
    let mut out = [const { String::new() }; 4];
    for (index, number) in numbers.iter().enumerate() {
        venue.number(number, places[index], &mut out[index]);
    }
    let [bid, bid_qty, ask, ask_qty] = out;
    Texts { bid, bid_qty, ask, ask_qty }
}

fn wire<'a>(topic: &'a str, symbol: &'a str, texts: &'a Texts) -> WireQuote<'a> {
    WireQuote {
        topic,
        symbol,
        texts,
        before: None,
        delta_dialect: false,
        sequence: 50_093_239_212,
        cross: 101_969_058_574,
        orders: [3, 7],
        event_ms: 1_767_225_600_123,
        push_ms: 1_767_225_600_128,
    }
}

fn frame(venue: &dyn Venue, wire: &WireQuote<'_>) -> String {
    let mut out = String::new();
    venue.frame(wire, &mut out);
    out
}

const NUMBERS: [&str; 4] = ["61837.60", "3.780", "61838", "0.5"];

#[test]
fn names_are_unique_and_found() {
    for venue in VENUES {
        assert_eq!(VENUES.iter().filter(|v| v.name() == venue.name()).count(), 1);
        assert_eq!(by_name(venue.name()).map(Venue::name), Some(venue.name()));
        assert_ne!(venue.route(venue.path(), None), Route::NotFound);
    }
    assert!(by_name("nowhere").is_none());
}

#[test]
fn sequences_increase() {
    for venue in VENUES {
        let mut last = venue.sequence(None, "BTCUSDT");
        for _ in 0..1000 {
            let next = venue.sequence(Some(last), "BTCUSDT");
            assert!(last < next, "{}", venue.name());
            last = next;
        }
    }
}

#[test]
fn binance_spot_frames_are_padded_to_eight_decimals() {
    let venue = by_name("binance").expect("a venue");
    let texts = dressed(venue, NUMBERS, (2, 5));
    let topic = venue.topic("BTCUSDT");
    let bare = frame(venue, &wire(&topic, "BTCUSDT", &texts));
    let expected = r#"{"u":50093239212,"s":"BTCUSDT","b":"61837.60000000","B":"3.78000000","a":"61838.00000000","A":"0.50000000"}"#;
    assert_eq!(bare, expected);
    assert_eq!(
        venue.combined(&topic, &bare).as_deref(),
        Some(format!(r#"{{"stream":"btcusdt@bookTicker","data":{expected}}}"#).as_str())
    );
}

#[test]
fn binance_usdm_frames_are_padded_to_the_grid() {
    let venue = by_name("binance-usdm").expect("a venue");
    let texts = dressed(venue, NUMBERS, (2, 3));
    let bare = frame(venue, &wire("btcusdt@bookTicker", "BTCUSDT", &texts));
    assert_eq!(
        bare,
        r#"{"e":"bookTicker","u":50093239212,"s":"BTCUSDT","ps":"BTCUSDT","b":"61837.60","B":"3.780","a":"61838.00","A":"0.500","T":1767225600123,"E":1767225600128,"st":1}"#
    );
    let dated = frame(venue, &wire("btcusdt_260925@bookTicker", "BTCUSDT_260925", &texts));
    assert!(dated.contains(r#""s":"BTCUSDT_260925","ps":"BTCUSDT""#), "{dated}");
}

#[test]
fn bybit_snapshots_are_trimmed() {
    let venue = by_name("bybit").expect("a venue");
    let texts = dressed(venue, NUMBERS, (2, 5));
    assert_eq!(
        frame(venue, &wire("orderbook.1.BTCUSDT", "BTCUSDT", &texts)),
        r#"{"topic":"orderbook.1.BTCUSDT","ts":1767225600128,"type":"snapshot","data":{"s":"BTCUSDT","b":[["61837.6","3.78"]],"a":[["61838","0.5"]],"u":50093239212,"seq":101969058574},"cts":1767225600123}"#
    );
}

/// Changes one side at a time.
#[test]
fn bybit_deltas_say_what_is_new_and_what_is_gone() {
    let venue = by_name("bybit").expect("a venue");
    let before = texts(["100", "1", "101", "2"]);
    for (now, bids, asks) in [
        (["100", "1", "101", "2"], "[]", "[]"),
        (["100", "3", "101", "2"], r#"[["100","3"]]"#, "[]"),
        (["100.5", "3", "101", "2"], r#"[["100.5","3"],["100","0"]]"#, "[]"),
        (["99.5", "3", "101", "2"], r#"[["100","0"],["99.5","3"]]"#, "[]"),
        (["100", "1", "101", "4"], "[]", r#"[["101","4"]]"#),
        (["100", "1", "100.5", "4"], "[]", r#"[["100.5","4"],["101","0"]]"#),
        (["100", "1", "102", "4"], "[]", r#"[["101","0"],["102","4"]]"#),
    ] {
        let texts = texts(now);
        let mut wire = wire("orderbook.1.BTCUSDT", "BTCUSDT", &texts);
        wire.before = Some(&before);
        wire.delta_dialect = true;
        assert_eq!(
            frame(venue, &wire),
            format!(
                r#"{{"topic":"orderbook.1.BTCUSDT","ts":1767225600128,"type":"delta","data":{{"s":"BTCUSDT","b":{bids},"a":{asks},"u":50093239212,"seq":101969058574}}}}"#
            )
        );
    }
}

#[test]
fn okx_frames_are_trimmed_with_asks_first() {
    let venue = by_name("okx").expect("a venue");
    let texts = dressed(venue, NUMBERS, (2, 5));
    assert_eq!(
        frame(venue, &wire("bbo-tbt:BTC-USDT", "BTC-USDT", &texts)),
        r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["61838","0.5","0","7"]],"bids":[["61837.6","3.78","0","3"]],"ts":"1767225600123","seqId":50093239212}]}"#
    );
}

#[test]
fn symbols_are_spelt_as_on_the_venue() {
    for (venue, symbol, topic) in [
        ("binance", "PEPEUSDT", "pepeusdt@bookTicker"),
        ("binance-usdm", "PEPEUSDT", "pepeusdt@bookTicker"),
        ("bybit", "PEPEUSDT", "orderbook.1.PEPEUSDT"),
        ("okx", "PEPE-USDT", "bbo-tbt:PEPE-USDT"),
    ] {
        assert_eq!(venue_symbol(venue, "PEPE/USDT").as_deref(), Some(symbol));
        assert_eq!(by_name(venue).map(|venue| venue.topic(symbol)).as_deref(), Some(topic));
    }
}

#[test]
fn recorded_frames_are_told_apart_by_their_stream() {
    for (venue, frame, topic, bare) in [
        ("binance", r#"{"stream":"a@trade","data":{"s":1}}"#, "a@trade", r#"{"s":1}"#),
        ("binance-usdm", r#"{"u":1,"s":"AB"}"#, "ab@bookTicker", r#"{"u":1,"s":"AB"}"#),
        ("bybit", r#"{"topic":"t.1.A","x":1}"#, "t.1.A", r#"{"topic":"t.1.A","x":1}"#),
        (
            "okx",
            r#"{"arg":{"channel":"c","instId":"A-B"}}"#,
            "c:A-B",
            r#"{"arg":{"channel":"c","instId":"A-B"}}"#,
        ),
    ] {
        let recorded = by_name(venue).and_then(|venue| venue.recorded(frame)).expect(venue);
        assert_eq!((&*recorded.topic, &frame[recorded.bare]), (topic, bare));
    }
    assert!(VENUES.iter().all(|venue| venue.recorded(r#"{"stream":""#).is_none()));
}
