//! MEXC, spot `aggre.bookTicker` as protobuf, and perpetuals `depth.full`.
//!
//! This follows MEXC's documents as of 2026-06. Every frame is a complete quote, and versions have
//! holes. Spot writes protobuf fields in the order of their numbers and leaves out what is absent.
//! Perpetuals list a worse level before the best one. A refusal on spot has code 0 and says so in words; an
//! acceptance on perpetuals names no symbol. Sizes of perpetuals are contracts of one lot.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::RestInstrument;
use crate::venue::{Action, Form, Recorded, Route, Rules, Session, Venue, WireQuote};
use crate::{decimal, sequence};

/// MEXC spot.
#[derive(Debug)]
pub(super) struct Spot;

/// MEXC's perpetuals.
#[derive(Debug)]
pub(super) struct Perpetual;

const TIME_MS: u64 = 1_790_000_000_000;

/// Appends a number, seven bits a character, the lowest first.
fn push_varint(mut number: u64, out: &mut String) {
    while 0x80 <= number {
        out.push(char::from(0x80 | (number & 0x7F) as u8));
        number >>= 7;
    }
    out.push(char::from((number & 0x7F) as u8));
}

fn push_text(field: u64, text: &str, out: &mut String) {
    push_varint(field << 3 | 2, out);
    push_varint(text.chars().count() as u64, out);
    out.push_str(text);
}

fn push_number(field: u64, number: u64, out: &mut String) {
    push_varint(field << 3, out);
    push_varint(number, out);
}

fn told(id: &Value, told: &str) -> String {
    let id = if id.is_null() { json!(0) } else { id.clone() };
    json!({ "id": id, "code": 0, "msg": told }).to_string()
}

fn spot_refusal(id: &Value, topic: &str) -> String {
    told(id, &format!("Not Subscribed successfully! [{topic}].  Reason： Param is error! "))
}

/// Returns the sequence number of either market.
fn version(last: Option<u64>, symbol: &str) -> u64 {
    let first = || 40_000_000_000 + sequence::scattered(symbol, 900_000_000);
    last.map_or_else(first, sequence::with_gaps)
}

fn open(is_path: bool) -> Route {
    if is_path {
        Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
    } else {
        Route::NotFound
    }
}

impl Venue for Spot {
    fn name(&self) -> &'static str {
        "mexc"
    }

    fn path(&self) -> &'static str {
        "/ws"
    }

    fn rules(&self) -> Rules {
        Rules {
            idle_close: Some(Duration::from_secs(60)),
            inbound_per_second: Some(100),
            ..Rules::default()
        }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "")
    }

    fn rest_path(&self) -> &'static str {
        "/api/v3/exchangeInfo"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "status": if it.is_halted { "2" } else { "1" },
                "baseAsset": it.base, "baseAssetPrecision": decimal::places(&it.lot),
                "quoteAsset": it.quote, "quotePrecision": decimal::places(&it.tick),
                "quoteAssetPrecision": decimal::places(&it.tick), "isSpotTradingAllowed": true,
                "takerCommission": "0.0005",
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        json!({ "timezone": "CST", "serverTime": TIME_MS, "symbols": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("spot@public.aggre.bookTicker.v3.api.pb@10ms@{symbol}")
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        open(path == "/ws")
    }

    fn form(&self) -> Form {
        Form::Protobuf
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let id = &request["id"];
        let topics = request["params"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match request["method"].as_str() {
            Some("PING") => vec![Action::Heartbeat(told(id, "PONG"))],
            Some("SUBSCRIPTION") => topics
                .flat_map(|topic| match known(topic) {
                    true => {
                        vec![Action::Reply(told(id, topic)), Action::Subscribe(topic.to_owned())]
                    }
                    false => vec![Action::Fail(spot_refusal(id, topic))],
                })
                .collect(),
            Some("UNSUBSCRIPTION") => topics
                .flat_map(|topic| {
                    [Action::Reply(told(id, topic)), Action::Unsubscribe(topic.to_owned())]
                })
                .collect(),
            Some(_) | None => vec![Action::Fail(told(id, "msg format invalid"))],
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        spot_refusal(&request["id"], request["params"][0].as_str().unwrap_or_default())
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        version(last, symbol)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let mut body = String::new();
        for (field, price, text) in [
            (1, &texts.bid, &texts.bid),
            (2, &texts.bid, &texts.bid_qty),
            (3, &texts.ask, &texts.ask),
            (4, &texts.ask, &texts.ask_qty),
        ] {
            if price != "0" {
                push_text(field, text, &mut body);
            }
        }
        push_text(5, &wire.sequence.to_string(), &mut body);
        push_number(6, wire.event_ms - 1_000, &mut body);
        push_text(1, wire.topic, out);
        push_text(3, wire.symbol, out);
        push_number(6, wire.event_ms, out);
        push_text(315, &body, out);
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once("spot@")?;
        let length = rest.find(|it: char| !it.is_ascii_graphic())?;
        let topic = format!("spot@{}", &rest[..length]);
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}

impl Venue for Perpetual {
    fn name(&self) -> &'static str {
        "mexc-perp"
    }

    fn path(&self) -> &'static str {
        "/edge"
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(60)), snapshot: true, ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        instrument.replace('/', "_")
    }

    fn rest_path(&self) -> &'static str {
        "/api/v1/contract/detail"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "symbol": it.symbol, "baseCoin": it.base, "quoteCoin": it.quote,
                "settleCoin": it.quote, "contractSize": it.lot, "priceUnit": it.tick,
                "volUnit": 1, "minVol": 1, "state": if it.is_halted { 4 } else { 0 },
                "futureType": 1, "takerFeeRate": 0.0002,
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        json!({ "success": true, "code": 0, "data": rows }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        symbol.to_owned()
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        open(path == "/edge")
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let symbol = request["param"]["symbol"].as_str().unwrap_or_default().to_owned();
        let done = |channel: &str| {
            let answer = json!({ "channel": channel, "data": "success", "ts": TIME_MS });
            Action::Reply(answer.to_string())
        };
        match request["method"].as_str() {
            Some("ping") => {
                let pong = json!({ "channel": "pong", "data": TIME_MS, "ts": TIME_MS });
                vec![Action::Heartbeat(pong.to_string())]
            }
            Some("sub.depth.full") if known(&symbol) => {
                vec![done("rs.sub.depth.full"), Action::Subscribe(symbol)]
            }
            Some("sub.depth.full") => vec![Action::Fail(self.refusal(text, &Session::default()))],
            Some("unsub.depth.full") => {
                vec![done("rs.unsub.depth.full"), Action::Unsubscribe(symbol)]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let symbol = request["param"]["symbol"].as_str().unwrap_or_default();
        let words = format!("Contract [{symbol}] not exists");
        json!({ "channel": "rs.error", "data": words, "ts": TIME_MS }).to_string()
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    fn size(&self, text: &str, places: usize, out: &mut String) {
        decimal::push_shifted(text, places, out);
    }

    fn sequence(&self, last: Option<u64>, symbol: &str) -> u64 {
        version(last, symbol)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let bids = match texts.bid.as_str() {
            "0" => String::new(),
            bid => format!("[{bid},{},{}]", texts.bid_qty, wire.orders[0]),
        };
        // A worse ask has a digit more before the point.
        let asks = match texts.ask.as_str() {
            "0" => String::new(),
            ask => format!("[9{ask},1,1],[{ask},{},{}]", texts.ask_qty, wire.orders[1]),
        };
        let written = write!(
            out,
            concat!(
                r#"{{"symbol":"{}","data":{{"cts":{},"asks":[{}],"bids":[{}],"version":{}}},"#,
                r#""channel":"push.depth.full","ts":{}}}"#
            ),
            wire.symbol, wire.event_ms, asks, bids, wire.sequence, wire.push_ms
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn combined(&self, _topic: &str, _bare: &str) -> Option<String> {
        None
    }

    fn shutdown(&self, _now_ms: u64) -> Option<String> {
        None
    }

    fn recorded<'a>(&self, frame: &'a str) -> Option<Recorded<'a>> {
        let (_, rest) = frame.split_once(r#""symbol":""#)?;
        let (symbol, _) = rest.split_once('"')?;
        Some(Recorded { topic: symbol.into(), bare: 0..frame.len() })
    }
}
