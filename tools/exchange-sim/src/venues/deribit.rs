//! Deribit's linear perpetuals, channel `quote.<instrument>`.
//!
//! This follows Deribit's documentation as of 2026-02. Every frame is a complete quote without a number. The
//! result of a request lists the channels that were accepted. Numbers are doubles, with `.0` behind a
//! whole one.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::decimal;
use crate::rest::RestInstrument;
use crate::venue::{Action, Recorded, Route, Rules, Session, Venue, WireQuote};

/// Deribit's linear perpetuals.
#[derive(Debug)]
pub(super) struct Deribit;

const TIME_US: u64 = 1_790_000_000_000_000;

fn answer(id: &Value, key: &str, value: &Value) -> String {
    json!({
        "jsonrpc": "2.0", "id": id, key: value, "usIn": TIME_US, "usOut": TIME_US + 93, "usDiff": 93,
        "testnet": false,
    })
    .to_string()
}

impl Venue for Deribit {
    fn name(&self) -> &'static str {
        "deribit"
    }

    fn path(&self) -> &'static str {
        "/ws/api/v2"
    }

    fn rules(&self) -> Rules {
        Rules { idle_close: Some(Duration::from_secs(60)), snapshot: true, ..Rules::default() }
    }

    fn symbol(&self, instrument: &str) -> String {
        format!("{}-PERPETUAL", instrument.replace('/', "_"))
    }

    fn rest_path(&self) -> &'static str {
        "/api/v2/public/get_instruments"
    }

    fn instruments(&self, list: &[RestInstrument]) -> String {
        let row = |it: &RestInstrument| {
            json!({
                "instrument_name": it.symbol, "kind": "future", "instrument_type": "linear",
                "settlement_period": "perpetual", "base_currency": it.base,
                "quote_currency": it.quote, "counter_currency": it.quote,
                "settlement_currency": it.quote, "tick_size": it.tick, "contract_size": it.lot,
                "min_trade_amount": it.lot, "is_active": true, "taker_commission": 0.00035,
                "state": if it.is_halted { "halted" } else { "open" },
            })
        };
        let rows: Vec<Value> = list.iter().map(row).collect();
        json!({ "jsonrpc": "2.0", "result": rows, "testnet": false }).to_string()
    }

    fn topic(&self, symbol: &str) -> String {
        format!("quote.{symbol}")
    }

    fn route(&self, path: &str, _query: Option<&str>) -> Route {
        if path == "/ws/api/v2" {
            Route::Open { combined: false, topics: Vec::new(), without_quotes: false }
        } else {
            Route::NotFound
        }
    }

    fn on_text(&self, text: &str, _session: &Session, known: &dyn Fn(&str) -> bool) -> Vec<Action> {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let id = &request["id"];
        let channels = request["params"]["channels"].as_array().into_iter().flatten();
        let channels = channels.filter_map(Value::as_str).map(str::to_owned);
        match request["method"].as_str() {
            Some("public/test") => {
                let version = json!({ "version": "1.2.26" });
                vec![Action::Heartbeat(answer(id, "result", &version))]
            }
            Some("public/subscribe") => {
                let known: Vec<String> = channels.filter(|channel| known(channel)).collect();
                let reply = answer(id, "result", &json!(known));
                let reply =
                    if known.is_empty() { Action::Fail(reply) } else { Action::Reply(reply) };
                std::iter::once(reply).chain(known.into_iter().map(Action::Subscribe)).collect()
            }
            Some("public/unsubscribe") => {
                let channels: Vec<String> = channels.collect();
                let reply = Action::Reply(answer(id, "result", &json!(channels)));
                let ends = channels.into_iter().map(Action::Unsubscribe);
                std::iter::once(reply).chain(ends).collect()
            }
            Some(_) | None => {
                let error = json!({ "code": 11050, "message": "bad_request" });
                vec![Action::Fail(answer(id, "error", &error))]
            }
        }
    }

    fn refusal(&self, text: &str, _session: &Session) -> String {
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        answer(&request["id"], "result", &json!([]))
    }

    fn number(&self, text: &str, _places: usize, out: &mut String) {
        decimal::push_trimmed(text, out);
    }

    /// The frames have no number.
    fn sequence(&self, last: Option<u64>, _symbol: &str) -> u64 {
        last.map_or(1, |last| last + 1)
    }

    fn frame(&self, wire: &WireQuote<'_>, out: &mut String) {
        let texts = wire.texts;
        let double =
            |text: &str| if text.contains('.') { text.to_owned() } else { format!("{text}.0") };
        let [bid, bid_size, ask, ask_size] =
            [&texts.bid, &texts.bid_qty, &texts.ask, &texts.ask_qty].map(|text| double(text));
        let written = write!(
            out,
            concat!(
                r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{}","data":{{"#,
                r#""timestamp":{},"instrument_name":"{}","best_bid_price":{},"best_bid_amount":{},"#,
                r#""best_ask_price":{},"best_ask_amount":{}}}}}}}"#
            ),
            wire.topic, wire.event_ms, wire.symbol, bid, bid_size, ask, ask_size
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
        let (_, rest) = frame.split_once(r#""channel":""#)?;
        let (topic, _) = rest.split_once('"')?;
        Some(Recorded { topic: topic.into(), bare: 0..frame.len() })
    }
}
